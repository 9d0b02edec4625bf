//! Credentials as text for the program that reads them next: each format is
//! quoted for its own reader. Pure: values in, text out; writing it is the
//! caller's.
//!
//! What always holds: a value of printable and newline characters reaches the
//! reader exactly as it is, or [`render`] refuses all of it with the reason
//! before anything is written. Other control characters pass where the reader
//! carries them; NUL passes only in `json`, `yaml` and `k8s`, which are not
//! environments.

mod ci;
mod collect;
mod data;
mod lines;
mod quote;
mod shell;

use std::fmt;
use std::str::FromStr;

pub use ci::Warning;
pub use collect::{Conflict, Entry, collect};
pub use data::{BadManifest, Manifest};

use crate::error::{Error, Kind};
use crate::name::VariableName;
use crate::secret::{Secret, SecretBuffer};
use crate::text;

/// Who reads the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A POSIX shell: `export K='…'`.
    Env,
    /// The fish shell.
    Fish,
    /// PowerShell.
    Powershell,
    /// Nushell.
    Nu,
    /// A `.env` file, for Python's `python-dotenv` and Node's `dotenv` alike.
    Dotenv,
    /// `docker run --env-file`.
    Docker,
    /// One JSON object.
    Json,
    /// One YAML mapping, also for readers of YAML 1.1.
    Yaml,
    /// A step of GitHub Actions.
    Github,
    /// GitLab's `artifacts:reports:dotenv`.
    Gitlab,
    /// A script of Azure Pipelines.
    Azure,
    /// The manifest of a Kubernetes secret.
    K8s,
    /// systemd's `EnvironmentFile=`.
    Systemd,
}

impl Format {
    /// All formats, in the order in which they are listed to a person.
    pub const ALL: [Self; 13] = [
        Self::Env,
        Self::Fish,
        Self::Powershell,
        Self::Nu,
        Self::Dotenv,
        Self::Docker,
        Self::Json,
        Self::Yaml,
        Self::Github,
        Self::Gitlab,
        Self::Azure,
        Self::K8s,
        Self::Systemd,
    ];

    /// The word for it on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Nu => "nu",
            Self::Dotenv => "dotenv",
            Self::Docker => "docker",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Azure => "azure",
            Self::K8s => "k8s",
            Self::Systemd => "systemd",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// There is no format of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a format", text::printable(.0))]
pub struct UnknownFormat(String);

impl From<UnknownFormat> for Error {
    fn from(unknown: UnknownFormat) -> Self {
        let names = Format::ALL.map(Format::as_str);
        let hint = match text::nearest(&unknown.0, names) {
            Some(name) => format!("Did you mean '--format {name}'?"),
            None => format!("The formats are {}.", names.join(", ")),
        };
        Self::new(Kind::Usage, unknown.to_string()).with_hint(hint)
    }
}

/// What some formats need besides the variables.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Fresh random bytes: the delimiter of `github` comes from them.
    pub random: [u8; 16],
    /// What the secret of `k8s` is called.
    pub manifest: Manifest,
}

/// Text that was made for a reader.
pub struct Rendered {
    /// For stdout, or the file that takes its place.
    pub text: SecretBuffer,
    /// `github` alone: to be appended to the file that `$GITHUB_ENV` names,
    /// in one write, after [`Rendered::text`] is out. A file that does not
    /// end in a newline needs one first.
    pub github_env: Option<SecretBuffer>,
    /// What a person should know, for stderr.
    pub warnings: Vec<Warning>,
}

/// A variable that the format cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} cannot be written as {format}: {reason}")]
pub struct Refused {
    /// The variable; never its value.
    pub variable: VariableName,
    /// The format that was asked for.
    pub format: Format,
    /// Why not.
    pub reason: Reason,
}

