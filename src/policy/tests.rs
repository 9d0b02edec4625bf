//! Policies as texts, and what becomes of requests under them.

use proptest::prelude::*;

use super::*;
use crate::name::ConnectionId;

fn policy(text: &str) -> Policy {
    Policy::parse(text).unwrap_or_else(|bad| panic!("{bad}\n{text}"))
}

fn wrong(text: &str) -> String {
    Policy::parse(text).unwrap_err().to_string()
}

fn id(text: &str) -> ConnectionId {
    let (provider, connection) = text.split_once('/').unwrap();
    ConnectionId {
        provider: provider.parse().unwrap(),
        connection: connection.parse().unwrap(),
    }
}

/// A POST of the agent `ci` with `openai/team`.
fn decide_body(policy: &Policy, path: Option<&str>, body: Body<'_>) -> Verdict {
    let team = id("openai/team");
    policy.decide(&Facts {
        agent: "ci",
        connection: path.is_some().then_some(&team),
        host: "api.openai.com",
        method: if path.is_some() { "POST" } else { "CONNECT" },
        path,
        body,
    })
}

fn decision(policy: &Policy, body: Body<'_>) -> Decision {
    match decide_body(policy, Some("/v1/chat"), body) {
        Verdict::Decided(decision) => decision,
        Verdict::NeedsBody => panic!("it needs the body"),
    }
}

/// The action, and `!` where it is for what could not be read.
fn under(rule: &str, body: &str) -> String {
    let policy = policy(&format!("{{\"rules\": [{rule}]}}"));
    let said = match JsonBody::read(body.as_bytes()) {
        Ok(body) => decision(&policy, Body::Json(&body)),
        Err(_) => decision(&policy, Body::Unreadable),
    };
    let mark = if said.is_unreadable { "!" } else { "" };
    format!("{}{mark}", said.action.as_str())
}

#[test]
fn without_a_policy_everything_is_allowed() {
    for policy in [Policy::default(), policy("{}"), policy("// nothing\n{}")] {
        let said = decision(&policy, Body::Unread);
        assert_eq!(said.action, Action::Allow);
        assert!(said.rules.is_empty() && policy.limits().is_empty());
        assert!(policy.routes().is_empty() && policy.budgets().is_empty());
        assert!(!policy.asks_for_usage() && policy.notify().is_none());
    }
}

#[test]
fn the_example_of_the_reference_is_read() {
    let policy = policy(
        r#"{ "$schema": "policy.schema.json", "default": "allow", // all else
  "rules":   [ {"name": "no fine-tuning", "agent": "ci", "connection": "openai/*", "method": ["POST"], "path": "/v1/fine_tuning/**", "action": "deny"},
               {"name": "large models", "provider": "openai", "body": {"/model": ["gpt-5*-pro"], "/max_tokens": {">": 8000}}, "action": "approve", "timeout": "3m"}, ],
  "limits":  [ {"agent": "*", "provider": "openai", "requests": 100, "per": "60s"}, {"provider": "anthropic", "tokens": 200000, "per": "1m"} ],
  "budgets": [ {"agent": "ci", "usd": "5.00", "per": "day"}, {"usd": 0.1, "tokens": 5, "per": "month"} ],
  "routes":  { "default": [ {"model": "llama*", "to": "ollama"}, {"model": "*", "to": "openai/team", "fallback": ["openai/personal"]} ], "local": [ {"to": "ollama", "rename": "llama3.2"} ] },
  "notify": "cat", "ask_for_usage": true }"#,
    );
    let rules = policy.rules();
    assert_eq!(rules[0].name().as_str(), "no fine-tuning");
    let parts: Vec<_> = rules[0].parts().collect();
    assert_eq!(parts.len(), 4);
    assert_eq!(parts[3], ("path", vec!["/v1/fine_tuning/**"]));
    assert_eq!(rules[1].timeout().unwrap().as_secs(), 180);
    assert!(rules[1].body().unwrap().contains("gpt-5*-pro"));
    let [limit, tokens] = policy.limits() else {
        panic!("two limits")
    };
    assert_eq!((limit.requests, limit.tokens), (Some(100), None));
    assert_eq!((tokens.tokens, tokens.per.as_secs()), (Some(200_000), 60));
    assert!(limit.selector.matches("ci", &id("openai/team")));
    assert!(!limit.selector.matches("ci", &id("mistral/team")));
    assert_eq!(limit.selector.to_string(), "agent *, provider openai");
    let [budget, small] = policy.budgets() else {
        panic!("two budgets")
    };
    assert_eq!(budget.nano_usd, Some(5_000_000_000));
    assert_eq!(budget.per, Period::Day);
    assert_eq!((small.nano_usd, small.tokens), (Some(100_000_000), Some(5)));
    assert_eq!(small.selector.to_string(), "everything");
    let default = &policy.routes()["default"];
    assert!(default[0].serves("llama3.2") && !default[0].serves("gpt-5"));
    assert_eq!(default[1].fallback[0].to_string(), "openai/personal");
    let local = &policy.routes()["local"][0];
    assert!(local.serves("anything"));
    assert_eq!(local.rename.as_deref(), Some("llama3.2"));
    assert_eq!(
        (policy.notify(), policy.asks_for_usage()),
        (Some("cat"), true)
    );
}

