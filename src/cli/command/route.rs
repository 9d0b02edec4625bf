//! `route`: the ways from models to connections, which set of them is in use,
//! and where one model leads. Needs no key: the policy holds nothing secret.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::broker::policy_file::{Absence, PolicyFile, RouteFile, use_route};
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::table::{Table, terminal_width};
use crate::error::{Error, Kind, Result};
use crate::policy::{Policy, Route};
use crate::text::{nearest, printable};

/// See and choose the ways from models to connections
#[derive(Debug, Args)]
#[command(
    after_help = "Routes stand in policy.json, in sets with names. A program that asks \
http://127.0.0.1:8765/v1 is led by the model that it names.\n\nExamples:\n  vault route list\n  \
vault route use local\n  vault route test --model llama3.2"
)]
pub struct RouteArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the sets of routes, and which one is in use
    List(ListArgs),
    /// Put a set of routes into use, for gateways that run too
    Use(UseArgs),
    /// Show where a model leads
    Test(TestArgs),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Of the routes of a set, the first whose patterns fit a model is its way.\n\n\
Examples:\n  vault route list\n  vault route list --json"
)]
struct ListArgs {
    #[command(flatten)]
    file: File,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Gateways that run follow at once; requests that are under way end as they \
began.\n\nExamples:\n  vault route use local\n  vault route use default"
)]
struct UseArgs {
    /// The set
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    file: File,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is sent. Exits with 3 where no route is for the model.\n\nExamples:\n  \
vault route test --model gpt-5-mini\n  vault route test --model llama3.2 --route local --json"
)]
struct TestArgs {
    /// The model, as a program would name it
    #[arg(long, value_name = "M")]
    model: String,
    /// The set of routes; without this, the one in use
    #[arg(long, value_name = "SET")]
    route: Option<String>,
    #[command(flatten)]
    file: File,
}

#[derive(Debug, Args)]
struct File {
    /// The file that the routes stand in, in place of policy.json
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Does what was asked.
pub fn run(args: &RouteArgs, context: &Context) -> Result<()> {
    match &args.action {
        Action::List(args) => list(args, context),
        Action::Use(args) => put_into_use(args, context),
        Action::Test(args) => test(args, context),
    }
}

fn list(args: &ListArgs, context: &Context) -> Result<()> {
    let policy = args.file.policy(context)?;
    let used = in_use(context)?;
    let sets = policy.routes();
    if context.output.json {
        let listed = sets.iter().map(|(name, routes)| {
            json!({
                "name": name,
                "in_use": **name == *used,
                "routes": routes.iter().map(as_json).collect::<Vec<_>>(),
            })
        });
        return output::print_json(&json!({"sets": listed.collect::<Vec<_>>()}));
    }
    if sets.is_empty() {
        context
            .output
            .note("There are no routes. How to write some into policy.json: docs/routes.md");
        return Ok(());
    }
    let mut table = Table::new(&["SET", "MODEL", "CONNECTION", "SENT AS", "FALLBACK"]).wrapped();
    for (name, routes) in sets {
        let mut title = match **name == *used {
            true => format!("{name} (in use)"),
            false => name.clone(),
        };
        for route in routes {
            table.row([
                std::mem::take(&mut title),
                models(route),
                route.to.to_string(),
                route.rename.clone().unwrap_or_else(|| "-".to_owned()),
                fallback(route),
            ]);
        }
    }
    output::print(&table.render(terminal_width()))?;
    if !sets.contains_key(&*used) {
        context.output.warn(&format!(
            "The set in use, {}, is not there, so /v1 answers 404. Choose one: vault route use NAME",
            printable(&used)
        ));
    }
    Ok(())
}

fn put_into_use(args: &UseArgs, context: &Context) -> Result<()> {
    let policy = args.file.policy(context)?;
    set_of(&policy, &args.name)?;
    use_route(&context.places()?.state, &args.name)?;
    if context.output.json {
        return output::print_json(&json!({"status": "in_use", "route": args.name}));
    }
    context.output.note(&format!(
        "The routes in use are those of {}. Gateways that run follow at once.",
        args.name
    ));
    Ok(())
}

fn test(args: &TestArgs, context: &Context) -> Result<()> {
    let policy = args.file.policy(context)?;
    let name = match &args.route {
        Some(name) => name.clone(),
        None => in_use(context)?.to_string(),
    };
    let model = &args.model;
    let route = Route::first(set_of(&policy, &name)?, model).ok_or_else(|| {
        let message = format!("No route of the set {name} is for {}", printable(model));
        Error::new(Kind::NotFound, message).with_hint("See the routes: vault route list")
    })?;
    let sent_as = route.rename.as_deref().unwrap_or(model);
    if context.output.json {
        return output::print_json(&json!({
            "route": name,
            "model": model,
            "connection": route.to.to_string(),
            "sent_as": sent_as,
            "fallback": fallbacks(route),
        }));
    }
    let mut table = Table::plain();
    table.row(["set", &name]);
    table.row(["model", model]);
    table.row(["connection", &route.to.to_string()]);
    table.row(["sent as", sent_as]);
    table.row(["fallback", &fallback(route)]);
    output::print(&table.render(None))
}

impl File {
    fn policy(&self, context: &Context) -> Result<Arc<Policy>> {
        let places = context.places()?;
        let (path, absence) = match &self.policy {
            Some(path) => (path, Absence::Refused),
            None => (&places.policy, Absence::Allowed),
        };
        Ok(PolicyFile::open(path, absence, Box::new(|_| {}))?.policy())
    }
}

fn in_use(context: &Context) -> Result<Arc<str>> {
    let state = &context.places()?.state;
    Ok(RouteFile::open(state, Box::new(|_| {})).in_use())
}

fn set_of<'p>(policy: &'p Policy, name: &str) -> Result<&'p [Route]> {
    let sets = policy.routes();
    sets.get(name).map(Vec::as_slice).ok_or_else(|| {
        let message = format!("There is no set of routes called {}", printable(name));
        let names: Vec<_> = sets.keys().map(String::as_str).collect();
        Error::new(Kind::NotFound, message).with_hint(match &names[..] {
            [] => "How to write some into policy.json: docs/routes.md; then: vault route list"
                .to_owned(),
            _ => match nearest(name, names.iter().copied()) {
                Some(near) => format!(
                    "Did you mean {near}? There are: {}. See them: vault route list",
                    names.join(", ")
                ),
                None => format!(
                    "There are: {}. See them: vault route list",
                    names.join(", ")
                ),
            },
        })
    })
}

fn models(route: &Route) -> String {
    let models = route.models.as_ref();
    models.map_or_else(|| "*".to_owned(), ToString::to_string)
}

fn fallbacks(route: &Route) -> Vec<String> {
    route.fallback.iter().map(ToString::to_string).collect()
}

fn fallback(route: &Route) -> String {
    match &fallbacks(route)[..] {
        [] => "-".to_owned(),
        some => some.join(", "),
    }
}

fn as_json(route: &Route) -> serde_json::Value {
    let models = route.models.as_ref();
    let models = models.map(|models| models.texts().collect::<Vec<_>>());
    json!({
        "model": models.unwrap_or_else(|| vec!["*"]),
        "connection": route.to.to_string(),
        "sent_as": route.rename,
        "fallback": fallbacks(route),
    })
}
