//! The stand-in: an HTTPS server, HTTP/1.1 and HTTP/2, with a certificate of
//! its own authority for whatever name it is asked for. It keeps every request
//! as it arrived. It ends with its process.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::seen::Seen;

/// What is answered.
#[derive(Default)]
pub struct Answer {
    /// The status; 0 is 200.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// What is sent at once.
    pub body: Vec<u8>,
    /// What is sent when a request to this path has come.
    pub after: Option<(&'static str, Vec<u8>)>,
    /// Becomes a WebSocket, which sends back what it gets.
    pub is_echo: bool,
}

impl Answer {
    /// An answer of a media type.
    pub fn new(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            body: body.into(),
            ..Self::default()
        }
    }

    /// An answer without anything.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }
}

type Answers = dyn Fn(&Seen) -> Answer + Send + Sync;

/// What it has seen so far.
#[derive(Clone)]
pub struct Server {
    requests: Arc<Mutex<Vec<Seen>>>,
}

struct Shared {
    answers: Box<Answers>,
    requests: Arc<Mutex<Vec<Seen>>>,
    /// Turns whenever there is one more.
    turns: watch::Sender<usize>,
}

impl Server {
    /// Starts it on port 443 of this address.
    pub fn start(
        address: Ipv4Addr,
        issuer: Arc<Certifier>,
        answers: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::<Mutex<Vec<Seen>>>::default();
        let shared = Arc::new(Shared {
            answers: Box::new(answers),
            requests: Arc::clone(&requests),
            turns: watch::channel(0).0,
        });
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(issuer);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = std::net::TcpListener::bind((address, 443)).unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(accept(listener, acceptor, shared));
        });
        Self { requests }
    }

    /// All requests.
    pub fn seen(&self) -> Vec<Seen> {
        self.requests.lock().unwrap().clone()
    }
}

async fn accept(listener: std::net::TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        stream.set_nodelay(true).unwrap();
        tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    // A client that does not trust us hangs up.
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let session = stream.get_ref().1;
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let host = session.server_name().unwrap_or_default().to_owned();
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        let host = host.clone();
        async move { Ok::<_, Infallible>(answered(request, host, &shared).await) }
    });
    let io = TokioIo::new(stream);
    if is_http2 {
        let builder = http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(io, service).await;
    } else {
        let connection = http1::Builder::new().serve_connection(io, service);
        let _ = connection.with_upgrades().await;
    }
}

async fn answered(
    mut request: Request<Incoming>,
    host: String,
    shared: &Shared,
) -> Response<Chunks> {
    let switched = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let authority = parts.uri.authority().map(ToString::to_string);
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let headers: Vec<_> = headers.collect();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let seen = Seen {
        host,
        version: parts.version,
        method: parts.method.to_string(),
        target: parts
            .uri
            .path_and_query()
            .map_or("/", |text| text.as_str())
            .to_owned(),
        headers,
        body,
    };
    let named = seen.header("host").map(str::to_owned).or(authority);
    let answer = if named.as_deref() == Some(&seen.host) {
        (shared.answers)(&seen)
    } else {
        Answer::status(421)
    };
    let key = seen.header("sec-websocket-key").map(str::to_owned);
    shared.requests.lock().unwrap().push(seen);
    shared.turns.send_modify(|turn| *turn += 1);
    if answer.is_echo {
        tokio::spawn(async move {
            if let Ok(stream) = switched.await {
                let _ = echo(TokioIo::new(stream)).await;
            }
        });
        return switching(&key.unwrap_or_default());
    }
    respond(answer, shared)
}

