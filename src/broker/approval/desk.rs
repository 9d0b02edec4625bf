//! The gateway's side of the socket: where those who list and decide come in.
//! A thread of its own, made with the socket when the first request is held.
//!
//! Whoever comes is bounded in number, in what they may say and in the time
//! that they may take, so that a peer that is slow or hostile takes nothing
//! from the gateway but a seat.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot};
use tokio::time::timeout;

use super::ask::{By, End};
use super::id::ApprovalId;
use super::wire::{Facts, LONGEST_REQUEST, Line, Request, ShownBody};
use super::{Shared, locked};
use crate::files::socket::{PrivateSocket, check_folder};
use crate::process::{since_boot, user_id};

/// What the sockets of gateways are called; a number and a random name follow.
pub(super) const PREFIX: &str = "g-";
/// And their ending.
pub(super) const SUFFIX: &str = "sock";
/// How long one step of an exchange may take.
const STEP: Duration = Duration::from_secs(2);
/// So many come in at once, and so many of them watch.
const SEATS: usize = 48;
const WATCHERS: usize = 16;
/// After a failed accept (no descriptors left) nobody is let in for so long.
const BREATH: Duration = Duration::from_millis(50);

/// Whether one can come in.
#[derive(Default)]
pub(super) enum Desk {
    /// Nobody needed to yet.
    #[default]
    Unopened,
    /// Here, until the sender is dropped.
    Open(
        PrivateSocket,
        #[expect(dead_code, reason = "what matters is when it is dropped")] oneshot::Sender<()>,
    ),
    /// The gateway stops: not again.
    Closed,
}

/// Opens the desk if it is not open, or its place was cleaned up.
///
/// # Errors
/// The reason why nobody can be asked.
pub(super) fn open(shared: &Arc<Shared>) -> Result<(), String> {
    let mut desk = locked(&shared.desk);
    match &*desk {
        Desk::Closed => return Ok(()),
        Desk::Open(socket, _) if socket.has_its_place() => return Ok(()),
        Desk::Open(..) | Desk::Unopened => {}
    }
    let opened = bind(shared).and_then(|socket| {
        let stop = begin(shared, &socket)?;
        Ok(Desk::Open(socket, stop))
    });
    match opened {
        Ok(opened) => {
            *desk = opened;
            Ok(())
        }
        Err(reason) => {
            let reason = format!("nobody can be asked for approval: {reason}");
            (shared.settings.warn)(&format!("A request was refused: {reason}."));
            Err(reason)
        }
    }
}

/// Nobody comes in any more, and the socket is gone.
pub(super) fn close(shared: &Shared) {
    *locked(&shared.desk) = Desk::Closed;
}

/// The first of these folders that does for a socket, made if it was not
/// there: what is to be hidden from a program must be there before it begins.
pub fn folder_for_socket(folders: &[&Path]) -> Option<PathBuf> {
    let does = |folder: &&&Path| {
        PrivateSocket::fits(&folder.join(name(u32::MAX))) && check_folder(folder).is_ok()
    };
    folders.iter().find(does).map(|folder| folder.to_path_buf())
}

/// Numbers of processes are used again, and other containers have their own.
fn name(number: u32) -> String {
    format!("{PREFIX}{number}-{}.{SUFFIX}", ApprovalId::random())
}

fn bind(shared: &Shared) -> Result<PrivateSocket, String> {
    let name = name(std::process::id());
    let mut failed = "there is no folder for a socket".to_owned();
    for folder in &shared.settings.folders {
        let path = folder.join(&name);
        if !PrivateSocket::fits(&path) {
            failed = format!("{} is too long for a socket", path.display());
            continue;
        }
        match PrivateSocket::bind(&path, PREFIX) {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error.to_string(),
        }
    }
    Err(failed)
}

fn begin(shared: &Arc<Shared>, socket: &PrivateSocket) -> Result<oneshot::Sender<()>, String> {
    let failed = |error: std::io::Error| error.to_string();
    let listener = socket.listener().try_clone().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let listener = {
        let _in_runtime = runtime.enter();
        UnixListener::from_std(listener).map_err(failed)?
    };
    let (stop, stopped) = oneshot::channel();
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name("approvals".to_owned())
        .spawn(move || runtime.block_on(receive(shared, listener, stopped)))
        .map_err(failed)?;
    Ok(stop)
}

async fn receive(shared: Arc<Shared>, listener: UnixListener, mut stopped: oneshot::Receiver<()>) {
    let seats = Arc::new(Semaphore::new(SEATS));
    let watchers = Arc::new(Semaphore::new(WATCHERS));
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        // Who finds no seat is sent away rather than kept waiting.
        if let Ok(seat) = Arc::clone(&seats).try_acquire_owned() {
            let visit = Visit {
                shared: Arc::clone(&shared),
                watchers: Arc::clone(&watchers),
                _seat: seat,
            };
            tokio::spawn(visit.attend(stream));
        }
    }
}

