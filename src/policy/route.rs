//! Routes: which connection serves a model.

use std::str::FromStr;

use super::glob::Globs;
use super::json::Value;
use super::read::{Form, Members, Wrong, globs, shown, strings, text};
use crate::name::ConnectionRef;

/// The members of a route.
pub(super) const ROUTE: [&str; 4] = ["model", "to", "fallback", "rename"];

/// One way to some models.
#[derive(Debug, Clone)]
pub struct Route {
    /// Which models go this way; none named is all.
    pub models: Option<Globs>,
    /// The connection that serves them.
    pub to: ConnectionRef,
    /// Those that serve them while it does not, in order.
    pub fallback: Vec<ConnectionRef>,
    /// What the model is called there.
    pub rename: Option<String>,
}

impl Route {
    /// The first of these ways that a model goes.
    pub fn first<'r>(ways: &'r [Self], model: &str) -> Option<&'r Self> {
        ways.iter().find(|way| way.serves(model))
    }

    /// Whether a model goes this way.
    pub fn serves(&self, model: &str) -> bool {
        let models = self.models.as_ref();
        models.is_none_or(|models| models.matches(model))
    }

    pub(super) fn read(value: Value<'_>) -> Result<Self, Wrong> {
        let members = Members::read(value, &ROUTE)?;
        let to = members.required("to")?;
        let fallback = members.optional("fallback").map(strings).transpose()?;
        let fallback = fallback.unwrap_or_default();
        let rename = members.text("rename")?;
        if let (Some(place), Some("")) = (members.optional("rename"), rename.as_deref()) {
            return Err(Wrong::at(place, "a model has a name"));
        }
        Ok(Self {
            models: globs(members.optional("model"), Form::Text)?,
            to: reference(&text(to)?, to)?,
            fallback: fallback
                .iter()
                .map(|(text, place)| reference(text, *place))
                .collect::<Result<_, _>>()?,
            rename: rename.map(Into::into),
        })
    }
}

fn reference(text: &str, place: Value<'_>) -> Result<ConnectionRef, Wrong> {
    ConnectionRef::from_str(text).map_err(|_| {
        let what = format!("'{}' is no connection: write P or P/C", shown(text));
        Wrong::at(place, what)
    })
}
