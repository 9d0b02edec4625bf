//! Rows as CSV (RFC 4180), for spreadsheets too: what came from outside is
//! never a formula there.

use crate::text::printable;
use crate::usage::Row;

const HEADINGS: &str =
    "key,requests,input_tokens,output_tokens,cached_tokens,cost_usd,unpriced_requests\r\n";

/// A heading, and a line for each row.
pub fn render(rows: &[Row]) -> String {
    let mut text = HEADINGS.to_owned();
    for row in rows {
        text.push_str(&format!(
            "{},{},{},{},{},{},{}\r\n",
            field(&row.key),
            row.requests,
            row.input_tokens,
            row.output_tokens,
            row.cached_tokens,
            row.cost,
            row.unpriced_requests,
        ));
    }
    text
}

/// A text as a field. A server may call its model `=cmd|…`, which a
/// spreadsheet would run: an apostrophe before it makes it text. And CSV is
/// printed on terminals, too, which it cannot steer.
fn field(text: &str) -> String {
    let text = printable(text);
    let begins = text.trim_start_matches([' ', '\u{a0}']);
    let is_formula = begins.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    // A dash alone stands for no model and is none.
    let text = match is_formula && text != "-" {
        true => format!("'{text}"),
        false => text.into_owned(),
    };
    match text.contains([',', '"', ';', '\'']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be_and_never_formulas() {
        for (text, expected) in [
            ("openai", "openai"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("  =1", "\"'  =1\""),
            ("+1", "\"'+1\""),
            ("-", "-"),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\x1b[2J\t", "\\u{1b}[2J\\t"),
            ("＝1", "\"'＝1\""),
            ("a\nb", "a\\nb"),
            ("a;b", "\"a;b\""),
            ("gpt-5 mini", "gpt-5 mini"),
        ] {
            assert_eq!(field(text), expected);
        }
    }

    #[test]
    fn lines_end_as_the_rfc_says() {
        let row = Row {
            key: "openai".into(),
            requests: 2,
            cost: crate::usage::Nano(1_500_000_000),
            ..Row::default()
        };
        let text = render(&[row]);
        assert_eq!(text, format!("{HEADINGS}openai,2,0,0,0,1.50,0\r\n"));
    }
}
