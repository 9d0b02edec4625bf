//! The HTTP client: one request, one answer, nothing in between. No redirect
//! is followed, no connection is kept, and an error names the host and never
//! the path, which may hold a secret.
//!
//! Proxies and roots are settings; nothing here reads the environment.

mod address;
mod dial;
mod dialer;
mod proxy;
mod roots;
mod wait;

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use hyper::{Method, Uri};
use hyper_util::rt::TokioIo;
use zeroize::Zeroizing;

use crate::error::{Error, Kind};
use crate::provider::HostName;
use crate::secret::Secret;

pub use self::address::{Address, BadAddress};
pub use self::dialer::{Alpn, Dialed, Dialer, Reach, Stream, watch_over};
pub use self::proxy::{BadProxy, Exception, Proxies, ProxyVariables};
pub use self::roots::{Roots, cryptography, system_file};
pub use self::wait::wait_for;

/// More of a body than this is not read: who we talk to is not trusted.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// How a client reaches the world.
#[derive(Default)]
pub struct Settings {
    /// The proxies to go through.
    pub proxies: Proxies,
    /// Whom to trust.
    pub roots: Roots,
}

/// A client.
pub struct Client {
    dialer: Dialer,
}

/// One request.
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// Where it goes.
    pub address: Address,
    /// Its headers beside `Host`, the names in lower case. The last of one
    /// name counts.
    pub headers: Vec<(String, Secret)>,
    /// Its body.
    pub body: Option<Secret>,
    /// How long it may take in all.
    pub timeout: Duration,
}

/// What came back.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, cut off where it is very long.
    pub body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer. Nothing of the request is in it but its host.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The name leads nowhere.
    #[error("{host} cannot be found: {reason}")]
    Lookup {
        /// What was looked up.
        host: String,
        /// The resolver's words.
        reason: String,
    },
    /// Nobody took the connection.
    #[error("{host} cannot be reached: {reason}")]
    Connect {
        /// Whom we called.
        host: String,
        /// The system's words.
        reason: String,
    },
    /// The other side is not who it should be, or speaks no TLS.
    #[error("no safe connection to {host}: {reason}")]
    Tls {
        /// Whom we called.
        host: String,
        /// What was wrong.
        reason: String,
    },
    /// The proxy would not.
    #[error("the proxy {proxy} refused the way to {host}: {reason}")]
    Proxy {
        /// The proxy's host and port.
        proxy: String,
        /// Where we wanted to go.
        host: String,
        /// What it said.
        reason: String,
    },
    /// A variable names a proxy that cannot be used.
    #[error("{0}")]
    NoProxy(BadProxy),
    /// It is an address that whoever asks has no business with.
    #[error("{host} is not called: {address} is an address of this machine or its network")]
    Private {
        /// Whom we were to call.
        host: String,
        /// Where that leads.
        address: std::net::IpAddr,
    },
    /// It took too long.
    #[error("{host} did not answer within {seconds} s")]
    Timeout {
        /// Whom we called.
        host: String,
        /// How long we waited.
        seconds: u64,
    },
    /// What came was no HTTP, or ended early.
    #[error("{host} did not answer in HTTP: {reason}")]
    Protocol {
        /// Whom we called.
        host: String,
        /// What was wrong.
        reason: String,
    },
    /// The request itself cannot be sent.
    #[error("the request to {host} cannot be made: {reason}")]
    Request {
        /// Where it should have gone.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl From<NetError> for Error {
    fn from(error: NetError) -> Self {
        let kind = match error {
            NetError::Request { .. } => Kind::InvalidInput,
            _ => Kind::Unreachable,
        };
        let hint = match &error {
            NetError::Tls { .. } => {
                "Behind a proxy that opens TLS, name its certificate: SSL_CERT_FILE=/path/to/ca.pem"
            }
            NetError::Proxy { .. } => "Look at HTTPS_PROXY, or leave the host out with NO_PROXY.",
            NetError::NoProxy(_) => "For example: HTTPS_PROXY=http://proxy.example.com:3128",
            NetError::Request { .. } => "Look at the definition: vault provider list",
            NetError::Private { .. } => {
                "A gateway that serves others reaches it only with: vault serve --allow-private"
            }
            NetError::Connect { host, .. } if is_this_machine(host) => {
                "Start the server there, or log in with its address: --base-url URL"
            }
            _ => "Look at the network, then try again.",
        };
        Self::new(kind, error.to_string()).with_hint(hint)
    }
}

