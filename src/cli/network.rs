//! The network, for the commands that use it: a client with the proxies and
//! roots of the environment, and a runtime that nobody else builds.

use super::context::Context;
use crate::error::{Error, Kind, Result};
use crate::net::{Client, Proxies, Roots, Settings};

impl Context {
    /// A client as the environment says.
    pub fn client(&self) -> Client {
        let environment = &self.environment;
        Client::new(Settings {
            proxies: Proxies::new(&environment.proxies),
            roots: Roots {
                file: environment.certificate_file.clone(),
                folders: environment.certificate_folders.clone(),
            },
        })
    }
}

/// Runs what waits for the network, on this thread.
///
/// # Errors
/// The system gives us no event queue.
pub fn wait_for<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(Kind::Failed, "Cannot wait for the network").with_source(error)
        })?;
    let done = runtime.block_on(work);
    // A name that is still being looked up keeps nobody waiting.
    runtime.shutdown_background();
    Ok(done)
}
