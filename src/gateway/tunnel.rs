//! Bytes of hosts that are nobody's connection, there and back untouched.

use tokio::io::{AsyncWriteExt, copy_bidirectional};

use super::authorization::Admitted;
use super::door::refuse;
use super::prefixed::Wire;
use super::target::Authority;
use super::worker::Worker;
use crate::broker::traffic::Refusal;
use crate::net::Address;
use crate::secret::Secret;

/// How long it may take to reach somebody.
pub(super) const REACHING: std::time::Duration = std::time::Duration::from_secs(20);

/// What a client is told whose tunnel stands.
pub(super) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Opens a tunnel and carries its bytes until both sides are done.
pub(super) async fn open(
    mut stream: impl Wire,
    authority: &Authority,
    admitted: &Admitted,
    worker: &Worker,
) {
    let start = std::time::Instant::now();
    let address = address(authority, true);
    let dialing = worker
        .shared
        .dialer
        .tunnel(&address, worker.shared.reach_of_unmatched);
    let dialed = tokio::time::timeout(REACHING, dialing).await;
    let failed = match dialed {
        Ok(Ok(mut upstream)) => {
            worker.log_connect(admitted, authority, 200, start);
            if stream.write_all(ESTABLISHED).await.is_ok() {
                let _ = copy_bidirectional(&mut stream, &mut upstream).await;
            }
            return;
        }
        Ok(Err(error)) => answer_to(&error),
        Err(_) => Refusal::unreachable(format!("{} did not answer", authority.host)),
    };
    worker.log_connect(admitted, authority, failed.status, start);
    refuse(stream, &failed).await;
}

/// What a failure to reach somebody is to a client.
pub(super) fn answer_to(error: &crate::net::NetError) -> Refusal {
    match error {
        crate::net::NetError::Private { .. } => {
            Refusal::new(403, "private_address", error.to_string())
                .with_hint("Allow it for all clients of this gateway: vault serve --allow-private")
        }
        _ => Refusal::unreachable(error.to_string()),
    }
}

/// An authority as an address to dial.
pub(super) fn address(authority: &Authority, is_tls: bool) -> Address {
    Address {
        is_tls,
        host: authority.host.clone(),
        port: authority.port,
        path: Secret::from("/".to_owned()),
    }
}
