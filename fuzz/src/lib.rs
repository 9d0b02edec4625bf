//! What every target calls, shared with the loop in `cargo test`.

#[path = "../../tests/fuzz/parsers.rs"]
pub mod parsers;
