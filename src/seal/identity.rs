//! Private keys as people keep them: age identity files, plain or under a
//! passphrase; SSH keys; handles for plugins.

use crate::error::{Error, Kind};
use crate::secret::Secret;
use crate::text;

use super::recipient::Recipient;
use super::{OpenError, Prompts, key, open_with_passphrase};

/// What one identity file, or one text of identities, holds.
pub struct IdentityFile {
    origin: String,
    entries: Vec<Entry>,
}

/// An identity as the library takes it.
pub(super) struct Prepared {
    pub(super) identity: Box<dyn age::Identity>,
    /// The plugin that it belongs to.
    pub(super) plugin: Option<String>,
}

enum Entry {
    Native(age::x25519::Identity),
    Plugin(age::plugin::Identity),
    #[cfg(feature = "ssh")]
    Ssh(Box<age::ssh::Identity>),
    Encrypted(Vec<u8>),
}

/// An identity file that cannot be used. Its content is never in the message.
#[derive(Debug, thiserror::Error)]
pub enum BadIdentity {
    /// There is nothing in it.
    #[error("{origin} holds no identity")]
    Empty {
        /// Where it came from.
        origin: String,
    },
    /// A line that is none.
    #[error("Line {line} of {origin} is not an age identity")]
    Line {
        /// Where it came from.
        origin: String,
        /// The line's number.
        line: usize,
    },
    /// An SSH key of a kind that cannot be used.
    #[error("{origin} is not an SSH key that can be used: {reason}")]
    Ssh {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A post-quantum identity in its native form.
    #[error("Line {line} of {origin} is a native post-quantum identity")]
    PostQuantum {
        /// Where it came from.
        origin: String,
        /// The line's number.
        line: usize,
    },
    /// A plugin's identity, whose recipient only the plugin can tell.
    #[error("{origin} belongs to age-plugin-{plugin}, which alone knows its recipient")]
    PluginRecipient {
        /// Where it came from.
        origin: String,
        /// The plugin.
        plugin: String,
    },
}

impl From<BadIdentity> for Error {
    fn from(bad: BadIdentity) -> Self {
        let hint = match &bad {
            BadIdentity::Empty { .. } | BadIdentity::Line { .. } => {
                "An identity file has lines that begin with AGE-SECRET-KEY-1; make one with: \
                 age-keygen -o identity.txt"
            }
            BadIdentity::Ssh { .. } => {
                "Ed25519 and RSA keys work: ssh-keygen -t ed25519 -f ~/.ssh/vault"
            }
            BadIdentity::PostQuantum { .. } => {
                "Turn it into one that the plugin handles: age-plugin-pq -identity FILE"
            }
            BadIdentity::PluginRecipient { .. } => {
                "Name the recipient that the plugin printed: vault init --recipient age1…"
            }
        };
        Self::new(Kind::Locked, text::printable(&bad.to_string())).with_hint(hint)
    }
}

impl IdentityFile {
    /// Reads identities from the bytes of a file, or from text. `origin`
    /// names them in messages.
    ///
    /// # Errors
    /// There is none in it, or something that is none.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, BadIdentity> {
        let origin = origin.to_owned();
        let trimmed = bytes.trim_ascii();
        if trimmed.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
            || trimmed.starts_with(b"age-encryption.org/")
        {
            let entries = vec![Entry::Encrypted(bytes.to_owned())];
            return Ok(Self { origin, entries });
        }
        if trimmed.starts_with(b"-----BEGIN ") {
            return parse_ssh(trimmed, origin);
        }
        let mut entries = Vec::new();
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            entries.push(parse_line(line, index + 1, &origin)?);
        }
        if entries.is_empty() {
            return Err(BadIdentity::Empty { origin });
        }
        Ok(Self { origin, entries })
    }

    /// Whether a text is identities, whole or broken and in capitals or not,
    /// rather than the path of a file.
    pub fn looks_like_identities(text: &str) -> bool {
        text.contains("-----BEGIN ") || text.split_whitespace().any(is_like_an_identity)
    }

    /// A new identity, as `age-keygen` writes one, and its recipient.
    pub fn generate(created: &str) -> (Secret, Recipient) {
        let (text, recipient) = key::new_identity_file(created);
        (text, Recipient::native(recipient))
    }

    /// What the file is called in messages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether a passphrase stands before its use.
    pub fn needs_passphrase(&self) -> bool {
        self.entries.iter().any(|entry| match entry {
            Entry::Encrypted(_) => true,
            #[cfg(feature = "ssh")]
            Entry::Ssh(identity) => matches!(**identity, age::ssh::Identity::Encrypted(_)),
            Entry::Native(_) | Entry::Plugin(_) => false,
        })
    }

    /// Whether its use needs nobody: no passphrase, and no plugin that could
    /// ask for one or for a touch.
    pub fn works_silently(&self) -> bool {
        let is_plugin = |entry: &Entry| matches!(entry, Entry::Plugin(_));
        !self.needs_passphrase() && !self.entries.iter().any(is_plugin)
    }

    /// Opens what the passphrase protects.
    ///
    /// # Errors
    /// The passphrase is wrong, or the file is damaged or asks for too much.
    pub fn unlock(self, passphrase: &Secret, max_work_factor: u8) -> Result<Self, OpenError> {
        let mut entries = Vec::with_capacity(self.entries.len());
        for entry in self.entries {
            match entry {
                Entry::Encrypted(sealed) => {
                    let plain = open_with_passphrase(&sealed, passphrase, max_work_factor)?;
                    let inner = Self::parse(&plain, &self.origin)
                        .map_err(|bad| OpenError::Damaged(bad.to_string()))?;
                    if inner
                        .entries
                        .iter()
                        .any(|entry| matches!(entry, Entry::Encrypted(_)))
                    {
                        let reason = "it is encrypted twice".to_owned();
                        return Err(OpenError::Damaged(reason));
                    }
                    entries.extend(inner.entries);
                }
                #[cfg(feature = "ssh")]
                Entry::Ssh(identity) => entries.push(unlock_ssh(*identity, passphrase)?),
                other => entries.push(other),
            }
        }
        let origin = self.origin;
        Ok(Self { origin, entries })
    }

    /// The public halves, to seal a vault to.
    ///
    /// # Errors
    /// It is still under its passphrase, or belongs to a plugin.
    pub fn recipients(&self) -> Result<Vec<Recipient>, BadIdentity> {
        self.entries
            .iter()
            .map(|entry| match entry {
                Entry::Native(identity) => Ok(Recipient::native(identity.to_public().to_string())),
                Entry::Plugin(identity) => Err(BadIdentity::PluginRecipient {
                    origin: self.origin.clone(),
                    plugin: identity.plugin().to_owned(),
                }),
                #[cfg(feature = "ssh")]
                Entry::Ssh(identity) => ssh_recipient(identity, &self.origin),
                Entry::Encrypted(_) => Err(BadIdentity::Empty {
                    origin: self.origin.clone(),
                }),
            })
            .collect()
    }

    /// The identities in the form that the library takes, and what is amiss
    /// with those whose plugin is not there.
    pub(super) fn for_age(&self, prompts: &Prompts) -> (Vec<Prepared>, Option<String>) {
        let mut missing = None;
        let mut prepared = Vec::with_capacity(self.entries.len());
        let mut add = |identity, plugin| prepared.push(Prepared { identity, plugin });
        for entry in &self.entries {
            match entry {
                Entry::Native(identity) => add(Box::new(identity.clone()), None),
                Entry::Plugin(identity) => {
                    let name = identity.plugin().to_owned();
                    match age::plugin::IdentityPluginV1::new(
                        &name,
                        std::slice::from_ref(identity),
                        prompts.clone(),
                    ) {
                        Ok(plugin) => add(Box::new(plugin), Some(name)),
                        Err(error) => missing = Some(super::first_line(error)),
                    }
                }
                #[cfg(feature = "ssh")]
                Entry::Ssh(identity) => add(identity.clone(), None),
                Entry::Encrypted(_) => {}
            }
        }
        (prepared, missing)
    }
}

