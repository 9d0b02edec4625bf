//! Which way a login goes: with a key, with OAuth, or with the file of another
//! program.

use super::{Login, LoginArgs};
use crate::cli::context::Context;
use crate::cli::input;
use crate::credential::{AuthKind, Value};
use crate::error::{Error, Kind, Result};
use crate::flow::codex;
use crate::provider::{self, Definition, Flow, Protocol};

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Something that a person has.
    Key,
    /// Something that the provider gives.
    OAuth,
    /// The file that `codex login` writes.
    CodexFile,
}

impl Way {
    /// The way that the call says, or the provider's usual one.
    pub(super) fn of(args: &LoginArgs, definition: &Definition) -> Result<Self> {
        let has_oauth = definition.oauth.is_some()
            && (definition.supports(&provider::AuthKind::OAuth2)
                || is_about(definition, Protocol::OpenRouter));
        let has_key = super::kind_of(definition);
        let (source, oauth) = (&args.source, &args.oauth);
        let reads = source.stdin || source.from_file.is_some();
        let says_key = reads || source.from_env.is_some() || source.browser;
        let says_oauth =
            oauth.flow.is_some() || oauth.scopes.is_some() || oauth.client_id.is_some();
        if is_about(definition, Protocol::Codex) && !says_oauth {
            // Piped in, as a key would be.
            if reads || input::stdin_holds_text() {
                return Ok(Self::CodexFile);
            }
        }
        let name = &definition.name;
        if says_key && says_oauth {
            let message = "A key and an OAuth login are asked for at the same time";
            return Err(Error::new(Kind::Usage, message)
                .with_hint(format!("One of them: vault login {name} --help")));
        }
        if says_oauth {
            return if has_oauth {
                Ok(Self::OAuth)
            } else {
                let message = format!("{} has no login with OAuth", definition.display_name);
                Err(Error::new(Kind::InvalidInput, message)
                    .with_hint(format!("vault login {name}")))
            };
        }
        if says_key {
            has_key?;
            return Ok(Self::Key);
        }
        let oauth_first = definition.auth_type() == &provider::AuthKind::OAuth2;
        match (has_oauth, has_key) {
            (true, Err(_)) => Ok(Self::OAuth),
            (true, Ok(_)) if oauth_first => Ok(Self::OAuth),
            (_, has_key) => has_key.map(|_| Self::Key),
        }
    }
}

fn is_about(definition: &Definition, protocol: Protocol) -> bool {
    let oauth = definition.oauth.as_ref();
    oauth.is_some_and(|oauth| oauth.protocol == protocol)
}

/// What a login with OAuth leaves: tokens, but for OpenRouter, whose is a key.
pub(super) fn kind_of_tokens(definition: &Definition) -> AuthKind {
    if is_about(definition, Protocol::OpenRouter) {
        AuthKind::ApiKey
    } else {
        AuthKind::OAuth
    }
}

/// Takes the login of the Codex CLI over.
pub(super) fn from_codex(
    args: &LoginArgs,
    definition: Definition,
    context: &Context,
) -> Result<Login> {
    let text = match &args.source.from_file {
        Some(path) => input::read_file(path, "the login of Codex")?,
        None => input::read_stdin("the auth.json of Codex", context)?,
    };
    let (tokens, renewed_at) = codex::read_auth_file(&text)?;
    let mut value = Value {
        flow: Some(Flow::Pkce),
        renewed_at,
        client: definition
            .oauth
            .as_ref()
            .and_then(|oauth| oauth.client_id.clone()),
        ..Value::of(std::collections::BTreeMap::new(), context.now)
    };
    tokens.put_into(&mut value);
    args.about.tell(&mut value, context)?;
    context.output.note(codex::SHARED);
    Ok(Login {
        kind: AuthKind::OAuth,
        value,
        client: None,
        definition,
    })
}
