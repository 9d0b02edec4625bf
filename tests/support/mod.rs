//! The one hermetic harness of the tests through the binary: an environment
//! with nothing in it but `PATH` and what a test sets, a home of its own, and
//! a hunt for the secrets that a test registered, in everything that a run
//! printed and every file that it left behind.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml excepts tests, not their helpers"
)]

pub mod browser;
mod hunt;
pub mod internet;
pub mod mounts;
pub mod running;
pub mod terminal;

use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use predicates::Predicate;
use rustix::process::{Resource, Rlimit};

use hunt::Canary;

/// Longer than any command takes, shorter than anybody's patience.
const PATIENCE: Duration = Duration::from_secs(30);

/// A machine with nothing on it but `vault`.
pub struct TestEnvironment {
    root: tempfile::TempDir,
    variables: Vec<(OsString, OsString)>,
    home: PathBuf,
    identity: PathBuf,
    canaries: RefCell<Vec<Canary>>,
    caught: RefCell<Vec<String>>,
    is_hunted: Cell<bool>,
}

impl TestEnvironment {
    /// With a `VAULT_HOME` that is not there yet.
    pub fn new() -> Self {
        Self::at("home")
    }

    /// With a `VAULT_HOME` of that name.
    pub fn at(name: &str) -> Self {
        let mut made = Self::bare();
        made.home = made.path(name);
        made.identity = made.home.join("identity.txt");
        made.set("VAULT_HOME", made.home.clone());
        made
    }

    /// Without `VAULT_HOME`: the platform's own folders, all of them here.
    pub fn on_platform_folders() -> Self {
        let mut made = Self::bare();
        for (variable, folder) in [
            ("HOME", "user"),
            ("XDG_CONFIG_HOME", "user/config"),
            ("XDG_DATA_HOME", "user/data"),
            ("XDG_STATE_HOME", "user/state"),
            ("XDG_RUNTIME_DIR", "user/run"),
        ] {
            let path = made.path(folder);
            make_folder(&path);
            made.set(variable, path);
        }
        made.home = made.path("user/data/vault");
        made.identity = made.path("user/config/vault/identity.txt");
        made
    }

    fn bare() -> Self {
        heed_signals();
        let root = tempfile::Builder::new().prefix("v").tempdir().unwrap();
        let made = Self {
            home: root.path().to_owned(),
            identity: root.path().join("identity.txt"),
            variables: Vec::new(),
            canaries: RefCell::default(),
            caught: RefCell::default(),
            is_hunted: Cell::new(true),
            root,
        };
        for folder in ["tmp", "work", "given"] {
            make_folder(&made.path(folder));
        }
        let temporary = made.path("tmp");
        made.with("TMPDIR", temporary)
    }

