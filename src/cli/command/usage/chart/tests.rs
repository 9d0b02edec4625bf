//! Pictures of all sizes and of hostile names, read by a strict reader.

use jiff::Timestamp;

use super::*;
use crate::usage::Nano;

fn range(since: &str, until: &str) -> Range {
    let (since, until) = (since.parse().unwrap(), until.parse().unwrap());
    Range { since, until }
}

fn point(start: Timestamp, key: &str, cost: i64) -> Point {
    let row = Row {
        key: key.into(),
        requests: 2,
        input_tokens: 100,
        output_tokens: 10,
        cost: Nano(cost),
        ..Row::default()
    };
    Point { start, row }
}

/// A document of so many elements of each name, or why it is none. As much of
/// XML 1.0 as a picture may have: no document type, no instructions, no
/// comments.
fn read(text: &str) -> Result<HashMap<String, usize>, String> {
    let is_char =
        |c: char| matches!(c, '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if let Some(bad) = text.chars().find(|c| !is_char(*c)) {
        return Err(format!("{bad:?}"));
    }
    let mut open: Vec<String> = Vec::new();
    let mut seen = HashMap::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        check_text(before)?;
        if open.is_empty() && !before.trim().is_empty() {
            return Err(format!("text outside: {before}"));
        }
        let (tag, next) = split_tag(after).ok_or("a tag without end")?;
        rest = next;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("closed without being open: {name}"));
            }
            continue;
        }
        let (tag, is_closed) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        check_attributes(attributes)?;
        *seen.entry(name.to_owned()).or_insert(0) += 1;
        if !is_closed {
            open.push(name.to_owned());
        }
    }
    match open.is_empty() && rest.trim().is_empty() {
        true => Ok(seen),
        false => Err(format!("left open: {open:?} {rest}")),
    }
}

/// What stands before the `>` that is in no quotes, and what comes after it.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    let end = text.find(|c| {
        is_quoted ^= c == '"';
        c == '>' && !is_quoted
    })?;
    Some((&text[..end], &text[end + 1..]))
}

fn check_attributes(mut text: &str) -> Result<(), String> {
    let mut names = Vec::new();
    while !text.trim().is_empty() {
        let (name, value) = text.trim_start().split_once("=\"").ok_or(text)?;
        let (value, next) = value.split_once('"').ok_or("a value without end")?;
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') || names.contains(&name) {
            return Err(format!("attribute {name}"));
        }
        if value.contains('<') || name.starts_with("on") || name == "href" {
            return Err(format!("attribute {name}={value}"));
        }
        check_text(value)?;
        names.push(name);
        text = next;
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), String> {
    for after in text.split('&').skip(1) {
        let entity = after.split_once(';').map_or("", |(entity, _)| entity);
        if !["amp", "lt", "gt", "quot", "#39"].contains(&entity) {
            return Err(format!("&{after}"));
        }
    }
    Ok(())
}

