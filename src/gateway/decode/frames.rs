//! Brotli (RFC 7932) and zstd (RFC 8878), with the windows that RFC 7932 and
//! RFC 9659 allow for HTTP: what asks for more is refused before there is
//! room for it. What stands behind the end is no part of the body.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::BadCoding;

/// 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A body in Brotli.
pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    has_begun: bool,
    has_ended: bool,
}

impl Default for Brotli {
    fn default() -> Self {
        let memory = StandardAlloc::default;
        Self {
            state: BrotliState::new_strict(memory(), memory(), memory()),
            has_begun: false,
            has_ended: false,
        }
    }
}

impl Brotli {
    /// Appends to `out` what it has room for; says how much of `input` was
    /// used.
    pub(super) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, BadCoding> {
        if self.has_ended {
            return Ok(input.len());
        }
        self.has_begun = true;
        let mut written = out.len();
        out.resize(out.capacity(), 0);
        let (mut left, mut used) = (input.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut used,
            input,
            &mut (out.len() - written),
            &mut written,
            out,
            &mut 0,
            &mut self.state,
        );
        out.truncate(written);
        match result {
            BrotliResult::ResultFailure => return Err(BadCoding::Damaged),
            BrotliResult::ResultSuccess => {
                self.has_ended = true;
                return Ok(input.len());
            }
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        Ok(used)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.has_ended || !self.has_begun
    }
}

/// A body in zstd: frames that follow each other.
pub(super) struct Zstd {
    context: DCtx<'static>,
    place: Place,
    frames: u32,
}

#[derive(Clone, Copy)]
enum Place {
    /// Where a frame may begin; so many bytes of its magic number came.
    Between([u8; 4], usize),
    Frame,
    /// Behind the last frame.
    Rest,
}

const BETWEEN: Place = Place::Between([0; 4], 0);

impl Default for Zstd {
    fn default() -> Self {
        let mut context = DCtx::create();
        context
            .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))
            .expect("zstd knows windows of this size");
        Self {
            context,
            place: BETWEEN,
            frames: 0,
        }
    }
}

impl Zstd {
    /// As [`Brotli::step`].
    pub(super) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, BadCoding> {
        let mut used = 0;
        loop {
            match self.place {
                Place::Between(mut magic, came) => {
                    let Some(byte) = input.get(used) else {
                        return Ok(used);
                    };
                    used += 1;
                    magic[came] = *byte;
                    if came < 3 {
                        self.place = Place::Between(magic, came + 1);
                        continue;
                    }
                    self.place = if is_frame(magic) {
                        self.frame(&magic, out)?;
                        Place::Frame
                    } else if self.frames > 0 {
                        Place::Rest
                    } else {
                        return Err(BadCoding::Damaged);
                    };
                }
                Place::Frame => {
                    let (taken, has_ended) = self.frame(&input[used..], out)?;
                    used += taken;
                    if !has_ended {
                        return Ok(used);
                    }
                    self.frames = self.frames.saturating_add(1);
                    self.place = BETWEEN;
                }
                Place::Rest => return Ok(input.len()),
            }
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        match self.place {
            Place::Between(_, came) => came == 0 || self.frames > 0,
            Place::Frame => false,
            Place::Rest => true,
        }
    }

    /// How much of `input` was used, and whether the frame ended.
    fn frame(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(usize, bool), BadCoding> {
        let written = out.len();
        let mut input = InBuffer::around(input);
        let mut output = OutBuffer::around_pos(out, written);
        let left = self
            .context
            .decompress_stream(&mut output, &mut input)
            .map_err(|_| BadCoding::Damaged)?;
        Ok((input.pos, left == 0))
    }
}

/// Whether a frame begins so, or one that is to be skipped.
fn is_frame(magic: [u8; 4]) -> bool {
    magic == ZSTD_MAGIC || u32::from_le_bytes(magic) & 0xffff_fff0 == 0x184d_2a50
}
