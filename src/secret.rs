//! Text that must not be shown: zeroed when dropped, without any trait that
//! could print, copy or serialise it by accident.
//!
//! ```compile_fail
//! let secret = vault::secret::Secret::from("fake".to_owned());
//! println!("{secret}");
//! ```
//! ```compile_fail
//! let secret = vault::secret::Secret::from("fake".to_owned());
//! println!("{secret:?}");
//! ```
//! ```compile_fail
//! let secret = vault::secret::Secret::from("fake".to_owned());
//! let _copy = secret.clone();
//! ```
//! ```compile_fail
//! let secret = vault::secret::Secret::from("fake".to_owned());
//! let _text = serde_json::to_string(&secret);
//! ```
//! ```
//! let secret = vault::secret::Secret::from("fake".to_owned());
//! assert_eq!(secret.reveal(), "fake");
//! ```

use std::io;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;
use serde::{Deserialize, Deserializer, de};
use zeroize::{Zeroize, Zeroizing};

/// A secret text. [`Secret::reveal`] is the one way to read it; a test pins
/// the places that call it.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret itself, for the one purpose that the caller names by being
    /// on the list of places that may do this.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Another copy, zeroed on its own; named, so that it is seen in review.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Compares two secrets in time that depends on their lengths only.
    pub fn matches(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .0
                .bytes()
                .zip(other.0.bytes())
                .fold(0, |difference, (a, b)| difference | (a ^ b))
                == 0
    }

    /// Takes bytes that were read from a file or a pipe; they are wiped
    /// whether or not they are text.
    ///
    /// # Errors
    /// The bytes are not UTF-8.
    pub fn from_utf8(mut bytes: Zeroizing<Vec<u8>>) -> Result<Self, NotText> {
        match String::from_utf8(std::mem::take(&mut *bytes)) {
            Ok(text) => Ok(Self(Zeroizing::new(text))),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(NotText)
            }
        }
    }

    /// The same text without one trailing line feed: what a shell adds, and
    /// nothing of the text itself.
    #[must_use]
    pub fn without_trailing_line_feed(self) -> Self {
        match self.0.strip_suffix('\n').map(str::len) {
            Some(length) => Self(Zeroizing::new(self.0[..length].to_owned())),
            None => self,
        }
    }

    /// The same text without one trailing line ending.
    #[must_use]
    pub fn without_trailing_newline(self) -> Self {
        let kept = self
            .0
            .strip_suffix('\n')
            .map(|text| text.strip_suffix('\r').unwrap_or(text))
            .map(str::len);
        match kept {
            Some(length) => Self(Zeroizing::new(self.0[..length].to_owned())),
            None => self,
        }
    }
}

/// Bytes were offered as a secret that are not UTF-8 text.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("it is not UTF-8 text")]
pub struct NotText;

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Secret;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::from(text.to_owned()))
            }
            fn visit_string<E: de::Error>(self, text: String) -> Result<Secret, E> {
                Ok(Secret::from(text))
            }
        }
        deserializer.deserialize_string(Text)
    }
}

/// A growing buffer that leaves no copy behind when it moves to a larger
/// place, and is zeroed when dropped.
#[derive(Default)]
pub struct SecretBuffer(Zeroizing<Vec<u8>>);

