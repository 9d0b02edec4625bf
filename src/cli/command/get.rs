//! `get`: reading one connection or plain secret.

use clap::Args;

use crate::audit::{Entry, Event};
use crate::broker::select;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::shown::{Name, Shown};
use crate::credential::{AuthKind, Credential};
use crate::error::{Error, Kind, Result};
use crate::name::{ConnectionId, ConnectionName, Target, VariableName};
use crate::vault::{Opened, Store};

/// Read a connection or plain secret
#[derive(Debug, Args)]
#[command(
    after_help = "Fields: status, provider, connection, auth_type, account, scopes, \
created_at, updated_at, expires_at, rotate_at, fingerprint, header, hosts, env, and the \
provider's own, such as api_key.\n\nExamples:\n  vault get openai\n  vault get openai --field \
status\n  vault get openai/team --field api_key --show-secret\n  vault get DATABASE_URL \
--show-secret"
)]
pub struct GetArgs {
    /// The provider, PROVIDER/CONNECTION, or the NAME of a plain secret
    #[arg(value_name = "P")]
    target: Target,
    /// The connection of the provider
    #[arg(long, short, value_name = "NAME")]
    connection: Option<ConnectionName>,
    /// Print this field alone
    #[arg(long, short = 'F', value_name = "FIELD")]
    field: Option<String>,
    /// Print secrets as they are
    #[arg(long)]
    show_secret: bool,
    /// Do not renew tokens that are about to end
    #[arg(long)]
    no_refresh: bool,
}

/// Reads it; the exit code is 3 where the answer is that nothing is stored.
pub fn run(args: &GetArgs, context: &Context) -> Result<u8> {
    let shown = match &args.target {
        Target::Connection(reference) => {
            let reference = select::named(reference, args.connection.as_ref())?;
            match find_connection(&reference, args, context) {
                // The word is the answer, and the exit code tells it to scripts.
                Err(error)
                    if asks_status(args, context)
                        && error.kind() == Kind::NotFound
                        && !is_ambiguous(&reference, context)? =>
                {
                    context.catalog()?.find(&reference.provider)?;
                    output::print("not_connected\n")?;
                    return Ok(error.kind().exit_code());
                }
                found => found?,
            }
        }
        Target::Secret(name) if args.connection.is_some() => {
            return Err(Error::new(
                Kind::Usage,
                format!("{name} is a plain secret, which has no connections"),
            )
            .with_hint(format!("vault get {name}")));
        }
        Target::Secret(name) => find_secret(name, context)?,
    };
    if context.output.json {
        // A field that is named is held to the same as without --json.
        if let Some(field) = &args.field {
            shown.field(field, args.show_secret)?;
        }
        write_down(&shown, args, context);
        output::print_secret(&shown.to_json(args.show_secret))?;
        return Ok(0);
    }
    write_down(&shown, args, context);
    match &args.field {
        Some(field) => output::print_secret(&shown.field(field, args.show_secret)?)?,
        None if shown.is_plain() && args.show_secret => {
            output::print_secret(&shown.field("value", true)?)?;
        }
        None => shown.print_table(args.show_secret)?,
    }
    Ok(0)
}

/// What the audit log is told, before anything is shown: whoever reads it may
/// end us as soon as it is out.
fn write_down(shown: &Shown, args: &GetArgs, context: &Context) {
    if !args.show_secret {
        return;
    }
    // With --json a field that is named comes with all others.
    let field = args.field.as_deref().filter(|_| !context.output.json);
    let fields = shown.secrets_in(field);
    if fields.is_empty() {
        return;
    }
    let entry = Entry::new(Event::Reveal, "get");
    let entry = match shown.name() {
        Name::Connection(id) => entry.on(id).with_list("fields", fields),
        Name::Secret(name) => entry.with("secret", name),
    };
    context.audit(&entry);
}

impl GetArgs {
    /// The field, where nothing but its value is asked for.
    fn plainly_asked(&self, context: &Context) -> Option<&str> {
        let plainly = self.show_secret && !context.output.json;
        self.field.as_deref().filter(|_| plainly)
    }
}

