//! SARIF 2.1.0, which code hosts read. It is the same wherever it is made: no
//! vault is asked, so fingerprints are plain digests. Never a key, nor the
//! line that it stands in.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::output;
use crate::error::Result;
use crate::provider::Definition;
use crate::scan::{Finding, Report};
use crate::text::printable;

/// Prints it.
pub fn print(report: &Report, definitions: &[Definition]) -> Result<()> {
    let here = std::env::current_dir().ok();
    let rules: Vec<Value> = definitions.iter().map(rule).collect();
    let results = report.findings.iter().map(|finding| {
        let index = definitions
            .iter()
            .position(|one| one.name == finding.provider);
        let definition = index.and_then(|index| definitions.get(index));
        result(finding, index, definition, here.as_deref())
    });
    output::print_json(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "vault",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            // What was not looked at, and why.
            "invocations": [{
                "executionSuccessful": report.warnings.is_empty(),
                "toolExecutionNotifications": report.warnings.iter().map(|warning| json!({
                    "level": "warning",
                    "message": { "text": warning },
                })).collect::<Vec<_>>(),
            }],
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    }))
}

fn rule(definition: &Definition) -> Value {
    let name = printable(&definition.display_name);
    json!({
        "id": definition.name.as_str(),
        "shortDescription": { "text": format!("A key of {name} in a plain file") },
        "help": { "text": format!(
            "Take the key out of the file and replace it: whoever could read the file may have it. \
             Store the new one: vault login {}", definition.name) },
        "defaultConfiguration": { "level": "error" },
    })
}

fn result(
    finding: &Finding,
    index: Option<usize>,
    definition: Option<&Definition>,
    here: Option<&Path>,
) -> Value {
    let name = definition.map_or(finding.provider.as_str(), |one| &one.display_name);
    let message = format!(
        "A key of {}, fingerprint {}",
        printable(name),
        finding.digest
    );
    json!({
        "ruleId": finding.provider.as_str(),
        "ruleIndex": index,
        "level": "error",
        "message": { "text": message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&finding.path, here) },
            "region": { "startLine": finding.line, "startColumn": finding.column },
        }}],
        "partialFingerprints": { "keyDigest/v1": finding.digest },
    })
}

/// The path as a URI reference, from here where it lies under here.
fn uri(path: &Path, here: Option<&Path>) -> String {
    let relative = here.and_then(|here| path.strip_prefix(here).ok());
    let path = relative.unwrap_or(path);
    let mut uri = String::from(if path.is_absolute() { "file://" } else { "" });
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(*byte));
            }
            // Writing to a String cannot fail.
            other => drop(write!(uri, "%{other:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_reference_from_here() {
        let here = Some(Path::new("/home/you/tree"));
        for (path, expected) in [
            ("src/a.rs", "src/a.rs"),
            ("/home/you/tree/src/a.rs", "src/a.rs"),
            ("/elsewhere/a.rs", "file:///elsewhere/a.rs"),
            ("../a b:c%é.rs", "../a%20b%3Ac%25%C3%A9.rs"),
        ] {
            assert_eq!(uri(Path::new(path), here), expected);
        }
    }
}
