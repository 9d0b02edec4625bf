//! Where a key comes from: every source in its order, what falls through and
//! what ends the search.

#![allow(clippy::unwrap_used)] // also in helpers

mod support;

use std::fs;
use std::path::PathBuf;

use predicates::prelude::*;
use predicates::str::contains;

use support::{Run, TestEnvironment, chmod};

/// A recipient and identities of plugins that do not exist.
const FAKE_RECIPIENT: &str = "age1fake1geq5k3fqwfjkx6tsd9jkuaqhwfyr6";
const FAKE_IDENTITY: &str = "AGE-PLUGIN-FAKE-1GEQ5K3FQD9JX2MN5D968JXUN0WL";
const GONE_IDENTITY: &str = "AGE-PLUGIN-GONE-1GEQ5K3FQD9JX2MN5D968JNUAM8N";

fn test_key(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/ssh");
    fs::read(folder.join(name)).unwrap()
}

/// A vault with both slots; the identity moved out of its usual place.
struct Scene {
    environment: TestEnvironment,
    passphrase: String,
    identity: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let (environment, passphrase) = TestEnvironment::new().with_both_slots();
        let text = fs::read_to_string(environment.identity_file()).unwrap();
        fs::remove_file(environment.identity_file()).unwrap();
        let identity = environment.given("right", &text);
        environment.secret_identity(&text);
        Self {
            environment,
            passphrase,
            identity,
        }
    }

    fn list(&self) -> Run<'_> {
        self.environment.vault(["list", "--connected", "--verbose"])
    }

    fn stranger(&self) -> PathBuf {
        let (text, _) = vault::seal::IdentityFile::generate("2026-01-01T00:00:00Z");
        self.environment.given("stranger", text.reveal())
    }

    fn credentials(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let folder = self.environment.path("given/credentials");
        support::make_folder(&folder);
        fs::write(folder.join(name), content).unwrap();
        chmod(&folder.join(name), 0o400);
        folder
    }

    fn put_identity_in_place(&self) {
        fs::copy(&self.identity, self.environment.identity_file()).unwrap();
    }
}

fn opened_with(source: &str) -> impl Predicate<str> + use<> {
    contains(format!("Opened with {source}."))
}

#[test]
fn the_sources_win_in_their_order() {
    let scene = Scene::new();
    let words = scene.environment.given("words", &scene.passphrase);
    let folder = scene.credentials("vault.passphrase", &scene.passphrase);
    scene
        .environment
        .vault(["unlock"])
        .env("VAULT_PASSPHRASE", &scene.passphrase)
        .ok();
    scene.put_identity_in_place();
    // Everything at once: the first one wins, and each time it is taken away.
    let flags = || scene.list().arg("--identity").arg(&scene.identity);
    let with_all = |run: Run<'_>| {
        run.env("VAULT_PASSPHRASE_FILE", &words)
            .env("CREDENTIALS_DIRECTORY", &folder)
            .ok()
            .says(opened_with(&scene.identity.display().to_string()));
    };
    with_all(flags());
    scene
        .list()
        .env("VAULT_PASSPHRASE_FILE", &words)
        .env("CREDENTIALS_DIRECTORY", &folder)
        .ok()
        .says(opened_with(&words.display().to_string()));
    scene
        .list()
        .env("CREDENTIALS_DIRECTORY", &folder)
        .ok()
        .says(opened_with(
            &folder.join("vault.passphrase").display().to_string(),
        ));
    scene.list().ok().says(opened_with("the session"));
    scene.environment.vault(["lock"]).ok();
    let own = scene.environment.identity_file();
    scene
        .list()
        .ok()
        .says(opened_with(&own.display().to_string()));
    fs::remove_file(own).unwrap();
    let mut terminal = scene.list().at_terminal();
    terminal
        .wait_for("Passphrase of the vault: ")
        .types(&format!("{}\n", scene.passphrase));
    assert!(terminal.end().shown.contains("Opened with the prompt."));
    scene.list().fails(4);
}

