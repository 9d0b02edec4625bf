//! What doctor found, and how it is shown.

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::output;
use crate::error::{Error, Kind, Result};
use crate::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Ok,
    Warn,
    Fail,
}

impl Mark {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

struct Check {
    name: &'static str,
    mark: Mark,
    message: String,
    hint: Option<String>,
}

/// What was looked at, in order.
#[derive(Default)]
pub(super) struct Findings(Vec<Check>);

impl Findings {
    pub(super) fn ok(&mut self, name: &'static str, message: impl Into<String>) {
        self.add(name, Mark::Ok, message.into(), None);
    }

    pub(super) fn warn(
        &mut self,
        name: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(name, Mark::Warn, message.into(), Some(hint.into()));
    }

    pub(super) fn fail(
        &mut self,
        name: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(name, Mark::Fail, message.into(), Some(hint.into()));
    }

    pub(super) fn failed(&mut self, name: &'static str, error: &Error) {
        self.add(
            name,
            Mark::Fail,
            error.to_string(),
            error.hint().map(str::to_owned),
        );
    }

    fn add(&mut self, name: &'static str, mark: Mark, message: String, hint: Option<String>) {
        // One file may be named twice, by its place and by a variable.
        if self
            .0
            .iter()
            .any(|known| known.name == name && known.message == message)
        {
            return;
        }
        self.0.push(Check {
            name,
            mark,
            message,
            hint,
        });
    }
}

/// Prints every check, and fails if one did.
pub(super) fn report(findings: &Findings, context: &Context) -> Result<()> {
    let failed = findings
        .0
        .iter()
        .filter(|check| check.mark == Mark::Fail)
        .count();
    if context.output.json {
        let checks = findings.0.iter().map(|check| {
            json!({
                "name": check.name,
                "status": check.mark.as_str(),
                "message": check.message,
                "hint": check.hint,
            })
        });
        output::print_json(&json!({"checks": checks.collect::<Vec<_>>()}))?;
    } else {
        let mut text = String::new();
        for check in &findings.0 {
            let mark = painted(check.mark, context.output.color_out);
            let message = text::printable_lines(&check.message);
            text.push_str(&format!("{mark}  {}: {message}\n", check.name));
            if let Some(hint) = &check.hint {
                text.push_str(&format!("      {}\n", text::printable_lines(hint)));
            }
        }
        output::print(&text)?;
    }
    match failed {
        0 => Ok(()),
        1 => Err(Error::new(Kind::Failed, "1 check failed")
            .with_hint("Do what stands under it, then: vault doctor")),
        more => Err(Error::new(Kind::Failed, format!("{more} checks failed"))
            .with_hint("Do what stands under them, then: vault doctor")),
    }
}

fn painted(mark: Mark, color: bool) -> String {
    let word = format!("{:4}", mark.as_str());
    let code = match mark {
        Mark::Ok => "32",
        Mark::Warn => "33",
        Mark::Fail => "31",
    };
    if color {
        format!("\x1b[{code}m{word}\x1b[0m")
    } else {
        word
    }
}
