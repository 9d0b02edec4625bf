//! Whether a request may go on, and with what: its path is read, the broker is
//! asked, and a placeholder in a wrong place is noticed.

use std::sync::Arc;

use hyper::Method;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;

use super::authorization::pair_of;
use super::forward::{Errand, Journey};
use crate::broker::traffic::path::{BadPath, Rule};
use crate::broker::traffic::{Asked, Pass, Refusal};
use crate::name::ProviderName;

impl Journey<'_> {
    /// What goes into the request; `None` where nothing does and it goes all
    /// the same.
    pub(super) async fn authorized(&self, parts: &Parts) -> Result<Option<Arc<Pass>>, Refusal> {
        let Errand {
            is_tls, authority, ..
        } = self.errand;
        let traffic = &self.worker.shared.traffic;
        let target = parts.uri.path_and_query();
        let target = target.map_or("/", |target| target.as_str());
        let book = traffic.book()?;
        let is_ours = book.speaks_to(*is_tls, &authority.host, authority.port);
        if target == "*" && parts.method != Method::OPTIONS {
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
            self.check_placeholders(parts, Some(&pass.id.provider))?;
            return Ok(Some(Arc::clone(pass)));
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
        if self.worker.shared.unmatched.allows(&authority.host) && self.errand.provider.is_none() {
            return Ok(None);
        }
        Err(traffic.denied(
            &self.errand.admitted.client,
            &authority.host,
            authority.port,
        ))
    }

    pub(super) fn asked<'b>(&'b self, path: &'b str) -> Asked<'b> {
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

fn bad_path(bad: BadPath) -> Refusal {
    Refusal::new(400, "bad_path", format!("The path is refused: {bad}"))
        .with_hint("Send a path that can be read in one way only")
}
