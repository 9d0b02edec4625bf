//! The world that these logins are played in: the provider Acme, whose
//! authorization server answers as a test says, and a person at a browser.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::support::browser::{self, Page, Visit, address, encoded, query};
use super::support::internet::{Internet, Reply, Seen};
use super::support::running::Running;
use super::support::{Run, TestEnvironment, make_folder};

/// What Acme's server gives; obviously nobody's.
pub const ACCESS: &str = "FAKE-access-token-of-acme-FAKE";
/// And what renews it.
pub const REFRESH: &str = "FAKE-refresh-token-of-acme-FAKE";
/// What the browser comes back with.
pub const CODE: &str = "FAKE+code/of=acme";

/// Where Acme asks people.
pub const AUTHORIZE: &str = "https://login.acme.example/authorize";

/// An environment, and the world outside of it.
pub struct World {
    /// Dropped first: it hunts for what the other one gave.
    pub environment: TestEnvironment,
    pub internet: Internet,
}

impl World {
    /// One with a vault, where Acme is known.
    pub fn new(answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::around(TestEnvironment::new().with_identity_vault(), answers)
    }

    /// One where nothing was ever stored.
    pub fn on_first_day(answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::around(TestEnvironment::new(), answers)
    }

    fn around(
        mut environment: TestEnvironment,
        answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let internet = Internet::start(&environment, answers);
        internet.reach(&mut environment);
        for (what, token) in [("an access token", ACCESS), ("a refresh token", REFRESH)] {
            environment.secret(what, token);
        }
        let world = Self {
            environment,
            internet,
        };
        world.define(&acme(json!({})));
        world
    }

    /// Makes a definition known, or another one in its place.
    pub fn define(&self, definition: &Value) {
        let folder = self.environment.home().join("providers");
        make_folder(self.environment.home());
        make_folder(&folder);
        let name = definition["name"].as_str().unwrap();
        fs::write(folder.join(format!("{name}.json")), definition.to_string()).unwrap();
    }

    /// `vault ARGUMENTS`, in words.
    pub fn vault(&self, arguments: &str) -> Run<'_> {
        self.environment.vault(arguments.split(' '))
    }

    /// The bytes of the vault; none where there is none.
    pub fn vault_bytes(&self) -> Option<Vec<u8>> {
        fs::read(self.environment.vault_file()).ok()
    }

    /// What is stored in a field; empty where it is not.
    pub fn stored(&self, target: &str, field: &str) -> String {
        let run = self
            .vault(&format!("get {target} --field {field} --no-refresh"))
            .arg("--show-secret");
        let finished = run.asks_for_secrets().finish();
        finished.stdout.trim_end().to_owned()
    }

    /// The requests to this path, so far.
    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        let mut seen = self.internet.seen();
        seen.retain(|seen| seen.path == path);
        seen
    }

    /// The forms that this path was sent.
    pub fn forms_at(&self, path: &str) -> Vec<BTreeMap<String, String>> {
        let seen = self.seen_at(path).into_iter();
        seen.map(|seen| browser::form(&seen.body)).collect()
    }
}

/// The definition of Acme; `oauth` says what is different in that section.
pub fn acme(oauth: Value) -> Value {
    let mut definition = json!({
        "schema_version": 1,
        "name": "acme",
        "display_name": "Acme",
        "auth": ["oauth2"],
        "hosts": ["api.acme.example"],
        "oauth": {
            "authorization_url": AUTHORIZE,
            "token_url": "https://login.acme.example/token",
            "client_id": "acme-public",
            "scopes": ["read", "write"],
        },
    });
    let section = definition["oauth"].as_object_mut().unwrap();
    for (member, value) in oauth.as_object().unwrap() {
        match value {
            Value::Null => section.remove(member),
            value => section.insert(member.clone(), value.clone()),
        };
    }
    definition
}

/// Acme, whose clients are people's own.
pub fn acme_with_own_client(oauth: Value) -> Value {
    let mut definition = acme(oauth);
    definition["oauth"]
        .as_object_mut()
        .unwrap()
        .remove("client_id");
    definition["oauth"]["client_url"] = json!("https://acme.example/apps");
    definition["client"] = json!({
        "client_id_env": "ACME_CLIENT_ID",
        "client_secret_env": "ACME_CLIENT_SECRET",
    });
    definition
}

/// A good answer of a token address.
pub fn tokens() -> Reply {
    let body = json!({
        "access_token": ACCESS,
        "refresh_token": REFRESH,
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "read write",
    });
    Reply::new(200, body.to_string())
}

/// An answer that is JSON.
pub fn says(status: u16, body: &Value) -> Reply {
    Reply::new(status, body.to_string())
}

/// Answers one after the other; the last one stays.
pub struct InTurn(Mutex<VecDeque<Reply>>);

impl InTurn {
    pub fn of(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self(Mutex::new(replies.into_iter().collect()))
    }

    pub fn next(&self) -> Reply {
        let mut left = self.0.lock().unwrap();
        let next = left.front().cloned().unwrap();
        if left.len() > 1 {
            left.pop_front();
        }
        next
    }
}

/// What the provider was asked in the browser, and how it sends it back.
pub struct Asked {
    /// The whole address.
    pub url: String,
    /// What it says.
    pub query: BTreeMap<String, String>,
}

impl Asked {
    /// What this login asks.
    #[track_caller]
    pub fn by(login: &mut Running<'_>) -> Self {
        Self::of(login.wait_for("address", |said| address(said, AUTHORIZE)))
    }

    pub fn of(url: String) -> Self {
        Self {
            query: query(&url),
            url,
        }
    }

    /// Where the browser is sent back to.
    pub fn redirect_uri(&self) -> &str {
        &self.query["redirect_uri"]
    }

    pub fn state(&self) -> &str {
        &self.query["state"]
    }

    /// The address that the browser ends at when the person has agreed.
    pub fn agreed(&self) -> String {
        self.back(&[("code", CODE), ("state", self.state())])
    }

    /// The address that the browser ends at, saying this.
    pub fn back(&self, said: &[(&str, &str)]) -> String {
        let pairs: Vec<_> = said
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        format!("{}?{}", self.redirect_uri(), pairs.join("&"))
    }

    /// A person agrees, and the browser comes back.
    #[track_caller]
    pub fn agree(&self) -> Page {
        let page = Visit::to(&self.agreed()).go();
        assert_eq!(page.status, 200, "{page:?}");
        page
    }
}
