//! gzip (RFC 1952) and deflate (RFC 1950, RFC 1951).
//!
//! As clients read them: members of gzip follow each other, and what stands
//! behind the last and is none is no part of the body; `deflate` comes with
//! its frame, as the RFC says, and without it, as some servers send it.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::BadCoding;

const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// A body in gzip.
pub(super) struct Gzip {
    part: Part,
    flags: u8,
    members: u32,
    inflate: Decompress,
    crc: Crc,
}

/// Where in a member we are. Numbers say how many bytes of a part were read,
/// or are left of it.
#[derive(Clone, Copy)]
enum Part {
    Fixed(u8),
    ExtraLength(u8, u16),
    Extra(u16),
    Name,
    Comment,
    HeaderCrc(u8),
    Data,
    Trailer(u8, u64),
    /// Behind the last member.
    Rest,
}

impl Default for Gzip {
    fn default() -> Self {
        Self {
            part: Part::Fixed(0),
            flags: 0,
            members: 0,
            inflate: Decompress::new(false),
            crc: Crc::new(),
        }
    }
}

impl Gzip {
    /// Appends to `out` what it has room for; says how much of `input` was
    /// used.
    pub(super) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, BadCoding> {
        let mut used = 0;
        loop {
            match self.part {
                Part::Rest => return Ok(input.len()),
                Part::Data => {
                    let before = out.len();
                    let (taken, has_ended) = inflate(&mut self.inflate, &input[used..], out)?;
                    self.crc.update(&out[before..]);
                    used += taken;
                    if !has_ended {
                        return Ok(used);
                    }
                    self.part = Part::Trailer(0, 0);
                }
                part => {
                    let Some(byte) = input.get(used) else {
                        return Ok(used);
                    };
                    used += 1;
                    self.part = self.after(part, *byte)?;
                }
            }
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        match self.part {
            Part::Rest | Part::Fixed(0) => true,
            Part::Fixed(1) => self.members > 0,
            _ => false,
        }
    }

    /// Reads one byte around the data.
    fn after(&mut self, part: Part, byte: u8) -> Result<Part, BadCoding> {
        Ok(match part {
            Part::Fixed(at @ 0..=2) if byte == MAGIC[usize::from(at)] => Part::Fixed(at + 1),
            Part::Fixed(0 | 1) if self.members > 0 => Part::Rest,
            Part::Fixed(3) if byte & RESERVED == 0 => {
                self.flags = byte;
                Part::Fixed(4)
            }
            Part::Fixed(0..=3) => return Err(BadCoding::Damaged),
            Part::Fixed(9) => self.header_from(EXTRA),
            Part::Fixed(at) => Part::Fixed(at + 1),
            Part::ExtraLength(0, _) => Part::ExtraLength(1, u16::from(byte)),
            Part::ExtraLength(_, low) => match low | u16::from(byte) << 8 {
                0 => self.header_from(NAME),
                length => Part::Extra(length),
            },
            Part::Extra(1) => self.header_from(NAME),
            Part::Extra(left) => Part::Extra(left - 1),
            Part::Name if byte == 0 => self.header_from(COMMENT),
            Part::Comment if byte == 0 => self.header_from(HEADER_CRC),
            Part::HeaderCrc(0) => Part::HeaderCrc(1),
            Part::HeaderCrc(_) => self.data(),
            Part::Trailer(7, read) => {
                let expected = u64::from(self.crc.sum()) | u64::from(self.crc.amount()) << 32;
                if read | u64::from(byte) << 56 != expected {
                    return Err(BadCoding::Damaged);
                }
                self.members = self.members.saturating_add(1);
                Part::Fixed(0)
            }
            Part::Trailer(at, read) => Part::Trailer(at + 1, read | u64::from(byte) << (8 * at)),
            Part::Name | Part::Comment | Part::Data | Part::Rest => part,
        })
    }

    /// The first part that is there, from this one on.
    fn header_from(&mut self, first: u8) -> Part {
        let order = [EXTRA, NAME, COMMENT, HEADER_CRC];
        let next = order
            .into_iter()
            .skip_while(|part| *part != first)
            .find(|part| self.flags & part != 0);
        match next {
            Some(EXTRA) => Part::ExtraLength(0, 0),
            Some(NAME) => Part::Name,
            Some(COMMENT) => Part::Comment,
            Some(_) => Part::HeaderCrc(0),
            None => self.data(),
        }
    }

    fn data(&mut self) -> Part {
        self.inflate.reset(false);
        self.crc.reset();
        Part::Data
    }
}

/// A body in deflate.
pub(super) struct Deflate {
    inflate: Decompress,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// Nothing came.
    New,
    /// The first byte, which does not yet tell whether there is a frame.
    First(u8),
    Data,
    /// Behind the end.
    Rest,
}

impl Default for Deflate {
    fn default() -> Self {
        Self {
            inflate: Decompress::new(true),
            state: State::New,
        }
    }
}

impl Deflate {
    /// As [`Gzip::step`].
    pub(super) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, BadCoding> {
        let mut used = 0;
        loop {
            match (self.state, input.get(used)) {
                (State::New, Some(byte)) => {
                    used += 1;
                    self.state = State::First(*byte);
                }
                (State::New | State::First(_), None) => return Ok(used),
                (State::First(first), Some(second)) => {
                    if !is_zlib(first, *second) {
                        self.inflate.reset(false);
                    }
                    inflate(&mut self.inflate, &[first], out)?;
                    self.state = State::Data;
                }
                (State::Data, _) => {
                    let (taken, has_ended) = inflate(&mut self.inflate, &input[used..], out)?;
                    used += taken;
                    if !has_ended {
                        return Ok(used);
                    }
                    self.state = State::Rest;
                }
                (State::Rest, _) => return Ok(input.len()),
            }
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        matches!(self.state, State::New | State::Rest)
    }
}

/// Whether a frame begins so: deflate, a window of at most 32 KiB, and a
/// number that 31 divides. Without a frame it would be a stored block with
/// stray bits, which nobody writes.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8
        && first >> 4 <= 7
        && (u16::from(first) << 8 | u16::from(second)).is_multiple_of(31)
}

/// How much of `input` was used, and whether the data ended.
fn inflate(
    inflate: &mut Decompress,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(usize, bool), BadCoding> {
    let before = inflate.total_in();
    let status = inflate
        .decompress_vec(input, out, FlushDecompress::None)
        .map_err(|_| BadCoding::Damaged)?;
    let used =
        usize::try_from(inflate.total_in() - before).expect("no more is used than was given");
    Ok((used, status == Status::StreamEnd))
}
