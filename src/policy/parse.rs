//! From a text to a policy. What is not known is refused by name: a rule that
//! was misspelt must not be there and never speak.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use super::Policy;
use super::allowed::{Budget, Limit};
use super::body::Pointer;
use super::decide::Action;
use super::index::Index;
use super::json::{Json, Kind, Malformed, Value};
use super::read::{Members, Wrong, list, shown, text};
use super::route::Route;
use super::rule::{Rule, RuleName};
use crate::jsonc;
use crate::name::ConnectionName;

/// The members at the top.
pub(super) const TOP: [&str; 8] = [
    "$schema",
    "default",
    "rules",
    "limits",
    "budgets",
    "routes",
    "notify",
    "ask_for_usage",
];

/// More depth than this has no meaning here.
const DEEPEST: usize = 32;

/// Why a text is no policy, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPolicy {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in bytes.
    pub column: usize,
    /// What is wrong; it names the rule where it is one.
    pub what: String,
}

impl fmt::Display for BadPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.what
        )
    }
}

impl std::error::Error for BadPolicy {}

impl Policy {
    /// Reads a policy: JSON, comments and trailing commas allowed.
    ///
    /// # Errors
    /// It is none, or says something that is not known.
    pub fn parse(text: &str) -> Result<Self, BadPolicy> {
        let bad = |wrong: Wrong| {
            let (line, column) = jsonc::position(text, wrong.offset);
            let what = wrong.what;
            BadPolicy { line, column, what }
        };
        if text.len() > Self::LARGEST {
            let what = format!("a policy has at most {} bytes", Self::LARGEST);
            return Err(bad(Wrong { what, offset: 0 }));
        }
        let malformed = |what: String, offset| bad(Wrong { what, offset });
        let plain =
            jsonc::plain(text).map_err(|error| malformed(error.to_string(), error.offset))?;
        let json = Json::parse(&plain, DEEPEST)
            .map_err(|Malformed { reason, offset }| malformed(reason.to_owned(), offset))?;
        read(json.root()).map_err(bad)
    }
}

fn read(root: Value<'_>) -> Result<Policy, Wrong> {
    let members = Members::read(root, &TOP)?;
    members.text("$schema")?;
    let mut pointers = Vec::new();
    let rules = rules(members.optional("rules"), &mut pointers)?;
    let notify = members.text("notify")?;
    if let (Some(place), Some("")) = (members.optional("notify"), notify.as_deref().map(str::trim))
    {
        return Err(Wrong::at(place, "'notify' is a command for sh"));
    }
    Ok(Policy {
        default: members
            .optional("default")
            .map_or(Ok(Action::Allow), default)?,
        index: Index::new(rules.iter().map(|rule| &rule.selector)),
        rules,
        pointers,
        limits: each(members.optional("limits"), "limit", Limit::read)?,
        budgets: each(members.optional("budgets"), "budget", Budget::read)?,
        routes: routes(members.optional("routes"))?,
        notify: notify.map(Into::into),
        asks_for_usage: members.bool("ask_for_usage")?.unwrap_or(false),
    })
}

fn default(value: Value<'_>) -> Result<Action, Wrong> {
    match text(value)?.as_ref() {
        "allow" => Ok(Action::Allow),
        "deny" => Ok(Action::Deny),
        _ => Err(Wrong::at(value, "'default' is allow or deny")),
    }
}

fn rules(value: Option<Value<'_>>, pointers: &mut Vec<Pointer>) -> Result<Vec<Rule>, Wrong> {
    let mut names = HashSet::new();
    let mut rules = Vec::new();
    for (position, value) in elements(value)?.into_iter().enumerate() {
        let rule = Rule::read(value, position, pointers)
            .map_err(|wrong| wrong.of(&label(value, position)))?;
        if !names.insert(rule.name().clone()) {
            let named = value.members().find(|(name, _)| name.raw() == "\"name\"");
            let what = format!("two rules are called '{}'", shown(rule.name().as_str()));
            return Err(Wrong::at(named.map_or(value, |(_, name)| name), what));
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// What a rule that may be broken is called.
fn label(rule: Value<'_>, position: usize) -> String {
    let named = rule.members().find(|(name, _)| name.raw() == "\"name\"");
    let name = named.and_then(|(_, name)| name.text());
    match name.filter(|name| !name.trim().is_empty()) {
        Some(name) => format!("rule '{}'", shown(&name)),
        None => RuleName::numbered(position).to_string(),
    }
}

fn routes(value: Option<Value<'_>>) -> Result<BTreeMap<String, Vec<Route>>, Wrong> {
    let Some(value) = value else {
        return Ok(BTreeMap::new());
    };
    if value.kind() != Kind::Object {
        let what = "'routes' is an object of sets, such as {\"default\": [...]}";
        return Err(Wrong::at(value, what));
    }
    let mut routes = BTreeMap::new();
    for (place, ways) in value.members() {
        let name = place.text().unwrap_or_default();
        if name.parse::<ConnectionName>().is_err() {
            let what = format!(
                "a set of routes is named with a-z, 0-9, '.', '_' and '-', not '{}'",
                shown(&name)
            );
            return Err(Wrong::at(place, what));
        }
        list(ways).map_err(|wrong| wrong.of(&format!("routes '{name}'")))?;
        let word = format!("routes '{name}'");
        routes.insert(name.into_owned(), each(Some(ways), &word, Route::read)?);
    }
    Ok(routes)
}

/// Reads each element; a mistake is said of `word` and its number.
fn each<T>(
    value: Option<Value<'_>>,
    word: &str,
    read: impl Fn(Value<'_>) -> Result<T, Wrong>,
) -> Result<Vec<T>, Wrong> {
    let elements = elements(value)?.into_iter().enumerate();
    let read = elements.map(|(position, value)| {
        read(value).map_err(|wrong| wrong.of(&format!("{word} {}", position + 1)))
    });
    read.collect()
}

/// The elements of a list that may be empty or missing.
fn elements(value: Option<Value<'_>>) -> Result<Vec<Value<'_>>, Wrong> {
    match value {
        Some(value) if value.kind() != Kind::Array => {
            Err(Wrong::at(value, "a list is expected here"))
        }
        Some(value) => Ok(value.elements().collect()),
        None => Ok(Vec::new()),
    }
}
