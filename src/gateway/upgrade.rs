//! Requests that become something else than HTTP, such as WebSocket: a
//! connection of their own, and bytes both ways until one side is done.

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, copy, split};

use super::body::{Body, Outgoing};
use super::edit::response_headers;
use super::forward::Errand;
use super::measure::SocketMeasure;
use super::relay::relayed;
use super::tunnel::{REACHING, address, answer_to};
use super::worker::{OpenConnection, Worker};
use crate::broker::traffic::{Account, Pass, Refusal};
use crate::credential::redact::Redactor;
use crate::net::Alpn;

const PIECE: usize = 16 * 1024;

/// Sends the request over a connection of its own. If the upstream agrees,
/// both sides are joined when the client has its answer.
pub(super) async fn switch(
    worker: &Arc<Worker>,
    errand: &Errand,
    request: Request<Outgoing>,
    pass: Option<&Pass>,
    account: &mut Option<Account>,
    switched: OnUpgrade,
) -> Result<Response<Body>, Refusal> {
    let host = &errand.authority.host;
    let broke = |_| Refusal::unreachable(format!("{host} did not answer"));
    let place = address(&errand.authority, errand.is_tls);
    let reach = match pass {
        Some(_) => worker.shared.reach,
        None => worker.shared.reach_of_unmatched,
    };
    let dialing = worker.shared.dialer.open(&place, Alpn::Http1, reach);
    let dialed = tokio::time::timeout(REACHING, dialing).await;
    let dialed = dialed
        .map_err(|_| Refusal::unreachable(format!("{host} did not answer")))?
        .map_err(|error| answer_to(&error))?;
    let io = TokioIo::new(dialed.stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io)
        .await
        .map_err(broke)?;
    tokio::spawn(connection.with_upgrades());
    let method = request.method().clone();
    let mut response = sender.send_request(request).await.map_err(broke)?;
    let redactor = pass.map(|pass| pass.redactor.clone());
    let redactor = redactor.filter(|redactor| !redactor.is_empty());
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(relayed(response, None, pass, account.take(), &method));
    }
    let protocol = response.headers().get(UPGRADE).cloned();
    let upstream = hyper::upgrade::on(&mut response);
    let (mut parts, _) = response.into_parts();
    parts.extensions.clear();
    response_headers(&mut parts.headers, redactor.as_ref());
    let upgrade = HeaderValue::from_static("upgrade");
    parts.headers.insert(CONNECTION, upgrade);
    if let Some(protocol) = protocol {
        parts.headers.insert(UPGRADE, protocol);
    }
    let mut measure = account.take().map(SocketMeasure::new);
    let open = OpenConnection::new(&worker.shared);
    tokio::spawn(async move {
        if let (Ok(client), Ok(upstream)) = tokio::join!(switched, upstream) {
            join(client, upstream, redactor, measure.as_mut()).await;
        }
        drop(measure);
        drop(open);
    });
    Ok(Response::from_parts(parts, Body::Whole(None)))
}

async fn join(
    client: Upgraded,
    upstream: Upgraded,
    redactor: Option<Redactor>,
    measure: Option<&mut SocketMeasure>,
) {
    let (mut from_client, to_client) = split(TokioIo::new(client));
    let (from_upstream, mut to_upstream) = split(TokioIo::new(upstream));
    let there = async {
        let _ = copy(&mut from_client, &mut to_upstream).await;
        let _ = to_upstream.shutdown().await;
    };
    tokio::join!(there, back(from_upstream, to_client, redactor, measure));
}

/// Bytes of the upstream, looked through. What is redacted keeps its length,
/// so frames stay whole.
async fn back(
    mut from: ReadHalf<TokioIo<Upgraded>>,
    mut to: WriteHalf<TokioIo<Upgraded>>,
    redactor: Option<Redactor>,
    mut measure: Option<&mut SocketMeasure>,
) {
    let mut guard = redactor.map(|redactor| redactor.stream());
    let mut buffer = vec![0; PIECE];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if let Some(measure) = &mut measure {
            measure.feed(&buffer[..count]);
        }
        let sent = match &mut guard {
            Some(guard) => {
                let clean = guard.feed(Bytes::copy_from_slice(&buffer[..count]));
                to.write_all(&clean).await
            }
            None => to.write_all(&buffer[..count]).await,
        };
        if sent.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    if let Some(guard) = &mut guard {
        let _ = to.write_all(&guard.finish()).await;
    }
    let _ = to.shutdown().await;
}