/// Why a format cannot carry a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A NUL byte, where C strings are what is passed on.
    #[error("its value holds a NUL byte, which ends a variable's value")]
    Nul,
    /// A line feed, where a line is a variable.
    #[error("its value has several lines, and there a variable is one line")]
    Newline,
    /// A carriage return before the line's end.
    #[error("its value ends in a carriage return, which the reader drops")]
    CarriageReturn,
    /// Longer than the reader's buffer.
    #[error("its line is longer than the 65535 bytes that the reader takes")]
    TooLong,
    /// White space at either end, where the reader strips it.
    #[error("its value begins or ends with white space, which the reader drops")]
    OuterSpace,
    /// Something that the reader takes for a reference, however it is quoted.
    #[error("its value holds a '$' that the reader would replace, however it is quoted")]
    Reference,
    /// Quotes or backslashes that `python-dotenv` and `dotenv` read apart.
    #[error("its value holds quotes or backslashes that readers of .env files disagree on")]
    NoCommonQuoting,
    /// A code point that is no character.
    #[error("its value holds a code point that is no character, which the reader refuses")]
    Noncharacter,
    /// A name that the reader does not let anyone set.
    #[error("the reader keeps that name to itself")]
    ReservedName,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let hint = match refused.reason {
            Reason::ReservedName => "Give it another name: vault export P --name FIELD=VAR",
            _ => "vault export --format json carries every value.",
        };
        Self::new(Kind::InvalidInput, refused.to_string()).with_hint(hint)
    }
}

/// A variable with its value in the clear, for the length of one rendering.
#[derive(Clone, Copy)]
struct Pair<'a> {
    name: &'a str,
    value: &'a str,
}

/// Writes the variables, in their order, as `format` wants them.
///
/// # Errors
/// The format cannot carry one of them; nothing is written then.
pub fn render(
    format: Format,
    settings: &Settings,
    variables: &[(VariableName, &Secret)],
) -> Result<Rendered, Refused> {
    let mut pairs = Vec::with_capacity(variables.len());
    for (name, secret) in variables {
        let pair = Pair {
            name: name.as_str(),
            value: secret.reveal(),
        };
        if let Some(reason) = obstacle(format, pair) {
            return Err(Refused {
                variable: name.clone(),
                format,
                reason,
            });
        }
        pairs.push(pair);
    }
    let size: usize = pairs.iter().map(|p| p.name.len() + p.value.len()).sum();
    let mut text = SecretBuffer::with_capacity(2 * size + 64 * pairs.len() + 128);
    let mut github_env = None;
    match format {
        Format::Env => each(&mut text, &pairs, shell::posix),
        Format::Fish => each(&mut text, &pairs, shell::fish),
        Format::Powershell => each(&mut text, &pairs, shell::powershell),
        Format::Nu => each(&mut text, &pairs, shell::nu),
        Format::Dotenv => each(&mut text, &pairs, lines::dotenv),
        Format::Docker | Format::Gitlab => each(&mut text, &pairs, lines::plain),
        Format::Systemd => each(&mut text, &pairs, lines::systemd),
        Format::Json => data::json(&mut text, &pairs),
        Format::Yaml => data::yaml(&mut text, &pairs),
        Format::K8s => data::k8s(&mut text, &settings.manifest, &pairs),
        Format::Azure => each(&mut text, &pairs, ci::azure),
        Format::Github => {
            each(&mut text, &pairs, ci::github_masks);
            github_env = Some(ci::github_env(&settings.random, &pairs));
        }
    }
    let warnings = ci::warnings(format, &pairs, text.as_bytes().len());
    Ok(Rendered {
        text,
        github_env,
        warnings,
    })
}

fn each(out: &mut SecretBuffer, pairs: &[Pair<'_>], write: fn(&mut SecretBuffer, Pair<'_>)) {
    for &pair in pairs {
        write(out, pair);
    }
}

/// Why the format cannot carry this variable, if it cannot.
fn obstacle(format: Format, pair: Pair<'_>) -> Option<Reason> {
    let environment = !matches!(format, Format::Json | Format::Yaml | Format::K8s);
    if environment && pair.value.contains('\0') {
        return Some(Reason::Nul);
    }
    match format {
        Format::Env => shell::posix_obstacle(pair),
        Format::Fish => shell::fish_obstacle(pair),
        Format::Dotenv => lines::dotenv_obstacle(pair),
        Format::Docker => lines::docker_obstacle(pair),
        Format::Systemd => lines::systemd_obstacle(pair),
        Format::Github => ci::github_obstacle(pair),
        Format::Gitlab => ci::gitlab_obstacle(pair),
        Format::Powershell
        | Format::Nu
        | Format::Json
        | Format::Yaml
        | Format::Azure
        | Format::K8s => None,
    }
}

#[cfg(test)]
mod tests;
