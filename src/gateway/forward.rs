//! A request on its way upstream and its answer on its way back: it is
//! permitted, its head is edited, bodies stream. A refusal sends nothing.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Body as HttpBody;
use hyper::header::{HOST, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Uri, Version};

use super::Line;
use super::authorization::{Admitted, holds, pair_of};
use super::body::{Body, Outgoing};
use super::edit::{path_and_query, request_headers};
use super::permission::Permitted;
use super::relay::relayed;
use super::signing::{self, Signed};
use super::target::{Authority, usual_port};
use super::upgrade;
use super::worker::Worker;
use crate::broker::traffic::{Account, Pass, Refusal, Wanted};
use crate::name::ProviderName;

/// Who sends a request, and where to.
#[derive(Clone)]
pub(super) struct Errand {
    pub(super) is_tls: bool,
    pub(super) authority: Authority,
    pub(super) admitted: Admitted,
    pub(super) wanted: Option<Wanted>,
    /// Named in the place of a host.
    pub(super) provider: Option<ProviderName>,
}

/// Sends a request on, and gives back its answer.
pub(super) async fn forward(
    worker: &Arc<Worker>,
    errand: &Errand,
    request: Request<Outgoing>,
) -> Result<Response<Body>, Refusal> {
    let Some(log) = &worker.shared.log else {
        return Journey::new(worker, errand, &request).go(request).await.1;
    };
    let start = Instant::now();
    let method = request.method().clone();
    // Some providers have keys in their paths, where a token stands then.
    let token = errand.admitted.token.reveal();
    let path = request.uri().path().replace(token, "TOKEN");
    let (pass, outcome) = Journey::new(worker, errand, &request).go(request).await;
    let connection = pass.map(|pass| pass.id.to_string());
    log(&Line {
        client: errand.admitted.client.name(),
        method: method.as_str(),
        authority: &errand.authority.to_string(),
        path: &path,
        connection: connection.as_deref(),
        status: match &outcome {
            Ok(response) => response.status().as_u16(),
            Err(refusal) => refusal.status,
        },
        took: start.elapsed(),
    });
    outcome
}

/// One request between here and there.
pub(super) struct Journey<'a> {
    pub(super) worker: &'a Arc<Worker>,
    pub(super) errand: &'a Errand,
    /// The client speaks HTTP/2, so the upstream is asked to as well.
    pub(super) is_http2: bool,
}

impl<'a> Journey<'a> {
    fn new(worker: &'a Arc<Worker>, errand: &'a Errand, request: &Request<Outgoing>) -> Self {
        Self {
            worker,
            errand,
            is_http2: request.version() >= Version::HTTP_2,
        }
    }

    async fn go(
        self,
        request: Request<Outgoing>,
    ) -> (Option<Arc<Pass>>, Result<Response<Body>, Refusal>) {
        let (mut parts, mut body) = request.into_parts();
        let Permitted { pass, mut account } = match self.permitted(&mut parts, &mut body).await {
            Ok(permitted) => permitted,
            Err(refusal) => return (None, Err(refusal)),
        };
        let switched = parts.extensions.remove::<OnUpgrade>();
        let switched = switched.filter(|_| is_upgrade(&parts));
        // An answer of the gateway's own to `OPTIONS *` or TRACE would repeat
        // headers; the upstream's may do so, and is looked through.
        let outcome = match switched {
            Some(switched) => {
                // Apart from the task, which every request is as large as.
                let pass = pass.as_deref();
                Box::pin(self.switch(&mut parts, body, pass, &mut account, switched)).await
            }
            None => self.exchange(parts, body, pass.clone(), &mut account).await,
        };
        if let (Err(refusal), Some(account)) = (&outcome, &mut account) {
            account.answered(refusal.status);
        }
        (pass, outcome)
    }

