//! Whether a request may go on, and with what: its path is read, the broker is
//! asked, and a placeholder in a wrong place is noticed.

use std::sync::Arc;

use hyper::Method;
use hyper::header::{CONTENT_ENCODING, HeaderValue};
use hyper::http::request::Parts;

use super::authorization::pair_of;
use super::body::Outgoing;
use super::content::{self, Content, Room};
use super::forward::{Errand, Journey};
use crate::broker::traffic::path::{BadPath, Reading};
use crate::broker::traffic::{Account, Asked, Content as _, Grant, Pass, Refusal, unreadable_body};
use crate::name::ProviderName;
use crate::usage::meter::with_usage_asked;

impl Journey<'_> {
    /// Lets the request go on, or says why not.
    pub(super) async fn permitted(
        &self,
        parts: &mut Parts,
        body: &mut Outgoing,
    ) -> Result<Permitted, Refusal> {
        let Errand {
            is_tls, authority, ..
        } = self.errand;
        let traffic = &self.worker.shared.traffic;
        let client = &self.errand.admitted.client;
        let target = parts.uri.path_and_query().cloned();
        let target = target.as_ref().map_or("/", |target| target.as_str());
        let book = traffic.book()?;
        let is_ours = book.speaks_to(*is_tls, &authority.host, authority.port);
        if target == "*" && parts.method != Method::OPTIONS {
            return Err(BadPath::NoSlash.into());
        }
        let has_rules = !traffic.policy().is_open();
        let reading = match Reading::of(target) {
            Ok(reading) => Some(reading),
            // Nobody looks at it, and nothing of ours goes with it.
            Err(_) if !is_ours && !has_rules => None,
            Err(bad) => return Err(bad.into()),
        };
        if has_rules {
            refuse_other_methods(parts)?;
        }
        let method = parts.method.clone();
        let asked = Asked {
            seen: reading.as_ref().map(|reading| &*reading.path),
            has_encoded_slash: reading.as_ref().is_some_and(|reading| reading.has_slash),
            ..self.asked(&method, target)
        };
        if is_ours {
            let mut content = Content::new(parts, body, &self.worker.shared.room);
            let granted = traffic
                .authorize(book, client, &asked, &mut content)
                .await?;
            if let Some(grant) = granted {
                if let Err(refusal) = self.prepared(&grant, parts, body).await {
                    grant.account.withdraw();
                    return Err(refusal);
                }
                return Ok(Permitted {
                    pass: Some(grant.pass),
                    account: Some(grant.account),
                });
            }
        }
        self.check_placeholders(parts, None)?;
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
        let is_allowed = self.worker.shared.unmatched.allows(&authority.host);
        if !is_allowed || self.errand.provider.is_some() {
            return Err(traffic.denied(client, &authority.host, authority.port));
        }
        let mut content = Content::new(parts, body, &self.worker.shared.room);
        traffic.permit(client, &asked, &mut content).await?;
        Ok(Permitted {
            pass: None,
            account: None,
        })
    }

    /// What is still to be done to a request that may go on.
    async fn prepared(
        &self,
        grant: &Grant,
        parts: &mut Parts,
        body: &mut Outgoing,
    ) -> Result<(), Refusal> {
        self.check_placeholders(parts, Some(&grant.pass.id.provider))?;
        if grant.asks_for_usage && parts.method == Method::POST {
            let room = &self.worker.shared.room;
            Box::pin(ask_for_usage(parts, body, room)).await?;
        }
        Ok(())
    }

    pub(super) fn asked<'b>(&'b self, method: &'b Method, path: &'b str) -> Asked<'b> {
        Asked {
            is_tls: self.errand.is_tls,
            host: &self.errand.authority.host,
            port: self.errand.authority.port,
            method: method.as_str(),
            path,
            has_encoded_slash: false,
            seen: None,
            token: self.errand.admitted.token.reveal(),
            wanted: self.errand.wanted.as_ref(),
            provider: self.errand.provider.as_ref(),
        }
    }

    /// A placeholder is of use at its own provider, and elsewhere a sign that
    /// a program sends keys where they do not belong.
    fn check_placeholders(&self, parts: &Parts, own: Option<&ProviderName>) -> Result<(), Refusal> {
        let traffic = &self.worker.shared.traffic;
        if !traffic.has_placeholders() {
            return Ok(());
        }
        let target = parts.uri.path_and_query();
        let target = target.map_or("", |target| target.as_str()).as_bytes();
        let values = || parts.headers.values();
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
}

/// A request that may go on.
pub(super) struct Permitted {
    /// What goes into it; `None` where nothing does.
    pub(super) pass: Option<Arc<Pass>>,
    /// Where it is told what became of it.
    pub(super) account: Option<Account>,
}

/// Headers and parameters by which some servers take another method than the
/// request's own: then a rule about methods would be about the wrong one.
fn refuse_other_methods(parts: &Parts) -> Result<(), Refusal> {
    const HEADERS: [&str; 3] = [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ];
    const PARAMETERS: [&str; 2] = ["_method", "$httpmethod"];
    let in_headers = HEADERS.iter().any(|name| parts.headers.contains_key(*name));
    let query = parts.uri.query().unwrap_or_default();
    let in_query = query.split('&').any(|pair| {
        let name = pair
            .split('=')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let name = name.replace("%5f", "_").replace("%24", "$");
        PARAMETERS.contains(&&*name)
    });
    if !in_headers && !in_query {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "method_override",
        "The request asks for another method than its own",
    )
    .with_hint("Send it with the method that is meant; there are rules here"))
}

/// Has the provider say at the end of a stream what it used.
async fn ask_for_usage(parts: &mut Parts, body: &mut Outgoing, room: &Room) -> Result<(), Refusal> {
    if !parts.uri.path().ends_with("/chat/completions") {
        return Ok(());
    }
    if parts.headers.contains_key(CONTENT_ENCODING) {
        return Ok(());
    }
    let mut content = Content::new(parts, body, room);
    // Not reason enough to refuse what is too long to be held.
    if content.is_too_long() {
        return Ok(());
    }
    let bytes = content.read().await.map_err(unreadable_body)?;
    if let Some(asking) = with_usage_asked(&bytes) {
        content::replace(&mut parts.headers, body, asking);
    }
    Ok(())
}
