//! Whom TLS trusts: the system's roots, or those that `SSL_CERT_FILE` and
//! `SSL_CERT_DIR` name in their place.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Where the roots are.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    /// A file of certificates.
    pub file: Option<PathBuf>,
    /// A folder of them.
    pub folder: Option<PathBuf>,
}

impl Roots {
    /// TLS with these roots, or why that cannot be.
    pub(super) fn connector(&self) -> Result<TlsConnector, String> {
        let roots = self.load()?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn load(&self) -> Result<RootCertStore, String> {
        let is_given = self.file.is_some() || self.folder.is_some();
        let found = if is_given {
            rustls_native_certs::load_certs_from_paths(self.file.as_deref(), self.folder.as_deref())
        } else {
            rustls_native_certs::load_native_certs()
        };
        let mut roots = RootCertStore::empty();
        let (taken, _) = roots.add_parsable_certificates(found.certs);
        if taken > 0 {
            return Ok(roots);
        }
        if !is_given {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            return Ok(roots);
        }
        let places: Vec<_> = [
            ("SSL_CERT_FILE", &self.file),
            ("SSL_CERT_DIR", &self.folder),
        ]
        .into_iter()
        .filter_map(|(name, path)| Some(format!("{name}={}", path.as_ref()?.display())))
        .collect();
        Err(format!("there is no certificate in {}", places.join(", ")))
    }
}
