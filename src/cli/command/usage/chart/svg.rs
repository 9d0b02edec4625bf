//! A chart as SVG: one file for light and dark, without scripts and without
//! anything from elsewhere. What came from outside gets in through
//! [`escaped`] alone.

use std::fmt::Write as _;

use super::palette::{REST, style};
use super::scale::Scale;
use super::{Chart, Series};
use crate::text::printable;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 460.0;
const MARGIN: f64 = 32.0;
const TOP: f64 = 104.0;
const BOTTOM: f64 = HEIGHT - 52.0;
const LEGEND: f64 = 256.0;
const LEGEND_GAP: f64 = 32.0;
const LEGEND_LINE: f64 = 27.0;
const WIDEST_BAR: f64 = 56.0;
/// About what a letter of axis and legend takes.
const LETTER: f64 = 6.9;

/// Draws a chart.
pub fn draw(chart: &Chart) -> String {
    let largest = (0..chart.slots.len()).map(|slot| chart.height(slot)).max();
    let scale = Scale::up_to(largest.unwrap_or(0));
    let marks: Vec<(u64, String)> = scale
        .marks()
        .map(|mark| (mark, chart.measure.mark(mark, scale.step)))
        .collect();
    let widest = marks.iter().map(|(_, text)| text.len()).max().unwrap_or(0);
    let has_legend = chart.is_keyed && !chart.series.is_empty();
    let legend = if has_legend { LEGEND + LEGEND_GAP } else { 0.0 };
    let mut page = Page {
        chart,
        scale,
        left: MARGIN + 12.0 + LETTER * widest as f64,
        right: WIDTH - MARGIN - legend,
        text: String::with_capacity(16 * 1024),
    };
    page.head();
    if chart.series.is_empty() {
        let (x, y) = (number(WIDTH / 2.0), number((TOP + BOTTOM) / 2.0));
        page.line(&format!(
            r#"<text class="muted" x="{x}" y="{y}" text-anchor="middle">Nothing was recorded in this time</text>"#
        ));
    } else {
        page.value_axis(&marks);
        page.bars();
        page.time_axis();
    }
    if has_legend {
        page.legend();
    }
    page.text.push_str("</svg>\n");
    page.text
}

