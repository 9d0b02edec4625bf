//! Clients of the gateway: CONNECT with HTTP/1.1 and HTTP/2 inside, whole
//! addresses, and the path form. Whatever they wait for is bounded in time.

use std::fs;
use std::future::Future;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::TestEnvironment;
use crate::support::running::Running;
use crate::world::PATIENCE;

/// A body that is there as a whole.
pub type Text = Full<Bytes>;

/// Waits, but not for ever.
#[track_caller]
pub fn bounded<T>(what: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let waited = tokio::time::timeout(PATIENCE, what).await;
        waited.unwrap_or_else(|_| panic!("it takes too long: {caller}"))
    }
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    /// Reads an answer to its end.
    pub async fn of(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let collected = bounded(body.collect()).await.unwrap();
        let trailers = collected.trailers().cloned();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: collected.to_bytes().to_vec(),
            trailers,
        }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// It must be the upstream's.
    #[track_caller]
    pub fn ok(self) -> Self {
        let is_ours = self.headers.contains_key("x-vault-error");
        assert!(self.status == 200 && !is_ours, "{self:?}");
        self
    }

    /// It must be the gateway's refusal, in its one form; gives its JSON.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status, self.header("x-vault-error")),
            (status, code),
            "{self:?} {:?}",
            String::from_utf8_lossy(&self.body)
        );
        assert_eq!(self.header("content-type"), "application/json");
        let value: Value = serde_json::from_slice(&self.body).unwrap();
        let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        assert_eq!(names, ["code", "error", "hint"], "{value}");
        assert_eq!(value["code"], code);
        assert!(value["error"].as_str().is_some_and(|text| !text.is_empty()));
        value
    }
}

/// Whoever speaks to a gateway with a token.
#[derive(Clone)]
pub struct Client {
    /// Where it listens, `127.0.0.1:1234`.
    pub address: String,
    /// What is shown to it; empty for nothing.
    pub token: String,
    /// Whom it trusts inside CONNECT.
    pub roots: RootCertStore,
}

/// A gateway that runs, and its usual client.
pub struct Gateway<'a> {
    pub running: Running<'a>,
    pub client: Client,
    /// What its child was given, for `run`.
    pub environment: Vec<(String, String)>,
}

impl Deref for Gateway<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Certificates of a file.
pub fn roots(path: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    roots
}

impl<'a> Gateway<'a> {
    /// `vault serve`.
    pub fn serve(environment: &'a TestEnvironment, token: &str, arguments: &[&str]) -> Self {
        let ca = environment.path("work/ca.pem");
        let run = environment
            .vault(["serve", "--listen", "127.0.0.1:0", "--ca-out"])
            .arg(&ca)
            .args(arguments);
        let mut running = run.begin();
        let address = running.wait_for("address", |said| {
            let said = said.split_once("listens on http://")?.1;
            Some(said.split_once(".\n")?.0.to_owned())
        });
        Self {
            running,
            client: Client {
                address,
                token: token.to_owned(),
                roots: roots(&ca),
            },
            environment: Vec::new(),
        }
    }

