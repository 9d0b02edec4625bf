//! Tables of text that read well without colour and fit the terminal.

use crate::text;

/// Rows under a heading; columns are as wide as what stands in them.
pub struct Table {
    rows: Vec<Vec<String>>,
    dispensable: &'static [&'static str],
    is_wrapped: bool,
}

const GAP: usize = 2;
/// What a column is not made narrower than.
const NARROWEST: usize = 7;
/// The same of a last column whose text goes on in further lines.
const LEAST_WRAPPED: usize = 16;

impl Table {
    /// A table under these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![
                headings
                    .iter()
                    .map(|heading| (*heading).to_owned())
                    .collect(),
            ],
            dispensable: &[],
            is_wrapped: false,
        }
    }

    /// Columns that go, in this order, where the terminal is too narrow for
    /// all of them.
    #[must_use]
    pub fn dispensable(mut self, headings: &'static [&'static str]) -> Self {
        self.dispensable = headings;
        self
    }

    /// The last column goes on in further lines where it is too long: nothing
    /// of it is lost, and what is one word can be copied.
    #[must_use]
    pub fn wrapped(mut self) -> Self {
        self.is_wrapped = true;
        self
    }

    /// A table without headings: names and values.
    pub fn plain() -> Self {
        Self {
            rows: Vec::new(),
            dispensable: &[],
            is_wrapped: false,
        }
    }

    /// Adds a row. What came from outside cannot steer the terminal.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter();
        self.rows.push(
            cells
                .map(|cell| text::printable(cell.as_ref()).into_owned())
                .collect(),
        );
    }

    fn drop_columns(&self, rows: &mut [Vec<String>], width: usize) {
        for heading in self.dispensable {
            if full_width(rows) <= width {
                return;
            }
            let position = rows
                .first()
                .and_then(|row| row.iter().position(|cell| cell == heading));
            if let Some(position) = position {
                for row in &mut *rows {
                    if position < row.len() {
                        row.remove(position);
                    }
                }
            }
        }
    }

    /// The table as text, no wider than `width` where there is one.
    pub fn render(&self, width: Option<usize>) -> String {
        let mut rows = self.rows.clone();
        if let Some(width) = width {
            self.drop_columns(&mut rows, width);
        }
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let last = columns.saturating_sub(1);
        let mut is_below = false;
        if let Some(width) = width {
            match widths.split_last_mut() {
                Some((widest, others)) if self.is_wrapped => {
                    let before: usize = others.iter().map(|width| width + GAP).sum();
                    let room = width.saturating_sub(before);
                    // Too little beside the others: below them, then.
                    is_below = room < (*widest).min(LEAST_WRAPPED);
                    let room = if is_below { width - GAP } else { room };
                    *widest = (*widest).min(room);
                    if is_below {
                        shrink(others, width);
                    }
                }
                _ => shrink(&mut widths, width),
            }
        }
        let mut text = String::new();
        for row in &rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if self.is_wrapped && column == last {
                    if is_below && !cell.is_empty() {
                        line.truncate(line.trim_end().len());
                        line.push_str(&format!("\n{}", " ".repeat(GAP)));
                    }
                    let indent = if is_below { GAP } else { line.chars().count() };
                    let broken = text::wrapped(cell, *width);
                    let next = format!("\n{}", " ".repeat(indent));
                    line.push_str(&broken.replace('\n', &next));
                    break;
                }
                let cell = shortened(cell, *width);
                let padding = width + GAP - cell.chars().count();
                line.push_str(&cell);
                line.extend(std::iter::repeat_n(' ', padding));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// What a row takes where nothing is shortened.
fn full_width(rows: &[Vec<String>]) -> usize {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0) + GAP
        })
        .sum::<usize>()
        .saturating_sub(GAP)
}

/// Takes from the widest column until everything fits, or nothing can be
/// taken.
fn shrink(widths: &mut [usize], available: usize) {
    loop {
        let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let Some(widest) = widths.iter_mut().max() else {
            return;
        };
        if total <= available || *widest <= NARROWEST {
            return;
        }
        *widest -= 1;
    }
}

fn shortened(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let mut kept: String = cell.chars().take(width.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

/// The width of the terminal that standard output is, if it is one.
pub fn terminal_width() -> Option<usize> {
    width_of(rustix::stdio::stdout())
}

/// The width of the terminal at this descriptor, if it is one.
pub fn width_of(descriptor: rustix::fd::BorrowedFd<'_>) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(descriptor).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width >= 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_fit() {
        let mut table = Table::new(&["NAME", "VALUE"]);
        table.row(["a", "short"]);
        table.row(["long name", &"x".repeat(100)]);
        let wide = table.render(None);
        assert!(
            wide.starts_with("NAME       VALUE\na          short\n"),
            "{wide}"
        );
        for line in table.render(Some(40)).lines() {
            assert!(line.chars().count() <= 40, "{line}");
        }
        assert!(table.render(Some(40)).contains('…'));
    }

    #[test]
    fn columns_go_before_a_line_breaks() {
        let mut table = Table::new(&["NAME", "TYPE", "STATUS"]).dispensable(&["TYPE"]);
        table.row(["a name", "a type", "a status"]);
        assert!(table.render(Some(25)).contains("TYPE"));
        assert!(!table.render(Some(20)).contains("TYPE"));
        assert!(table.render(None).contains("TYPE"));
    }

    #[test]
    fn a_last_column_can_go_on_in_further_lines() {
        let mut table = Table::new(&["NAME", "TEXT"]).wrapped();
        table.row(["a", "some words that are longer than a line"]);
        table.row(["b", "https://example.com/one/word/that/stays/whole"]);
        let rendered = table.render(Some(26));
        assert_eq!(
            rendered,
            "NAME  TEXT\na     some words that are\n      longer than a line\n\
             b     https://example.com/one/word/that/stays/whole\n"
        );
        assert!(
            table
                .render(None)
                .contains("some words that are longer than a line\n")
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut table = Table::plain();
        table.row(["a\x1b[31m\nb"]);
        assert_eq!(table.render(None), "a\\u{1b}[31m\\nb\n");
    }
}
