//! Bodies as servers make them, whole, in pieces, cut short and damaged.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

use super::*;

const LINE: &str = "{\"error\": \"Incorrect API key provided: FAKE-sk-0123456789abcdef\"}\n";

/// `LINE` three times, ten MiB of zeros, and the first again with a window of
/// 256 MiB: what Node's `zlib` makes of them.
const BROTLI: &str = "1bc500708cc338463cf1d0be224be794bdbc6f82a3ba2108cb921596c25a4f528b2f19ca96131b5e2a9101e52b147e97e37c637bde20f1cb985d19175269cb765caf1fc6695ee827";
const BROTLI_ZEROS: &str = "cbffff3ff82700e2b14020f7fe2fffff3ff04f00c4611180eefd07";
const BROTLI_LARGE: &str = "115c1403c0310ee318f1c443fb8a2c9d53f6f2be098eea86202c4b56580a6b3d492dbe64285b38c1065e2a9101e52b147e97e37c637bde20f1cb985d19175269cb765caf1fc6695ee827";
/// Flushed after each event, by the same.
const BROTLI_EVENTS: [&str; 3] = [
    "0b0580646174613a206f6e650a0a",
    "780008646174613a2046414b452d74776f0a0a",
    "6000805f4221072144921a0093e8",
];
/// `FAKE zstd`, by the program of that name, with its check sum.
const ZSTD: &str = "28b52ffd045849000046414b45207a737464ca225028";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

fn decoder(coding: &str) -> Decoder {
    Decoder::new(Coding::parse(coding).unwrap())
}

/// All that comes out now.
fn pulled(decoder: &mut Decoder) -> Result<Vec<u8>, BadCoding> {
    let mut out = Vec::new();
    while let Some(piece) = decoder.pull()? {
        assert!(!piece.is_empty());
        out.extend_from_slice(&piece);
    }
    Ok(out)
}

/// What comes out of a body in pieces of this size.
fn opened(coding: &str, body: &[u8], size: usize) -> Result<Vec<u8>, BadCoding> {
    let mut decoder = decoder(coding);
    let mut out = Vec::new();
    for piece in body.chunks(size) {
        decoder.push(Bytes::copy_from_slice(piece));
        out.extend(pulled(&mut decoder)?);
    }
    decoder.finish()?;
    Ok(out)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn raw(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8], window: Option<u32>) -> Vec<u8> {
    let mut context = CCtx::create();
    context
        .set_parameter(CParameter::ChecksumFlag(true))
        .unwrap();
    if let Some(window) = window {
        context
            .set_parameter(CParameter::WindowLog(window))
            .unwrap();
        // Without a size the frame says its window.
        context
            .set_parameter(CParameter::ContentSizeFlag(false))
            .unwrap();
    }
    let mut out = Vec::with_capacity(text.len() + 1000);
    let mut output = OutBuffer::around(&mut out);
    context
        .compress_stream(&mut output, &mut InBuffer::around(text))
        .unwrap();
    assert_eq!(context.end_stream(&mut output).unwrap(), 0);
    out
}

fn text() -> Vec<u8> {
    let mut text = Vec::new();
    for n in 0..4000_u32 {
        text.extend_from_slice(
            format!("{n:x}:{:x} {LINE}", n.wrapping_mul(2_654_435_761)).as_bytes(),
        );
    }
    text
}

/// Each coding with a body and what is in it.
fn samples() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let text = text();
    vec![
        ("gzip", gzip(&text), text.clone()),
        ("X-GZIP", gzip(b""), Vec::new()),
        ("deflate", zlib(&text), text.clone()),
        ("deflate", raw(&text), text.clone()),
        ("br", bytes(BROTLI), LINE.repeat(3).into_bytes()),
        ("zstd", zstd(&text, None), text.clone()),
        ("zstd", bytes(ZSTD), b"FAKE zstd".to_vec()),
        ("identity, ,gzip", gzip(&text), text.clone()),
        (
            "br, deflate",
            zlib(&bytes(BROTLI)),
            LINE.repeat(3).into_bytes(),
        ),
        (
            "gzip,deflate,zstd",
            zstd(&raw(&gzip(&text)), None),
            text.clone(),
        ),
        ("identity", text.clone(), text),
    ]
}

