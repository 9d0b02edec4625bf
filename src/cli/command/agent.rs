//! `agent`: programs that use the gateway, each with a token of its own that
//! is printed once and kept as its digest.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use crate::audit::{Entry, Event};
use crate::broker::traffic::Client;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::table::{Table, terminal_width};
use crate::credential::agent::{Agent, digest_of, new_token};
use crate::error::{Error, Kind, Result};
use crate::json::ObjectWriter;
use crate::name::{AgentName, ConnectionId, ConnectionRef};
use crate::provider::Definition;
use crate::secret::{Secret, SecretBuffer};
use crate::span::Expiry;
use crate::vault::Document;

/// Where `serve` listens unless it is told otherwise.
const GATEWAY: &str = "127.0.0.1:8765";

/// Give programs access to the gateway, each with a token of its own
#[derive(Debug, Args)]
#[command(
    after_help = "An agent is a program that uses credentials through `vault serve` and never \
holds them. Its token is printed once; the vault keeps only a digest.\n\nExamples:\n  vault agent \
create ci --allow openai/team,github --expires 30d\n  vault agent list\n  vault agent revoke ci"
)]
pub struct AgentArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an agent and print its token
    Create(CreateArgs),
    /// List the agents
    #[command(after_help = "Examples:\n  vault agent list\n  vault agent list --json")]
    List,
    /// Give an agent a new token; the old one ends at once
    Rotate(RotateArgs),
    /// Remove an agent; its token ends at once
    #[command(after_help = "Examples:\n  vault agent revoke ci\n  vault agent revoke ci --json")]
    Revoke {
        /// The agent
        #[arg(value_name = "NAME")]
        agent: AgentName,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "The token goes to standard output and is shown this once.\n\nExamples:\n  vault \
agent create ci\n  vault agent create ci --allow openai/team,github --expires 30d\n  \
TOKEN=$(vault agent create ci --quiet)"
)]
struct CreateArgs {
    /// What to call it
    #[arg(value_name = "NAME")]
    name: AgentName,
    /// The connections it may use, as P or P/C; without this, all of them
    #[arg(long, value_name = "P,…", value_delimiter = ',')]
    allow: Vec<ConnectionRef>,
    /// When its token ends: a day such as 2027-01-31, or a time such as 30d
    #[arg(long, value_name = "WHEN")]
    expires: Option<Expiry>,
    /// Replace an agent of that name, whose token ends at once
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "What it may use stays as it is, and so does its end unless another is given.\
\n\nExamples:\n  vault agent rotate ci\n  vault agent rotate ci --expires 30d"
)]
struct RotateArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    agent: AgentName,
    /// When its token ends: a day such as 2027-01-31, or a time such as 30d
    #[arg(long, value_name = "WHEN")]
    expires: Option<Expiry>,
}

/// Does what was asked.
pub fn run(args: &AgentArgs, context: &Context) -> Result<()> {
    match &args.action {
        Action::Create(args) => create(args, context),
        Action::List => list(context),
        Action::Rotate(args) => rotate(args, context),
        Action::Revoke { agent } => revoke(agent, context),
    }
}

fn create(args: &CreateArgs, context: &Context) -> Result<()> {
    for reference in &args.allow {
        context.catalog()?.find(&reference.provider)?;
    }
    if args.name.as_str() == Client::RUN {
        let message = "'run' is what policy calls the program of vault run";
        return Err(Error::new(Kind::Usage, message)
            .with_hint("Choose another name: vault agent create NAME"));
    }
    let end = end_of(args.expires, context)?;
    let store = context.store()?;
    let token = new_token();
    let (agent, absent) = context.change("agent create", |document| {
        let known = document.agent(&args.name);
        let known = known.map_err(|bad| store.damaged(bad))?;
        if known.is_some() && !args.force {
            return Err(taken(&args.name));
        }
        let mut agent = match known {
            Some(known) => known,
            None => Agent::new(args.name.clone(), &token, context.now),
        };
        agent.digest = digest_of(&token);
        agent.allow.clone_from(&args.allow);
        agent.created_at = context.now;
        agent.expires_at = end;
        document.put_agent(&agent);
        Ok((agent, absent_in(document, &args.allow)))
    })?;
    context.audit(&told(Event::AgentCreate, "agent create", &agent));
    for reference in absent {
        context.output.warn(&format!(
            "There is no connection {reference} yet. Make it: vault login {reference}"
        ));
    }
    hand_over(&agent, token, context)
}

fn rotate(args: &RotateArgs, context: &Context) -> Result<()> {
    let end = end_of(args.expires, context)?;
    let store = context.store()?;
    let token = new_token();
    let agent = context.change("agent rotate", |document| {
        let known = document.agent(&args.agent);
        let known = known.map_err(|bad| store.damaged(bad))?;
        let mut agent = known.ok_or_else(|| unknown(&args.agent))?;
        if args.expires.is_none() && agent.has_ended(context.now) {
            return Err(ended(&agent.name));
        }
        agent.digest = digest_of(&token);
        agent.expires_at = end.or(agent.expires_at);
        document.put_agent(&agent);
        Ok(agent)
    })?;
    context.audit(&told(Event::AgentRotate, "agent rotate", &agent));
    hand_over(&agent, token, context)
}

fn revoke(name: &AgentName, context: &Context) -> Result<()> {
    context.change("agent revoke", |document| {
        match document.remove_agent(name) {
            true => Ok(()),
            false => Err(unknown(name)),
        }
    })?;
    context.audit(&Entry::new(Event::AgentRevoke, "agent revoke").with("agent", name));
    if context.output.json {
        let said = json!({"status": "revoked", "agent": name.as_str()});
        return output::print_json(&said);
    }
    context
        .output
        .note(&format!("The agent {name} is gone, and its token with it."));
    Ok(())
}

