//! A socket on 127.0.0.1 and the conversations on it. Each connection brings
//! one request, is read by a task of its own within bounds, and asks the one
//! who decides only when its request has been let in; so slow or odd ones
//! hold nobody up.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::LocalError;
use super::answer::Answer;
use super::guard::Guard;
use super::request::{Request, Stop, receive};

/// What a connection may cost.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// How long a request may take to come.
    pub reading: Duration,
    /// How long an answer may take to go.
    pub writing: Duration,
    /// How many there may be at once; further ones are dropped.
    pub connections: usize,
}

const LIMITS: Limits = Limits {
    reading: Duration::from_secs(10),
    writing: Duration::from_secs(2),
    connections: 32,
};

/// A socket that nobody but this machine can reach.
pub struct Listener {
    socket: StdListener,
    port: u16,
    pub(super) limits: Limits,
}

impl Listener {
    /// Takes the first of these ports that is free; 0 is any free one.
    ///
    /// # Errors
    /// None is.
    pub fn bind(ports: &[u16]) -> io::Result<Self> {
        let mut refused = io::Error::new(io::ErrorKind::InvalidInput, "no port is allowed");
        for &port in ports {
            match StdListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(socket) => {
                    socket.set_nonblocking(true)?;
                    let port = socket.local_addr()?.port();
                    return Ok(Self {
                        socket,
                        port,
                        limits: LIMITS,
                    });
                }
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// The port it has.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// What becomes of a request.
pub(super) enum Verdict<T> {
    /// It is answered, and we wait for another one.
    Wait(Answer),
    /// It is the one.
    Done(Answer, T),
}

/// A request, and the way back to its connection.
struct Asked {
    request: Request,
    reply: oneshot::Sender<Answer>,
    /// Comes when the answer has gone out, or cannot.
    sent: oneshot::Receiver<()>,
}

/// Answers requests until one is the one. Then nothing listens any more, and
/// the browser has its answer.
pub(super) async fn serve<T>(
    listener: Listener,
    guard: Guard,
    patience: Duration,
    decide: impl FnMut(Request) -> Verdict<T>,
) -> Result<T, LocalError> {
    let limits = listener.limits;
    let socket = TcpListener::from_std(listener.socket)?;
    let mut connections = JoinSet::new();
    let found = timeout(
        patience,
        converse(&socket, &mut connections, limits, guard, decide),
    )
    .await;
    drop(socket);
    let outcome = match found {
        Ok((found, sent)) => {
            let _ = timeout(limits.writing, sent).await;
            Ok(found)
        }
        Err(_) => Err(LocalError::TimedOut),
    };
    connections.shutdown().await;
    outcome
}

async fn converse<T>(
    socket: &TcpListener,
    connections: &mut JoinSet<()>,
    limits: Limits,
    guard: Guard,
    mut decide: impl FnMut(Request) -> Verdict<T>,
) -> (T, oneshot::Receiver<()>) {
    let guard = Arc::new(guard);
    let (ask, mut asked) = mpsc::channel(limits.connections);
    loop {
        match next(socket, &mut asked).await {
            Event::Asked(question) => {
                let (answer, found) = match decide(question.request) {
                    Verdict::Wait(answer) => (answer, None),
                    Verdict::Done(answer, found) => (answer, Some(found)),
                };
                // Whoever has hung up wants no answer.
                let _ = question.reply.send(answer);
                if let Some(found) = found {
                    return (found, question.sent);
                }
            }
            Event::Came(Ok(stream)) => {
                while connections.try_join_next().is_some() {}
                if connections.len() < limits.connections {
                    connections.spawn(attend(stream, Arc::clone(&guard), limits, ask.clone()));
                }
            }
            // Such as too many open files: others may close theirs.
            Event::Came(Err(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

enum Event {
    Asked(Asked),
    Came(io::Result<TcpStream>),
}

async fn next(socket: &TcpListener, asked: &mut mpsc::Receiver<Asked>) -> Event {
    poll_fn(|context| {
        if let Poll::Ready(Some(question)) = asked.poll_recv(context) {
            return Poll::Ready(Event::Asked(question));
        }
        let came = socket.poll_accept(context);
        came.map(|came| Event::Came(came.map(|(stream, _)| stream)))
    })
    .await
}

/// One connection from its beginning to its end.
async fn attend(
    mut stream: TcpStream,
    guard: Arc<Guard>,
    limits: Limits,
    ask: mpsc::Sender<Asked>,
) {
    let _ = stream.set_nodelay(true);
    let (answer, sent) = match timeout(limits.reading, receive(&mut stream, &guard)).await {
        Err(_) | Ok(Err(Stop::HungUp)) => return,
        Ok(Err(Stop::Refused(answer))) => (answer, None),
        Ok(Ok(request)) => {
            let (reply, replied) = oneshot::channel();
            let (tell, sent) = oneshot::channel();
            let question = Asked {
                request,
                reply,
                sent,
            };
            if ask.send(question).await.is_err() {
                return;
            }
            let Ok(answer) = replied.await else {
                return;
            };
            (answer, Some(tell))
        }
    };
    let _ = timeout(limits.writing, answer.send(&mut stream)).await;
    if let Some(sent) = sent {
        let _ = sent.send(());
    }
}
