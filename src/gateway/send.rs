//! Over which connection a request goes upstream, and in which form its
//! protocol wants it.

use std::sync::Arc;

use hyper::body::{Body as HttpBody, Incoming};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request, Response, Uri, Version};

use super::body::Outgoing;
use super::edit::join_cookies;
use super::forward::{Errand, Journey};
use super::pool::{Channel, Lease, Place, Unanswered};
use super::target::usual_port;
use crate::broker::traffic::{Pass, Refusal};

impl Journey<'_> {
    /// Sends a request; once more over a new connection where the old one was
    /// hung up on before it took anything.
    pub(super) async fn send(
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
    pub(super) fn address_proxied(
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
