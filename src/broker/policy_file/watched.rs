//! A file that is followed while others change it.
//!
//! Always true here: what is in force was read as a whole and understood; to
//! ask for it costs no system call but once in a while; a change is seen at
//! the next look even where the clock of the file system is coarse.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

/// So often, in microseconds, the file is looked at again.
const LOOK_AGAIN: u64 = 2_000;

/// A file that was written less long ago may be half written, and may be
/// written again without a change of its times.
const SETTLED: Duration = Duration::from_millis(50);

/// More than anybody writes by hand, and little enough to read at once.
const LARGEST: u64 = 8 << 20;

/// What is made of the text; `None` where there is no file.
pub type Reading<T> = fn(Option<&str>) -> Result<T, String>;

/// Who is told of changes, while nothing is locked that they could need.
pub type Told<T> = Box<dyn Fn(Change<'_, T>) + Send + Sync>;

/// What became of the file.
pub enum Change<'a, T> {
    /// It says something else, which is in force now.
    New(&'a T, &'a Content),
    /// It cannot be used, for this reason.
    Broken(&'a str),
    /// It says again what is in force.
    Mended,
}

/// What tells one text of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Absent,
    /// Its SHA-256.
    Text([u8; 32]),
    /// It was not read, for this reason.
    Unread(String),
}

/// The file and what it says.
pub struct Watched<T> {
    path: PathBuf,
    read: Reading<T>,
    told: Told<T>,
    current: Mutex<Arc<T>>,
    began: Instant,
    looked_at: AtomicU64,
    seen: Mutex<Seen>,
}

/// What the last look saw.
struct Seen {
    stamp: Option<Stamp>,
    /// Whether the same stamp means the same text.
    is_settled: bool,
    /// When, after the beginning, this was first there.
    since: Duration,
    last: Content,
    in_force: Content,
    /// What was said to be broken.
    broken: Option<Content>,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    number: u64,
    written: (i64, i64),
    /// Nobody can set it, and it goes with the file's mode too.
    changed: (i64, i64),
    length: u64,
}

/// When a look takes place.
#[derive(Debug, Clone, Copy)]
pub struct Glance {
    /// Since the beginning, on a clock that never goes back.
    pub steady: Duration,
    /// On the clock that files are stamped by.
    pub wall: SystemTime,
}

impl<T> Watched<T> {
    /// Follows a file from what was read of it just now.
    pub fn new(path: &Path, read: Reading<T>, first: (T, Content), told: Told<T>) -> Self {
        let (value, content) = first;
        Self {
            path: path.to_owned(),
            read,
            told,
            current: Mutex::new(Arc::new(value)),
            began: Instant::now(),
            looked_at: AtomicU64::new(0),
            seen: Mutex::new(Seen {
                stamp: None,
                is_settled: false,
                since: Duration::ZERO,
                last: content.clone(),
                in_force: content,
                broken: None,
            }),
        }
    }

    /// What is in force.
    pub fn current(&self) -> Arc<T> {
        let steady = self.began.elapsed();
        // So that the very first question looks.
        let now = u64::try_from(steady.as_micros())
            .unwrap_or(u64::MAX)
            .saturating_add(LOOK_AGAIN);
        if now.saturating_sub(self.looked_at.load(Ordering::Relaxed)) >= LOOK_AGAIN {
            self.looked_at.store(now, Ordering::Relaxed);
            self.look(Glance {
                steady,
                wall: SystemTime::now(),
            });
        }
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sees whether the file has changed, however little time has passed.
    pub fn look_now(&self) {
        self.look(Glance {
            steady: self.began.elapsed(),
            wall: SystemTime::now(),
        });
    }

    /// Sees whether the file has changed.
    pub fn look(&self, now: Glance) {
        // While one looks, others go by what is in force.
        let mut seen = match self.seen.try_lock() {
            Ok(seen) => seen,
            Err(TryLockError::Poisoned(seen)) => seen.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let stamp = Stamp::of(&self.path);
        if seen.is_settled && stamp == seen.stamp {
            return;
        }
        let (text, content) = read(&self.path);
        let is_whole = stamp == Stamp::of(&self.path);
        if stamp != seen.stamp || content != seen.last {
            seen.since = now.steady;
        }
        let age = stamp.and_then(|stamp| stamp.age(now.wall));
        let is_old = age.is_some_and(|age| age >= SETTLED)
            || now.steady.saturating_sub(seen.since) >= SETTLED;
        seen.stamp = stamp;
        // What cannot be read may become so without a new stamp.
        seen.is_settled = is_whole && is_old && !matches!(content, Content::Unread(_));
        seen.last = content.clone();
        self.judge(&mut seen, text, &content, is_whole && is_old);
    }

    fn judge(&self, seen: &mut Seen, text: Option<String>, content: &Content, is_sure: bool) {
        if *content == seen.in_force {
            if seen.broken.take().is_some() {
                (self.told)(Change::Mended);
            }
            return;
        }
        if seen.broken.as_ref() == Some(content) {
            return;
        }
        let value = match content {
            Content::Unread(reason) => Err(reason.clone()),
            Content::Absent | Content::Text(_) => (self.read)(text.as_deref()),
        };
        match value {
            Ok(value) => {
                let value = Arc::new(value);
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&value);
                seen.in_force = content.clone();
                seen.broken = None;
                (self.told)(Change::New(&value, content));
            }
            // Perhaps somebody is writing it at this moment.
            Err(_) if !is_sure => {}
            Err(reason) => {
                seen.broken = Some(content.clone());
                (self.told)(Change::Broken(&reason));
            }
        }
    }
}

/// The text of a file, `None` where there is none, and what tells it from
/// others.
pub fn read(path: &Path) -> (Option<String>, Content) {
    match text(path) {
        Ok(None) => (None, Content::Absent),
        Ok(Some(text)) => {
            let digest = Sha256::digest(text.as_bytes()).into();
            (Some(text), Content::Text(digest))
        }
        Err(error) => (None, Content::Unread(error.to_string())),
    }
}

fn text(path: &Path) -> io::Result<Option<String>> {
    // A pipe that nobody writes to would hold everything up.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file: File = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let reason = format!("it is larger than {LARGEST} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|found| Self::from(&found))
    }

    /// How long ago it changed; `None` where that is to come.
    fn age(self, now: SystemTime) -> Option<Duration> {
        let seconds = u64::try_from(self.changed.0).ok()?;
        let nanos = u32::try_from(self.changed.1).ok()?;
        let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))?;
        now.duration_since(changed).ok()
    }
}

impl From<&Metadata> for Stamp {
    fn from(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            number: found.ino(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            length: found.len(),
        }
    }
}

#[cfg(test)]
mod tests;
