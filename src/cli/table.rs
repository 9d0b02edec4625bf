//! Tables of text that read well without colour and fit the terminal.

use crate::text;

/// Rows under a heading; columns are as wide as what stands in them.
pub struct Table {
    rows: Vec<Vec<String>>,
    /// The columns that a narrow terminal does without, the first one first.
    spare: &'static [usize],
}

const GAP: usize = 2;
/// What a column is not made narrower than.
const NARROWEST: usize = 6;
/// Narrower than this, a column is hard to read, and a spare one goes first.
const READABLE: usize = 9;

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
            spare: &[],
        }
    }

    /// The same, doing without these columns where there is no room.
    #[must_use]
    pub fn sparing(mut self, columns: &'static [usize]) -> Self {
        self.spare = columns;
        self
    }

    /// A table without headings: names and values.
    pub fn plain() -> Self {
        Self {
            rows: Vec::new(),
            spare: &[],
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

    /// The table as text, no wider than `width` where there is one.
    pub fn render(&self, width: Option<usize>) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut left_out = Vec::new();
        if let Some(width) = width {
            let mut spare = self.spare.iter();
            while !is_readable(&widths, width)
                && let Some(column) = spare.next()
            {
                widths[*column] = 0;
                left_out.push(*column);
            }
            shrink(&mut widths, width);
        }
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if left_out.contains(&column) {
                    continue;
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

/// Whether all columns fit without one becoming hard to read. A column that
/// was left out has no width.
fn is_readable(widths: &[usize], available: usize) -> bool {
    let least = widths.iter().filter(|width| **width > 0);
    let least = least.map(|width| GAP + (*width).min(READABLE));
    least.sum::<usize>() <= available + GAP
}

/// Takes from the widest column until everything fits, or nothing can be
/// taken.
fn shrink(widths: &mut [usize], available: usize) {
    loop {
        let shown = widths.iter().filter(|width| **width > 0).count();
        let total = widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1);
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
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
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
    fn a_narrow_terminal_does_without_spare_columns_before_it_cuts_others() {
        let mut table = Table::new(&["NAME", "SOURCE", "STATUS"]).sparing(&[1]);
        table.row(["a-name", "somewhere", "connected"]);
        assert_eq!(table.render(Some(40)).lines().count(), 2);
        assert!(table.render(Some(28)).contains("somewhere"));
        assert_eq!(
            table.render(Some(20)),
            "NAME    STATUS\na-name  connected\n"
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut table = Table::plain();
        table.row(["a\x1b[31m\nb"]);
        assert_eq!(table.render(None), "a\\u{1b}[31m\\nb\n");
    }
}
