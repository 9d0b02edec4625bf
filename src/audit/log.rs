//! The log of one state folder: what is put at its end.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};
use sha2::Digest;

use super::AuditError;
use super::entry::{About, Entry, Event};
use super::line::{self, LONGEST, Mark};
use super::tail::Tail;
use crate::files::{self, FileError, PathContext};
use crate::process;

/// How long the others may take: each needs some microseconds, and where it
/// changed something, the disk's time.
const PATIENCE: Duration = Duration::from_secs(2);

/// The audit log of one state folder. It holds nothing open, so that it can be
/// shared by threads, and two of the same folder are the same log.
#[derive(Debug, Clone)]
pub struct Log {
    path: PathBuf,
    head: PathBuf,
    vault: Option<String>,
    remembered: Mark,
}

impl Log {
    /// The log of this state folder, whether or not it is there.
    pub fn at(state: &Path) -> Self {
        Self {
            path: state.join("audit.jsonl"),
            head: state.join("audit.head"),
            vault: None,
            remembered: Mark::none(),
        }
    }

    /// The vault that its lines are about.
    #[must_use]
    pub fn about(mut self, vault: &Path) -> Self {
        self.vault = Some(vault.to_string_lossy().into_owned());
        self
    }

    /// What is known of the log from elsewhere: a log that ends before that
    /// was cut off, and is not continued as if nothing were amiss.
    #[must_use]
    pub fn remembering(mut self, mark: Option<Mark>) -> Self {
        if let Some(mark) = mark.filter(|mark| mark.seq > self.remembered.seq) {
            self.remembered = mark;
        }
        self
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number and digest of the last line, as it is kept beside the log;
    /// `None` where nothing is kept.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn head(&self) -> Result<Option<Mark>, AuditError> {
        let read = files::read_private(&self.head, LONGEST)?;
        Ok(read.and_then(|read| mark_of(&read.bytes)))
    }

    /// Puts an entry at the end. It is there for the next reader when this
    /// returns, and on the disk if it is of a change.
    ///
    /// # Errors
    /// The log cannot be written, or somebody holds it for too long. There is
    /// no line then, unless only the head could not be written.
    pub fn append(&self, entry: &Entry, now: Timestamp) -> Result<(), AuditError> {
        let mut open = self.open()?;
        let mut text = Vec::with_capacity(1024);
        let mark = open.push(&mut text, entry, now);
        open.write(&text, &mark, entry.event().is_change())
    }

    /// Puts an entry at the end that binds all that stands before it as it is
    /// now: what was wrong with it no longer counts.
    ///
    /// # Errors
    /// As those of [`Self::append`], or the log cannot be read.
    pub fn accept(&self, entry: &Entry, now: Timestamp) -> Result<(), AuditError> {
        let mut open = self.open()?;
        let mut text = Vec::with_capacity(1024);
        open.close_torn(&mut text, now);
        let mut before = line::digest_of_first(&open.file, open.length).at("read", &self.path)?;
        before.update(&text);
        let entry = entry
            .clone()
            .with_number("before_bytes", open.length + text.len() as u64)
            .with("before_sha256", line::hexadecimal(before));
        let mark = open.push(&mut text, &entry, now);
        open.write(&text, &mark, true)
    }

