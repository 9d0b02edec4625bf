//! A request on its way upstream and its answer on its way back: the broker
//! is asked, the head is edited, bodies stream. A refusal sends nothing.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use hyper::body::{Body as HttpBody, Incoming};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};

use super::Line;
use super::authorization::{Admitted, holds, pair_of};
use super::body::{Body, Outgoing};
use super::edit::{join_cookies, path_and_query, request_headers};
use super::pool::{Channel, Lease, Place, Unanswered};
use super::relay::relayed;
use super::signing::{self, Signed};
use super::target::{Authority, usual_port};
use super::upgrade;
use super::worker::Worker;
use crate::broker::traffic::path::{BadPath, Rule};
use crate::broker::traffic::{Asked, Pass, Refusal, Wanted};
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
    request: Request<Incoming>,
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
struct Journey<'a> {
    worker: &'a Arc<Worker>,
    errand: &'a Errand,
    /// The client speaks HTTP/2, so the upstream is asked to as well.
    is_http2: bool,
}

impl<'a> Journey<'a> {
    fn new(worker: &'a Arc<Worker>, errand: &'a Errand, request: &Request<Incoming>) -> Self {
        Self {
            worker,
            errand,
            is_http2: request.version() >= Version::HTTP_2,
        }
    }

    async fn go(
        self,
        mut request: Request<Incoming>,
    ) -> (Option<Arc<Pass>>, Result<Response<Body>, Refusal>) {
        let pass = match self.authorized(&request).await {
            Ok(pass) => pass,
            Err(refusal) => return (None, Err(refusal)),
        };
        let switched = is_upgrade(&request).then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        // An answer of the gateway's own to `OPTIONS *` or TRACE would repeat
        // headers; the upstream's may do so, and is looked through.
        let outcome = match switched {
            Some(switched) => {
                self.switch(&mut parts, body, pass.as_deref(), switched)
                    .await
            }
            None => self.exchange(parts, body, pass.clone()).await,
        };
        (pass, outcome)
    }

    /// What goes into the request; `None` where nothing does and it goes all
    /// the same.
    async fn authorized(&self, request: &Request<Incoming>) -> Result<Option<Arc<Pass>>, Refusal> {
        let Errand {
            is_tls, authority, ..
        } = self.errand;
        let traffic = &self.worker.shared.traffic;
        let target = request.uri().path_and_query();
        let target = target.map_or("/", |target| target.as_str());
        let book = traffic.book()?;
        let is_ours = book.speaks_to(*is_tls, &authority.host, authority.port);
        if target == "*" && request.method() != Method::OPTIONS {
            return Err(bad_path(BadPath::NoSlash));
        }
        let read = Rule::default().read(target).map(|_| ());
        let has_slash = match read {
            Ok(()) => false,
            Err(_) if !is_ours => false,
            Err(BadPath::EncodedSlash) => {
                let lenient = Rule {
                    allows_encoded_slash: true,
                };
                lenient.read(target).map(|_| ()).map_err(bad_path)?;
                true
            }
            Err(bad) => return Err(bad_path(bad)),
        };
        let pass = if is_ours {
            let asked = self.asked(target);
            traffic
                .authorize(book, &self.errand.admitted.client, &asked)
                .await?
        } else {
            None
        };
        if let Some(pass) = &pass {
            if has_slash && !pass.allows_encoded_slash {
                return Err(bad_path(BadPath::EncodedSlash));
            }
            self.check_placeholders(request, Some(&pass.id.provider))?;
            return Ok(Some(Arc::clone(pass)));
        }
        self.check_placeholders(request, None)?;
        // A plain request to a host that has a key is a slip, and what it
        // holds would be read on its way.
        if !is_tls && traffic.speaks_to(true, &authority.host, 443)? {
            return Err(Refusal::new(
                403,
                "plain_http",
                format!("{} gets its key over https only", authority.host),
            )
            .with_hint(format!("Ask https://{}", authority.host)));
        }
        if self.worker.shared.unmatched.allows(&authority.host) && self.errand.provider.is_none() {
            return Ok(None);
        }
        Err(traffic.denied(
            &self.errand.admitted.client,
            &authority.host,
            authority.port,
        ))
    }

    fn asked<'b>(&'b self, path: &'b str) -> Asked<'b> {
        Asked {
            is_tls: self.errand.is_tls,
            host: &self.errand.authority.host,
            port: self.errand.authority.port,
            path,
            wanted: self.errand.wanted.as_ref(),
            provider: self.errand.provider.as_ref(),
        }
    }

