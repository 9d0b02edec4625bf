//! `/v1/…`: OpenAI's dialect at the gateway's own address. The model that a
//! request names picks the connection, by the routes of the policy; each
//! attempt then goes the way of every other request.
//!
//! Always true here: nobody without a token learns of a route; what a client
//! sent in the places of keys goes no further; which set of routes is meant is
//! never guessed.

mod attempt;
mod health;
mod list;
mod model;

use std::sync::{Arc, PoisonError};

use hyper::body::Incoming;
use hyper::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};

use self::attempt::Sending;
use self::model::{Asking, shown};
use super::authorization::{self, Admitted, CONNECTION, KEY_HEADERS, by_key_places};
use super::body::{Body, Outgoing};
use super::content::Content;
use super::forward::Errand;
use super::target::Authority;
use super::worker::Worker;
use crate::broker::traffic::{Content as _, Refusal, Traffic, Wanted, Way, unreadable_body};
use crate::name::ConnectionRef;
use crate::policy::{Policy, Route};

pub(super) use self::health::Health;

/// Which set of routes a request goes by, and which one it went by.
const ROUTE: HeaderName = HeaderName::from_static("x-vault-route");
const PREFIX: &str = "/v1";

/// Whether a request is for a model, or asks which there are.
pub(super) fn is_routed(request: &Request<Incoming>) -> bool {
    let rest = request.uri().path().strip_prefix(PREFIX);
    let Some(rest) = rest.filter(|rest| rest.len() > 1 && rest.starts_with('/')) else {
        return false;
    };
    match *request.method() {
        Method::POST => true,
        Method::GET => list::is_list(rest),
        _ => false,
    }
}

/// Answers such a request.
pub(super) async fn answered(
    worker: &Arc<Worker>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let traffic = &worker.shared.traffic;
    let (head, query) = (request.headers(), request.uri().query());
    let admitted = by_key_places(head, query, &[], &[], traffic)?;
    let admitted = admitted.ok_or_else(authorization::unauthorized)?;
    if head.contains_key(CONNECTION) {
        let message = "At /v1 the model picks the connection, and X-Vault-Connection does not";
        return Err(Refusal::new(400, "bad_connection", message)
            .with_hint("Choose a set of routes with X-Vault-Route, or ask /api/PROVIDER/…"));
    }
    let visit = Visit {
        worker,
        admitted,
        set: Set::meant(head, traffic)?,
    };
    let target = request.uri().path_and_query();
    let target = target.map_or("", |target| target.as_str());
    let rest = target.strip_prefix(PREFIX).unwrap_or_default().to_owned();
    if *request.method() == Method::GET {
        return visit.list(target).await;
    }
    let (parts, body) = request.into_parts();
    let parts = cleaned(parts);
    let mut body = Outgoing::Streamed(body);
    let read = Content::new(&parts, &mut body, &worker.shared.room)
        .read()
        .await;
    let asking = Asking::read(read.map_err(unreadable_body)?)?;
    let route = visit.route(&asking.model)?;
    let sending = Sending::new(parts, body, rest, &asking, route);
    visit.attempt(route, &sending).await
}

/// One request, and by which routes it goes.
struct Visit<'a> {
    worker: &'a Arc<Worker>,
    admitted: Admitted,
    set: Set,
}

impl Visit<'_> {
    /// The route of a model.
    fn route(&self, model: &str) -> Result<&Route, Refusal> {
        let set = &self.set;
        Route::first(set.routes(), model).ok_or_else(|| {
            let model = shown(model);
            let message = format!("No route of the set {} is for the model {model}", set.name);
            Refusal::new(404, "no_route", message).with_hint(format!(
                "vault route list; models that have one: GET {PREFIX}/models"
            ))
        })
    }

    fn errand(&self, way: &Way) -> Errand {
        Errand {
            is_tls: way.origin.is_tls,
            authority: Authority {
                host: way.origin.host.clone(),
                port: way.origin.port,
            },
            admitted: self.admitted.clone(),
            wanted: Some(Wanted::Of(ConnectionRef {
                provider: way.id.provider.clone(),
                connection: Some(way.id.connection.clone()),
            })),
            provider: Some(way.id.provider.clone()),
        }
    }

    fn health<T>(&self, act: impl FnOnce(&mut Health) -> T) -> T {
        let health = &self.worker.shared.health;
        act(&mut health.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An answer that says which way it came.
    fn marked(&self, mut response: Response<Body>, way: &Way) -> Response<Body> {
        let headers = response.headers_mut();
        for (name, value) in [
            (ROUTE, self.set.name.to_string()),
            (CONNECTION, way.id.to_string()),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// A set of routes of the policy in force.
struct Set {
    name: Arc<str>,
    policy: Arc<Policy>,
}

impl Set {
    /// The one that a request names, else the one in use. A set that is in use
    /// and not there is not replaced by another: it may have been chosen so
    /// that nothing leaves this machine.
    fn meant(headers: &HeaderMap, traffic: &Traffic) -> Result<Self, Refusal> {
        let policy = traffic.policy();
        if policy.routes().is_empty() {
            return Err(Refusal::new(404, "no_route", "There are no routes")
                .with_hint("Write some into policy.json, as in docs/routes.md: vault route list"));
        }
        let names: Vec<_> = policy.routes().keys().map(String::as_str).collect();
        let names = names.join(", ");
        let mut asked = headers.get_all(ROUTE).iter();
        let name: Arc<str> = match (asked.next(), asked.next()) {
            (None, _) => traffic.route_in_use(),
            (Some(name), None) => name.to_str().unwrap_or_default().trim().into(),
            (Some(_), Some(_)) => {
                return Err(Refusal::new(
                    400,
                    "bad_route",
                    "X-Vault-Route is there twice",
                ));
            }
        };
        if policy.routes().contains_key(&*name) {
            return Ok(Self { name, policy });
        }
        let name = shown(&name);
        Err(if headers.contains_key(ROUTE) {
            let message = format!("X-Vault-Route names no set of routes: {name}");
            Refusal::new(400, "bad_route", message).with_hint(format!("There are: {names}"))
        } else {
            let message = format!("The set of routes in use, {name}, is not in the policy");
            Refusal::new(404, "no_route", message).with_hint(format!(
                "There are: {names}. Put one into use: vault route use NAME"
            ))
        })
    }

    fn routes(&self) -> &[Route] {
        let found = self.policy.routes().get(&*self.name);
        found.map_or(&[], Vec::as_slice)
    }
}

/// A head without what was for us: nobody can have meant it for whoever the
/// model leads to. The rest of ours is taken off on the way.
fn cleaned(parts: Parts) -> Parts {
    let (mut clean, ()) = Request::new(()).into_parts();
    clean.method = parts.method;
    clean.uri = parts.uri;
    clean.headers = parts.headers;
    for name in KEY_HEADERS.iter().chain([&COOKIE]) {
        clean.headers.remove(name);
    }
    clean
}