    /// The same with one more variable for every run.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a variable for every run.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.unset(name);
        self.variables.push((name.into(), value.into()));
    }

    /// Takes a variable away from every run.
    pub fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    /// A place in this environment.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The folder that holds the vault.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The vault file.
    pub fn vault_file(&self) -> PathBuf {
        self.home.join("vault.age")
    }

    /// The machine's own identity.
    pub fn identity_file(&self) -> PathBuf {
        self.identity.clone()
    }

    /// The folder of earlier vault files.
    pub fn backups(&self) -> PathBuf {
        self.home.join("backups")
    }

    /// A private file that the test gives to the program. Such files are the
    /// test's own and may hold what they like.
    pub fn given(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path("given").join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Registers a secret: it must not be seen anywhere from here on.
    pub fn secret(&self, what: &str, text: impl Into<String>) -> String {
        let text = text.into();
        self.canaries
            .borrow_mut()
            .push(Canary::new(what, &text, None));
        text
    }

    /// Registers an identity, which its usual file alone may hold.
    pub fn secret_identity(&self, text: &str) {
        let line = text.lines().find(|line| line.starts_with("AGE-")).unwrap();
        let canary = Canary::new("the identity", line, Some(self.identity.clone()));
        self.canaries.borrow_mut().push(canary);
    }

    /// A fake API key that fits `openai`, registered.
    pub fn key(&self, name: &str) -> String {
        self.secret("an API key", fake_key(name))
    }

    /// A fake passphrase, registered.
    pub fn passphrase(&self, name: &str) -> String {
        self.secret(
            "a passphrase",
            format!("FAKE canary \"passphrase\" \\ {name}"),
        )
    }

    /// Runs `vault`.
    pub fn vault<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run<'_> {
        self.run(assert_cmd::cargo::cargo_bin!("vault"), arguments)
    }

    /// Runs another program in this environment.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Run<'_> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(self.variables.iter().cloned())
            .current_dir(self.path("work"));
        Run {
            environment: self,
            command,
            stdin: Vec::new(),
            patience: PATIENCE,
            asks_for_secrets: false,
        }
    }

    /// Makes a vault that one passphrase opens, and every run is given it.
    pub fn with_passphrase_vault(mut self) -> Self {
        let passphrase = self.passphrase("of the vault");
        self.set("VAULT_PASSPHRASE", passphrase);
        self.vault(["init", "--passphrase", "--work-factor", "2"])
            .ok();
        self
    }

    /// Makes a vault that the machine's own identity opens.
    pub fn with_identity_vault(self) -> Self {
        self.vault(["init"]).ok();
        self
    }

    /// Makes a vault with both slots. The passphrase is given to no run.
    pub fn with_both_slots(self) -> (Self, String) {
        let made = self.with_identity_vault();
        let passphrase = made.passphrase("of the vault");
        made.vault(["rekey", "--passphrase", "--work-factor", "2"])
            .env("VAULT_NEW_PASSPHRASE", &passphrase)
            .ok();
        (made, passphrase)
    }

    /// Stores a key under `openai/NAME` and returns it.
    pub fn log_in(&self, name: &str) -> String {
        let key = self.key(name);
        self.vault(["login", &format!("openai/{name}"), "--stdin"])
            .stdin(&key)
            .ok();
        key
    }

    /// What `get --show-secret` prints of `openai/NAME`.
    pub fn stored(&self, name: &str) -> String {
        self.vault(["get", &format!("openai/{name}"), "--field", "api_key"])
            .arg("--show-secret")
            .asks_for_secrets()
            .ok()
            .stdout
            .trim_end()
            .to_owned()
    }

    /// The vault's own key, where the identity on disk opens it.
    pub fn vault_key(&self) -> vault::seal::VaultKey {
        let text = fs::read_to_string(&self.identity).unwrap();
        hunt::vault_key(&text, &self.vault_file()).unwrap()
    }

    /// Every file under a folder of this environment, in order.
    pub fn files_under(&self, folder: &Path) -> Vec<PathBuf> {
        hunt::files_under(folder)
    }

    /// What the hunt finds now, one line each.
    pub fn hunt(&self) -> Vec<String> {
        let mut caught = self.caught.borrow().clone();
        let mut canaries = self.canaries.borrow().clone();
        canaries.extend(hunt::keys_on_disk(&self.identity, &self.vault_file()));
        for path in hunt::files_under(self.root.path()) {
            if path.starts_with(self.path("given")) {
                continue;
            }
            let Ok(content) = fs::read(&path) else {
                continue;
            };
            let place = format!("the file {}", path.display());
            let here = canaries
                .iter()
                .filter(|canary| canary.is_forbidden_in(&path));
            caught.extend(hunt::search(&content, here, &place));
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            if name.starts_with(b"core") {
                caught.push(format!("a core file was left behind: {}", path.display()));
            }
        }
        caught
    }

    /// Sockets of sessions.
    pub fn sockets(&self) -> Vec<PathBuf> {
        hunt::sockets_under(self.root.path())
    }

    /// Gives the hunt up, for tests of the hunt itself.
    pub fn end_hunt(&self) {
        self.is_hunted.set(false);
    }

    fn look_into(&self, bytes: &[u8], place: &str) {
        let canaries = self.canaries.borrow();
        let found = hunt::search(bytes, canaries.iter(), place);
        self.caught.borrow_mut().extend(found);
    }
}

impl Drop for TestEnvironment {
    fn drop(&mut self) {
        // A session would outlive the test for a few seconds.
        let sockets = hunt::sockets_under(self.root.path());
        if !sockets.is_empty() {
            let _ = self.vault(["lock", "--quiet"]).command.output();
        }
        if self.is_hunted.get() && !std::thread::panicking() {
            let caught = self.hunt();
            assert!(
                caught.is_empty(),
                "secrets got out:\n  {}",
                caught.join("\n  ")
            );
        }
    }
}

/// A key that fits `openai` and can be nobody's.
pub fn fake_key(name: &str) -> String {
    format!("sk-FAKE_CANARY_KEY_{name:_>8}")
}

/// Makes a private folder and those above it.
pub fn make_folder(path: &Path) {
    fs::create_dir_all(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
}

/// The permission bits of a file or folder.
pub fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Changes the permission bits.
pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Whether a tool or a right that not every machine has may be missing:
/// says that the test is skipped, and fails where `VAULT_TEST_REQUIRE`
/// (names, comma between) asks for it.
pub fn skip(name: &str, reason: &str) {
    let required = std::env::var("VAULT_TEST_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|asked| asked.trim() == name),
        "{name} is required: {reason}"
    );
    // Past the test runner, which keeps what is printed to itself.
    let _ = writeln!(std::io::stderr(), "skipped: {name}: {reason}");
}

/// One run of the program, being prepared.
#[must_use]
pub struct Run<'a> {
    environment: &'a TestEnvironment,
    command: Command,
    stdin: Vec<u8>,
    patience: Duration,
    asks_for_secrets: bool,
}

