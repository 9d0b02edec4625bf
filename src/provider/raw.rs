//! A definition as it stands in JSON, in our form and in authsome's. Types
//! check themselves while they are read, so that errors know their place.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use serde_json::Value;

use super::field::Examples;
use super::lenient::{one_or_many, or_default, parsed};
use super::oauth::OAuth;
use super::pattern::Pattern;
use super::placement::Template;
use super::verify::{Answer, Tells};
use crate::name::{FieldName, ProviderName, VariableName};

/// The members that we know; the schema describes the same ones.
#[derive(serde::Deserialize)]
pub(super) struct Raw {
    #[serde(default)]
    pub(super) schema_version: Option<u64>,
    #[serde(default)]
    pub(super) name: Option<Parsed<ProviderName>>,
    #[serde(default)]
    pub(super) display_name: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) category: Option<String>,
    /// authsome's word for a category.
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) auth: Vec<String>,
    #[serde(default)]
    pub(super) auth_type: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) fields: Vec<RawField>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) hosts: Vec<String>,
    #[serde(default)]
    pub(super) host_url: Option<String>,
    #[serde(default)]
    pub(super) api_url: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) ports: Vec<u16>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) allow_http: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) inject: Vec<RawPlacement>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) extra_headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) api_key: Option<RawApiKey>,
    #[serde(default)]
    pub(super) oauth: Option<OAuth>,
    #[serde(default)]
    pub(super) registration: Option<RawRegistration>,
    #[serde(default)]
    pub(super) client: Option<RawClient>,
    /// authsome's usual flow.
    #[serde(default)]
    pub(super) flow: Option<String>,
    #[serde(default)]
    pub(super) export: Option<serde_json::Map<String, Value>>,
    #[serde(default)]
    pub(super) key_url: Option<String>,
    #[serde(default)]
    pub(super) docs: Option<String>,
    #[serde(default)]
    pub(super) docs_url: Option<String>,
    #[serde(default, deserialize_with = "one_or_many")]
    pub(super) verify: Vec<RawVerify>,
    #[serde(default)]
    pub(super) base_url: Option<String>,
    #[serde(default)]
    pub(super) openai_path: Option<RawPath>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) base_url_env: Vec<Parsed<VariableName>>,
    #[serde(default)]
    pub(super) usage: Option<String>,
    #[serde(default)]
    pub(super) rotate_after_days: Option<std::num::NonZeroU32>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) reject_patterns: Vec<RawLookalike>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) detect: Vec<RawDetect>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) tenant: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) encoded_slashes: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) priority: i32,
}

#[derive(serde::Deserialize)]
pub(super) struct RawField {
    pub(super) name: Parsed<FieldName>,
    #[serde(default)]
    pub(super) label: Option<String>,
    #[serde(default = "yes")]
    pub(super) secret: bool,
    #[serde(default = "yes")]
    pub(super) required: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) multiline: bool,
    #[serde(default)]
    pub(super) pattern: Option<Parsed<Pattern>>,
    #[serde(default)]
    pub(super) hint: Option<String>,
    #[serde(default)]
    pub(super) default: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) env: Vec<Parsed<VariableName>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) examples: Examples,
}

/// A path, or that there is none.
#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "a path, or false")]
pub(super) enum RawPath {
    Path(String),
    Is(bool),
}

/// authsome's whole description of an API key.
#[derive(serde::Deserialize)]
pub(super) struct RawApiKey {
    #[serde(default)]
    pub(super) header_name: Option<String>,
    /// Absent means `Bearer`, `null` and empty mean none.
    #[serde(default = "bearer")]
    pub(super) header_prefix: Option<String>,
    #[serde(default)]
    pub(super) env_var: Option<String>,
    #[serde(default)]
    pub(super) key_pattern: Option<Parsed<Pattern>>,
    #[serde(default)]
    pub(super) key_pattern_hint: Option<String>,
}

#[derive(serde::Deserialize)]
pub(super) struct RawRegistration {
    #[serde(default)]
    pub(super) registration_endpoint: Option<String>,
}

/// The OAuth client of one's own.
#[derive(serde::Deserialize)]
pub(super) struct RawClient {
    #[serde(default)]
    pub(super) client_id: Option<String>,
    #[serde(default)]
    pub(super) client_id_env: Option<Parsed<VariableName>>,
    #[serde(default)]
    pub(super) client_secret_env: Option<Parsed<VariableName>>,
}

#[derive(serde::Deserialize)]
pub(super) struct RawPlacement {
    #[serde(rename = "in")]
    pub(super) place: RawPlace,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) value: Option<Parsed<Template>>,
    #[serde(default)]
    pub(super) username: Option<Parsed<Template>>,
    #[serde(default)]
    pub(super) password: Option<Parsed<Template>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) hosts: Vec<String>,
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawPlace {
    Header,
    Query,
    Basic,
    Path,
}

#[derive(serde::Deserialize)]
pub(super) struct RawLookalike {
    pub(super) provider: Parsed<ProviderName>,
    #[serde(default)]
    pub(super) display_name: Option<String>,
    pub(super) pattern: Parsed<Pattern>,
    #[serde(default)]
    pub(super) unless: Option<Parsed<Pattern>>,
    #[serde(default = "yes")]
    pub(super) certain: bool,
    #[serde(default)]
    pub(super) field: Option<Parsed<FieldName>>,
}

#[derive(serde::Deserialize)]
pub(super) struct RawVerify {
    #[serde(default)]
    pub(super) when: Option<RawWhen>,
    #[serde(default)]
    pub(super) method: Option<String>,
    pub(super) url: Parsed<Template>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) inject: Option<Vec<RawPlacement>>,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) form: Option<BTreeMap<String, Parsed<Template>>>,
    #[serde(default)]
    pub(super) json: Option<Value>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) answers: Vec<Answer>,
    #[serde(default)]
    pub(super) tells: Option<Tells>,
    #[serde(default)]
    pub(super) note: Option<String>,
}

#[derive(serde::Deserialize)]
pub(super) struct RawWhen {
    pub(super) field: Parsed<FieldName>,
    pub(super) pattern: Parsed<Pattern>,
}

/// A shape of keys: an expression, or one with more to say about it.
pub(super) struct RawDetect {
    pub(super) pattern: Parsed<Pattern>,
    pub(super) field: Option<Parsed<FieldName>>,
    pub(super) min_entropy: Option<f64>,
    pub(super) examples: Examples,
}

impl<'de> Deserialize<'de> for RawDetect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Written {
            pattern: Parsed<Pattern>,
            #[serde(default)]
            field: Option<Parsed<FieldName>>,
            #[serde(default)]
            min_entropy: Option<f64>,
            #[serde(default, deserialize_with = "or_default")]
            examples: Examples,
        }

        struct Form;
        impl<'de> de::Visitor<'de> for Form {
            type Value = RawDetect;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an expression, or an object with a 'pattern'")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawDetect, E> {
                Ok(RawDetect {
                    pattern: Parsed(text.parse().map_err(E::custom)?),
                    field: None,
                    min_entropy: None,
                    examples: Examples::default(),
                })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RawDetect, A::Error> {
                let written = Written::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(RawDetect {
                    pattern: written.pattern,
                    field: written.field,
                    min_entropy: written.min_entropy,
                    examples: written.examples,
                })
            }
        }
        deserializer.deserialize_any(Form)
    }
}

/// A value that is read from a JSON string by its own rules.
pub(super) struct Parsed<T>(pub(super) T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer).map(Self)
    }
}

fn yes() -> bool {
    true
}

fn bearer() -> Option<String> {
    Some("Bearer".to_owned())
}
