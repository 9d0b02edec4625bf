//! A network and mounts of a test's own: the test runs itself once more, in
//! namespaces in which only the stand-in answers, whatever name is looked up.
//! In it: a vault, the stand-in, and clients through `run`.

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;

use super::seen::Seen;
use super::server::{Answer, Certifier, Server};
use super::support::{Finished, TestEnvironment, make_folder, skip};

/// Where the stand-in is: an address that nobody has (RFC 5737).
const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// Where a server is that a test brings itself.
pub const OTHER: &str = "203.0.113.2";
/// The names that lead to it.
const NAMES: [&str; 10] = [
    "api.openai.com",
    "api.anthropic.com",
    "api.github.com",
    "github.com",
    "bucket.s3.eu-central-1.amazonaws.com",
    "bucket.s3.amazonaws.com",
    "sts.eu-central-1.amazonaws.com",
    "sqs.eu-central-1.amazonaws.com",
    PACKAGES,
    "grpc.stand-in.test",
];
/// A host that no connection is for.
pub const PACKAGES: &str = "packages.stand-in.test";
/// Interpreters start slowly where much else goes on.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Set where the test already has its own network.
const INSIDE: &str = "VAULT_TEST_INSIDE";

/// What lets in, or stands for what does: none of it may arrive anywhere.
const TOLD: [&str; 7] = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GITHUB_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "GRPC_STAND_IN_KEY",
    "HTTPS_PROXY",
    "https_proxy",
];

/// Runs a test in a world of its own, if the clients that it needs are here.
///
/// `play` must be a closure of the test itself: it is found again by its name.
pub fn play<F: FnOnce()>(needed: &[(&str, bool)], play: F) {
    for (name, is_here) in needed {
        if !is_here {
            return skip(name, "it is not here");
        }
    }
    if std::env::var_os(INSIDE).is_some() {
        return play();
    }
    let Some(options) = allowed() else {
        return skip("namespaces", "no network of its own can be had here");
    };
    let name = std::any::type_name::<F>();
    let name = name.trim_end_matches("::{{closure}}");
    let (_, name) = name.split_once("::").unwrap();
    let hosts = tempfile::NamedTempFile::new().unwrap();
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for name in NAMES {
        let is_other = name.starts_with("grpc.");
        let address = if is_other {
            OTHER.to_owned()
        } else {
            ADDRESS.to_string()
        };
        text.push_str(&format!("{address} {name}\n"));
    }
    fs::write(hosts.path(), text).unwrap();
    let script = format!(
        "ip link set lo up && ip addr add {ADDRESS}/32 dev lo && ip addr add {OTHER}/32 dev lo \
         && mount --bind \"$1\" /etc/hosts && shift && exec \"$@\""
    );
    let status = Command::new("unshare")
        .args(options)
        .args(["sh", "-c", &script, "sh"])
        .arg(hosts.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let printed = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success(), "it failed inside:\n{printed}");
    assert!(printed.contains("1 passed"), "no test {name}:\n{printed}");
}

/// With which options the system allows a network of one's own.
fn allowed() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["-mn"], &["-rmn"]];
    ways.into_iter().find(|options| {
        let may = Command::new("unshare")
            .args(*options)
            .args(["sh", "-c", "ip link set lo up && mount -t tmpfs tmpfs /mnt"])
            .stderr(Stdio::null())
            .status();
        may.is_ok_and(|status| status.success())
    })
}

/// Whether a program is here and runs.
pub fn runs(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> bool {
    let ran = Command::new(program).args(arguments).output();
    ran.is_ok_and(|ran| ran.status.success())
}

/// A script of this folder.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients/scripts")
        .join(name)
}

/// A vault, the stand-in and what clients need.
pub struct World {
    pub environment: TestEnvironment,
    pub server: Server,
    pub certifier: Arc<Certifier>,
    /// Where programs that run beside `vault` find what they trust.
    pub roots: PathBuf,
}

