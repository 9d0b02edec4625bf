//! `recipients`: who can open the vault.

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::table::{Table, terminal_width};
use crate::error::Result;

/// Lists the ways in.
pub fn run(context: &Context) -> Result<()> {
    let (_, opened) = context.open()?;
    let roster = &opened.document.roster;
    if context.output.json {
        let passphrase = roster.passphrase.map(|added| {
            json!({"kind": "passphrase", "recipient": null, "label": null, "added": added.to_string()})
        });
        let recipients = roster.recipients.iter().map(|entry| {
            json!({
                "kind": entry.recipient.kind().to_string(),
                "recipient": entry.recipient.as_str(),
                "label": entry.recipient.label(),
                "added": entry.added.to_string(),
            })
        });
        let slots: Vec<_> = passphrase.into_iter().chain(recipients).collect();
        let fingerprint = opened.key.fingerprint().to_string();
        return output::print_json(&json!({"fingerprint": fingerprint, "slots": slots}));
    }
    let mut table = Table::new(&["KIND", "ADDED", "LABEL", "RECIPIENT"]);
    let day = |time: jiff::Timestamp| time.to_string()[..10].to_owned();
    if let Some(added) = roster.passphrase {
        table.row(["passphrase", &day(added), "-", "-"]);
    }
    for entry in &roster.recipients {
        let recipient = &entry.recipient;
        table.row([
            &recipient.kind().to_string(),
            &day(entry.added),
            recipient.label().unwrap_or("-"),
            recipient.as_str(),
        ]);
    }
    output::print(&table.render(terminal_width()))?;
    let fingerprint = opened.key.fingerprint();
    context
        .output
        .note(&format!("The vault's fingerprint is {fingerprint}."));
    Ok(())
}
