//! The world outside, played on loopback: a proxy that leads every host to
//! one server with a certificate for it, and the roots to trust it with. It
//! also answers plain requests. Bounded in time; ends when dropped.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::TestEnvironment;

/// What a TLS connection begins with.
const TLS_HANDSHAKE: u8 = 0x16;

const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The host that the connection was made to; empty where it was plain.
    pub host: String,
    /// And its port.
    pub port: u16,
    /// What the proxy was shown on the way.
    pub proxy_authorization: Option<String>,
    /// The method.
    pub method: String,
    /// The path with the query, as it stood in the first line.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status; 0 hangs up without a word.
    pub status: u16,
    /// More headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// An answer without more headers.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }
}

type Answers = dyn Fn(&Seen) -> Reply + Send + Sync;

/// The world outside.
pub struct Internet {
    port: u16,
    roots: PathBuf,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    answers: Box<Answers>,
    issuer: Issuer<'static, KeyPair>,
    seen: Mutex<Vec<Seen>>,
    refusal: Mutex<Option<String>>,
    is_over: AtomicBool,
}

impl Internet {
    /// Starts it. Runs see it after [`Internet::reach`].
    pub fn start(
        environment: &TestEnvironment,
        answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let roots = environment.given("roots.pem", authority.self_signed(&key).unwrap().pem());
        let shared = Arc::new(Shared {
            answers: Box::new(answers),
            issuer: Issuer::new(authority, key),
            seen: Mutex::default(),
            refusal: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, &shared))
        };
        Self {
            port,
            roots,
            shared,
            listener: Some(thread),
        }
    }

    /// Lets every run in this environment go through it.
    pub fn reach(&self, environment: &mut TestEnvironment) {
        environment.set("HTTPS_PROXY", self.address());
        environment.set("SSL_CERT_FILE", self.roots.clone());
    }

    /// Its address, as a proxy and as a plain server.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its roots.
    pub fn roots(&self) -> &std::path::Path {
        &self.roots
    }

    /// From now on CONNECT is answered with this line.
    pub fn refuse(&self, line: &str) {
        *self.shared.refusal.lock().unwrap() = Some(line.to_owned());
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Forgets them.
    pub fn forget(&self) {
        self.shared.seen.lock().unwrap().clear();
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.listener.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.set_write_timeout(Some(PATIENCE));
            // A client that hangs up is the client's business.
            let _ = serve(stream, &shared);
        });
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut first = [0];
    stream.peek(&mut first)?;
    if first[0] == TLS_HANDSHAKE {
        // We are a proxy that is spoken to in TLS.
        return serve_plain(encrypted(stream, "127.0.0.1", shared), shared);
    }
    serve_plain(stream, shared)
}

fn serve_plain(mut stream: impl Read + Write, shared: &Shared) -> std::io::Result<()> {
    let (first, headers) = head(&mut stream)?;
    let Some(authority) = first.strip_prefix("CONNECT ") else {
        let seen = request(&first, headers, &mut stream)?;
        return reply(stream, seen, shared);
    };
    let authority = authority.split(' ').next().unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "0"));
    let refusal = shared.refusal.lock().unwrap().clone();
    if let Some(line) = refusal {
        return stream.write_all(format!("{line}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    }
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    stream.flush()?;
    let mut stream = encrypted(stream, host, shared);
    let shown = headers.get("proxy-authorization").cloned();
    let (first, headers) = head(&mut stream)?;
    let mut seen = request(&first, headers, &mut stream)?;
    host.clone_into(&mut seen.host);
    seen.port = port.parse().unwrap_or(0);
    seen.proxy_authorization = shown;
    reply(&mut stream, seen, shared)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn encrypted<S: Read + Write>(
    stream: S,
    host: &str,
    shared: &Shared,
) -> StreamOwned<ServerConnection, S> {
    let session = ServerConnection::new(Arc::new(certified(host, shared))).unwrap();
    StreamOwned::new(session, stream)
}

fn certified(host: &str, shared: &Shared) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![host.to_owned()])
        .unwrap()
        .signed_by(&key, &shared.issuer)
        .unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap()
}

/// Byte by byte: what follows may be of another layer.
fn line(stream: &mut impl Read) -> std::io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn head(stream: &mut impl Read) -> std::io::Result<(String, BTreeMap<String, String>)> {
    let first = line(stream)?;
    let mut headers = BTreeMap::new();
    loop {
        let line = line(stream)?;
        let Some((name, value)) = line.split_once(':') else {
            return Ok((first, headers));
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

fn request(
    first: &str,
    headers: BTreeMap<String, String>,
    stream: &mut impl Read,
) -> std::io::Result<Seen> {
    let mut words = first.split(' ');
    let length = headers.get("content-length").map_or("0", String::as_str);
    let mut body = vec![0; length.parse().unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(Seen {
        host: String::new(),
        port: 0,
        proxy_authorization: None,
        method: words.next().unwrap_or_default().to_owned(),
        path: words.next().unwrap_or_default().to_owned(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn reply(mut stream: impl Write, seen: Seen, shared: &Shared) -> std::io::Result<()> {
    let reply = (shared.answers)(&seen);
    shared.seen.lock().unwrap().push(seen);
    if reply.status == 0 {
        return Ok(());
    }
    let mut text = format!(
        "HTTP/1.1 {} Fake\r\nContent-Length: {}\r\nConnection: close\r\n",
        reply.status,
        reply.body.len()
    );
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&reply.body);
    stream.write_all(text.as_bytes())?;
    stream.flush()
}
