//! A gateway between a client that may say anything and an upstream that says
//! what the test wants, all of them on loopback in this process. The upstream
//! reads by hand and strictly: what it could take in two ways is a fault.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use vault::broker::allowance::{Allowance, Defaults};
use vault::broker::approval::{self, Approvals};
use vault::broker::policy_file::{Absence, PolicyFile, PriceFile, RouteFile};
use vault::broker::traffic::{Book, Oversight, RunTokens, Selection, Source, Traffic};
use vault::gateway::authority::{Authority, Lasting, PermittedHost, permitted_of};
use vault::gateway::{Gateway, Listener, Settings, Unmatched};
use vault::net::{self, Proxies, ProxyVariables, Reach, Roots};
use vault::provider::{Catalog, HostName};
use vault::seal::VaultKey;
use vault::secret::Secret;
use vault::usage::{self, Recorder};
use vault::vault::{Document, Places, Store};
use zeroize::Zeroizing;

/// The key that must not come back. Every encoder has something to do here.
pub const CANARY: &str = "FAKE+canary/\"<\\=the-key-that-nobody-may-see>0123456789";
/// The client's token, which must not go on.
pub const TOKEN: &str = "vat_FAKEtokenOfTheClientOfTheStage0123456789";
/// The provider's host.
pub const HOST: &str = "api.fake.localhost";

/// The vault's key, made up; there is no vault that it opens.
const KEY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// No rules, no limits, and usage in the stage's own folder.
fn watched(folder: &std::path::Path) -> Oversight {
    let policy = folder.join("policy.json");
    let policy = PolicyFile::open(&policy, Absence::Allowed, Box::new(|_| ()));
    let recorder = Recorder::start(usage::Settings {
        path: folder.join("usage.db"),
        keep: Duration::from_secs(86_400),
        warn: Arc::new(|_| ()),
        clock: Arc::new(jiff::Timestamp::now),
    });
    let approvals = Approvals::new(approval::Settings {
        folders: vec![folder.to_owned()],
        notify: Arc::new(|| None),
        environment: Vec::new(),
        is_verbose: false,
        audit: Arc::new(|_| ()),
        warn: Arc::new(|_| ()),
        clock: jiff::Timestamp::now,
    });
    Oversight {
        policy: Arc::new(policy.expect("none is there")),
        routes: RouteFile::open(folder, Box::new(|_| ())),
        allowance: Allowance::new(Defaults::None, None),
        approvals: Arc::new(approvals),
        recorder,
        prices: PriceFile::open(&folder.join("prices.json"), Box::new(|_| ()))
            .expect("none is there"),
    }
}

/// What an upstream says: pieces that are flushed one by one.
pub struct Script {
    pub pieces: Vec<Vec<u8>>,
    /// Whether it hangs up then.
    pub closes: bool,
    /// Whether it gives back all that comes from then on.
    pub echoes: bool,
}

impl Script {
    pub fn of(text: impl Into<Vec<u8>>) -> Self {
        Self {
            pieces: vec![text.into()],
            closes: false,
            echoes: false,
        }
    }
}

/// A request as it came upstream.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which connection of the upstream it came over.
    pub connection: usize,
    pub head: String,
    pub body: Vec<u8>,
}

pub type Play = dyn Fn(&Seen) -> Script + Send + Sync;

/// What the upstream does and saw.
#[derive(Default)]
pub struct Upstream {
    play: Mutex<Option<Arc<Play>>>,
    pub seen: Mutex<Vec<Seen>>,
    pub faults: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

pub struct Stage {
    pub upstream: Arc<Upstream>,
    /// Where the gateway listens.
    pub gateway: u16,
    /// Where the upstream listens, over TLS and in the clear.
    pub tls: u16,
    pub plain: u16,
    /// What trusts the gateway, offering HTTP/1.1 or HTTP/2.
    connectors: [TlsConnector; 2],
    _gateway: Gateway,
    folder: Folder,
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upstream {
    pub fn plays(&self, play: impl Fn(&Seen) -> Script + Send + Sync + 'static) {
        *locked(&self.play) = Some(Arc::new(play));
    }

    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *locked(&self.seen))
    }

