//! The form in which a key is typed on a desktop, through the binary: what it
//! shows, whom it listens to, and when it comes up.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use support::TestEnvironment;
use support::browser::{Desktop as _, Page, Visit, address, encoded, opened, opened_so_far};
use support::running::Running;

const LOGIN: [&str; 4] = ["login", "openai", "--browser", "--no-open"];

/// A form as a person sees it.
struct Form {
    address: String,
}

impl Form {
    /// The one that this login shows.
    #[track_caller]
    fn of(login: &mut Running<'_>) -> Self {
        let address = login.wait_for("address", |said| address(said, "http://127.0.0.1:"));
        Self { address }
    }

    fn authority(&self) -> &str {
        let rest = self.address.strip_prefix("http://").unwrap();
        rest.split('/').next().unwrap()
    }

    /// Opens it.
    #[track_caller]
    fn open(&self) -> Page {
        let page = Visit::to(&self.address).go();
        assert_eq!(page.status, 200, "{page:?}");
        page
    }

    /// What its page sends for this key.
    fn filled(&self, key: &str) -> String {
        body(&token_in(&self.open()), key)
    }

    /// Nobody listens there, or the form of another login does by now.
    #[track_caller]
    fn must_be_gone(&self) {
        let page = Visit::to(&self.address).go();
        assert!(matches!(page.status, 0 | 404), "{page:?}");
    }

    /// A person types a key.
    fn submit(&self, key: &str) -> Page {
        Visit::to(&self.address).posting(self.filled(key)).go()
    }
}

fn body(token: &str, key: &str) -> String {
    format!("_token={token}&api_key={}", encoded(key))
}

#[track_caller]
fn token_in(page: &Page) -> String {
    let after = page.text.split("name=\"_token\" value=\"").nth(1).unwrap();
    after.split('"').next().unwrap().to_owned()
}

/// The field for the key, as it stands in the page.
#[track_caller]
fn input_in(page: &Page) -> &str {
    let at = page.text.find("name=\"api_key\"").unwrap();
    let begin = page.text[..at].rfind('<').unwrap();
    let end = page.text[at..].find('>').unwrap();
    &page.text[begin..=at + end]
}

#[track_caller]
fn must_be_empty_and_masked(page: &Page) {
    let input = input_in(page);
    assert!(input.starts_with("<input"), "{input}");
    assert!(input.contains("type=\"password\""), "{input}");
    assert!(!input.contains("value="), "{input}");
}

#[test]
fn a_key_typed_into_the_form_is_stored() {
    let environment = TestEnvironment::new();
    let key = environment.key("form");
    let mut login = environment.vault(LOGIN).begin();
    let form = Form::of(&mut login);
    let page = form.open();
    must_be_empty_and_masked(&page);
    assert!(page.text.contains("openai/default"), "{page:?}");
    let last = form.submit(&key);
    assert_eq!(last.status, 200, "{last:?}");
    assert!(last.text.contains("close this window"), "{last:?}");
    for page in [page, last] {
        assert!(!page.text.contains(&key), "{page:?}");
    }
    login
        .end()
        .ok()
        .says("Successfully logged in to openai (default).");
    assert_eq!(environment.stored("default"), key);
    form.must_be_gone();
}

#[test]
fn white_space_around_a_pasted_key_is_no_part_of_it() {
    let environment = TestEnvironment::new();
    let key = environment.key("form");
    let mut login = environment.vault(LOGIN).begin();
    let form = Form::of(&mut login);
    assert_eq!(form.submit(&format!(" {key}\n")).status, 200);
    login.end().ok();
    assert_eq!(environment.stored("default"), key);
}

#[test]
fn every_form_has_an_address_that_nobody_guesses() {
    let environment = TestEnvironment::new();
    let secret_of = |form: &Form| {
        let path = form.address.rsplit_once("/").unwrap().0;
        path.rsplit('/').next().unwrap().to_owned()
    };
    let mut one = environment.vault(LOGIN).begin();
    let mut other = environment.vault(LOGIN).begin();
    let (first, second) = (Form::of(&mut one), Form::of(&mut other));
    assert_ne!(secret_of(&first), secret_of(&second));
    for form in [first, second] {
        let secret = secret_of(&form);
        let is_hex = secret.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(secret.len() >= 32 && is_hex, "{}", form.address);
        let root = format!("http://{}/", form.authority());
        assert_eq!(Visit::to(&root).go().status, 404);
        let guess = form.address.replace(&secret, &"0".repeat(secret.len()));
        assert_eq!(Visit::to(&guess).go().status, 404);
    }
}

