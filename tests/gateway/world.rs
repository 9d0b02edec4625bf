//! The world behind the gateway: a proxy on loopback that leads every host to
//! one HTTP server with a certificate for it. The server streams, hangs,
//! hangs up and changes protocols, as a test says. Ends when dropped.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use crate::support::TestEnvironment;

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An answer of the world.
pub type Reply = Response<BoxBody<Bytes, io::Error>>;
/// What answers; `None` hangs up.
type Answering = Pin<Box<dyn Future<Output = Option<Reply>> + Send>>;
type Answers = Arc<dyn Fn(Request<Incoming>, Heard) -> Answering + Send + Sync>;
type Raw =
    Arc<dyn Fn(TlsStream<TcpStream>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The head of a request as it arrived.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Where the connection was made to, as CONNECT said; empty where a proxy
    /// is asked in plain text.
    pub target: String,
    /// Which connection it came over, counted from 0.
    pub connection: usize,
    /// The method, a blank, and the address as it stood there.
    pub line: String,
    /// The host that it names.
    pub host: String,
    /// Whether HTTP/2 is spoken.
    pub is_http2: bool,
    /// The headers.
    pub headers: HeaderMap,
}

impl Heard {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Whether this text is anywhere in the head.
    pub fn holds(&self, text: &str) -> bool {
        format!("{self:?}").contains(text)
    }
}

/// How a host behaves.
#[derive(Clone)]
pub enum Manner {
    /// Its certificate is signed by nobody known.
    Untrusted,
    /// The proxy does not get there.
    Refused,
    /// Whatever the test does with the stream.
    Raw(Raw),
}

impl Manner {
    /// The stream of each connection is given to this.
    pub fn raw<F>(act: impl Fn(TlsStream<TcpStream>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::Raw(Arc::new(move |stream| Box::pin(act(stream))))
    }
}

/// The world.
pub struct World {
    pub port: u16,
    roots: PathBuf,
    shared: Arc<Shared>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    answers: Answers,
    issuer: Issuer<'static, KeyPair>,
    stranger: Issuer<'static, KeyPair>,
    heard: Mutex<Vec<Heard>>,
    connects: Mutex<Vec<String>>,
    manners: Mutex<HashMap<String, Manner>>,
    configurations: Mutex<HashMap<String, Arc<ServerConfig>>>,
    is_without_http2: Mutex<bool>,
}

/// An answer of a text.
pub fn reply(status: u16, body: impl Into<Bytes>) -> Reply {
    let body = Full::new(body.into()).map_err(|never| match never {});
    let mut response = Response::new(body.boxed());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// The same with more headers.
pub fn reply_with(status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut response = reply(status, body);
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        response.headers_mut().append(*name, value);
    }
    response
}

/// A body that a test gives piece by piece; it ends when the sender goes.
pub struct Piped(mpsc::UnboundedReceiver<Frame<Bytes>>);

/// The two ends of one.
pub fn pipe() -> (mpsc::UnboundedSender<Frame<Bytes>>, Piped) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Piped(receiver))
}

/// A piece of a body.
pub fn piece(text: impl Into<Bytes>) -> Frame<Bytes> {
    Frame::data(text.into())
}

impl Body for Piped {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

impl World {
    /// One that answers `ok` to everything.
    pub fn new(environment: &mut TestEnvironment) -> Self {
        Self::answering(environment, |_, _| async { Some(reply(200, "ok")) })
    }

