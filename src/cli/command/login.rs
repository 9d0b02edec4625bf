//! `login`: taking a credential in.

mod browser;
mod client;
mod course;
mod key;
mod oauth;
mod way;

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use self::way::Way;
use super::{init, verify};
use crate::audit::{Entry, Event};
use crate::broker::select;
use crate::cli::context::Context;
use crate::cli::fields::{self, Given};
use crate::cli::output;
use crate::credential::client::OAuthClient;
use crate::credential::{AuthKind, Credential, Value};
use crate::error::{Error, Kind, Result};
use crate::name::{ConnectionId, ConnectionName, ConnectionRef};
use crate::provider::{Definition, Flow};
use crate::seal::VaultKey;
use crate::span::{Expiry, Span};
use crate::vault::Document;

pub(super) use self::key::kind_of;

/// After how long a key wants to be replaced, where nobody says otherwise.
pub(super) const ROTATE_AFTER_DAYS: u32 = 90;

/// Store a credential
#[derive(Debug, Args)]
#[command(
    after_help = "The key comes from the first of: --stdin, --from-env, --from-file; a pipe; a \
form in the browser, on a desktop; a prompt on the terminal. It is never taken from the command \
line.\n\nWith OAuth, a browser on this machine is used where there is one; else a code that is \
typed on another device, or an address that is pasted back.\n\nExamples:\n  printf '%s' \"$KEY\" | \
vault login openai\n  vault login openai/team --from-env TEAM_KEY --expires 90d\n  vault login twilio \
--stdin < fields.json\n  vault login openai --force --stdin < new-key\n  vault login github --flow \
device_code --scopes repo,read:user\n  vault login openai-codex --from-file ~/.codex/auth.json"
)]
pub struct LoginArgs {
    /// The provider, or PROVIDER/CONNECTION
    #[arg(value_name = "P")]
    target: ConnectionRef,
    /// The name of the connection
    #[arg(long, short, value_name = "NAME")]
    connection: Option<ConnectionName>,
    /// Replace what is there; the old value stays in the history
    #[arg(long)]
    force: bool,
    /// Ask the provider first, and store only what is alive
    #[arg(long)]
    verify: bool,
    /// Where the key comes from
    #[command(flatten)]
    source: SourceArgs,
    /// With OAuth
    #[command(flatten)]
    oauth: OAuthArgs,
    /// What is known of it
    #[command(flatten)]
    about: AboutArgs,
}

/// Where the key comes from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where it comes from")]
struct SourceArgs {
    /// Read it from standard input
    #[arg(long, group = "source")]
    stdin: bool,
    /// Take it from an environment variable: this one, or the provider's own
    #[arg(long, group = "source", value_name = "VAR", num_args = 0..=1, default_missing_value = "")]
    from_env: Option<String>,
    /// Read it from a file
    #[arg(long, group = "source", value_name = "PATH")]
    from_file: Option<PathBuf>,
    /// Type it into a form in the browser
    #[arg(long, group = "source")]
    browser: bool,
    /// Set one field: NAME=- from standard input, or NAME=TEXT where it is no secret; may be given several times
    #[arg(long, value_name = "NAME=-")]
    field: Vec<String>,
    /// Where the provider is, for what is self-hosted, regional or one's own tenant
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
}

/// How tokens are come by.
#[derive(Debug, Args)]
#[command(next_help_heading = "With OAuth")]
struct OAuthArgs {
    /// How: a browser, a code for another device, a client that registers itself, or a machine's own login
    #[arg(long, value_parser = flows())]
    flow: Option<Flow>,
    /// What to ask for, with commas between
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    scopes: Option<Vec<String>>,
    /// The OAuth app to log in as; its secret is asked for, or in the provider's variable
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Open no browser; the address is printed
    #[arg(long)]
    no_open: bool,
}

fn flows() -> impl TypedValueParser<Value = Flow> {
    PossibleValuesParser::new(Flow::ALL.map(Flow::as_str)).map(|word| {
        word.parse()
            .expect("the parser lets only words of flows through")
    })
}