#[test]
fn the_reader_of_these_tests_is_strict() {
    assert!(read("<a b=\"1\"><c/>x &amp; y</a>\n").is_ok());
    for bad in [
        "<a>",
        "<a></b>",
        "<a/>x",
        "<a b=1/>",
        "<a b=\"1\" b=\"2\"/>",
        "<a b=\"<\"/>",
        "<a>&nbsp;</a>",
        "<a>\u{1}</a>",
        "<a>\u{ffff}</a>",
        "<a onclick=\"x\"/>",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_name_from_outside_is_only_ever_text() {
    let range = range("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z");
    let names = [
        "</text><script>alert(1)</script>",
        "\" onload=\"x",
        "]]>&lt;&#60;<!--",
        "a\u{0}\u{1b}\u{ffff}\u{202e}b",
        "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字",
        "{}</style>",
    ];
    let points: Vec<_> = names
        .iter()
        .map(|name| point(range.since, name, 1_000_000_000))
        .collect();
    let svg = Chart::new(range, Some("model"), &points).to_svg();
    let seen = read(&svg).unwrap_or_else(|bad| panic!("{bad}: {svg}"));
    assert_eq!(seen.get("script"), None);
    assert_eq!(seen["style"], 1);
    assert_eq!(seen["path"], names.len());
    let address = "http://www.w3.org/2000/svg";
    assert_eq!(svg.matches("http").count(), 1);
    assert!(svg.contains(&format!("xmlns=\"{address}\"")));
    assert!(!svg.contains("url(") && !svg.contains("@import"));
}

#[test]
fn every_number_of_slots_is_drawn_within_the_page() {
    let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for hours in (1..200).chain([24 * 30, 24 * 90, 24 * 365, 24 * 3650, 24 * 36500]) {
        let hour = |number: i64| since + jiff::SignedDuration::from_hours(number);
        let range = Range {
            since,
            until: hour(hours),
        };
        let steps = if steps_for(range) == Bucket::Hour {
            1
        } else {
            24
        };
        let points: Vec<_> = (0..hours)
            .step_by(steps)
            .flat_map(|number| {
                [("a", 7), ("b", 1)].map(|(key, cost)| point(hour(number), key, cost))
            })
            .collect();
        let chart = Chart::new(range, Some("agent"), &points);
        let svg = chart.to_svg();
        let seen = read(&svg).unwrap_or_else(|bad| panic!("{hours}: {bad}"));
        assert_eq!(seen["path"], 2 * chart.slots.len(), "{hours}");
        assert!(chart.slots.len() <= 101, "{hours}");
        for shape in svg.split(" d=\"").skip(1) {
            let shape = shape.split('"').next().unwrap();
            for number in shape.split(|c: char| !c.is_ascii_digit() && c != '.' && c != '-') {
                let number: f64 = number.parse().unwrap_or(0.0);
                assert!((0.0..=960.0).contains(&number), "{hours}: {shape}");
            }
        }
        let labels = svg.matches("text-anchor=\"middle\"").count();
        assert!((1..=26).contains(&labels), "{hours}: {labels}");
    }
}

#[test]
fn nothing_is_lost_between_points_and_bars() {
    let range = range("2026-11-01T00:00:00Z", "2026-11-30T00:00:00Z");
    let points: Vec<_> = (0..290_i64)
        .map(|number| {
            let start = range.since + jiff::SignedDuration::from_hours(24 * (number % 29));
            point(start, &format!("k{}", number % 12), number * 1000)
        })
        .collect();
    let chart = Chart::new(range, Some("model"), &points);
    assert_eq!(chart.series.len(), SERIES + 1);
    let last = chart.series.last().unwrap();
    assert_eq!((last.name.as_str(), last.is_rest), ("4 others", true));
    let expected: i64 = (0..290).map(|number| number * 1000).sum();
    let heights: u64 = (0..29).map(|slot| chart.height(slot)).sum();
    let totals: u64 = chart.series.iter().map(|series| series.total).sum();
    assert_eq!((heights, totals), (expected as u64, expected as u64));
    assert_eq!(chart.total, expected as u64);
    assert!(chart.series[..SERIES].is_sorted_by(|a, b| a.total >= b.total));
    // Nine have room without being put together.
    let few: Vec<_> = (0..9)
        .map(|key| point(range.since, &format!("k{key}"), 5))
        .collect();
    let chart = Chart::new(range, Some("model"), &few);
    assert_eq!(chart.series.last().unwrap().name, "k8");
}

#[test]
fn where_nothing_has_a_price_the_picture_is_of_tokens() {
    let range = range("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z");
    let chart = Chart::new(range, Some("model"), &[point(range.since, "a", 0)]);
    assert_eq!(chart.title, "Tokens by model");
    assert_eq!(chart.total, 110);
    let chart = Chart::new(range, None, &[point(range.since, "a", 1)]);
    assert_eq!(chart.title, "Cost over time");
    let svg = Chart::new(range, None, &[]).to_svg();
    assert!(svg.contains("Nothing was recorded in this time"));
    read(&svg).unwrap();
}