impl SecretBuffer {
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    /// What was written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends bytes, moving to a larger place and wiping the old one when
    /// there is no room.
    pub fn push(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            self.move_to(needed.max(self.0.capacity() * 2));
        }
        self.0.extend_from_slice(bytes);
    }

    /// Moves to a place with room for `capacity` bytes; the old one is wiped.
    fn move_to(&mut self, capacity: usize) {
        let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
        larger.extend_from_slice(&self.0);
        self.0 = larger;
    }

    /// Hands over the bytes, still zeroed on drop.
    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// Reads to the end of `source`, refusing more than `limit` bytes. It goes
    /// straight into the buffer, which has room for the `announced` bytes at
    /// once; what is announced is not believed beyond that.
    ///
    /// # Errors
    /// Reading failed, or there was more than `limit`
    /// ([`io::ErrorKind::FileTooLarge`]).
    pub fn read_from(source: impl AsFd, announced: usize, limit: usize) -> io::Result<Self> {
        // One byte more than allowed tells that it is too much; one more than
        // announced lets the end be seen without a move.
        let most = limit.saturating_add(1);
        let mut buffer =
            Self::with_capacity(announced.saturating_add(1).clamp(FIRST, most.max(FIRST)));
        loop {
            if buffer.0.len() == buffer.0.capacity() {
                buffer.move_to(buffer.0.capacity() * 2);
            }
            match rustix::io::read(&source, rustix::buffer::spare_capacity(&mut buffer.0)) {
                Ok(0) => return Ok(buffer),
                Ok(_) if buffer.0.len() > limit => {
                    return Err(io::Error::new(
                        io::ErrorKind::FileTooLarge,
                        format!("more than {limit} bytes"),
                    ));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait_for(&source)?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Wipes a buffer and lets it go; for large ones, which would be wiped byte by
/// byte otherwise.
pub fn wipe(buffer: &mut Zeroizing<Vec<u8>>) {
    let mut bytes = std::mem::take(&mut **buffer);
    bytes.fill(0);
    bytes.resize(bytes.capacity(), 0);
    zeroize::optimization_barrier(bytes.as_slice());
}

/// Room for what is read first. The kernel's own files announce nothing and
/// are given whole to the first read or not at all.
const FIRST: usize = 4096;

/// Waits for whoever set a descriptor so that reading does not.
fn wait_for(source: &impl AsFd) -> io::Result<()> {
    match poll(&mut [PollFd::new(source, PollFlags::IN)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl io::Write for SecretBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_line_ending_goes_and_no_more() {
        for (given, kept) in [
            ("key\n", "key"),
            ("key\r\n", "key"),
            ("key\n\n", "key\n"),
            ("key", "key"),
            ("key ", "key "),
            ("\n", ""),
            ("", ""),
        ] {
            let secret = Secret::from(given.to_owned()).without_trailing_newline();
            assert_eq!(secret.reveal(), kept);
        }
    }

    #[test]
    fn a_buffer_that_grows_keeps_its_content() {
        let mut buffer = SecretBuffer::with_capacity(1);
        for _ in 0..1000 {
            buffer.push(b"abc");
        }
        assert_eq!(buffer.as_bytes(), b"abc".repeat(1000));
    }

    #[test]
    fn reading_stops_at_the_limit() {
        assert!(SecretBuffer::read_from(pipe_of(b"12345"), 0, 5).is_ok());
        let refused = SecretBuffer::read_from(pipe_of(b"123456"), 0, 5)
            .err()
            .unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    }

    fn pipe_of(bytes: &[u8]) -> io::PipeReader {
        use io::Write;
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(bytes).unwrap();
        reader
    }

    #[test]
    fn more_and_less_than_announced_is_read_to_its_end() {
        let bytes: Vec<u8> = (0..60_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for announced in [0, 1, 59_999, 60_000, 60_001, usize::MAX] {
            let read = SecretBuffer::read_from(pipe_of(&bytes), announced, 100_000).unwrap();
            assert_eq!(read.as_bytes(), bytes, "{announced}");
            assert!(read.0.capacity() <= 131_072, "{announced}");
        }
    }

    #[test]
    fn a_source_that_does_not_wait_is_waited_for() {
        use io::Write;
        let (reader, mut writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let reading = std::thread::spawn(move || SecretBuffer::read_from(reader, 0, 100));
        std::thread::sleep(std::time::Duration::from_millis(20));
        writer.write_all(b"late").unwrap();
        drop(writer);
        assert_eq!(reading.join().unwrap().unwrap().as_bytes(), b"late");
    }

    #[test]
    fn matching_compares_content() {
        let secret = |text: &str| Secret::from(text.to_owned());
        assert!(secret("abc").matches(&secret("abc")));
        assert!(!secret("abc").matches(&secret("abd")));
        assert!(!secret("abc").matches(&secret("abcd")));
    }
}
