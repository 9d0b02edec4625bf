//! The inside of a CONNECT to a host of a connection: TLS in the host's name,
//! then HTTP/1.1 or HTTP/2, each request by itself.

use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;

use super::authorization::Admitted;
use super::door::HANDSHAKE;
use super::prefixed::Wire;
use super::service::{Inside, Lane, Way, serve_http1, serve_http2};
use super::target::Authority;
use super::tunnel::ESTABLISHED;
use super::worker::Worker;
use crate::broker::traffic::Wanted;

/// Opens the TLS of a client and serves what is inside. A client that asks
/// for another name than CONNECT's, or that speaks no TLS, is hung up on.
pub(super) async fn open(
    mut stream: impl Wire,
    authority: Authority,
    admitted: Admitted,
    wanted: Option<Wanted>,
    worker: &Arc<Worker>,
) {
    let Some(leaves) = &worker.shared.leaves else {
        return;
    };
    if stream.write_all(ESTABLISHED).await.is_err() {
        return;
    }
    let Some(acceptor) = leaves.acceptor(&authority.host).await else {
        return;
    };
    let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream));
    let Ok(Ok(stream)) = shaken.await else {
        return;
    };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let lane = Arc::new(Lane {
        worker: Arc::clone(worker),
        way: Way::Inside(Inside::new(authority, admitted, wanted)),
    });
    let io = TokioIo::new(stream);
    if is_http2 {
        serve_http2(io, lane, TokioExecutor::new()).await;
    } else {
        serve_http1(io, lane, None).await;
    }
}