#[test]
fn every_form_of_a_source_opens_the_vault() {
    let scene = Scene::new();
    let words = scene
        .environment
        .given("words", format!("{}\n", scene.passphrase));
    let text = fs::read_to_string(&scene.identity).unwrap();
    let several = format!(
        "{}\n{}",
        vault::seal::IdentityFile::generate("x").0.reveal(),
        text
    );
    let words_path = words.to_str().unwrap();
    let cat = format!("cat '{words_path}'");
    for (variable, value) in [
        ("VAULT_IDENTITY", scene.identity.to_str().unwrap()),
        ("VAULT_IDENTITY", &text),
        ("VAULT_IDENTITY", &several),
        ("VAULT_PASSPHRASE", &scene.passphrase),
        ("VAULT_PASSPHRASE_FILE", words_path),
        ("VAULT_PASSPHRASE_COMMAND", &cat),
        (
            "CREDENTIALS_DIRECTORY",
            scene.credentials("vault.identity", &text).to_str().unwrap(),
        ),
    ] {
        scene.list().env(variable, value).ok();
    }
    let vault = assert_cmd::cargo::cargo_bin!("vault");
    for script in [
        "exec \"$0\" list --passphrase-fd 3 3< \"$1\"",
        "VAULT_PASSPHRASE_FD=3 exec \"$0\" list 3< \"$1\"",
        "cat \"$1\" | \"$0\" list --passphrase-fd 0",
    ] {
        scene
            .environment
            .run("sh", ["-c", script])
            .arg(vault)
            .arg(&words)
            .ok();
    }
    scene
        .list()
        .arg("--passphrase-file")
        .arg(&words)
        .ok()
        .says(opened_with(words_path));
    // An empty variable counts as unset.
    scene
        .list()
        .env("VAULT_PASSPHRASE", "")
        .env("VAULT_IDENTITY", &scene.identity)
        .ok();
}

#[test]
fn several_identities_are_tried_in_turn() {
    let scene = Scene::new();
    let stranger = scene.stranger();
    scene
        .list()
        .arg("--identity")
        .arg(&stranger)
        .arg("--identity")
        .arg(&scene.identity)
        .ok()
        .says(contains("stranger is skipped: it is not among"));
    scene
        .list()
        .arg("--identity")
        .arg(&stranger)
        .fails(4)
        .says(contains("stranger is skipped"));
}

#[test]
fn a_source_without_a_slot_is_skipped_with_a_notice() {
    let environment = TestEnvironment::new().with_identity_vault();
    environment
        .vault(["list", "--connected"])
        .env("VAULT_PASSPHRASE", environment.passphrase("of nothing"))
        .ok()
        .says(contains(
            "VAULT_PASSPHRASE is skipped: the vault has no passphrase slot.",
        ));
    let environment = TestEnvironment::new().with_passphrase_vault();
    let (text, _) = vault::seal::IdentityFile::generate("x");
    let identity = environment.given("identity", text.reveal());
    environment
        .vault(["list", "--connected", "--identity"])
        .arg(&identity)
        .ok()
        .says(contains("the vault has no slot for identities"));
    // The machine's own identity is not worth a word to a vault without one.
    environment
        .vault(["list", "--connected", "--quiet", "--identity"])
        .arg(&identity)
        .ok()
        .says(predicates::str::is_empty());
}

#[test]
fn a_wrong_passphrase_never_falls_through() {
    let scene = Scene::new();
    scene.put_identity_in_place();
    scene.environment.vault(["unlock"]).ok();
    let wrong = scene.environment.passphrase("that is wrong");
    let file = scene.environment.given("wrong", &wrong);
    scene
        .list()
        .env("VAULT_PASSPHRASE", &wrong)
        .fails(4)
        .says(contains("The passphrase from VAULT_PASSPHRASE is wrong"));
    scene
        .list()
        .arg("--passphrase-file")
        .arg(&file)
        .env("VAULT_PASSPHRASE", &scene.passphrase)
        .fails(4);
    scene
        .list()
        .env(
            "CREDENTIALS_DIRECTORY",
            scene.credentials("vault.passphrase", &wrong),
        )
        .fails(4);
    let refused = scene
        .list()
        .arg("--json")
        .env("VAULT_PASSPHRASE", &wrong)
        .finish();
    let error: serde_json::Value = serde_json::from_str(&refused.stderr).unwrap();
    assert_eq!(error["error"]["code"], "locked");
    assert!(refused.stdout.is_empty());
}

