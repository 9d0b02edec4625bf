//! Rows as a table with a bar each, which fits the terminal: columns go
//! before bars get too short to tell apart, and bars go last.

use super::measure::{Measure, total};
use super::number::{compact, decimals_for, dollars, grouped, percent};
use crate::text::printable;
use crate::usage::Row;

/// How a table is drawn.
pub struct Table<'a> {
    /// What a key is, as a heading.
    pub heading: &'a str,
    /// The rows, in order.
    pub rows: &'a [Row],
    /// The columns of the terminal, if it is one.
    pub width: Option<usize>,
    /// Whether more than ASCII can be shown.
    pub is_utf8: bool,
    /// Whether to use colour.
    pub color: bool,
}

const GAP: usize = 2;
/// A bar that is told apart from its neighbours, its share beside it.
const LEAST_BAR: usize = 8;
const MOST_BAR: usize = 40;
/// Where nobody's terminal says otherwise.
const USUAL_BAR: usize = 20;
const SHARE: usize = 5;
/// What a name is not made shorter than while there is something else to
/// leave out.
const LEAST_KEY: usize = 16;

/// The columns of numbers, and the order in which they go.
const HEADINGS: [&str; 5] = ["REQUESTS", "INPUT", "OUTPUT", "CACHED", "COST"];
const DISPENSABLE: [usize; 4] = [3, 2, 1, 0];

struct Line {
    key: String,
    numbers: [String; 5],
    value: u64,
}

impl Table<'_> {
    /// The table as text.
    pub fn render(&self) -> String {
        let measure = Measure::of(self.rows.iter());
        let sum = total(self.rows);
        let decimals = decimals_for(sum.cost);
        let has_gaps = self.rows.iter().any(is_partial);
        let lines: Vec<Line> = self
            .rows
            .iter()
            .chain([&sum])
            .map(|row| Line {
                key: printable(&row.key).into_owned(),
                numbers: numbers(row, decimals, has_gaps),
                value: measure.value(row),
            })
            .collect();
        let layout = self.layout(&lines);
        let mut text = String::new();
        let mut heading = pad(self.heading, layout.key, false);
        for &column in &layout.columns {
            let name = pad(HEADINGS[column], layout.widths[column], true);
            heading.push_str(&format!("{:GAP$}{name}", ""));
        }
        if layout.bar > 0 {
            let of = format!("OF {}", measure.name().to_uppercase());
            heading.push_str(&format!("{:GAP$}{of}", ""));
        }
        self.push_line(&mut text, &heading, "1");
        let largest = lines[..self.rows.len()].iter().map(|line| line.value).max();
        for (at, line) in lines.iter().enumerate() {
            let is_total = at == self.rows.len();
            let key = if is_total { "total" } else { &line.key };
            let mut written = pad(&self.shortened(key, layout.key), layout.key, false);
            for &column in &layout.columns {
                let number = pad(&line.numbers[column], layout.widths[column], true);
                written.push_str(&format!("{:GAP$}{number}", ""));
            }
            if layout.bar > 0 && !is_total {
                let bar = self.bar(line.value, largest.unwrap_or(0), layout.bar);
                let share = percent(line.value, measure.value(&sum));
                let fill = " ".repeat(layout.bar - bar.chars().count());
                let painted = match self.color && !bar.is_empty() {
                    true => format!("\x1b[36m{bar}\x1b[0m"),
                    false => bar,
                };
                written.push_str(&format!("{:GAP$}{painted}{fill}{share:>SHARE$}", ""));
            }
            self.push_line(&mut text, &written, if is_total { "1" } else { "" });
        }
        text
    }

    fn push_line(&self, text: &mut String, line: &str, code: &str) {
        let line = line.trim_end();
        match self.color && !code.is_empty() {
            true => text.push_str(&format!("\x1b[{code}m{line}\x1b[0m\n")),
            false => text.push_str(&format!("{line}\n")),
        }
    }

    /// As much of a bar as `value` is of `largest`: eighths of a character
    /// where the terminal has them. Something is never nothing.
    fn bar(&self, value: u64, largest: u64, width: usize) -> String {
        const EIGHTHS: [char; 8] = ['█', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
        let parts = if self.is_utf8 { 8 } else { 1 };
        let whole = u128::from(largest.max(1));
        let steps = (width * parts) as u128 * u128::from(value);
        let filled = ((steps * 2 + whole) / (whole * 2)) as usize;
        let filled = filled.max(usize::from(value > 0));
        let mut bar = match self.is_utf8 {
            true => "█".repeat(filled / 8),
            false => return "#".repeat(filled),
        };
        if !filled.is_multiple_of(8) {
            bar.push(EIGHTHS[filled % 8]);
        }
        bar
    }

    fn shortened(&self, key: &str, width: usize) -> String {
        let more = if self.is_utf8 { "…" } else { "~" };
        if key.chars().count() <= width {
            return key.to_owned();
        }
        let kept: String = key.chars().take(width.saturating_sub(1)).collect();
        format!("{kept}{more}")
    }

    fn layout(&self, lines: &[Line]) -> Layout {
        let longest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let key = longest(&mut lines.iter().map(|line| line.key.chars().count()))
            .max(self.heading.len())
            .max("total".len());
        let mut widths = [0; 5];
        for (column, width) in widths.iter_mut().enumerate() {
            let cells = &mut lines
                .iter()
                .map(|line| line.numbers[column].chars().count());
            *width = longest(cells).max(HEADINGS[column].len());
        }
        let mut layout = Layout {
            key,
            widths,
            columns: (0..HEADINGS.len()).collect(),
            bar: USUAL_BAR,
        };
        let Some(width) = self.width else {
            return layout;
        };
        let least = GAP + LEAST_BAR + SHARE;
        for column in DISPENSABLE {
            if layout.taken(LEAST_KEY) + least <= width {
                break;
            }
            layout.columns.retain(|kept| *kept != column);
        }
        let with_bar = layout.taken(LEAST_KEY) + least <= width;
        let bar = if with_bar { least } else { 0 };
        let others = layout.taken(0) + bar;
        layout.key = layout.key.min(width.saturating_sub(others).max(1));
        layout.bar = match with_bar {
            true => (width - layout.taken(layout.key) - GAP - SHARE).min(MOST_BAR),
            false => 0,
        };
        layout
    }
}

