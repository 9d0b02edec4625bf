//! What a child gets in place of a connection: made-up keys under the names
//! of the real ones, and what is not secret as it is. Pure: randomness is an
//! argument.

use crate::credential::Credential;
use crate::name::{FieldName, VariableName};
use crate::provider::{Definition, placeholder, shapeless};
use crate::secret::Secret;

/// A made-up value of one field.
pub struct StandIn {
    /// The variable that the child finds it in.
    pub variable: VariableName,
    /// The made-up value, to be known again in a request.
    pub placeholder: Secret,
}

/// What one connection gives to a child.
#[derive(Default)]
pub struct StandIns {
    /// Made-up keys.
    pub placeholders: Vec<StandIn>,
    /// What is not secret.
    pub values: Vec<(VariableName, Secret)>,
}

impl StandIns {
    /// For each secret that is stored, its first variable and no other: a
    /// client that finds a key under two names sends it twice. What is not
    /// secret has every name that it is exported under.
    pub fn of(
        definition: &Definition,
        credential: &Credential,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Self {
        let mut made = Self::default();
        let mut taken: Vec<&FieldName> = Vec::new();
        for (name, variable) in &definition.exports {
            let is_for_renewal = name.as_str() == "refresh_token";
            let Some(value) = credential.value.fields.get(name) else {
                continue;
            };
            if is_for_renewal || made.has(variable) {
                continue;
            }
            let field = definition.field(name.as_str());
            if field.is_some_and(|field| !field.is_secret) {
                made.values.push((variable.clone(), value.duplicate()));
                continue;
            }
            if taken.contains(&name) {
                continue;
            }
            taken.push(name);
            // A token has no field, and no shape that anybody checks.
            let placeholder = match field {
                Some(field) => placeholder(field, &mut *random),
                None => Some(shapeless(&mut *random)),
            };
            if let Some(placeholder) = placeholder {
                made.placeholders.push(StandIn {
                    variable: variable.clone(),
                    placeholder,
                });
            }
        }
        let address = credential.value.base_url.as_ref();
        if let (Some(url), Some(variable)) = (address, definition.base_url_env.first())
            && !made.has(variable)
        {
            let value = Secret::from(url.clone());
            made.values.push((variable.clone(), value));
        }
        made
    }

    fn has(&self, variable: &VariableName) -> bool {
        let placeholders = self.placeholders.iter().map(|made| &made.variable);
        let values = self.values.iter().map(|(name, _)| name);
        placeholders.chain(values).any(|name| name == variable)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::credential::{AuthKind, Value};
    use crate::provider::Catalog;

    fn of(provider: &str, fields: &[(&str, &str)], base_url: Option<&str>) -> StandIns {
        let definition = Catalog::new(None).find(&provider.parse().unwrap()).unwrap();
        let fields = fields
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), Secret::from((*value).to_owned())));
        let credential = Credential::new(
            AuthKind::ApiKey,
            Value {
                fields: fields.collect(),
                account: None,
                scopes: Vec::new(),
                base_url: base_url.map(str::to_owned),
                expires_at: None,
                rotate_at: None,
                stored_at: Timestamp::UNIX_EPOCH,
                flow: None,
                client: None,
                renewed_at: None,
            },
        );
        let mut random = |bytes: &mut [u8]| getrandom::getrandom(bytes).unwrap();
        StandIns::of(&definition.definition, &credential, &mut random)
    }

    #[test]
    fn a_key_is_stood_in_for_under_its_first_name_only() {
        let key = "ghp_FAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKE";
        let made = of("github", &[("api_key", key)], None);
        let names: Vec<_> = made
            .placeholders
            .iter()
            .map(|p| p.variable.as_str())
            .collect();
        assert_eq!(names, ["GITHUB_TOKEN"]);
        let value = &made.placeholders[0].placeholder;
        assert!(value.reveal().starts_with("gh") && value.reveal() != key);
        assert!(made.values.is_empty());
    }

    #[test]
    fn what_is_not_secret_is_given_as_it_is() {
        let made = of(
            "aws",
            &[
                ("access_key_id", "AKIAFAKEFAKEFAKEFAKE"),
                (
                    "secret_access_key",
                    "FAKEFAKE/FAKEFAKE+FAKEFAKEFAKEFAKEFAKEFA",
                ),
                ("region", "eu-central-1"),
            ],
            Some("https://own.example.com"),
        );
        let value = |name: &str| {
            let found = made.values.iter().find(|(known, _)| known.as_str() == name);
            found.map(|(_, value)| value.reveal().to_owned())
        };
        assert_eq!(value("AWS_REGION").as_deref(), Some("eu-central-1"));
        assert_eq!(value("AWS_DEFAULT_REGION"), value("AWS_REGION"));
        assert_eq!(value("AWS_SECRET_ACCESS_KEY"), None);
        assert_eq!(made.placeholders.len(), 1);
        let own = of("openai", &[], Some("https://own.example.com/v1"));
        assert_eq!(own.values[0].0.as_str(), "OPENAI_BASE_URL");
    }

    #[test]
    fn a_token_is_stood_in_for_and_what_renews_it_is_not_there() {
        let fields = [("access_token", "FAKE1"), ("refresh_token", "FAKE2")];
        let made = of("google-workspace", &fields, None);
        assert_eq!(made.placeholders.len(), 1);
        assert_eq!(
            made.placeholders[0].variable.as_str(),
            "GOOGLE_ACCESS_TOKEN"
        );
        let text = made.placeholders[0].placeholder.reveal();
        assert!(text.starts_with("vault-placeholder-"), "{text}");
    }
}
