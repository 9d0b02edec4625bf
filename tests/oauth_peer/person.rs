//! A person at a browser (`browser.mjs`). Bounded in time.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::peer::{chromium, script};
use super::support::running::Running;

/// One browser at a time, or a small machine is busy with nothing else.
static BROWSER: Mutex<()> = Mutex::new(());

/// Whoever sits at the browser. Take one before starting what waits for it.
pub struct Person {
    _seat: MutexGuard<'static, ()>,
}

impl Person {
    /// Waits until the browser is free.
    pub fn sits_down() -> Self {
        Self {
            _seat: BROWSER.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Opens an address, logs in and agrees; the text of the last page.
    pub fn agrees_at(&self, address: &str) -> String {
        Self::browse(&[address])
    }

    /// Opens an address, logs in and does not agree; the text of the last page.
    pub fn declines_at(&self, address: &str) -> String {
        Self::browse(&["--deny", address])
    }

    /// Opens a device's page, types the code, logs in and agrees.
    pub fn types_code_at(&self, address: &str, code: &str) -> String {
        Self::browse(&[address, code])
    }

    fn browse(arguments: &[&str]) -> String {
        // The browser's own files are no concern of the environment's hunt.
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("node");
        command
            .arg(script("browser.mjs"))
            .args(arguments)
            .env("PEER_CHROMIUM", chromium().unwrap())
            .env("HOME", home.path())
            .env("TMPDIR", home.path());
        for folder in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"] {
            command.env_remove(folder);
        }
        let ended = Running::start(command).end();
        assert!(ended.code == 0, "{}", ended.stderr);
        let shown: Value = serde_json::from_str(&ended.stdout).unwrap();
        shown["text"].as_str().unwrap().to_owned()
    }
}
