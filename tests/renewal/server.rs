//! The provider `peer`: an authorization server that rotates its refresh
//! tokens, and an API that takes the newest access token only.

use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::support::internet::{Internet, Reply, Seen};
use super::support::{Finished, Run, TestEnvironment, make_folder};

/// Within five minutes of its end from the beginning.
pub const SHORT: u32 = 200;
/// Far from its end.
pub const LONG: u32 = 3600;

const AUTH: &str = "auth.peer.example.com";
const API: &str = "api.peer.example.com";
const CLIENT_SECRET: &str = "FAKE-client-secret-canary";
/// What takes a registration back.
pub const REGISTRATION_TOKEN: &str = "FAKE-registration-canary";
/// So many tokens are hunted for.
const MOST: usize = 9;

/// The access token that was given away as number so-and-so.
pub fn access(number: usize) -> String {
    format!("FAKE-access-{number:04}-canary")
}

/// The refresh token that came with it.
pub fn refresh(number: usize) -> String {
    format!("FAKE-refresh-{number:04}-canary")
}

/// What the server does next.
#[derive(Default)]
pub struct Mood {
    /// How many tokens it gave away.
    pub issued: usize,
    /// How long its tokens live; it does not say where `None`.
    pub lives: Option<u32>,
    /// What a renewal is answered instead.
    pub renewal: Option<Reply>,
    /// What a revocation is answered instead.
    pub revocation: Option<Reply>,
    /// The same for access tokens alone.
    pub revocation_of_access: Option<Reply>,
    /// What a registration, and taking it back, is answered instead.
    pub registration: Option<Reply>,
    /// What the API answers instead.
    pub api: Option<Reply>,
    /// Whether no refresh token comes with an access token.
    pub gives_no_refresh: bool,
}

type Between = dyn Fn(&Seen) + Send + Sync;

/// The server, the world around it, and a machine with a vault.
pub struct World {
    pub environment: TestEnvironment,
    pub internet: Internet,
    mood: Arc<Mutex<Mood>>,
    between: Arc<Mutex<Option<Box<Between>>>>,
}

impl World {
    pub fn new() -> Self {
        let mut environment = TestEnvironment::new().with_identity_vault();
        for number in 1..=MOST {
            environment.secret("an access token", access(number));
            environment.secret("a refresh token", refresh(number));
        }
        environment.secret("the client's secret", CLIENT_SECRET);
        environment.secret("the token of a registration", REGISTRATION_TOKEN);
        let mood = Arc::new(Mutex::new(Mood {
            lives: Some(LONG),
            ..Mood::default()
        }));
        let between: Arc<Mutex<Option<Box<Between>>>> = Arc::default();
        let (theirs, act) = (Arc::clone(&mood), Arc::clone(&between));
        let internet = Internet::start(&environment, move |seen| {
            let reply = answer(seen, &mut theirs.lock().unwrap());
            if let Some(act) = &*act.lock().unwrap() {
                act(seen);
            }
            reply
        });
        internet.reach(&mut environment);
        let world = Self {
            environment,
            internet,
            mood,
            between,
        };
        world.define("peer", &json!({}));
        world
    }

    /// Writes the definition of a provider whose server this is, with more
    /// members of `oauth`; `null` takes one away.
    pub fn define(&self, name: &str, more: &Value) {
        let mut oauth = json!({
            "token_url": format!("https://{AUTH}/token"),
            "revocation_url": format!("https://{AUTH}/revoke"),
            "device_authorization_url": format!("https://{AUTH}/device"),
            "flows": ["device_code"],
        });
        for (member, value) in more.as_object().unwrap() {
            oauth[member] = value.clone();
        }
        let variable = name.to_uppercase();
        let definition = json!({
            "schema_version": 1,
            "name": name,
            "display_name": "Peer",
            "auth": ["oauth2"],
            "hosts": [API],
            "inject": [{ "in": "header", "name": "Authorization", "value": "Bearer {access_token}" }],
            "oauth": oauth,
            "client": { "client_id_env": "PEER_CLIENT_ID", "client_secret_env": "PEER_CLIENT_SECRET" },
            "export": {
                "access_token": format!("{variable}_TOKEN"),
                "refresh_token": format!("{variable}_REFRESH"),
            },
            "verify": { "url": format!("https://{API}/me") },
        });
        let folder = self.environment.home().join("providers");
        make_folder(&folder);
        fs::write(folder.join(format!("{name}.json")), definition.to_string()).unwrap();
    }

