//! A credential as `get` shows it: its facts, its fields, and what its
//! definition says of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::json;
use zeroize::Zeroizing;

use super::output;
use super::table::{Table, terminal_width};
use crate::credential::{AuthKind, Credential, fingerprint};
use crate::error::{Error, Kind, Result};
use crate::json::ObjectWriter;
use crate::name::{ConnectionId, FieldName, VariableName};
use crate::provider::{Definition, Field, Part, Spot, Template};
use crate::secret::{Secret, SecretBuffer};
use crate::vault::Document;

/// What stands in the place of a secret; it says nothing of its length.
const REDACTED: &str = "********";

/// A credential with everything that can be said of it.
pub struct Shown {
    name: Name,
    credential: Credential,
    definition: Option<Definition>,
    fingerprint: Option<String>,
    now: Timestamp,
}

/// What it is called.
pub enum Name {
    /// A provider's connection.
    Connection(ConnectionId),
    /// A plain secret.
    Secret(VariableName),
}

impl Shown {
    /// Puts together what is known.
    pub fn of(
        name: Name,
        credential: Credential,
        definition: Option<Definition>,
        document: &Document,
        now: Timestamp,
    ) -> Self {
        let definition = definition.map(|definition| match &credential.value.base_url {
            Some(url) => definition.at(url).unwrap_or(definition),
            None => definition,
        });
        let mut shown = Self {
            name,
            credential,
            definition,
            fingerprint: None,
            now,
        };
        let secret = shown
            .credential
            .value
            .fields
            .iter()
            .find(|(name, _)| shown.is_secret(name));
        shown.fingerprint =
            secret.map(|(_, secret)| fingerprint(document.fingerprint_key(), secret));
        shown
    }

    /// Whether it is a plain secret.
    pub fn is_plain(&self) -> bool {
        matches!(self.name, Name::Secret(_))
    }

    /// A field of a definition that is gone counts as secret.
    fn is_secret(&self, field: &FieldName) -> bool {
        self.definition
            .as_ref()
            .and_then(|definition| definition.field(field.as_str()))
            .is_none_or(|field| field.is_secret)
    }

    /// What is no secret, by name and in order; `None` is absent.
    fn facts(&self) -> Vec<(&'static str, Option<String>)> {
        let credential = &self.credential;
        let value = &credential.value;
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let (provider, connection) = match &self.name {
            Name::Connection(id) => (
                Some(id.provider.to_string()),
                Some(id.connection.to_string()),
            ),
            Name::Secret(_) => (None, None),
        };
        vec![
            ("provider", provider),
            ("connection", connection),
            ("auth_type", Some(self.auth_type().to_owned())),
            (
                "status",
                Some(credential.status_at(self.now).as_str().to_owned()),
            ),
            ("account", value.account.clone()),
            (
                "scopes",
                (!value.scopes.is_empty()).then(|| value.scopes.join(" ")),
            ),
            ("created_at", time(Some(credential.created_at))),
            ("updated_at", time(Some(credential.updated_at))),
            ("expires_at", time(value.expires_at)),
            ("rotate_at", time(value.rotate_at)),
            ("fingerprint", self.fingerprint.clone()),
        ]
    }

    /// The word that `list` has for it too.
    fn auth_type(&self) -> &str {
        match (&self.credential.kind, &self.definition) {
            (AuthKind::ApiKey, Some(definition)) => definition.auth_type().as_str(),
            (kind, _) => kind.as_str(),
        }
    }

    /// What the definition adds.
    fn hosts(&self) -> Vec<String> {
        let hosts = self
            .definition
            .iter()
            .flat_map(|definition| &definition.hosts);
        hosts.map(crate::provider::Host::shown).collect()
    }

    fn variables(&self) -> Vec<String> {
        if let Name::Secret(name) = &self.name {
            return vec![name.to_string()];
        }
        let exports = self
            .definition
            .iter()
            .flat_map(|definition| &definition.exports);
        let stored = |field: &FieldName| self.credential.value.fields.contains_key(field);
        let own_address = self.credential.value.base_url.is_some();
        let address = self
            .definition
            .iter()
            .flat_map(|definition| &definition.base_url_env);
        exports
            .filter(|(field, _)| stored(field))
            .map(|(_, variable)| variable.to_string())
            .chain(
                address
                    .take(usize::from(own_address))
                    .map(ToString::to_string),
            )
            .collect()
    }