    pub fn take_faults(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.faults))
    }

    fn fault(&self, text: impl Into<String>) {
        locked(&self.faults).push(text.into());
    }

    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, authority: &str) {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        let mut came = Vec::new();
        loop {
            let Some(end) = read_until(&mut stream, &mut came, b"\r\n\r\n").await else {
                if !came.is_empty() {
                    // A client that went away may leave a request behind it
                    // that is cut short, but none that has no beginning.
                    let line = came.split(|byte| *byte == b'\r').next().unwrap_or_default();
                    if line.iter().any(|byte| byte.is_ascii_control()) {
                        self.fault(format!("no request: {:?}", String::from_utf8_lossy(&came)));
                    }
                }
                return;
            };
            let head: Vec<u8> = came.drain(..end).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            self.check(&head, authority);
            let Some(body) = self.body(&mut stream, &mut came, &head).await else {
                return;
            };
            if !came.is_empty() {
                let rest = String::from_utf8_lossy(&came).into_owned();
                self.fault(format!("more than a request: {head:?} {rest:?}"));
            }
            let seen = Seen {
                connection,
                head,
                body,
            };
            locked(&self.seen).push(seen.clone());
            let play = locked(&self.play).clone();
            let script = match play {
                Some(play) => play(&seen),
                None => Script::of("HTTP/1.1 204 No Content\r\n\r\n"),
            };
            for piece in script.pieces {
                if stream.write_all(&piece).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
            if script.echoes {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            }
            if script.closes || script.echoes {
                let _ = stream.shutdown().await;
                return;
            }
        }
    }

    /// What every request must be.
    fn check(&self, head: &str, authority: &str) {
        let fault = |what: &str| self.fault(format!("{what}: {head:?}"));
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default();
        let words: Vec<_> = line.split(' ').collect();
        if words.len() != 3 || words[2] != "HTTP/1.1" {
            fault("the request line");
        }
        if !words
            .get(1)
            .is_some_and(|path| path.starts_with('/') || *path == "*")
        {
            fault("the target");
        }
        let all: Vec<(String, &str)> = lines
            .map(|line| line.split_once(':').unwrap_or((line, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        let of = |name: &str| -> Vec<&str> {
            let found = all.iter().filter(|(own, _)| own == name);
            found.map(|(_, value)| *value).collect()
        };
        if of("host") != [authority] {
            fault("the host");
        }
        if of("authorization") != [format!("Bearer {CANARY}")] {
            fault("the key");
        }
        let lengths = of("content-length");
        if lengths.len() > 1 || lengths.len() + of("transfer-encoding").len() > 1 {
            fault("the length");
        }
        for (name, value) in &all {
            if name.starts_with("x-vault-") || name.starts_with("proxy-") {
                fault("ours went on");
            }
            if value.contains(TOKEN) {
                fault("the token went on");
            }
            if name.is_empty() || name.contains(|byte: char| byte.is_ascii_control() || byte == ' ')
            {
                fault("a header's name");
            }
            if value.contains(['\r', '\n', '\0']) {
                fault("a header's value");
            }
        }
        let query = line.split_once('?').map_or("", |(_, query)| query);
        let query = query.split(' ').next().unwrap_or_default();
        let is_token = |pair: &str| {
            pair.split_once('=')
                .is_some_and(|(_, value)| value == TOKEN)
        };
        if query.split('&').any(is_token) {
            fault("the token went on");
        }
    }

    async fn body(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        came: &mut Vec<u8>,
        head: &str,
    ) -> Option<Vec<u8>> {
        let value = |wanted: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.trim())
        };
        if value("transfer-encoding").is_some() {
            let mut body = Vec::new();
            loop {
                let end = read_until(stream, came, b"\r\n").await?;
                let line: Vec<u8> = came.drain(..end).collect();
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                let Ok(size) = usize::from_str_radix(&line, 16) else {
                    self.fault(format!("a chunk: {line:?}"));
                    return None;
                };
                if size == 0 {
                    loop {
                        let end = read_until(stream, came, b"\r\n").await?;
                        let line: Vec<u8> = came.drain(..end).collect();
                        if line == b"\r\n" {
                            return Some(body);
                        }
                    }
                }
                read_to(stream, came, size + 2).await?;
                body.extend(came.drain(..size));
                if came.drain(..2).collect::<Vec<_>>() != b"\r\n" {
                    self.fault("a chunk's end");
                }
            }
        }
        let length = value("content-length").map_or(0, |text| {
            text.parse().unwrap_or_else(|_| {
                self.fault(format!("a length: {text}"));
                0
            })
        });
        read_to(stream, came, length).await?;
        Some(came.drain(..length).collect())
    }
}

async fn read_until(
    stream: &mut (impl AsyncRead + Unpin),
    came: &mut Vec<u8>,
    end: &[u8],
) -> Option<usize> {
    loop {
        if let Some(at) = came.windows(end.len()).position(|part| part == end) {
            return Some(at + end.len());
        }
        if !matches!(stream.read_buf(came).await, Ok(1..)) {
            return None;
        }
    }
}

async fn read_to(
    stream: &mut (impl AsyncRead + Unpin),
    came: &mut Vec<u8>,
    length: usize,
) -> Option<()> {
    while came.len() < length {
        if !matches!(stream.read_buf(came).await, Ok(1..)) {
            return None;
        }
    }
    Some(())
}

fn document() -> Document {
    let key = serde_json::Value::from(CANARY).to_string();
    let one = format!(
        r#"{{"auth_type":"api_key","status":"connected","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z","stored_at":"2026-01-01T00:00:00Z","fields":{{"api_key":{key}}}}}"#
    );
    let text = format!(
        r#"{{"format":1,"vault":"0b9c8a56-0000-4000-8000-000000000000","generation":3,"updated_at":"2026-01-01T00:00:00Z","roster":{{"passphrase":null,"recipients":[{{"recipient":"age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj","label":"ci","added":"2026-01-01T00:00:00Z"}}]}},"slots":"00","fingerprint_key":"00ff","defaults":{{"fake":"default"}},"connections":{{"fake":{{"default":{one},"team":{one}}}}},"secrets":{{}}}}"#
    );
    Document::parse(Zeroizing::new(text.into_bytes())).expect("it is a document")
}

fn definition(tls: u16, plain: u16) -> String {
    format!(
        r#"{{"schema_version": 1, "name": "fake", "display_name": "Fake", "auth": ["api_key"],
            "fields": [{{"name": "api_key", "label": "API key", "env": ["FAKE_API_KEY"]}}],
            "hosts": ["{HOST}"], "ports": [{tls}, {plain}], "allow_http": true,
            "inject": [{{"in": "header", "name": "Authorization", "value": "Bearer {{api_key}}"}}],
            "base_url": "https://{HOST}:{tls}/v1"}}"#
    )
}

