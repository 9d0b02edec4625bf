//! Who is let in. Before its body is read, a request must name exactly our
//! host and our path, and what is posted must come from our own page. And
//! the tokens in forms, each of which is good for one answer.

use std::collections::VecDeque;

use super::answer::Answer;
use super::request::Head;
use crate::secret::Secret;

/// Longer bodies are refused before they are read.
pub(super) const LARGEST_BODY: usize = 64 * 1024;

/// So many forms can be open at once: a person may reload the page or open it
/// in a second window.
const FORMS_OPEN: usize = 4;

/// What a request must be like.
pub(super) struct Guard {
    host: String,
    path: Secret,
    takes_form: bool,
}

impl Guard {
    /// For a page that is only asked for. `host` has the port.
    pub fn of_page(host: String, path: &str) -> Self {
        Self {
            host,
            path: Secret::from(path.to_owned()),
            takes_form: false,
        }
    }

    /// For a page with a form, which is posted to the same path.
    pub fn of_form(host: String, path: &str) -> Self {
        Self {
            takes_form: true,
            ..Self::of_page(host, path)
        }
    }

    /// How long a body may be read after this head.
    pub fn admit(&self, head: &Head) -> Result<usize, Answer> {
        // A page of another site whose name was made to lead here (DNS
        // rebinding) is its own origin to the browser, but its name shows.
        match head.header("host") {
            Ok(Some(host)) if host == self.host => {}
            Ok(Some(_)) => return Err(Answer::wrong_host()),
            Ok(None) | Err(_) => return Err(Answer::not_http()),
        }
        let path = Secret::from(head.path.as_str().to_owned());
        if !path.matches(&self.path) {
            return Err(Answer::not_found());
        }
        match head.method.as_str() {
            // A browser that is sent here names no origin; a script does.
            "GET" if !self.takes_form && !matches!(head.header("origin"), Ok(None)) => {
                Err(Answer::foreign())
            }
            "GET" => Ok(0),
            "POST" if self.takes_form => self.admit_post(head),
            _ if self.takes_form => Err(Answer::wrong_method("GET, POST")),
            _ => Err(Answer::wrong_method("GET")),
        }
    }

    fn admit_post(&self, head: &Head) -> Result<usize, Answer> {
        // Browsers always send this with a POST; what sends none or `null`
        // may be anybody.
        let origin = head.header("origin");
        let ours = matches!(origin, Ok(Some(origin)) if origin.strip_prefix("http://") == Some(&self.host));
        let same_site = matches!(
            head.header("sec-fetch-site"),
            Ok(None | Some("same-origin"))
        );
        if !ours || !same_site {
            return Err(Answer::foreign());
        }
        match head.header("content-type") {
            Ok(Some(kind)) if is_form(kind) => {}
            _ => return Err(Answer::wrong_type()),
        }
        // Browsers send forms with their length. Without chunks there is one
        // way to tell where a body ends.
        match (
            head.header("transfer-encoding"),
            head.header("content-length"),
        ) {
            (Ok(None), Ok(Some(length))) => body_length(length),
            (Ok(None), Err(_)) => Err(Answer::not_http()),
            _ => Err(Answer::no_length()),
        }
    }
}

fn is_form(kind: &str) -> bool {
    let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind);
    kind.trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn body_length(length: &str) -> Result<usize, Answer> {
    if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Answer::not_http());
    }
    // What does not fit into a number is too large as well.
    match length.parse() {
        Ok(length) if length <= LARGEST_BODY => Ok(length),
        _ => Err(Answer::body_too_large()),
    }
}

/// The tokens of the forms that were shown last.
#[derive(Default)]
pub(super) struct Tokens(VecDeque<Secret>);

impl Tokens {
    /// A new one, for one form; the oldest is forgotten when there are many.
    pub fn issue(&mut self) -> String {
        let token = unguessable();
        self.0.push_back(Secret::from(token.clone()));
        if self.0.len() > FORMS_OPEN {
            self.0.pop_front();
        }
        token
    }

    /// Whether this is one of them; from now on it is not.
    pub fn redeem(&mut self, token: &Secret) -> bool {
        let before = self.0.len();
        self.0.retain(|issued| !issued.matches(token));
        self.0.len() < before
    }
}

/// 128 random bits in hexadecimal digits.
pub(super) fn unguessable() -> String {
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes).expect("the system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
