//! The places that read a secret, by name and number.

#![allow(clippy::unwrap_used)] // also in helpers

mod source;

use std::collections::BTreeMap;

use source::{Source, words};

/// How often a file names `reveal`.
const PLACES: &[(&str, usize)] = &[
    ("broker/grant.rs", 1),
    ("broker/renew.rs", 1),
    ("broker/traffic/mod.rs", 1),
    ("broker/traffic/pass.rs", 6),
    ("broker/traffic/way.rs", 1),
    ("broker/verify.rs", 4),
    ("broker/verify/request.rs", 8),
    ("broker/verify/words.rs", 1),
    ("cli/command/agent.rs", 1),
    ("cli/command/export/codex.rs", 1),
    ("cli/command/init.rs", 1),
    ("cli/command/login.rs", 1),
    ("cli/command/login/browser.rs", 1),
    ("cli/command/login/client.rs", 4),
    ("cli/command/login/key.rs", 1),
    ("cli/command/login/oauth.rs", 2),
    ("cli/command/run.rs", 2),
    ("cli/command/run/accompany.rs", 2),
    ("cli/command/run/surroundings.rs", 2),
    ("cli/fields.rs", 6),
    ("cli/fields/asked.rs", 2),
    ("cli/shown.rs", 4),
    ("credential/agent.rs", 1),
    ("credential/assertion.rs", 2),
    ("credential/attach.rs", 3),
    ("credential/aws/mod.rs", 3),
    ("credential/echo.rs", 2),
    ("credential/mod.rs", 2),
    ("credential/redact.rs", 1),
    ("export/mod.rs", 1),
    ("flow/authorize.rs", 7),
    ("flow/codex.rs", 3),
    ("flow/jwt.rs", 1),
    ("flow/local/callback.rs", 1),
    ("flow/local/form.rs", 1),
    ("flow/register.rs", 1),
    ("flow/request.rs", 4),
    ("flow/revoke.rs", 1),
    ("flow/tokens.rs", 1),
    ("gateway/authority/key.rs", 1),
    ("gateway/authorization.rs", 1),
    ("gateway/edit.rs", 1),
    ("gateway/forward.rs", 2),
    ("gateway/permission.rs", 1),
    ("gateway/send.rs", 1),
    ("gateway/signing.rs", 2),
    ("import/dotenv.rs", 1),
    ("import/json.rs", 1),
    ("import/plan.rs", 4),
    ("json.rs", 2),
    ("net/address.rs", 2),
    ("net/dial.rs", 1),
    ("net/mod.rs", 5),
    ("net/proxy.rs", 1),
    ("provider/field.rs", 2),
    ("seal/identity.rs", 1),
    ("seal/mod.rs", 3),
    ("unlock/source.rs", 1),
    ("vault/document.rs", 1),
];

fn reveals(sources: &[Source]) -> BTreeMap<&str, usize> {
    sources
        .iter()
        .map(|source| {
            let code = source.without_tests();
            let named = words(code, "reveal").filter(|at| !code[..*at].ends_with("fn "));
            (source.path.as_str(), named.count())
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

#[test]
fn secrets_are_read_in_the_listed_places_only() {
    let sources = Source::all();
    let found = reveals(&sources);
    let listed: BTreeMap<_, _> = PLACES.iter().copied().collect();
    let lines: String = found
        .iter()
        .map(|(path, count)| format!("    ({path:?}, {count}),\n"))
        .collect();
    assert!(
        found == listed,
        "The places that read secrets have changed. Look at each new one: does the text go only \
         where its secret belongs, is the copy wiped, and can no error, log or panic show it? \
         Could it do with the length, a comparison or a fingerprint instead? Where it must be, \
         put it into PLACES here, so that a reviewer sees it. Found:\n{lines}"
    );
}

#[test]
fn every_way_to_say_it_counts() {
    let text = "pub fn reveal(&self) {} fn f() { x.reveal(); y\n    .reveal(); \
                z.map(Secret::reveal); x.revealed(); /* reveal */ }\n\
                #[cfg(test)]\nmod tests { fn g() { x.reveal(); } }";
    let sources = [
        Source::new("a.rs", text),
        Source::new("a/tests.rs", "x.reveal()"),
    ];
    assert_eq!(reveals(&sources), BTreeMap::from([("a.rs", 3)]));
}
