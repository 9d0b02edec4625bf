//! `login`: taking a credential in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::{init, verify};
use crate::cli::context::Context;
use crate::cli::duration::{Expiry, Span};
use crate::cli::environment::named_variable;
use crate::cli::fields::{self, Given};
use crate::cli::{output, select};
use crate::credential::{AuthKind, Credential, Value};
use crate::error::{Error, Kind, Result};
use crate::name::{ConnectionId, ConnectionName, ConnectionRef};
use crate::provider::{self, Definition};
use crate::seal::VaultKey;
use crate::vault::Document;

/// After how long a key wants to be replaced, where nobody says otherwise.
pub(super) const ROTATE_AFTER_DAYS: u32 = 90;

/// Store a credential
#[derive(Debug, Args)]
#[command(
    after_help = "The key comes from the first of: --stdin, --from-env, --from-file; a pipe; \
a prompt on the terminal. It is never taken from the command line.\n\nExamples:\n  printf '%s' \
\"$KEY\" | vault login openai\n  vault login openai/team --from-env TEAM_KEY --expires 90d\n  vault \
login twilio --stdin < fields.json\n  vault login openai --force --stdin < new-key"
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
    /// Set one field: NAME=- from standard input, or NAME=TEXT where it is no secret; may be given several times
    #[arg(long, value_name = "NAME=-")]
    field: Vec<String>,
    /// Where the provider is, for what is self-hosted, regional or one's own tenant
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
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
    let of_flag = of_flag.map(|url| whole_address(&definition, url));
    let given_url = of_flag.or_else(|| {
        let found = url_from_environment(&definition, args)?;
        let (variable, url) = found;
        context
            .output
            .note(&format!("Its address is that of {variable}."));
        Some(url)
    });
    let given_url = given_url.as_deref();
    let definition = at_base_url(definition, given_url, "--base-url")?;
    // Before anything is asked: a person should not type a key for nothing.
    let opened = context.open_if_there()?;
    if let Some((_, opened)) = &opened {
        refuse_second(&opened.document, &id, args.force)?;
    }
    let call = format!(
        "vault login {}{}",
        args.target,
        if args.force { " --force" } else { "" }
    );
    let kind = kind_of(&definition)?;
    let source = args.source.given(&call, given_url);
    let mut given = fields::collect(&definition, &source, context)?;
    // An address is no secret, and is kept apart from the fields.
    let typed_url = given
        .remove("base_url")
        .map(|url| whole_address(&definition, url.reveal()));
    let definition = match (given_url, &typed_url) {
        (None, Some(url)) => at_base_url(definition, Some(url), "The address")?,
        _ => definition,
    };
    let base_url = given_url.map(str::to_owned).or(typed_url);
    refuse_in_the_clear(&definition, base_url.as_deref(), &given)?;
    let credential = Login {
        kind,
        value: value_of(args, &definition, given, base_url, context.now)?,
    };
    if args.verify {
        verify::must_be_alive(&id, &definition, &credential.value, context)?;
    }
    if credential
        .value
        .expires_at
        .is_some_and(|end| end <= context.now)
    {
        context
            .output
            .warn("It has expired already: --expires is in the past.");
    }
    store(
        &id,
        credential,
        args.force,
        opened.map(|(_, opened)| opened.key),
        context,
    )?;
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

impl SourceArgs {
    fn given<'a>(&'a self, call: &'a str, base_url: Option<&'a str>) -> Given<'a> {
        Given {
            call,
            stdin: self.stdin,
            from_env: self.from_env.as_deref(),
            from_file: self.from_file.as_deref(),
            fields: &self.field,
            base_url,
        }
    }
}

