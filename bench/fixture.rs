//! Makes the vaults that `bench/vault` measures: as many connections as it is
//! told, written through the library in one commit. Every key is made up.
//!
//! `cargo run --example fixture -- FOLDER COUNT [--secrets | PASSPHRASE]`
//!
//! With `--secrets` they are plain secrets, of which each has a variable of its
//! own, so that all of them can be exported together.
//!
//! FOLDER becomes a `VAULT_HOME`. Beside the vault lie `identity.txt`, which
//! opens it, and `vault-identity.txt`, the vault's own identity, with which a
//! stock age tool opens the payload that `bench/vault` cuts out of the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vault::credential::{AuthKind, Credential, Value};
use vault::name::{ConnectionId, FieldName};
use vault::seal::{
    DEFAULT_WORK_FACTOR, IdentityFile, Prompts, VaultKey, seal_to_passphrase, seal_to_recipients,
};
use vault::secret::Secret;
use vault::vault::{Moment, Places, Roster, RosterEntry, Slotted, Store};

type Failure = Box<dyn std::error::Error>;

/// What the connections are of, in turns.
const PROVIDERS: [&str; 4] = ["anthropic", "github", "mistral", "openai"];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(folder), Some(count)) = (arguments.first(), arguments.get(1)) else {
        return Err("usage: fixture FOLDER COUNT [--secrets | PASSPHRASE]".into());
    };
    let more = arguments.get(2).map(String::as_str);
    let plain = more == Some("--secrets");
    let passphrase = more
        .filter(|_| !plain)
        .map(|text| Secret::from(text.to_owned()));
    make(&PathBuf::from(folder), count.parse()?, plain, passphrase)
}

fn make(
    folder: &Path,
    count: usize,
    plain: bool,
    passphrase: Option<Secret>,
) -> Result<(), Failure> {
    vault::files::make_private_folder(folder)?;
    let now = "2026-01-01T00:00:00Z".parse()?;
    let (identity, recipient) = IdentityFile::generate("2026-01-01T00:00:00Z");
    let key = VaultKey::generate();
    vault::files::replace_private(&folder.join("identity.txt"), identity.reveal().as_bytes())?;
    vault::files::replace_private(
        &folder.join("vault-identity.txt"),
        key.slot_text().as_bytes(),
    )?;
    let slotted = Slotted {
        passphrase: passphrase
            .as_ref()
            .map(|words| seal_to_passphrase(&key, words, DEFAULT_WORK_FACTOR))
            .transpose()?,
        recipients: Some(seal_to_recipients(
            &key,
            std::slice::from_ref(&recipient),
            &Prompts::nobody(),
        )?),
        key,
        roster: Roster::new(
            passphrase.map(|_| now),
            vec![RosterEntry::new(recipient, now)],
        ),
    };
    let places = Places {
        file: folder.join("vault.age"),
        state: folder.join("state"),
        backups: Some(folder.join("backups")),
    };
    let moment = Moment {
        now,
        command: "fixture",
    };
    let made = Store::at(places, None)?.create(
        moment,
        || Ok(slotted),
        |document| {
            for index in 0..count {
                if plain {
                    let name = format!("KEY_{index:03}").parse()?;
                    document.put_secret(&name, &credential("value", AuthKind::Plain, index, now));
                } else {
                    let stored = credential("api_key", AuthKind::ApiKey, index, now);
                    document.put_connection(&connection(index), &stored);
                }
            }
            Ok(())
        },
    )?;
    made.ok_or_else(|| "there is a vault already".into())
}

/// `openai/c042` is among the first hundred, and among any more.
fn connection(index: usize) -> ConnectionId {
    let provider = if index == 42 {
        "openai"
    } else {
        PROVIDERS[index % PROVIDERS.len()]
    };
    ConnectionId {
        provider: provider.parse().expect("the table holds names"),
        connection: format!("c{index:03}")
            .parse()
            .expect("a letter and digits are a name"),
    }
}

/// About what a login leaves: a key of the usual length, an account, dates.
fn credential(field: &str, kind: AuthKind, index: usize, now: jiff::Timestamp) -> Credential {
    let name: FieldName = field.parse().expect("it is a field's name");
    let secret = Secret::from(format!("sk-proj-{}", digits(index)));
    let value = Value {
        account: Some(format!("team-{index}@example.com")),
        rotate_at: vault::credential::days_after(now, 90),
        ..Value::of(BTreeMap::from([(name, secret)]), now)
    };
    Credential::new(kind, value)
}

/// 96 letters and digits that differ from key to key and do not compress.
fn digits(index: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(index as u64 + 1);
    (0..96)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(LETTERS[(state >> 58) as usize])
        })
        .collect()
}
