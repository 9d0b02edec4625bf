//! `doctor --accept`: what was last seen of the vault no longer counts.

use serde_json::json;

use crate::audit::{Entry, Event};
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::Result;
use crate::vault::{Pin, Store};

/// Takes the vault as it is, after showing what was expected and what is.
pub(super) fn accept(context: &Context) -> Result<()> {
    let store = context.store()?;
    let Some(sealed) = store.read()? else {
        return forget(&store, context);
    };
    let unlocked = context.unlock(&sealed)?;
    let opened = store.open_unpinned(&sealed, unlocked.key)?;
    let found = opened.pin();
    let seen = store.pin().ok().flatten();
    if context.output.json {
        store.accept(&opened)?;
        context.accept_audit_log(&told(&found));
        let shown = |pin: &Pin| json!({"fingerprint": pin.fingerprint.to_string(), "generation": pin.generation});
        return output::print_json(&json!({
            "seen": seen.as_ref().map(shown),
            "accepted": shown(&found),
        }));
    }
    let line = |pin: &Pin| {
        format!(
            "generation {}, fingerprint {}",
            pin.generation, pin.fingerprint
        )
    };
    let before = seen.as_ref().map_or_else(|| "nothing".to_owned(), line);
    // Before anything is done, and data: it is there for whoever looks later
    // for what was accepted.
    output::print(&format!(
        "Last seen here: {before}\nThe vault now:  {}, last changed {}\n",
        line(&found),
        opened.document.updated_at
    ))?;
    store.accept(&opened)?;
    context.accept_audit_log(&told(&found));
    context.output.note("Accepted.");
    Ok(())
}

/// What the audit log is told: also that the log itself counts as it is.
fn told(found: &Pin) -> Entry {
    Entry::new(Event::Accept, "doctor")
        .with("fingerprint", &found.fingerprint)
        .with_number("generation", found.generation)
}

/// Takes it that the vault which was seen here is gone for good.
fn forget(store: &Store, context: &Context) -> Result<()> {
    let Some(seen) = store.pin().ok().flatten() else {
        return Err(context.no_vault());
    };
    store.forget()?;
    context.accept_audit_log(&Entry::new(Event::Accept, "doctor").with_flag("gone", true));
    if context.output.json {
        return output::print_json(&json!({
            "seen": {"fingerprint": seen.fingerprint.to_string(), "generation": seen.generation},
            "accepted": null,
        }));
    }
    context.output.note(&format!(
        "Last seen here: generation {}, fingerprint {}\nThe vault now:  none\nAccepted.",
        seen.generation, seen.fingerprint
    ));
    Ok(())
}
