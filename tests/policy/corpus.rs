//! The cases: what becomes of a request under a policy. Each JSON file beside
//! this one holds a list of them.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One request under one policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in words; different from all others.
    pub name: String,
    /// The policy's text.
    pub policy: Box<RawValue>,
    /// The connections that are there, as `PROVIDER/NAME`.
    pub connections: Vec<String>,
    /// Who asks.
    pub agent: String,
    /// How.
    pub method: String,
    /// For what: a host of a bundled provider, else it is a tunnel.
    pub url: String,
    /// Which connection the client asks for, by its name.
    pub connection: Option<String>,
    /// Headers that the client sends.
    #[serde(default)]
    #[allow(dead_code, reason = "a policy sees none; a gateway gets them")]
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    pub body: Option<Box<RawValue>>,
    /// Any body.
    pub body_text: Option<String>,
    /// What becomes of it.
    pub expect: Expected,
    /// Which file it is of.
    #[serde(skip)]
    pub file: String,
}

/// What becomes of a request.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// `allow`, `deny` or `approve`.
    pub decision: String,
    /// Every rule that spoke.
    pub rules: Vec<String>,
}

impl Case {
    /// The body's bytes, where it has one.
    pub fn body(&self) -> Option<&[u8]> {
        let json = self.body.as_ref().map(|body| body.get());
        json.or(self.body_text.as_deref()).map(str::as_bytes)
    }

    /// Host and target of its URL.
    #[allow(dead_code, reason = "a gateway takes the whole")]
    pub fn target(&self) -> (&str, &str) {
        let rest = self.url.strip_prefix("https://").expect(&self.name);
        rest.split_at(rest.find('/').expect(&self.name))
    }
}

/// All cases of all files.
pub fn cases() -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policy");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    paths.sort();
    let read = paths.into_iter().flat_map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let cases: Result<Vec<Case>, _> = serde_json::from_str(&text);
        let mut cases = cases.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in &mut cases {
            case.file = path.file_name().unwrap().to_string_lossy().into_owned();
        }
        cases
    });
    read.collect()
}
