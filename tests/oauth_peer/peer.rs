//! The authorization server (`server.mjs`) and what can be asked of it. It
//! ends when dropped, and by itself when the test does.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{TestEnvironment, make_folder, skip};

/// The secret of the clients that have one; `server.mjs` knows it too.
pub const CLIENT_SECRET: &str = "fake-client-secret-FAKEFAKEFAKEFAKE";

const PATIENCE: Duration = Duration::from_secs(30);

/// The authorization server.
pub struct Peer {
    child: Child,
    issuer: String,
}

impl Peer {
    /// Starts it, its access tokens living for so many seconds; nothing, and a
    /// line that says so, where what it needs is not installed.
    pub fn start(seconds: u32) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let mut child = Command::new("node")
            .arg(script("server.mjs"))
            .env("TTL_ACCESS", seconds.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = tell.send(line);
        });
        let line = told.recv_timeout(PATIENCE).unwrap_or_default();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the authorization server does not start; it says {line:?}");
        };
        Some(Self {
            issuer: ready["issuer"].as_str().unwrap().to_owned(),
            child,
        })
    }

    /// Who it says it is: its address.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How often it did this (see `server.mjs` for the names).
    pub fn count(&self, what: &str) -> u64 {
        self.ask("GET", "/__count", "", "").1[what]
            .as_u64()
            .unwrap_or(0)
    }

    /// Whether it would still take this token, and its grant is there.
    pub fn takes(&self, token: &str) -> bool {
        let bearer = format!("Authorization: Bearer {token}\r\n");
        self.ask("GET", "/__token", &bearer, "").1["active"]
            .as_bool()
            .unwrap()
    }

    /// From now on its access tokens live for so many seconds.
    pub fn let_tokens_live(&self, seconds: u32) {
        self.ask("POST", &format!("/__ttl?seconds={seconds}"), "", "");
    }

    /// The tokens of this kind that it gave away, in order.
    pub fn issued(&self, kind: &str) -> Vec<String> {
        let all = self.ask("GET", "/__issued", "", "").1;
        let of_kind = all[kind].as_array().cloned().unwrap_or_default();
        let text = |token: &Value| token.as_str().unwrap().to_owned();
        of_kind.iter().map(text).collect()
    }

    /// Sends a form; the status and the answer.
    pub fn post(&self, path: &str, form: &str) -> (u16, Value) {
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.ask("POST", path, kind, form)
    }

    /// Has the environment hunt for every secret that was given away so far,
    /// now and once more when it ends.
    pub fn hunt_in(&self, environment: &TestEnvironment) {
        environment.secret("the client's secret", CLIENT_SECRET);
        let all = self.ask("GET", "/__issued", "", "").1;
        for (kind, secrets) in all.as_object().unwrap() {
            for secret in secrets.as_array().unwrap() {
                environment.secret(kind, secret.as_str().unwrap());
            }
        }
        assert_eq!(environment.hunt(), Vec::<String>::new());
    }

    /// Writes the definition of a provider whose authorization server this is.
    pub fn define(&self, environment: &TestEnvironment, name: &str, oauth: &Value) {
        let mut definition = json!({
            "schema_version": 1,
            "name": name,
            "display_name": name,
            "auth": ["oauth2"],
            "oauth": { "issuer": self.issuer, "scopes": ["openid", "offline_access", "api"] },
        });
        for (member, value) in oauth.as_object().unwrap() {
            if member == "client" {
                definition["client"] = value.clone();
            } else {
                definition["oauth"][member] = value.clone();
            }
        }
        let folder = environment.home().join("providers");
        make_folder(&folder);
        fs::write(folder.join(format!("{name}.json")), definition.to_string()).unwrap();
    }

    /// The provider `peer`: every address given, and a client without a secret.
    pub fn define_usual(&self, environment: &TestEnvironment) {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let oauth = json!({
            "authorization_url": at("/auth"),
            "token_url": at("/token"),
            "revocation_url": at("/token/revocation"),
            "device_authorization_url": at("/device/auth"),
            "client_id": "vault-public",
            "flows": ["pkce", "device_code"],
        });
        self.define(environment, "peer", &oauth);
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
        let authority = self.issuer.trim_start_matches("http://");
        let mut stream = TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\
             {headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A script beside this file.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/oauth_peer")
        .join(name)
}

/// The browser, where there is one.
pub fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("chromium"))
        .find(|program| program.is_file())
}

/// Whether the server and the browser are there; a line for what is not.
fn is_installed() -> bool {
    let finds = |module: &str| {
        Command::new("node")
            .args(["-e", &format!("require.resolve('{module}')")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !finds("oidc-provider") {
        skip("oidc-provider", "node does not find it; NODE_PATH helps");
        return false;
    }
    if !finds("playwright-core") {
        skip("chromium", "node does not find playwright-core");
        return false;
    }
    if chromium().is_none() {
        skip("chromium", "not installed");
        return false;
    }
    true
}
