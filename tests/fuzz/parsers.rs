//! Every parser of what arrives from outside, as a function of bytes that must
//! return, whatever the bytes are. Shared by the targets of `fuzz/`
//! and by the tests beside this file, which run each for a moment.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use hyper::body::Bytes;
use vault::credential::redact::Redactor;
use vault::credential::{Value, echo};
use vault::flow::authorize::Attempt;
use vault::flow::{Server, Step, Tokens, codex};
use vault::gateway::decode::{Coding, Decoder};
use vault::name::{ConnectionId, ConnectionRef, FieldName, ProviderName, Target, VariableName};
use vault::net::{Address, Answer, Proxies, ProxyVariables};
use vault::policy::{Action, Body, Facts, JsonBody, Policy, Verdict};
use vault::provider::{Catalog, Host, HostName, Template, Verify};
use vault::scan::Scanner;
use vault::seal::{Fingerprint, IdentityFile, Opener, Prompts, Recipient, VaultKey};
use vault::secret::Secret;
use vault::usage::meter::{Meter, Shape, SocketMeter, with_usage_asked};
use vault::vault::{Document, Sealed};
use zeroize::Zeroizing;

use super::gateway;

/// A key that was made for this file and opens nothing else.
pub const KEY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// The largest log2 N that a passphrase may ask for here: next to nothing.
const WORK: u8 = 2;

/// A target and some inputs that it takes, from which others are made.
pub type Parser = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All of them.
pub const PARSERS: [Parser; 17] = [
    ("vault_file", vault_file, seeds::vault_files),
    ("sealed", sealed, seeds::sealed),
    ("document", document, seeds::documents),
    ("identity", identity, seeds::identities),
    ("recipients", recipients, seeds::recipients),
    ("provider", provider, seeds::providers),
    ("names", names, seeds::names),
    ("network", network, seeds::network),
    ("answer", answer, seeds::answers),
    ("scanned", scanned, seeds::scanned),
    ("tokens", tokens, seeds::tokens),
    ("pasted", pasted, seeds::pasted),
    ("redacted", redacted, seeds::redacted),
    ("meter", meter, seeds::metered),
    ("policy", policy, seeds::policies),
    ("heads", gateway::heads, gateway::head_seeds),
    ("gateway", gateway::gateway, gateway::seeds),
];

fn key() -> VaultKey {
    VaultKey::from_slot_text(KEY.as_bytes()).expect("the key above is one")
}

/// The outer form of a vault file, and its slots under every opener.
pub fn vault_file(bytes: &[u8]) {
    let Ok(sealed) = Sealed::parse(bytes.to_vec()) else {
        return;
    };
    let prompts = Prompts::nobody();
    let words = Secret::from("fake words".to_owned());
    let identities = IdentityFile::parse(KEY.as_bytes(), "k").expect("the key above is one");
    let _ = sealed.fits(&key());
    for opener in [Opener::Passphrase(&words), Opener::Identities(&identities)] {
        let _ = sealed.try_slot(&opener, WORK, &prompts);
    }
}

/// One age file: armor, header, stream.
pub fn sealed(bytes: &[u8]) {
    let _ = key().open(bytes);
    let _ = key().fits(bytes);
}

/// The document in a payload; what is read is written and read again.
pub fn document(bytes: &[u8]) {
    let Ok(document) = Document::parse(Zeroizing::new(bytes.to_vec())) else {
        return;
    };
    for id in document.connections().take(10) {
        let _ = document.connection(&id);
    }
    for name in document.secrets().take(10) {
        let _ = document.secret(name);
    }
    let written = document.render().into_bytes();
    let again = Document::parse(written.clone()).expect("what was written is a document");
    assert_eq!(*again.render().into_bytes(), *written);
}

/// A file of identities, and the passphrase that may be around it.
pub fn identity(bytes: &[u8]) {
    let Ok(file) = IdentityFile::parse(bytes, "file") else {
        return;
    };
    // The key of an SSH file may be stretched as long as the file says, by
    // a library that has no bound to set; see SECURITY.md.
    if file.needs_passphrase() && !bytes.windows(7).any(|seven| seven == b"OPENSSH") {
        let _ = file.unlock(&Secret::from("fake words".to_owned()), WORK);
    } else {
        let _ = file.recipients();
    }
}

