//! Data formats: they carry every text.
//!
//! - `json`: one object, a variable a line.
//! - `yaml`: double-quoted scalars on one line, with everything escaped that
//!   PyYAML calls unprintable or that YAML 1.1 folds (U+0085, U+2028). A name
//!   that YAML 1.1 takes for a boolean (`ON`, `Y`) or null is quoted too.
//! - `k8s`: an opaque secret with `data:` in unwrapped base64, quoted, since
//!   base64 can look like a number.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Pair;
use super::quote::{push_all, push_escaped};
use crate::error::{Error, Kind};
use crate::secret::SecretBuffer;
use crate::text;

/// Where a Kubernetes secret goes: names that the API server accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    name: String,
    namespace: Option<String>,
}

impl Manifest {
    /// A secret of this name, in this namespace.
    ///
    /// # Errors
    /// Kubernetes would refuse one of the names.
    pub fn new(name: &str, namespace: Option<&str>) -> Result<Self, BadManifest> {
        let fits = name.len() <= 253 && name.split('.').all(is_label);
        if !fits {
            return Err(BadManifest::Name(name.to_owned()));
        }
        if let Some(bad) = namespace.filter(|text| text.len() > 63 || !is_label(text)) {
            return Err(BadManifest::Namespace(bad.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
        })
    }
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            name: "vault".to_owned(),
            namespace: None,
        }
    }
}

/// RFC 1123, but for the length.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// A name that Kubernetes refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// Of the secret.
    #[error("'{}' cannot be the name of a Kubernetes secret", text::printable(.0))]
    Name(String),
    /// Of its namespace.
    #[error("'{}' cannot be a Kubernetes namespace", text::printable(.0))]
    Namespace(String),
}

impl From<BadManifest> for Error {
    fn from(bad: BadManifest) -> Self {
        Self::new(Kind::Usage, bad.to_string()).with_hint(
            "Such names are of a-z, 0-9 and '-', and begin and end with a letter or digit: --secret-name my-keys --namespace prod",
        )
    }
}

pub(super) fn json(out: &mut SecretBuffer, pairs: &[Pair<'_>]) {
    let mut before = "{\n";
    for pair in pairs {
        push_all(out, &[before, "  \"", pair.name, "\": "]);
        serde_json::to_writer(&mut *out, pair.value)
            .expect("text is JSON, and writing to memory does not fail");
        before = ",\n";
    }
    out.push(if pairs.is_empty() { b"{}\n" } else { b"\n}\n" });
}

pub(super) fn yaml(out: &mut SecretBuffer, pairs: &[Pair<'_>]) {
    if pairs.is_empty() {
        out.push(b"{}\n");
    }
    for pair in pairs {
        push_key(out, pair.name);
        out.push(b": \"");
        push_escaped(out, pair.value, yaml_escape);
        out.push(b"\"\n");
    }
}

pub(super) fn k8s(out: &mut SecretBuffer, manifest: &Manifest, pairs: &[Pair<'_>]) {
    out.push(b"apiVersion: v1\nkind: Secret\nmetadata:\n");
    push_all(out, &["  name: \"", &manifest.name, "\"\n"]);
    if let Some(namespace) = &manifest.namespace {
        push_all(out, &["  namespace: \"", namespace, "\"\n"]);
    }
    out.push(b"type: Opaque\ndata:");
    out.push(if pairs.is_empty() { b" {}\n" } else { b"\n" });
    for pair in pairs {
        out.push(b"  ");
        push_key(out, pair.name);
        out.push(b": \"");
        push_base64(out, pair.value.as_bytes());
        out.push(b"\"\n");
    }
}

fn push_base64(out: &mut SecretBuffer, bytes: &[u8]) {
    let mut encoded = Zeroizing::new(vec![0; bytes.len().div_ceil(3) * 4]);
    let length = STANDARD
        .encode_slice(bytes, &mut encoded)
        .expect("base64 takes four bytes for each three");
    out.push(&encoded[..length]);
}

fn push_key(out: &mut SecretBuffer, name: &str) {
    let quoted = matches!(
        name,
        "Y" | "N" | "YES" | "NO" | "ON" | "OFF" | "TRUE" | "FALSE" | "NULL"
    );
    let quote = if quoted { "\"" } else { "" };
    push_all(out, &[quote, name, quote]);
}

fn yaml_escape(character: char) -> Option<Cow<'static, str>> {
    match character {
        '"' => Some(r#"\""#.into()),
        '\\' => Some(r"\\".into()),
        '\n' => Some(r"\n".into()),
        '\r' => Some(r"\r".into()),
        '\t' => Some(r"\t".into()),
        '\u{2028}' | '\u{2029}' | '\u{feff}' => Some(by_number(character)),
        ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => None,
        _ => Some(by_number(character)),
    }
}

fn by_number(character: char) -> Cow<'static, str> {
    let number = u32::from(character);
    Cow::Owned(if number <= 0xff {
        format!("\\x{number:02x}")
    } else {
        format!("\\u{number:04x}")
    })
}