fn respond(answer: Answer, shared: &Shared) -> Response<Chunks> {
    let (send, chunks) = mpsc::unbounded_channel();
    let mut response = Response::builder().status(match answer.status {
        0 => 200,
        status => status,
    });
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let length = answer.body.len() as u64;
    if !answer.body.is_empty() {
        send.send(Bytes::from(answer.body)).unwrap();
    }
    let is_whole = answer.after.is_none();
    if let Some((path, rest)) = answer.after {
        let mut turns = shared.turns.subscribe();
        let requests = Arc::clone(&shared.requests);
        tokio::spawn(async move {
            loop {
                let has_come = requests
                    .lock()
                    .unwrap()
                    .iter()
                    .any(|seen| seen.path() == path);
                if has_come || turns.changed().await.is_err() {
                    break;
                }
            }
            let _ = send.send(Bytes::from(rest));
        });
    }
    let length = is_whole.then_some(length);
    response.body(Chunks { chunks, length }).unwrap()
}

/// A body that is sent as it comes.
struct Chunks {
    chunks: mpsc::UnboundedReceiver<Bytes>,
    length: Option<u64>,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.chunks.poll_recv(context);
        next.map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.length
            .map_or_else(Default::default, hyper::body::SizeHint::with_exact)
    }
}

/// RFC 6455, 4.2.2.
fn switching(key: &str) -> Response<Chunks> {
    const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let both = format!("{key}{SUFFIX}");
    let digest = ::ring::digest::digest(&::ring::digest::SHA1_FOR_LEGACY_USE_ONLY, both.as_bytes());
    let (_, chunks) = mpsc::unbounded_channel();
    Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", STANDARD.encode(digest))
        .body(Chunks {
            chunks,
            length: None,
        })
        .unwrap()
}

/// Frames of a client (RFC 6455, 5.2) go back as they came, unmasked: texts,
/// bytes and the farewell; a ping becomes a pong.
async fn echo(mut stream: TokioIo<hyper::upgrade::Upgraded>) -> std::io::Result<()> {
    const CLOSE: u8 = 8;
    const PING: u8 = 9;
    const PONG: u8 = 10;
    loop {
        let first = stream.read_u8().await?;
        let length = stream.read_u8().await?;
        assert!(length & 0x80 != 0, "clients mask what they send");
        let length = match length & 0x7f {
            126 => u64::from(stream.read_u16().await?),
            127 => stream.read_u64().await?,
            short => u64::from(short),
        };
        let mut mask = [0; 4];
        stream.read_exact(&mut mask).await?;
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await?;
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        let kind = first & 0x0f;
        if kind == PONG {
            continue;
        }
        let first = if kind == PING {
            first & 0xf0 | PONG
        } else {
            first
        };
        stream.write_u8(first).await?;
        match payload.len() {
            short @ 0..126 => stream.write_u8(u8::try_from(short).unwrap()).await?,
            middling @ 126..0x1_0000 => {
                stream.write_u8(126).await?;
                stream.write_u16(u16::try_from(middling).unwrap()).await?;
            }
            long => {
                stream.write_u8(127).await?;
                stream.write_u64(long as u64).await?;
            }
        }
        stream.write_all(&payload).await?;
        stream.flush().await?;
        if kind == CLOSE {
            return Ok(());
        }
    }
}

/// An authority and its certificates, one for each name.
pub struct Certifier {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub pem: String,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Certifier {
    /// A new one.
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut own = CertificateParams::new(Vec::new()).unwrap();
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        own.distinguished_name
            .push(DnType::CommonName, "the stand-in's authority");
        let pem = own.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(own, key),
            pem,
            made: Mutex::default(),
        }
    }

    /// A certificate for a name, and its key.
    pub fn certify(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Strict verifiers (Python 3.13) want it.
        leaf.use_authority_key_identifier_extension = true;
        (leaf.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

impl std::fmt::Debug for Certifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certifier")
    }
}

impl ResolvesServerCert for Certifier {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        let mut made = self.made.lock().unwrap();
        if let Some(known) = made.get(name) {
            return Some(Arc::clone(known));
        }
        let (leaf, key) = self.certify(name);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = ring::sign::any_supported_type(&key).unwrap();
        let certified = Arc::new(CertifiedKey::new(vec![leaf.der().clone()], key));
        made.insert(name.to_owned(), Arc::clone(&certified));
        Some(certified)
    }
}