/// A recipient, and a file of them.
pub fn recipients(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Recipient::parse_lines(&text, "file");
    if let Ok(recipient) = Recipient::parse(&text) {
        assert!(Recipient::parse(recipient.as_str()).is_ok());
    }
}

/// A provider definition; what is read is written and read again.
pub fn provider(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(definition) = vault::provider::validate(&text, Path::new("fake.json")) else {
        return;
    };
    let _ = definition.check_patterns();
    let _ = definition.warnings();
    let _ = definition.at("https://example.com/v1");
    if let Ok(host) = "api.example.com".parse::<HostName>() {
        let _ = definition.host_for(&host, 443, "/v1");
    }
    let written = definition.to_json();
    assert!(
        serde_json::from_str::<serde_json::Value>(&written).is_ok(),
        "what is written is JSON"
    );
}

/// What people and other programs write in one word.
pub fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = text.parse::<ProviderName>();
    let _ = text.parse::<FieldName>();
    let _ = text.parse::<VariableName>();
    let _ = text.parse::<ConnectionRef>();
    let _ = text.parse::<Target>();
    let _ = text.parse::<Fingerprint>();
    let _ = text.parse::<Template>();
    let _ = text.parse::<HostName>();
    if let Ok(host) = Host::parse(&text, None)
        && let Ok(name) = "api.example.com".parse::<HostName>()
    {
        let _ = host.matches(&name);
    }
    let _ = vault::text::printable(&text);
}

/// Addresses and proxies, as definitions and the environment write them.
pub fn network(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    if let Ok(address) = Address::parse(&Secret::from(text.clone())) {
        // What is dialled and what is said are one host, however it was written.
        let again = format!("https://{}/", address.authority());
        let again = Address::parse(&Secret::from(again)).expect("an authority is one");
        assert_eq!((again.host, again.port), (address.host, address.port));
    }
    let _proxies = Proxies::new(&ProxyVariables {
        https: Some(Secret::from(text.clone())),
        none: Some(text),
        ..ProxyVariables::default()
    });
}

/// What a provider answers, read by every bundled definition.
pub fn answer(bytes: &[u8]) {
    static BUNDLED: OnceLock<Vec<Verify>> = OnceLock::new();
    let bundled = BUNDLED.get_or_init(|| {
        let all = Catalog::new(None).all().unwrap_or_default().into_iter();
        let all = all.filter_map(|entry| entry.definition.ok());
        all.flat_map(|definition| definition.verify).collect()
    });
    let status = u16::from(bytes.first().copied().unwrap_or_default()) + 200;
    for verify in bundled {
        let _ = verify.read(status, bytes.get(1..).unwrap_or_default());
    }
}

/// A server whose answers may be anything.
fn server() -> Server {
    let text = r#"{"auth": ["oauth2"], "oauth": {
        "authorization_url": "https://a.example.com/auth",
        "token_url": "https://a.example.com/token",
        "tokens_at": "/a", "account_at": "/b", "base_url_at": "/c"}}"#;
    let definition = vault::provider::validate(text, Path::new("fake.json"));
    Server::of(&definition.expect("it is one"), None, &|_| None).expect("it has OAuth")
}

/// What a token address answers: its status, then its body. What comes of it
/// can be kept, and fits into a header.
pub fn tokens(bytes: &[u8]) {
    let status = 200 + u16::from(bytes.first().copied().unwrap_or_default());
    let body = bytes.get(1..).unwrap_or_default();
    let sent = "FAKE-refresh-token-that-was-sent";
    for step in [Step::Login, Step::Renewal] {
        let answer = Answer {
            status,
            body: Zeroizing::new(body.to_vec()),
        };
        let hidden = [Secret::from(sent.to_owned())];
        let now = "2026-11-20T12:00:00Z".parse().expect("it is a time");
        match Tokens::of_answer(&server(), answer, &hidden, step, now) {
            Err(error) => {
                let said = error.to_string();
                assert!(!said.contains(sent), "{said}");
                assert!(!said.chars().any(char::is_control), "{said}");
            }
            Ok(tokens) => {
                let mut value = Value::of(BTreeMap::new(), now);
                tokens.put_into(&mut value);
                let access = value.field("access_token").map(Secret::reveal);
                let fits = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
                assert!(access.is_none_or(fits), "a token that no header carries");
                assert!(value.expires_at.is_none_or(|end| end > now));
            }
        }
    }
}

