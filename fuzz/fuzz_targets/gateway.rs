#![no_main]

// libFuzzer's main leaves SIGPIPE as it is, which Rust's own ignores: a client
// that hangs up would end everything.
libfuzzer_sys::fuzz_target!(
    init: {
        let seen = std::sync::Arc::default();
        signal_hook::flag::register(signal_hook::consts::SIGPIPE, seen).expect("a signal like others");
    },
    |bytes: &[u8]| vault_fuzz::gateway::gateway(bytes)
);