/// What is known of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "About it")]
struct AboutArgs {
    /// When it stops working: 2027-01-31 or 90d
    #[arg(long, value_name = "WHEN")]
    expires: Option<Expiry>,
    /// When it should be replaced
    #[arg(long, value_name = "TIME")]
    rotate_after: Option<Span>,
    /// Whose it is, for people
    #[arg(long, value_name = "LABEL")]
    account: Option<String>,
}

/// Stores a credential.
pub fn run(args: &LoginArgs, context: &Context) -> Result<()> {
    let reference = select::named(&args.target, args.connection.as_ref())?;
    let id = ConnectionId {
        provider: reference.provider,
        connection: reference
            .connection
            .unwrap_or_else(ConnectionName::default_name),
    };
    let definition = context.catalog()?.find(&id.provider)?.definition;
    for warning in definition.warnings() {
        context.output.warn(warning);
    }
    let of_flag = args.source.base_url.as_deref();
    let of_flag = of_flag.map(|url| key::whole_address(&definition, url));
    let given_url = of_flag.or_else(|| {
        let found = key::url_from_environment(&definition, args)?;
        let (variable, url) = found;
        context
            .output
            .note(&format!("Its address is that of {variable}."));
        Some(url)
    });
    let way = Way::of(args, &definition)?;
    let definition = key::at_base_url(definition, given_url.as_deref(), "--base-url")?;
    // Before anything is asked: a person should not do something for nothing.
    let opened = context.open_if_there()?;
    if let Some((_, opened)) = &opened {
        refuse_second(&opened.document, &id, args.force)?;
    }
    if way == Way::OAuth {
        let store = context.store()?;
        store.refuse_unwritable(context.moment("login"))?;
    }
    let login = match way {
        Way::Key => with_key(args, definition, given_url, context)?,
        Way::OAuth => {
            let stored = match &opened {
                Some((store, opened)) => opened
                    .document
                    .clients_of(&id.provider)
                    .map_err(|bad| store.damaged(bad))?,
                None => Vec::new(),
            };
            with_oauth(args, definition, given_url, stored, context)?
        }
        Way::CodexFile => way::from_codex(args, definition, context)?,
    };
    if args.verify {
        verify::must_be_alive(&id, &login.definition, &login.value, context)?;
    }
    if login.value.expires_at.is_some_and(|end| end <= context.now) && args.about.expires.is_some()
    {
        context
            .output
            .warn("It has expired already: --expires is in the past.");
    }
    let key = opened.map(|(_, opened)| opened.key);
    store(&id, login, args.force, key, context)?;
    let entry = Entry::new(Event::Login, "login").on(&id);
    context.audit(&entry.with_flag("forced", args.force));
    if context.output.json {
        return output::print_json(&json!({
            "status": "connected",
            "provider": id.provider.as_str(),
            "connection": id.connection.as_str(),
        }));
    }
    let ConnectionId {
        provider,
        connection,
    } = &id;
    context.output.note(&format!(
        "Successfully logged in to {provider} ({connection})."
    ));
    Ok(())
}

/// With a key that does not renew itself.
fn with_key(
    args: &LoginArgs,
    definition: Definition,
    given_url: Option<String>,
    context: &Context,
) -> Result<Login> {
    let call = format!(
        "vault login {}{}",
        args.target,
        if args.force { " --force" } else { "" }
    );
    let kind = kind_of(&definition)?;
    let source = args.given(&call, given_url.as_deref());
    let mut given = fields::collect(&definition, &source, context)?;
    // An address is no secret, and is kept apart from the fields.
    let typed_url = given
        .remove("base_url")
        .map(|url| key::whole_address(&definition, url.reveal()));
    let definition = match (&given_url, &typed_url) {
        (None, Some(url)) => key::at_base_url(definition, Some(url), "The address")?,
        _ => definition,
    };
    let base_url = given_url.or(typed_url);
    key::refuse_in_the_clear(&definition, base_url.as_deref(), &given)?;
    Ok(Login {
        kind,
        value: key::value_of(args, &definition, given, base_url, context.now)?,
        client: None,
        definition,
    })
}