/// What a person pastes at the end of a login, and the file of Codex.
pub fn pasted(bytes: &[u8]) {
    let Ok(text) = Secret::from_utf8(Zeroizing::new(bytes.to_vec())) else {
        return;
    };
    let attempt = Attempt::new(&server(), 5000);
    assert!(
        attempt.pasted(&server(), &text).is_err(),
        "our state is not in it"
    );
    if let Ok((tokens, _)) = codex::read_auth_file(&text) {
        let now = "2026-11-20T12:00:00Z".parse().expect("it is a time");
        let mut value = Value::of(BTreeMap::new(), now);
        tokens.put_into(&mut value);
        let _ = codex::write_auth_file(&value);
    }
}

/// A key that must not be seen behind a redactor.
const CANARY: &str = "FAKE-canary/0123456789+abcdef";

/// An answer that tokens are counted in, what comes over a socket, and a
/// request that usage is asked for in. The input: the shape, the framing, how
/// large the pieces are, and the text.
pub fn meter(bytes: &[u8]) {
    let [shape, kind, size, text @ ..] = bytes else {
        return;
    };
    let shapes = [
        Shape::OpenAi,
        Shape::Anthropic,
        Shape::Gemini,
        Shape::Mistral,
        Shape::Cohere,
        Shape::Ollama,
    ];
    let kinds = [
        "application/json",
        "text/event-stream",
        "application/x-ndjson",
    ];
    let provider: ProviderName = ["openai", "xai"][usize::from(*shape) % 2]
        .parse()
        .expect("they are names");
    let shape = shapes[usize::from(*shape) % shapes.len()];
    let kind = kinds[usize::from(*kind) % kinds.len()];
    let read = |size: usize| {
        let meter = Meter::new(shape, &provider, Some(kind), 200);
        let mut meter = meter.expect("answers of this kind are read");
        let mut socket = SocketMeter::new(shape, &provider);
        for piece in text.chunks(size) {
            meter.feed(piece);
            socket.feed(piece);
        }
        (meter.finish(true), socket.finish())
    };
    let whole = read(text.len().max(1));
    assert_eq!(
        whole,
        read(usize::from(*size) + 1),
        "pieces count otherwise"
    );
    for tokens in [whole.0.tokens, whole.1.tokens].into_iter().flatten() {
        let parts = tokens.cached + tokens.cache_write + tokens.cache_write_long;
        assert!(parts <= tokens.input && tokens.reasoning <= tokens.output);
    }

    if let Some(asked) = with_usage_asked(text) {
        let parse = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text);
        // Some JSON is too deep for a value.
        if let Ok(mut asked) = parse(&asked) {
            let options = asked["stream_options"].take();
            assert_eq!(options["include_usage"], true);
            let mut was = parse(text).expect("what was added is not deep");
            was["stream_options"].take();
            assert_eq!(asked, was);
        }
        assert_eq!(with_usage_asked(&asked), None);
    }
}

