//! What the environment of the child is in proxy mode. Pure: the inherited
//! environment is an argument.
//!
//! No way into the vault and no real key of a connected provider is in it,
//! whoever put it there. Every client that can be told by a variable goes
//! through the gateway and trusts it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::bundle::{Bundle, Trusted};
use crate::cli::environment::VAULT_VARIABLES;
use crate::name::VariableName;
use crate::net::Exception;
use crate::provider::{Definition, HostName, Injection};
use crate::secret::Secret;

/// Where clients read the proxy from. All know one of these; some only the
/// upper case, some only the lower.
const PROXY: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

/// Where one client alone reads it, and heeds it more than the others: not set
/// where it was not, and not left to lead past us where it was.
const OWN_PROXY: [&str; 7] = [
    "CARGO_HTTP_PROXY",
    "GLOBAL_AGENT_HTTP_PROXY",
    "GLOBAL_AGENT_HTTPS_PROXY",
    "PIP_PROXY",
    "YARN_HTTP_PROXY",
    "YARN_HTTPS_PROXY",
    "grpc_proxy",
];
const NPM_PROXY: [&str; 3] = [
    "npm_config_proxy",
    "npm_config_https_proxy",
    "npm_config_http_proxy",
];

/// This machine is reached without: nothing stands between a program and its
/// own servers.
const NEVER_PROXIED: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A file of all roots, in place of what a client would trust by itself. Java
/// is not among those who can be told: it has a store of its own, of another
/// form; nor are yarn, whose versions end at each other's variables, and what
/// asks macOS (Go, Swift, the system's curl).
const REPLACING: [&str; 19] = [
    // OpenSSL, and with it Python, Ruby, PHP; Go (but on macOS); rustls
    "SSL_CERT_FILE",
    // Python's requests
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
    "PIP_CERT",
    "TWINE_CERT",
    "CARGO_HTTP_CAINFO",
    // npm and pnpm
    NPM_ROOTS,
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    // google-api-python-client
    "HTTPLIB2_CA_CERTS",
    // gcloud
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "BUNDLE_SSL_CA_CERT",
    "COMPOSER_CAFILE",
    // mix
    "HEX_CACERTS_PATH",
    "NIX_SSL_CERT_FILE",
    // Perl's LWP
    "PERL_LWP_SSL_CA_FILE",
    "JULIA_SSL_CA_ROOTS_PATH",
    // Haskell's x509
    "SYSTEM_CERTIFICATE_PATH",
];
const NPM_ROOTS: &str = "npm_config_cafile";

/// A file of further roots, beside what a client trusts by itself.
const ADDING: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// What the child is given beside what it inherits.
pub struct Surroundings<'a> {
    /// The gateway, with its token: `http://vault:TOKEN@127.0.0.1:PORT`.
    pub proxy: &'a Secret,
    /// The providers whose requests get a credential.
    pub connected: &'a [&'a Definition],
    /// Providers whose keys it is not to find either.
    pub others: &'a [Definition],
    /// Hosts of connections that say themselves where they are.
    pub own_hosts: &'a [HostName],
    /// Made-up keys.
    pub placeholders: &'a [(VariableName, Secret)],
    /// What is stored and not secret (regions, addresses, account names), and
    /// the plain secrets that were asked for by name.
    pub values: &'a [(VariableName, Secret)],
    /// Addresses of the gateway for clients that know no proxies.
    pub base_urls: &'a [(VariableName, String)],
    /// What it trusts.
    pub bundle: &'a Bundle,
}