fn listener() -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has ports");
    listener.set_nonblocking(true).expect("a socket can be so");
    listener
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("it is bound").port()
}

impl Stage {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vault-stage-{}-{number}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(folder.0.join("providers")).expect("a folder");
        let (over_tls, in_clear, door) = (listener(), listener(), listener());
        let (tls, plain, gateway) = (port(&over_tls), port(&in_clear), port(&door));
        let file = folder.0.join("providers").join("fake.json");
        std::fs::write(file, definition(tls, plain)).expect("a file");

        let now = jiff::Timestamp::now();
        let host: HostName = HOST.parse().expect("it is a host");
        let permitted = PermittedHost::exact(&host).expect("it can be listed");
        let theirs = Authority::new(&[permitted], Lasting::Run, now).expect("an authority");
        let roots = folder.0.join("roots.pem");
        std::fs::write(&roots, theirs.certificate_pem()).expect("a file");
        let upstream = Arc::new(Upstream::default());
        begin_upstream(&upstream, over_tls, in_clear, &theirs, &host);

        let catalog = Catalog::new(Some(folder.0.join("providers")));
        let places = Places {
            file: folder.0.join("none.age"),
            state: folder.0.join("state"),
            backups: None,
        };
        let store = Store::at(places, None).expect("a place");
        let book = Book::read(&document(), &store, &catalog, &Selection::Everything)
            .expect("the document has connections");
        assert!(book.troubles().is_empty(), "{:?}", book.troubles());
        let permitted: Vec<_> = book.definitions().flat_map(permitted_of).collect();
        let ours = Authority::new(&permitted, Lasting::Run, now).expect("an authority");
        let certificate = ours.certificate().clone();
        let network = || net::Settings {
            proxies: Proxies::new(&ProxyVariables::default()),
            roots: Roots {
                file: Some(roots.clone()),
                folders: Vec::new(),
            },
        };
        let source = Source {
            store,
            key: VaultKey::from_slot_text(KEY.as_bytes()).expect("a key"),
            catalog,
            selection: Selection::Everything,
            client: net::Client::new(network()),
            clock: jiff::Timestamp::now,
        };
        let tokens = RunTokens {
            token: Some(Secret::from(TOKEN.to_owned())),
            placeholders: Vec::new(),
        };
        let settings = Settings {
            listeners: vec![Listener::Tcp(door)],
            authority: Some(ours),
            network: network(),
            reach: Reach::Anything,
            reach_of_unmatched: Reach::Anything,
            unmatched: Unmatched::Denied(Vec::new()),
            tls: None,
            threads: 1,
            log: None,
        };
        let traffic = Arc::new(Traffic::new(source, watched(&folder.0), tokens, book));
        Self {
            upstream,
            gateway,
            tls,
            plain,
            connectors: [&b"http/1.1"[..], b"h2"].map(|offered| connector(&certificate, offered)),
            _gateway: Gateway::start(settings, traffic).expect("it starts"),
            folder,
        }
    }

    /// A connection to the gateway.
    pub async fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.gateway)).await;
        let stream = stream.expect("the gateway listens");
        stream.set_nodelay(true).expect("a socket can be so");
        stream
    }

    /// A connection through CONNECT and TLS.
    pub async fn inside(&self, wants_http2: bool) -> Option<TlsStream<TcpStream>> {
        let mut stream = self.dial().await;
        let head = format!(
            "CONNECT {HOST}:{} HTTP/1.1\r\nProxy-Authorization: Bearer {TOKEN}\r\n\r\n",
            self.tls
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        let mut came = Vec::new();
        let end = read_until(&mut stream, &mut came, b"\r\n\r\n").await?;
        assert!(came.starts_with(b"HTTP/1.1 200 ") && came.len() == end);
        let name = ServerName::try_from(HOST).expect("it is a name");
        let connector = &self.connectors[usize::from(wants_http2)];
        connector.connect(name, stream).await.ok()
    }

    /// The folder that everything lies in.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder.0
    }

    /// The text with its words for places filled in.
    pub fn filled(&self, text: &[u8], token: &str) -> Vec<u8> {
        let mut text = text.to_vec();
        for (word, value) in [
            ("{token}", token.to_owned()),
            ("{basic}", {
                use base64::Engine as _;
                base64::engine::general_purpose::STANDARD.encode(format!("x:{token}"))
            }),
            ("{host}", format!("{HOST}:{}", self.tls)),
            ("{plain}", format!("{HOST}:{}", self.plain)),
        ] {
            while let Some(at) = text
                .windows(word.len())
                .position(|part| part == word.as_bytes())
            {
                text.splice(at..at + word.len(), value.bytes());
            }
        }
        text
    }
}

