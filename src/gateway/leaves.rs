//! Certificates for hosts, made before they are needed where that is known,
//! and kept. Signing is done on a thread of its own, off the request's path.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use super::authority::{Authority, AuthorityError, LEAF_IS_FRESH_FOR};
use crate::net::cryptography;
use crate::provider::HostName;

/// So many hosts have a certificate at hand; those of a pattern are endless.
const MOST: usize = 1024;

/// The leaves of one authority.
#[derive(Clone)]
pub(super) struct Leaves {
    authority: Arc<Mutex<Arc<Authority>>>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    known: Arc<Mutex<HashMap<HostName, Leaf>>>,
}

#[derive(Clone)]
struct Leaf {
    made: Timestamp,
    acceptor: TlsAcceptor,
}

impl Leaves {
    pub(super) fn new(
        authority: Authority,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self {
            authority: Arc::new(Mutex::new(Arc::new(authority))),
            clock: Arc::new(clock),
            known: Arc::default(),
        }
    }

    /// Whether there can be a certificate for this host.
    pub(super) fn covers(&self, host: &HostName) -> bool {
        self.authority().covers(host)
    }

    fn authority(&self) -> Arc<Authority> {
        let authority = self.authority.lock();
        Arc::clone(&authority.unwrap_or_else(PoisonError::into_inner))
    }

    /// Another authority: its leaves are made anew.
    pub(super) fn replace(&self, authority: Authority) {
        let mut own = self
            .authority
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *own = Arc::new(authority);
        drop(own);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clear();
    }

    /// Makes those of hosts that somebody will surely ask for, on a thread of
    /// its own. What fails here fails again when it is asked for.
    pub(super) fn prepare(&self, hosts: Vec<HostName>) {
        let leaves = self.clone();
        let work = move || {
            for host in hosts.iter().filter(|host| leaves.covers(host)) {
                let _ = leaves.make(host);
            }
        };
        let _ = std::thread::Builder::new()
            .name("leaves".to_owned())
            .spawn(work);
    }

    /// What speaks TLS for a host, from what is at hand.
    fn at_hand(&self, host: &HostName) -> Option<TlsAcceptor> {
        let now = (self.clock)();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let leaf = known.get(host)?;
        let is_fresh = now.duration_since(leaf.made) < LEAF_IS_FRESH_FOR;
        is_fresh.then(|| leaf.acceptor.clone())
    }

    /// What speaks TLS for a host; made on another thread if need be.
    pub(super) async fn acceptor(&self, host: &HostName) -> Option<TlsAcceptor> {
        if let Some(acceptor) = self.at_hand(host) {
            return Some(acceptor);
        }
        let (leaves, host) = (self.clone(), host.clone());
        let made = tokio::task::spawn_blocking(move || leaves.make(&host));
        made.await.ok()?.ok()
    }

    /// Makes a leaf and keeps it.
    pub(super) fn make(&self, host: &HostName) -> Result<TlsAcceptor, AuthorityError> {
        let now = (self.clock)();
        let (certificate, key) = self.authority().leaf(host, now)?;
        let certified = CertifiedKey::new(vec![certificate], key);
        let HostName::Name(name) = host else {
            return Err(AuthorityError::NotPermitted);
        };
        let only = OnlyFor {
            name: name.clone(),
            certified: Arc::new(certified),
        };
        let config = ServerConfig::builder_with_provider(cryptography())
            .with_safe_default_protocol_versions()
            .map_err(|_: rustls::Error| AuthorityError::Signing)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(only));
        let mut config = config;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ignore_client_order = true;
        // One ticket is enough to come back with.
        config.send_tls13_tickets = 1;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(
            host.clone(),
            Leaf {
                made: now,
                acceptor: acceptor.clone(),
            },
        );
        Ok(acceptor)
    }
}

/// Answers to the name that CONNECT was for, and to nobody who asks for
/// another one.
#[derive(Debug)]
struct OnlyFor {
    name: String,
    certified: Arc<CertifiedKey>,
}

impl ResolvesServerCert for OnlyFor {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_other = hello
            .server_name()
            .is_some_and(|asked| !asked.trim_end_matches('.').eq_ignore_ascii_case(&self.name));
        (!is_other).then(|| Arc::clone(&self.certified))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::gateway::authority::{Lasting, PermittedHost};

    fn leaves(hosts: &[&str]) -> Leaves {
        let hosts = hosts.iter().map(|host| host.parse().unwrap());
        let permitted: Vec<_> = hosts
            .map(|host: HostName| PermittedHost::exact(&host).unwrap())
            .collect();
        let now = Timestamp::now();
        Leaves::new(
            Authority::new(&permitted, Lasting::Run, now).unwrap(),
            move || now,
        )
    }

    #[test]
    fn hosts_that_are_known_are_ready_before_anybody_asks() {
        let leaves = leaves(&["a.example.com", "b.example.com"]);
        let host = |text: &str| text.parse::<HostName>().unwrap();
        assert!(leaves.at_hand(&host("a.example.com")).is_none());
        leaves.prepare(vec![host("c.example.com"), host("a.example.com")]);
        let deadline = Instant::now() + Duration::from_secs(20);
        while leaves.at_hand(&host("a.example.com")).is_none() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        assert!(leaves.at_hand(&host("b.example.com")).is_none());
        assert!(leaves.at_hand(&host("c.example.com")).is_none());
    }

    #[test]
    fn another_authority_makes_all_of_them_anew() {
        let own = leaves(&["a.example.com"]);
        let host = "a.example.com".parse::<HostName>().unwrap();
        assert!(own.make(&host).is_ok() && own.at_hand(&host).is_some());
        let now = Timestamp::now();
        let other = PermittedHost::exact(&"b.example.com".parse().unwrap()).unwrap();
        own.replace(Authority::new(&[other], Lasting::Run, now).unwrap());
        assert!(own.at_hand(&host).is_none() && own.make(&host).is_err());
    }
}
