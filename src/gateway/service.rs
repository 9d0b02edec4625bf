//! One request of a client, whichever way it came in: who sends it, which one
//! authority it has, and whether its path can be read in one way only.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{HOST, HeaderMap};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde_json::json;

use super::answer;
use super::authorization::{self, Admitted, CONNECTION};
use super::body::{Body, Outgoing};
use super::forward::{Errand, forward};
use super::path_form::PathForm;
use super::prefixed::Wire;
use super::routes;
use super::target::{Authority, BadAuthority, usual_port};
use super::worker::Worker;
use crate::broker::traffic::{Refusal, Wanted};

/// More streams than this a client does not need at once.
const MOST_STREAMS: u32 = 256;
/// So much of one stream may wait for its upstream, and of a whole connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Where the gateway says whether it is well, to anybody.
const HEALTH: &str = "/-/health";

/// One connection of a client.
pub(super) struct Lane {
    pub(super) worker: Arc<Worker>,
    pub(super) way: Way,
}

/// How it came in.
pub(super) enum Way {
    /// Straight to the gateway: each request says where it goes and who sends
    /// it.
    Open,
    /// Through CONNECT, which said both.
    Inside(Inside),
}

/// What CONNECT said.
pub(super) struct Inside {
    errand: Arc<Errand>,
    /// The authority as it stands in most requests.
    usual: String,
}

impl Inside {
    pub(super) fn new(authority: Authority, admitted: Admitted, wanted: Option<Wanted>) -> Self {
        Self {
            usual: authority.header(443),
            errand: Arc::new(Errand {
                is_tls: true,
                authority,
                admitted,
                wanted,
                provider: None,
            }),
        }
    }
}

