//! Answers of every dialect that were compressed on their way: opened as the
//! gateway opens them, they count as they do in the open.

#![allow(clippy::unwrap_used)] // also in helpers

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;
// Where the recorded answers look for it.
use vault::usage;
use vault::usage::meter::Meter;

#[path = "../src/usage/meter/tests/recorded.rs"]
mod recorded;

use recorded::{ALL, Recorded, tokens};
use vault::gateway::decode::{Coding, Decoder};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// One block that is not compressed (RFC 7932, 9.2), and an empty last one.
fn brotli(text: &[u8]) -> Vec<u8> {
    let head = u32::try_from(text.len() - 1).unwrap() << 4 | 1 << 20;
    [&head.to_le_bytes()[..3], text, &[3]].concat()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    let mut packed = vec![0; zstd_safe::compress_bound(text.len())];
    let length = zstd_safe::compress(&mut packed[..], text, 3).unwrap();
    packed.truncate(length);
    packed
}

/// Reads an answer as it comes out of a decoder that it went into in pieces of
/// this size.
fn read(recorded: &Recorded, coding: &str, coded: &[u8], size: usize) -> usage::Metered {
    let provider = recorded.provider.parse().unwrap();
    let mut meter = Meter::new(recorded.shape, &provider, Some(recorded.kind), 200).unwrap();
    let mut decoder = Decoder::new(Coding::parse(coding).unwrap());
    for piece in coded.chunks(size) {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(out) = decoder.pull().unwrap() {
            meter.feed(&out);
        }
    }
    meter.finish(decoder.finish().is_ok())
}

#[test]
fn compressed_answers_count_as_they_do_in_the_open() {
    for recorded in ALL {
        let body = recorded.body.as_bytes();
        for (coding, coded) in [
            ("gzip", gzip(body)),
            ("br", brotli(body)),
            ("zstd", zstd(body)),
        ] {
            for size in [1, 100, usize::MAX] {
                let metered = read(recorded, coding, &coded, size);
                let name = format!("{} in {coding}", recorded.name);
                assert_eq!(metered.tokens, recorded.tokens.map(tokens), "{name}");
                assert_eq!(metered.model.as_deref(), recorded.model, "{name}");
                assert_eq!(metered.said_cost, recorded.said_cost(), "{name}");
                assert_eq!(metered.is_special, recorded.is_special, "{name}");
                assert!(!metered.is_cut, "{name}");
            }
        }
    }
}

#[test]
fn a_compressed_answer_that_was_cut_is_told() {
    for recorded in ALL {
        // Up to the place of the cut, flushed, and then nothing.
        let (until, counts) = recorded.cut;
        let at = recorded.body.find(until).unwrap() + usize::from(until.starts_with(','));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&recorded.body.as_bytes()[..at]).unwrap();
        encoder.flush().unwrap();
        let coded = encoder.get_ref().clone();
        let metered = read(recorded, "gzip", &coded, 64);
        assert_eq!(metered.tokens, counts.map(tokens), "{}", recorded.name);
        assert!(metered.is_cut, "{}", recorded.name);
    }
}