/// With tokens of the provider's authorization server.
fn with_oauth(
    args: &LoginArgs,
    definition: Definition,
    base_url: Option<String>,
    stored: Vec<OAuthClient>,
    context: &Context,
) -> Result<Login> {
    let scopes = args.oauth.scopes.as_ref().map(|scopes| {
        let named = scopes.iter().map(|scope| scope.trim());
        let named = named.filter(|scope| !scope.is_empty());
        named.map(str::to_owned).collect::<Vec<_>>()
    });
    let told = oauth::Told {
        flow: args.oauth.flow,
        scopes: scopes.as_deref(),
        client_id: args.oauth.client_id.as_deref(),
        may_open: !args.oauth.no_open,
        is_forced: args.force,
        base_url,
        fields: &args.source.field,
        stored,
    };
    let granted = oauth::log_in(told, &definition, context)?;
    let mut login = Login {
        kind: way::kind_of_tokens(&definition),
        value: granted.value,
        client: granted.client,
        definition,
    };
    args.about.tell(&mut login.value, context)?;
    Ok(login)
}

impl LoginArgs {
    fn given<'a>(&'a self, call: &'a str, base_url: Option<&'a str>) -> Given<'a> {
        let source = &self.source;
        Given {
            call,
            connection: self.connection_name(),
            stdin: source.stdin,
            from_env: source.from_env.as_deref(),
            from_file: source.from_file.as_deref(),
            browser: source.browser,
            may_open: !self.oauth.no_open,
            fields: &source.field,
            base_url,
        }
    }

    fn connection_name(&self) -> &str {
        let named = self.target.connection.as_ref().or(self.connection.as_ref());
        named.map_or("default", ConnectionName::as_str)
    }
}

impl AboutArgs {
    /// Puts what was said about tokens beside what they say themselves.
    fn tell(&self, value: &mut Value, context: &Context) -> Result<()> {
        if self.account.is_some() {
            value.account.clone_from(&self.account);
        }
        if let Some(expires) = self.expires {
            // A token that ends sooner is to be renewed in time.
            let end = expires.after(context.now)?;
            value.expires_at = Some(value.expires_at.map_or(end, |own| own.min(end)));
        }
        if let Some(span) = self.rotate_after {
            value.rotate_at = Some(span.after(context.now)?);
        }
        Ok(())
    }
}

/// What is to be stored.
struct Login {
    kind: AuthKind,
    value: Value,
    /// The OAuth client of it, where that is one's own.
    client: Option<OAuthClient>,
    /// What it was checked against.
    definition: Definition,
}

/// Puts it into the vault, which a first login makes.
fn store(
    id: &ConnectionId,
    login: Login,
    force: bool,
    key: Option<VaultKey>,
    context: &Context,
) -> Result<()> {
    let mut login = Some(login);
    let store = context.store()?;
    init::store(context, "login", key, |document: &mut Document| {
        refuse_second(document, id, force)?;
        if let Some(Login {
            kind,
            value,
            client,
            ..
        }) = login.take()
        {
            let existing = document.connection(id).map_err(|bad| store.damaged(bad))?;
            let retired = document
                .retired_connection(id)
                .map_err(|bad| store.damaged(bad))?;
            let credential = Credential::stored(kind, value, existing, retired);
            document.put_connection(id, &credential);
            if let Some(client) = client {
                document.put_client(&id.provider, &client);
            }
        }
        Ok(())
    })
}

fn refuse_second(document: &Document, id: &ConnectionId, force: bool) -> Result<()> {
    let known = document.connections_of(&id.provider);
    if force || !known.contains(&&id.connection) {
        return Ok(());
    }
    Err(
        Error::new(Kind::Conflict, format!("{id} is connected already")).with_hint(format!(
            "Replace it: vault login {id} --force; or add another one: vault login {}/NAME",
            id.provider
        )),
    )
}
