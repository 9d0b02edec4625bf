//! From an address to a stream: names, sockets, tunnels, TLS.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::Address;
use super::dialer::{Dialer, Reach, Stream, watch_over};
use super::proxy::Proxy;
use super::{NetError, innermost};
use crate::provider::HostName;

/// How long one of several addresses of a host is tried before the next.
const ONE_ADDRESS: Duration = Duration::from_secs(3);
/// A proxy's answer to CONNECT that is longer than this is none.
const LARGEST_HEAD: usize = 8 * 1024;

/// Bytes both ways.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// Calls a host, one of its addresses after the other. What is judged is the
/// address that is called, whatever led to it.
pub(super) async fn direct(
    host: &HostName,
    port: u16,
    reach: Reach,
) -> Result<TcpStream, NetError> {
    let addresses: Vec<SocketAddr> = match host {
        HostName::Address(address) => vec![SocketAddr::new(*address, port)],
        // Whatever a name server says: this machine is meant (RFC 6761).
        HostName::Name(_) if host.is_loopback() => vec![
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        ],
        HostName::Name(name) => tokio::net::lookup_host((name.as_str(), port))
            .await
            .map_err(|error| NetError::Lookup {
                host: host.to_string(),
                reason: looked_up(&error),
            })?
            .collect(),
    };
    if let Some(address) = addresses.iter().find(|address| !reach.allows(address.ip())) {
        return Err(NetError::Private {
            host: host.to_string(),
            address: address.ip(),
        });
    }
    let mut reason = "it has no address".to_owned();
    let is_only = addresses.len() == 1;
    for address in addresses {
        let attempt = TcpStream::connect(address);
        let outcome = if is_only {
            Ok(attempt.await)
        } else {
            tokio::time::timeout(ONE_ADDRESS, attempt).await
        };
        match outcome {
            Ok(Ok(stream)) => {
                // Without it small writes wait for the other side's word.
                let _ = stream.set_nodelay(true);
                watch_over(&stream);
                return Ok(stream);
            }
            Ok(Err(error)) => reason = connected(&error),
            Err(_) => "it did not answer".clone_into(&mut reason),
        }
    }
    Err(NetError::Connect {
        host: format!("{host}:{port}"),
        reason,
    })
}

/// The system's words without their number and capital.
fn connected(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        std::io::ErrorKind::TimedOut => "it did not answer".to_owned(),
        _ => error.to_string(),
    }
}

fn looked_up(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(&text);
    words.to_owned()
}

/// A connection to the proxy itself.
pub(super) async fn proxy(dialer: &Dialer, proxy: &Proxy) -> Result<Stream, NetError> {
    let address = &proxy.address;
    // Whoever set the proxy said where it is.
    let plain = direct(&address.host, address.port, Reach::Anything).await?;
    Ok(if address.is_tls {
        let connector = dialer.connector(address, super::Alpn::None).await?;
        Stream::Tls(Box::new(secure(&connector, plain, address).await?))
    } else {
        Stream::Plain(plain)
    })
}

/// A way through the proxy to an address (RFC 9110, 9.3.6).
pub(super) async fn tunnel(
    dialer: &Dialer,
    through: &Proxy,
    address: &Address,
) -> Result<Stream, NetError> {
    let refused = |reason: String| NetError::Proxy {
        proxy: through.address.authority(),
        host: address.host.to_string(),
        reason,
    };
    let mut stream = proxy(dialer, through).await?;
    let authority = address.authority();
    let mut head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    if let Some(authorization) = through.authorization() {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(authorization.reveal().as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let sent = stream.write_all(&head).await;
    zeroize::Zeroize::zeroize(&mut head);
    sent.map_err(|error| refused(error.to_string()))?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // Byte by byte: what follows the head is the other side's already.
        let byte = stream
            .read_u8()
            .await
            .map_err(|_| refused("it hung up".to_owned()))?;
        answer.push(byte);
        if answer.len() > LARGEST_HEAD {
            return Err(refused("its answer has no end".to_owned()));
        }
    }
    match status_of(&answer) {
        Some(200..=299) => Ok(stream),
        Some(407) => Err(refused("it wants a user's name and a password".to_owned())),
        Some(status) => Err(refused(format!("HTTP {status}"))),
        None => Err(refused("it does not speak HTTP".to_owned())),
    }
}

fn status_of(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\r').next()?).ok()?;
    let rest = line.strip_prefix("HTTP/1.")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// TLS to the host of the address.
pub(super) async fn secure<S: Bytes>(
    connector: &TlsConnector,
    stream: S,
    address: &Address,
) -> Result<TlsStream<S>, NetError> {
    let failed = |reason: String| NetError::Tls {
        host: address.host.to_string(),
        reason,
    };
    let name = match &address.host {
        HostName::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| failed("no certificate can have that name".to_owned()))?,
        HostName::Address(address) => ServerName::IpAddress((*address).into()),
    };
    let connector = TlsConnector::from(Arc::clone(connector.config()));
    connector
        .connect(name, stream)
        .await
        .map_err(|error| failed(in_words(&error)))
}

/// What rustls says, for the cases that people meet.
fn in_words(error: &std::io::Error) -> String {
    use tokio_rustls::rustls::{CertificateError, Error};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(Error::InvalidCertificate(reason)) => match reason {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "nobody we trust signed its certificate".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name".to_owned()
            }
            other => format!("its certificate is bad: {other}"),
        },
        Some(other) => other.to_string(),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => "it hung up".to_owned(),
        None => innermost(error),
    }
}