#[test]
fn two_passphrases_of_one_rank_are_a_usage_error() {
    let scene = Scene::new();
    let words = scene.environment.given("words", &scene.passphrase);
    scene
        .list()
        .env("VAULT_PASSPHRASE", &scene.passphrase)
        .env("VAULT_PASSPHRASE_FILE", &words)
        .fails(2)
        .says(contains("VAULT_PASSPHRASE").and(contains("words")));
    scene
        .list()
        .env("VAULT_PASSPHRASE_COMMAND", "echo FAKE")
        .env("VAULT_PASSPHRASE_FD", "7")
        .fails(2);
    scene
        .list()
        .arg("--passphrase-file")
        .arg(&words)
        .args(["--passphrase-fd", "7"])
        .fails(2);
    // Of two ranks they are none.
    scene
        .list()
        .arg("--passphrase-file")
        .arg(&words)
        .env("VAULT_PASSPHRASE", "FAKE and wrong")
        .ok();
    scene.list().env("VAULT_PASSPHRASE_FD", "x").fails(2);
}

#[test]
fn without_a_source_and_a_terminal_every_source_is_named_at_once() {
    let scene = Scene::new();
    let began = std::time::Instant::now();
    let mut refused = scene.list().fails(4);
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
    for source in [
        "--identity",
        "--passphrase-file",
        "--passphrase-fd",
        "VAULT_IDENTITY",
        "VAULT_PASSPHRASE,",
        "VAULT_PASSPHRASE_FILE",
        "VAULT_PASSPHRASE_FD",
        "VAULT_PASSPHRASE_COMMAND",
        "CREDENTIALS_DIRECTORY",
        "vault unlock",
        "identity.txt",
        "terminal",
    ] {
        refused = refused.says(contains(source));
    }
}

#[test]
fn a_source_that_cannot_be_read_ends_the_search() {
    let scene = Scene::new();
    scene.put_identity_in_place();
    let nowhere = scene.environment.path("nowhere");
    let empty = scene.environment.given("empty", "\n");
    for (variable, value, said) in [
        (
            "VAULT_PASSPHRASE_FILE",
            nowhere.to_str().unwrap(),
            "nowhere",
        ),
        ("VAULT_PASSPHRASE_FILE", empty.to_str().unwrap(), "empty"),
        ("VAULT_IDENTITY", nowhere.to_str().unwrap(), "nowhere"),
        ("VAULT_IDENTITY", empty.to_str().unwrap(), "no identity"),
        ("VAULT_PASSPHRASE_COMMAND", "exit 3", "exit status: 3"),
        ("VAULT_PASSPHRASE_FD", "987", "descriptor 987"),
    ] {
        scene
            .list()
            .env(variable, value)
            .fails(4)
            .says(contains(said));
    }
}

#[test]
fn key_text_that_is_none_is_not_repeated() {
    let scene = Scene::new();
    let text = scene
        .environment
        .secret("a broken key", "AGE-SECRET-KEY-1FAKECANARYOFABROKENKEY");
    scene.list().env("VAULT_IDENTITY", text).fails(4);
}