/// One word of key text: no name of a file, which would have a dot or a slash.
fn is_like_an_identity(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    let is_name = word.contains(['.', '/']);
    let is_handle = |rest: &str| {
        rest.rsplit_once("-1")
            .is_some_and(|(_, key)| key.len() >= 6)
    };
    !is_name
        && (word.starts_with("AGE-SECRET-KEY-")
            || word.strip_prefix("AGE-PLUGIN-").is_some_and(is_handle))
}

fn parse_line(line: &[u8], number: usize, origin: &str) -> Result<Entry, BadIdentity> {
    let bad = || BadIdentity::Line {
        origin: origin.to_owned(),
        line: number,
    };
    let text = std::str::from_utf8(line).map_err(|_| bad())?;
    if text.starts_with("AGE-SECRET-KEY-PQ-") {
        return Err(BadIdentity::PostQuantum {
            origin: origin.to_owned(),
            line: number,
        });
    }
    if let Ok(identity) = text.parse() {
        return Ok(Entry::Native(identity));
    }
    text.parse().map(Entry::Plugin).map_err(|_| bad())
}

#[cfg(feature = "ssh")]
fn parse_ssh(bytes: &[u8], origin: String) -> Result<IdentityFile, BadIdentity> {
    // The parser wants the line ending that a trimmed text has lost.
    let mut text = zeroize::Zeroizing::new(bytes.to_owned());
    text.push(b'\n');
    match age::ssh::Identity::from_buffer(&text[..], Some(origin.clone())) {
        Ok(age::ssh::Identity::Unsupported(kind)) => {
            let reason = match kind {
                age::ssh::UnsupportedKey::EncryptedPem => {
                    "its old PEM encryption is not supported".to_owned()
                }
                age::ssh::UnsupportedKey::EncryptedSsh(cipher) => {
                    format!("its cipher {cipher} is not supported")
                }
                age::ssh::UnsupportedKey::Hardware(kind) => format!("{kind} lives on hardware"),
                age::ssh::UnsupportedKey::Type(kind) => format!("{kind} is not supported"),
            };
            Err(BadIdentity::Ssh { origin, reason })
        }
        Ok(identity) => Ok(IdentityFile {
            origin,
            entries: vec![Entry::Ssh(Box::new(identity))],
        }),
        Err(_) => Err(BadIdentity::Ssh {
            origin,
            reason: "it is damaged or of an unknown form".to_owned(),
        }),
    }
}