impl World {
    /// With an empty vault.
    pub fn new(answers: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let certifier = Arc::new(Certifier::new());
        let server = Server::start(ADDRESS, Arc::clone(&certifier), answers);
        let mut environment = TestEnvironment::new().with_identity_vault();
        let roots = environment.given("stand-in.pem", &certifier.pem);
        let home = environment.path("user");
        make_folder(&home);
        environment.set("HOME", home);
        environment.set("SSL_CERT_FILE", roots.clone());
        environment.set("LANG", "C.UTF-8");
        // Scripts are not to leave compiled copies of themselves.
        environment.set("PYTHONDONTWRITEBYTECODE", "1");
        for name in ["NODE_PATH", "PYENV_ROOT", "PYENV_VERSION"] {
            if let Some(value) = std::env::var_os(name) {
                environment.set(name, value);
            }
        }
        Self {
            environment,
            server,
            certifier,
            roots,
        }
    }

    /// Stores what `login` takes on standard input.
    pub fn log_in(&self, connection: &str, value: &str) {
        self.environment
            .vault(["login", connection, "--stdin"])
            .stdin(value)
            .ok();
    }

    /// A key of a provider, stored.
    pub fn with_key(&self, provider: &str, key: &str) -> String {
        let key = self.environment.secret("a key", key);
        self.log_in(provider, &key);
        key
    }

    /// Runs a client by `vault run OPTIONS`; it must succeed.
    pub fn run<A: Into<OsString>>(
        &self,
        options: &[&str],
        command: impl IntoIterator<Item = A>,
    ) -> Finished {
        let finished = self.try_run(options, command);
        assert_eq!(finished.code, Some(0), "{finished}\n{}", self.told());
        finished
    }

    /// The same; it may fail.
    pub fn try_run<A: Into<OsString>>(
        &self,
        options: &[&str],
        command: impl IntoIterator<Item = A>,
    ) -> Finished {
        let command = command.into_iter().map(Into::into);
        let write = r#"env >> ../told; exec "$@""#;
        self.environment
            .vault(["run", "--verbose"])
            .args(options)
            .args(["--", "sh", "-c", write, "sh"])
            .args(command.collect::<Vec<OsString>>())
            .within(PATIENCE)
            .finish()
    }

    /// What has arrived so far: the gateway's token and the placeholders are
    /// in none of it.
    #[track_caller]
    pub fn arrived(&self) -> Vec<Seen> {
        let seen = self.server.seen();
        let ours = self.ours();
        assert!(!ours.is_empty() && !seen.is_empty(), "{}", self.told());
        for request in &seen {
            for text in &ours {
                assert_eq!(request.count(text), 0, "{text} in {request}");
            }
            for (name, _) in &request.headers {
                let is_ours = name.starts_with("x-vault-") || name.starts_with("proxy-");
                assert!(!is_ours, "{request}");
            }
        }
        seen
    }

    /// The requests to a host.
    #[track_caller]
    pub fn arrived_at(&self, host: &str) -> Vec<Seen> {
        let mut seen = self.arrived();
        seen.retain(|request| request.host == host);
        assert!(!seen.is_empty(), "{}", self.told());
        seen
    }

    /// What children were given that must not go further.
    pub fn ours(&self) -> Vec<String> {
        let told = fs::read_to_string(self.environment.path("told")).unwrap_or_default();
        let values = told.lines().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let is_ours = TOLD.contains(&name) && !value.is_empty();
            is_ours.then(|| match value.strip_prefix("http://vault:") {
                Some(rest) => rest.split('@').next().unwrap().to_owned(),
                None => value.to_owned(),
            })
        });
        let plain: Vec<_> = values.collect();
        let encoded = |text: &String| base64::engine::general_purpose::STANDARD.encode(text);
        let encoded: Vec<_> = plain.iter().map(encoded).collect();
        plain.into_iter().chain(encoded).collect()
    }

    /// What has arrived, to be read where something is wrong.
    pub fn told(&self) -> String {
        let seen = self.server.seen();
        let lines = seen.iter().map(|request| format!("arrived: {request}\n"));
        lines.collect()
    }
}