#[test]
fn what_is_not_sent_by_the_form_itself_changes_nothing() {
    let environment = TestEnvironment::new().with_identity_vault();
    let before = std::fs::read(environment.vault_file()).unwrap();
    let evil = environment.key("evil");
    let right = environment.key("right");
    let mut login = environment.vault(LOGIN).begin();
    let form = Form::of(&mut login);
    let port = form.authority().rsplit_once(':').unwrap().1;
    let localhost = format!("localhost:{port}");
    let tls = format!("https://{}", form.authority());
    let named = format!("http://{localhost}");
    // Each but for its one flaw is what the form sends, its token included.
    for (status, header, value) in [
        (403, "Origin", Some("https://evil.example")),
        (403, "Origin", Some("null")),
        (403, "Origin", Some(&*tls)),
        (403, "Origin", Some(&*named)),
        (403, "Origin", None),
        (403, "Sec-Fetch-Site", Some("cross-site")),
        (403, "Sec-Fetch-Site", Some("same-site")),
        (421, "Host", Some("evil.example")),
        (421, "Host", Some(&*localhost)),
        (421, "Host", Some("127.0.0.1")),
        (400, "Host", None),
        (415, "Content-Type", Some("text/plain")),
        (415, "Content-Type", Some("application/json")),
        (411, "Content-Length", None),
        (413, "Content-Length", Some("99999999")),
    ] {
        let good = Visit::to(&form.address).posting(form.filled(&evil));
        let page = match value {
            Some(value) => good.with(header, value).go(),
            None => good.without(header).go(),
        };
        assert_eq!(page.status, status, "{header} {value:?}: {page:?}");
        assert!(!page.text.contains(&evil), "{header} {value:?}: {page:?}");
    }
    let put = Visit::to(&form.address).posting(form.filled(&evil));
    assert_eq!(put.by("PUT").go().status, 405);
    for body in [
        body(&"0".repeat(32), &evil),
        body("", &evil),
        format!("api_key={evil}"),
    ] {
        let page = Visit::to(&form.address).posting(body).go();
        assert_eq!(page.status, 403, "{page:?}");
        assert!(!page.text.contains(&evil), "{page:?}");
    }
    assert!(login.is_going_on());
    assert_eq!(std::fs::read(environment.vault_file()).unwrap(), before);
    assert_eq!(form.submit(&right).status, 200);
    login.end().ok();
    assert_eq!(environment.stored("default"), right);
}

#[test]
fn a_form_is_good_for_one_answer() {
    let environment = TestEnvironment::new();
    let key = environment.key("form");
    let mut login = environment.vault(LOGIN).begin();
    let form = Form::of(&mut login);
    let filled = form.filled("sk-ant-FAKE");
    let send = || Visit::to(&form.address).posting(filled.clone()).go();
    assert_eq!(send().status, 422);
    let again = send();
    assert_eq!(again.status, 403, "{again:?}");
    assert!(again.text.contains("fill it in again"), "{again:?}");
    // What is shown with the refusal is a form that works.
    let filled = body(&token_in(&again), &key);
    let page = Visit::to(&form.address).posting(filled).go();
    assert_eq!(page.status, 200, "{page:?}");
    login.end().ok();
}

#[test]
fn a_key_of_the_wrong_shape_is_told_and_not_shown() {
    let environment = TestEnvironment::new();
    let key = environment.key("form");
    let mut login = environment.vault(LOGIN).begin();
    let form = Form::of(&mut login);
    let wrong = environment.secret("a wrong key", "FAKE-<wrong>-key-of-nobody");
    let foreign = environment.secret("a foreign key", "sk-ant-api03-FAKEFAKEFAKEFAKE");
    for (key, message) in [(&*wrong, "sk-"), (&foreign, "Anthropic"), ("", "missing")] {
        let page = form.submit(key);
        assert_eq!(page.status, 422, "{page:?}");
        let alert = page.text.split("role=\"alert\">").nth(1).unwrap();
        let alert = alert.split("</p>").next().unwrap();
        assert!(alert.contains(message), "not {message}: {alert}");
        must_be_empty_and_masked(&page);
        for part in ["FAKE-", "key-of-nobody", "FAKEFAKE"] {
            assert!(key.is_empty() || !page.text.contains(part), "{page:?}");
        }
    }
    assert!(login.is_going_on());
    assert!(!environment.vault_file().exists());
    assert_eq!(form.submit(&key).status, 200);
    login.end().ok();
    assert_eq!(environment.stored("default"), key);
}

