//! How the pages look. Text goes in through [`escaped`] or [`shown`] and
//! nowhere else; there is no script, and the one style sheet is known to the
//! browser by its digest.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::text;

const STYLE: &str = include_str!("page.css");

/// The style sheet as a Content-Security-Policy names it.
pub(super) fn style_digest() -> &'static str {
    static DIGEST: LazyLock<String> =
        LazyLock::new(|| format!("sha256-{}", STANDARD.encode(Sha256::digest(STYLE))));
    &DIGEST
}

/// Text as it may stand between tags and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // A parser makes a line feed of it.
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text for reading: marks that reorder or hide text are written out too.
pub(super) fn shown(text: &str) -> String {
    escaped(&text::printable(text))
}

/// A whole page around a main part that is HTML already.
pub(super) fn page(title: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} · vault</title>\n\
         <style>{STYLE}</style>\n\
         </head>\n\
         <body>\n\
         <main>\n\
         <p class=\"brand\">{MARK}vault</p>\n\
         {main}\
         </main>\n\
         <footer><p>Served by vault on this machine, for this login only.</p></footer>\n\
         </body>\n\
         </html>\n",
        title = shown(title),
    )
}

/// A page of a heading and a sentence.
pub(super) fn notice(title: &str, text: &str) -> String {
    let main = format!(
        "<h1>{}</h1>\n<p class=\"lead\">{}</p>\n",
        shown(title),
        shown(text)
    );
    page(title, &main)
}

/// A lock, drawn.
const MARK: &str = "<svg viewBox=\"0 0 16 16\" width=\"16\" height=\"16\" aria-hidden=\"true\">\
    <rect x=\"2.75\" y=\"6.75\" width=\"10.5\" height=\"7.5\" rx=\"2\"/>\
    <path d=\"M5 6.5V4.75a3 3 0 0 1 6 0V6.5M8 9.75v1.5\"/></svg>";

/// One input of a form, with its label and what helps to fill it.
pub(super) struct Input<'a> {
    pub name: &'a str,
    pub label: &'a str,
    pub hint: Option<&'a str>,
    pub is_secret: bool,
    pub is_multiline: bool,
    pub is_required: bool,
    /// What stands in it already; never that of a secret.
    pub value: Option<&'a str>,
    pub has_focus: bool,
}

impl Input<'_> {
    /// Its HTML. `spellcheck` off is more than a nicety: some browsers check
    /// spelling on a server.
    pub fn html(&self) -> String {
        let id = escaped(self.name);
        let mut html = format!(
            "<div class=\"field\">\n<label for=\"{id}\">{}{}</label>\n",
            shown(self.label),
            if self.is_required {
                ""
            } else {
                " <span>optional</span>"
            },
        );
        let mut attributes = format!(
            "id=\"{id}\" name=\"{id}\" autocomplete=\"off\" autocapitalize=\"none\" \
             autocorrect=\"off\" spellcheck=\"false\" translate=\"no\""
        );
        if self.is_required {
            attributes.push_str(" required");
        }
        if self.has_focus {
            attributes.push_str(" autofocus");
        }
        if self.hint.is_some() {
            let _ = write!(attributes, " aria-describedby=\"{id}.hint\"");
        }
        let value = if self.is_secret { None } else { self.value };
        let value = escaped(value.unwrap_or_default());
        let _ = match (self.is_multiline, self.is_secret) {
            // The first line feed is the parser's, and not of the value.
            (true, is_secret) => writeln!(
                html,
                "<textarea {attributes} rows=\"6\" wrap=\"off\"{}>\n{value}</textarea>",
                if is_secret { " class=\"secret\"" } else { "" }
            ),
            (false, true) => writeln!(html, "<input type=\"password\" {attributes}>"),
            (false, false) => {
                writeln!(html, "<input type=\"text\" {attributes} value=\"{value}\">")
            }
        };
        if let Some(hint) = self.hint {
            let _ = writeln!(
                html,
                "<p class=\"hint\" id=\"{id}.hint\">{}</p>",
                shown(hint)
            );
        }
        html.push_str("</div>\n");
        html
    }
}

/// A link to another site, if it is one that a browser may follow.
pub(super) fn link(url: &str) -> String {
    let bare = ["https://", "http://"].iter().find_map(|scheme| {
        let (begin, rest) = url.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    match bare {
        Some(bare) => format!(
            "<a href=\"{}\" target=\"_blank\" rel=\"noopener noreferrer\">{}</a>",
            escaped(url),
            shown(bare.trim_end_matches('/')),
        ),
        None => shown(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_can_be_a_tag() {
        assert_eq!(
            shown("<b a=\"'\">&\u{202e}\n"),
            "&lt;b a=&quot;&#39;&quot;&gt;&amp;\\u{202e}\\n"
        );
        let page = notice("<script>", "</p><script>");
        assert!(!page.contains("<script>"));
    }

    #[test]
    fn only_addresses_of_the_web_are_links() {
        assert!(link("https://a.example/keys/").contains(">a.example/keys</a>"));
        assert_eq!(link("javascript:alert(1)"), "javascript:alert(1)");
        assert!(!link("https://a\"onclick=x").contains("\"onclick"));
    }

    #[test]
    fn the_value_of_a_secret_is_not_written_even_where_it_is_given() {
        for is_multiline in [false, true] {
            let input = Input {
                name: "api_key",
                label: "API key",
                hint: None,
                is_secret: true,
                is_multiline,
                is_required: true,
                value: Some("FAKE-KEY"),
                has_focus: false,
            };
            assert!(!input.html().contains("FAKE-KEY"));
        }
    }
}
