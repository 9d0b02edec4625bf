//! The gateway: programs' requests on their way to providers.
//!
//! Four ways in: CONNECT, whose TLS is opened only for hosts of connections;
//! absolute addresses for plain http; `/api/PROVIDER/…`; and `/v1/…`, where
//! the model says who is meant. Whichever way, one authority is pinned, the broker is asked, and what it gives is put in.
//! Both directions are streamed. A refusal sends nothing upstream.
//!
//! Connections are dealt out to a few threads, and each lives on its thread
//! alone: a request and its answer pass through one task.

mod answer;
pub mod authority;
mod authorization;
mod body;
mod connect;
mod content;
pub mod decode;
mod door;
mod edit;
mod forward;
mod h1;
#[doc(hidden)]
pub mod heads;
mod intercept;
mod leaves;
mod listen;
mod measure;
mod path_form;
mod permission;
mod pool;
mod prefixed;
mod relay;
mod routes;
mod send;
mod service;
mod signing;
mod target;
mod tunnel;
mod upgrade;
mod worker;

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio_rustls::rustls::ServerConfig;

use self::authority::Authority;
use self::leaves::Leaves;
use self::worker::{Worker, run_worker};
use crate::broker::traffic::Traffic;
use crate::error::{Error, Kind, Result};
use crate::net::{self, Dialer, Reach};
use crate::provider::Host;

pub use self::listen::Listener;

/// How often one that stops looks whether all is done.
const LOOK: Duration = Duration::from_millis(10);
/// So long its threads may take to end.
const ENDING: Duration = Duration::from_secs(1);

/// So many hosts have their certificates made before anybody asks.
const PREPARED: usize = 64;

/// What a gateway is made of.
pub struct Settings {
    /// Where clients come in.
    pub listeners: Vec<Listener>,
    /// What speaks for hosts, if there is any host to speak for.
    pub authority: Option<Authority>,
    /// How the world is reached.
    pub network: net::Settings,
    /// Which addresses may be called for hosts of connections.
    pub reach: Reach,
    /// Which for all others.
    pub reach_of_unmatched: Reach,
    /// What happens to requests that no connection is for.
    pub unmatched: Unmatched,
    /// TLS of the listeners themselves.
    pub tls: Option<Arc<ServerConfig>>,
    /// How many threads carry it.
    pub threads: usize,
    /// Who is told of requests.
    pub log: Option<Log>,
}

/// What happens to requests that no connection is for.
#[derive(Debug, Clone, Default)]
pub enum Unmatched {
    /// They go through, untouched.
    #[default]
    Through,
    /// They go nowhere, but for those to these hosts.
    Denied(Vec<Host>),
}

/// Hears of each request.
pub type Log = Arc<dyn Fn(&Line<'_>) + Send + Sync>;

/// One request, without anything that could be a secret.
pub struct Line<'a> {
    /// Who asked.
    pub client: &'a str,
    /// The method.
    pub method: &'a str,
    /// The host and port.
    pub authority: &'a str,
    /// The path as the client wrote it, without its query.
    pub path: &'a str,
    /// Whose credential went with it.
    pub connection: Option<&'a str>,
    /// What was answered.
    pub status: u16,
    /// How long the answer's head took.
    pub took: Duration,
}

/// What all threads share.
struct Shared {
    traffic: Arc<Traffic>,
    leaves: Option<Leaves>,
    dialer: Dialer,
    reach: Reach,
    reach_of_unmatched: Reach,
    unmatched: Unmatched,
    tls: Option<Arc<ServerConfig>>,
    log: Option<Log>,
    /// What is known of connections that routes lead to.
    health: Mutex<routes::Health>,
    /// Where bodies are held that have to be read first.
    room: content::Room,
    /// How many connections of clients are open.
    open: AtomicUsize,
}

/// A gateway that runs until its process ends.
pub struct Gateway {
    stop: watch::Sender<bool>,
    end: watch::Sender<bool>,
    /// Broken once every thread is done.
    ended: Receiver<Infallible>,
    shared: Arc<Shared>,
}

impl Gateway {
    /// Starts one.
    ///
    /// # Errors
    /// The system gives no thread or event queue.
    pub fn start(settings: Settings, traffic: Arc<Traffic>) -> Result<Self> {
        let clock = Arc::clone(&traffic);
        let shared = Arc::new(Shared {
            leaves: settings
                .authority
                .map(|authority| Leaves::new(authority, move || clock.now())),
            traffic,
            dialer: Dialer::new(settings.network),
            reach: settings.reach,
            reach_of_unmatched: settings.reach_of_unmatched,
            unmatched: settings.unmatched,
            tls: settings.tls,
            log: settings.log,
            health: Mutex::default(),
            room: content::Room::default(),
            open: AtomicUsize::new(0),
        });
        if let (Some(leaves), Ok(book)) = (&shared.leaves, shared.traffic.book()) {
            leaves.prepare(book.exact_hosts(PREPARED));
        }
        let (stop, stopping) = watch::channel(false);
        let count = settings.threads.max(1);
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let mut listeners = Some(settings.listeners);
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ending) = watch::channel(false);
        let (last, ended) = std::sync::mpsc::channel::<Infallible>();
        for (number, incoming) in receivers.into_iter().enumerate() {
            let worker = Worker::new(Arc::clone(&shared), stopping.clone(), ending.clone());
            let senders = senders.clone();
            let listeners = listeners.take().unwrap_or_default();
            let (tell, last) = (tell.clone(), last.clone());
            thread::Builder::new()
                .name(format!("gateway-{number}"))
                .spawn(move || {
                    run_worker(worker, incoming, listeners, senders, number, &tell);
                    drop(last);
                })
                .map_err(|error| {
                    Error::new(Kind::Failed, "Cannot start a thread").with_source(error)
                })?;
        }
        drop((tell, last));
        // A gateway that cannot wait for anything is none.
        for _ in 0..count {
            let begun = told
                .recv()
                .unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()));
            begun.map_err(|error| {
                Error::new(Kind::Failed, "The gateway cannot wait for its clients")
                    .with_source(error)
                    .with_hint("Look at the limits: ulimit -n")
            })?;
        }
        Ok(Self {
            stop,
            end,
            ended,
            shared,
        })
    }

    /// Speaks for hosts with another authority from now on.
    pub fn speak_with(&self, authority: Authority) {
        if let Some(leaves) = &self.shared.leaves {
            leaves.replace(authority);
        }
    }

    /// Takes no new connection, and gives those that are open so long.
    pub fn stop(self, drain: Duration) {
        let _ = self.stop.send(true);
        self.shared.traffic.stop_holding();
        let end = Instant::now() + drain;
        while self.shared.open.load(Ordering::Relaxed) > 0 && Instant::now() < end {
            thread::park_timeout(LOOK);
        }
    }
}

/// What was used is written down before the process ends, also by what does
/// not come to its own end.
impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        let _ = self.end.send(true);
        // An error says that the last thread is done.
        let _ = self.ended.recv_timeout(ENDING);
        self.shared.traffic.close();
    }
}

impl Unmatched {
    fn allows(&self, host: &crate::provider::HostName) -> bool {
        match self {
            Self::Through => true,
            Self::Denied(except) => except.iter().any(|entry| entry.matches(host)),
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gateway")
    }
}