impl Surroundings<'_> {
    /// The child's whole environment.
    pub fn variables(
        &self,
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> BTreeMap<OsString, OsString> {
        let mut all: BTreeMap<_, _> = inherited.into_iter().collect();
        for definition in self.connected.iter().copied().chain(self.others) {
            for variable in secret_variables(definition) {
                all.remove(OsStr::new(variable.as_str()));
            }
        }
        let mut set = |name: &str, value: &OsStr| all.insert(name.into(), value.to_owned());
        for (name, value) in self.placeholders.iter().chain(self.values) {
            set(name.as_str(), value.reveal().as_ref());
        }
        for (name, url) in self.base_urls {
            set(name.as_str(), url.as_ref());
        }
        let no_proxy = self.no_proxy(&all);
        self.set_proxy(&mut all, &no_proxy);
        self.set_trust(&mut all);
        for name in VAULT_VARIABLES {
            all.remove(OsStr::new(name));
        }
        all
    }

    fn set_proxy(&self, all: &mut BTreeMap<OsString, OsString>, no_proxy: &str) {
        let proxy = OsStr::new(self.proxy.reveal());
        for (name, value) in all.iter_mut() {
            let name = name.to_str().unwrap_or_default();
            let is_npm = NPM_PROXY.iter().any(|npm| name.eq_ignore_ascii_case(npm));
            if is_npm || OWN_PROXY.contains(&name) {
                proxy.clone_into(value);
            }
        }
        for name in PROXY {
            all.insert(name.into(), proxy.to_owned());
        }
        for name in ["NO_PROXY", "no_proxy"] {
            all.insert(name.into(), no_proxy.into());
        }
        // Node knows the variables above from 22.21 on, if it is told to.
        all.insert("NODE_USE_ENV_PROXY".into(), "1".into());
    }

    /// `SSL_CERT_DIR` is left as it is: who reads it searches the file of
    /// `SSL_CERT_FILE` too, so that it takes nothing away from our bundle, and
    /// the hosts that we only tunnel may need it.
    fn set_trust(&self, all: &mut BTreeMap<OsString, OsString>) {
        // npm reads its variables in any case, and one of two wins by chance.
        all.retain(|name, _| {
            let name = name.to_str().unwrap_or_default();
            name == NPM_ROOTS || !name.eq_ignore_ascii_case(NPM_ROOTS)
        });
        for name in REPLACING {
            all.insert(name.into(), self.bundle.path().into());
        }
        for name in ADDING {
            all.insert(name.into(), self.bundle.authority().into());
        }
    }

    /// The hosts that are reached without a proxy: those that were before, but
    /// none that a credential is for.
    fn no_proxy(&self, inherited: &BTreeMap<OsString, OsString>) -> String {
        let given = ["no_proxy", "NO_PROXY"]
            .iter()
            .filter_map(|name| inherited.get(OsStr::new(name)))
            .find(|value| !value.is_empty())
            .map(|value| value.to_string_lossy())
            .unwrap_or_default();
        let kept = given
            .split([',', ' '])
            .map(str::trim)
            .filter(|entry| !entry.is_empty() && !NEVER_PROXIED.contains(entry))
            .filter(|entry| !self.may_lead_past_us(entry));
        NEVER_PROXIED
            .into_iter()
            .chain(kept)
            .collect::<Vec<_>>()
            .join(",")
    }

    /// What cannot be read counts: a host that goes through us for no reason
    /// is only passed on.
    fn may_lead_past_us(&self, entry: &str) -> bool {
        let Some(exception) = Exception::parse(entry) else {
            return true;
        };
        if matches!(exception, Exception::Everything) {
            return true;
        }
        if let Exception::Under(name, _) = &exception {
            // Some clients know `*` within a name.
            let has_own = |host: &HostName| match host {
                HostName::Name(own) => own.ends_with(name.as_str()),
                HostName::Address(_) => false,
            };
            if name.contains('*') || self.own_hosts.iter().any(has_own) {
                return true;
            }
        }
        let hosts = self.connected.iter().flat_map(|provider| &provider.hosts);
        let own_address = |host: &HostName| match host {
            HostName::Address(_) => exception.covers_address(host),
            HostName::Name(_) => false,
        };
        self.own_hosts.iter().any(own_address)
            || hosts
                .filter(|host| host.injection != Injection::Never)
                .any(|host| exception.may_cover(host))
    }
}

/// The variables by which secret fields of this provider are known: whatever
/// is in them may be a real key.
fn secret_variables(definition: &Definition) -> impl Iterator<Item = &VariableName> {
    let of_fields = definition
        .fields
        .iter()
        .filter(|field| field.is_secret)
        .flat_map(|field| &field.env);
    // Tokens are no fields that a login asks for, and exported all the same.
    let exported = definition
        .exports
        .iter()
        .filter(|(name, _)| {
            definition
                .field(name.as_str())
                .is_none_or(|field| field.is_secret)
        })
        .map(|(_, variable)| variable);
    of_fields.chain(exported)
}

/// The files of roots that the inherited environment names, for the bundle.
pub fn trusted(inherited: &[(OsString, OsString)]) -> Trusted {
    let file = |wanted: &str| {
        let found = inherited.iter().find(|(name, value)| {
            let name = name.to_str().unwrap_or_default();
            let is_npm = wanted == NPM_ROOTS && name.eq_ignore_ascii_case(wanted);
            (name == wanted || is_npm) && !value.is_empty()
        });
        found.map(|(_, value)| PathBuf::from(value))
    };
    Trusted {
        instead: file(REPLACING[0]),
        besides: REPLACING[1..]
            .iter()
            .filter_map(|name| file(name))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
