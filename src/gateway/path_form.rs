//! `/api/PROVIDER/…` and `/api/PROVIDER/CONNECTION/…`: for clients that take
//! a base URL and no proxy. The token stands where the key would.

use hyper::body::Incoming;
use hyper::header::HeaderName;
use hyper::{Request, Uri};

use super::authorization::{self, by_key_places};
use super::forward::Errand;
use super::service::wanted;
use super::target::Authority;
use crate::broker::traffic::{Refusal, Traffic, Wanted};
use crate::name::{ConnectionName, ConnectionRef, ProviderName};

const PREFIX: &str = "/api/";

/// A path of this form, taken apart.
pub(super) struct PathForm {
    provider: ProviderName,
    connection: Option<ConnectionName>,
    /// Where the path goes on.
    rest: usize,
}

impl PathForm {
    /// Reads a path. The second step is a connection's name only if there is
    /// such a connection; else it belongs to the provider's own path.
    pub(super) fn read(path: &str, traffic: &Traffic) -> Option<Self> {
        let after = path.strip_prefix(PREFIX)?;
        let end = after.find('/').unwrap_or(after.len());
        let provider: ProviderName = after[..end].parse().ok()?;
        let mut form = Self {
            provider,
            connection: None,
            rest: PREFIX.len() + end,
        };
        let step = after[end..].strip_prefix('/').unwrap_or_default();
        let step = &step[..step.find('/').unwrap_or(step.len())];
        if let Ok(name) = step.parse::<ConnectionName>()
            && traffic.has_connection(&form.provider, &name)
        {
            form.rest += 1 + step.len();
            form.connection = Some(name);
        }
        Some(form)
    }

    /// Whose request it is and where it goes, with the path that the provider
    /// knows.
    pub(super) fn errand(
        self,
        mut request: Request<Incoming>,
        traffic: &Traffic,
    ) -> Result<(Errand, Request<Incoming>), Refusal> {
        let (headers, parameters): (Vec<HeaderName>, Vec<String>) =
            traffic.key_places(&self.provider);
        let admitted = by_key_places(
            request.headers(),
            request.uri().query(),
            &headers,
            &parameters,
            traffic,
        )?;
        let admitted = admitted.ok_or_else(authorization::unauthorized)?;
        let of_path = self.connection.clone().map(|connection| {
            Wanted::Of(ConnectionRef {
                provider: self.provider.clone(),
                connection: Some(connection),
            })
        });
        let wanted = match (of_path, wanted(request.headers())?) {
            (Some(one), Some(other)) if !other.agrees_with(&one) => {
                return Err(Refusal::new(
                    400,
                    "bad_connection",
                    "The path and X-Vault-Connection name different connections",
                ));
            }
            (one, other) => one.or(other),
        };
        let origin = traffic.origin(&admitted.client, &self.provider, wanted.as_ref())?;
        let rest = request
            .uri()
            .path_and_query()
            .map_or("", |text| text.as_str());
        let rest = &rest[self.rest..];
        let path = if rest.starts_with('/') {
            rest.to_owned()
        } else {
            format!("/{rest}")
        };
        let unreadable = |_| Refusal::new(400, "bad_path", "The path cannot be read");
        *request.uri_mut() = path.parse::<Uri>().map_err(unreadable)?;
        let errand = Errand {
            is_tls: origin.is_tls,
            authority: Authority {
                host: origin.host,
                port: origin.port,
            },
            admitted,
            wanted,
            provider: Some(self.provider),
        };
        Ok((errand, request))
    }
}
