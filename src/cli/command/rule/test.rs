//! `rule test`: what would become of a request?

use std::path::PathBuf;

use clap::Args;
use hyper::body::Bytes;
use serde_json::json;

use crate::broker::traffic::{Book, Outlook, Selection, Trial, Wanted};
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::{Error, Kind, Result};
use crate::files::PathContext;
use crate::name::AgentName;
use crate::net::{Address, wait_for};
use crate::policy::Action;
use crate::secret::Secret;
use crate::text::printable;

/// What `policy denies` is to whoever asked.
const DENIED: u8 = 9;

/// Tell what would become of a request, without sending it
#[derive(Debug, Args)]
#[command(
    after_help = "Prints the decision and every rule that spoke. Exit code 0 for allow, 9 for deny \
and approve.\n\nExamples:\n  vault rule test --agent ci --method POST --url \
https://api.openai.com/v1/fine_tuning/jobs\n  vault rule test --agent ci --method POST --url \
https://api.openai.com/v1/responses --body request.json\n  echo '{\"model\":\"gpt-5\"}' | vault rule \
test --method POST --url https://api.openai.com/v1/responses --body - --json"
)]
pub struct TestArgs {
    /// Who sends it; `run` is the program of `vault run`
    #[arg(long, value_name = "NAME", default_value = "run")]
    agent: AgentName,
    /// The method
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// Where to
    #[arg(long, value_name = "URL")]
    url: String,
    /// A file with its body, or - for stdin
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The connection that it names with X-Vault-Connection
    #[arg(long, short, value_name = "NAME")]
    connection: Option<String>,
    /// Another policy than the one in force
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Tells it.
pub fn run(args: &TestArgs, context: &Context) -> Result<u8> {
    let policy = match &args.policy {
        Some(path) => super::read(path)?.ok_or_else(|| {
            Error::new(
                Kind::InvalidInput,
                format!("There is no {}", path.display()),
            )
            .with_hint("Check it: vault rule check FILE")
        })?,
        None => super::read(&context.places()?.policy)?.unwrap_or_default(),
    };
    // A path that the gateway would refuse is refused as it would do it.
    let after_scheme = args.url.find("://").map_or(0, |colon| colon + 3);
    let end = args.url[after_scheme..].find(['/', '?', '#']);
    let (place, target) = args
        .url
        .split_at(end.map_or(args.url.len(), |end| after_scheme + end));
    let target = match target {
        query if !query.starts_with('/') => format!("/{query}"),
        path => path.to_owned(),
    };
    let address = Address::parse(&Secret::from(format!("{place}/"))).map_err(|bad| {
        let url = printable(&args.url);
        Error::new(Kind::Usage, format!("--url {url}: {bad}"))
            .with_hint("For example: --url https://api.openai.com/v1/models")
    })?;
    let method = args.method.to_ascii_uppercase();
    if hyper::Method::from_bytes(method.as_bytes()).is_err() {
        let message = format!("--method is none: {}", printable(&args.method));
        return Err(Error::new(Kind::Usage, message).with_hint("For example: --method POST"));
    }
    let wanted = args.connection.as_deref().map(Wanted::parse).transpose();
    let wanted = wanted.map_err(|refusal| {
        Error::new(Kind::Usage, "--connection names none").with_hint(format!(
            "For example: --connection team. {}",
            refusal.message
        ))
    })?;
    let catalog = context.catalog()?;
    // Without a way into the vault the connections are taken as they would
    // usually be.
    let book = match context.open_silently() {
        Ok(Some((store, opened))) => {
            Book::read(&opened.document, &store, &catalog, &Selection::Everything)?
        }
        Ok(None) => Book::default(),
        Err(error) if error.kind() == Kind::Locked => {
            context
                .output
                .note("The vault is locked: connections are taken as they would usually be.");
            Book::default()
        }
        Err(error) => return Err(error),
    };
    let trial = Trial {
        agent: &args.agent,
        method: &method,
        address: &address,
        target: &target,
        wanted: wanted.as_ref(),
        body: args.body.as_deref().map(body).transpose()?,
    };
    let outlook = wait_for(trial.outlook(&policy, &book, &catalog, context.now))?;
    let outlook = outlook.map_err(|refusal| Error::new(Kind::InvalidInput, refusal.message))?;
    tell(&outlook, args, context)?;
    Ok(match outlook.decision.action {
        Action::Allow => 0,
        Action::Approve | Action::Deny => DENIED,
    })
}

fn body(path: &std::path::Path) -> Result<Bytes> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let read = std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes);
        read.map_err(|error| Error::new(Kind::Failed, "Cannot read stdin").with_source(error))?;
        return Ok(bytes.into());
    }
    Ok(std::fs::read(path).at("read", path)?.into())
}

fn tell(outlook: &Outlook, args: &TestArgs, context: &Context) -> Result<()> {
    let decision = outlook.decision.action.as_str();
    let rules: Vec<_> = outlook
        .decision
        .rules
        .iter()
        .map(|rule| rule.as_str())
        .collect();
    let note = |text: &str| context.output.note(text);
    if let Some(refusal) = &outlook.refusal {
        note(&format!(
            "Whatever the rules say: {}.",
            refusal.message.trim_end_matches('.')
        ));
    }
    if outlook.is_tunnel {
        note(
            "No connection is for this host: only its name is seen, and no path or body. `serve` \
             refuses such hosts unless --allow names them.",
        );
    }
    if let (true, Some(id)) = (outlook.is_assumed, &outlook.connection) {
        note(&format!("{id} is not connected here; taken as if it were."));
    }
    if outlook.decision.is_unreadable {
        note("A rule is about something that cannot be read in this request.");
    }
    if context.output.json {
        return output::print_json(&json!({"decision": decision, "rules": rules}));
    }
    let mut text = format!("{decision}\n");
    for rule in &rules {
        text.push_str(&format!("  {}\n", printable(rule)));
    }
    let _ = args;
    output::print(&text)
}
