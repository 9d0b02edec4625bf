//! The browser is on another machine, and a person pastes the address that it
//! ended at.

use super::support::browser::{Visit, address};
use super::support::terminal::Terminal;
use super::world::{ACCESS, AUTHORIZE, Asked, CODE, World, tokens};

const LOGIN: &str = "login acme --flow pkce --no-open";

/// Waits until a paste is asked for.
fn asks(terminal: &mut Terminal<'_>) -> Asked {
    let url = terminal.wait_until("address", |said| address(said, AUTHORIZE));
    terminal.wait_for("Paste the whole address");
    Asked::of(url)
}

#[test]
fn an_address_pasted_at_a_terminal_ends_the_login() {
    let world = World::new(|_| tokens());
    let mut terminal = world
        .vault("login acme --flow pkce")
        .env("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
        .at_terminal();
    let asked = asks(&mut terminal);
    terminal.types(&format!("  {}\n", asked.agreed()));
    let ended = terminal.end();
    assert_eq!((ended.code, &*ended.stdout), (0, ""), "{}", ended.shown);
    assert!(ended.shown.contains("Successfully logged in"));
    let form = &world.forms_at("/token")[0];
    assert_eq!(form["code"], CODE);
    assert_eq!(form["redirect_uri"], asked.redirect_uri());
    assert_eq!(world.stored("acme", "access_token"), ACCESS);
}

#[test]
fn an_address_from_a_pipe_ends_the_login() {
    let world = World::new(|_| tokens());
    let mut login = world.vault(LOGIN).begin_at_pipe();
    let asked = Asked::by(&mut login);
    login.types(&format!("{}\r\n", asked.agreed()));
    login.end().ok();
    assert_eq!(world.stored("acme", "access_token"), ACCESS);
}

#[test]
fn a_wrong_paste_is_refused_and_nothing_is_stored() {
    for is_first in [false, true] {
        let world = match is_first {
            true => World::on_first_day(|_| tokens()),
            false => World::new(|_| tokens()),
        };
        let before = world.vault_bytes();
        for (wrong, reason) in [
            ("code", "is not the address"),
            ("no_state", "has no state"),
            ("other_state", "another login"),
            ("no_code", "has no code"),
            ("twice", "something twice"),
        ] {
            let mut login = world.vault(LOGIN).begin_at_pipe();
            let asked = Asked::by(&mut login);
            let state = asked.state();
            let pasted = match wrong {
                "code" => CODE.to_owned(),
                "no_state" => asked.back(&[("code", CODE)]),
                "other_state" => asked.back(&[("code", CODE), ("state", "other")]),
                "no_code" => asked.back(&[("state", state)]),
                _ => asked.back(&[("code", CODE), ("code", CODE), ("state", state)]),
            };
            login.types(&format!("{pasted}\n"));
            login.end().fails(5).says(reason);
        }
        assert!(world.internet.seen().is_empty(), "nothing was traded");
        assert_eq!(world.vault_bytes(), before);
    }
}

#[test]
fn a_wrong_paste_at_a_terminal_is_refused_and_asked_for_again() {
    let world = World::new(|_| tokens());
    let before = world.vault_bytes();
    let mut terminal = world.vault(LOGIN).at_terminal();
    let asked = asks(&mut terminal);
    terminal.types("https://evil.example/?code=FAKE&state=FAKE\n\n");
    terminal.wait_for("That was not it: what was pasted is of another login");
    assert!(world.internet.seen().is_empty());
    assert_eq!(world.vault_bytes(), before);
    terminal.types(&format!("{}\n", asked.agreed()));
    let ended = terminal.end();
    assert_eq!((ended.code, &*ended.stdout), (0, ""), "{}", ended.shown);
    assert_eq!(world.stored("acme", "access_token"), ACCESS);
}

#[test]
fn a_pasted_no_is_a_no() {
    let world = World::new(|_| tokens());
    let mut login = world.vault(LOGIN).begin_at_pipe();
    let asked = Asked::by(&mut login);
    let no = asked.back(&[("error", "access_denied"), ("state", asked.state())]);
    login.types(&format!("{no}\n"));
    login.end().fails(9).says("(access_denied)");
    assert!(world.internet.seen().is_empty());
}

#[test]
fn where_a_paste_is_waited_for_the_browser_may_come_first() {
    let world = World::new(|_| tokens());
    let mut terminal = world.vault(LOGIN).at_terminal();
    let asked = asks(&mut terminal);
    assert_eq!(Visit::to(&asked.agreed()).go().status, 200);
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
}

#[test]
fn a_pipe_that_ends_does_not_end_the_login() {
    let world = World::new(|_| tokens());
    // Its standard input is empty.
    let mut login = world.vault(LOGIN).begin();
    Asked::by(&mut login).agree();
    login.end().ok();
}

#[test]
fn nobody_is_asked_to_paste_where_nobody_is_to_be_asked() {
    let world = World::new(|_| tokens());
    let mut login = world
        .vault("login acme --flow pkce --no-open --no-input")
        .begin_at_pipe();
    let asked = Asked::by(&mut login);
    login.types("not an address\n");
    asked.agree();
    let ended = login.end().ok();
    assert!(!ended.stderr.contains("Paste"), "{ended}");
}

#[test]
fn a_login_that_is_interrupted_leaves_nothing() {
    let world = World::on_first_day(|_| tokens());
    let mut login = world.vault(LOGIN).begin();
    Asked::by(&mut login);
    login.signals(rustix::process::Signal::INT);
    let ended = login.end();
    assert_eq!(ended.code, 130, "{ended}");
    assert_eq!(world.vault_bytes(), None);
    assert!(!world.environment.identity_file().exists());
}