#[test]
fn ssh_keys_open_a_vault() {
    for name in ["ed25519", "rsa", "rsa-pem"] {
        let environment = TestEnvironment::new();
        let key = environment.given(name, test_key(name));
        environment.vault(["init", "--identity"]).arg(&key).ok();
        assert!(!environment.identity_file().exists());
        environment.vault(["list"]).fails(4);
        environment.vault(["list"]).env("VAULT_IDENTITY", &key).ok();
        environment
            .vault(["list"])
            .env("VAULT_IDENTITY", String::from_utf8(test_key(name)).unwrap())
            .ok();
        environment
            .vault(["recipients", "--identity"])
            .arg(&key)
            .ok()
            .prints(contains("ssh-"));
    }
    let environment = TestEnvironment::new();
    let public = String::from_utf8(test_key("ed25519.pub")).unwrap();
    environment
        .vault(["init", "--recipient", public.trim()])
        .ok();
    let key = environment.given("ed25519", test_key("ed25519"));
    environment.vault(["list", "--identity"]).arg(&key).ok();
    let ecdsa = environment.given("ecdsa", test_key("ecdsa"));
    environment
        .vault(["list", "--identity"])
        .arg(ecdsa)
        .fails(4)
        .says(contains("Ed25519 and RSA"));
}

#[test]
fn an_ssh_key_under_a_passphrase_asks_for_it() {
    let environment = TestEnvironment::new();
    let words = environment.secret("a passphrase", "FAKE words of a test key");
    let key = environment.given("locked", test_key("ed25519-locked"));
    environment.vault(["init", "--identity"]).arg(&key).ok();
    let list = || environment.vault(["list", "--identity"]).arg(&key);
    list().env("VAULT_PASSPHRASE", "").fails(4);
    let file = environment.given("words", &words);
    list().arg("--passphrase-file").arg(&file).ok();
    let wrong = environment.given("wrong", "FAKE wrong words");
    list()
        .arg("--passphrase-file")
        .arg(&wrong)
        .fails(4)
        .says(contains("does not open the identity"));
    let mut terminal = list().at_terminal();
    terminal
        .wait_for("Passphrase of the identity ")
        .wait_for("locked: ")
        .types(&format!("{words}\n"));
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{}", ended.shown);
}

#[test]
fn an_identity_file_under_a_passphrase_opens_a_vault() {
    let environment = TestEnvironment::new();
    let words = environment.passphrase("of the identity");
    // A passphrase slot is an age file under scrypt that holds an identity,
    // as `age -p` makes them.
    let key = vault::seal::VaultKey::generate();
    let secret = vault::secret::Secret::from(words.clone());
    let sealed = vault::seal::seal_to_passphrase(&key, &secret, 2).unwrap();
    let identity = environment.given("identity.age", sealed);
    let file = environment.given("words", &words);
    let with = |run: Run<'_>| -> support::Finished {
        run.arg("--identity")
            .arg(&identity)
            .arg("--passphrase-file")
            .arg(&file)
            .ok()
    };
    with(environment.vault(["init"]));
    with(environment.vault(["recipients"]))
        .prints(contains("age1").and(contains("passphrase").not()));
    environment
        .vault(["list", "--identity"])
        .arg(&identity)
        .fails(4)
        .says(contains("needs a passphrase, and nobody can be asked"));
    let mut terminal = environment
        .vault(["list", "--identity"])
        .arg(&identity)
        .at_terminal();
    terminal
        .wait_for("Passphrase of the identity ")
        .types(&format!("{words}\n"));
    assert_eq!(terminal.end().code, 0);
    let mut terminal = environment
        .vault(["list", "--identity"])
        .arg(&identity)
        .at_terminal();
    terminal
        .wait_for("Passphrase of the identity ")
        .types("wrong\n");
    assert_eq!(terminal.end().code, 4);
}

/// A plugin that asks a person before it fails.
const ASKING: &str = r#"#!/bin/sh
printf '%s\n%s\n' '-> request-secret' 'UElOIG9mIHRoZSBrZXk'
while IFS= read -r line; do
    case "$line" in
        '-> ok'*|'-> fail'*) break ;;
    esac
done
exit 1
"#;

const DYING: &str = "#!/bin/sh\nexit 1\n";

/// A machine with a plugin, and a vault that it or a passphrase opens.
struct PluginScene {
    environment: TestEnvironment,
    plugin: PathBuf,
    identity: PathBuf,
    passphrase: String,
}

