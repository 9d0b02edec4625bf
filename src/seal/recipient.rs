//! Public keys that a vault is sealed to.

use std::fmt;

use crate::error::{Error, Kind};
use crate::text;

use super::{IdentityFile, Prompts, SealError, seal_error};

/// A recipient, checked once, kept as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    text: String,
    kind: RecipientKind,
    label: Option<String>,
}

/// What kind of key stands behind a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientKind {
    /// `age1…`
    X25519,
    /// `ssh-ed25519 …`
    SshEd25519,
    /// `ssh-rsa …`
    SshRsa,
    /// `age1NAME1…`, wrapped by `age-plugin-NAME`.
    Plugin(String),
}

impl fmt::Display for RecipientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X25519 => f.write_str("x25519"),
            Self::SshEd25519 => f.write_str("ssh-ed25519"),
            Self::SshRsa => f.write_str("ssh-rsa"),
            Self::Plugin(name) => write!(f, "plugin {name}"),
        }
    }
}

/// A text that is no recipient.
#[derive(Debug, thiserror::Error)]
#[error("'{}' is not a recipient: {reason}", text::printable(given))]
pub struct BadRecipient {
    given: String,
    reason: String,
}

impl From<BadRecipient> for Error {
    fn from(bad: BadRecipient) -> Self {
        Self::new(Kind::Usage, bad.to_string()).with_hint(
            "A recipient is age1…, an SSH public key such as 'ssh-ed25519 AAAA…', or @FILE with \
             one a line. age-keygen -y identity.txt prints the one of an identity.",
        )
    }
}

impl Recipient {
    /// Reads `age1…`, `age1plugin1…` or an SSH public key, whose comment
    /// becomes the label.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(given: &str) -> Result<Self, BadRecipient> {
        let given = given.trim();
        let bad = |reason: &str| BadRecipient {
            given: abbreviated(given),
            reason: reason.to_owned(),
        };
        if IdentityFile::looks_like_identities(given) {
            // Not echoed: it is the private half.
            return Err(BadRecipient {
                given: "AGE-…".to_owned(),
                reason: "it is a private identity, which nobody else should see".to_owned(),
            });
        }
        if given.starts_with("ssh-") {
            return parse_ssh(given).map_err(|reason| bad(&reason));
        }
        if given.parse::<age::x25519::Recipient>().is_ok() {
            return Ok(Self::native(given.to_owned()));
        }
        match given.parse::<age::plugin::Recipient>() {
            Ok(plugin) => Ok(Self {
                kind: RecipientKind::Plugin(plugin.plugin().to_owned()),
                text: given.to_owned(),
                label: None,
            }),
            Err(_) if given.starts_with("age1") => Err(bad("a character is wrong or missing")),
            Err(_) => Err(bad("it begins with neither 'age1' nor 'ssh-'")),
        }
    }

    /// Reads a file of recipients: one a line, `#` begins a comment.
    ///
    /// # Errors
    /// A line is none, or there is none.
    pub fn parse_lines(content: &str, origin: &str) -> Result<Vec<Self>, BadRecipient> {
        let found: Vec<_> = content
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(Self::parse)
            .collect::<Result<_, _>>()?;
        if found.is_empty() {
            return Err(BadRecipient {
                given: format!("@{origin}"),
                reason: "the file names none".to_owned(),
            });
        }
        Ok(found)
    }

    pub(super) fn native(text: String) -> Self {
        Self {
            text,
            kind: RecipientKind::X25519,
            label: None,
        }
    }

    #[cfg(feature = "ssh")]
    pub(super) fn ssh(text: String) -> Self {
        let kind = if text.starts_with("ssh-rsa") {
            RecipientKind::SshRsa
        } else {
            RecipientKind::SshEd25519
        };
        Self {
            text,
            kind,
            label: None,
        }
    }

    /// The recipient as `age` writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What kind of key it is.
    pub fn kind(&self) -> &RecipientKind {
        &self.kind
    }

    /// The comment of an SSH key, or what was remembered of it.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The same recipient under this label.
    #[must_use]
    pub fn with_label(mut self, label: Option<String>) -> Self {
        self.label = label;
        self
    }
}

fn abbreviated(given: &str) -> String {
    if given.chars().count() <= 60 {
        return given.to_owned();
    }
    let start: String = given.chars().take(40).collect();
    format!("{start}…")
}

#[cfg(feature = "ssh")]
fn parse_ssh(given: &str) -> Result<Recipient, String> {
    use age::ssh::ParseRecipientKeyError as Bad;
    let mut words = given.split_whitespace();
    let key: Vec<_> = words.by_ref().take(2).collect();
    let comment: Vec<_> = words.collect();
    match key.join(" ").parse::<age::ssh::Recipient>() {
        Ok(recipient) => Ok(Recipient::ssh(recipient.to_string())
            .with_label((!comment.is_empty()).then(|| comment.join(" ")))),
        Err(Bad::RsaModulusTooSmall) => Err("an RSA key needs at least 2048 bits".to_owned()),
        Err(Bad::RsaModulusTooLarge) => Err("its RSA key is too large".to_owned()),
        Err(Bad::Unsupported(kind)) => Err(format!("{kind} keys cannot encrypt")),
        Err(_) => Err("it is no SSH public key of type ssh-ed25519 or ssh-rsa".to_owned()),
    }
}

#[cfg(not(feature = "ssh"))]
fn parse_ssh(_: &str) -> Result<Recipient, String> {
    Err("this build of vault has no SSH support".to_owned())
}

/// The recipients in the form that the library takes; those of one plugin go
/// to one run of it.
pub(super) fn for_age(
    recipients: &[Recipient],
    prompts: &Prompts,
) -> Result<Vec<Box<dyn age::Recipient + Send>>, SealError> {
    let mut wrapped: Vec<Box<dyn age::Recipient + Send>> = Vec::new();
    let mut plugins: Vec<(&str, Vec<age::plugin::Recipient>)> = Vec::new();
    for recipient in recipients {
        let text = recipient.as_str();
        match recipient.kind() {
            RecipientKind::X25519 => {
                let native: age::x25519::Recipient = text.parse().map_err(seal_error)?;
                wrapped.push(Box::new(native));
            }
            #[cfg(feature = "ssh")]
            RecipientKind::SshEd25519 | RecipientKind::SshRsa => {
                let ssh: age::ssh::Recipient = text
                    .parse()
                    .map_err(|_| seal_error("an SSH key on the roster is damaged"))?;
                wrapped.push(Box::new(ssh));
            }
            #[cfg(not(feature = "ssh"))]
            RecipientKind::SshEd25519 | RecipientKind::SshRsa => {
                return Err(seal_error("this build of vault has no SSH support"));
            }
            RecipientKind::Plugin(name) => {
                let parsed: age::plugin::Recipient = text.parse().map_err(seal_error)?;
                match plugins.iter_mut().find(|(known, _)| known == name) {
                    Some((_, of_plugin)) => of_plugin.push(parsed),
                    None => plugins.push((name, vec![parsed])),
                }
            }
        }
    }
    for (name, of_plugin) in plugins {
        let plugin = age::plugin::RecipientPluginV1::new(name, &of_plugin, &[], prompts.clone())
            .map_err(seal_error)?;
        wrapped.push(Box::new(plugin));
    }
    Ok(wrapped)
}
