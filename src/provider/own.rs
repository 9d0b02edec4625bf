//! A provider at a connection's own address: a server of one's own, a region,
//! a tenant. And where a credential may travel at all.

use super::definition::Definition;
use super::host::{Host, HostName, Injection};

/// A text that cannot be a connection's own address. It is not repeated: a
/// password may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadBaseUrl(&'static str);

/// Why a credential may not go somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Astray {
    /// It is no host, port or path of the provider, or not surely.
    Foreign,
    /// It would be readable on its way.
    InTheClear,
}

/// Whether what goes to this address can be read on its way.
pub fn is_in_the_clear(base_url: &str) -> bool {
    let begins_open = base_url
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("http://"));
    begins_open
        && !Host::parse(base_url, None)
            .is_ok_and(|host| host.exact().is_some_and(HostName::is_loopback))
}

impl Definition {
    /// The same provider for a connection with an address of its own. Under a
    /// suffix where anyone can have a host, that is the only host there that
    /// the credential goes to; where the address is none of the provider's
    /// hosts at all, it is the only one anywhere.
    ///
    /// # Errors
    /// It is no address, or would send the key in the clear.
    pub fn at(&self, base_url: &str) -> Result<Self, BadBaseUrl> {
        let (own, name) = self.own_host(base_url)?;
        let is_one_of = |injection| {
            self.hosts.iter().any(|entry| {
                entry.injection == injection
                    && entry.matches(&name)
                    && own
                        .port
                        .is_none_or(|port| self.ports_of(entry).contains(&port))
            })
        };
        let mut definition = self.clone();
        definition.base_url = Some(base_url.to_owned());
        if !is_one_of(Injection::Allowed) {
            if is_one_of(Injection::OwnHostOnly) {
                definition
                    .hosts
                    .retain(|entry| entry.injection == Injection::Allowed);
            } else {
                definition.hosts.clear();
            }
            definition.hosts.insert(0, own);
        }
        let of_verify = definition.verify.iter_mut();
        let of_verify = of_verify
            .flat_map(|verify| &mut verify.placements)
            .flatten();
        for placement in definition.placements.iter_mut().chain(of_verify) {
            for entry in &mut placement.hosts {
                if entry.as_str().contains("{base_url}") {
                    *entry = Host::parse(entry.as_str(), Some(base_url))
                        .map_err(|_| BadBaseUrl("is no address"))?;
                }
            }
        }
        Ok(definition)
    }

    fn own_host(&self, base_url: &str) -> Result<(Host, HostName), BadBaseUrl> {
        let (scheme, rest) = base_url
            .split_once("://")
            .ok_or(BadBaseUrl("begins with no scheme"))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if base_url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(BadBaseUrl("has white space or control characters inside"));
        }
        if authority.contains('@') {
            return Err(BadBaseUrl("has a user in it; credentials are given apart"));
        }
        let is_http = match scheme.to_ascii_lowercase().as_str() {
            "https" => false,
            "http" => true,
            _ => return Err(BadBaseUrl("is neither https nor http")),
        };
        let mut own = Host::parse(base_url, None)
            .map_err(|_| BadBaseUrl("cannot be used: write it as https://host.example.com/path"))?;
        let name = own
            .exact()
            .cloned()
            .ok_or(BadBaseUrl("names no one host"))?;
        if is_http && !self.allow_http && !name.is_loopback() {
            return Err(BadBaseUrl("is http, which would send the key in the clear"));
        }
        own.path = None;
        Ok((own, name))
    }

    /// Whether a credential may go to this place.
    ///
    /// # Errors
    /// It may not, and why.
    pub fn check_way(
        &self,
        is_tls: bool,
        host: &HostName,
        port: u16,
        path: &str,
    ) -> Result<(), Astray> {
        let entry = self
            .host_for(host, port, path)
            .filter(|entry| entry.injection == Injection::Allowed)
            .ok_or(Astray::Foreign)?;
        if is_tls || host.is_loopback() || self.allows_plain_http(entry, host) {
            Ok(())
        } else {
            Err(Astray::InTheClear)
        }
    }
}
