//! `rule`: what agents may do, as `policy.json` says it.

mod test;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::broker::allowance::OF_SERVICE;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::table::{Table, terminal_width};
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::policy::{Budget, Limit, Period, Policy, Rule, Selector};
use crate::span::Span;
use crate::text::counted;

/// Look at what agents may do through the gateway
#[derive(Debug, Args)]
#[command(
    after_help = "The rules are in policy.json, beside the providers folder. Without that file \
everything is allowed, within the limits that serve has of its own.\n\nExamples:\n  vault rule list\n  vault rule check policy.json\n  vault rule test --agent ci --method POST --url https://api.openai.com/v1/responses"
)]
pub struct RuleArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the rules, limits and budgets in force
    #[command(after_help = "Examples:\n  vault rule list\n  vault rule list --json")]
    List,
    /// Check a policy file without using it
    #[command(
        after_help = "Examples:\n  vault rule check\n  vault rule check new.json && cp new.json \"$VAULT_HOME/policy.json\""
    )]
    Check {
        /// The policy; without this, the one in force
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    Test(test::TestArgs),
}

/// Does what was asked.
pub fn run(args: &RuleArgs, context: &Context) -> Result<u8> {
    match &args.action {
        Action::List => list(context)?,
        Action::Check { file } => check(file.as_deref(), context)?,
        Action::Test(args) => return test::run(args, context),
    }
    Ok(0)
}

/// Reads a policy; `None` where there is no such file.
pub fn read(path: &Path) -> Result<Option<Policy>> {
    // A pipe would be waited for.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let message = format!("Cannot use {}: it is no regular file", path.display());
        return Err(Error::new(Kind::InvalidInput, message)
            .with_hint(format!("Look at it: ls -ld '{}'", path.display())));
    }
    let Some(file) = files::read_private(path, Policy::LARGEST)? else {
        return Ok(None);
    };
    let refused = |what: String| {
        let message = format!("Cannot use {}{what}", path.display());
        let hint = format!(
            "Mend it, then check it: vault rule check '{}'",
            path.display()
        );
        Error::new(Kind::InvalidInput, message).with_hint(hint)
    };
    let text = std::str::from_utf8(&file.bytes).map_err(|_| refused(": it is not UTF-8".into()))?;
    let policy = Policy::parse(text).map_err(|bad| refused(format!(", {bad}")))?;
    Ok(Some(policy))
}

fn list(context: &Context) -> Result<()> {
    let path = context.places()?.policy;
    let read = read(&path)?;
    let is_there = read.is_some();
    let policy = read.unwrap_or_default();
    if context.output.json {
        return output::print_json(&json!({
            "default": policy.default_action().as_str(),
            "rules": policy.rules().iter().map(rule_json).collect::<Vec<_>>(),
            "limits": policy.limits().iter().map(limit_json).collect::<Vec<_>>(),
            "budgets": policy.budgets().iter().map(budget_json).collect::<Vec<_>>(),
        }));
    }
    if !is_there {
        let path = path.display();
        let message = format!("There is no {path}: everything is allowed.");
        context.output.note(&message);
    }
    let mut table = Table::new(&["ACTION", "NAME", "ABOUT"]).wrapped();
    for rule in policy.rules() {
        table.row([rule.action().as_str(), rule.name().as_str(), &about(rule)]);
    }
    for limit in policy.limits() {
        let about = format!("{}: {}", limit.selector, amounts(limit));
        table.row(["limit", "-", &about]);
    }
    for budget in policy.budgets() {
        let about = format!("{}: {}", budget.selector, spendings(budget));
        table.row(["budget", "-", &about]);
    }
    for (provider, requests, per) in OF_SERVICE {
        let about = format!(
            "agents of serve, provider {provider}: {requests} requests in {}, where no limit of \
             requests speaks of them",
            Span(per)
        );
        table.row(["limit", "(default)", &about]);
    }
    let default = policy.default_action().as_str();
    table.row([default, "(default)", "everything else"]);
    output::print(&table.render(terminal_width()))
}