struct Layout {
    key: usize,
    widths: [usize; 5],
    columns: Vec<usize>,
    bar: usize,
}

impl Layout {
    /// What key and numbers take where a key has at most this.
    fn taken(&self, key: usize) -> usize {
        let numbers = self.columns.iter().map(|column| self.widths[*column] + GAP);
        self.key.min(key) + numbers.sum::<usize>()
    }
}

/// Whether its cost is that of a part of its requests only.
fn is_partial(row: &Row) -> bool {
    row.unpriced_requests > 0 && row.cost.0 > 0
}

fn numbers(row: &Row, decimals: usize, has_gaps: bool) -> [String; 5] {
    let has_tokens = row.input_tokens > 0 || row.output_tokens > 0;
    let tokens = |count: u64| match has_tokens {
        true => compact(count),
        false => "-".to_owned(),
    };
    let is_unknown = row.cost.0 == 0 && (row.unpriced_requests > 0 || !has_tokens);
    let mut cost = match is_unknown {
        true => "-".to_owned(),
        false => dollars(row.cost, decimals),
    };
    if has_gaps {
        cost.push(if is_partial(row) { '+' } else { ' ' });
    }
    [
        grouped(row.requests),
        tokens(row.input_tokens),
        tokens(row.output_tokens),
        tokens(row.cached_tokens),
        cost,
    ]
}

fn pad(text: &str, width: usize, is_right: bool) -> String {
    let fill = " ".repeat(width.saturating_sub(text.chars().count()));
    match is_right {
        true => fill + text,
        false => text.to_owned() + &fill,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Nano;

    fn row(key: &str, requests: u64, tokens: u64, dollars: &str, unpriced: u64) -> Row {
        Row {
            key: key.into(),
            requests,
            input_tokens: tokens,
            output_tokens: tokens / 4,
            cached_tokens: tokens / 2,
            cost: dollars.parse::<Nano>().unwrap(),
            unpriced_requests: unpriced,
            cut_requests: 0,
        }
    }

    fn some() -> Vec<Row> {
        vec![
            row("anthropic", 1200, 4_500_000, "30", 0),
            row("openai", 340, 1_200_000, "10", 12),
            row("github", 25, 0, "0", 0),
            row("custom", 3, 900, "0", 3),
        ]
    }

    fn table(rows: &[Row], width: Option<usize>, is_utf8: bool) -> String {
        Table {
            heading: "PROVIDER",
            rows,
            width,
            is_utf8,
            color: false,
        }
        .render()
    }

    #[test]
    fn numbers_line_up_and_bars_are_of_the_largest() {
        let expected = "\
PROVIDER   REQUESTS  INPUT  OUTPUT  CACHED     COST  OF COST
anthropic     1,200  4.50M   1.13M   2.25M  $30.00   #################  75%
openai          340  1.20M    300k    600k  $10.00+  ######             25%
github           25      -       -       -       -                       0%
custom            3    900     225     450       -                       0%
total         1,568  5.70M   1.43M   2.85M  $40.00+
";
        assert_eq!(table(&some(), Some(75), false), expected);
    }

    #[test]
    fn every_width_has_a_table_that_fits() {
        let mut rows = some();
        rows.push(row(&"long-".repeat(20), 5, 10, "0.5", 0));
        for is_utf8 in [false, true] {
            for width in 20..160 {
                let text = table(&rows, Some(width), is_utf8);
                assert_eq!(text.lines().count(), 7);
                for line in text.lines() {
                    assert!(line.chars().count() <= width, "{width}: {line}");
                }
                assert_eq!(text.is_ascii(), !is_utf8, "{width}: {text}");
            }
        }
        assert!(table(&some(), Some(44), false).contains("OF COST"));
        assert!(!table(&some(), Some(44), false).contains("CACHED"));
    }

    #[test]
    fn a_bar_has_eighths_and_something_is_never_nothing() {
        let drawn = |is_utf8| Table {
            heading: "",
            rows: &[],
            width: None,
            is_utf8,
            color: false,
        };
        for (value, plain, blocks) in [
            (100, "##########", "██████████"),
            (50, "#####", "█████"),
            (54, "#####", "█████▍"),
            (1, "#", "▏"),
            (0, "", ""),
        ] {
            assert_eq!(drawn(false).bar(value, 100, 10), plain);
            assert_eq!(drawn(true).bar(value, 100, 10), blocks);
        }
        assert_eq!(drawn(true).bar(u64::MAX, u64::MAX, 1), "█");
        assert_eq!(drawn(true).bar(0, 0, 3), "");
    }

    #[test]
    fn a_key_cannot_steer_the_terminal() {
        let text = table(&[row("\x1b[2Jx\n", 1, 1, "0", 0)], Some(80), true);
        assert!(!text.contains('\x1b'), "{text}");
        assert_eq!(text.lines().count(), 3);
    }
}
