//! What a picture of usage shows, before anything is drawn: slots of time and
//! what each of the largest keys had in them.

mod palette;
mod scale;
mod slot;
mod svg;

use std::collections::HashMap;

use jiff::civil::DateTime;

use self::palette::SERIES;
use self::slot::{Length, slots};
use super::measure::{Measure, add, total};
use super::number::{counted, grouped};
use super::when::Range;
use crate::usage::{Bucket, Point, Row};

/// Stacked bars over time.
pub struct Chart {
    title: String,
    subtitle: String,
    measure: Measure,
    total: u64,
    /// Whether bars are of several keys.
    is_keyed: bool,
    length: Length,
    slots: Vec<DateTime>,
    /// The largest first; what is left of them together last.
    series: Vec<Series>,
}

/// One key over time.
struct Series {
    name: String,
    total: u64,
    /// One for each slot.
    values: Vec<u64>,
    is_rest: bool,
}

/// In which steps the numbers for a picture of this range are needed.
pub fn steps_for(range: Range) -> Bucket {
    match Length::for_range(range) {
        Length::Hour => Bucket::Hour,
        _ => Bucket::Day,
    }
}

impl Chart {
    /// Sorts what was used into slots. `by` is what keys are, where they are
    /// not times themselves.
    pub fn new(range: Range, by: Option<&str>, points: &[Point]) -> Self {
        let length = Length::for_range(range);
        let slots = slots(range, length, usize::MAX);
        let measure = Measure::of(points.iter().map(|point| &point.row));
        let sum = total(points.iter().map(|point| &point.row));
        let name = match points.is_empty() {
            true => "Usage",
            false => measure.capitalized(),
        };
        Self {
            title: format!(
                "{name} {}",
                by.map_or("over time".into(), |by| format!("by {by}"))
            ),
            subtitle: subtitle(range, measure, &sum),
            series: series(length, &slots, measure, by.is_some(), points),
            total: measure.value(&sum),
            is_keyed: by.is_some(),
            measure,
            length,
            slots,
        }
    }

    /// As a picture that stands alone.
    pub fn to_svg(&self) -> String {
        svg::draw(self)
    }

    /// What all bars of a slot come to.
    fn height(&self, slot: usize) -> u64 {
        let values = self.series.iter().map(|series| series.values[slot]);
        values.fold(0, u64::saturating_add)
    }
}

fn series(
    length: Length,
    slots: &[DateTime],
    measure: Measure,
    is_keyed: bool,
    points: &[Point],
) -> Vec<Series> {
    let places: HashMap<_, _> = slots.iter().zip(0..).collect::<HashMap<_, usize>>();
    let mut rows: HashMap<&str, Vec<Row>> = HashMap::new();
    for point in points {
        let Some(place) = places.get(&length.start(point.start)) else {
            continue;
        };
        let key = if is_keyed { &point.row.key } else { "" };
        let sums = rows
            .entry(key)
            .or_insert_with(|| vec![Row::default(); slots.len()]);
        add(&mut sums[*place], &point.row);
    }
    let mut all: Vec<Series> = rows
        .into_iter()
        .map(|(key, rows)| {
            let values: Vec<u64> = rows.iter().map(|row| measure.value(row)).collect();
            Series {
                name: if is_keyed {
                    key.to_owned()
                } else {
                    "all".to_owned()
                },
                total: values.iter().copied().fold(0, u64::saturating_add),
                values,
                is_rest: false,
            }
        })
        .filter(|series| series.total > 0)
        .collect();
    all.sort_by(|a, b| (b.total, &a.name).cmp(&(a.total, &b.name)));
    if all.len() > SERIES + 1 {
        let rest = all.split_off(SERIES);
        all.push(together(&rest, slots.len()));
    } else if let Some(last) = all.get_mut(SERIES) {
        // One alone keeps its name.
        last.is_rest = true;
    }
    all
}

fn together(rest: &[Series], slots: usize) -> Series {
    let values = (0..slots).map(|slot| {
        let values = rest.iter().map(|series| series.values[slot]);
        values.fold(0, u64::saturating_add)
    });
    Series {
        name: format!("{} others", rest.len()),
        total: rest
            .iter()
            .fold(0, |sum, series| sum.saturating_add(series.total)),
        values: values.collect(),
        is_rest: true,
    }
}

fn subtitle(range: Range, measure: Measure, sum: &Row) -> String {
    let requests = counted(sum.requests, "request");
    let mut text = format!("{} UTC · {requests}", range.shown());
    if measure == Measure::Cost && sum.unpriced_requests > 0 {
        let unpriced = grouped(sum.unpriced_requests);
        text.push_str(&format!(", {unpriced} of them without a price"));
    }
    text
}

#[cfg(test)]
mod tests;
