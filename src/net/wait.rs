//! The runtime, which only those build who use the network.

use crate::error::{Error, Kind, Result};

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
