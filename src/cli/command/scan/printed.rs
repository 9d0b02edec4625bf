//! Findings for people and for scripts. Never a key.

use std::collections::BTreeSet;

use serde_json::json;

use super::known::Known;
use super::taken::Taken;
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::Result;
use crate::scan::{Finding, Report};
use crate::text::{counted, printable};

/// What is said of a scan.
pub struct Printed<'a> {
    /// What came of it.
    pub report: &'a Report,
    /// What the vault holds, where it could be opened.
    pub known: Option<&'a Known>,
    /// What was stored, where that was asked for.
    pub taken: Option<&'a Taken>,
}

impl Printed<'_> {
    fn fingerprint(&self, finding: &Finding) -> String {
        let keyed = self.known.map(|known| known.fingerprint(finding));
        keyed.unwrap_or_else(|| finding.digest.clone())
    }

    fn place(&self, finding: &Finding) -> Option<&str> {
        self.known?.place_of(finding)
    }

    /// A line for each finding, and what it comes to.
    pub fn text(&self, context: &Context) -> Result<()> {
        let findings = &self.report.findings;
        let rows: Vec<[String; 4]> = findings.iter().map(|finding| self.row(finding)).collect();
        let mut widths = [0; 4];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let color = context.output.color_out;
        let mut text = String::new();
        for row in &rows {
            let is_stored = row[3].starts_with("in ");
            let codes = ["35", "1", "", if is_stored { "32" } else { "33" }];
            for (((cell, width), code), column) in row.iter().zip(widths).zip(codes).zip(0..) {
                let painted = color && !code.is_empty() && !cell.is_empty();
                if painted {
                    text.push_str(&format!("\x1b[{code}m{cell}\x1b[0m"));
                } else {
                    text.push_str(cell);
                }
                if row[column + 1..].iter().any(|cell| !cell.is_empty()) {
                    text.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
                }
            }
            text.push('\n');
        }
        output::print(&text)?;
        self.tell(context);
        Ok(())
    }

    fn row(&self, finding: &Finding) -> [String; 4] {
        let path = finding.path.display().to_string();
        let place = match (self.place(finding), self.known) {
            (Some(place), _) => format!("in the vault as {place}"),
            (None, Some(_)) => "not in the vault".to_owned(),
            (None, None) => String::new(),
        };
        [
            format!("{}:{}:{}", printable(&path), finding.line, finding.column),
            finding.provider.to_string(),
            self.fingerprint(finding),
            place,
        ]
    }

    /// What it comes to, and what to do about it.
    fn tell(&self, context: &Context) {
        let Report {
            findings,
            files,
            skipped,
            ..
        } = self.report;
        let mut read = counted(*files, "file");
        if *skipped > 0 {
            read.push_str(&format!(" ({skipped} skipped)"));
        }
        if findings.is_empty() {
            context.output.note(&format!("No keys in {read}."));
            return;
        }
        let keys: BTreeSet<_> = findings.iter().map(|finding| &finding.digest).collect();
        let places: BTreeSet<_> = findings.iter().map(|finding| &finding.path).collect();
        context.output.note(&format!(
            "{} in {}; looked at {read}.",
            counted(keys.len(), "key"),
            counted(places.len(), "file"),
        ));
        if let Some(taken) = self.taken {
            tell_taken(taken, context);
        }
        let is_stored = |finding| self.place(finding).is_some();
        context.output.note(if self.taken.is_some_and(|taken| taken.left.is_empty()) {
            "The files are as they were. Once all is well (vault list), take the keys out of them."
        } else if self.taken.is_some() {
            "The files are as they were. Take out of them only what is in the vault (vault list)."
        } else if findings.iter().all(is_stored) {
            "All of them are in the vault. Take them out of the files, and replace those that \
             others may have seen."
        } else {
            "Store them (vault scan --import), take them out of the files, and replace those that \
             others may have seen."
        });
    }

    /// One object.
    pub fn json(&self) -> Result<()> {
        let findings = self.report.findings.iter().map(|finding| {
            let place = self.place(finding);
            json!({
                "path": finding.path.to_string_lossy(),
                "line": finding.line,
                "column": finding.column,
                "provider": finding.provider.as_str(),
                "fingerprint": self.fingerprint(finding),
                "in_vault": self.known.map(|_| place.is_some()),
                "connection": place,
            })
        });
        let mut object = json!({
            "findings": findings.collect::<Vec<_>>(),
            "files": self.report.files,
            "skipped": self.report.skipped,
            "unreadable": self.report.unreadable,
            "warnings": self.report.warnings,
        });
        if let Some(taken) = self.taken {
            let stored = taken.stored.iter().map(ToString::to_string);
            object["imported"] = stored.collect::<Vec<_>>().into();
            let left = taken.left.keys().map(ToString::to_string);
            object["not_imported"] = left.collect::<Vec<_>>().into();
        }
        output::print_json(&object)
    }
}

fn tell_taken(taken: &Taken, context: &Context) {
    if !taken.stored.is_empty() {
        let names: Vec<_> = taken.stored.iter().map(ToString::to_string).collect();
        context
            .output
            .note(&format!("Stored {}.", names.join(", ")));
    } else if taken.left.is_empty() {
        context.output.note("All of them are in the vault already.");
    }
    for (provider, lacking) in &taken.left {
        context.output.note(&format!(
            "Not stored: {provider} {}. Store it with: vault login {provider}",
            printable(lacking)
        ));
    }
}