/// An answer of an upstream that sends keys back. The input: how the body is
/// coded, where it is cut, forms up to the first line feed, and the text.
pub fn redacted(bytes: &[u8]) {
    let [coding, size, rest @ ..] = bytes else {
        return;
    };
    let size = usize::from(*size) + 1;
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (first, text) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
    let first = first.strip_suffix(b"\n").unwrap_or(first);
    let first = String::from_utf8_lossy(first);

    // The body that somebody else compressed, or did not.
    let codings = ["identity", "gzip", "deflate", "br", "zstd", "zstd, gzip"];
    let coding = usize::from(*coding) % codings.len();
    let _ = opened(codings[coding], text, size);

    // One that is sound, with the canary in its middle in all its forms.
    let secrets = [CANARY].into_iter().chain(first.split(' ')).take(5);
    let secrets: Vec<_> = secrets
        .map(|secret| Secret::from(secret.to_owned()))
        .collect();
    let forms = echo::forms(secrets.iter(), [].iter());
    let redactor = Redactor::new(&forms);
    let json = serde_json::to_string(CANARY).unwrap_or_default();
    let percent = CANARY.replace('/', "%2f").replace('+', "%2b");
    let middle = text.len() / 2;
    let body = [
        &text[..middle],
        CANARY.as_bytes(),
        json.as_bytes(),
        percent.as_bytes(),
        &text[middle..],
    ]
    .concat();
    let coding = coding.min(2);
    let coded = match coding {
        0 => body.clone(),
        1 => written(flate2::write::GzEncoder::new(Vec::new(), LEVEL), &body),
        _ => written(flate2::write::ZlibEncoder::new(Vec::new(), LEVEL), &body),
    };
    let pieces = opened(codings[coding], &coded, size).expect("it was written whole");
    let mut stream = redactor.stream();
    let mut out = Vec::new();
    let mut came = 0;
    for piece in pieces {
        came += piece.len();
        out.extend_from_slice(&stream.feed(piece));
        assert_eq!(out.len() + stream.held(), came, "a byte was lost");
    }
    out.extend_from_slice(&stream.finish());
    assert_eq!(out.len(), body.len(), "the length is not the same");
    assert_eq!(
        redactor.text(&body).as_ref(),
        Some(&out),
        "pieces and the whole are not the same"
    );
    for form in forms.iter().map(|form| form.reveal().as_bytes()) {
        let is_seen = !form.contains(&b'*') && out.windows(form.len()).any(|part| part == form);
        assert!(!is_seen, "a form came through");
    }
}

const LEVEL: flate2::Compression = flate2::Compression::fast();

fn written(mut to: impl Finish, text: &[u8]) -> Vec<u8> {
    to.write_all(text).expect("a buffer takes all");
    to.finished()
}

/// What two encoders have in common.
trait Finish: std::io::Write {
    fn finished(self) -> Vec<u8>;
}

impl Finish for flate2::write::GzEncoder<Vec<u8>> {
    fn finished(self) -> Vec<u8> {
        self.finish().expect("a buffer takes all")
    }
}

impl Finish for flate2::write::ZlibEncoder<Vec<u8>> {
    fn finished(self) -> Vec<u8> {
        self.finish().expect("a buffer takes all")
    }
}

/// The pieces in which a coded body comes out; the first few MiB of it.
fn opened(coding: &str, body: &[u8], size: usize) -> Option<Vec<Bytes>> {
    let mut decoder = Decoder::new(Coding::parse(coding)?);
    let mut pieces = Vec::new();
    for piece in body.chunks(size) {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(piece) = decoder.pull().ok()? {
            assert!(!piece.is_empty(), "it would go on for ever");
            pieces.push(piece);
            if pieces.len() > 10_000 {
                return None;
            }
        }
    }
    decoder.finish().ok()?;
    Some(pieces)
}

/// A file that is scanned. What is found stands where it is said to stand.
pub fn scanned(bytes: &[u8]) {
    static SCANNER: OnceLock<Scanner> = OnceLock::new();
    let scanner = SCANNER.get_or_init(|| {
        let all = Catalog::new(None).all().unwrap_or_default().into_iter();
        let all: Vec<_> = all.filter_map(|entry| entry.definition.ok()).collect();
        Scanner::new(&all)
    });
    let mut stream = bytes;
    let report = scanner
        .scan_stream(Path::new("-"), &mut stream)
        .expect("bytes in memory can be read");
    for finding in &report.findings {
        let line = usize::try_from(finding.line).expect("it is a line of this text") - 1;
        let line = bytes.split(|byte| *byte == b'\n').nth(line);
        let key = finding.key.reveal().as_bytes();
        assert!(line.is_some_and(|line| line.windows(key.len()).any(|part| part == key)));
    }
}

