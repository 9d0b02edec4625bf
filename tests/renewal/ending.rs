//! Logging out: the provider ends the tokens where it can, and whoever logs
//! out hears what goes on working.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};

use super::server::{REGISTRATION_TOKEN, SHORT, World, access, form, line, refresh};
use super::support::internet::Reply;

const GRANTS: &str = "https://peer.example.com/grants";

/// What revocations were asked about, in order, and the kind they named.
fn revocations(world: &World) -> Vec<(String, String)> {
    let seen = world.internet.seen();
    let asked = seen.iter().filter(|seen| seen.path == "/revoke");
    asked
        .map(|seen| (form(seen, "token"), form(seen, "token_type_hint")))
        .collect()
}

fn both(number: usize) -> [(String, String); 2] {
    [
        (refresh(number), "refresh_token".to_owned()),
        (access(number), "access_token".to_owned()),
    ]
}

fn status(world: &World, target: &str) -> String {
    let arguments = ["get", target, "--field", "status", "--no-refresh"];
    line(&world.environment.vault(arguments).finish())
}

#[test]
fn the_refresh_token_is_ended_first_and_then_the_access_token() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    world
        .environment
        .vault(["logout", "peer"])
        .ok()
        .says(contains("Peer ended the tokens of peer/default"));
    assert_eq!(revocations(&world), both(1));
    assert_eq!(world.internet.seen().len(), 2, "nothing is renewed for it");
    assert_eq!(status(&world, "peer"), "not_connected");
}

#[test]
fn what_was_rotated_last_is_what_is_ended() {
    let world = World::new();
    world.log_in("peer", Some(SHORT));
    world.token("peer");
    world.environment.vault(["logout", "peer"]).ok();
    assert_eq!(revocations(&world), both(2));
}

#[test]
fn a_local_logout_tells_nobody() {
    let world = World::new();
    world.log_in("peer", None);
    world.environment.vault(["logout", "peer", "--local"]).ok();
    assert_eq!(world.internet.seen().len(), 0);
    assert_eq!(status(&world, "peer"), "not_connected");
}

