#![no_main]

#[allow(dead_code)] // the other targets
#[path = "../../tests/fuzz/parsers.rs"]
mod parsers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parsers::identity(bytes));