#[test]
fn every_coding_is_opened_whatever_the_pieces() {
    for (coding, body, text) in samples() {
        for size in [1, 2, 7, 1000, body.len()] {
            let out = opened(coding, &body, size).unwrap();
            assert!(out == text, "{coding} in pieces of {size}: {}", out.len());
        }
    }
}

#[test]
fn a_body_cut_short_is_no_whole_one() {
    for (coding, body, _) in samples() {
        if coding == "identity" {
            continue;
        }
        let ends = (1..body.len().min(40)).chain(body.len().saturating_sub(40).max(1)..body.len());
        for end in ends {
            let cut = opened(coding, &body[..end], 100_000);
            assert_eq!(cut, Err(BadCoding::CutShort), "{coding} at {end}");
        }
        assert_eq!(opened(coding, b"", 1), Ok(Vec::new()), "{coding}");
    }
}

#[test]
fn a_damaged_body_is_refused() {
    for (coding, body, _) in samples() {
        if coding == "identity" {
            continue;
        }
        assert!(
            opened(coding, b"<html>no such coding</html>", 5).is_err(),
            "{coding}"
        );
        // The sum at the end tells, where there is one.
        if coding != "br" && body.len() > 20 && body != raw(&text()) {
            let mut damaged = body.clone();
            *damaged.last_mut().unwrap() ^= 1;
            assert!(opened(coding, &damaged, 100).is_err(), "{coding}");
        }
    }
    let mut member = gzip(b"FAKE");
    member[3] |= 0x20; // a flag that nobody knows
    assert_eq!(opened("gzip", &member, 9), Err(BadCoding::Damaged));
}

/// Server-sent events: each is flushed, and must not wait for the next.
#[test]
fn what_was_flushed_comes_out_at_once() {
    let events = ["data: one\n\n", "data: FAKE-two\n\n", "data: three\n\n"];
    let mut gzipped = GzEncoder::new(Vec::new(), Compression::default());
    let mut deflated = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut context = CCtx::create();
    context.set_parameter(CParameter::WindowLog(22)).unwrap();
    let mut decoders = ["gzip", "deflate", "zstd", "br"].map(decoder);
    for (event, brotli) in events.iter().zip(BROTLI_EVENTS) {
        gzipped.write_all(event.as_bytes()).unwrap();
        gzipped.flush().unwrap();
        deflated.write_all(event.as_bytes()).unwrap();
        deflated.flush().unwrap();
        let mut frame = Vec::with_capacity(1000);
        let mut output = OutBuffer::around(&mut frame);
        let mut input = InBuffer::around(event.as_bytes());
        context.compress_stream(&mut output, &mut input).unwrap();
        assert_eq!(context.flush_stream(&mut output).unwrap(), 0);
        let pieces = [
            std::mem::take(gzipped.get_mut()),
            std::mem::take(deflated.get_mut()),
            frame,
            bytes(brotli),
        ];
        for (at, (decoder, piece)) in decoders.iter_mut().zip(pieces).enumerate() {
            decoder.push(Bytes::from(piece));
            let out = pulled(decoder).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), *event, "{at}");
            assert_eq!(decoder.finish(), Err(BadCoding::CutShort), "{at}");
        }
    }
}

/// A little that becomes much comes in pieces, and only as it is asked for.
#[test]
fn a_bomb_comes_out_in_small_pieces() {
    let zeros = vec![0; 10 * 1024 * 1024];
    for (coding, body) in [
        ("gzip", gzip(&zeros)),
        ("deflate", raw(&zeros)),
        ("br", bytes(BROTLI_ZEROS)),
        ("zstd", zstd(&zeros, None)),
        ("gzip, gzip", gzip(&gzip(&zeros))),
    ] {
        assert!(body.len() < 20_000);
        let mut decoder = decoder(coding);
        decoder.push(Bytes::from(body));
        let mut length = 0;
        while let Some(piece) = decoder.pull().unwrap() {
            assert!(piece.len() <= MOST, "{coding}");
            length += piece.len();
        }
        assert_eq!(length, zeros.len(), "{coding}");
        decoder.finish().unwrap();
    }
}

#[test]
fn a_window_that_is_too_large_is_refused() {
    let text = text();
    assert_eq!(
        opened("zstd", &zstd(&text, Some(23)), 999),
        Ok(text.clone())
    );
    assert_eq!(
        opened("zstd", &zstd(&text, Some(24)), 999),
        Err(BadCoding::Damaged)
    );
    assert_eq!(
        opened("br", &bytes(BROTLI_LARGE), 999),
        Err(BadCoding::Damaged)
    );
}