    /// Locks the log and finds where it goes on.
    fn open(&self) -> Result<Open<'_>, AuditError> {
        let file = match self.lock() {
            Err(AuditError::File(error)) if error.io_kind() == io::ErrorKind::NotFound => {
                self.make_folder()?;
                self.lock()?
            }
            locked => locked?,
        };
        let head = open_head(&self.head).at("open", &self.head)?;
        let found = file.metadata().at("look at", &self.path)?;
        if found.mode() & 0o077 != 0 {
            // Where that cannot be done there is nobody to keep it from.
            let _ = file.set_permissions(Permissions::from_mode(0o600));
        }
        let length = found.len();
        let tail = Tail::read(&file, length).at("read", &self.path)?;
        let mut bytes = [0; 128];
        let count = head.read_at(&mut bytes, 0).at("read", &self.head)?;
        let kept = mark_of(&bytes[..count]).unwrap_or_else(Mark::none);
        let last = tail.last.clone().unwrap_or_else(Mark::none);
        // The furthest of them; of two that are as far, what is kept beside
        // the log: if the line differs from it, the line was changed.
        let after = [last, self.remembered.clone(), kept];
        let after = after.into_iter().max_by_key(|mark| mark.seq);
        Ok(Open {
            log: self,
            file,
            head,
            length,
            tail,
            after: after.unwrap_or_else(Mark::none),
        })
    }

    fn lock(&self) -> Result<File, AuditError> {
        loop {
            let locked = files::lock(&self.path, PATIENCE).map_err(|error| self.judged(error))?;
            let file = locked.ok_or_else(|| AuditError::Busy {
                path: self.path.clone(),
            })?;
            // One that was removed while we waited for it is no place to write.
            if file.metadata().at("look at", &self.path)?.nlink() > 0 {
                return Ok(file);
            }
        }
    }

    fn make_folder(&self) -> Result<(), AuditError> {
        let folder = files::folder_of(&self.path);
        files::make_private_folder(folder).map_err(|error| self.judged(error))
    }

    /// Where nothing is remembered of a log and none can be made, nobody can
    /// expect one.
    pub(super) fn judged(&self, error: FileError) -> AuditError {
        let is_closed = matches!(
            error.io_kind(),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
        );
        let is_there = |path: &Path| path.symlink_metadata().is_ok();
        let is_known = self.remembered.is_some() || is_there(&self.path) || is_there(&self.head);
        match is_closed && !is_known {
            true => AuditError::NoPlace(error),
            false => AuditError::File(error),
        }
    }
}

/// A log that is ours for the moment.
struct Open<'a> {
    log: &'a Log,
    file: File,
    head: File,
    length: u64,
    tail: Tail,
    /// What the next line follows.
    after: Mark,
}

impl Open<'_> {
    /// Adds a line, and before it what a crash makes necessary.
    fn push(&mut self, text: &mut Vec<u8>, entry: &Entry, now: Timestamp) -> Mark {
        self.close_torn(text, now);
        let mark = line::push(text, entry, &self.about(), &self.after, now);
        self.after = mark.clone();
        mark
    }

    /// Ends a line that a crash cut, and says in the chain what stood there:
    /// so it is no fault, and cannot be changed either.
    fn close_torn(&mut self, text: &mut Vec<u8>, now: Timestamp) {
        if !std::mem::take(&mut self.tail.is_open) {
            return;
        }
        text.push(b'\n');
        let Some(torn) = self.tail.torn.take() else {
            return;
        };
        let entry = Entry::new(Event::Torn, "audit")
            .with_number("torn_bytes", torn.len() as u64)
            .with("torn_sha256", line::digest(&torn));
        self.after = line::push(text, &entry, &self.about(), &self.after, now);
    }

    fn about(&self) -> About<'_> {
        About {
            vault: self.log.vault.as_deref(),
            user: process::user_id(),
        }
    }

    fn write(&self, text: &[u8], mark: &Mark, is_change: bool) -> Result<(), AuditError> {
        let path = &self.log.path;
        if let Err(error) = self.file.write_all_at(text, self.length) {
            // Half a line would be of no use to anybody.
            let _ = self.file.set_len(self.length);
            return Err(FileError::from_io("write", path, error).into());
        }
        if is_change {
            self.file.sync_data().at("sync", path)?;
            if self.length == 0 {
                files::sync_folder(files::folder_of(path))?;
            }
        }
        // After the line: a head that is behind is of a crash, one that is
        // ahead of somebody who cut the log.
        let kept = format!("{mark}\n");
        let head = &self.log.head;
        self.head
            .write_all_at(kept.as_bytes(), 0)
            .at("write", head)?;
        Ok(())
    }
}

fn mark_of(bytes: &[u8]) -> Option<Mark> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

fn open_head(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(
        path,
        flags,
        Mode::RUSR | Mode::WUSR,
    )?))
}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Log>();
    assert!(LONGEST < 64 * 1024);
};
