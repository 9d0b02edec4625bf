//! One thread of the gateway: its event queue, its connections, and the
//! upstream connections that they leave for each other.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;

use super::authorization::Admitted;
use super::door;
use super::listen::{Arrived, Listener, Settled};
use super::pool::Pool;
use super::target::Authority;
use super::{Line, Shared};

/// How often upstream connections that nobody used are looked through.
const SWEEP: Duration = Duration::from_secs(15);
/// After a failed accept (no descriptors left) nobody is let in for so long.
const BREATH: Duration = Duration::from_millis(50);

/// What the connections of one thread share.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Arc<Pool>,
    stopping: watch::Receiver<bool>,
    ending: watch::Receiver<bool>,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        stopping: watch::Receiver<bool>,
        ending: watch::Receiver<bool>,
    ) -> Self {
        Self {
            shared,
            pool: Arc::default(),
            stopping,
            ending,
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Resolves when the gateway stops.
    pub(super) async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        // An end without a word is one too.
        let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
    }
}

/// Runs a thread until the gateway is stopped and its last connection ended.
pub(super) fn run_worker(
    worker: Worker,
    mut incoming: UnboundedReceiver<Arrived>,
    listeners: Vec<Listener>,
    others: Vec<UnboundedSender<Arrived>>,
    own: usize,
    tell: &std::sync::mpsc::Sender<io::Result<()>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = tell.send(Err(error));
            return;
        }
    };
    let worker = Arc::new(worker);
    runtime.block_on(async {
        let opened: io::Result<Vec<_>> = listeners.into_iter().map(Listener::open).collect();
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let _ = tell.send(Err(error));
                return;
            }
        };
        let _ = tell.send(Ok(()));
        for open in opened {
            let others = others.clone();
            let worker = Arc::clone(&worker);
            tokio::spawn(async move {
                let mut turn = own;
                loop {
                    let accepted = tokio::select! {
                        accepted = open.accept() => accepted,
                        () = worker.stopped() => return,
                    };
                    let Ok(arrived) = accepted else {
                        tokio::time::sleep(BREATH).await;
                        continue;
                    };
                    turn = (turn + 1) % others.len();
                    if turn == own {
                        begin(&worker, arrived);
                    } else {
                        let _ = others[turn].send(arrived);
                    }
                }
            });
        }
        drop(others);
        let pool = Arc::clone(&worker.pool);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SWEEP);
            loop {
                ticks.tick().await;
                pool.sweep();
            }
        });
        loop {
            tokio::select! {
                arrived = incoming.recv() => match arrived {
                    Some(arrived) => begin(&worker, arrived),
                    None => break,
                },
                () = worker.stopped() => break,
            }
        }
        // The connections that are left go on until there is no more time.
        let mut ending = worker.ending.clone();
        let _ = ending.wait_for(|is_ending| *is_ending).await;
    });
    // What is left is dropped here, and told as cut. Names that are still being
    // looked up are not waited for.
    runtime.shutdown_background();
}

fn begin(worker: &Arc<Worker>, arrived: Arrived) {
    let Ok(settled) = arrived.settle() else {
        return;
    };
    let worker = Arc::clone(worker);
    let open = OpenConnection::new(&worker.shared);
    tokio::spawn(async move {
        match settled {
            Settled::Tcp(stream) => door::enter(stream, &worker).await,
            Settled::Unix(stream) => door::enter(stream, &worker).await,
        }
        drop(open);
    });
}

/// Counts a connection as long as it lives, whatever it has become.
pub(super) struct OpenConnection(Arc<Shared>);

impl OpenConnection {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worker {
    /// Tells of a tunnel.
    pub(super) fn log_connect(
        &self,
        admitted: &Admitted,
        authority: &Authority,
        status: u16,
        start: Instant,
    ) {
        if let Some(log) = &self.shared.log {
            log(&Line {
                client: admitted.client.name(),
                method: "CONNECT",
                authority: &authority.to_string(),
                path: "",
                connection: None,
                status,
                took: start.elapsed(),
            });
        }
    }
}
