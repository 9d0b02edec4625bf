//! The network, for the commands that use it: a client with the proxies and
//! roots of the environment.

use super::context::Context;
use crate::net::{Client, Proxies, Roots, Settings};

impl Context {
    /// A client as the environment says.
    pub fn client(&self) -> Client {
        Client::new(self.network())
    }

    /// The proxies and roots of the environment.
    pub fn network(&self) -> Settings {
        let environment = &self.environment;
        Settings {
            proxies: Proxies::new(&environment.proxies),
            roots: Roots {
                file: environment.certificate_file.clone(),
                folders: environment.certificate_folders.clone(),
            },
        }
    }
}