#[cfg(not(feature = "ssh"))]
fn parse_ssh(_: &[u8], origin: String) -> Result<IdentityFile, BadIdentity> {
    Err(BadIdentity::Ssh {
        origin,
        reason: "this build of vault has no SSH support".to_owned(),
    })
}

#[cfg(feature = "ssh")]
fn unlock_ssh(identity: age::ssh::Identity, passphrase: &Secret) -> Result<Entry, OpenError> {
    let age::ssh::Identity::Encrypted(encrypted) = identity else {
        return Ok(Entry::Ssh(Box::new(identity)));
    };
    let text = age::secrecy::SecretString::from(passphrase.reveal().to_owned());
    encrypted
        .decrypt(text)
        .map(|key| Entry::Ssh(Box::new(key.into())))
        .map_err(|_| OpenError::WrongPassphrase)
}

#[cfg(feature = "ssh")]
fn ssh_recipient(identity: &age::ssh::Identity, origin: &str) -> Result<Recipient, BadIdentity> {
    age::ssh::Recipient::try_from(identity.clone())
        .map(|recipient| Recipient::ssh(recipient.to_string()))
        .map_err(|_| BadIdentity::Ssh {
            origin: origin.to_owned(),
            reason: "its public half cannot be used".to_owned(),
        })
}
