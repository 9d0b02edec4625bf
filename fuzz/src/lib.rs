//! What every target calls, shared with the loop in `cargo test`.

#[path = "../../tests/fuzz/gateway.rs"]
pub mod gateway;
#[path = "../../tests/fuzz/parsers.rs"]
pub mod parsers;
#[path = "../../tests/fuzz/stage.rs"]
pub mod stage;
