//! The forms in which an upstream may send a secret back. Pure.
//!
//! There is no end to them; these are what the encoders of common languages
//! make of a text that they were given as it was sent: percent-encoding, JSON,
//! base64. Neither a secret nor a form of it that is shorter than
//! [`SHORTEST`] is looked for, so that no ordinary word is taken for one.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use zeroize::Zeroizing;

use super::attach::{Encoding, encoded};
use crate::secret::Secret;

/// The least length of a secret and of a form, in bytes.
pub const SHORTEST: usize = 8;

/// The least length of a line, or of a member of a JSON text, that is looked
/// for by itself.
const LINE: usize = 16;

/// What is not written in hexadecimal, besides letters and digits, and how a
/// space is written: `encodeURIComponent` and `encodeURI` of JavaScript,
/// `quote` of Python, and forms (`URLSearchParams`, Java). What
/// [`encoded`] does, which is Go's too, comes on top.
const PERCENT: [(&str, &str); 5] = [
    ("-_.!~*'()", "%20"),
    ("-_.!~*'();,/?:@&=+$#", "%20"),
    ("_.-~/", "%20"),
    ("_.-~", "+"),
    ("*-._", "+"),
];

/// What is written as `\u003c` in JSON though it need not be: by serde, Go
/// and Rails, by PHP, by Gson, by .NET, and all of it.
const HTML_SAFE: [&str; 7] = ["", "+", "<>&", "<>&'\"", "<>&='", "<>&'\"+`", "<>&='+"];

/// Every form of a connection's `secrets`, and of the values of headers and
/// parameters as they were `sent`: those are encoded already, and go without
/// the word that stands before them, as `Bearer`.
pub fn forms<'a>(
    secrets: impl Iterator<Item = &'a Secret>,
    sent: impl Iterator<Item = &'a Secret>,
) -> Vec<Secret> {
    let mut found = Found::default();
    for secret in secrets.filter(|secret| secret.len() >= SHORTEST) {
        let text = secret.reveal();
        found.text(text);
        found.base64(text);
        if text.contains('\n') {
            found.parts(text);
        }
    }
    for value in sent {
        let text = without_scheme(value.reveal());
        if text.len() >= SHORTEST {
            found.text(text);
        }
    }
    found.0.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    found.0.dedup();
    found
        .0
        .iter_mut()
        .map(|form| Secret::from(std::mem::take(&mut **form)))
        .collect()
}

/// A text with every byte percent-encoded, and with every unit of UTF-16 as a
/// JSON escape.
fn every(text: &str, is_upper: bool) -> (String, String) {
    let mut percent = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        percent.push_str(&match is_upper {
            true => format!("%{byte:02X}"),
            false => format!("%{byte:02x}"),
        });
    }
    let mut unicode = String::with_capacity(text.len() * 6);
    for unit in text.encode_utf16() {
        unicode.push_str(&match is_upper {
            true => format!("\\u{unit:04X}"),
            false => format!("\\u{unit:04x}"),
        });
    }
    (percent, unicode)
}

/// What was found so far.
#[derive(Default)]
struct Found(Vec<Zeroizing<String>>);

impl Found {
    fn push(&mut self, form: String) {
        let form = Zeroizing::new(form);
        if form.len() >= SHORTEST {
            self.0.push(form);
        }
    }