impl Client {
    /// A client; nothing is done before a request is sent.
    pub fn new(settings: Settings) -> Self {
        Self {
            dialer: Dialer::new(settings),
        }
    }

    /// Sends one request and waits for the whole answer.
    ///
    /// # Errors
    /// There is none.
    pub async fn send(&self, request: Request) -> Result<Answer, NetError> {
        let (host, patience) = (request.address.host.to_string(), request.timeout);
        tokio::time::timeout(patience, self.exchange(request))
            .await
            .unwrap_or(Err(NetError::Timeout {
                host,
                seconds: patience.as_secs(),
            }))
    }

    async fn exchange(&self, request: Request) -> Result<Answer, NetError> {
        let address = &request.address;
        let dialed = self
            .dialer
            .open(address, Alpn::None, Reach::Anything)
            .await?;
        // A proxy is told the whole address of what is not encrypted.
        let through = dialed
            .through
            .then(|| self.dialer.proxy_for(address))
            .transpose()?
            .flatten();
        let host = address.host.to_string();
        let message = compose(&request, through)?;
        let broken = |error: hyper::Error| NetError::Protocol {
            host: host.clone(),
            reason: innermost(&error),
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(dialed.stream))
                .await
                .map_err(broken)?;
        let _driver = AbortOnDrop(tokio::spawn(connection));
        let response = sender.send_request(message).await.map_err(broken)?;
        let status = response.status().as_u16();
        let mut incoming = response.into_body();
        let mut body = Zeroizing::new(Vec::new());
        while let Some(frame) = incoming.frame().await {
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                let room = LARGEST_BODY - body.len();
                body.extend_from_slice(&data[..data.len().min(room)]);
                if body.len() == LARGEST_BODY {
                    break;
                }
            }
        }
        Ok(Answer { status, body })
    }
}

/// The connection ends with the request that it was made for.
struct AbortOnDrop(tokio::task::JoinHandle<hyper::Result<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Request {
    /// Whether it can be sent at all.
    ///
    /// # Errors
    /// It has characters that no request carries.
    pub fn check(&self) -> Result<(), NetError> {
        compose(self, None).map(|_| ())
    }
}

fn compose(
    request: &Request,
    through: Option<&proxy::Proxy>,
) -> Result<hyper::Request<Full<Bytes>>, NetError> {
    let address = &request.address;
    let wrong = |reason| NetError::Request {
        host: address.host.to_string(),
        reason,
    };
    let target = match through {
        Some(_) => format!("http://{}{}", address.authority(), address.path.reveal()),
        None => address.path.reveal().to_owned(),
    };
    let target: Uri = target.parse().map_err(|_| wrong("its path is none"))?;
    let method: Method = request
        .method
        .parse()
        .map_err(|_| wrong("its method is none"))?;
    let body = request
        .body
        .as_ref()
        .map(|body| Bytes::copy_from_slice(body.reveal().as_bytes()));
    let mut message = hyper::Request::new(Full::new(body.unwrap_or_default()));
    *message.method_mut() = method;
    *message.uri_mut() = target;
    let headers = message.headers_mut();
    let agent = concat!("vault/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in &request.headers {
        let name: hyper::header::HeaderName =
            name.parse().map_err(|_| wrong("a header has no name"))?;
        let mut value = HeaderValue::from_str(value.reveal())
            .map_err(|_| wrong("a value does not fit into a header"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let host = HeaderValue::from_str(&address.host_header()).map_err(|_| wrong("no host"))?;
    headers.insert(HOST, host);
    if let Some(authorization) = through.and_then(proxy::Proxy::authorization) {
        let mut value = HeaderValue::from_str(authorization.reveal())
            .map_err(|_| wrong("the proxy's password does not fit into a header"))?;
        value.set_sensitive(true);
        headers.insert(PROXY_AUTHORIZATION, value);
    }
    Ok(message)
}

fn is_this_machine(authority: &str) -> bool {
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    host.parse().is_ok_and(|host: HostName| host.is_loopback())
}

/// What is at the bottom of an error: the layers above it say little.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let hung_up = innermost
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof);
    if hung_up {
        return "it hung up".to_owned();
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests;