fn asks_status(args: &GetArgs, context: &Context) -> bool {
    args.field.as_deref() == Some("status") && !context.output.json
}

/// Whether several are connected and none is meant more than the others: then
/// "not connected" would be no answer.
fn is_ambiguous(reference: &crate::name::ConnectionRef, context: &Context) -> Result<bool> {
    let several = |opened: &crate::vault::Opened| {
        let meant = select::unnamed(&opened.document, &reference.provider);
        reference.connection.is_none() && matches!(meant, select::Unnamed::Several)
    };
    let opened = context.open_if_there()?;
    Ok(opened.is_some_and(|(_, opened)| {
        !opened
            .document
            .connections_of(&reference.provider)
            .is_empty()
            && several(&opened)
    }))
}

fn find_connection(
    reference: &crate::name::ConnectionRef,
    args: &GetArgs,
    context: &Context,
) -> Result<Shown> {
    let opened = context.open_if_there()?;
    // A provider that nobody knows is a typo, unless something is stored of it.
    let definition = || {
        let found = context.catalog()?.find(&reference.provider)?;
        Ok::<_, Error>(found.definition)
    };
    let Some((store, opened)) = opened else {
        definition()?;
        return Err(select::not_connected(reference));
    };
    let id = match select::existing(&opened.document, reference) {
        Ok(id) => id,
        Err(error) => {
            definition()?;
            return Err(error);
        }
    };
    let credential = opened
        .document
        .connection(&id)
        .map_err(|bad| store.damaged(bad))?
        .ok_or_else(|| select::not_connected(reference))?;
    let renews = credential.kind == AuthKind::OAuth && !args.no_refresh;
    let (opened, credential) = if renews {
        renewed(&id, credential, opened, &store, args, context)?
    } else {
        if args.show_secret && credential.is_renewable() && credential.value.has_ended(context.now)
        {
            context
                .output
                .warn(&format!("The token of {id} has ended."));
        }
        (opened, credential)
    };
    // Printed as it is stored, whatever a definition has to say of it.
    let plain = args.plainly_asked(context);
    let is_stored = |field| credential.value.fields.contains_key::<str>(field);
    let definition = match plain.filter(|field| is_stored(field)) {
        Some(_) => None,
        None => definition().ok(),
    };
    Ok(Shown::of(
        Name::Connection(id),
        credential,
        definition,
        &opened.document,
        context.now,
    ))
}

/// The connection with a fresh token; where there is none, an error for who
/// wants the token, and a warning for who wants to know how it stands.
fn renewed(
    id: &ConnectionId,
    credential: Credential,
    opened: Opened,
    store: &Store,
    args: &GetArgs,
    context: &Context,
) -> Result<(Opened, Credential)> {
    let Ok(found) = context.catalog()?.find(&id.provider) else {
        // What is wrong with the definition is told where it is needed.
        return Ok((opened, credential));
    };
    let fresh = context.fresh(store, &opened.key, id, &found.definition, credential);
    let error = match fresh {
        Ok(credential) => return Ok((opened, credential)),
        Err(error) if args.show_secret => return Err(error),
        Err(error) => error,
    };
    if args.field.is_none() {
        context.output.warn(&format!("{error}."));
    }
    let opened = store.open(opened.key)?;
    let current = opened.document.connection(id);
    let current = current.map_err(|bad| store.damaged(bad))?;
    Ok((opened, current.ok_or(error)?))
}

fn find_secret(name: &VariableName, context: &Context) -> Result<Shown> {
    let opened = context.open_if_there()?;
    let found = match &opened {
        Some((store, opened)) => opened
            .document
            .secret(name)
            .map_err(|bad| store.damaged(bad))?,
        None => None,
    };
    let (Some((_, opened)), Some(credential)) = (&opened, found) else {
        return Err(
            Error::new(Kind::NotFound, format!("There is no plain secret {name}")).with_hint(
                format!("Store it: printf '%s' \"$VALUE\" | vault set {name}"),
            ),
        );
    };
    let name = Name::Secret(name.clone());
    Ok(Shown::of(
        name,
        credential,
        None,
        &opened.document,
        context.now,
    ))
}
