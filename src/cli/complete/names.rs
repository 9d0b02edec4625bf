//! The names that can stand in each place.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::{Mutex, OnceLock};

use clap::CommandFactory;
use clap_complete::CompletionCandidate;

use crate::cli::args::Cli;
use crate::cli::context::Context;
use crate::name::{ConnectionRef, ProviderName};
use crate::provider::Catalog;
use crate::provider::Definition;
use crate::vault::Document;

/// What `get --field` knows of every connection.
const FACTS: [&str; 14] = [
    "status",
    "provider",
    "connection",
    "auth_type",
    "account",
    "scopes",
    "created_at",
    "updated_at",
    "expires_at",
    "rotate_at",
    "fingerprint",
    "header",
    "hosts",
    "env",
];

/// What can stand in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A provider.
    Provider,
    /// A provider, or one of its connections.
    Connection,
    /// One of these, or a plain secret.
    Target,
    /// A plain secret.
    Secret,
    /// The name of a connection of the provider before it.
    ConnectionName,
    /// An agent of the gateway.
    Agent,
    /// A field of it, for `get`.
    Field,
    /// A field of it and a sign after it.
    FieldAnd(&'static str),
    /// A kind of provider.
    Category,
    /// A command.
    Command,
}

impl Kind {
    /// What an argument of a command takes, by their names.
    pub fn of(command: &str, argument: &str) -> Option<Self> {
        match (command, argument) {
            ("login" | "logout" | "default" | "rename", "target") | ("create", "allow") => {
                Some(Self::Connection)
            }
            (_, "target" | "targets" | "only") => Some(Self::Target),
            ("unset" | "set", "name") | (_, "with") => Some(Self::Secret),
            (_, "provider") | ("show" | "inspect" | "remove", "name") => Some(Self::Provider),
            (_, "connection") => Some(Self::ConnectionName),
            ("rotate" | "revoke", "agent") => Some(Self::Agent),
            ("get", "field") => Some(Self::Field),
            ("login", "field") => Some(Self::FieldAnd("=-")),
            ("export", "name") => Some(Self::FieldAnd("=")),
            (_, "category") => Some(Self::Category),
            ("man", "command") => Some(Self::Command),
            _ => None,
        }
    }
}

/// All names, looked up when they are asked for.
pub struct Names {
    /// What is asked of it is asked by one thread at a time.
    context: Mutex<Context>,
    words: Vec<String>,
    document: OnceLock<Option<Document>>,
}

impl Names {
    fn catalog(&self) -> Option<Catalog> {
        self.context.lock().ok()?.catalog().ok()
    }

    /// For a line of these words.
    pub fn new(context: Context, words: &[OsString]) -> Self {
        Self {
            context: Mutex::new(context),
            words: words
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            document: OnceLock::new(),
        }
    }

    /// What can stand in a place of this kind.
    pub fn candidates(&self, kind: Kind) -> Vec<CompletionCandidate> {
        match kind {
            Kind::Provider => self.providers(),
            Kind::Connection => self.connections(),
            Kind::Target => {
                let mut targets = self.connections();
                targets.extend(self.secrets());
                targets
            }
            Kind::Secret => self.secrets(),
            Kind::ConnectionName => self.connection_names(),
            Kind::Agent => self.agents(),
            Kind::Field => {
                let mut fields = self.fields("");
                fields.extend(FACTS.map(CompletionCandidate::new));
                fields
            }
            Kind::FieldAnd(sign) => self.fields(sign),
            Kind::Category => self.categories(),
            Kind::Command => commands(),
        }
    }

    /// What the vault holds, where that can be read in silence.
    fn document(&self) -> Option<&Document> {
        let peek = || self.context.lock().ok()?.peek();
        self.document.get_or_init(peek).as_ref()
    }

    fn providers(&self) -> Vec<CompletionCandidate> {
        let Some(catalog) = self.catalog() else {
            return Vec::new();
        };
        let candidate = |name: ProviderName| {
            let known = catalog.find(&name).ok();
            let shown = known
                .map(|found| crate::text::printable(&found.definition.display_name).into_owned());
            CompletionCandidate::new(name.as_str()).help(shown.map(Into::into))
        };
        catalog.names().into_iter().map(candidate).collect()
    }

    fn connections(&self) -> Vec<CompletionCandidate> {
        let mut found = self.providers();
        let stored = self.document().into_iter().flat_map(Document::connections);
        found.extend(stored.map(|id| CompletionCandidate::new(id.to_string())));
        found
    }

    fn secrets(&self) -> Vec<CompletionCandidate> {
        let stored = self.document().into_iter().flat_map(Document::secrets);
        stored
            .map(|name| CompletionCandidate::new(name.as_str()).help(Some("plain secret".into())))
            .collect()
    }

    fn agents(&self) -> Vec<CompletionCandidate> {
        let stored = self.document().into_iter().flat_map(Document::agent_names);
        stored
            .map(|name| CompletionCandidate::new(name.as_str()))
            .collect()
    }

    fn connection_names(&self) -> Vec<CompletionCandidate> {
        let (Some(document), Some(definition)) = (self.document(), self.definition()) else {
            return Vec::new();
        };
        let names = document.connections_of(&definition.name).into_iter();
        names
            .map(|name| CompletionCandidate::new(name.as_str()))
            .collect()
    }

    fn fields(&self, sign: &str) -> Vec<CompletionCandidate> {
        let definition = self.definition();
        let fields = definition.iter().flat_map(|definition| &definition.fields);
        fields
            .map(|field| {
                let label = crate::text::printable(&field.label).into_owned();
                CompletionCandidate::new(format!("{}{sign}", field.name)).help(Some(label.into()))
            })
            .collect()
    }

    /// The provider that stands on the line already.
    fn definition(&self) -> Option<Definition> {
        let catalog = self.catalog()?;
        self.words.iter().skip(2).find_map(|word| {
            let reference = word.parse::<ConnectionRef>().ok()?;
            Some(catalog.find(&reference.provider).ok()?.definition)
        })
    }

    fn categories(&self) -> Vec<CompletionCandidate> {
        let Some(catalog) = self.catalog() else {
            return Vec::new();
        };
        let names = catalog.names().into_iter();
        let found: BTreeSet<String> = names
            .filter_map(|name| catalog.find(&name).ok()?.definition.category)
            .collect();
        found.into_iter().map(CompletionCandidate::new).collect()
    }
}

fn commands() -> Vec<CompletionCandidate> {
    let command = Cli::command();
    let shown = command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set());
    shown
        .map(|inner| CompletionCandidate::new(inner.get_name()).help(inner.get_about().cloned()))
        .collect()
}