fn check(file: Option<&Path>, context: &Context) -> Result<()> {
    let path = match file {
        Some(file) => file.to_owned(),
        None => context.places()?.policy,
    };
    let Some(policy) = read(&path)? else {
        let message = format!("There is no file {}", path.display());
        return Err(Error::new(Kind::Failed, message)
            .with_hint("See which rules are in force: vault rule list"));
    };
    let routes = policy.routes().values().map(Vec::len).sum::<usize>();
    let counts = [
        ("rule", policy.rules().len()),
        ("limit", policy.limits().len()),
        ("budget", policy.budgets().len()),
        ("route", routes),
    ];
    if context.output.json {
        let mut said = Map::new();
        said.insert("status".to_owned(), "valid".into());
        said.extend(counts.map(|(thing, count)| (format!("{thing}s"), count.into())));
        return output::print_json(&said.into());
    }
    let counts = counts
        .map(|(thing, count)| counted(count, thing))
        .join(", ");
    let message = format!("{} is a valid policy: {counts}.", path.display());
    context.output.note(&message);
    Ok(())
}

/// What a rule is about, in the words of the file.
fn about(rule: &Rule) -> String {
    let parts = rule.parts();
    let mut words: Vec<String> = parts
        .map(|(word, texts)| format!("{word} {}", texts.join(" or ")))
        .collect();
    words.extend(rule.body().map(|body| format!("body {}", one_line(body))));
    let about = match words.is_empty() {
        true => "everything".to_owned(),
        false => words.join(", "),
    };
    match rule.timeout() {
        Some(timeout) => format!("{about} (within {})", Span(timeout)),
        None => about,
    }
}

fn amounts(limit: &Limit) -> String {
    let requests = limit.requests.map(|count| format!("{count} requests"));
    let tokens = limit.tokens.map(|count| format!("{count} tokens"));
    let amounts: Vec<String> = requests.into_iter().chain(tokens).collect();
    format!("{} in {}", amounts.join(" and "), Span(limit.per))
}

fn spendings(budget: &Budget) -> String {
    let dollars = dollars(budget).map(|dollars| format!("${dollars}"));
    let tokens = budget.tokens.map(|count| format!("{count} tokens"));
    let amounts: Vec<String> = dollars.into_iter().chain(tokens).collect();
    format!("{} in each {}", amounts.join(" and "), word_of(budget.per))
}

fn dollars(budget: &Budget) -> Option<String> {
    budget
        .nano_usd
        .map(|nano| crate::usage::Nano(nano).to_string())
}

fn word_of(period: Period) -> &'static str {
    match period {
        Period::Hour => "hour",
        Period::Day => "day",
        Period::Month => "month",
    }
}

/// A text of JSON without its line breaks, which are only white space there.
fn one_line(json: &str) -> String {
    let lines = json.lines().map(str::trim);
    lines.collect::<Vec<_>>().join(" ")
}

/// Every selector, `null` where it is absent.
fn selectors(
    words: &[&str],
    parts: impl Iterator<Item = (&'static str, Vec<String>)>,
) -> Map<String, Value> {
    let mut members: Map<String, Value> = words
        .iter()
        .map(|word| ((*word).to_owned(), Value::Null))
        .collect();
    members.extend(parts.map(|(word, texts)| (word.to_owned(), texts.into())));
    members
}

fn owned<'a>(
    parts: impl Iterator<Item = (&'static str, Vec<&'a str>)>,
) -> impl Iterator<Item = (&'static str, Vec<String>)> {
    parts.map(|(word, texts)| (word, texts.into_iter().map(str::to_owned).collect()))
}

fn rule_json(rule: &Rule) -> Value {
    let words = ["agent", "provider", "connection", "host", "method", "path"];
    let mut members = selectors(&words, owned(rule.parts()));
    members.insert("name".to_owned(), rule.name().as_str().into());
    members.insert("action".to_owned(), rule.action().as_str().into());
    let timeout = rule.timeout().map(|timeout| Span(timeout).to_string());
    members.insert("timeout".to_owned(), timeout.into());
    let body = rule.body().and_then(|body| serde_json::from_str(body).ok());
    members.insert("body".to_owned(), body.unwrap_or(Value::Null));
    members.into()
}

fn selector_json(selector: &Selector) -> Map<String, Value> {
    selectors(
        &["agent", "provider", "connection"],
        owned(selector.parts()),
    )
}

fn limit_json(limit: &Limit) -> Value {
    let mut members = selector_json(&limit.selector);
    members.insert("requests".to_owned(), limit.requests.into());
    members.insert("tokens".to_owned(), limit.tokens.into());
    members.insert("per".to_owned(), Span(limit.per).to_string().into());
    members.into()
}

fn budget_json(budget: &Budget) -> Value {
    let mut members = selector_json(&budget.selector);
    members.insert("usd".to_owned(), dollars(budget).into());
    members.insert("tokens".to_owned(), budget.tokens.into());
    members.insert("per".to_owned(), word_of(budget.per).into());
    members.into()
}