#[test]
fn a_server_that_does_not_end_them_is_told_of_with_the_way_by_hand() {
    let world = World::new();
    world.define("peer", &json!({ "grants_url": GRANTS }));
    for (status_code, body) in [
        (503, "{}"),
        (0, ""),
        (400, r#"{"error": "invalid_request"}"#),
    ] {
        world.login("peer").arg("--force").ok();
        world.set(|mood| mood.revocation = Some(Reply::new(status_code, body)));
        world.environment.vault(["logout", "peer"]).ok().says(
            contains("Warning: ")
                .and(contains("go on working"))
                .and(contains(GRANTS)),
        );
        assert_eq!(status(&world, "peer"), "not_connected");
    }
    world.login("peer").arg("--force").ok();
    world.internet.refuse("HTTP/1.1 502 Bad Gateway");
    world
        .environment
        .vault(["logout", "peer"])
        .ok()
        .says(contains("go on working").and(contains(GRANTS)));
    assert_eq!(status(&world, "peer"), "not_connected");
}

#[test]
fn an_access_token_that_ends_with_the_other_one_is_no_trouble() {
    let no = || Reply::new(400, r#"{"error": "unsupported_token_type"}"#);
    let world = World::new();
    world.log_in("peer", None);
    world.set(|mood| mood.revocation_of_access = Some(no()));
    let run = world.environment.vault(["logout", "peer"]).ok();
    run.says(contains("ended the tokens").and(contains("Warning").not()));
    assert_eq!(revocations(&world).len(), 2);

    // Where neither was ended, both go on working.
    world.log_in("peer", None);
    world.set(|mood| mood.revocation = Some(no()));
    let run = world.environment.vault(["logout", "peer"]).ok();
    run.says(contains("go on working").and(contains("ended the tokens").not()));
}

#[test]
fn a_provider_without_an_address_for_it_is_named_with_its_page() {
    let world = World::new();
    world.log_in("github", None);
    world
        .environment
        .vault(["logout", "github"])
        .ok()
        .says(contains("go on working").and(contains("https://github.com/settings/applications")));
    assert_eq!(world.internet.seen().len(), 0);
}

#[test]
fn every_connection_of_a_provider_is_ended() {
    let world = World::new();
    world.log_in("peer/one", None);
    world.log_in("peer/two", None);
    world.environment.vault(["logout", "peer", "--all"]).ok();
    assert_eq!(revocations(&world), [both(1), both(2)].concat());
}

#[test]
fn a_login_that_has_ended_can_be_logged_out_of() {
    let world = World::new();
    world.log_in_ended("peer");
    world.answer_renewals(400, r#"{"error": "invalid_grant"}"#);
    world.get("peer").fails(9);
    world.environment.vault(["logout", "peer"]).ok();
    assert_eq!(status(&world, "peer"), "not_connected");
}

#[test]
fn a_logout_leaves_the_client_and_revoke_forgets_it() {
    let world = World::new();
    world.log_in("peer", None);
    let bare = [
        "login",
        "peer",
        "--flow",
        "client_credentials",
        "--no-input",
    ];
    world.environment.vault(["logout", "peer"]).ok();
    // The client of the first login is still known.
    world.environment.vault(bare).ok();
    world.internet.forget();
    world
        .environment
        .vault(["revoke", "peer"])
        .ok()
        .says(contains("Removed the OAuth client of peer"));
    assert_eq!(revocations(&world), both(2));
    world.environment.vault(bare).fails(5);
    assert_eq!(status(&world, "peer"), "not_connected");
}

#[test]
fn a_client_that_registered_itself_is_taken_back() {
    let world = registered();
    world.internet.forget();
    let run = world.environment.vault(["revoke", "peer"]).ok();
    run.says(contains("stays registered").not());
    assert_eq!(revocations(&world), both(1));
    let seen = world.internet.seen();
    let last = seen.last().unwrap();
    assert_eq!((&*last.method, &*last.path), ("DELETE", "/registered/1"));
    assert_eq!(
        last.headers["authorization"],
        format!("Bearer {REGISTRATION_TOKEN}")
    );
    assert_eq!(last.body, "");
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_registration_that_stays_is_told_of_and_no_redirect_is_followed() {
    let world = registered();
    world.internet.forget();
    let mut elsewhere = Reply::new(302, "{}");
    let place = "https://evil.example.com/".to_owned();
    elsewhere.headers.push(("Location".to_owned(), place));
    world.set(|mood| mood.registration = Some(elsewhere));
    let run = world.environment.vault(["revoke", "peer"]).ok();
    run.says(contains("stays registered"));
    let dcr = ["login", "peer", "--flow", "dcr_pkce", "--no-open"];
    world.environment.vault(dcr).fails(8);
    let seen = world.internet.seen();
    assert!(seen.iter().any(|seen| seen.path == "/register"));
    assert!(seen.iter().all(|seen| seen.host == "auth.peer.example.com"));
    assert_eq!(status(&world, "peer"), "not_connected");
}

/// A login with a client that registered itself.
fn registered() -> World {
    let world = World::new();
    world.define(
        "peer",
        &json!({
            "authorization_url": "https://auth.peer.example.com/authorize",
            "registration_endpoint": "https://auth.peer.example.com/register",
            "flows": ["dcr_pkce"],
            "supports_dcr": true,
            "device_authorization_url": Value::Null,
        }),
    );
    let mut login = world
        .environment
        .vault(["login", "peer", "--no-open"])
        .command();
    login.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut login = login.spawn().unwrap();
    let mut said = BufReader::new(login.stderr.take().unwrap());
    let mut address = String::new();
    while !address.starts_with("https://auth.peer.example.com/authorize?") {
        address.clear();
        assert!(said.read_line(&mut address).unwrap() > 0, "no address");
    }
    agree(&address);
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(login.wait().unwrap().success(), "{rest}");
    world
}

/// Does what the browser does after a person agreed.
fn agree(address: &str) {
    let query = address.trim_end().split_once('?').unwrap().1;
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(known, _)| *known == name).unwrap();
        found.1.replace("%3A", ":").replace("%2F", "/")
    };
    let redirect = parameter("redirect_uri");
    let rest = redirect.strip_prefix("http://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap();
    let state = parameter("state");
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(
        stream,
        "GET /{path}?code=FAKE-code&state={state} HTTP/1.1\r\nHost: {authority}\r\n\
         Connection: close\r\n\r\n"
    )
    .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
}