    /// The text itself, percent-encoded and in JSON.
    fn text(&mut self, text: &str) {
        self.push(text.to_owned());
        // By those who encode every byte, needful or not.
        for (percent, unicode) in [every(text, true), every(text, false)] {
            self.push(percent);
            self.push(unicode);
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if text.bytes().all(plain) {
            return;
        }
        for encoding in [Encoding::Query, Encoding::Segment] {
            let upper = Zeroizing::new(encoded(text, encoding));
            self.push(lower_hex(&upper));
            self.push(upper.to_string());
        }
        for (stays, space) in PERCENT {
            let upper = Zeroizing::new(percent_encoded(text, stays, space));
            self.push(lower_hex(&upper));
            self.push(upper.to_string());
        }
        for html_safe in HTML_SAFE {
            for choices in 0..8 {
                self.push(json_escaped(
                    text,
                    &Json {
                        html_safe,
                        slash: choices & 1 != 0,
                        upper: choices & 2 != 0,
                        ascii: choices & 4 != 0,
                    },
                ));
            }
        }
    }

    /// The text in base64, alone and within a longer text, as the password is
    /// in that of `user:password`: three bytes become four characters, so it
    /// looks different after one and after two bytes more. Of a character
    /// that the byte before or behind it has a part in, nothing is known.
    fn base64(&mut self, text: &str) {
        for engine in [&STANDARD, &URL_SAFE] {
            for before in 0..3 {
                let mut bytes = Zeroizing::new(vec![0; before]);
                bytes.extend_from_slice(text.as_bytes());
                let all = Zeroizing::new(engine.encode(&*bytes));
                let first = (before * 8).div_ceil(6);
                let last = bytes.len() * 8 / 6;
                if first >= last {
                    continue;
                }
                self.push(all[first..last].to_owned());
                // At the end of the longer text, so that nothing of the last
                // byte stays.
                self.push(all[first..].trim_end_matches('=').to_owned());
                self.push(all[first..].to_owned());
            }
        }
    }

    /// The parts of a text of many lines that say something by themselves:
    /// its lines, or what is secret in it if it is JSON. The lines of JSON
    /// would not do: `"type": "service_account",` is no secret, and an answer
    /// in which it is missing is no JSON.
    fn parts(&mut self, text: &str) {
        if let Ok(json) = serde_json::from_str(text) {
            return self.members(&json);
        }
        for line in text.lines().map(str::trim) {
            // The first and the last line of a PEM file are known to all.
            if line.len() >= LINE && !line.starts_with("-----") {
                self.text(line);
            }
        }
    }

    fn members(&mut self, json: &serde_json::Value) {
        match json {
            serde_json::Value::Object(members) => {
                members.values().for_each(|member| self.members(member));
            }
            serde_json::Value::Array(members) => {
                members.iter().for_each(|member| self.members(member));
            }
            serde_json::Value::String(text) if text.contains('\n') => {
                self.text(text);
                self.parts(text);
            }
            // Addresses and accounts stand in ordinary answers.
            serde_json::Value::String(text)
                if text.len() >= LINE && !text.contains("://") && !text.contains('@') =>
            {
                self.text(text);
            }
            _ => {}
        }
    }
}

/// A value without the name of its scheme: one word, if one other follows.
fn without_scheme(value: &str) -> &str {
    match value.split_once(' ') {
        Some((word, rest))
            if !rest.contains(' ')
                && word.len() <= 20
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') =>
        {
            rest
        }
        _ => value,
    }
}

fn percent_encoded(text: &str, stays: &str, space: &str) -> String {
    let mut written = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte == b' ' {
            written.push_str(space);
        } else if byte.is_ascii_alphanumeric() || stays.as_bytes().contains(&byte) {
            written.push(char::from(byte));
        } else {
            written.push_str(&format!("%{byte:02X}"));
        }
    }
    written
}

/// Percent-encoded text with its hexadecimal digits in lower case.
fn lower_hex(text: &str) -> String {
    let mut digits = 0;
    text.chars()
        .map(|c| {
            let is_digit = digits > 0;
            digits = if c == '%' {
                2
            } else {
                usize::saturating_sub(digits, 1)
            };
            if is_digit { c.to_ascii_lowercase() } else { c }
        })
        .collect()
}

/// How a writer of JSON does what is left to it.
struct Json<'a> {
    html_safe: &'a str,
    /// Writes `\/`, as PHP.
    slash: bool,
    /// Writes hexadecimal digits in upper case.
    upper: bool,
    /// Writes nothing but ASCII, as Python.
    ascii: bool,
}

