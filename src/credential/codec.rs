//! A credential as JSON in the document.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{AuthKind, Credential, Earlier, Status, Value};
use crate::json::{JsonError, Members, ObjectWriter, UniqueMap};
use crate::name::FieldName;
use crate::provider::Flow;
use crate::secret::{Secret, SecretBuffer};

impl Credential {
    /// Reads a credential from its JSON.
    ///
    /// # Errors
    /// It is not one.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        let mut members = Members::parse(text)?;
        let kind: String = members.require("auth_type")?;
        let status: String = members.require("status")?;
        let history: Vec<&serde_json::value::RawValue> = match members.take_raw("history") {
            Some(raw) => serde_json::from_str(raw).map_err(|_| JsonError::Member("history"))?,
            None => Vec::new(),
        };
        Ok(Self {
            kind: AuthKind::parse(&kind).ok_or(JsonError::Member("auth_type"))?,
            status: Status::parse(&status).ok_or(JsonError::Member("status"))?,
            created_at: time(&mut members, "created_at")?,
            updated_at: time(&mut members, "updated_at")?,
            value: read_value(&mut members)?,
            history: history
                .into_iter()
                .map(|raw| read_earlier(raw.get()))
                .collect::<Result<_, _>>()?,
            unknown: members.into_unknown(),
        })
    }

    /// Writes the credential as JSON.
    pub fn to_json(&self) -> Secret {
        let mut buffer = SecretBuffer::with_capacity(1024);
        let mut object = ObjectWriter::begin(&mut buffer);
        object.member("auth_type", &self.kind.as_str());
        object.member("status", &self.status.as_str());
        object.member("created_at", &self.created_at.to_string());
        object.member("updated_at", &self.updated_at.to_string());
        write_value(&self.value, &mut object);
        if !self.history.is_empty() {
            object.list("history", &self.history, |earlier, object| {
                object.member("replaced_at", &earlier.replaced_at.to_string());
                write_value(&earlier.value, object);
                earlier.unknown.write(object);
            });
        }
        self.unknown.write(&mut object);
        object.end();
        Secret::from_utf8(buffer.into_bytes()).expect("the JSON writer writes UTF-8")
    }
}

fn read_earlier(text: &str) -> Result<Earlier, JsonError> {
    let mut members = Members::parse(text)?;
    Ok(Earlier {
        replaced_at: time(&mut members, "replaced_at")?,
        value: read_value(&mut members)?,
        unknown: members.into_unknown(),
    })
}

fn read_value(members: &mut Members<'_>) -> Result<Value, JsonError> {
    let raw = members
        .take_raw("fields")
        .ok_or(JsonError::Member("fields"))?;
    let named: UniqueMap<'_, Secret> =
        serde_json::from_str(raw).map_err(|_| JsonError::Member("fields"))?;
    let fields = named
        .0
        .into_iter()
        .map(|(name, secret)| Ok((name.parse()?, secret)))
        .collect::<Result<BTreeMap<FieldName, Secret>, crate::name::BadName>>()
        .map_err(|_| JsonError::Member("fields"))?;
    Ok(Value {
        fields,
        account: members.take("account")?,
        scopes: members.take("scopes")?.unwrap_or_default(),
        base_url: members.take("base_url")?,
        expires_at: optional_time(members, "expires_at")?,
        rotate_at: optional_time(members, "rotate_at")?,
        stored_at: time(members, "stored_at")?,
        flow: read_flow(members)?,
        client: members.take("client")?,
        renewed_at: optional_time(members, "renewed_at")?,
    })
}

fn write_value(value: &Value, object: &mut ObjectWriter<'_>) {
    object.member("stored_at", &value.stored_at.to_string());
    object.optional("account", value.account.as_ref());
    if !value.scopes.is_empty() {
        object.member("scopes", &value.scopes);
    }
    object.optional("base_url", value.base_url.as_ref());
    object.optional(
        "expires_at",
        value.expires_at.map(|t| t.to_string()).as_ref(),
    );
    object.optional("rotate_at", value.rotate_at.map(|t| t.to_string()).as_ref());
    object.optional("flow", value.flow.map(Flow::as_str).as_ref());
    object.optional("client", value.client.as_ref());
    object.optional(
        "renewed_at",
        value.renewed_at.map(|t| t.to_string()).as_ref(),
    );
    object.object("fields", |fields| {
        for (name, secret) in &value.fields {
            fields.secret(name.as_str(), secret);
        }
    });
}

fn read_flow(members: &mut Members<'_>) -> Result<Option<Flow>, JsonError> {
    let word: Option<String> = members.take("flow")?;
    word.map(|word| word.parse().map_err(|_| JsonError::Member("flow")))
        .transpose()
}

pub(super) fn time(members: &mut Members<'_>, name: &'static str) -> Result<Timestamp, JsonError> {
    optional_time(members, name)?.ok_or(JsonError::Member(name))
}

pub(super) fn optional_time(
    members: &mut Members<'_>,
    name: &'static str,
) -> Result<Option<Timestamp>, JsonError> {
    let text: Option<String> = members.take(name)?;
    text.map(|text| text.parse().map_err(|_| JsonError::Member(name)))
        .transpose()
}