    /// A placeholder is of use at its own provider, and elsewhere a sign that
    /// a program sends keys where they do not belong.
    fn check_placeholders(
        &self,
        request: &Request<Incoming>,
        own: Option<&ProviderName>,
    ) -> Result<(), Refusal> {
        let traffic = &self.worker.shared.traffic;
        if !traffic.has_placeholders() {
            return Ok(());
        }
        let target = request.uri().path_and_query();
        let target = target.map_or("", |target| target.as_str()).as_bytes();
        let values = || request.headers().values();
        let pairs: Vec<_> = values().filter_map(pair_of).collect();
        let mut texts = values()
            .map(HeaderValue::as_bytes)
            .chain(pairs.iter().map(|pair| pair.as_slice()))
            .chain([target]);
        match texts.find_map(|text| traffic.misplaced(text, own)) {
            None => Ok(()),
            Some(provider) => Err(Refusal::new(
                403,
                "placeholder_misplaced",
                format!(
                    "The key of {provider} was about to go to {}",
                    self.errand.authority.host
                ),
            )
            .with_hint(format!(
                "It is a placeholder, which only {provider} is sent a key for"
            ))),
        }
    }

    /// A request and its answer.
    async fn exchange(
        &self,
        parts: Parts,
        body: Incoming,
        pass: Option<Arc<Pass>>,
    ) -> Result<Response<Body>, Refusal> {
        let is_empty = body.is_end_stream();
        let may_repeat = is_empty && pass.as_ref().is_some_and(|pass| pass.is_renewable);
        let kept = may_repeat.then(|| parts.clone());
        let body = Outgoing::Streamed(body);
        let request = self.composed(parts, body, pass.as_deref()).await?;
        let method = request.method().clone();
        let (response, lease) = self.send(request, is_empty, pass.as_deref()).await?;
        let Some(seen) = pass else {
            return Ok(relayed(response, lease, None, &method));
        };
        if response.status() != StatusCode::UNAUTHORIZED || !seen.is_renewable {
            return Ok(relayed(response, lease, Some(&seen), &method));
        }
        // The provider may have taken the token back before its end.
        let target = kept
            .as_ref()
            .and_then(|parts| parts.uri.path_and_query().cloned());
        let traffic = &self.worker.shared.traffic;
        let asked = self.asked(target.as_ref().map_or("/", |target| target.as_str()));
        let client = &self.errand.admitted.client;
        let renewed = traffic.authorize_again(client, &asked, &seen).await;
        let (Ok(renewed), Some(parts)) = (renewed, kept) else {
            return Ok(relayed(response, lease, Some(&seen), &method));
        };
        drop((response, lease));
        let request = self
            .composed(parts, Outgoing::Whole(None), Some(&renewed))
            .await?;
        let (response, lease) = self.send(request, true, Some(&renewed)).await?;
        Ok(relayed(response, lease, Some(&renewed), &method))
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
                signing::renew(&mut parts, &mut body, &claim, signing, authority, now).await?;
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

    /// Sends a request; once more over a new connection where the old one was
    /// hung up on before it took anything.
    async fn send(
        &self,
        request: Request<Outgoing>,
        is_empty: bool,
        pass: Option<&Pass>,
    ) -> Result<(Response<Incoming>, Option<Lease>), Refusal> {
        let shared = &self.worker.shared;
        let reach = match pass {
            Some(_) => shared.reach,
            None => shared.reach_of_unmatched,
        };
        let place = Arc::new(Place {
            authority: self.errand.authority.clone(),
            is_tls: self.errand.is_tls,
            wants_http2: self.is_http2,
            reach,
        });
        let pool = &self.worker.pool;
        let repeatable = (is_empty && is_idempotent(request.method())).then(|| head_of(&request));
        let channel = pool.channel(&place, &shared.dialer, false).await?;
        let request = self.addressed(request, &channel)?;
        let failed = match channel.send(request, pool, &place).await {
            Ok(answered) => return Ok(answered),
            Err(failed) => failed,
        };
        let Unanswered {
            request, was_used, ..
        } = failed;
        let again = request.or_else(|| repeatable.filter(|_| was_used));
        let Some(request) = again.filter(|_| was_used) else {
            return Err(failed.refusal);
        };
        let channel = pool.channel(&place, &shared.dialer, true).await?;
        let request = self.addressed(request, &channel)?;
        let answered = channel.send(request, pool, &place).await;
        answered.map_err(|failed| failed.refusal)
    }

    /// The request with its authority where the channel's protocol has it.
    fn addressed(
        &self,
        mut request: Request<Outgoing>,
        channel: &Channel,
    ) -> Result<Request<Outgoing>, Refusal> {
        let Errand {
            is_tls, authority, ..
        } = self.errand;
        let target = request.uri().path_and_query().cloned();
        let target = target.as_ref().map_or("/", |target| target.as_str());
        let header = authority.header(usual_port(*is_tls));
        let unreadable = || Refusal::new(400, "bad_path", "The path cannot be read");
        match channel {
            Channel::Http2(..) => {
                let scheme = if *is_tls { "https" } else { "http" };
                // Part by part: a path never becomes part of the authority.
                let whole = Uri::builder().scheme(scheme).authority(header);
                let whole = whole.path_and_query(target).build();
                *request.uri_mut() = whole.map_err(|_| unreadable())?;
                *request.version_mut() = Version::HTTP_2;
                request.headers_mut().remove(HOST);
                request.headers_mut().remove(TRANSFER_ENCODING);
            }
            Channel::Http1(..) => {
                if !is_tls {
                    self.address_proxied(&mut request, &header)?;
                }
                *request.version_mut() = Version::HTTP_11;
                let value = HeaderValue::from_str(&header).map_err(|_| unreadable())?;
                request.headers_mut().insert(HOST, value);
                if !request.body().is_end_stream()
                    && !request.headers().contains_key(CONTENT_LENGTH)
                {
                    // Without it hyper takes GET and HEAD to have no body.
                    let chunked = HeaderValue::from_static("chunked");
                    request.headers_mut().insert(TRANSFER_ENCODING, chunked);
                }
                if self.is_http2 {
                    join_cookies(request.headers_mut());
                }
            }
        }
        Ok(request)
    }

    /// A proxy before us wants the whole address of what it can read.
    fn address_proxied(
        &self,
        request: &mut Request<Outgoing>,
        header: &str,
    ) -> Result<(), Refusal> {
        let address = super::tunnel::address(&self.errand.authority, false);
        let dialer = &self.worker.shared.dialer;
        let goes_through = dialer
            .is_proxied(&address)
            .map_err(|error| super::tunnel::answer_to(&error))?;
        if !goes_through {
            return Ok(());
        }
        let target = request.uri().path_and_query().cloned();
        let target = match &target {
            // RFC 9112, 3.2.4.
            Some(target) if target == "*" => "",
            Some(target) => target.as_str(),
            None => "/",
        };
        let unreadable = |_| Refusal::new(400, "bad_path", "The path cannot be read");
        *request.uri_mut() = format!("http://{header}{target}")
            .parse()
            .map_err(unreadable)?;
        let authorization = dialer
            .proxy_authorization(&address)
            .map_err(|error| super::tunnel::answer_to(&error))?;
        if let Some(value) = authorization
            && let Ok(mut value) = HeaderValue::from_str(value.reveal())
        {
            value.set_sensitive(true);
            request
                .headers_mut()
                .insert(hyper::header::PROXY_AUTHORIZATION, value);
        }
        Ok(())
    }

    /// A request that changes the protocol, such as to WebSocket.
    async fn switch(
        &self,
        parts: &mut Parts,
        body: Incoming,
        pass: Option<&Pass>,
        switched: OnUpgrade,
    ) -> Result<Response<Body>, Refusal> {
        let protocol = parts.headers.get(UPGRADE).cloned();
        self.edit(parts, pass, protocol)?;
        let mut request = Request::new(Outgoing::Streamed(body));
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
        upgrade::switch(self.worker, self.errand, request, pass, switched).await
    }
}

fn bad_path(bad: BadPath) -> Refusal {
    Refusal::new(400, "bad_path", format!("The path is refused: {bad}"))
        .with_hint("Send a path that can be read in one way only")
}

/// Whether a request is to change the protocol. Not to HTTP/2: what is behind
/// that are requests, which would go past us.
fn is_upgrade(request: &Request<Incoming>) -> bool {
    let mut protocols = request.headers().get_all(UPGRADE).iter().peekable();
    request.version() == Version::HTTP_11
        && protocols.peek().is_some()
        && !protocols.any(|value| {
            let value = value.as_bytes().to_ascii_lowercase();
            value
                .windows(3)
                .any(|part| part == b"h2c" || part == b"htt")
        })
        && request
            .headers()
            .get_all(hyper::header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|name| name.trim().eq_ignore_ascii_case("upgrade"))
}

/// Methods that may be sent again (RFC 9110, 9.2.2).
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    )
}

/// The same request without its body, which is empty.
fn head_of(request: &Request<Outgoing>) -> Request<Outgoing> {
    let mut copy = Request::new(Outgoing::Whole(None));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