    /// The secret fields that are shown where secrets are asked for: those of
    /// the credential, or what one field shows.
    pub fn secrets_in(&self, field: Option<&str>) -> Vec<String> {
        let Some(field) = field else {
            let stored = self.credential.value.fields.keys();
            let secret = stored.filter(|name| self.is_secret(name));
            return secret.map(ToString::to_string).collect();
        };
        let is_fact = self.facts().iter().any(|(name, _)| *name == field);
        let is_shown = match self.stored(field) {
            Some((name, _)) => !is_fact && self.is_secret(name),
            None => field == "header",
        };
        is_shown.then(|| field.to_owned()).into_iter().collect()
    }

    /// What it is called.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// One field and a line ending.
    ///
    /// # Errors
    /// There is no such field, or it is secret and not to be shown.
    pub fn field(&self, field: &str, show_secret: bool) -> Result<SecretBuffer> {
        let mut buffer = SecretBuffer::default();
        if let Some((_, fact)) = self.facts().into_iter().find(|(name, _)| *name == field) {
            buffer.push(fact.unwrap_or_default().as_bytes());
        } else if let Some((name, secret)) = self.stored(field) {
            if self.is_secret(name) && !show_secret {
                return Err(self.refusal(field));
            }
            buffer.push(secret.reveal().as_bytes());
        } else {
            match field {
                "hosts" => buffer.push(self.hosts().join("\n").as_bytes()),
                "env" => buffer.push(self.variables().join("\n").as_bytes()),
                "header" => self.push_header(&mut buffer, show_secret),
                "base_url" => {
                    buffer.push(
                        self.credential
                            .value
                            .base_url
                            .as_deref()
                            .unwrap_or("")
                            .as_bytes(),
                    );
                }
                // A field that a login may leave out is empty, not unknown.
                _ if self.is_of_definition(field) => {}
                _ => return Err(self.no_field(field)),
            }
        }
        buffer.push(b"\n");
        Ok(buffer)
    }

    fn is_of_definition(&self, field: &str) -> bool {
        let definition = self.definition.as_ref();
        definition.is_some_and(|definition| definition.field(field).is_some())
    }

    fn stored(&self, field: &str) -> Option<(&FieldName, &Secret)> {
        self.credential.value.fields.get_key_value(field)
    }

    /// The headers that carry the credential; without `--show-secret` with the
    /// names of the fields in their places, so that no script takes a
    /// redaction for a key.
    fn push_header(&self, buffer: &mut SecretBuffer, show_secret: bool) {
        let placements = self
            .definition
            .iter()
            .flat_map(|definition| &definition.placements);
        let mut first = true;
        for placement in placements {
            if !placement
                .fields()
                .all(|field| self.stored(field.as_str()).is_some())
            {
                continue;
            }
            let mut line = SecretBuffer::default();
            match &placement.spot {
                Spot::Header(name, template) => {
                    line.push(format!("{name}: ").as_bytes());
                    self.push_filled(&mut line, template, show_secret);
                }
                Spot::Basic(user, password) => {
                    let mut pair = SecretBuffer::default();
                    self.push_filled(&mut pair, user, show_secret);
                    pair.push(b":");
                    self.push_filled(&mut pair, password, show_secret);
                    line.push(b"authorization: Basic ");
                    if show_secret {
                        let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
                        line.push(encoded.as_bytes());
                    } else {
                        line.push(pair.as_bytes());
                    }
                }
                Spot::Query(..) | Spot::Path(_) => continue,
            }
            if !first {
                buffer.push(b"\n");
            }
            first = false;
            buffer.push(line.as_bytes());
        }
    }

    fn push_filled(&self, buffer: &mut SecretBuffer, template: &Template, show_secret: bool) {
        for part in template.parts() {
            match part {
                Part::Text(text) => buffer.push(text.as_bytes()),
                Part::Field(field) => match self.stored(field.as_str()) {
                    Some((_, secret)) if show_secret => buffer.push(secret.reveal().as_bytes()),
                    _ => buffer.push(format!("{{{field}}}").as_bytes()),
                },
            }
        }
    }