struct Page<'a> {
    chart: &'a Chart,
    scale: Scale,
    left: f64,
    right: f64,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn head(&mut self) {
        let chart = self.chart;
        let (title, subtitle) = (escaped(&chart.title), escaped(&chart.subtitle));
        let total = escaped(&chart.measure.shown(chart.total));
        let label = match chart.series.is_empty() {
            true => format!("{title}, {subtitle}: nothing"),
            false => format!("{title}, {subtitle}: {total}"),
        };
        let (margin, end) = (number(MARGIN), number(WIDTH - MARGIN));
        let _ = writeln!(
            self.text,
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="vault-usage" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{label}">
<style>
{style}</style>
<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="12"/>
<text class="title" x="{margin}" y="46">{title}</text>
<text class="muted" x="{margin}" y="70">{subtitle}</text>"#,
            style = style(),
        );
        if !chart.series.is_empty() {
            self.line(&format!(
                r#"<text class="title" x="{end}" y="46" text-anchor="end">{total}</text>"#
            ));
            self.line(&format!(
                r#"<text class="muted" x="{end}" y="70" text-anchor="end">in total</text>"#
            ));
        }
    }

    /// Where on the page a value is.
    fn y(&self, value: u64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * (value as f64 / self.scale.top as f64)
    }

    fn slot_width(&self) -> f64 {
        (self.right - self.left) / self.chart.slots.len().max(1) as f64
    }

    /// The middle of a slot.
    fn x(&self, slot: usize) -> f64 {
        self.left + self.slot_width() * (slot as f64 + 0.5)
    }

    fn value_axis(&mut self, marks: &[(u64, String)]) {
        let (left, right) = (number(self.left), number(self.right));
        let beside = number(self.left - 10.0);
        for (mark, text) in marks {
            let y = self.y(*mark);
            let class = if *mark == 0 { "axis" } else { "grid" };
            let (line, base) = (number(y), number(y + 4.5));
            self.line(&format!(
                r#"<line class="{class}" x1="{left}" y1="{line}" x2="{right}" y2="{line}"/>"#
            ));
            self.line(&format!(
                r#"<text class="mark" x="{beside}" y="{base}" text-anchor="end">{}</text>"#,
                escaped(text)
            ));
        }
    }

    fn bars(&mut self) {
        let chart = self.chart;
        let width = (self.slot_width() * 0.8).min(WIDEST_BAR);
        for (slot, start) in chart.slots.iter().enumerate() {
            let x = self.x(slot) - width / 2.0;
            let mut all = chart.series.iter();
            let top = all.rposition(|series| series.values[slot] > 0);
            let mut below = 0_u64;
            for (at, series) in chart.series.iter().enumerate() {
                let value = series.values[slot];
                if value == 0 {
                    continue;
                }
                let above = below.saturating_add(value);
                let (high, low) = (self.y(above), self.y(below));
                below = above;
                let is_top = top == Some(at);
                let shape = segment(x, width, high, low, is_top);
                let class = class(series, at);
                let said = escaped(&format!(
                    "{} · {}: {}",
                    chart.length.name(*start),
                    series.name,
                    chart.measure.shown(value)
                ));
                self.line(&format!(
                    r#"<path class="{class}" d="{shape}"><title>{said}</title></path>"#
                ));
            }
        }
    }

    fn time_axis(&mut self) {
        let chart = self.chart;
        let labels = |stride: usize| -> Vec<(usize, String)> {
            let mut labels = Vec::new();
            for (slot, start) in chart.slots.iter().enumerate() {
                if chart.length.has_label(*start, slot, stride) {
                    let text = chart.length.label(*start, labels.is_empty());
                    labels.push((slot, text));
                }
            }
            labels
        };
        let room = self.slot_width();
        let fits = |stride: &&usize| {
            let widest = labels(**stride).iter().map(|(_, text)| text.len()).max();
            widest.unwrap_or(0) as f64 * LETTER + 12.0 <= room * **stride as f64
        };
        let strides = chart.length.strides();
        let stride = strides.iter().find(fits).or(strides.last());
        let y = number(BOTTOM + 24.0);
        for (slot, text) in labels(stride.copied().unwrap_or(1)) {
            let x = number(self.x(slot));
            self.line(&format!(
                r#"<text class="mark" x="{x}" y="{y}" text-anchor="middle">{}</text>"#,
                escaped(&text)
            ));
        }
    }

    /// The largest first, its amounts with the same decimals.
    fn legend(&mut self) {
        let chart = self.chart;
        let left = WIDTH - MARGIN - LEGEND;
        let (name_at, end) = (number(left + 22.0), number(WIDTH - MARGIN));
        for (at, series) in chart.series.iter().enumerate() {
            let y = TOP + 6.0 + LEGEND_LINE * at as f64;
            let amount = chart.measure.shown_beside(series.total, chart.total);
            let room = LEGEND - 22.0 - 14.0 - LETTER * amount.chars().count() as f64;
            let (swatch_x, swatch_y) = (number(left), number(y - 6.0));
            let base = number(y + 4.5);
            let class = class(series, at);
            self.line(&format!(
                r#"<g><title>{name}</title><rect class="{class}" x="{swatch_x}" y="{swatch_y}" width="12" height="12" rx="3"/><text x="{name_at}" y="{base}">{short}</text><text class="amount" x="{end}" y="{base}" text-anchor="end">{amount}</text></g>"#,
                name = escaped(&series.name),
                short = escaped(&shortened(&series.name, room)),
                amount = escaped(&amount),
            ));
        }
    }
}

/// One key's part of a bar. A line of the page stays free above it, so that
/// neighbours are told apart without their colours; the last is rounded.
fn segment(x: f64, width: f64, high: f64, low: f64, is_top: bool) -> String {
    let gap = if !is_top && low - high > 3.0 {
        1.0
    } else {
        0.0
    };
    // What is there is seen.
    let high = (high + gap).min(low - 0.5);
    let radius = match is_top {
        true => 3.0_f64.min(width / 2.0).min(low - high),
        false => 0.0,
    };
    let (left, right) = (number(x), number(x + width));
    let bend = number(high + radius);
    let (high, low) = (number(high), number(low));
    if !is_top {
        return format!("M{left} {low}V{high}H{right}V{low}Z");
    }
    let (from, to) = (number(x + radius), number(x + width - radius));
    format!(
        "M{left} {low}V{bend}Q{left} {high} {from} {high}H{to}Q{right} {high} {right} {bend}V{low}Z"
    )
}

fn class(series: &Series, at: usize) -> String {
    match series.is_rest {
        true => REST.to_owned(),
        false => format!("s{at}"),
    }
}

/// With one decimal at most.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// As much of a name as there is room for.
fn shortened(name: &str, room: f64) -> String {
    let width = |letter: char| if letter < '\u{1100}' { LETTER } else { 13.0 };
    let name = printable(name);
    if name.chars().map(width).sum::<f64>() <= room {
        return name.into_owned();
    }
    let mut taken = LETTER;
    let mut kept: String = name
        .chars()
        .take_while(|letter| {
            taken += width(*letter);
            taken <= room
        })
        .collect();
    kept.push('…');
    kept
}

/// Text for XML, in elements and attributes: nothing in it is markup, and
/// nothing that XML 1.0 has no place for.
fn escaped(text: &str) -> String {
    let text = printable(text);
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