impl PluginScene {
    fn new() -> Self {
        let mut environment = TestEnvironment::new();
        let plugin = environment.given("age-plugin-fake", PLUGIN);
        chmod(&plugin, 0o700);
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", plugin.parent().unwrap().display());
        environment.set("PATH", &path);
        let passphrase = environment.passphrase("of the vault");
        environment
            .vault(["init", "--recipient", FAKE_RECIPIENT, "--work-factor", "2"])
            .env("VAULT_PASSPHRASE", &passphrase)
            .ok();
        let identity = environment.given("plugin-identity", FAKE_IDENTITY);
        Self {
            environment,
            plugin,
            identity,
            passphrase,
        }
    }

    fn becomes(&self, script: &str) {
        fs::write(&self.plugin, script).unwrap();
    }

    fn list(&self) -> Run<'_> {
        let run = self.environment.vault(["list", "--connected"]);
        run.arg("--identity").arg(&self.identity)
    }
}

#[test]
fn a_plugin_that_breaks_off_gives_way_to_the_next_source() {
    let scene = PluginScene::new();
    scene.becomes(DYING);
    let told = || contains("age-plugin-fake").and(contains("AGEDEBUG").not());
    scene.list().fails(4).says(told());
    scene
        .list()
        .env("VAULT_PASSPHRASE", &scene.passphrase)
        .ok()
        .says(told());
    scene
        .environment
        .vault(["init", "--file", "other.age", "--recipient", FAKE_RECIPIENT])
        .fails(1)
        .says(contains("ended before it answered").and(contains("AGEDEBUG").not()));
    // Nor does it stand before the next identity of its file.
    let (text, recipient) = vault::seal::IdentityFile::generate("x");
    let own = scene.environment.path("given/own.age");
    scene
        .environment
        .vault(["init", "--recipient", recipient.as_str(), "--file"])
        .arg(&own)
        .ok();
    let both = format!("{FAKE_IDENTITY}\n{}", text.reveal());
    let both = scene.environment.given("both", both);
    scene
        .environment
        .vault(["list", "--file"])
        .arg(&own)
        .arg("--identity")
        .arg(&both)
        .ok();
}

#[test]
fn a_plugin_gets_no_descriptor_with_a_passphrase() {
    let scene = PluginScene::new();
    let words = scene.environment.given("words", &scene.passphrase);
    let script = "exec \"$0\" list --identity \"$1\" --passphrase-fd 7 7< \"$2\"";
    scene
        .environment
        .run("sh", ["-c", script])
        .arg(assert_cmd::cargo::cargo_bin!("vault"))
        .arg(&scene.identity)
        .arg(&words)
        .ok();
    assert!(!scene.environment.path("given/plugin-descriptor").exists());
}

#[test]
fn doctor_lets_no_plugin_ask() {
    let scene = PluginScene::new();
    scene.becomes(ASKING);
    let mut terminal = scene.list().at_terminal();
    terminal.wait_for("PIN of the key: ").types("FAKE\n");
    // Its failing leads to the vault's own passphrase.
    terminal.wait_for("Passphrase of the vault: ").types("\x03");
    assert_eq!(terminal.end().code, 130);
    let doctor = scene.environment.vault(["doctor", "--identity"]);
    let ended = doctor.arg(&scene.identity).at_terminal().end();
    assert!(!ended.shown.contains("PIN of"), "{}", ended.shown);
}

/// A plugin that wraps a key by writing it down: fit for tests alone. It
/// keeps what its environment looks like.
const PLUGIN: &str = r#"#!/bin/sh
env > "${0%/*}/plugin-environment"
test ! -e /proc/$$/fd/7 || touch "${0%/*}/plugin-descriptor"
# One command and its body: lines of 64 characters, then a shorter one.
command() {
    IFS= read -r head || exit 0
    body=
    while IFS= read -r line; do
        body="$body$line"
        test ${#line} -eq 64 || break
    done
}
kept=
while command; do
    case "$head" in
        '-> done') break ;;
        '-> wrap-file-key') kept="$body" ;;
        '-> recipient-stanza 0 fake') kept="$body" ;;
    esac
