//! Armor read in blocks. The library reads it line by line through two
//! copies, which for a large vault costs more than its decryption.
//!
//! Only the one form that writers produce is read here, and as strictly as the
//! library does; every other form, binary files among them, is left to it.

use std::io::{self, BufRead, Read};

use age::armor::ArmoredReader;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::OpenError;

const BEGIN: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----\n";
const END: &[u8] = b"-----END AGE ENCRYPTED FILE-----\n";
/// A line of text, its ending, and the bytes that it stands for.
const LINE: usize = 64;
const ENDED_LINE: usize = LINE + 1;
const LINE_BYTES: usize = LINE / 4 * 3;
/// How many lines are decoded at a time.
const LINES: usize = 64;

/// The bytes behind an armored or binary file.
///
/// # Errors
/// It is armored in an unusual form, and damaged.
pub(super) fn reader(sealed: &[u8]) -> Result<Armor<'_>, OpenError> {
    let body = sealed
        .strip_prefix(BEGIN)
        .and_then(|rest| rest.strip_suffix(END));
    let Some(rest) = body else {
        let mut binary = Vec::with_capacity(sealed.len());
        ArmoredReader::new(sealed)
            .read_to_end(&mut binary)
            .map_err(|error| OpenError::Damaged(format!("its armor is damaged ({error})")))?;
        return Ok(Armor::Other(io::Cursor::new(binary)));
    };
    Ok(Armor::Usual(Box::new(Blocks {
        rest,
        block: [0; LINES * LINE_BYTES],
        used: 0,
        filled: 0,
    })))
}

/// Room for all that is behind a file, whichever form it has.
pub(super) fn room(sealed: &[u8]) -> usize {
    if sealed.starts_with(BEGIN) {
        sealed.len() / 4 * 3
    } else {
        sealed.len()
    }
}

/// What [`reader`] found.
pub(super) enum Armor<'a> {
    /// Armor as writers produce it.
    Usual(Box<Blocks<'a>>),
    /// What the library made of anything else.
    Other(io::Cursor<Vec<u8>>),
}

/// Armored text, decoded as it is read.
pub(super) struct Blocks<'a> {
    rest: &'a [u8],
    block: [u8; LINES * LINE_BYTES],
    used: usize,
    filled: usize,
}

impl Blocks<'_> {
    /// Decodes the next lines.
    fn next(&mut self) -> io::Result<()> {
        (self.used, self.filled) = (0, 0);
        let (now, later) = self.rest.split_at(self.rest.len().min(LINES * ENDED_LINE));
        let mut text = [0; LINES * LINE];
        let mut length = 0;
        for line in now.chunks(ENDED_LINE) {
            let line = line.strip_suffix(b"\n").ok_or_else(damaged)?;
            if line.is_empty() {
                return Err(damaged());
            }
            text[length..length + line.len()].copy_from_slice(line);
            length += line.len();
        }
        let filled = STANDARD
            .decode_slice(&text[..length], &mut self.block)
            .map_err(|_| damaged())?;
        // Only the very last line may be padded.
        if !later.is_empty() && filled != self.block.len() {
            return Err(damaged());
        }
        self.filled = filled;
        self.rest = later;
        Ok(())
    }
}

fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a line is not what it should be",
    )
}

impl Read for Armor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Armor<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Usual(blocks) => {
                if blocks.used == blocks.filled {
                    blocks.next()?;
                }
                Ok(&blocks.block[blocks.used..blocks.filled])
            }
            Self::Other(cursor) => cursor.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Usual(blocks) => blocks.used += count,
            Self::Other(cursor) => cursor.consume(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(armored: &[u8]) -> Option<Vec<u8>> {
        let mut binary = Vec::new();
        reader(armored).ok()?.read_to_end(&mut binary).ok()?;
        Some(binary)
    }

    fn read_by_library(armored: &[u8]) -> Option<Vec<u8>> {
        let mut binary = Vec::new();
        let mut reader = ArmoredReader::new(armored);
        reader.read_to_end(&mut binary).ok()?;
        Some(binary)
    }

    fn armored(binary: &[u8]) -> Vec<u8> {
        use age::armor::{ArmoredWriter, Format};
        use std::io::Write;
        let mut writer = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).unwrap();
        writer.write_all(binary).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn armor_of_every_length_reads_as_the_library_reads_it() {
        let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let block = LINES * LINE_BYTES;
        let lengths = (1..200).chain(block - 50..block + 50).chain([20_000]);
        for length in lengths {
            let text = armored(&bytes[..length]);
            assert!(matches!(reader(&text), Ok(Armor::Usual(_))));
            assert_eq!(read(&text).unwrap(), &bytes[..length], "{length}");
        }
    }

    #[test]
    fn nothing_is_read_that_the_library_refuses() {
        let text = armored(&[7; LINES * LINE_BYTES + 100]);
        // The places where lines, blocks and the whole begin and end.
        let block = BEGIN.len() + LINES * ENDED_LINE;
        let places = (0..110)
            .chain(block - 70..block + 70)
            .chain(text.len() - 110..text.len());
        for at in places {
            for change in [b'\n', b'=', b'A', b'-', b'\r', 0xff] {
                let mut changed = text.clone();
                changed[at] = change;
                if let Some(binary) = read(&changed) {
                    assert_eq!(Some(binary), read_by_library(&changed), "{at} {change}");
                }
            }
            let mut cut = text.clone();
            cut.remove(at);
            if let Some(binary) = read(&cut) {
                assert_eq!(Some(binary), read_by_library(&cut), "without {at}");
            }
            let mut longer = text.clone();
            longer.insert(at, b'\n');
            if let Some(binary) = read(&longer) {
                assert_eq!(Some(binary), read_by_library(&longer), "line ends at {at}");
            }
        }
    }

    #[test]
    fn other_forms_are_the_librarys_to_read() {
        let text = String::from_utf8(armored(&[7; 100])).unwrap();
        let windows = text.replace('\n', "\r\n");
        assert_eq!(read(windows.as_bytes()).unwrap(), [7; 100]);
        assert_eq!(read(text.trim_end().as_bytes()).unwrap(), [7; 100]);
        let binary = [b"age-encryption.org/v1\n".as_slice(), &[7; 100]].concat();
        assert_eq!(read(&binary).unwrap(), binary);
    }
}
