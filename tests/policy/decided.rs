//! The corpus by the policy alone: facts in, decision out.

use std::collections::BTreeSet;

use vault::broker::traffic::path::{Rule, Target};
use vault::name::ConnectionId;
use vault::policy::{Body, Decision, Facts, JsonBody, Policy, Verdict};
use vault::provider::{Catalog, HostName};

use super::corpus::{Case, Expected, cases};

/// The connection that a gateway would choose; none for a tunnel.
fn connection(case: &Case) -> Option<ConnectionId> {
    let catalog = Catalog::new(None);
    let host: HostName = case.target().0.parse().unwrap();
    let ids = case.connections.iter().map(|text| {
        let (provider, connection) = text.split_once('/').unwrap();
        ConnectionId {
            provider: provider.parse().unwrap(),
            connection: connection.parse().unwrap(),
        }
    });
    let speaks = |id: &ConnectionId| {
        let definition = catalog.find(&id.provider).unwrap().definition;
        definition.host_for(&host, 443, case.target().1).is_some()
    };
    let fitting: Vec<ConnectionId> = ids.filter(speaks).collect();
    let wanted = case.connection.as_deref().unwrap_or("default");
    let named = fitting.iter().find(|id| id.connection.as_str() == wanted);
    match (&fitting[..], named) {
        (_, Some(named)) => Some(named.clone()),
        ([one], None) => Some(one.clone()),
        ([], None) => None,
        _ => panic!("{}: two connections fit", case.name),
    }
}

/// Asks as a gateway does: without the body, and with it where that is needed.
fn decide(case: &Case) -> Decision {
    let policy = Policy::parse(case.policy.get());
    let policy = policy.unwrap_or_else(|bad| panic!("{}: {bad}", case.name));
    let connection = connection(case);
    let Target::Path { path, query } = Rule::default().read(case.target().1).expect(&case.name)
    else {
        panic!("{}: no path", case.name);
    };
    let decoded = Target::Path { path, query }.decoded().into_owned();
    let mut facts = Facts {
        agent: &case.agent,
        connection: connection.as_ref(),
        host: case.target().0,
        method: &case.method,
        path: Some(&decoded),
        body: Body::Unread,
    };
    if connection.is_none() {
        facts.method = "CONNECT";
        facts.path = None;
    }
    if let Verdict::Decided(decision) = policy.decide(&facts) {
        return decision;
    }
    let json = case.body().map(JsonBody::read);
    let body = match &json {
        None => Body::Empty,
        Some(Ok(json)) => Body::Json(json),
        Some(Err(_)) => Body::Unreadable,
    };
    match policy.decide(&Facts { body, ..facts }) {
        Verdict::Decided(decision) => decision,
        Verdict::NeedsBody => panic!("{}: the body is here", case.name),
    }
}

#[test]
fn every_request_of_the_corpus_is_decided_as_it_says() {
    let cases = cases();
    assert!(cases.len() >= 170, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let decision = decide(case);
        let said = Expected {
            decision: decision.action.as_str().to_owned(),
            rules: decision.rules.iter().map(ToString::to_string).collect(),
        };
        if said != case.expect {
            wrong.push(format!("{}, {}: {said:?}", case.file, case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_two_cases_have_one_name_and_each_theme_has_some() {
    let cases = cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
    let files: BTreeSet<&str> = cases.iter().map(|case| case.file.as_str()).collect();
    assert!(files.len() >= 10);
}
