//! The desktop, where there is one: whether a page can be shown there, and
//! showing it.

use std::process::{Command, Stdio};

use super::context::Context;
use super::environment::of_desktop;

impl Context {
    /// Whether the person sits before a screen of this machine.
    pub fn is_desktop(&self) -> bool {
        let environment = &self.environment;
        (environment.has_display || cfg!(target_os = "macos")) && !environment.is_remote
    }

    /// Shows a page in the browser; false where nothing opens pages here. The
    /// address is seen by other users of this machine: no token is in it.
    pub fn show_page(&self, address: &str) -> bool {
        let opener = if cfg!(target_os = "macos") {
            "open"
        } else {
            "xdg-open"
        };
        let mut command = Command::new(opener);
        command
            .arg(address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.env_clear().envs(of_desktop());
        // Whether a browser came up is not known: some openers stay as long as
        // it does. So whoever calls this shows the address too.
        command.spawn().is_ok()
    }
}
