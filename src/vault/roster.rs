//! Who can open a vault, as the document remembers it.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::BadDocument;
use crate::json::{JsonError, Members, ObjectWriter, Unknown};
use crate::seal::Recipient;

/// The ways into a vault, as people know them.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// When the passphrase was set.
    pub passphrase: Option<Timestamp>,
    /// Who else can open it.
    pub recipients: Vec<RosterEntry>,
    unknown: Unknown,
}

/// One recipient of the vault.
#[derive(Debug, Clone)]
pub struct RosterEntry {
    /// The public key.
    pub recipient: Recipient,
    /// Since when.
    pub added: Timestamp,
    unknown: Unknown,
}

impl Roster {
    /// The ways into a new vault.
    pub fn new(passphrase: Option<Timestamp>, recipients: Vec<RosterEntry>) -> Self {
        Self {
            passphrase,
            recipients,
            unknown: Unknown::default(),
        }
    }
}

impl RosterEntry {
    /// A recipient from now on.
    pub fn new(recipient: Recipient, added: Timestamp) -> Self {
        Self {
            recipient,
            added,
            unknown: Unknown::default(),
        }
    }
}

/// What kind of slot something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// Opened by a passphrase.
    Passphrase,
    /// Opened by identities.
    Recipients,
}

pub(super) fn read_roster(text: &str) -> Result<Roster, BadDocument> {
    let mut members = Members::parse(text)?;
    let passphrase: Option<String> = members.take("passphrase")?;
    let listed = members
        .take_raw("recipients")
        .ok_or(JsonError::Member("roster"))?;
    let listed: Vec<&RawValue> =
        serde_json::from_str(listed).map_err(|_| JsonError::Member("roster"))?;
    let recipients = listed
        .into_iter()
        .map(|raw| read_roster_entry(raw.get()))
        .collect::<Result<_, _>>()?;
    Ok(Roster {
        passphrase: passphrase
            .map(|time| parse_time(&time, "roster"))
            .transpose()?,
        recipients,
        unknown: members.into_unknown(),
    })
}

fn read_roster_entry(text: &str) -> Result<RosterEntry, BadDocument> {
    let mut members = Members::parse(text)?;
    let recipient: String = members.require("recipient")?;
    let added: String = members.require("added")?;
    Ok(RosterEntry {
        recipient: Recipient::parse(&recipient)?.with_label(members.take("label")?),
        added: parse_time(&added, "roster")?,
        unknown: members.into_unknown(),
    })
}

pub(super) fn write_roster(roster: &Roster, object: &mut ObjectWriter<'_>) {
    object.member(
        "passphrase",
        &roster.passphrase.map(|time| time.to_string()),
    );
    object.list("recipients", &roster.recipients, |entry, object| {
        object.member("recipient", &entry.recipient.as_str());
        object.optional("label", entry.recipient.label().as_ref());
        object.member("added", &entry.added.to_string());
        entry.unknown.write(object);
    });
    roster.unknown.write(object);
}

/// A point in time as the document writes it.
pub(super) fn parse_time(text: &str, member: &'static str) -> Result<Timestamp, JsonError> {
    text.parse().map_err(|_| JsonError::Member(member))
}