    /// A request and its answer.
    async fn exchange(
        &self,
        parts: Parts,
        body: Outgoing,
        pass: Option<Arc<Pass>>,
        account: &mut Option<Account>,
    ) -> Result<Response<Body>, Refusal> {
        let is_empty = body.is_end_stream();
        let may_repeat = pass.as_ref().is_some_and(|pass| pass.is_renewable);
        let kept = may_repeat.then(|| body.again()).flatten();
        let kept = kept.map(|body| (parts.clone(), body));
        let request = self.composed(parts, body, pass.as_deref()).await?;
        let method = request.method().clone();
        let (response, lease) = self.send(request, is_empty, pass.as_deref()).await?;
        let Some(seen) = pass else {
            return Ok(relayed(response, lease, None, None, &method));
        };
        if response.status() != StatusCode::UNAUTHORIZED || !seen.is_renewable {
            return Ok(relayed(
                response,
                lease,
                Some(&seen),
                account.take(),
                &method,
            ));
        }
        // The provider may have taken the token back before its end.
        let target = kept
            .as_ref()
            .and_then(|(parts, _)| parts.uri.path_and_query().cloned());
        let traffic = &self.worker.shared.traffic;
        let asked = self.asked(
            &method,
            target.as_ref().map_or("/", |target| target.as_str()),
        );
        let client = &self.errand.admitted.client;
        let renewed = Box::pin(traffic.authorize_again(client, &asked, &seen)).await;
        let (Ok(renewed), Some((parts, body))) = (renewed, kept) else {
            return Ok(relayed(
                response,
                lease,
                Some(&seen),
                account.take(),
                &method,
            ));
        };
        drop((response, lease));
        let request = self.composed(parts, body, Some(&renewed)).await?;
        let (response, lease) = self.send(request, is_empty, Some(&renewed)).await?;
        Ok(relayed(
            response,
            lease,
            Some(&renewed),
            account.take(),
            &method,
        ))
    }

    /// The request as it goes upstream.
    async fn composed(
        &self,
        mut parts: Parts,
        mut body: Outgoing,
        pass: Option<&Pass>,
    ) -> Result<Request<Outgoing>, Refusal> {
        let authority = &self.errand.authority;
        let signing = pass.and_then(|pass| pass.signing.as_ref());
        let signed = signing.map(|signing| signing::read(&parts, signing, authority));
        match (signing, signed.transpose()?) {
            (Some(signing), Some(Signed::Anew(claim))) => {
                self.edit(&mut parts, pass, None)?;
                let now = self.worker.shared.traffic.now();
                let renewed =
                    signing::renew(&mut parts, &mut body, &claim, signing, authority, now);
                Box::pin(renewed).await?;
            }
            (Some(_), Some(Signed::ByOthers)) => self.edit(&mut parts, None, None)?,
            _ => self.edit(&mut parts, pass, None)?,
        }
        Ok(Request::from_parts(parts, body))
    }

    fn edit(
        &self,
        parts: &mut Parts,
        pass: Option<&Pass>,
        switching: Option<HeaderValue>,
    ) -> Result<(), Refusal> {
        let token = &self.errand.admitted.token;
        let traffic = &self.worker.shared.traffic;
        let is_placeholder = |text: &[u8]| traffic.misplaced(text, None).is_some();
        let is_own = |value: &str| value == token.reveal() || is_placeholder(value.as_bytes());
        let text = path_and_query(&parts.uri, pass, &is_own);
        let unreadable = |_| Refusal::new(400, "bad_path", "The path cannot be read");
        // A path that stays as it is was read already.
        if matches!(text, Cow::Owned(_)) || parts.uri.authority().is_some() {
            parts.uri = text.parse::<Uri>().map_err(unreadable)?;
        }
        let is_own = |value: &HeaderValue| {
            holds(value, token)
                || is_placeholder(value.as_bytes())
                || pair_of(value).is_some_and(|pair| is_placeholder(&pair))
        };
        request_headers(&mut parts.headers, pass, &is_own, switching);
        Ok(())
    }

    /// A request that changes the protocol, such as to WebSocket.
    async fn switch(
        &self,
        parts: &mut Parts,
        body: Outgoing,
        pass: Option<&Pass>,
        account: &mut Option<Account>,
        switched: OnUpgrade,
    ) -> Result<Response<Body>, Refusal> {
        let protocol = parts.headers.get(UPGRADE).cloned();
        self.edit(parts, pass, protocol)?;
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.headers_mut() = std::mem::take(&mut parts.headers);
        let header = self.errand.authority.header(usual_port(self.errand.is_tls));
        if let Ok(value) = HeaderValue::from_str(&header) {
            request.headers_mut().insert(HOST, value);
        }
        if !self.errand.is_tls {
            self.address_proxied(&mut request, &header)?;
        }
        upgrade::switch(self.worker, self.errand, request, pass, account, switched).await
    }
}

/// Whether a request is to change the protocol. Not to HTTP/2: what is behind
/// that are requests, which would go past us.
pub(super) fn is_upgrade(parts: &Parts) -> bool {
    let mut protocols = parts.headers.get_all(UPGRADE).iter().peekable();
    parts.version == Version::HTTP_11
        && protocols.peek().is_some()
        && !protocols.any(|value| {
            let value = value.as_bytes().to_ascii_lowercase();
            value
                .windows(3)
                .any(|part| part == b"h2c" || part == b"htt")
        })
        && parts
            .headers
            .get_all(hyper::header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|name| name.trim().eq_ignore_ascii_case("upgrade"))
}