/// Sends all, reads until nothing comes for a moment, hangs up one way, and
/// reads to the end. `None` where there is no end.
pub async fn conversation(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    said: &[u8],
    moment: Duration,
) -> Option<Vec<u8>> {
    let mut heard = Vec::new();
    let _ = stream.write_all(said).await;
    let _ = stream.flush().await;
    while let Ok(Ok(1..)) = tokio::time::timeout(moment, stream.read_buf(&mut heard)).await {}
    let _ = stream.shutdown().await;
    let rest = async { while let Ok(1..) = stream.read_buf(&mut heard).await {} };
    tokio::time::timeout(Duration::from_secs(5), rest)
        .await
        .ok()?;
    Some(heard)
}

fn connector(certificate: &CertificateDer<'static>, offered: &[u8]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("it is a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![offered.to_vec()];
    TlsConnector::from(Arc::new(config))
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl tokio_rustls::rustls::server::ResolvesServerCert for Always {
    fn resolve(
        &self,
        _: tokio_rustls::rustls::server::ClientHello<'_>,
    ) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn begin_upstream(
    upstream: &Arc<Upstream>,
    over_tls: TcpListener,
    in_clear: TcpListener,
    authority: &Authority,
    host: &HostName,
) {
    let (certificate, key) = authority
        .leaf(host, jiff::Timestamp::now())
        .expect("it is permitted");
    let certified = Always(Arc::new(CertifiedKey::new(vec![certificate], key)));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certified));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let upstream = Arc::clone(upstream);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let local = tokio::task::LocalSet::new();
        runtime.block_on(local.run_until(async move {
            let names = [&over_tls, &in_clear].map(|own| format!("{HOST}:{}", port(own)));
            let over_tls = tokio::net::TcpListener::from_std(over_tls).expect("it listens");
            let in_clear = tokio::net::TcpListener::from_std(in_clear).expect("it listens");
            loop {
                let (stream, is_tls) = tokio::select! {
                    came = over_tls.accept() => (came, true),
                    came = in_clear.accept() => (came, false),
                };
                let Ok((stream, _)) = stream else { continue };
                let _ = stream.set_nodelay(true);
                let (upstream, acceptor) = (Arc::clone(&upstream), acceptor.clone());
                let authority = names[usize::from(!is_tls)].clone();
                tokio::task::spawn_local(async move {
                    if !is_tls {
                        upstream.serve(stream, &authority).await;
                    } else if let Ok(stream) = acceptor.accept(stream).await {
                        upstream.serve(stream, &authority).await;
                    }
                });
            }
        }));
    });
}