done
case "$1" in
    --age-plugin=recipient-v1) printf '%s\n%s\n' '-> recipient-stanza 0 fake' "$kept" ;;
    --age-plugin=identity-v1) printf '%s\n%s\n' '-> file-key 0' "$kept" ;;
esac
command
printf '%s\n\n' '-> done'
"#;

#[test]
fn a_plugin_opens_a_vault_and_is_not_made_to_talk() {
    let mut environment = TestEnvironment::new();
    let plugin = environment.given("age-plugin-fake", PLUGIN);
    chmod(&plugin, 0o700);
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", plugin.parent().unwrap().display());
    environment.set("PATH", &path);
    environment
        .vault(["init", "--recipient", FAKE_RECIPIENT])
        .ok();
    let identity = environment.given("plugin-identity", FAKE_IDENTITY);
    environment
        .vault(["list", "--identity"])
        .arg(&identity)
        .ok();
    environment
        .vault(["list", "--identity"])
        .arg(&identity)
        .env("AGEDEBUG", "plugin")
        .ok()
        .says(
            contains("wrap-file-key")
                .not()
                .and(contains("file-key 0").not()),
        );
    let seen = fs::read_to_string(environment.path("given/plugin-environment")).unwrap();
    assert!(!seen.contains("AGEDEBUG"), "{seen}");
    environment
        .vault(["init", "--file", "other.age", "--identity"])
        .arg(&identity)
        .fails(4)
        .says(contains("age-plugin-fake"));
}

#[test]
fn a_plugin_that_dies_is_an_error_that_gives_no_bad_advice() {
    let mut environment = TestEnvironment::new().with_identity_vault();
    let dies = "#!/bin/sh\nwhile read -r line && test \"$line\" != '-> done'; do :; done\nexit 1\n";
    let plugin = environment.given("age-plugin-fake", dies);
    chmod(&plugin, 0o700);
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", plugin.parent().unwrap().display());
    environment.set("PATH", &path);
    let before = fs::read(environment.vault_file()).unwrap();
    environment
        .vault(["rekey", "--add-recipient", FAKE_RECIPIENT])
        .fails(1)
        .says(contains("'age-plugin-fake'").and(contains("AGEDEBUG").not()));
    assert_eq!(fs::read(environment.vault_file()).unwrap(), before);
}

#[test]
fn a_missing_plugin_is_named() {
    let environment = TestEnvironment::new().with_identity_vault();
    fs::remove_file(environment.identity_file()).unwrap();
    let identity = environment.given("gone", GONE_IDENTITY);
    environment
        .vault(["list", "--identity"])
        .arg(&identity)
        .fails(4)
        .says(contains("age-plugin-gone"));
    environment
        .vault(["init", "--file", "other.age", "--recipient", FAKE_RECIPIENT])
        .finish()
        .says(contains("age-plugin-fake"));
}

#[test]
fn a_mounted_credential_may_be_readable_by_others_than_its_user() {
    let scene = Scene::new();
    let text = fs::read_to_string(&scene.identity).unwrap();
    let folder = scene.credentials("vault.identity", &text);
    scene.credentials("vault.passphrase", "FAKE and wrong");
    // The identity comes first and fits: the passphrase is not needed.
    scene
        .list()
        .env("CREDENTIALS_DIRECTORY", &folder)
        .ok()
        .says(opened_with(
            &folder.join("vault.identity").display().to_string(),
        ));
    // A folder without our names is as good as none.
    scene
        .list()
        .env("CREDENTIALS_DIRECTORY", scene.environment.path("work"))
        .fails(4);
}

#[test]
fn names_of_other_vaults_are_not_read() {
    let environment = TestEnvironment::new().with_identity_vault();
    environment
        .vault(["list", "--connected"])
        .env("VAULT_ADDR", "https://vault.example.com:8200")
        .env(
            "VAULT_TOKEN",
            environment.secret("a token", "FAKE.canary.token"),
        )
        .env("VAULT_FORMAT", "json")
        .env("VAULT_NAMESPACE", "x")
        .ok()
        .prints(predicates::str::is_empty());
}