#[test]
fn a_mistake_is_named_with_its_place_and_its_rule() {
    for (text, said) in [
        (
            "{\n  \"ruls\": []}",
            "line 2, column 3: 'ruls' is not known here; did you mean 'rules'?",
        ),
        (
            r#"{"rules":[{"action":"deny"},{"action":"deny","agnet":"ci"}]}"#,
            "line 1, column 46: rule 2: 'agnet' is not known here; did you mean 'agent'?",
        ),
        (
            r#"{"rules":[{"name":"x","methods":"GET","action":"deny"}]}"#,
            "line 1, column 23: rule 'x': 'methods' is not known here; did you mean 'method'?",
        ),
        (
            "{\"rules\":[{\"name\":\"x\"}]}",
            "line 1, column 11: rule 'x': 'action' is missing",
        ),
        (
            "{\"rules\":[{\"action\":\"block\"}]}",
            "line 1, column 21: rule 1: 'action' is allow, deny or approve",
        ),
        (
            "{\"default\":\"approve\"}",
            "line 1, column 12: 'default' is allow or deny",
        ),
        (
            "{\"rules\":[],\n\"rules\":[]}",
            "line 2, column 1: a member stands twice",
        ),
        (
            r#"{"rules":[{"action":"deny","action":"allow"}]}"#,
            "line 1, column 28: a member stands twice",
        ),
        (
            r#"{"rules":[{"agent":[],"action":"deny"}]}"#,
            "line 1, column 20: rule 1: an empty list would match nothing",
        ),
        (
            r#"{"rules":[{"name":"a","action":"deny"},{"name":"a","action":"allow"}]}"#,
            "line 1, column 48: two rules are called 'a'",
        ),
        (
            r#"{"rules":[{"name":"rule 2","action":"deny"},{"action":"allow"}]}"#,
            "line 1, column 45: two rules are called 'rule 2'",
        ),
        (
            r#"{"rules":[{"timeout":"3m","action":"deny"}]}"#,
            "line 1, column 22: rule 1: only a rule with \"action\": \"approve\" has a timeout",
        ),
        (
            r#"{"limits":[{"per":"60s"}]}"#,
            "line 1, column 12: limit 1: 'requests' or 'tokens' is missing",
        ),
        (
            r#"{"limits":[{"requests":1.5,"per":"60s"}]}"#,
            "line 1, column 24: limit 1: 'requests' is a whole number from 1; to forbid all, use a rule",
        ),
        (
            r#"{"budgets":[{"usd":"5","per":"week"}]}"#,
            "line 1, column 30: budget 1: 'per' is hour, day or month for a budget",
        ),
        (
            r#"{"routes":{"a":[{"model":"*"}]}}"#,
            "line 1, column 17: routes 'a' 1: 'to' is missing",
        ),
        ("[]", "line 1, column 1: an object is expected here"),
        ("", "line 1, column 1: it ends before its end"),
        ("{} x", "line 1, column 4: something stands behind its end"),
        ("{ /* ", "line 1, column 3: a comment does not end"),
    ] {
        assert_eq!(wrong(text), said, "{text}");
    }
}