#[test]
fn members_follow_each_other_and_what_is_none_is_left_out() {
    let members = [gzip(b"FAKE "), gzip(b""), gzip(b"two")].concat();
    let frames = [
        zstd(b"FAKE ", None),
        bytes("502a4d18030000000a0b0c"), // to be skipped
        zstd(b"two", None),
    ]
    .concat();
    for (coding, body) in [("gzip", members), ("zstd", frames)] {
        for behind in ["", "\0", "\0\0\0\0\0\0", "<!-- -->", "\u{1f}", "("] {
            let body = [body.as_slice(), behind.as_bytes()].concat();
            for size in [1, 1000] {
                assert_eq!(opened(coding, &body, size).unwrap(), b"FAKE two");
            }
        }
    }
    for (coding, mut body) in [
        ("deflate", raw(b"FAKE two")),
        ("deflate", zlib(b"FAKE two")),
        ("br", bytes(BROTLI)),
    ] {
        let alone = opened(coding, &body, 1000);
        body.extend_from_slice(b"behind");
        assert_eq!(opened(coding, &body, 1), alone, "{coding}");
        assert_eq!(opened(coding, &body, 1000), alone, "{coding}");
    }
}

/// Name, comment, extra field and the header's own sum.
#[test]
fn every_part_of_a_gzip_header_is_passed_over() {
    let plain = gzip(b"FAKE");
    for flags in 0..32_u8 {
        let mut body = vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3];
        if flags & 4 != 0 {
            body.extend_from_slice(&[3, 0, 0x1f, 0x8b, 8]);
        }
        if flags & 8 != 0 {
            body.extend_from_slice(b"name\0");
        }
        if flags & 16 != 0 {
            body.extend_from_slice(b"\0");
        }
        if flags & 2 != 0 {
            body.extend_from_slice(&[0, 9]);
        }
        body.extend_from_slice(&plain[10..]);
        for size in [1, 1000] {
            assert_eq!(opened("gzip", &body, size).unwrap(), b"FAKE", "{flags}");
        }
    }
}

#[test]
fn a_coding_that_cannot_be_opened_is_none() {
    for unknown in [
        "compress",
        "aws-chunked",
        "gzip, dcb",
        "zstd;q=1",
        "gzip,gzip,gzip,gzip",
    ] {
        assert_eq!(Coding::parse(unknown), None, "{unknown}");
    }
    for identity in ["", "identity", " Identity , identity,identity,identity,"] {
        assert!(Coding::parse(identity).unwrap().is_identity(), "{identity}");
    }
    assert!(!Coding::parse("GZip").unwrap().is_identity());
}

#[test]
fn an_upstream_is_asked_for_what_the_client_takes_and_we_can_open() {
    for (client, asked) in [
        ("gzip, deflate, br, zstd", "gzip, deflate, br, zstd"),
        (
            "br;q=1.0, compress;q=0.9,gzip ; q=0.5",
            "br;q=1.0, gzip;q=0.5",
        ),
        ("dcb, dcz, GZIP", "GZIP"),
        ("gzip;q=0, identity", "gzip;q=0, identity"),
        ("compress", "identity"),
        ("", "identity"),
        ("*", "gzip, deflate, br, zstd, identity"),
        (
            "br, *;q=0",
            "br, gzip;q=0, deflate;q=0, zstd;q=0, identity;q=0",
        ),
    ] {
        assert_eq!(
            Coding::accept(Some(client)).as_deref(),
            Some(asked),
            "{client}"
        );
    }
    assert_eq!(Coding::accept(None), None);
}

#[test]
fn a_piece_without_a_coding_is_passed_uncopied() {
    let mut decoder = decoder("identity");
    let piece = Bytes::from(text());
    decoder.push(Bytes::new());
    decoder.push(piece.clone());
    assert_eq!(decoder.pull().unwrap().unwrap().as_ptr(), piece.as_ptr());
    assert_eq!(decoder.pull(), Ok(None));
    assert_eq!(decoder.finish(), Ok(()));
}

#[test]
fn a_body_may_be_opened_on_another_thread() {
    fn moves<T: Send>() {}
    moves::<Decoder>();
}
