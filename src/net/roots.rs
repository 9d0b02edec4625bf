//! Whom TLS trusts: the system's roots, or those that `SSL_CERT_FILE` and
//! `SSL_CERT_DIR` name in their place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_native_certs::load_certs_from_paths;
use tokio_rustls::rustls::CipherSuite;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Larger files are no list of roots.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Where systems keep their roots in one file. (macOS has the last but one,
/// for its own OpenSSL; what it trusts itself lies elsewhere.)
const USUAL: [&str; 7] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
    "/opt/etc/ssl/certs/ca-certificates.crt",
];

/// The cipher suites of TLS, AES with 128 bits first, as browsers have it: it
/// is as good for what lasts an hour, and bodies cost less.
pub fn cryptography() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

/// Where the roots are.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    /// A file of certificates.
    pub file: Option<PathBuf>,
    /// Folders of them.
    pub folders: Vec<PathBuf>,
}

impl Roots {
    /// TLS with these roots, or why that cannot be.
    pub(super) fn config(&self) -> Result<ClientConfig, String> {
        let roots = self.load()?;
        Ok(ClientConfig::builder_with_provider(cryptography())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }

    fn load(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        let is_given = self.file.is_some() || !self.folders.is_empty();
        if is_given {
            let mut certificates = Vec::new();
            if let Some(file) = &self.file {
                check_file(file)?;
                certificates.extend(load_certs_from_paths(Some(file), None).certs);
            }
            for folder in &self.folders {
                certificates.extend(load_certs_from_paths(None, Some(folder)).certs);
            }
            roots.add_parsable_certificates(certificates);
            return if roots.is_empty() {
                Err(format!("there is no certificate in {}", self.places()))
            } else {
                Ok(roots)
            };
        }
        roots.add_parsable_certificates(system_certificates());
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Ok(roots)
    }

    fn places(&self) -> String {
        let file = self.file.iter().map(|path| ("SSL_CERT_FILE", path));
        let folders = self.folders.iter().map(|path| ("SSL_CERT_DIR", path));
        let places: Vec<_> = file
            .chain(folders)
            .map(|(name, path)| format!("{name}={}", path.display()))
            .collect();
        places.join(", ")
    }
}

/// The file of the system's roots, where it has one.
pub fn system_file() -> Option<&'static Path> {
    USUAL.iter().map(Path::new).find(|path| path.is_file())
}

/// A pipe could keep us waiting, and a device has no end.
fn check_file(path: &Path) -> Result<(), String> {
    let cannot = |reason: &str| format!("SSL_CERT_FILE={} {reason}", path.display());
    match std::fs::metadata(path) {
        Err(error) => Err(cannot(&format!("cannot be read: {error}"))),
        Ok(found) if !found.is_file() => Err(cannot("is no file")),
        Ok(found) if found.len() > LARGEST => Err(cannot("is too large")),
        Ok(_) => Ok(()),
    }
}

#[cfg(not(target_os = "macos"))]
fn system_certificates() -> Vec<CertificateDer<'static>> {
    // Not by the crate's own search, which asks the environment again.
    system_file()
        .map(|file| load_certs_from_paths(Some(file), None).certs)
        .unwrap_or_default()
}

#[cfg(target_os = "macos")]
fn system_certificates() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}
