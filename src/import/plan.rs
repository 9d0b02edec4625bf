//! What becomes of each value: a field of a connection, or a plain secret.

use std::collections::{BTreeMap, BTreeSet};

use super::{Item, Left, Reading, Reason, Slot};
use crate::name::{FieldName, ProviderName, VariableName};
use crate::provider::{AuthKind, Definition};
use crate::secret::Secret;

/// What is to be stored, and what is not.
#[derive(Default)]
pub struct Plan {
    /// One connection for each provider.
    pub connections: Vec<Incoming>,
    /// Plain secrets.
    pub secrets: Vec<(VariableName, Secret)>,
    /// What was not understood, or not taken as it may have been meant.
    pub left: Vec<Left>,
}

/// One connection that is coming in.
pub struct Incoming {
    /// Whose it is.
    pub provider: ProviderName,
    /// Its checked fields.
    pub fields: BTreeMap<FieldName, Secret>,
    /// Where the provider is, if that was said too.
    pub base_url: Option<String>,
}

/// A value that waits for its siblings.
struct Waiting {
    /// `None` for the base URL.
    field: Option<FieldName>,
    variable: Option<VariableName>,
    line: usize,
    value: Secret,
}

impl Plan {
    /// Gives each value its place among the known providers.
    pub fn of(reading: Reading, definitions: &[Definition]) -> Self {
        let mut plan = Self {
            left: reading.left,
            ..Self::default()
        };
        let mut waiting: BTreeMap<ProviderName, Vec<Waiting>> = BTreeMap::new();
        for item in plan.last_of_each(reading.items) {
            if let Some((provider, value)) = plan.place(item, definitions) {
                waiting.entry(provider).or_default().push(value);
            }
        }
        for (provider, values) in waiting {
            let definition = definitions.iter().find(|known| known.name == provider);
            if let Some(definition) = definition {
                plan.connect(definition, values);
            }
        }
        plan.left.sort_by_key(|left| left.line);
        plan
    }

    fn leave(&mut self, line: usize, name: &impl ToString, reason: Reason) {
        self.left.push(Left {
            line,
            name: Some(name.to_string()),
            reason,
        });
    }

    /// A name without a value may be a key on a line of its own.
    fn leave_unnamed(&mut self, line: usize) {
        self.left.push(Left {
            line,
            name: None,
            reason: Reason::Empty,
        });
    }

    /// Of values with one name, the last counts, as it does to their readers.
    fn last_of_each(&mut self, items: Vec<Item>) -> Vec<Item> {
        let mut kept: Vec<Item> = Vec::with_capacity(items.len());
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for item in items.into_iter().rev() {
            match seen.get(&item.slot.to_string()) {
                Some(_) if item.value.is_empty() => self.leave_unnamed(item.line),
                Some(line) => self.leave(item.line, &item.slot, Reason::SetAgain(*line)),
                None => {
                    seen.insert(item.slot.to_string(), item.line);
                    kept.push(item);
                }
            }
        }
        kept.reverse();
        kept
    }

    /// Finds the provider and field of a value; a plain secret is stored at
    /// once.
    fn place(&mut self, item: Item, definitions: &[Definition]) -> Option<(ProviderName, Waiting)> {
        let Item { slot, line, value } = item;
        match &slot {
            Slot::Field(provider, field) => {
                let unknown = |what: String| Reason::Unknown(what);
                let Some(definition) = definitions
                    .iter()
                    .find(|known| known.name.as_str() == provider)
                else {
                    self.leave(line, &slot, unknown("no such provider is known".into()));
                    return None;
                };
                let known = definition.field(field).map(|field| field.name.clone());
                if known.is_none() && field != "base_url" {
                    self.leave(
                        line,
                        &slot,
                        unknown("the provider has no such field".into()),
                    );
                    return None;
                }
                self.checked(definition, known, None, line, value, &slot)
            }
            Slot::Variable(name) => {
                let variable = match name.parse::<VariableName>() {
                    Ok(variable) => variable,
                    Err(_) if value.is_empty() => {
                        self.leave_unnamed(line);
                        return None;
                    }
                    Err(_) => {
                        self.leave(line, &slot, Reason::Name);
                        return None;
                    }
                };
                match owner(&variable, &value, definitions) {
                    Some((definition, field)) => {
                        self.checked(definition, field, Some(variable), line, value, &slot)
                    }
                    None if value.is_empty() => {
                        self.leave_unnamed(line);
                        None
                    }
                    None => {
                        self.store(variable, line, value);
                        None
                    }
                }
            }
        }
    }