    /// `vault run`, whose child tells its environment and then waits.
    pub fn run(environment: &'a TestEnvironment, arguments: &[&str]) -> Self {
        let script = "env >&2; echo \"CHILD=$$\" >&2; echo READY >&2; exec cat >/dev/null";
        let run = environment.vault(["run"]).args(arguments);
        let mut running = run.args(["--", "sh", "-c", script]).begin_at_pipe();
        let said = running.wait_for("child", |said| {
            said.contains("READY\n").then(|| said.to_owned())
        });
        let variables: Vec<(String, String)> = said
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let found = |name: &str| {
            let found = variables.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let proxy = found("HTTPS_PROXY");
        let (token, address) = proxy
            .strip_prefix("http://vault:")
            .and_then(|rest| rest.split_once('@'))
            .unwrap_or_else(|| panic!("{proxy:?}"));
        let ca = roots(Path::new(&found("NODE_EXTRA_CA_CERTS")));
        Self {
            running,
            client: Client {
                address: address.to_owned(),
                token: token.to_owned(),
                roots: ca,
            },
            environment: variables,
        }
    }

    /// A variable of the child; empty where it has none.
    pub fn variable(&self, name: &str) -> &str {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// A GET without a body.
pub fn get(address: &str) -> Request<Text> {
    Request::get(address).body(Text::default()).unwrap()
}

impl Client {
    /// The same with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// The same that also trusts others.
    pub fn trusting(&self, path: &Path) -> Self {
        Self {
            roots: roots(path),
            ..self.clone()
        }
    }

    /// What a proxy's client says of itself.
    pub fn authorization(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("agent:{}", self.token)))
    }

    pub async fn connect(&self) -> TcpStream {
        let stream = bounded(TcpStream::connect(&self.address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Says this to the gateway, and reads what it says until it hangs up.
    pub async fn says(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let _ = bounded(stream.read_to_end(&mut said)).await;
        String::from_utf8_lossy(&said).into_owned()
    }

    /// CONNECT with these headers, which end in `\r\n` each.
    pub async fn connects_with(&self, target: &str, headers: &str) -> Result<TcpStream, Answer> {
        let mut stream = self.connect().await;
        let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(bounded(stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let status: u16 = head[9..12].parse().unwrap();
        if status == 200 {
            return Ok(stream);
        }
        let mut headers = HeaderMap::new();
        for line in head.lines().skip(1) {
            if let Some((name, value)) = line.split_once(": ") {
                let name: hyper::header::HeaderName = name.parse().unwrap();
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
        }
        let mut body = Vec::new();
        bounded(stream.read_to_end(&mut body)).await.unwrap();
        Err(Answer {
            status,
            headers,
            body,
            trailers: None,
        })
    }

    /// CONNECT as usual.
    pub async fn connects(&self, target: &str) -> Result<TcpStream, Answer> {
        let shown = match &*self.token {
            "" => String::new(),
            _ => format!("Proxy-Authorization: {}\r\n", self.authorization()),
        };
        self.connects_with(target, &shown).await
    }

    /// TLS over a stream, in a host's name.
    pub async fn secures(
        &self,
        stream: TcpStream,
        host: &str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from(host.to_owned()).unwrap();
        bounded(connector.connect(name, stream)).await
    }

    /// The inside of a CONNECT to a host's usual port.
    pub async fn inside(&self, host: &str, protocol: &str) -> TlsStream<TcpStream> {
        let stream = self.connects(&format!("{host}:443")).await.unwrap();
        self.secures(stream, host, &[protocol]).await.unwrap()
    }

    /// HTTP/1.1 inside CONNECT.
    pub async fn http1<B>(&self, host: &str) -> http1::SendRequest<B>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        http1_over(self.inside(host, "http/1.1").await).await
    }

    /// HTTP/2 inside CONNECT.
    pub async fn http2<B>(&self, host: &str) -> http2::SendRequest<B>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let io = TokioIo::new(self.inside(host, "h2").await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// A request to a whole address: through CONNECT, or as it is where it is
    /// plain.
    pub async fn send(&self, mut request: Request<Text>) -> Answer {
        let uri = request.uri().clone();
        let authority = uri.authority().unwrap().clone();
        if uri.scheme_str() == Some("http") {
            let shown = HeaderValue::from_str(&self.authorization()).unwrap();
            if !self.token.is_empty() {
                request.headers_mut().insert("proxy-authorization", shown);
            }
            return self.asks(request).await;
        }
        let port = authority.port_u16().unwrap_or(443);
        let target = format!("{}:{port}", authority.host());
        let stream = match self.connects(&target).await {
            Ok(stream) => stream,
            Err(answer) => return answer,
        };
        let stream = self.secures(stream, authority.host(), &["http/1.1"]).await;
        let mut sender = http1_over(stream.unwrap()).await;
        sends(&mut sender, request).await
    }

    /// A GET.
    pub async fn get(&self, address: &str) -> Answer {
        self.send(get(address)).await
    }

    /// A request to the gateway itself, as it is.
    pub async fn asks(&self, mut request: Request<Text>) -> Answer {
        let host = match request.uri().authority() {
            Some(authority) => authority.to_string(),
            None => self.address.clone(),
        };
        let headers = request.headers_mut();
        if !headers.contains_key(HOST) {
            headers.insert(HOST, HeaderValue::from_str(&host).unwrap());
        }
        let mut sender = http1_over(self.connect().await).await;
        Answer::of(bounded(sender.send_request(request)).await.unwrap()).await
    }
}

/// HTTP/1.1 over a stream.
pub async fn http1_over<S, B>(stream: S) -> http1::SendRequest<B>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

/// Starts a request inside CONNECT over HTTP/1.1: a path, and the host in its
/// header.
pub fn inner<B>(mut request: Request<B>) -> Request<B> {
    let uri = request.uri().clone();
    if let Some(authority) = uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).unwrap();
        if !request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, host);
        }
    }
    let path = uri.path_and_query().map_or("/", |text| text.as_str());
    *request.uri_mut() = path.parse::<Uri>().unwrap();
    request
}

/// Sends a request inside CONNECT over HTTP/1.1.
pub async fn sends(sender: &mut http1::SendRequest<Text>, request: Request<Text>) -> Answer {
    bounded(sender.ready()).await.unwrap();
    let response = bounded(sender.send_request(inner(request))).await.unwrap();
    Answer::of(response).await
}

/// The same over HTTP/2.
pub async fn sends2(sender: &mut http2::SendRequest<Text>, request: Request<Text>) -> Answer {
    bounded(sender.ready()).await.unwrap();
    let response = bounded(sender.send_request(request)).await.unwrap();
    Answer::of(response).await
}
