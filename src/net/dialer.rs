//! Connections that somebody else speaks over: the ways through proxies and
//! TLS that a request takes, without the request.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::fd::AsFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::Address;
use super::proxy::Proxy;
use super::{NetError, Settings, dial};
use crate::provider::HostName;
use crate::secret::Secret;

/// After so long without a byte the other side is asked for.
const IDLE: Duration = Duration::from_secs(60);

/// Calls hosts. Roots are loaded when the first TLS connection needs them.
pub struct Dialer {
    settings: Settings,
    tls: OnceCell<Result<Connectors, String>>,
}

/// The protocols that are offered to the other side of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// Nothing is said.
    None,
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2, or HTTP/1.1.
    Http2,
}

/// Which addresses may be called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Reach {
    /// All of them.
    #[default]
    Anything,
    /// Those of other machines: not this one, nor its links, where a cloud
    /// answers questions about it.
    Others,
    /// Those of the Internet: not this machine, its links, the networks that
    /// it may be in, nor where a cloud answers questions about it.
    Internet,
}

/// A connection.
pub struct Dialed {
    /// What is spoken over.
    pub stream: Stream,
    /// Whether HTTP/2 is spoken.
    pub is_http2: bool,
    /// Whether a proxy reads what is sent, and wants whole addresses.
    pub through: bool,
}

/// Bytes both ways.
pub enum Stream {
    /// As they are.
    Plain(TcpStream),
    /// Over TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// Over TLS, through a proxy that may be reached over TLS itself.
    Nested(Box<TlsStream<Stream>>),
}

struct Connectors([TlsConnector; 3]);

impl Dialer {
    /// One that has called nobody yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            tls: OnceCell::new(),
        }
    }

    /// A connection over which requests to this address are sent: through a
    /// proxy if one is set, over TLS if the address says so.
    ///
    /// # Errors
    /// There is no way there.
    pub async fn open(
        &self,
        address: &Address,
        alpn: Alpn,
        reach: Reach,
    ) -> Result<Dialed, NetError> {
        reach.check(&address.host)?;
        let proxy = self.proxy_for(address)?;
        if !address.is_tls {
            let stream = match proxy {
                Some(proxy) => dial::proxy(self, proxy).await?,
                None => Stream::Plain(direct(address, reach).await?),
            };
            return Ok(Dialed {
                stream,
                is_http2: false,
                through: proxy.is_some(),
            });
        }
        let connector = self.connector(address, alpn).await?;
        let (stream, protocol) = match proxy {
            None => {
                let plain = direct(address, reach).await?;
                let tls = dial::secure(&connector, plain, address).await?;
                let protocol = tls.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                (Stream::Tls(Box::new(tls)), protocol)
            }
            Some(proxy) => {
                let tunnel = dial::tunnel(self, proxy, address).await?;
                let tls = dial::secure(&connector, tunnel, address).await?;
                let protocol = tls.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                (Stream::Nested(Box::new(tls)), protocol)
            }
        };
        Ok(Dialed {
            stream,
            is_http2: protocol.as_deref() == Some(b"h2"),
            through: false,
        })
    }

    /// A way to this host and port that nothing is said over yet, as for
    /// CONNECT.
    ///
    /// # Errors
    /// There is no way there.
    pub async fn tunnel(&self, address: &Address, reach: Reach) -> Result<Stream, NetError> {
        reach.check(&address.host)?;
        match self.proxy_for(address)? {
            Some(proxy) => dial::tunnel(self, proxy, address).await,
            None => Ok(Stream::Plain(direct(address, reach).await?)),
        }
    }

    /// Whether an address is reached through a proxy.
    ///
    /// # Errors
    /// The one that is named cannot be used.
    pub fn is_proxied(&self, address: &Address) -> Result<bool, NetError> {
        Ok(self.proxy_for(address)?.is_some())
    }

    /// What the proxy on the way to an address wants to see.
    ///
    /// # Errors
    /// The one that is named cannot be used.
    pub fn proxy_authorization(&self, address: &Address) -> Result<Option<&Secret>, NetError> {
        Ok(self.proxy_for(address)?.and_then(Proxy::authorization))
    }

    pub(super) fn proxy_for(&self, address: &Address) -> Result<Option<&Proxy>, NetError> {
        let proxies = &self.settings.proxies;
        let found = proxies.for_address(address);
        found.map_err(|bad| NetError::NoProxy(bad.clone()))
    }

    /// TLS with our roots, which are loaded once and on another thread: a disk
    /// that does not answer costs no more than a host that does not.
    pub(super) async fn connector(
        &self,
        address: &Address,
        alpn: Alpn,
    ) -> Result<TlsConnector, NetError> {
        let loaded = self.tls.get_or_init(|| async {
            let roots = self.settings.roots.clone();
            let loading = tokio::task::spawn_blocking(move || Connectors::new(&roots));
            loading
                .await
                .unwrap_or_else(|_| Err("its roots could not be loaded".to_owned()))
        });
        let loaded = loaded.await.as_ref();
        let Connectors(connectors) = loaded.map_err(|reason| NetError::Tls {
            host: address.host.to_string(),
            reason: reason.clone(),
        })?;
        Ok(connectors[alpn as usize].clone())
    }
}

