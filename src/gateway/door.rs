//! The first bytes of a client: CONNECT, or a request for the gateway itself.
//! Until a token was shown, a client costs little and learns nothing.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HOST;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;

use super::answer;
use super::authorization::{self, Admitted, CONNECTION};
use super::connect::{Beginning, Connect, begin};
use super::intercept;
use super::prefixed::{Prefixed, Wire};
use super::service::{Lane, Way, serve_http1};
use super::target::{Authority, BadAuthority};
use super::tunnel;
use super::worker::Worker;
use crate::broker::traffic::{Asked, NoContent, Refusal, Wanted};

/// How long a client may take over TLS or over the head of a request.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(15);

/// What is to become of a CONNECT.
enum Verdict {
    /// Its TLS is ours to open.
    Inspect(Authority, Admitted, Option<Wanted>),
    /// Its bytes are nobody's business.
    Tunnel(Authority, Admitted),
}

/// Takes a client in, over TLS if the listener has its own.
pub(super) async fn enter(stream: impl Wire, worker: &Arc<Worker>) {
    match &worker.shared.tls {
        None => greet(stream, worker).await,
        Some(config) => {
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(config));
            let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream));
            if let Ok(Ok(stream)) = shaken.await {
                greet(stream, worker).await;
            }
        }
    }
}

async fn greet(mut stream: impl Wire, worker: &Arc<Worker>) {
    let beginning = tokio::select! {
        beginning = begin(&mut stream) => beginning,
        () = worker.stopped() => return,
    };
    match beginning {
        Beginning::Connect(connect, rest) => match judge(&connect, worker) {
            Ok(Verdict::Inspect(authority, admitted, wanted)) => {
                let stream = Prefixed::new(rest, stream);
                intercept::open(stream, authority, admitted, wanted, worker).await;
            }
            Ok(Verdict::Tunnel(authority, admitted)) => {
                let mut stream = Prefixed::new(rest, stream);
                match permit(&mut stream, &authority, &admitted, worker).await {
                    Some(Ok(())) => tunnel::open(stream, &authority, &admitted, worker).await,
                    Some(Err(refusal)) => refuse(stream, &refusal).await,
                    None => {}
                }
            }
            Err(refusal) => refuse(stream, &refusal).await,
        },
        Beginning::Other(first) => {
            let lane = Arc::new(Lane {
                worker: Arc::clone(worker),
                way: Way::Open,
            });
            let timer = Some((TokioTimer::new(), HANDSHAKE));
            serve_http1(TokioIo::new(Prefixed::new(first, stream)), lane, timer).await;
        }
        Beginning::Unreadable => {
            let refusal = Refusal::new(400, "bad_request", "This is no CONNECT request");
            refuse(stream, &refusal).await;
        }
        Beginning::Nothing => {}
    }
}

/// Who asks comes first: nobody else is told anything.
fn judge(connect: &Connect, worker: &Worker) -> Result<Verdict, Refusal> {
    let shared = &worker.shared;
    let admitted = authorization::by_proxy_headers(&connect.headers, &shared.traffic)?;
    let admitted = admitted.ok_or_else(authorization::proxy_unauthorized)?;
    let authority = Authority::parse(&connect.target, None).map_err(|bad| match bad {
        BadAuthority::Userinfo => Refusal::new(400, "userinfo", "CONNECT names a user"),
        BadAuthority::Unreadable => {
            Refusal::new(400, "bad_authority", "CONNECT names no host and port")
        }
    })?;
    for value in connect.headers.get_all(HOST) {
        let named = Authority::parse(value.to_str().unwrap_or_default(), Some(authority.port));
        if named.as_ref() != Ok(&authority) {
            let message = "CONNECT and its Host header name different hosts";
            return Err(Refusal::new(400, "authority_mismatch", message));
        }
    }
    let wanted = connect.headers.get(CONNECTION);
    let wanted = wanted
        .map(|text| Wanted::parse(text.to_str().unwrap_or_default()))
        .transpose()?;
    let Authority { host, port } = &authority;
    let is_ours = shared.traffic.speaks_to(true, host, *port)?;
    let leaves = shared.leaves.as_ref();
    if is_ours && leaves.is_some_and(|leaves| leaves.covers(host)) {
        return Ok(Verdict::Inspect(authority, admitted, wanted));
    }
    if shared.unmatched.allows(host) {
        return Ok(Verdict::Tunnel(authority, admitted));
    }
    Err(shared.traffic.denied(&admitted.client, host, *port))
}

/// What policy says about a tunnel; `None` where its client went away while
/// it waited.
async fn permit(
    stream: &mut Prefixed<impl Wire>,
    authority: &Authority,
    admitted: &Admitted,
    worker: &Worker,
) -> Option<Result<(), Refusal>> {
    let asked = Asked {
        is_tls: true,
        host: &authority.host,
        port: authority.port,
        method: "CONNECT",
        path: "",
        has_encoded_slash: false,
        seen: None,
        token: "",
        wanted: None,
        provider: None,
    };
    let traffic = &worker.shared.traffic;
    let mut nothing = NoContent;
    let permitted = traffic.permit(&admitted.client, &asked, &mut nothing);
    tokio::select! {
        biased;
        permitted = permitted => Some(permitted),
        () = stream.closed() => None,
    }
}

/// Answers in the place of a tunnel, and hangs up: what follows CONNECT could
/// be anything.
pub(super) async fn refuse(mut stream: impl Wire, refusal: &Refusal) {
    let _ = stream.write_all(&answer::raw(refusal)).await;
    let _ = stream.shutdown().await;
}