/// What is to be stored.
struct Login {
    kind: AuthKind,
    value: Value,
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
        if let Some(Login { kind, value }) = login.take() {
            let existing = document.connection(id).map_err(|bad| store.damaged(bad))?;
            let retired = document
                .retired_connection(id)
                .map_err(|bad| store.damaged(bad))?;
            let credential = Credential::stored(kind, value, existing, retired);
            document.put_connection(id, &credential);
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

/// The definition as it is for this connection's own address; `what` is how
/// the address was given.
fn at_base_url(definition: Definition, url: Option<&str>, what: &str) -> Result<Definition> {
    let Some(url) = url else {
        if definition.needs_address() {
            let name = &definition.name;
            let message = format!("{name} needs the address of your own tenant");
            return Err(Error::new(Kind::Usage, message).with_hint(format!(
                "vault login {name} --base-url https://YOURS.example.com"
            )));
        }
        return Ok(definition);
    };
    definition.at(url).map_err(|bad| {
        Error::new(Kind::InvalidInput, format!("{what} {bad}"))
            .with_hint(fields::address_hint(&definition))
    })
}

/// The address that the provider's own variables name, where a login takes
/// everything from them.
fn url_from_environment(definition: &Definition, args: &LoginArgs) -> Option<(String, String)> {
    if args.source.from_env.as_deref() != Some("") {
        return None;
    }
    definition.base_url_env.iter().find_map(|variable| {
        let url = named_variable(variable.as_str())?;
        let url = whole_address(definition, url.reveal().trim());
        Some((variable.to_string(), url))
    })
}

/// `127.0.0.1:11434`, as local servers have it, is an address too.
fn whole_address(definition: &Definition, url: &str) -> String {
    if definition.allow_http && !url.contains("://") {
        return format!("http://{url}");
    }
    url.to_owned()
}

/// A local model server may be another machine's, but no key goes there that
/// everybody on the way can read.
fn refuse_in_the_clear(
    definition: &Definition,
    base_url: Option<&str>,
    given: &BTreeMap<crate::name::FieldName, crate::secret::Secret>,
) -> Result<()> {
    let is_secret = |name: &crate::name::FieldName| {
        definition
            .field(name.as_str())
            .is_none_or(|field| field.is_secret)
    };
    let is_open = base_url.is_some_and(provider::is_in_the_clear);
    if is_open && given.keys().any(is_secret) {
        let message = "The address is http, which would send the key in the clear";
        return Err(Error::new(Kind::InvalidInput, message)
            .with_hint("Put TLS before that server, or store its address without a key."));
    }
    Ok(())
}

/// How a connection of this provider is used.
pub(super) fn kind_of(definition: &Definition) -> Result<AuthKind> {
    use provider::AuthKind as Kinds;
    let fixed = [
        Kinds::ApiKey,
        Kinds::Basic,
        Kinds::AwsSigV4,
        Kinds::JwtBearer,
    ];
    if definition.auth_type() == &Kinds::None {
        Ok(AuthKind::None)
    } else if fixed.iter().any(|kind| definition.supports(kind)) {
        Ok(AuthKind::ApiKey)
    } else {
        let name = &definition.name;
        let message = format!("{name} is logged in to with OAuth, which this version cannot do");
        Err(Error::new(Kind::Failed, message)
            .with_hint(format!("See which ways it has: vault provider show {name}")))
    }
}

fn value_of(
    args: &LoginArgs,
    definition: &Definition,
    fields: BTreeMap<crate::name::FieldName, crate::secret::Secret>,
    base_url: Option<String>,
    now: Timestamp,
) -> Result<Value> {
    let local = definition.auth_type() == &provider::AuthKind::None;
    let base_url = base_url.or_else(|| definition.base_url.clone().filter(|_| local));
    let rotate_at = match args.about.rotate_after {
        Some(span) => Some(span.after(now)?),
        None if local => None,
        None => {
            let days = definition.rotate_after_days.unwrap_or(ROTATE_AFTER_DAYS);
            crate::credential::days_after(now, days)
        }
    };
    Ok(Value {
        account: args.about.account.clone(),
        base_url,
        expires_at: args
            .about
            .expires
            .map(|expiry| expiry.after(now))
            .transpose()?,
        rotate_at,
        ..Value::of(fields, now)
    })
}