    /// One that answers so; every run in this environment reaches it.
    pub fn answering<F>(
        environment: &mut TestEnvironment,
        answers: impl Fn(Request<Incoming>, Heard) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Option<Reply>> + Send + 'static,
    {
        let (issuer, certificate) = authority();
        let roots = environment.given("roots.pem", certificate);
        let shared = Arc::new(Shared {
            answers: Arc::new(move |request, heard| Box::pin(answers(request, heard))),
            issuer,
            stranger: authority().0,
            heard: Mutex::default(),
            connects: Mutex::default(),
            manners: Mutex::default(),
            configurations: Mutex::default(),
            is_without_http2: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (end, ended) = oneshot::channel();
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || live(listener, own, ended));
        let address = format!("http://127.0.0.1:{port}");
        environment.set("HTTPS_PROXY", &address);
        environment.set("http_proxy", &address);
        environment.set("SSL_CERT_FILE", roots.clone());
        Self {
            port,
            roots,
            shared,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// The requests so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// The only request so far.
    #[track_caller]
    pub fn only(&self) -> Heard {
        let mut heard = self.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.remove(0)
    }

    /// The last request so far.
    #[track_caller]
    pub fn last(&self) -> Heard {
        self.heard().pop().expect("a request")
    }

    /// The targets of CONNECT so far: one for each connection.
    pub fn connects(&self) -> Vec<String> {
        self.shared.connects.lock().unwrap().clone()
    }

    /// Forgets all.
    pub fn forget(&self) {
        self.shared.heard.lock().unwrap().clear();
        self.shared.connects.lock().unwrap().clear();
    }

    /// Has a host behave like this from now on.
    pub fn set(&self, host: &str, manner: Manner) {
        let mut manners = self.shared.manners.lock().unwrap();
        manners.insert(host.to_owned(), manner);
    }

    /// HTTP/1.1 is all that is spoken.
    pub fn without_http2(&self) {
        *self.shared.is_without_http2.lock().unwrap() = true;
    }

    /// Its roots.
    pub fn roots(&self) -> &std::path::Path {
        &self.roots
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn live(listener: std::net::TcpListener, shared: Arc<Shared>, ended: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).unwrap();
        tokio::select! {
            () = accept(listener, shared) => {}
            _ = ended => {}
        }
    });
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut count = 0;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let number = count;
        count += 1;
        tokio::spawn(async move {
            // A client that hangs up is the client's business.
            let _ = connection(stream, number, &shared).await;
        });
    }
}

async fn connection(mut stream: TcpStream, number: usize, shared: &Arc<Shared>) -> io::Result<()> {
    let mut first = [0; 8];
    let mut known = 0;
    while known < first.len() {
        known = stream.peek(&mut first).await?;
        if known == 0 {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
    if &first != b"CONNECT " {
        serve(stream, false, String::new(), number, shared).await;
        return Ok(());
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    shared.connects.lock().unwrap().push(target.clone());
    let host = target.rsplit_once(':').map_or("", |(host, _)| host);
    let manner = shared.manners.lock().unwrap().get(host).cloned();
    if let Some(Manner::Refused) = manner {
        return stream
            .write_all(b"HTTP/1.1 502 Fake\r\nContent-Length: 0\r\n\r\n")
            .await;
    }
    stream
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    let is_trusted = !matches!(manner, Some(Manner::Untrusted));
    let acceptor = TlsAcceptor::from(shared.configuration(host, is_trusted));
    let stream = acceptor.accept(stream).await?;
    if let Some(Manner::Raw(act)) = manner {
        act(stream).await;
        return Ok(());
    }
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    serve(stream, is_http2, target, number, shared).await;
    Ok(())
}

async fn serve<S>(stream: S, is_http2: bool, target: String, number: usize, shared: &Arc<Shared>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let own = Arc::clone(shared);
    let service = service_fn(move |request: Request<Incoming>| {
        let heard = Heard::of(&request, &target, number);
        own.heard.lock().unwrap().push(heard.clone());
        let answer = (own.answers)(request, heard);
        async move { answer.await.ok_or_else(|| io::Error::other("hangs up")) }
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

impl Heard {
    fn of(request: &Request<Incoming>, target: &str, connection: usize) -> Self {
        let uri = request.uri();
        let path = uri.path_and_query().map_or("", |text| text.as_str());
        let host = request.headers().get(HOST);
        let host = host.map(|host| host.to_str().unwrap().to_owned());
        let host = host.or_else(|| uri.authority().map(ToString::to_string));
        let is_http2 = request.version() == hyper::Version::HTTP_2;
        let address = match uri.scheme_str() {
            Some(_) if !is_http2 => uri.to_string(),
            _ => path.to_owned(),
        };
        Self {
            target: target.to_owned(),
            connection,
            line: format!("{} {address}", request.method()),
            host: host.unwrap_or_default(),
            is_http2,
            headers: request.headers().clone(),
        }
    }
}

impl Shared {
    fn configuration(&self, host: &str, is_trusted: bool) -> Arc<ServerConfig> {
        let mut known = self.configurations.lock().unwrap();
        let key = format!("{host} {is_trusted}");
        let made = known.entry(key).or_insert_with(|| {
            let issuer = if is_trusted {
                &self.issuer
            } else {
                &self.stranger
            };
            let mut config = config(certified(host, issuer));
            if !*self.is_without_http2.lock().unwrap() {
                config.alpn_protocols.push(b"h2".to_vec());
            }
            config.alpn_protocols.push(b"http/1.1".to_vec());
            Arc::new(config)
        });
        Arc::clone(made)
    }
}

/// An authority that signs, and its certificate.
pub fn authority() -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&key).unwrap().pem();
    (Issuer::new(parameters, key), certificate)
}

/// A certificate for a host, and its key.
pub fn certified(
    host: &str,
    issuer: &Issuer<'static, KeyPair>,
) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let leaf = parameters.signed_by(&key, issuer).unwrap();
    (leaf.der().clone(), key)
}

fn config((leaf, key): (CertificateDer<'static>, KeyPair)) -> ServerConfig {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .unwrap()
}