    /// Changes what the server does.
    pub fn set(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.mood.lock().unwrap());
    }

    /// From now on every renewal is answered so.
    pub fn answer_renewals(&self, status: u16, body: &str) {
        self.set(|mood| mood.renewal = Some(Reply::new(status, body)));
    }

    /// Has something happen after each answer was thought of, and before it
    /// is given.
    pub fn before_answers(&self, act: impl Fn(&Seen) + Send + Sync + 'static) {
        *self.between.lock().unwrap() = Some(Box::new(act));
    }

    /// How many tokens were given away.
    pub fn issued(&self) -> usize {
        self.mood.lock().unwrap().issued
    }

    /// A login that needs no person: the server grants it when it is first
    /// asked.
    pub fn login(&self, target: &str) -> Run<'_> {
        self.environment
            .vault(["login", target, "--flow", "device_code", "--no-open"])
            .env("PEER_CLIENT_ID", "peer-client")
            .env("GITHUB_CLIENT_ID", "peer-client")
            .env("PEER_CLIENT_SECRET", CLIENT_SECRET)
    }

    /// Logs in; the first token lives so long, the next ones are far from
    /// their end.
    pub fn log_in(&self, target: &str, lives: Option<u32>) {
        self.set(|mood| mood.lives = lives);
        self.login(target).ok();
        self.set(|mood| mood.lives = Some(LONG));
        self.internet.forget();
    }

    /// The same with a token that has ended.
    pub fn log_in_ended(&self, target: &str) {
        self.login(target).args(["--expires", "2020-01-31"]).ok();
        self.internet.forget();
    }

    /// Asks for a token as a script does.
    pub fn get(&self, target: &str) -> Run<'_> {
        self.environment
            .vault(["get", target, "--field", "access_token", "--show-secret"])
            .asks_for_secrets()
    }

    /// The token that a script gets.
    pub fn token(&self, target: &str) -> String {
        line(&self.get(target).ok())
    }

    /// What is in the vault now.
    pub fn stored(&self, target: &str, field: &str) -> String {
        let arguments = ["get", target, "--field", field, "--show-secret"];
        let run = self.environment.vault(arguments).arg("--no-refresh");
        line(&run.asks_for_secrets().ok())
    }

    /// What `--field status` prints.
    pub fn status(&self, target: &str) -> String {
        let arguments = ["get", target, "--field", "status", "--no-refresh"];
        line(&self.environment.vault(arguments).ok())
    }

    /// The refresh tokens that renewals came with, in order.
    pub fn renewals(&self) -> Vec<String> {
        let seen = self.internet.seen();
        let asked = seen.iter().filter(|seen| is_renewal(seen));
        asked.map(|seen| form(seen, "refresh_token")).collect()
    }

    /// Temporary files beside the vault.
    pub fn temporary_files(&self) -> Vec<std::path::PathBuf> {
        let mut found = self.environment.files_under(self.environment.home());
        found.retain(|path| path.to_string_lossy().contains(".tmp-"));
        found
    }
}

/// The one line that was printed.
pub fn line(finished: &Finished) -> String {
    finished.stdout.trim_end().to_owned()
}

/// Whether it asks for new tokens with a refresh token.
pub fn is_renewal(seen: &Seen) -> bool {
    form(seen, "grant_type") == "refresh_token"
}

/// A parameter of a form; nothing that is played here needs decoding.
pub fn form(seen: &Seen, name: &str) -> String {
    let mut pairs = seen.body.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(known, _)| *known == name);
    found.map_or("", |(_, value)| value).to_owned()
}

fn answer(seen: &Seen, mood: &mut Mood) -> Reply {
    match (&*seen.host, &*seen.path) {
        (AUTH, "/device") | ("github.com", "/login/device/code") => Reply::new(
            200,
            json!({
                "device_code": "FAKE-device-code",
                "user_code": "FAKE-CODE",
                "verification_uri": format!("https://{AUTH}/type-it"),
                "interval": 0,
            })
            .to_string(),
        ),
        (AUTH, "/token") if is_renewal(seen) => {
            if let Some(reply) = &mood.renewal {
                return reply.clone();
            }
            if form(seen, "refresh_token") != refresh(mood.issued) {
                return Reply::new(400, r#"{"error": "invalid_grant"}"#);
            }
            tokens(mood)
        }
        (AUTH, "/token") => tokens(mood),
        (AUTH, "/revoke")
            if mood.revocation_of_access.is_some()
                && form(seen, "token_type_hint") == "access_token" =>
        {
            mood.revocation_of_access.clone().unwrap()
        }
        (AUTH, "/revoke") => mood.revocation.clone().unwrap_or(Reply::new(200, "")),
        (AUTH, "/register" | "/registered/1") if mood.registration.is_some() => {
            mood.registration.clone().unwrap()
        }
        (AUTH, "/register") => Reply::new(
            201,
            json!({
                "client_id": "registered-client",
                "registration_client_uri": format!("https://{AUTH}/registered/1"),
                "registration_access_token": REGISTRATION_TOKEN,
            })
            .to_string(),
        ),
        (AUTH, "/registered/1") => Reply::new(204, ""),
        ("github.com", _) if is_renewal(seen) => {
            mood.renewal.clone().unwrap_or(Reply::new(500, "{}"))
        }
        ("github.com", _) => tokens(mood),
        (API, "/me") => mood.api.clone().unwrap_or_else(|| {
            let is_newest =
                seen.headers["authorization"] == format!("Bearer {}", access(mood.issued));
            Reply::new(if is_newest { 200 } else { 401 }, "{}")
        }),
        _ => Reply::new(404, "{}"),
    }
}

fn tokens(mood: &mut Mood) -> Reply {
    mood.issued += 1;
    let mut given = json!({ "access_token": access(mood.issued), "token_type": "Bearer" });
    if !mood.gives_no_refresh {
        given["refresh_token"] = json!(refresh(mood.issued));
    }
    if let Some(seconds) = mood.lives {
        given["expires_in"] = json!(seconds);
    }
    Reply::new(200, given.to_string())
}