/// Serves HTTP/1.1 until the client or the gateway has had enough.
pub(super) async fn serve_http1(
    io: TokioIo<impl Wire>,
    lane: Arc<Lane>,
    patience: Option<(TokioTimer, Duration)>,
) {
    let mut builder = http1::Builder::new();
    if let Some((timer, patience)) = patience {
        builder.timer(timer).header_read_timeout(patience);
    }
    let worker = Arc::clone(&lane.worker);
    let service = service_fn(move |request| {
        let lane = Arc::clone(&lane);
        async move { Ok::<_, Infallible>(serve(&lane, request).await) }
    });
    let connection = builder.serve_connection(io, service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = worker.stopped() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Serves HTTP/2.
pub(super) async fn serve_http2(io: TokioIo<impl Wire>, lane: Arc<Lane>, executor: TokioExecutor) {
    let mut builder = http2::Builder::new(executor);
    builder
        .max_concurrent_streams(MOST_STREAMS)
        // As for upstreams: see the pool.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    let worker = Arc::clone(&lane.worker);
    let service = service_fn(move |request| {
        let lane = Arc::clone(&lane);
        async move { Ok::<_, Infallible>(serve(&lane, request).await) }
    });
    let connection = builder.serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = worker.stopped() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

async fn serve(lane: &Lane, request: Request<Incoming>) -> Response<Body> {
    let is_http1 = request.version() < Version::HTTP_2;
    let answered = match &lane.way {
        Way::Inside(inside) => inside_request(lane, inside, request).await,
        Way::Open => open_request(lane, request).await,
    };
    match answered {
        Ok(response) => response,
        // What is left of the request's body is not waited for.
        Err(refusal) if is_http1 && refusal.status != 401 => answer::refused_for_good(&refusal),
        Err(refusal) => answer::refused(&refusal),
    }
}

/// A request inside CONNECT: everything in it that names a host must name
/// CONNECT's.
async fn inside_request(
    lane: &Lane,
    inside: &Inside,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    check_authority(&request, inside)?;
    if request.method() == Method::CONNECT {
        return Err(Refusal::new(400, "bad_request", "CONNECT inside CONNECT"));
    }
    let wanted = wanted(request.headers())?;
    let errand = match wanted {
        None => Arc::clone(&inside.errand),
        wanted => Arc::new(Errand {
            wanted,
            ..Errand::clone(&inside.errand)
        }),
    };
    forward(&lane.worker, &errand, request.map(Outgoing::Streamed)).await
}

fn check_authority(request: &Request<Incoming>, inside: &Inside) -> Result<(), Refusal> {
    let is_http2 = request.version() >= Version::HTTP_2;
    let own = &inside.errand.authority;
    let check = |text: &str| {
        if text == inside.usual {
            return Ok(());
        }
        match Authority::parse(text, Some(443)) {
            Ok(named) if named == *own => Ok(()),
            Ok(_) if is_http2 => Err(Refusal::new(
                421,
                "misdirected",
                format!("This connection is to {own} and to no other host"),
            )),
            Ok(_) => Err(Refusal::new(
                400,
                "authority_mismatch",
                format!("The request names another host than its CONNECT, which was to {own}"),
            )),
            Err(bad) => Err(bad_authority(bad)),
        }
    };
    let of_address = request.uri().authority();
    if let Some(named) = of_address {
        check(named.as_str())?;
    }
    if let Some(scheme) = request.uri().scheme_str()
        && scheme != "https"
    {
        return Err(Refusal::new(
            400,
            "authority_mismatch",
            "A request inside CONNECT is for https alone",
        ));
    }
    let mut is_named = of_address.is_some();
    for value in request.headers().get_all(HOST) {
        check(value.to_str().unwrap_or_default())?;
        is_named = true;
    }
    if is_named {
        Ok(())
    } else {
        Err(Refusal::new(400, "no_host", "The request names no host"))
    }
}

fn bad_authority(bad: BadAuthority) -> Refusal {
    match bad {
        BadAuthority::Userinfo => Refusal::new(400, "userinfo", "The address names a user"),
        BadAuthority::Unreadable => Refusal::new(400, "bad_authority", "The address names no host"),
    }
}

/// A request to the gateway itself: a whole address, the path form, or a
/// question about the gateway.
async fn open_request(lane: &Lane, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let worker = &lane.worker;
    let traffic = &worker.shared.traffic;
    if let (Some(scheme), Some(named)) = (request.uri().scheme_str(), request.uri().authority()) {
        let admitted = authorization::by_proxy_headers(request.headers(), traffic)?
            .ok_or_else(authorization::proxy_unauthorized)?;
        let is_tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(Refusal::new(400, "bad_scheme", "Only http and https go on")),
        };
        let usual = usual_port(is_tls);
        let authority = Authority::parse(named.as_str(), Some(usual)).map_err(bad_authority)?;
        for value in request.headers().get_all(HOST) {
            let text = value.to_str().unwrap_or_default();
            let named = Authority::parse(text, Some(usual)).map_err(bad_authority)?;
            if named != authority {
                return Err(Refusal::new(
                    400,
                    "authority_mismatch",
                    "The address and the Host header name different hosts",
                ));
            }
        }
        let errand = Errand {
            is_tls,
            authority,
            admitted,
            wanted: wanted(request.headers())?,
            provider: None,
        };
        return forward(worker, &errand, request.map(Outgoing::Streamed)).await;
    }
    let path = request.uri().path();
    if path == HEALTH {
        return health(lane);
    }
    if routes::is_routed(&request) {
        // Apart from the task, which every request is as large as.
        return Box::pin(routes::answered(worker, request)).await;
    }
    match PathForm::read(path, traffic) {
        Some(form) => {
            let (errand, request) = form.errand(request, traffic)?;
            forward(worker, &errand, request.map(Outgoing::Streamed)).await
        }
        None => Err(Refusal::new(404, "not_found", "Nothing is here").with_hint(
            "There are /api/PROVIDER/… and, by model, /v1/…; for all else this is a proxy",
        )),
    }
}

fn health(lane: &Lane) -> Result<Response<Body>, Refusal> {
    if lane.worker.is_stopping() {
        return Err(Refusal::new(503, "stopping", "The gateway stops"));
    }
    let book = lane.worker.shared.traffic.book();
    book.map_err(Refusal::for_anybody)?;
    Ok(answer::plain(StatusCode::OK, &json!({"status": "ok"})))
}

/// The connection that a request names.
pub(super) fn wanted(headers: &HeaderMap) -> Result<Option<Wanted>, Refusal> {
    let mut named = headers.get_all(CONNECTION).iter();
    let Some(first) = named.next() else {
        return Ok(None);
    };
    if named.next().is_some() {
        return Err(Refusal::new(
            400,
            "bad_connection",
            "X-Vault-Connection is there twice",
        ));
    }
    Wanted::parse(first.to_str().unwrap_or_default()).map(Some)
}
