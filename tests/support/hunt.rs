//! The hunt for secrets where none may be: plain, in base64 and hexadecimal,
//! and as JSON writes them.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use vault::seal::{IdentityFile, Opener, Prompts, VaultKey};
use vault::vault::{Places, Store};

/// A secret, in every form in which it could be seen.
#[derive(Clone)]
pub struct Canary {
    what: String,
    forms: Vec<(&'static str, Vec<u8>)>,
    /// The one file that may hold it.
    allowed: Option<PathBuf>,
}

impl Canary {
    /// A secret that only the file `allowed` may hold.
    pub fn new(what: &str, text: &str, allowed: Option<PathBuf>) -> Self {
        let bytes = text.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let json = serde_json::to_string(text).unwrap();
        let mut forms = vec![
            ("plain", bytes.to_owned()),
            ("in upper hexadecimal", hex.to_uppercase().into_bytes()),
            ("in hexadecimal", hex.into_bytes()),
            ("in JSON", json.as_bytes()[1..json.len() - 1].to_owned()),
        ];
        for shift in 0..3 {
            // However it lies in what was encoded: the characters that depend
            // on its neighbours are left out.
            let mut padded = vec![0; shift];
            padded.extend(bytes);
            let own = (shift * 8).div_ceil(6)..padded.len() * 8 / 6;
            for encoded in [
                STANDARD_NO_PAD.encode(&padded),
                URL_SAFE_NO_PAD.encode(&padded),
            ] {
                forms.push(("in base64", encoded.as_bytes()[own.clone()].to_owned()));
            }
        }
        Self {
            what: what.to_owned(),
            forms,
            allowed,
        }
    }

    /// Whether this file is not the one that may hold it.
    pub fn is_forbidden_in(&self, path: &Path) -> bool {
        self.allowed.as_deref() != Some(path)
    }

    fn form_in(&self, haystack: &[u8]) -> Option<&'static str> {
        self.forms
            .iter()
            .find(|(_, form)| contains(haystack, form))
            .map(|(name, _)| *name)
    }
}

/// Says which of the secrets are in `bytes`.
pub fn search<'a>(
    bytes: &[u8],
    canaries: impl Iterator<Item = &'a Canary>,
    place: &str,
) -> Vec<String> {
    // Base64 is often wrapped.
    let unwrapped: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    canaries
        .filter_map(|canary| {
            let form = canary
                .form_in(bytes)
                .or_else(|| canary.form_in(&unwrapped))?;
            Some(format!("{} {form} in {place}", canary.what))
        })
        .collect()
}

/// The identity on disk, which may lie in its own file alone, and the vault's
/// own key, which may lie nowhere.
pub fn keys_on_disk(identity: &Path, vault: &Path) -> Vec<Canary> {
    let Ok(text) = fs::read_to_string(identity) else {
        return Vec::new();
    };
    let mut keys: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("AGE-SECRET-KEY-"))
        .map(|line| Canary::new("the identity", line, Some(identity.to_owned())))
        .collect();
    keys.extend(vault_key(&text, vault).map(|key| {
        let text = key.slot_text();
        Canary::new("the vault's key", text.trim_end(), None)
    }));
    keys
}

/// What the identity finds in its slot.
pub fn vault_key(identity: &str, vault: &Path) -> Option<VaultKey> {
    let places = Places {
        file: vault.to_owned(),
        state: PathBuf::from("/nonexistent"),
        backups: None,
    };
    let sealed = Store::at(places, None).ok()?.read().ok()??;
    let identity = IdentityFile::parse(identity.as_bytes(), "identity").ok()?;
    let opener = Opener::Identities(&identity);
    sealed.try_slot(&opener, 20, &Prompts::nobody())?.ok()
}

/// Regular files under a folder, in order; links are not followed.
pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    under(folder, &|kind| kind.is_file())
}

/// Sockets under a folder.
pub fn sockets_under(folder: &Path) -> Vec<PathBuf> {
    under(folder, &|kind| kind.is_socket())
}

fn under(folder: &Path, wanted: &dyn Fn(&fs::FileType) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            found.extend(under(&entry.path(), wanted));
        } else if wanted(&kind) {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else {
        return false;
    };
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}