/// Has the system ask now and then whether the other side is still there:
/// streams may be silent for hours, and nothing else ends one.
pub fn watch_over(socket: &impl AsFd) {
    use rustix::net::sockopt;
    // A socket that knows nothing of it is watched over by nobody.
    let _ = sockopt::set_socket_keepalive(socket, true);
    let _ = sockopt::set_tcp_keepidle(socket, IDLE);
    let _ = sockopt::set_tcp_keepintvl(socket, IDLE / 4);
    let _ = sockopt::set_tcp_keepcnt(socket, 4);
}

async fn direct(address: &Address, reach: Reach) -> Result<TcpStream, NetError> {
    dial::direct(&address.host, address.port, reach).await
}

impl Connectors {
    fn new(roots: &super::Roots) -> Result<Self, String> {
        let plain = roots.config()?;
        let mut one = plain.clone();
        one.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut two = plain.clone();
        two.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let connector = |config| TlsConnector::from(Arc::new(config));
        Ok(Self([plain, one, two].map(connector)))
    }
}

impl Reach {
    /// Judges what is known before a name is looked up, which a proxy may do
    /// in our place.
    fn check(self, host: &HostName) -> Result<(), NetError> {
        let address = match host {
            HostName::Address(address) => *address,
            HostName::Name(_) if host.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            HostName::Name(_) => return Ok(()),
        };
        if self.allows(address) {
            return Ok(());
        }
        Err(NetError::Private {
            host: host.to_string(),
            address,
        })
    }

    /// Whether this address may be called.
    pub fn allows(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::Anything, _) => true,
            (Self::Others, IpAddr::V4(address)) => is_elsewhere(address),
            (Self::Others, IpAddr::V6(address)) => is_elsewhere_v6(address),
            (Self::Internet, IpAddr::V4(address)) => is_public(address),
            (Self::Internet, IpAddr::V6(address)) => is_public_v6(address),
        }
    }
}

fn is_elsewhere(address: Ipv4Addr) -> bool {
    let is_here = address.is_loopback() || address.is_link_local() || address.octets()[0] == 0;
    // Clouds' addresses for questions about a machine that are no links.
    let is_cloud =
        [[100, 100, 100, 200], [168, 63, 129, 16], [192, 0, 0, 192]].contains(&address.octets());
    !is_here && !is_cloud
}

fn is_elsewhere_v6(address: Ipv6Addr) -> bool {
    if let Some(inside) = inner(address) {
        return is_elsewhere(inside);
    }
    let is_cloud = address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let is_compatible = address.segments()[..6] == [0; 6];
    !is_compatible && !address.is_unicast_link_local() && !is_cloud
}

/// The IPv4 address in one of version 6: mapped, NAT64 (RFC 6052), 6to4 (RFC
/// 3056).
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some(of(high, low)),
        _ => address.to_ipv4_mapped(),
    }
}

/// RFC 6890 and its successors: everything that is not the Internet.
fn is_public(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Between a provider and its customers (RFC 6598), protocol
        // assignments (RFC 6890), 6to4's relays, benchmarks (RFC 2544).
        || a == 100 && b & 0xc0 == 64
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || a == 198 && b & 0xfe == 18
        // Azure's wire server, which has a public address.
        || address == Ipv4Addr::new(168, 63, 129, 16);
    !is_special
}

/// Only what is given out to the world, and no form that an IPv4 address
/// hides in but such as are public themselves.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inside) = inner(address) {
        return is_public(inside);
    }
    match address.segments() {
        // Teredo and other assignments, documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] => false,
        [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Nested(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Nested(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Nested(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Nested(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Nested(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Nested(stream) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_not_another_one_in_whatever_form() {
        for here in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "169.254.169.254",
            "100.100.100.200",
            "::1",
            "::",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fe80::1",
            "fd00:ec2::254",
        ] {
            assert!(!Reach::Others.allows(here.parse().unwrap()), "{here}");
        }
        for other in [
            "10.0.0.1",
            "192.168.1.1",
            "8.8.8.8",
            "fd12::1",
            "2606:4700::1111",
        ] {
            assert!(Reach::Others.allows(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn the_internet_is_neither_this_machine_nor_its_networks() {
        for inside in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001::1",
            "2001:db8::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "fec0::1",
        ] {
            let address = inside.parse().unwrap();
            assert!(!Reach::Internet.allows(address), "{inside}");
            assert!(Reach::Anything.allows(address), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "8.8.8.8",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(
                Reach::Internet.allows(outside.parse().unwrap()),
                "{outside}"
            );
        }
    }
}