    fn checked(
        &mut self,
        definition: &Definition,
        field: Option<FieldName>,
        variable: Option<VariableName>,
        line: usize,
        value: Secret,
        slot: &Slot,
    ) -> Option<(ProviderName, Waiting)> {
        let known = field
            .as_ref()
            .and_then(|name| definition.field(name.as_str()));
        let checked = match known {
            _ if value.is_empty() => Err(Reason::Empty),
            Some(field) => field
                .check(&value)
                .map_err(|refused| Reason::Refused(lower_first(&refused.to_string()))),
            None => definition
                .at(value.reveal())
                .map(|_| ())
                .map_err(|_| Reason::Refused("it is no address that can be used".to_owned())),
        };
        if let Err(reason) = checked {
            self.leave(line, slot, reason);
            return None;
        }
        let waiting = Waiting {
            field,
            variable,
            line,
            value,
        };
        Some((definition.name.clone(), waiting))
    }

    fn store(&mut self, variable: VariableName, line: usize, value: Secret) {
        let text = value.reveal();
        if text.find("${").is_some_and(|at| text[at..].contains('}')) {
            self.leave(line, &variable, Reason::Reference);
        }
        self.secrets.push((variable, value));
    }

    /// Makes one connection of a provider's values, or plain secrets where
    /// they are not enough for one.
    fn connect(&mut self, definition: &Definition, values: Vec<Waiting>) {
        let given: BTreeSet<&FieldName> = values.iter().filter_map(|v| v.field.as_ref()).collect();
        let has_url = values.iter().any(|value| value.field.is_none());
        let missing = definition
            .fields
            .iter()
            .find(|field| field.is_required && !given.contains(&field.name));
        let local = definition.auth_type() == &AuthKind::None;
        let lacking = if let Some(field) = missing {
            Some(format!(
                "the {} of {} is missing",
                field.label, definition.name
            ))
        } else if definition.needs_address() && !has_url {
            Some(format!(
                "the address of your {} is missing",
                definition.name
            ))
        } else if given.is_empty() && !local {
            Some(format!("{} has no key here", definition.name))
        } else {
            None
        };
        if let Some(lacking) = lacking {
            for value in values {
                self.leave_incomplete(definition, value, &lacking);
            }
            return;
        }
        let mut incoming = Incoming {
            provider: definition.name.clone(),
            fields: BTreeMap::new(),
            base_url: None,
        };
        for value in values {
            match value.field {
                Some(field) if field.as_str() != "base_url" => {
                    incoming.fields.insert(field, value.value);
                }
                _ => incoming.base_url = Some(value.value.reveal().to_owned()),
            }
        }
        for field in &definition.fields {
            if let Some(default) = &field.default
                && field.name.as_str() != "base_url"
                && !incoming.fields.contains_key(&field.name)
            {
                let default = Secret::from(default.clone());
                incoming.fields.insert(field.name.clone(), default);
            }
        }
        self.connections.push(incoming);
    }

    fn leave_incomplete(&mut self, definition: &Definition, value: Waiting, lacking: &str) {
        match value.variable {
            // An address without a key is a setting like any other.
            Some(variable) if value.field.is_none() => {
                self.store(variable, value.line, value.value);
            }
            Some(variable) => {
                self.leave(
                    value.line,
                    &variable,
                    Reason::Incomplete(lacking.to_owned()),
                );
                self.store(variable, value.line, value.value);
            }
            None => {
                let field = value.field.map_or("base_url".to_owned(), |f| f.to_string());
                let slot = Slot::Field(definition.name.to_string(), field);
                self.leave(value.line, &slot, Reason::Unknown(lacking.to_owned()));
            }
        }
    }
}

/// Whose variable it is: of several, whose shape the value has, then whose
/// first name for it this is, then who has priority.
fn owner<'a>(
    variable: &VariableName,
    value: &Secret,
    definitions: &'a [Definition],
) -> Option<(&'a Definition, Option<FieldName>)> {
    let of_fields = definitions.iter().flat_map(|definition| {
        definition.fields.iter().filter_map(move |field| {
            let rank = field.env.iter().position(|known| known == variable)?;
            let unfit = field.check(value).is_err();
            let order = (unfit, rank, -definition.priority);
            Some((order, definition, Some(field.name.clone())))
        })
    });
    let of_urls = definitions.iter().filter_map(|definition| {
        let rank = definition
            .base_url_env
            .iter()
            .position(|known| known == variable)?;
        let order = (
            definition.at(value.reveal()).is_err(),
            rank,
            -definition.priority,
        );
        Some((order, definition, None))
    });
    of_fields
        .chain(of_urls)
        .min_by_key(|(order, ..)| *order)
        .map(|(_, definition, field)| (definition, field))
}

fn lower_first(sentence: &str) -> String {
    let mut characters = sentence.trim_end_matches('.').chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}
