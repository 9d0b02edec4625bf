//! One request on the way that a route says: its connections are tried in
//! their order until one of them does its work.
//!
//! Always true here: what policy denies ends the search; what has begun to
//! answer well is not left for another one; whoever is not this client's to
//! use is not tried.

use std::time::{Duration, Instant};

use hyper::body::Body as _;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, RETRY_AFTER, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, Uri};

use super::Visit;
use super::model::Asking;
use crate::broker::traffic::{Refusal, Way};
use crate::gateway::answer;
use crate::gateway::body::{Body, Outgoing};
use crate::gateway::forward::forward;
use crate::policy::Route;

/// What is sent, whoever gets it.
pub(super) struct Sending {
    parts: Parts,
    /// As it came, or with another model.
    body: Outgoing,
    /// What follows the path that stands for `/v1`, with the query.
    rest: String,
}

impl Sending {
    /// A request on a route; `body` is as it came, whole.
    pub(super) fn new(
        mut parts: Parts,
        mut body: Outgoing,
        rest: String,
        asking: &Asking,
        route: &Route,
    ) -> Self {
        let name = route.rename.as_deref();
        if let Some(renamed) = name.and_then(|name| asking.renamed(name)) {
            // It is plain from now on, however it came.
            parts.headers.remove(CONTENT_ENCODING);
            body = Outgoing::Whole(Some(renamed));
        }
        // All of it is here, so its length is known, however it came.
        let length = body.size_hint().lower();
        parts.headers.remove(TRANSFER_ENCODING);
        parts.headers.insert(CONTENT_LENGTH, length.into());
        Self { parts, body, rest }
    }

    fn request(&self, way: &Way) -> Result<Request<Outgoing>, Refusal> {
        let body = self.body.again().unwrap_or(Outgoing::Whole(None));
        let mut request = Request::new(body);
        *request.method_mut() = self.parts.method.clone();
        request.headers_mut().clone_from(&self.parts.headers);
        let path = format!("{}{}", way.path, self.rest);
        let unreadable = |_| Refusal::new(400, "bad_path", "The path cannot be read");
        *request.uri_mut() = path.parse::<Uri>().map_err(unreadable)?;
        Ok(request)
    }
}

impl Visit<'_> {
    /// Sends a request to the first connection of a route that takes it. If
    /// none does, the last answer that an upstream gave is given, or the last
    /// refusal where none gave any.
    pub(super) async fn attempt(
        &self,
        route: &Route,
        sending: &Sending,
    ) -> Result<Response<Body>, Refusal> {
        let ways = self.ways(route)?;
        let now = Instant::now();
        let ways = self.health(|health| health.ordered(ways, |way| &way.id, now));
        let mut kept: Option<(bool, Response<Body>)> = None;
        for way in &ways {
            let request = sending.request(way)?;
            let outcome = forward(self.worker, &self.errand(way), request).await;
            let is_upstreams = outcome.is_ok();
            let course = Course::of(&outcome);
            self.remember(way, course);
            let answered = outcome.unwrap_or_else(|refusal| answer::refused(&refusal));
            let answered = self.marked(answered, way);
            if matches!(course, Course::Served | Course::Stop) {
                return Ok(answered);
            }
            if is_upstreams || kept.as_ref().is_none_or(|(is_upstreams, _)| !is_upstreams) {
                kept = Some((is_upstreams, answered));
            }
        }
        let (_, answered) = kept.ok_or_else(|| Refusal::unreachable("The route leads nowhere"))?;
        Ok(answered)
    }

    /// The ways of a route, its own first. Where that one is not for this
    /// client, or not there, the route is not either; a fallback like that is
    /// passed over.
    pub(super) fn ways(&self, route: &Route) -> Result<Vec<Way>, Refusal> {
        let traffic = &self.worker.shared.traffic;
        let client = &self.admitted.client;
        let mut ways = vec![traffic.way(client, &route.to)?];
        for to in &route.fallback {
            if let Ok(way) = traffic.way(client, to)
                && ways.iter().all(|known| known.id != way.id)
            {
                ways.push(way);
            }
        }
        Ok(ways)
    }

    fn remember(&self, way: &Way, course: Course) {
        let now = Instant::now();
        self.health(|health| match course {
            Course::Served => health.served(&way.id),
            Course::Failed => health.failed(&way.id, now),
            Course::Busy(wait) => health.busy(&way.id, wait, now),
            Course::Next | Course::Stop => {}
        });
    }
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// It is answered, if only with what is wrong with the request.
    Served,
    /// The connection has a fault.
    Failed,
    /// The connection has too much to do, for so long.
    Busy(Option<Duration>),
    /// This one will not, which says nothing about its health.
    Next,
    /// Nobody is to be asked any more.
    Stop,
}

impl Course {
    fn of(outcome: &Result<Response<Body>, Refusal>) -> Self {
        let response = match outcome {
            Ok(response) => response,
            Err(refusal) => return Self::of_refusal(refusal),
        };
        match response.status() {
            StatusCode::TOO_MANY_REQUESTS => {
                let wait = response.headers().get(RETRY_AFTER);
                let seconds = wait.and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
                Self::Busy(seconds.map(Duration::from_secs))
            }
            // It does not know this endpoint, and may be well otherwise.
            StatusCode::NOT_IMPLEMENTED => Self::Next,
            status if status.is_server_error() => Self::Failed,
            _ => Self::Served,
        }
    }

    fn of_refusal(refusal: &Refusal) -> Self {
        match (refusal.status, refusal.code) {
            (502, _) => Self::Failed,
            // Our own limits and budgets: one agent's, and not the
            // connection's business.
            (429, _) | (503, "metering_stopped") => Self::Next,
            _ => Self::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<&str>) -> Course {
        let mut response = Response::new(Body::whole(String::new()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        if let Some(text) = retry_after {
            let text = text.parse().unwrap();
            response.headers_mut().insert(RETRY_AFTER, text);
        }
        Course::of(&Ok(response))
    }

    #[test]
    fn faults_and_haste_lead_on_and_all_other_answers_are_given() {
        for status in [200, 204, 301, 400, 401, 403, 404, 408, 409, 413, 422] {
            assert_eq!(answered(status, None), Course::Served, "{status}");
        }
        for status in [500, 502, 503, 504, 520, 529] {
            assert_eq!(answered(status, Some("9")), Course::Failed, "{status}");
        }
        assert_eq!(answered(501, None), Course::Next);
        let busy = |seconds| Course::Busy(Some(Duration::from_secs(seconds)));
        assert_eq!(answered(429, Some(" 7 ")), busy(7));
        for text in [None, Some("soon"), Some("-1"), Some("1.5")] {
            assert_eq!(answered(429, text), Course::Busy(None), "{text:?}");
        }
    }

    #[test]
    fn what_is_denied_leads_no_further() {
        for (status, code, course) in [
            (502, "unreachable", Course::Failed),
            (502, "renewal_failed", Course::Failed),
            (429, "rate_limited", Course::Next),
            (429, "budget_spent", Course::Next),
            (503, "metering_stopped", Course::Next),
            (503, "locked", Course::Stop),
            (503, "stopping", Course::Stop),
            (403, "policy_denied", Course::Stop),
            (403, "approval_denied", Course::Stop),
            (403, "not_granted", Course::Stop),
            (424, "login_ended", Course::Stop),
            (400, "bad_path", Course::Stop),
            (401, "unauthorized", Course::Stop),
        ] {
            let refusal = Refusal::new(status, code, "no");
            assert_eq!(Course::of(&Err(refusal)), course, "{code}");
        }
    }
}
