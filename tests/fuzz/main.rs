//! Every parser under inputs that nobody meant: random bytes, and valid inputs
//! with a few changes. The same functions are the targets of `fuzz/`, where
//! they can run for as long as one likes; here for a moment in every build.
//!
//! `FUZZ_SECONDS=60 cargo test --test fuzz` runs each for a minute, and with
//! `FUZZ_SEED=7` as well it tries others.

#![allow(clippy::unwrap_used)]
// Which input broke a parser, and how many there were, is for whoever looks.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::time::{Duration, Instant};

mod gateway;
mod parsers;
#[allow(dead_code, reason = "`gateway_hostile` uses the rest of it")]
mod stage;

/// Words that parsers look for.
const WORDS: [&[u8]; 14] = [
    b"\n",
    b"\r\n",
    b"\0",
    b"\"",
    b"\\u0000",
    b"{",
    b"]",
    b"-> scrypt x 40\n",
    b"-----BEGIN AGE ENCRYPTED FILE-----\n",
    b"-----END AGE ENCRYPTED FILE-----\n",
    b"age1",
    b"99999999999999999999",
    "é".as_bytes(),
    b"\xff",
];

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit.max(1)
    }
}

/// The same, for HTTP.
const WORDS_OF_HTTP: [&[u8]; 20] = [
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"\n",
    b"\0",
    b",",
    b"{token}",
    b"{host}",
    b"\r\nHost: evil.example",
    b"\r\nTransfer-Encoding: chunked",
    b"\r\nContent-Length: 5",
    b"\r\nContent-Length: 0",
    b"\r\nConnection: close, authorization",
    b"\r\nConnection: upgrade\r\nUpgrade: websocket",
    b"\r\nAuthorization: Bearer FAKE",
    b"\r\nX-Vault-Connection: team",
    b"\r\nExpect: 100-continue",
    b"\r\nTE: trailers",
    b"GET /v1/more HTTP/1.1\r\nHost: {host}\r\n\r\n",
];

/// `seed` with a few changes; now and then nothing but noise.
fn changed(seed: &[u8], words: &[&[u8]], numbers: &mut Numbers) -> Vec<u8> {
    if numbers.below(20) == 0 {
        let length = numbers.below(300);
        return (0..length).map(|_| numbers.below(256) as u8).collect();
    }
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        let length = numbers.below(40).min(bytes.len() - at);
        match numbers.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 if at < bytes.len() => bytes[at] = numbers.below(256) as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let again = bytes[at..at + length].to_vec();
                let to = numbers.below(bytes.len() + 1);
                bytes.splice(to..to, again);
            }
            _ => {
                let word = words[numbers.below(words.len())];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
    bytes
}

fn run(name: &str) {
    let seconds = std::env::var("FUZZ_SECONDS").map_or(0.7, |text| text.parse().unwrap());
    let (_, parse, seeds) = parsers::PARSERS
        .into_iter()
        .find(|(known, ..)| *known == name)
        .unwrap();
    let seeds = seeds();
    let words = match name {
        "heads" | "gateway" => &WORDS_OF_HTTP[..],
        _ => &WORDS,
    };
    let first = std::env::var("FUZZ_SEED").map_or(0x5eed, |text| text.parse().unwrap());
    let mut numbers = Numbers(first);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    for seed in &seeds {
        parse(seed);
    }
    let mut runs = 0_u64;
    while Instant::now() < end {
        let seed = &seeds[numbers.below(seeds.len())];
        let input = changed(seed, words, &mut numbers);
        let start = Instant::now();
        if let Err(panic) = std::panic::catch_unwind(|| parse(&input)) {
            eprintln!("{name} on {:?}", String::from_utf8_lossy(&input));
            std::panic::resume_unwind(panic);
        }
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{name} took {:?} on {:?}",
            start.elapsed(),
            String::from_utf8_lossy(&input)
        );
        runs += 1;
    }
    println!("{name}: {runs} inputs");
}

#[test]
fn a_vault_file_of_any_bytes_is_read_or_refused() {
    run("vault_file");
}

#[test]
fn an_age_file_of_any_bytes_is_opened_or_refused() {
    run("sealed");
}

#[test]
fn a_document_of_any_bytes_is_read_or_refused() {
    run("document");
}

#[test]
fn an_identity_file_of_any_bytes_is_read_or_refused() {
    run("identity");
}

#[test]
fn recipients_of_any_bytes_are_read_or_refused() {
    run("recipients");
}

#[test]
fn a_provider_of_any_bytes_is_read_or_refused() {
    run("provider");
}

#[test]
fn names_of_any_bytes_are_read_or_refused() {
    run("names");
}

#[test]
fn addresses_and_proxies_of_any_bytes_are_read_or_refused() {
    run("network");
}

#[test]
fn any_answer_of_a_provider_is_read() {
    run("answer");
}

#[test]
fn any_bytes_are_scanned_and_findings_stand_where_they_are_said_to() {
    run("scanned");
}

#[test]
fn an_answer_of_a_token_address_of_any_bytes_gives_tokens_or_none() {
    run("tokens");
}

#[test]
fn a_pasted_address_of_any_text_is_refused_without_our_state() {
    run("pasted");
}

#[test]
fn no_form_of_a_secret_comes_through_whatever_surrounds_it() {
    run("redacted");
}

#[test]
fn any_answer_counts_the_same_in_any_pieces_and_parts_are_in_their_whole() {
    run("meter");
}

#[test]
fn a_policy_of_any_bytes_is_read_or_refused_and_judges_any_body() {
    run("policy");
}

#[test]
fn heads_authorities_paths_and_codings_of_any_bytes_are_read_or_refused() {
    run("heads");
}

#[test]
fn a_gateway_between_any_client_and_any_upstream_lets_no_key_out() {
    run("gateway");
}
