//! The socket between the parent and the stage, and the words on it. Nothing
//! on it is secret.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Plan;

/// What a socket takes in one piece by default; more fails when it is sent.
const LARGEST: usize = 208 * 1024;

/// What the stage is to do. Paths are text of the system, of any bytes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Orders {
    pub hidden: Vec<OsString>,
    pub keep: Option<OsString>,
    /// The parent's number.
    pub parent: u32,
}

impl Orders {
    pub fn of(plan: &Plan) -> Self {
        Self {
            hidden: plan.hidden.iter().map(OsString::from).collect(),
            keep: plan.keep.as_ref().map(OsString::from),
            parent: std::process::id(),
        }
    }
}

/// What the parent says in the end.
#[derive(Debug, Serialize, Deserialize)]
pub enum Word {
    Go,
}

/// What the stage says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// Everything is ready; the listener comes with it.
    Listening,
    /// A step failed.
    Failed(Failure),
    /// The program cannot be executed, with the system's number for why.
    NotRun(i32),
}

/// A step that failed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    pub step: Step,
    /// The system's number for why.
    pub errno: i32,
}

impl Failure {
    pub fn of(step: Step, error: impl Into<io::Error>) -> Self {
        let errno = error.into().raw_os_error().unwrap_or_default();
        Self { step, errno }
    }
}

/// What the stage does, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Learns which sockets and mounts there are.
    Look,
    /// A user namespace.
    Users,
    /// The same user and group inside as outside.
    Ids,
    /// The other namespaces.
    Spaces,
    /// Mounts of its own.
    Mounts,
    /// Hides this place.
    Hide(OsString),
    /// Puts the folder back that it is to keep.
    Keep(OsString),
    /// Finds its own folder again.
    Folder(OsString),
    /// The loopback device.
    Loopback,
    /// The listener.
    Listen,
    /// Gives up every right.
    Rights,
}

/// One end of the socket.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// An end for the parent, who waits no longer than `patience`, and the
    /// one for the stage.
    pub fn pair(patience: Duration) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        set_socket_timeout(&ours, Timeout::Recv, Some(patience))?;
        set_socket_timeout(&ours, Timeout::Send, Some(patience))?;
        Ok((Self(ours), theirs))
    }

    /// The stage's end.
    pub fn from_end(end: OwnedFd) -> Self {
        Self(end)
    }

    /// Says something, perhaps with a descriptor.
    pub fn send(
        &self,
        said: &impl Serialize,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let text = serde_json::to_vec(said)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
        if !descriptors.is_empty() {
            beside.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let parts = [IoSlice::new(&text)];
        sendmsg(self.0.as_fd(), &parts, &mut beside, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// What the other end says; none when it is gone.
    pub fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Option<OwnedFd>)>> {
        let mut text = vec![0; LARGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut text)];
            match recvmsg(&self.0, &mut parts, &mut beside, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                // It ended with something of ours unread.
                Err(rustix::io::Errno::CONNRESET) => return Ok(None),
                other => break other?,
            }
        };
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let descriptor = beside.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        Ok(Some((
            serde_json::from_slice(&text[..received.bytes])?,
            descriptor,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn any_path_arrives_as_it_is() {
        let path = OsString::from_vec(b"/a b/\xff\n\"".to_vec());
        let (ours, theirs) = Channel::pair(Duration::from_secs(5)).unwrap();
        let plan = Plan {
            hidden: vec![path.clone().into()],
            ..Plan::default()
        };
        ours.send(&Orders::of(&plan), None).unwrap();
        let stage = Channel::from_end(theirs);
        let (orders, descriptor) = stage.receive::<Orders>().unwrap().unwrap();
        assert_eq!(orders.hidden, [path]);
        assert!(descriptor.is_none());
        drop(stage);
        assert!(ours.receive::<Report>().unwrap().is_none());
    }

    #[test]
    fn a_descriptor_arrives_and_is_closed_on_exec() {
        let (ours, theirs) = Channel::pair(Duration::from_secs(5)).unwrap();
        let stage = Channel::from_end(theirs);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        stage
            .send(&Report::Listening, Some(listener.as_fd()))
            .unwrap();
        let (_, descriptor) = ours.receive::<Report>().unwrap().unwrap();
        let descriptor = descriptor.unwrap();
        let flags = rustix::io::fcntl_getfd(&descriptor).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let same = std::net::TcpListener::from(descriptor);
        assert_eq!(same.local_addr().unwrap(), listener.local_addr().unwrap());
    }
}