#[test]
fn what_could_never_speak_is_refused() {
    for member in [
        r#""agent":"CI""#,
        r#""agent":"""#,
        r#""agent":5"#,
        r#""agent":["ci",5]"#,
        r#""agent":null"#,
        r#""provider":"open ai""#,
        r#""connection":"openai/a/b""#,
        r#""connection":"openai/""#,
        r#""host":"https://api.openai.com""#,
        r#""host":"api.openai.com/v1""#,
        r#""host":"localhost:11434""#,
        r#""host":"bücher.example""#,
        r#""host":"a..b""#,
        r#""method":"GET POST""#,
        r#""path":"v1/models""#,
        r#""path":"/v1?x=1""#,
        r#""path":"/a//b""#,
        r#""path":"/a/../b""#,
        r#""path":"/%66iles""#,
        r#""body":{}"#,
        r#""body":[]"#,
        r#""body":"gpt""#,
        r#""body":{"model":"a"}"#,
        r#""body":{"/a~2":"a"}"#,
        r#""body":{"/a":[]}"#,
        r#""body":{"/a":{}}"#,
        r#""body":{"/a":{"=":1}}"#,
        r#""body":{"/a":{">":"1"}}"#,
        r#""body":{"/a":[["b"]]}"#,
        r#""name":"""#,
        r#""name":"a\nb""#,
        r#""name":7"#,
    ] {
        let text = format!("{{\"rules\":[{{{member},\"action\":\"deny\"}}]}}");
        assert!(Policy::parse(&text).is_err(), "{member}");
    }
    for (what, members) in [
        ("limits", r#"{"requests":0,"per":"1m"}"#),
        ("limits", r#"{"requests":-1,"per":"1m"}"#),
        ("limits", r#"{"requests":1}"#),
        ("limits", r#"{"requests":1,"per":60}"#),
        ("limits", r#"{"requests":1,"per":"day"}"#),
        ("limits", r#"{"requests":1,"per":"1m","host":"a"}"#),
        ("budgets", r#"{"usd":"0","per":"day"}"#),
        ("budgets", r#"{"usd":"-1","per":"day"}"#),
        ("budgets", r#"{"usd":"$5","per":"day"}"#),
        ("budgets", r#"{"usd":"0.0000000001","per":"day"}"#),
        ("budgets", r#"{"usd":"9999999999","per":"day"}"#),
        ("budgets", r#"{"usd":true,"per":"day"}"#),
        ("budgets", r#"{"per":"day"}"#),
    ] {
        let text = format!("{{\"{what}\":[{members}]}}");
        assert!(Policy::parse(&text).is_err(), "{text}");
    }
    for routes in [
        r#"[]"#,
        r#"{"default":[]}"#,
        r#"{"Default":[{"to":"ollama"}]}"#,
        r#"{"a":[{"to":"Open AI"}]}"#,
        r#"{"a":[{"to":"openai/team/x"}]}"#,
        r#"{"a":[{"to":"openai","rename":""}]}"#,
        r#"{"a":[{"to":"openai","fallback":[]}]}"#,
    ] {
        let text = format!("{{\"routes\":{routes}}}");
        assert!(Policy::parse(&text).is_err(), "{text}");
    }
    for top in [
        r#""notify":"""#,
        r#""ask_for_usage":"yes""#,
        r#""rules":{}"#,
        r#""$schema":1"#,
    ] {
        assert!(Policy::parse(&format!("{{{top}}}")).is_err(), "{top}");
    }
    let deep = format!("{{\"rules\":{}", "[".repeat(100_000));
    assert!(Policy::parse(&deep).is_err());
    assert!(Policy::parse(&" ".repeat(Policy::LARGEST + 1)).is_err());
}

#[test]
fn the_schema_and_the_parser_know_the_same_members() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let members = |pointer: &str| -> Vec<String> {
        let properties = schema.pointer(pointer).unwrap()["properties"].as_object();
        properties.unwrap().keys().cloned().collect()
    };
    fn sorted<'k>(known: &[&'k str]) -> Vec<&'k str> {
        let mut known = known.to_vec();
        known.sort_unstable();
        known
    }
    assert_eq!(members(""), sorted(&parse::TOP));
    assert_eq!(members("/$defs/rule"), sorted(&rule::RULE));
    assert_eq!(members("/$defs/limit"), sorted(&allowed::LIMIT));
    assert_eq!(members("/$defs/budget"), sorted(&allowed::BUDGET));
    assert_eq!(members("/$defs/route"), sorted(&route::ROUTE));
    assert_eq!(members("/$defs/bounds"), sorted(&condition::BOUNDS));
}

#[test]
fn the_body_is_asked_for_only_where_it_can_change_something() {
    let body = r#""body":{"/model":"x"}"#;
    for (rules, default, needs) in [
        (format!(r#"{{{body},"action":"deny"}}"#), "allow", true),
        (format!(r#"{{{body},"action":"approve"}}"#), "allow", true),
        (format!(r#"{{{body},"action":"allow"}}"#), "allow", false),
        (format!(r#"{{{body},"action":"allow"}}"#), "deny", true),
        (format!(r#"{{{body},"action":"deny"}}"#), "deny", true),
        (
            format!(r#"{{{body},"action":"deny"}},{{"action":"deny"}}"#),
            "allow",
            false,
        ),
        (
            format!(r#"{{{body},"action":"deny"}},{{"action":"approve"}}"#),
            "allow",
            true,
        ),
        (
            format!(r#"{{{body},"action":"approve"}},{{"action":"approve"}}"#),
            "allow",
            true,
        ),
        (
            format!(r#"{{{body},"action":"allow"}},{{"action":"approve"}}"#),
            "deny",
            false,
        ),
        (
            format!(r#"{{{body},"action":"allow"}},{{"action":"allow"}}"#),
            "deny",
            false,
        ),
        (
            format!(r#"{{{body},"agent":"other","action":"deny"}}"#),
            "allow",
            false,
        ),
        (
            format!(r#"{{{body},"path":"/x","action":"deny"}}"#),
            "allow",
            false,
        ),
        (
            format!(r#"{{{body},"provider":"x","action":"deny"}}"#),
            "allow",
            false,
        ),
        (
            format!(r#"{{{body},"method":"GET","action":"deny"}}"#),
            "allow",
            false,
        ),
        (
            format!(r#"{{{body},"host":"x","action":"deny"}}"#),
            "allow",
            false,
        ),
    ] {
        let text = format!(r#"{{"default":"{default}","rules":[{rules}]}}"#);
        let verdict = decide_body(&policy(&text), Some("/v1/chat"), Body::Unread);
        assert_eq!(verdict == Verdict::NeedsBody, needs, "{text}");
        let verdict = decide_body(&policy(&text), Some("/v1/chat"), Body::Empty);
        assert_ne!(verdict, Verdict::NeedsBody, "{text}");
    }
}

#[test]
fn values_in_bodies_are_compared_in_kind() {
    let deny = |wanted: &str, body: &str| {
        under(
            &format!(r#"{{"body":{{"/x":{wanted}}},"action":"deny"}}"#),
            body,
        )
    };
    for (wanted, value, said) in [
        (r#""gpt-5*""#, r#""gpt-5.4""#, "deny"),
        (r#""gpt-5*""#, r#""llama""#, "allow"),
        (r#""gpt-5*""#, "null", "allow"),
        (r#""gpt-5*""#, "[\"gpt-5\"]", "deny!"),
        (r#""gpt-5*""#, "{}", "deny!"),
        (r#""gpt-5*""#, "5", "deny!"),
        (r#""*""#, r#""""#, "deny"),
        (r#"["a", 5]"#, "7", "allow"),
        (r#"["a", 5]"#, "5.0", "deny"),
        (r#"["a", 5]"#, r#""5""#, "deny"),
        (r#"["a", 5]"#, "[]", "deny!"),
        ("5", r#""five""#, "deny!"),
        ("5", r#""5.00""#, "deny"),
        ("5", "true", "deny!"),
        ("true", "true", "deny"),
        ("true", "false", "allow"),
        ("true", r#""true""#, "deny!"),
        ("true", "1", "deny!"),
        ("null", "null", "deny"),
        ("null", "[]", "allow"),
        (r#"["a", null]"#, "[]", "deny!"),
        (r#"["a", null]"#, r#""b""#, "allow"),
        (r#"{">": 8000}"#, "8000", "allow"),
        (r#"{">": 8000}"#, "8000.0000001", "deny"),
        (r#"{">": 8000}"#, "9e3", "deny"),
        (r#"{">": 8000}"#, r#""8001""#, "deny"),
        (r#"{">": 8000}"#, r#""8000""#, "allow"),
        (r#"{">": 8000}"#, r#"" 9000""#, "deny!"),
        (r#"{">": 8000}"#, r#""9_000""#, "deny!"),
        (r#"{">": 8000}"#, "[9000]", "deny!"),
        (r#"{">": 8000}"#, "true", "deny!"),
        (r#"{">": 8000}"#, "null", "allow"),
        (r#"{">": 9007199254740992}"#, "9007199254740993", "deny"),
        (r#"{">=": 1, "<": 5}"#, "1", "deny"),
        (r#"{">=": 1, "<": 5}"#, "5", "allow"),
        (r#"{"<=": 5}"#, "5", "deny"),
        (r#"[{"<": 1}, {">": 5}]"#, "3", "allow"),
        (r#"[{"<": 1}, {">": 5}]"#, "6", "deny"),
    ] {
        let body = format!("{{\"x\": {value}}}");
        assert_eq!(deny(wanted, &body), said, "{wanted} {value}");
    }
    assert_eq!(deny("\"*\"", "{}"), "allow");
    assert_eq!(deny("\"*\"", "{\"X\": \"a\"}"), "deny!");
    assert_eq!(deny("\"*\"", "x=1"), "deny!");
    assert_eq!(deny("\"*\"", "{\"x\":\"a\",\"x\":1}"), "deny!");
}

#[test]
fn what_cannot_be_read_denies_where_it_matters_and_allows_nothing() {
    let both = r#""body":{"/model":"gpt*","/max":{">":5}}"#;
    for (action, body, said) in [
        ("deny", r#"{"model":"gpt","max":[]}"#, "deny!"),
        ("approve", r#"{"model":"gpt","max":[]}"#, "deny!"),
        ("approve", r#"{"model":"gpt","max":6}"#, "approve"),
        ("deny", r#"{"model":"llama","max":[]}"#, "allow"),
        ("deny", r#"{"max":[]}"#, "allow"),
        ("allow", r#"{"model":"gpt","max":[]}"#, "allow"),
    ] {
        assert_eq!(
            under(&format!(r#"{{{both},"action":"{action}"}}"#), body),
            said,
            "{action} {body}"
        );
    }
    let closed = policy(&format!(
        r#"{{"default":"deny","rules":[{{{both},"action":"allow"}}]}}"#
    ));
    let read = |text: &'static str| JsonBody::read(text.as_bytes()).unwrap();
    let (right, odd) = (
        read(r#"{"model":"gpt","max":6}"#),
        read(r#"{"model":"gpt","max":[6]}"#),
    );
    assert_eq!(decision(&closed, Body::Json(&right)).action, Action::Allow);
    for body in [Body::Json(&odd), Body::Unreadable, Body::Empty] {
        let said = decision(&closed, body);
        assert_eq!(
            (said.action, said.is_unreadable),
            (Action::Deny, false),
            "{body:?}"
        );
        assert!(said.rules.is_empty());
    }
}

#[test]
fn the_shortest_timeout_of_all_that_hold_counts() {
    let timeout = |rules: &str| {
        let policy = policy(&format!("{{\"rules\":[{rules}]}}"));
        decision(&policy, Body::Empty)
            .timeout
            .map(|span| span.as_secs())
    };
    let long = r#"{"action":"approve","timeout":"1h"}"#;
    let short = r#"{"action":"approve","timeout":"10s"}"#;
    let usual = r#"{"action":"approve"}"#;
    assert_eq!(timeout(long), Some(3600));
    assert_eq!(timeout(&format!("{long},{usual}")), Some(180));
    assert_eq!(timeout(&format!("{usual},{short},{long}")), Some(10));
    assert_eq!(timeout(&format!("{short},{{\"action\":\"deny\"}}")), None);
    assert_eq!(timeout(r#"{"action":"allow"}"#), None);
}

#[test]
fn of_a_tunnel_only_its_host_is_judged() {
    for (rule, said) in [
        (r#""host":"api.openai.com","action":"deny""#, "deny"),
        (
            r#""host":"api.openai.com","path":"/v1/files/**","action":"deny""#,
            "deny!",
        ),
        (
            r#""host":"api.openai.com","method":"DELETE","action":"approve""#,
            "deny!",
        ),
        (
            r#""host":"api.openai.com","body":{"/model":"x"},"action":"deny""#,
            "deny!",
        ),
        (
            r#""host":"api.openai.com","path":"/v1/**","action":"allow""#,
            "allow",
        ),
        (
            r#""host":"other.example","path":"/v1/**","action":"deny""#,
            "allow",
        ),
        (r#""path":"/v1/**","action":"deny""#, "allow"),
        (r#""method":"POST","action":"deny""#, "allow"),
        (r#""body":{"/model":"x"},"action":"deny""#, "allow"),
        (r#""provider":"*","action":"deny""#, "allow"),
        (
            r#""connection":"*","host":"*.openai.com","action":"deny""#,
            "allow",
        ),
        (r#""method":"connect","action":"deny""#, "deny"),
        (
            r#""method":["POST","CONNECT"],"host":"api.openai.com","action":"approve""#,
            "approve",
        ),
        (r#""agent":"ci","action":"deny""#, "deny"),
        (r#""action":"deny""#, "deny"),
    ] {
        let policy = policy(&format!("{{\"rules\":[{{{rule}}}]}}"));
        let Verdict::Decided(decided) = decide_body(&policy, None, Body::Unread) else {
            panic!("{rule}: a tunnel has no body to read");
        };
        let mark = if decided.is_unreadable { "!" } else { "" };
        assert_eq!(format!("{}{mark}", decided.action.as_str()), said, "{rule}");
    }
}

/// Rules, facts and bodies out of few parts, so that they meet often.
fn rule() -> impl Strategy<Value = String> {
    let part = |word: &'static str, values: &'static [&'static str]| {
        prop_oneof![
            2 => Just(String::new()),
            1 => prop::sample::select(values).prop_map(move |value| format!("\"{word}\":{value},")),
        ]
    };
    let action = prop::sample::select(&["allow", "deny", "approve"][..]);
    (
        part(
            "agent",
            &[
                "\"ci\"",
                "\"c*\"",
                "\"dev\"",
                "[\"ci\",\"dev\"]",
                "[\"ci\",\"d*\"]",
            ],
        ),
        part(
            "provider",
            &[
                "\"openai\"",
                "\"*\"",
                "[\"openai\",\"x\",\"openai\"]",
                "\"x\"",
            ],
        ),
        part(
            "connection",
            &[
                "\"openai/*\"",
                "\"team\"",
                "\"*/team\"",
                "[\"x/y\",\"openai/t*\"]",
            ],
        ),
        part(
            "host",
            &["\"api.openai.com\"", "\"**.openai.com\"", "\"x.example\""],
        ),
        part("method", &["\"POST\"", "\"*\"", "\"connect\"", "\"GET\""]),
        part("path", &["\"/v1/**\"", "\"/v1/chat\"", "\"/x\""]),
        part(
            "body",
            &[
                "{\"/model\":\"a\"}",
                "{\"/n\":{\">\":5}}",
                "{\"/model\":\"a\",\"/n\":5}",
            ],
        ),
        action,
    )
        .prop_map(|(a, b, c, d, e, f, g, action)| {
            format!("{{{a}{b}{c}{d}{e}{f}{g}\"action\":\"{action}\"}}")
        })
}

fn named(rules: &[(usize, String)], default: &str) -> Policy {
    let rules: Vec<String> = rules
        .iter()
        .map(|(number, rule)| rule.replacen('{', &format!("{{\"name\":\"n{number}\","), 1))
        .collect();
    policy(&format!(
        "{{\"default\":\"{default}\",\"rules\":[{}]}}",
        rules.join(",")
    ))
}

fn sorted(mut decision: Decision) -> Decision {
    decision.rules.sort();
    decision
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_order_of_rules_changes_nothing(
        (rules, shuffled) in prop::collection::vec(rule(), 0..8).prop_flat_map(|rules| {
            let rules: Vec<(usize, String)> = rules.into_iter().enumerate().collect();
            (Just(rules.clone()), Just(rules).prop_shuffle())
        }),
        default in prop::sample::select(&["allow", "deny"][..]),
        body in prop::sample::select(&["{\"model\":\"a\",\"n\":5}", "{\"model\":\"b\",\"n\":[]}", "{\"N\":9}", "?", "", "-"][..]),
        path in prop::sample::select(&[Some("/v1/chat"), Some("/v1/chat/"), Some("/v1;x/y"), None][..]),
    ) {
        let (one, other) = (named(&rules, default), named(&shuffled, default));
        let read = JsonBody::read(body.as_bytes());
        let body = match (&read, body) {
            (_, "-") => Body::Unread,
            (Ok(body), _) => Body::Json(body),
            (Err(_), "") => Body::Empty,
            (Err(_), _) => Body::Unreadable,
        };
        let said = decide_body(&one, path, body);
        match (&said, decide_body(&other, path, body)) {
            (Verdict::NeedsBody, again) => {
                prop_assert_eq!(again, Verdict::NeedsBody);
                prop_assert!(matches!(body, Body::Unread));
            }
            (Verdict::Decided(one), Verdict::Decided(other)) => {
                prop_assert_eq!(sorted(one.clone()), sorted(other));
                if one.is_unreadable {
                    prop_assert_eq!(one.action, Action::Deny);
                }
                prop_assert_eq!(one.timeout.is_some(), one.action == Action::Approve);
            }
            (Verdict::Decided(_), Verdict::NeedsBody) => prop_assert!(false),
        }
        // What is decided without the body stays so, whatever it is.
        if let (Verdict::Decided(early), Body::Unread) = (&said, body) {
            let json = JsonBody::read(b"{\"model\":\"a\",\"n\":6}").unwrap();
            for body in [Body::Empty, Body::Unreadable, Body::Json(&json)] {
                let Verdict::Decided(late) = decide_body(&one, path, body) else {
                    panic!("a body is here");
                };
                prop_assert_eq!(early.action, late.action);
            }
        }
    }

    #[test]
    fn the_index_leaves_no_rule_out(rules in prop::collection::vec(rule(), 1..8)) {
        let rules: Vec<(usize, String)> = rules.into_iter().enumerate().collect();
        let whole = named(&rules, "allow");
        let Verdict::Decided(said) = decide_body(&whole, Some("/v1/chat"), Body::Empty) else {
            panic!("a body is here");
        };
        let team = id("openai/team");
        let facts = Facts {
            agent: "ci",
            connection: Some(&team),
            host: "api.openai.com",
            method: "POST",
            path: Some("/v1/chat"),
            body: Body::Empty,
        };
        let head = rule::Head::new(&facts);
        let all = whole.rules().iter().filter(|rule| {
            rule.body.is_empty() && rule.is_about(&head) == condition::Says::Yes
        });
        prop_assert_eq!(all.map(|rule| rule.name().clone()).collect::<Vec<_>>(), said.rules);
    }
}
