//! Which way a login goes, and calls that go none.

use rustix::process::Resource;
use serde_json::json;

use super::support::browser::{Desktop as _, opened_so_far};
use super::support::internet::Reply;
use super::world::{Asked, World, acme, says, tokens};

fn world() -> World {
    let world = World::new(|seen| match &*seen.path {
        "/device" => says(
            200,
            &json!({
                "device_code": "FAKE-device-code",
                "user_code": "WDJB-MJHT",
                "verification_uri": "https://acme.example/device",
                "interval": 1,
            }),
        ),
        _ => tokens(),
    });
    world.define(&acme(json!({
        "device_authorization_url": "https://login.acme.example/device",
    })));
    world
}

#[test]
#[cfg_attr(
    target_os = "macos",
    ignore = "a Mac always has a screen and an opener"
)]
fn without_a_screen_a_device_code_is_the_usual_way() {
    let world = world();
    world.vault("login acme").begin().end().ok();
    assert_eq!(world.forms_at("/device").len(), 1);
}

#[test]
fn with_a_screen_the_browser_is_the_usual_way() {
    let world = world();
    let run = world.vault("login acme");
    let mut login = run.on_desktop(&world.environment).begin();
    Asked::by(&mut login).agree();
    login.end().ok();
    assert!(world.forms_at("/device").is_empty());
}

#[test]
fn a_screen_does_not_count_for_who_comes_over_ssh() {
    for variable in ["SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"] {
        let world = world();
        let run = world.vault("login acme").env(variable, "192.0.2.1 1 2");
        let login = run.on_desktop(&world.environment).begin();
        login.end().ok();
        assert_eq!(world.forms_at("/device").len(), 1, "{variable}");
        assert_eq!(opened_so_far(&world.environment), None, "{variable}");
    }
}

#[test]
#[cfg_attr(
    target_os = "macos",
    ignore = "a Mac always has a screen and an opener"
)]
fn where_there_are_no_devices_the_address_is_pasted_back() {
    let world = world();
    world.define(&acme(json!({})));
    let mut login = world.vault("login acme").begin_at_pipe();
    let asked = Asked::by(&mut login);
    login.types(&format!("{}\n", asked.agreed()));
    login.end().ok().says("Paste the whole address");
}

#[test]
#[cfg_attr(
    target_os = "macos",
    ignore = "a Mac always has a screen and an opener"
)]
fn where_nothing_opens_pages_the_address_is_shown() {
    let world = world();
    let run = world.vault("login acme").env("DISPLAY", ":77");
    let mut login = run.env("PATH", world.environment.path("given")).begin();
    Asked::by(&mut login).agree();
    let ended = login.end().ok();
    assert!(ended.stderr.contains("Open this address"), "{ended}");
}

/// A call that must be refused before anything is asked.
fn must_refuse(world: &World, arguments: &str, code: i32, reason: &str) {
    let before = world.vault_bytes();
    let run = world.vault(arguments).stdin("FAKE");
    let ended = run.on_desktop(&world.environment).fails(code);
    assert!(ended.stderr.contains(reason), "not {reason:?}: {ended}");
    assert!(!ended.stderr.contains("authorize?"), "{ended}");
    assert!(world.internet.seen().is_empty());
    assert_eq!(opened_so_far(&world.environment), None);
    assert_eq!(world.vault_bytes(), before);
}

#[test]
fn a_key_and_an_oauth_login_are_not_asked_for_together() {
    let world = world();
    for source in [
        "--stdin",
        "--from-env",
        "--from-file /dev/null",
        "--browser",
    ] {
        for way in ["--flow pkce", "--scopes a", "--client-id a"] {
            let call = format!("login github {source} {way}");
            must_refuse(&world, &call, 2, "at the same time");
        }
    }
}

#[test]
fn a_provider_without_oauth_has_no_flow() {
    let world = world();
    let reason = "has no login with OAuth";
    must_refuse(&world, "login openai --flow pkce", 5, reason);
    must_refuse(&world, "login openai --scopes a", 5, reason);
    must_refuse(&world, "login openai --client-id a", 5, reason);
}

#[test]
fn a_provider_without_keys_takes_none() {
    let world = world();
    must_refuse(
        &world,
        "login acme --stdin",
        5,
        "with OAuth, not with a key",
    );
}

#[test]
fn a_flow_that_nobody_knows_is_no_call() {
    let world = world();
    let ended = world.vault("login acme --flow magic").finish();
    assert_eq!(ended.code, Some(2), "{ended}");
    for flow in ["pkce", "device_code", "dcr_pkce", "client_credentials"] {
        assert!(ended.stderr.contains(flow), "{flow}: {ended}");
    }
}

#[test]
fn a_flow_that_a_provider_does_not_have_names_those_that_it_has() {
    let world = world();
    world.define(&acme(json!({})));
    for flow in ["device_code", "dcr_pkce"] {
        let call = format!("login acme --flow {flow}");
        let reason = format!("Acme has no login by {flow}");
        must_refuse(&world, &call, 5, &reason);
        must_refuse(&world, &call, 5, "Hint: It has: pkce");
    }
}

#[test]
fn what_is_there_already_is_refused_before_anything_is_asked() {
    let world = world();
    world.vault("login acme").begin().end().ok();
    world.internet.forget();
    for flow in ["pkce", "device_code"] {
        let call = format!("login acme --flow {flow}");
        must_refuse(&world, &call, 6, "is connected already");
    }
}

#[test]
fn where_nothing_could_be_stored_nobody_is_asked() {
    for world in [world(), World::on_first_day(|_| Reply::new(500, ""))] {
        let before = world.vault_bytes();
        let run = world
            .vault("login acme --flow pkce")
            .on_desktop(&world.environment)
            .limited(Resource::Fsize, 64);
        let ended = run.begin().end().fails(1);
        assert!(!ended.stderr.contains("authorize?"), "{ended}");
        assert!(world.internet.seen().is_empty());
        assert_eq!(opened_so_far(&world.environment), None);
        assert_eq!(world.vault_bytes(), before);
    }
}
