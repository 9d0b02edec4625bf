//! Ways of requests that name a model and nothing else: the sets of routes,
//! and where OpenAI's dialect is spoken for a connection.

use std::sync::Arc;

use super::book::Entry;
use super::choose::{self, Wanted};
use super::client::Client;
use super::refusal::Refusal;
use super::{Book, Traffic};
use crate::name::{ConnectionId, ConnectionRef, ProviderName};
use crate::net::Address;
use crate::policy::Policy;
use crate::secret::Secret;

/// Where a connection takes requests in OpenAI's dialect.
pub struct Way {
    /// The connection.
    pub id: Arc<ConnectionId>,
    /// Its address.
    pub origin: Address,
    /// The path that stands in the place of `/v1`, without a `/` at its end.
    pub path: String,
}

impl Traffic {
    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.oversight.policy.policy()
    }

    /// The name of the set of routes in use; there may be no such set.
    pub fn route_in_use(&self) -> Arc<str> {
        self.oversight.routes.in_use()
    }

    /// The way to a connection that a route names.
    ///
    /// # Errors
    /// There is none for this client.
    pub fn way(&self, client: &Client, to: &ConnectionRef) -> Result<Way, Refusal> {
        let book = self.book()?;
        let wanted = to.connection.is_some().then(|| Wanted::Of(to.clone()));
        let entry = self.meant(&book, client, &to.provider, wanted.as_ref())?;
        let id = &entry.id;
        let Some(own) = &entry.definition.openai_path else {
            let message = format!("{} does not speak OpenAI's dialect", id.provider);
            return Err(
                Refusal::new(400, "no_openai_path", message).with_hint(format!(
                    "Let a route lead elsewhere, or give it an openai_path: vault inspect {}",
                    id.provider
                )),
            );
        };
        let origin = address_of(&entry)?;
        let base = origin.path.reveal();
        let base = base.split('?').next().unwrap_or_default();
        let path = joined(base, own);
        Ok(Way {
            id: Arc::clone(id),
            origin,
            path,
        })
    }

    /// The connection that is meant where a provider is named and no host.
    pub(super) fn meant(
        &self,
        book: &Book,
        client: &Client,
        provider: &ProviderName,
        wanted: Option<&Wanted>,
    ) -> Result<Arc<Entry>, Refusal> {
        let client = self.still(client, book)?;
        let own: Vec<_> = book.of_provider(provider).collect();
        if own.is_empty() {
            let found = self.source.catalog.find(provider);
            let definition = found.map_err(|error| {
                Refusal::new(404, "unknown_provider", error.to_string())
                    .with_hint("vault provider list")
            })?;
            if !client.may_ask(provider) {
                return Err(choose::no_grant(&client, provider));
            }
            return Err(Refusal::not_configured(&definition.definition));
        }
        choose::choose(book, &client, &own, wanted).map(Arc::clone)
    }
}

/// Where a connection's requests go if nobody names a host.
pub(super) fn address_of(entry: &Entry) -> Result<Address, Refusal> {
    let definition = &entry.definition;
    let exact = || {
        let host = definition.hosts.iter().find_map(|host| host.exact())?;
        Some(format!("https://{host}/"))
    };
    let url = definition.base_url.clone().or_else(exact);
    let address = url.and_then(|url| Address::parse(&Secret::from(url)).ok());
    address.ok_or_else(|| {
        Refusal::new(
            424,
            "no_address",
            format!("{} has no one address", entry.id),
        )
        .with_hint(format!(
            "Send its requests through the proxy, or say where it is: vault login {} --force \
             --base-url URL",
            entry.id
        ))
    })
}

/// A base that ends in the path already is the whole of it.
fn joined(base: &str, own: &str) -> String {
    let base = base.trim_end_matches('/');
    match base.ends_with(own) {
        true => base.to_owned(),
        false => format!("{base}{own}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Catalog;

    #[test]
    fn a_path_is_added_to_a_base_that_does_not_end_in_it() {
        for (base, own, path) in [
            ("/", "/v1", "/v1"),
            ("/v1", "/v1", "/v1"),
            ("/v1/", "/v1", "/v1"),
            ("/api/v1", "/v1", "/api/v1"),
            ("/v10", "/v1", "/v10/v1"),
            ("/", "/openai/v1", "/openai/v1"),
            ("/relay", "/openai/v1", "/relay/openai/v1"),
            ("/relay/openai/v1", "/openai/v1", "/relay/openai/v1"),
            ("/", "", ""),
            ("/relay/", "", "/relay"),
        ] {
            assert_eq!(joined(base, own), path, "{base} {own}");
        }
    }

    #[test]
    fn bundled_providers_speak_openais_dialect_where_they_say() {
        let catalog = Catalog::new(None);
        let path = |name: &str| {
            let definition = catalog.find(&name.parse().unwrap()).unwrap().definition;
            let base = definition.base_url.unwrap_or_default();
            let (_, rest) = base.split_once("://").unwrap_or_default();
            let path = rest.find('/').map_or("/", |at| &rest[at..]);
            definition.openai_path.map(|own| joined(path, &own))
        };
        for (name, expected) in [
            ("anthropic", Some("/v1")),
            ("azure-openai", Some("/openai/v1")),
            ("cohere", Some("/compatibility/v1")),
            ("deepseek", Some("/v1")),
            ("fireworks", Some("/inference/v1")),
            ("google-gemini", Some("/v1beta/openai")),
            ("groq", Some("/openai/v1")),
            ("huggingface", None),
            ("lmstudio", Some("/v1")),
            ("mistral", Some("/v1")),
            ("ollama", Some("/v1")),
            ("openai", Some("/v1")),
            ("openai-codex", None),
            ("openrouter", Some("/api/v1")),
            ("perplexity", Some("")),
            ("replicate", None),
            ("together", Some("/v1")),
            ("vllm", Some("/v1")),
            ("xai", Some("/v1")),
        ] {
            assert_eq!(path(name).as_deref(), expected, "{name}");
        }
    }
}