fn list(context: &Context) -> Result<()> {
    let (store, opened) = context.open()?;
    let agents = opened.document.agents();
    let agents = agents.map_err(|bad| store.damaged(bad))?;
    let allowed =
        |agent: &Agent| -> Vec<String> { agent.allow.iter().map(ToString::to_string).collect() };
    if context.output.json {
        let listed = agents.iter().map(|agent| {
            json!({
                "agent": agent.name.as_str(),
                "allow": allowed(agent),
                "created_at": agent.created_at.to_string(),
                "expires_at": agent.expires_at.map(|end| end.to_string()),
                "status": if agent.has_ended(context.now) { "expired" } else { "active" },
            })
        });
        return output::print_json(&json!({"agents": listed.collect::<Vec<_>>()}));
    }
    if agents.is_empty() {
        context
            .output
            .note("There are no agents yet. Make one: vault agent create NAME");
        return Ok(());
    }
    let day = |time: Timestamp| time.to_string()[..10].to_owned();
    let mut table = Table::new(&["AGENT", "EXPIRES", "CREATED", "ALLOW"]).wrapped();
    for agent in &agents {
        let end = agent.expires_at.map_or_else(|| "-".to_owned(), day);
        table.row([
            agent.name.to_string(),
            match agent.has_ended(context.now) {
                true => format!("{end} (expired)"),
                false => end,
            },
            day(agent.created_at),
            match &allowed(agent)[..] {
                [] => "all".to_owned(),
                some => some.join(", "),
            },
        ]);
    }
    output::print(&table.render(terminal_width()))
}

/// What the audit log is told of an agent.
fn told(event: Event, command: &'static str, agent: &Agent) -> Entry {
    Entry::new(event, command)
        .with("agent", &agent.name)
        .with_list("allow", &agent.allow)
        .with_some("expires_at", agent.expires_at)
}

/// The end that was asked for; one that is past is said to be.
fn end_of(expires: Option<Expiry>, context: &Context) -> Result<Option<Timestamp>> {
    let end = expires.map(|expires| expires.after(context.now));
    let end = end.transpose()?;
    if end.is_some_and(|end| end <= context.now) {
        context
            .output
            .warn("The token has expired already: --expires is in the past.");
    }
    Ok(end)
}

/// The connections that are named and not there.
fn absent_in(document: &Document, allow: &[ConnectionRef]) -> Vec<ConnectionId> {
    let named = allow.iter().filter_map(|reference| {
        Some(ConnectionId {
            provider: reference.provider.clone(),
            connection: reference.connection.clone()?,
        })
    });
    let is_there = |id: &ConnectionId| {
        document
            .connections_of(&id.provider)
            .contains(&&id.connection)
    };
    named.filter(|id| !is_there(id)).collect()
}

/// Prints a token, this once, and how it is used.
fn hand_over(agent: &Agent, token: Secret, context: &Context) -> Result<()> {
    let mut printed = SecretBuffer::with_capacity(256);
    if context.output.json {
        let mut object = ObjectWriter::begin(&mut printed);
        object.member("agent", &agent.name.as_str());
        object.secret("token", &token);
        object.member("expires_at", &agent.expires_at.map(|end| end.to_string()));
        object.end();
        printed.push(b"\n");
        return output::print_secret(&printed);
    }
    printed.push(token.reveal().as_bytes());
    printed.push(b"\n");
    output::print_secret(&printed)?;
    let name = &agent.name;
    let path = path_form(agent, context);
    context.output.note(&format!(
        "This is the token of {name}, shown this once. With `vault serve` running, use it as a \
         proxy:\n  HTTPS_PROXY=http://{name}:TOKEN@{GATEWAY}\nor as the key at the gateway's own \
         address:\n  {path}"
    ));
    Ok(())
}

/// The gateway's own address for a provider that the agent may use.
fn path_form(agent: &Agent, context: &Context) -> String {
    let openai = || "openai".parse().ok();
    let provider = agent.allow.first().map(|first| first.provider.clone());
    let found = provider.or_else(openai).and_then(|provider| {
        let catalog = context.catalog().ok()?;
        Some(catalog.find(&provider).ok()?.definition)
    });
    let Some(definition) = found else {
        return format!("http://{GATEWAY}/api/PROVIDER/");
    };
    let address = format!(
        "http://{GATEWAY}/api/{}{}",
        definition.name,
        base_path(&definition)
    );
    match definition.base_url_env.first() {
        Some(variable) => format!("{variable}={address}"),
        None => address,
    }
}

/// The path at which a provider's API begins, without a `/` at its end.
fn base_path(definition: &Definition) -> String {
    let base = definition.base_url.as_deref().unwrap_or_default();
    let rest = base.split_once("://").map_or("", |(_, rest)| rest);
    let path = rest.split_once('/').map(|(_, path)| path);
    match path.map(|path| path.trim_end_matches('/')) {
        Some(path) if !path.is_empty() => format!("/{path}"),
        _ => String::new(),
    }
}

fn taken(name: &AgentName) -> Error {
    Error::new(Kind::Conflict, format!("There is an agent {name} already")).with_hint(format!(
        "Give it a new token: vault agent rotate {name}; or replace it: vault agent create {name} \
         --force"
    ))
}

fn unknown(name: &AgentName) -> Error {
    Error::new(Kind::NotFound, format!("There is no agent {name}"))
        .with_hint("See the agents: vault agent list")
}

fn ended(name: &AgentName) -> Error {
    let message = format!("The agent {name} has expired, and a new token would have ended too");
    Error::new(Kind::InvalidInput, message).with_hint(format!(
        "Give it another end: vault agent rotate {name} --expires 30d"
    ))
}