    fn refusal(&self, field: &str) -> Error {
        let asked = match &self.name {
            Name::Connection(id) => format!("vault get {id} --field {field} --show-secret"),
            Name::Secret(name) => format!("vault get {name} --show-secret"),
        };
        Error::new(
            Kind::InvalidInput,
            format!("{field} is secret and is shown only when asked for"),
        )
        .with_hint(asked)
    }

    fn no_field(&self, field: &str) -> Error {
        let stored = self.credential.value.fields.keys().map(ToString::to_string);
        let facts = self.facts().into_iter().map(|(name, _)| name.to_owned());
        let more = ["header", "hosts", "env"].map(str::to_owned);
        let names: Vec<_> = stored.chain(facts).chain(more).collect();
        let named = match &self.name {
            Name::Connection(id) => id.to_string(),
            Name::Secret(name) => name.to_string(),
        };
        let field = crate::text::printable(field).into_owned();
        let nearest = crate::text::nearest(&field, names.iter().map(String::as_str));
        let hint = match nearest {
            Some(nearest) => format!("Did you mean '{nearest}'?"),
            None => format!("There is: {}", names.join(", ")),
        };
        Error::new(Kind::NotFound, format!("{named} has no field '{field}'")).with_hint(hint)
    }

    /// Prints a table of it.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn print_table(&self, show_secret: bool) -> Result<()> {
        let mut table = Table::plain();
        if let Name::Secret(name) = &self.name {
            table.row(["name", name.as_str()]);
        }
        for (name, fact) in self.facts() {
            if let Some(fact) = fact {
                table.row([name, &fact]);
            }
        }
        if let Some(url) = &self.credential.value.base_url {
            table.row(["base_url", url]);
        }
        let variables = self.variables();
        if !variables.is_empty() {
            table.row(["env", &variables.join(", ")]);
        }
        let mut shown = SecretBuffer::default();
        let mut hidden = Vec::new();
        for (name, secret) in &self.credential.value.fields {
            if self.is_secret(name) && show_secret {
                // Not through the table, whose rows nobody wipes.
                shown.push(format!("{name}\t").as_bytes());
                shown.push(secret.reveal().as_bytes());
                shown.push(b"\n");
            } else if self.is_secret(name) {
                hidden.push((name.as_str(), REDACTED));
            } else {
                table.row([name.as_str(), secret.reveal()]);
            }
        }
        for (name, stars) in hidden {
            table.row([name, stars]);
        }
        output::print(&table.render(terminal_width()))?;
        output::print_secret(&shown)
    }

    /// The frozen shape: absent is `null`, never missing.
    pub fn to_json(&self, show_secret: bool) -> SecretBuffer {
        let mut buffer = SecretBuffer::with_capacity(2048);
        let mut object = ObjectWriter::begin(&mut buffer);
        if let Name::Secret(name) = &self.name {
            object.member("name", &name.as_str());
        }
        for (name, fact) in self.facts() {
            if name == "scopes" {
                object.member(name, &self.credential.value.scopes);
            } else {
                object.member(name, &fact);
            }
        }
        object.member("base_url", &self.credential.value.base_url);
        object.object("fields", |fields| {
            for (name, secret) in &self.credential.value.fields {
                let is_secret = self.is_secret(name);
                fields.object(name.as_str(), |field| {
                    field.member("secret", &is_secret);
                    if is_secret && !show_secret {
                        field.member("value", &json!(null));
                    } else {
                        field.secret("value", secret);
                    }
                });
            }
            let known = self
                .definition
                .iter()
                .flat_map(|definition| &definition.fields);
            let is_absent = |field: &&Field| {
                field.name.as_str() != "base_url" && self.stored(field.name.as_str()).is_none()
            };
            for absent in known.filter(is_absent) {
                fields.object(absent.name.as_str(), |field| {
                    field.member("secret", &absent.is_secret);
                    field.member("value", &json!(null));
                });
            }
        });
        object.end();
        buffer.push(b"\n");
        buffer
    }
}