/// A policy, and behind a line `--` a body that it judges. What `serde_json`
/// takes for no JSON is never judged as such, and no body is asked for twice.
pub fn policy(bytes: &[u8]) {
    let border = bytes.windows(4).position(|four| four == b"\n--\n");
    let (text, body) = bytes.split_at(border.unwrap_or(bytes.len()));
    let body = body.get(4..).unwrap_or_default();
    let read = JsonBody::read(body);
    if let Ok(json) = &read {
        let theirs = serde_json::from_slice::<serde_json::Value>(body);
        let is_large = |error: &serde_json::Error| error.to_string().contains("out of range");
        assert!(theirs.map_or_else(|error| is_large(&error), |_| true));
        let _ = (json.model(), json.member("/messages/0/role"));
    }
    let policy = match Policy::parse(&String::from_utf8_lossy(text)) {
        Ok(policy) => policy,
        Err(bad) => {
            assert!(bad.line > 0 && bad.column > 0 && !bad.what.is_empty());
            return;
        }
    };
    let id = ConnectionId {
        provider: "openai".parse().expect("it is a name"),
        connection: "team".parse().expect("it is a name"),
    };
    let path = String::from_utf8_lossy(body);
    for (connection, path) in [
        (Some(&id), Some("/v1/chat/completions")),
        (Some(&id), Some(path.as_ref())),
        (None, None),
    ] {
        let mut facts = Facts {
            agent: "ci",
            connection,
            host: "api.openai.com",
            method: "POST",
            path,
            body: Body::Unread,
        };
        let early = policy.decide(&facts);
        facts.body = match &read {
            Ok(json) => Body::Json(json),
            Err(_) => Body::Unreadable,
        };
        let Verdict::Decided(late) = policy.decide(&facts) else {
            panic!("a body that is here is asked for");
        };
        assert!(!late.is_unreadable || late.action == Action::Deny);
        if let Verdict::Decided(early) = early {
            assert_eq!(
                early.action, late.action,
                "it was said not to depend on the body"
            );
        }
    }
}

/// Inputs that parse, so that what is made from them gets past the first line.
pub mod seeds {
    use super::{KEY, WORK, key};
    use vault::seal::{IdentityFile, Prompts, seal_to_passphrase, seal_to_recipients};
    use vault::secret::Secret;

    const DOCUMENT: &str = r#"{"format":1,"vault":"0b9c8a56-0000-4000-8000-000000000000","generation":3,"updated_at":"2026-01-01T00:00:00Z","roster":{"passphrase":"2026-01-01T00:00:00Z","recipients":[{"recipient":"age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj","label":"ci","added":"2026-01-01T00:00:00Z"}]},"slots":"00","fingerprint_key":"00ff","defaults":{"openai":"team"},"connections":{"openai":{"team":{"auth_type":"api_key","status":"connected","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","stored_at":"2026-01-01T00:00:00Z","fields":{"api_key":"sk-fake"},"history":[{"replaced_at":"2026-01-01T00:00:00Z","stored_at":"2026-01-01T00:00:00Z","fields":{"api_key":"sk-\u0066ake"}}],"new":[1,2.5]}}},"secrets":{"DATABASE_URL":{"auth_type":"plain","status":"connected","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","stored_at":"2026-01-01T00:00:00Z","fields":{"value":"x"}}},"later":{"a":null}}"#;

    /// Both slots and a payload.
    pub fn vault_files() -> Vec<Vec<u8>> {
        let prompts = Prompts::nobody();
        let file = IdentityFile::parse(KEY.as_bytes(), "k").expect("a key");
        let recipients = file.recipients().expect("a key has its public half");
        let words = Secret::from("fake words".to_owned());
        let passphrase = seal_to_passphrase(&key(), &words, WORK).expect("it can be sealed");
        let slot = seal_to_recipients(&key(), &recipients, &prompts).expect("it can be sealed");
        let payload = key().seal(DOCUMENT.as_bytes()).expect("it can be sealed");
        vec![
            format!(
                "vault-file/1\nslot passphrase\n{passphrase}slot recipients\n{slot}payload\n{payload}"
            )
            .into_bytes(),
        ]
    }

    /// One age file.
    pub fn sealed() -> Vec<Vec<u8>> {
        let short = key().seal(b"x").expect("it can be sealed");
        let long = key().seal(&[7; 70_000]).expect("it can be sealed");
        vec![short.into_bytes(), long.into_bytes()]
    }

    /// A document with one of everything.
    pub fn documents() -> Vec<Vec<u8>> {
        vec![DOCUMENT.as_bytes().to_vec()]
    }

    /// Plain, commented, encrypted.
    pub fn identities() -> Vec<Vec<u8>> {
        let words = Secret::from("fake words".to_owned());
        let encrypted = seal_to_passphrase(&key(), &words, WORK).expect("it can be sealed");
        vec![
            format!("# created: now\n\n{KEY}\n").into_bytes(),
            b"AGE-PLUGIN-YUBIKEY-1QQPSYQVZQ\n".to_vec(),
            encrypted.into_bytes(),
        ]
    }