#[test]
fn piped_input_is_not_read_where_the_form_was_asked_for() {
    let environment = TestEnvironment::new();
    let (piped, typed) = (environment.key("piped"), environment.key("typed"));
    let mut login = environment.vault(LOGIN).begin_at_pipe();
    login.types(&piped);
    let form = Form::of(&mut login);
    assert_eq!(form.submit(&typed).status, 200);
    login.end().ok();
    assert_eq!(environment.stored("default"), typed);
}

#[test]
fn on_a_desktop_the_form_is_the_usual_way_and_is_opened() {
    let environment = TestEnvironment::new().with_identity_vault();
    let key = environment.key("form");
    let run = environment.vault(["login", "openai"]);
    let mut terminal = run.on_desktop(&environment).at_terminal();
    let address = terminal.wait_until("address", |said| address(said, "http://127.0.0.1:"));
    let given = opened(&environment);
    assert_eq!(given.lines().next(), Some(&*address));
    let form = Form { address };
    assert_eq!(form.submit(&key).status, 200);
    let ended = terminal.end();
    assert_eq!((ended.code, &*ended.stdout), (0, ""), "{}", ended.shown);
    assert_eq!(environment.stored("default"), key);
}

#[test]
fn where_the_person_is_elsewhere_a_prompt_is_the_usual_way() {
    for (name, value) in [
        ("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22"),
        // A Mac always has a screen.
        #[cfg(not(target_os = "macos"))]
        ("DISPLAY", ""),
    ] {
        let environment = TestEnvironment::new().with_identity_vault();
        let key = environment.key("prompt");
        let run = environment.vault(["login", "openai"]);
        let run = run.on_desktop(&environment).env(name, value);
        let mut terminal = run.at_terminal();
        terminal.wait_for("OpenAI API key: ");
        terminal.types(&format!("{key}\n"));
        let ended = terminal.end();
        assert_eq!(ended.code, 0, "{}", ended.shown);
        assert_eq!(opened_so_far(&environment), None, "{name}");
    }
}

#[test]
fn on_a_desktop_nothing_comes_up_where_nobody_is_to_be_asked() {
    for (flag, variable) in [("--no-input", ""), ("--quiet", "1")] {
        let environment = TestEnvironment::new();
        let run = environment.vault(["login", "openai", flag]);
        let run = run.on_desktop(&environment).env("VAULT_NO_INPUT", variable);
        let ended = run.at_terminal().end();
        assert_eq!(ended.code, 5, "{}", ended.shown);
        assert_eq!(opened_so_far(&environment), None);
        assert!(!environment.vault_file().exists());
    }
}

#[test]
fn on_a_desktop_what_is_piped_in_is_taken_and_nothing_comes_up() {
    let environment = TestEnvironment::new();
    let key = environment.key("piped");
    let run = environment.vault(["login", "openai"]).stdin(&key);
    run.on_desktop(&environment).ok();
    assert_eq!(opened_so_far(&environment), None);
    assert_eq!(environment.stored("default"), key);
}

#[test]
fn a_form_that_is_interrupted_leaves_nothing() {
    let environment = TestEnvironment::new();
    let mut login = environment.vault(LOGIN).begin();
    let form = Form::of(&mut login);
    form.open();
    login.signals(rustix::process::Signal::INT);
    let ended = login.end();
    assert_eq!(ended.code, 130, "{ended}");
    assert!(!environment.vault_file().exists());
    assert!(!environment.identity_file().exists());
    form.must_be_gone();
}

#[test]
fn what_is_there_already_is_not_asked_for_again() {
    let environment = TestEnvironment::new().with_identity_vault();
    environment.log_in("default");
    let ended = environment.vault(LOGIN).begin().end().fails(6);
    assert!(!ended.stderr.contains("http://"), "{ended}");
}
