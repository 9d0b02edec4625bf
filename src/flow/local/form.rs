//! The form for keys. It is shown at an address that nobody can guess, takes
//! only what was typed into it, and never shows a secret again: after a
//! mistake, secrets are typed anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::LocalError;
use super::answer::Answer;
use super::guard::{Guard, Tokens, unguessable};
use super::html::{self, Input};
use super::request::Request;
use super::serve::{Listener, Verdict, serve};
use crate::flow::pairs::{Malformed, Pairs};
use crate::secret::Secret;

/// Where a form is shown, the preferred port first; at last, any free one.
pub const FORM_PORTS: [u16; 11] = [
    7998, 7999, 8000, 8001, 8002, 8003, 8004, 8005, 8006, 8007, 0,
];

/// The token's name. No field's name begins so.
const TOKEN: &str = "_token";

/// What the form asks for.
pub struct FormPage<'a> {
    /// The provider's name for people.
    pub provider: &'a str,
    /// The connection that it will be.
    pub connection: &'a str,
    /// Where a person gets a key.
    pub key_url: Option<&'a str>,
    /// The fields in their order.
    pub fields: &'a [FormField],
}

/// One field.
pub struct FormField {
    /// Its name in the answer.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// What helps to fill it.
    pub hint: Option<String>,
    /// Whether it is hidden when typed, and never shown again.
    pub is_secret: bool,
    /// Whether it may have line breaks.
    pub is_multiline: bool,
    /// Whether it must be given.
    pub is_required: bool,
    /// What stands in it at first; of a secret, nothing does.
    pub value: Option<String>,
}

/// A form with its address.
pub struct Form<'a> {
    listener: Listener,
    page: FormPage<'a>,
    path: String,
}

impl<'a> Form<'a> {
    /// A form at an address of its own.
    pub fn new(listener: Listener, page: FormPage<'a>) -> Self {
        Self {
            listener,
            page,
            path: format!("/{}/", unguessable()),
        }
    }

    /// Where it is shown. Whoever knows this can fill the form.
    pub fn address(&self) -> String {
        format!("http://{}{}", self.host(), self.path)
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.listener.port())
    }

    /// Waits until the form is filled with what `check` lets pass; what it
    /// says otherwise is shown, and the form again. The answer has the fields
    /// that were filled. What `check` says is about a value and holds no part
    /// of it.
    ///
    /// # Errors
    /// Nobody fills it, or the socket fails.
    pub async fn wait(
        self,
        patience: Duration,
        mut check: impl FnMut(&BTreeMap<String, Secret>) -> Result<(), String>,
    ) -> Result<BTreeMap<String, Secret>, LocalError> {
        let guard = Guard::of_form(self.host(), &self.path);
        let page = &self.page;
        let mut tokens = Tokens::default();
        serve(self.listener, guard, patience, |request| {
            if !request.is_post {
                return Verdict::Wait(page.shown(200, &mut tokens, None, &page.prefilled()));
            }
            let Ok(posted) = page.read(&request) else {
                let text = "This is not what the form sends. Nothing was taken.";
                return Verdict::Wait(Answer::bad_request(text));
            };
            let refusal = if posted.token.is_some_and(|token| tokens.redeem(&token)) {
                let passed = page.complete(&posted.values);
                passed
                    .and_then(|()| check(&posted.values))
                    .map_err(|m| (422, m))
            } else {
                Err((403, STALE.to_owned()))
            };
            match refusal {
                Ok(()) => Verdict::Done(page.taken(), posted.values),
                Err((status, message)) => {
                    let values = page.showable(&posted.values);
                    let again = page.shown(status, &mut tokens, Some(&message), &values);
                    Verdict::Wait(again)
                }
            }
        })
        .await
    }
}

const STALE: &str = "This form was sent before, or is an old one. Please fill it in again.";

/// What came with a form.
struct Posted {
    token: Option<Secret>,
    /// The fields that are not empty.
    values: BTreeMap<String, Secret>,
}

impl FormPage<'_> {
    fn read(&self, request: &Request) -> Result<Posted, Malformed> {
        let mut pairs = Pairs::parse(&request.body)?;
        let token = pairs.take(TOKEN)?;
        let mut values = BTreeMap::new();
        for field in self.fields {
            if let Some(value) = pairs.take(&field.name)?.filter(|v| !v.is_empty()) {
                values.insert(field.name.clone(), value);
            }
        }
        Ok(Posted { token, values })
    }

    /// Whether all that is needed is there.
    fn complete(&self, values: &BTreeMap<String, Secret>) -> Result<(), String> {
        let missing = self
            .fields
            .iter()
            .find(|field| field.is_required && !values.contains_key(&field.name));
        match missing {
            Some(field) => Err(format!("{} is missing.", field.label)),
            None => Ok(()),
        }
    }

    /// What stands in the form when it is shown first.
    fn prefilled(&self) -> BTreeMap<&str, &str> {
        self.open_fields()
            .filter_map(|field| Some((field.name.as_str(), field.value.as_deref()?)))
            .collect()
    }

    /// What may stand in the form when it is shown again.
    fn showable<'v>(&'v self, values: &'v BTreeMap<String, Secret>) -> BTreeMap<&'v str, &'v str> {
        self.open_fields()
            .filter_map(|field| Some((field.name.as_str(), values.get(&field.name)?.reveal())))
            .collect()
    }

    fn open_fields(&self) -> impl Iterator<Item = &FormField> {
        self.fields.iter().filter(|field| !field.is_secret)
    }

    fn shown(
        &self,
        status: u16,
        tokens: &mut Tokens,
        message: Option<&str>,
        values: &BTreeMap<&str, &str>,
    ) -> Answer {
        let title = format!("Connect {}", self.provider);
        let mut main = format!(
            "<h1>{}</h1>\n<p class=\"lead\">Kept encrypted on this machine as <code>{}</code>.</p>\n",
            html::shown(&title),
            html::shown(self.connection),
        );
        if let Some(url) = self.key_url {
            let _ = writeln!(main, "<p class=\"lead\">Get a key: {}</p>", html::link(url));
        }
        if let Some(message) = message {
            let lines: Vec<_> = message.lines().map(html::shown).collect();
            let _ = writeln!(
                main,
                "<p class=\"alert\" role=\"alert\">{}</p>",
                lines.join("\n")
            );
        }
        let _ = writeln!(
            main,
            "<form method=\"post\" autocomplete=\"off\">\n\
             <input type=\"hidden\" name=\"{TOKEN}\" value=\"{}\">",
            tokens.issue()
        );
        // What has to be typed comes first to hand.
        let is_empty = |field: &&FormField| !values.contains_key(field.name.as_str());
        let first = self.fields.iter().find(is_empty).map(|f| &f.name);
        for field in self.fields {
            let input = Input {
                name: &field.name,
                label: &field.label,
                hint: field.hint.as_deref(),
                is_secret: field.is_secret,
                is_multiline: field.is_multiline,
                is_required: field.is_required,
                value: values.get(field.name.as_str()).copied(),
                has_focus: first == Some(&field.name),
            };
            main.push_str(&input.html());
        }
        main.push_str("<button type=\"submit\">Save in vault</button>\n</form>\n");
        Answer::page(status, html::page(&title, &main))
    }

    /// The last page. Storing comes after it, so it promises nothing.
    fn taken(&self) -> Answer {
        let text = format!(
            "The login to {} finishes in your terminal. You can close this window.",
            self.provider
        );
        Answer::notice(200, "vault has what it needs", &text)
    }
}

#[cfg(test)]
mod tests;