    /// Everything that a policy may hold, with a body that it is about.
    pub fn policies() -> Vec<Vec<u8>> {
        let policy = r#"{"$schema": "x", "default": "deny", // all
"rules": [{"name": "a", "agent": "c*", "connection": "openai/*", "method": ["POST"], "path": "/v1/**/completions", "action": "allow"},
{"provider": ["openai"], "host": "**.openai.com", "body": {"/model": ["gpt-5*-pro", null], "/max_tokens": {">": 8e3, "<=": 1e9}}, "action": "approve", "timeout": "3m"},],
"limits": [{"requests": 100, "tokens": 5, "per": "60s"}], "budgets": [{"usd": "5.00", "per": "day"}, {"usd": 0.1, "per": "hour"}],
"routes": {"default": [{"model": "llama*", "to": "ollama", "fallback": ["a/b"], "rename": "x"}]}, "notify": "cat", "ask_for_usage": true}"#;
        let body = r#"{"model": "gpt-5.4-pro", "max_tokens": 9000.5, "stream": true, "messages": [{"role": "user", "content": "\ud83d\ude00 \u0061"}]}"#;
        vec![
            format!("{policy}\n--\n{body}").into_bytes(),
            b"{\"rules\":[{\"path\":\"/a/*b**/c/**\",\"action\":\"deny\"}]}\n--\n/a/xb/c;d/"
                .to_vec(),
        ]
    }

    /// Each kind.
    pub fn recipients() -> Vec<Vec<u8>> {
        vec![
            b"# team\nage1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj\n".to_vec(),
            b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN a@b"
                .to_vec(),
            b"age1test10qdmzv9q".to_vec(),
        ]
    }

    /// Bundled definitions.
    pub fn providers() -> Vec<Vec<u8>> {
        vec![
            include_bytes!("../../providers/openai.json").to_vec(),
            include_bytes!("../../providers/github.json").to_vec(),
            // Found here: a lone carriage return is white space too.
            include_str!("../../providers/github.json")
                .replace("      \"hint\"", "     \r\"hint\"")
                .into_bytes(),
        ]
    }

    /// Addresses and proxies.
    pub fn network() -> Vec<Vec<u8>> {
        [
            "https://api.example.com:8443/v1/me?x=%20y",
            "http://[::1]:8000",
            "http://me:fake%40@proxy.example.com:3128",
            ".corp.example,10.0.0.0/8,*.example.com:443,::1",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into()
    }

    /// The first byte is the status.
    pub fn answers() -> Vec<Vec<u8>> {
        [
            "\0{\"ok\":false,\"error\":\"ratelimited\"}",
            "\0{\"models\":[{\"name\":\"a\"}],\"data\":[{\"id\":1}],\"login\":\"x\"}",
            "\u{1}{\"errors\":[{\"extensions\":{\"code\":\"RATELIMITED\"}}]}",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into()
    }

    /// Text with keys in it, made up.
    pub fn scanned() -> Vec<Vec<u8>> {
        let github = "ghp_".to_owned() + &"FAKE1234fake".repeat(3);
        vec![
            format!("x = 1\nOPENAI_API_KEY=\"sk-proj-FAKE0123456789abcdefT3BlbkFJfake0123456789abcdef\"\n{github} y")
                .into_bytes(),
            format!("{{\"token\":\"{github}\",\"a\":\"\\n{github}\"}}\r\n\tMISTRAL_API_KEY: fake0123456789abcdefFAKE0123456x\n")
                .into_bytes(),
        ]
    }

    /// One of each.
    pub fn tokens() -> Vec<Vec<u8>> {
        [
            "\0{\"access_token\":\"FAKE\",\"refresh_token\":\"FAKEr\",\"expires_in\":\"60\",\"scope\":\"a b\"}",
            "\0{\"a\":{\"access_token\":\"FAKE\",\"token_type\":\"user\"},\"b\":\"me\",\"c\":\"https://x\"}",
            "\0{\"ok\":false,\"error\":\"invalid_grant\"}",
            "\u{7f}{\"error\":{\"code\":\"x\",\"message\":\"FAKE-refresh-token-that-was-sent\"}}",
            "\0{\"access_token\":\"FAKE\",\"id_token\":\"a.eyJlbWFpbCI6Im1lIn0.c\",\"expires_in\":1e400}",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    }

    pub fn pasted() -> Vec<Vec<u8>> {
        [
            "http://127.0.0.1:5000/callback?code=FAKE&state=FAKE&iss=https%3A%2F%2Fx#y",
            "http://127.0.0.1:5000/callback?error=access_denied&error_description=no+%21",
            "{\"tokens\":{\"id_token\":\"a.e30.c\",\"access_token\":\"a.e30.c\",\"refresh_token\":\"FAKE\"},\"last_refresh\":\"2026-11-01T10:00:00Z\"}",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    }

    /// Each framing, a socket, and a request.
    pub fn metered() -> Vec<Vec<u8>> {
        let done = br#"{"type":"response.done","response":{"usage":{"input_tokens":9,"output_tokens":2}}}"#;
        let length = u8::try_from(done.len()).expect("it is short");
        [
            (0, 0, br#"{"model":"m","choices":[{"message":{"content":"a \"b\" \\"}}],"usage":{"prompt_tokens":11,"completion_tokens":14,"total_tokens":25,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":6}}}"#.to_vec()),
            (1, 1, b"event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":7,\"cache_creation\":{\"ephemeral_1h_input_tokens\":3},\"output_tokens\":1}}}\r\n\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n".to_vec()),
            (2, 0, br#"[{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":8,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":3}]}},{"modelVersion":"m"}]"#.to_vec()),
            (3, 1, b"\xef\xbb\xbf: x\ndata: {\"usage\":\ndata: {\"cost\":1.5e-7}}\n\ndata: [DONE]\n\n".to_vec()),
            (4, 0, br#"{"meta":{"billed_units":{"input_tokens":3.0}}}"#.to_vec()),
            (5, 2, b"{\"done\":false}\n{\"done\":true,\"eval_count\":3}\n".to_vec()),
            (0, 0, [&[0x81, length], done.as_slice()].concat()),
            (0, 0, br#"{"stream":true,"messages":[],"stream_options":{"a":1}}"#.to_vec()),
            (0, 0, br#" {"stream":true,"prompt":""} "#.to_vec()),
        ]
        .map(|(shape, kind, text)| [&[shape, kind, 2], text.as_slice()].concat())
        .to_vec()
    }

    /// Bodies, among them compressed ones.
    pub fn redacted() -> Vec<Vec<u8>> {
        let gzip = super::written(
            flate2::write::GzEncoder::new(Vec::new(), super::LEVEL),
            b"data: FAKE\n\n",
        );
        let deflate = super::written(
            flate2::write::ZlibEncoder::new(Vec::new(), super::LEVEL),
            b"data: FAKE\n\n",
        );
        // Three events, and `FAKE zstd`, as in `gateway::decode`.
        let brotli = b"\x0b\x05\x80data: one\n\n\x78\0\x08data: FAKE-two\n\n\x03";
        let zstd = b"\x28\xb5\x2f\xfd\x04\x58\x49\0\0FAKE zstd\xca\x22\x50\x28";
        let long = "aaaaaaaab aaaaaaaaaaaa\n".to_owned() + &"a".repeat(300);
        [
            (
                0,
                3,
                b"FAKEFAKE KEFAKEFA\nis FAKEFAKEFAKEFA, FAKEFAK".to_vec(),
            ),
            (0, 0, long.into_bytes()),
            (1, 9, [b"FAKE-key-1\n", gzip.as_slice()].concat()),
            (2, 200, [b"FAKE-key-1\n", deflate.as_slice()].concat()),
            (3, 5, [b"FAKE-key-1\n".as_slice(), brotli].concat()),
            (4, 1, [b"FAKE-key-1\n".as_slice(), zstd].concat()),
        ]
        .map(|(coding, size, rest)| [&[coding, size], rest.as_slice()].concat())
        .to_vec()
    }

    pub fn names() -> Vec<Vec<u8>> {
        [
            "openai/team",
            "DATABASE_URL",
            "*.example.com",
            "regex:^api-[a-z]+\\.example\\.com$",
            "https://example.com:8443/v1",
            "Bearer {api_key}",
            "[::1]:8080",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into()
    }
}