impl<'a> Run<'a> {
    /// One more argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// More arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// A variable for this run.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without this variable.
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// What comes on standard input.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        bytes.as_ref().clone_into(&mut self.stdin);
        self
    }

    /// This run may print secrets on standard output.
    pub fn asks_for_secrets(mut self) -> Self {
        self.asks_for_secrets = true;
        self
    }

    /// It must end within this time.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Does something in the child just before the program begins.
    #[allow(unsafe_code)] // What runs between fork and exec must not allocate or lock.
    pub fn before(
        mut self,
        act: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        // SAFETY: the callers make single system calls.
        unsafe { self.command.pre_exec(act) };
        self
    }

    /// Under a limit of the system.
    pub fn limited(self, resource: Resource, value: u64) -> Self {
        self.before(move || {
            let limit = Rlimit {
                current: Some(value),
                maximum: Some(value),
            };
            Ok(rustix::process::setrlimit(resource, limit)?)
        })
    }

    /// The command itself, for what this harness has no word for; the hunt
    /// looks at its arguments only.
    pub fn command(self) -> Command {
        self.look_at_arguments();
        self.command
    }

    /// Starts it and leaves it running.
    pub fn start(mut self) -> std::process::Child {
        self.look_at_arguments();
        self.command.stdin(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&self.stdin).unwrap();
        child
    }

    fn look_at_arguments(&self) {
        for argument in self.command.get_args() {
            self.environment
                .look_into(argument.as_encoded_bytes(), "an argument");
        }
    }

    /// Runs it at a terminal of its own, standard input being a pipe where
    /// there is something to feed.
    pub fn at_terminal(self) -> terminal::Terminal<'a> {
        self.look_at_arguments();
        terminal::Terminal::start(self.environment, self.command, &self.stdin)
    }

    /// Starts it, with no terminal and nothing to read.
    pub fn begin(self) -> running::Running<'a> {
        self.look_at_arguments();
        let run = self.without_terminal();
        running::Running::alone(run.environment, run.command)
    }

    /// Starts it, with no terminal, at a pipe that stays open.
    pub fn begin_at_pipe(self) -> running::Running<'a> {
        self.look_at_arguments();
        let run = self.without_terminal();
        running::Running::at_pipe(run.environment, run.command)
    }

    /// Away from the terminal of whoever runs the tests.
    fn without_terminal(self) -> Self {
        self.before(|| Ok(rustix::process::setsid().map(drop)?))
    }

    /// Runs it.
    pub fn finish(self) -> Finished {
        self.look_at_arguments();
        let shown = format!("vault {:?}", self.command.get_args().collect::<Vec<_>>());
        let output = assert_cmd::Command::from_std(self.command)
            .write_stdin(self.stdin)
            .timeout(self.patience)
            .output()
            .unwrap();
        self.environment
            .look_into(&output.stderr, &format!("standard error of {shown}"));
        if !self.asks_for_secrets {
            self.environment
                .look_into(&output.stdout, &format!("standard output of {shown}"));
        }
        let finished = Finished {
            shown,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(
            !finished.stderr.contains("on an error of its own"),
            "it panicked: {finished}"
        );
        finished
    }

    /// Runs it; it must succeed.
    pub fn ok(self) -> Finished {
        let finished = self.finish();
        assert!(finished.code == Some(0), "{finished}");
        finished
    }

    /// Runs it; it must fail with this exit code, say what is wrong and what
    /// to do about it, and print no data.
    pub fn fails(self, code: i32) -> Finished {
        let finished = self.finish();
        assert!(finished.code == Some(code), "not exit {code}: {finished}");
        assert!(
            finished.stderr.contains("Error: ") && finished.stderr.contains("\nHint: "),
            "no error with a hint: {finished}"
        );
        assert!(finished.stdout.is_empty(), "data: {finished}");
        finished
    }

    /// Runs it; it must print what it found, and end with this exit code, a
    /// reason and something to do.
    pub fn finds(self, code: i32) -> Finished {
        let finished = self.finish();
        assert!(finished.code == Some(code), "not exit {code}: {finished}");
        assert!(
            finished.stderr.contains("Error: ") && finished.stderr.contains("\nHint: "),
            "no error with a hint: {finished}"
        );
        assert!(!finished.stdout.is_empty(), "no data: {finished}");
        finished
    }
}

/// A run that has ended.
pub struct Finished {
    shown: String,
    /// The exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The data.
    pub stdout: String,
    /// What a person reads.
    pub stderr: String,
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self
            .code
            .map_or_else(|| "a signal".to_owned(), |c| c.to_string());
        write!(
            f,
            "{} ended with {code}\nstdout: {}\nstderr: {}",
            self.shown, self.stdout, self.stderr
        )
    }
}

impl Finished {
    /// What a person reads must fit.
    pub fn says(self, expected: impl Predicate<str>) -> Self {
        assert!(expected.eval(&self.stderr), "not {expected}: {self}");
        self
    }

    /// The data must fit.
    pub fn prints(self, expected: impl Predicate<str>) -> Self {
        assert!(expected.eval(&self.stdout), "not {expected}: {self}");
        self
    }

    /// The data as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

/// Whoever starts the tests may ignore signals, as `nohup` does and a script
/// for what it puts into the background; programs that we start would ignore
/// them too. What has a handler here is as usual there.
fn heed_signals() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
        for signal in [1, 2, 3] {
            if ignored.unwrap_or_default() & (1 << (signal - 1)) != 0 {
                let nothing = std::sync::Arc::default();
                signal_hook::flag::register(signal, nothing).unwrap();
            }
        }
    });
}