/// Somebody who came in.
struct Visit {
    shared: Arc<Shared>,
    watchers: Arc<Semaphore>,
    /// Taken as long as this is here.
    _seat: OwnedSemaphorePermit,
}

impl Visit {
    /// One question, one answer. `None` where it was none, or took too long.
    async fn attend(self, stream: UnixStream) -> Option<()> {
        let peer = stream.peer_cred().ok()?;
        if peer.uid() != user_id() {
            return None;
        }
        let by = By {
            uid: peer.uid(),
            pid: peer.pid().and_then(|pid| u32::try_from(pid).ok()),
        };
        let (reader, mut writer) = stream.into_split();
        let (request, reader) = timeout(STEP, read(reader)).await.ok()??;
        match request {
            Request::List { body } => {
                let (ids, ahead) = {
                    let board = self.shared.board();
                    (board.ids(), board.ahead(since_boot()))
                };
                for id in ids {
                    if let Some(line) = self.held(id, body) {
                        send(&mut writer, &line).await?;
                    }
                }
                for ahead in ahead {
                    send(&mut writer, &Line::Ahead(ahead)).await?;
                }
                send(&mut writer, &Line::Complete).await
            }
            Request::Watch { body } => {
                let seat = Arc::clone(&self.watchers).try_acquire_owned().ok()?;
                let ended = self.watch(body, reader, &mut writer).await;
                drop(seat);
                ended
            }
            Request::Approve { id, ahead } => {
                let ahead = ahead.map(Duration::from_secs);
                let line = self.decide(&id, End::Approved, by, ahead);
                send(&mut writer, &line).await
            }
            Request::Deny { id } => {
                let line = self.decide(&id, End::Denied, by, None);
                send(&mut writer, &line).await
            }
        }
    }

    fn decide(&self, id: &str, how: End, by: By, ahead: Option<Duration>) -> Line {
        let id = id.parse::<ApprovalId>().ok();
        match id.and_then(|id| self.shared.decide(id, how, by, ahead)) {
            Some((facts, others)) => Line::Decided {
                facts: Facts::clone(&facts),
                others,
            },
            None => Line::Unknown,
        }
    }

    /// What is shown of one that is still held.
    fn held(&self, id: ApprovalId, with_body: bool) -> Option<Line> {
        // Encoding waits until the board is free again.
        let (facts, body) = {
            let board = self.shared.board();
            let held = board.find(id)?;
            let body = held.ask.body.clone().filter(|_| with_body);
            (Facts::clone(&held.facts), body)
        };
        let body = body.map(|body| ShownBody::of(&body));
        Some(Line::Held(Facts { body, ..facts }))
    }

    async fn watch(
        &self,
        with_body: bool,
        mut reader: OwnedReadHalf,
        writer: &mut OwnedWriteHalf,
    ) -> Option<()> {
        // Under one lock: nothing is missed, and nothing comes twice.
        let (ids, changes) = {
            let board = self.shared.board();
            (board.ids(), self.shared.changes.subscribe())
        };
        for id in ids {
            if let Some(line) = self.held(id, with_body) {
                send(writer, &line).await?;
            }
        }
        send(writer, &Line::Complete).await?;
        self.pass_on(changes, with_body, &mut reader, writer).await
    }

    async fn pass_on(
        &self,
        mut changes: broadcast::Receiver<Line>,
        with_body: bool,
        reader: &mut OwnedReadHalf,
        writer: &mut OwnedWriteHalf,
    ) -> Option<()> {
        let mut byte = [0];
        loop {
            let line = tokio::select! {
                // A watcher has nothing more to say: it went away.
                _ = reader.read(&mut byte) => return None,
                // One that fell behind too far has to begin again.
                change = changes.recv() => change.ok()?,
            };
            let line = match line {
                Line::Held(facts) => {
                    let id = facts.id.parse().ok().filter(|_| with_body);
                    let whole = id.and_then(|id| self.held(id, true));
                    whole.unwrap_or(Line::Held(facts))
                }
                line => line,
            };
            send(writer, &line).await?;
        }
    }
}

/// One line, and nothing that is longer.
async fn read(reader: OwnedReadHalf) -> Option<(Request, OwnedReadHalf)> {
    let mut line = Vec::with_capacity(LONGEST_REQUEST);
    let limit = u64::try_from(LONGEST_REQUEST).unwrap_or(u64::MAX);
    let mut bounded = BufReader::with_capacity(LONGEST_REQUEST, reader).take(limit);
    bounded.read_until(b'\n', &mut line).await.ok()?;
    if !line.ends_with(b"\n") {
        return None;
    }
    let request = serde_json::from_slice(&line).ok()?;
    Some((request, bounded.into_inner().into_inner()))
}

async fn send(writer: &mut OwnedWriteHalf, line: &Line) -> Option<()> {
    let bytes = line.to_bytes();
    timeout(STEP, writer.write_all(&bytes)).await.ok()?.ok()
}