fn json_escaped(text: &str, json: &Json<'_>) -> String {
    let mut written = String::with_capacity(text.len() * 2);
    let mut units = [0; 2];
    for c in text.chars() {
        let short = match c {
            _ if json.html_safe.contains(c) => None,
            '"' => Some("\\\""),
            '\\' => Some("\\\\"),
            '/' if json.slash => Some("\\/"),
            '\n' => Some("\\n"),
            '\r' => Some("\\r"),
            '\t' => Some("\\t"),
            '\u{8}' => Some("\\b"),
            '\u{c}' => Some("\\f"),
            '\0'..='\u{1f}' => None,
            _ if json.ascii && !c.is_ascii() => None,
            _ => {
                written.push(c);
                continue;
            }
        };
        if let Some(short) = short {
            written.push_str(short);
            continue;
        }
        for unit in c.encode_utf16(&mut units) {
            written.push_str(&match json.upper {
                true => format!("\\u{unit:04X}"),
                false => format!("\\u{unit:04x}"),
            });
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::redact::Redactor;

    fn secret(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    fn of(text: &str) -> Vec<String> {
        revealed(&forms([&secret(text)].into_iter(), [].into_iter()))
    }

    fn revealed(forms: &[Secret]) -> Vec<String> {
        forms.iter().map(|form| form.reveal().to_owned()).collect()
    }

    /// What is left of `echoed` of a connection with this secret.
    fn left(text: &str, echoed: &str) -> String {
        let redactor = Redactor::new(&forms([&secret(text)].into_iter(), [].into_iter()));
        let text = redactor.text(echoed.as_bytes());
        text.map_or(echoed.to_owned(), |text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn an_ordinary_key_has_its_own_form_and_base64() {
        let found = of("sk-FAKE0123456789");
        assert!(found.contains(&"sk-FAKE0123456789".to_owned()));
        assert!(found.contains(&STANDARD.encode("sk-FAKE0123456789")));
        assert!(found.iter().all(|form| form.len() >= SHORTEST));
        assert!(found.len() <= 14, "{}", found.len());
    }

    #[test]
    fn what_common_encoders_make_of_it_is_found() {
        let key = "FAKE/k+y=\"<é>&' \\x~*";
        for echoed in [
            // encodeURIComponent, URLSearchParams, quote, quote_plus, Go
            "FAKE%2Fk%2By%3D%22%3C%C3%A9%3E%26'%20%5Cx~*",
            "FAKE%2Fk%2By%3D%22%3C%C3%A9%3E%26%27+%5Cx%7E*",
            "FAKE/k%2By%3D%22%3C%C3%A9%3E%26%27%20%5Cx~%2A",
            "FAKE%2fk%2by%3d%22%3c%c3%a9%3e%26%27+%5cx~%2a",
            "FAKE%2Fk+y=%22%3C%C3%A9%3E&'%20%5Cx~*",
            // serde and JSON.stringify, json.dumps, PHP, Go, Gson, .NET
            r#"FAKE/k+y=\"<é>&' \\x~*"#,
            r#"FAKE/k+y=\"<\u00e9>&' \\x~*"#,
            r#"FAKE\/k+y=\"<\u00e9>&' \\x~*"#,
            r#"FAKE/k+y=\"\u003cé\u003e\u0026' \\x~*"#,
            r#"FAKE/k+y\u003d\"\u003cé\u003e\u0026\u0027 \\x~*"#,
            r#"FAKE/k\u002By=\u0022\u003C\u00E9\u003E\u0026\u0027 \\x~*"#,
        ] {
            let masks = "*".repeat(echoed.len());
            assert_eq!(left(key, &format!("<{echoed}>")), format!("<{masks}>"));
        }
    }

    #[test]
    fn what_is_sent_in_a_path_or_a_query_is_among_the_forms() {
        let key = "1:FAKE k+y/=&é";
        for encoding in [Encoding::Plain, Encoding::Segment, Encoding::Query] {
            let sent = encoded(key, encoding);
            assert!(of(key).contains(&sent), "{sent}");
            assert!(of(key).contains(&lower_hex(&sent)), "{sent}");
        }
        assert_eq!(lower_hex("%2FAB%C3%A9%"), "%2fAB%c3%a9%");
    }

    /// Whatever the user is called, and whatever follows.
    #[test]
    fn a_password_is_found_in_basic_base64() {
        let password = "FAKE?pass~word>>";
        for user in ["", "u", "us", "use", "user"] {
            for after in ["", "1", "12", "123"] {
                for engine in [&STANDARD, &URL_SAFE] {
                    let echoed = engine.encode(format!("{user}:{password}{after}"));
                    let left = left(password, &echoed);
                    let known = left.trim_matches('*').trim_end_matches('=');
                    // What stays tells the user, and a few bits at the borders.
                    let first = (user.len() + 1).div_ceil(3) * 4;
                    let stays = left.find('*').unwrap();
                    assert!(stays <= first, "{user}: {left}");
                    let masks = left.bytes().filter(|byte| *byte == b'*').count();
                    assert!(masks >= password.len() * 8 / 6 - 1, "{left} {known}");
                    if after.is_empty() {
                        assert!(left.ends_with('*'), "{left}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_value_is_looked_for_as_it_was_sent_without_its_scheme() {
        let sent = [
            secret("Basic RkFLRTp4"),
            secret("Bearer FAKEtoken"),
            secret("FAKE with spaces"),
        ];
        let found = revealed(&forms([].into_iter(), sent.iter()));
        for form in ["RkFLRTp4", "FAKEtoken", "FAKE with spaces"] {
            assert!(found.contains(&form.to_owned()), "{form}: {found:?}");
        }
        assert!(!found.iter().any(|form| form.starts_with("Basic")));
    }

    #[test]
    fn short_forms_and_duplicates_are_left_out() {
        assert!(of("FAKE").is_empty());
        assert!(!of("FAKEFAKE").is_empty());
        assert!(of("").is_empty());
        let twice = [secret("FAKEFAKE"), secret("FAKEFAKE")];
        let found = revealed(&forms(twice.iter(), twice.iter()));
        assert_eq!(found, of("FAKEFAKE"));
    }

    #[test]
    fn encoders_that_leave_no_byte_as_it_is_are_seen_through() {
        let secret = "sk-FAKEfake+0123";
        let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let unicode: String = secret
            .bytes()
            .map(|byte| format!("\\u{byte:04x}"))
            .collect();
        for echoed in [percent.clone(), percent.to_lowercase(), unicode] {
            assert_eq!(left(secret, &echoed), "*".repeat(echoed.len()), "{echoed}");
        }
        let net = secret.replace('+', "\\u002B");
        assert_eq!(left(secret, &net), "*".repeat(net.len()));
    }

    #[test]
    fn the_lines_of_a_pem_file_are_found_by_themselves() {
        let pem = "-----BEGIN FAKE KEY-----\nFAKEFAKE/FAKE+FAKE\nFAKEshort\n-----END FAKE KEY-----";
        let echoed = "a FAKEFAKE/FAKE+FAKE b FAKEFAKE\\/FAKE+FAKE c";
        assert_eq!(
            left(pem, echoed),
            format!("a {} b {} c", "*".repeat(18), "*".repeat(19))
        );
        for public in ["-----BEGIN FAKE KEY-----", "FAKEshort"] {
            assert_eq!(left(pem, public), public);
        }
        let json = serde_json::to_string(pem).unwrap();
        assert_eq!(
            left(pem, &json),
            format!("\"{}\"", "*".repeat(json.len() - 2))
        );
    }

    #[test]
    fn of_a_service_account_its_key_is_found_and_its_address_is_not() {
        let account = serde_json::json!({
            "type": "service_account",
            "private_key_id": "FAKE0123456789abcdef",
            "private_key": "-----BEGIN FAKE KEY-----\nFAKEFAKEFAKEFAKEFAKE\n-----END FAKE KEY-----\n",
            "client_email": "fake-robot@fake.example.com",
            "token_uri": "https://oauth2.example.com/token",
        });
        let account = serde_json::to_string_pretty(&account).unwrap();
        for secret in ["FAKE0123456789abcdef", "FAKEFAKEFAKEFAKEFAKE"] {
            assert_eq!(left(&account, secret), "*".repeat(20));
        }
        for public in [
            "\"type\": \"service_account\",",
            "fake-robot@fake.example.com",
            "https://oauth2.example.com/token",
        ] {
            assert_eq!(left(&account, public), public);
        }
    }
}
