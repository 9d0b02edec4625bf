//! The gateway's certificate authority: it speaks for providers' hosts to the
//! gateway's own clients.
//!
//! Its certificate lists the hosts that it may speak for and excludes all
//! addresses, so whoever trusts it trusts it for no more. Its key is in
//! memory (`run`) or in the sealed vault (`serve`), never in a file. Leaves
//! share one key, which is not the authority's and is never stored.

mod certificate;
mod key;
mod permitted;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyUsagePurpose, NameConstraints,
    PublicKeyData, SanType, SerialNumber,
};
use tokio_rustls::rustls::crypto::ring::sign::any_ecdsa_type;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::sign::SigningKey;

use self::certificate::Said;
use self::key::{PublicKey, SignerKey};
pub use self::permitted::{PermittedHost, permitted_of};
use self::permitted::{is_within, subtrees};
use crate::credential::authority::StoredAuthority;
use crate::error::{Error, Kind};
use crate::provider::HostName;

/// A leaf that was signed longer ago wants a new one; it still holds for
/// some days then.
pub const LEAF_IS_FRESH_FOR: SignedDuration = SignedDuration::from_hours(3 * 24);

const DAY: SignedDuration = SignedDuration::from_hours(24);
const LEAF_DAYS: i32 = 7;
const STORED_DAYS: i32 = 3652;
/// A stored certificate that ends sooner is signed again, so that one that
/// `serve` begins with lasts as long as it runs.
const SOON_DAYS: i32 = 366;
/// The longest common name (RFC 5280, ub-common-name).
const LONGEST_NAME: usize = 64;

/// How long an authority lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// As long as one `run`: 30 days at most.
    Run,
    /// Ten years, in the vault.
    Stored,
}

/// Why there is no authority, or no leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// A certificate without a list of hosts would be good for all of them.
    #[error("There is no host that the gateway could have a certificate for")]
    NothingPermitted,
    /// What the vault keeps cannot be used.
    #[error("The gateway's authority in the vault cannot be read: {0}")]
    Stored(&'static str),
    /// It may not speak for this host.
    #[error("The gateway has no certificate for this host")]
    NotPermitted,
    /// Its own certificate has ended.
    #[error("The gateway's authority has ended")]
    Ended,
    /// The system gave no random bytes, or a library refused.
    #[error("The gateway's certificate could not be signed")]
    Signing,
}

impl From<AuthorityError> for Error {
    fn from(error: AuthorityError) -> Self {
        let (kind, hint) = match error {
            AuthorityError::NothingPermitted | AuthorityError::NotPermitted => {
                (Kind::NotFound, "See the providers: vault provider list")
            }
            AuthorityError::Stored(_) => (
                Kind::Corrupt,
                "Make a new one, and give its certificate to all clients: vault ca renew",
            ),
            AuthorityError::Ended => (
                Kind::Failed,
                "Start the gateway again: one of `run` lasts 30 days, and one of `serve` is \
                 signed anew.",
            ),
            AuthorityError::Signing => (Kind::Failed, "Look at the system: vault doctor"),
        };
        Self::new(kind, error.to_string()).with_hint(hint)
    }
}

/// The authority.
pub struct Authority {
    issuer: Issuer<'static, SignerKey>,
    certificate: CertificateDer<'static>,
    pem: String,
    end: Timestamp,
    permitted: Vec<PermittedHost>,
    leaf_key: Arc<dyn SigningKey>,
    leaf_public: PublicKey,
    is_changed: bool,
}

impl Authority {
    /// A new authority for these hosts.
    ///
    /// # Errors
    /// There is no host, or no randomness.
    pub fn new(
        permitted: &[PermittedHost],
        lasting: Lasting,
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        // Two authorities of one name would be taken for each other: a client
        // that trusts an older one says that a signature is wrong, and not
        // that it does not know this one.
        let id: [u8; 4] = random()?;
        let charter = Charter {
            name: format!("vault gateway {:08x}", u32::from_be_bytes(id)),
            subtrees: subtrees(permitted),
            end: match lasting {
                Lasting::Run => now + DAY * 30,
                Lasting::Stored => now + DAY * STORED_DAYS,
            },
        };
        Self::signed(SignerKey::generate()?, &charter, permitted, now)
    }

    /// The authority that the vault keeps. If its certificate ends soon, or
    /// does not permit one of these hosts, a new one is signed with the same
    /// key and name, see [`Authority::is_changed`]: clients that know the old
    /// one go on with the hosts that it permits.
    ///
    /// # Errors
    /// What is stored is no authority, or there is no host.
    pub fn restore(
        stored: &StoredAuthority,
        permitted: &[PermittedHost],
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let wanted = subtrees(permitted);
        if wanted.is_empty() {
            return Err(AuthorityError::NothingPermitted);
        }
        let key = SignerKey::from_pem(&stored.key)?;
        let bad = AuthorityError::Stored("its certificate is none of this program's");
        let der = CertificateDer::from_pem_slice(stored.certificate.as_bytes()).map_err(|_| bad)?;
        let said = certificate::read(&der).ok_or(bad)?;
        if said.public_key != key.subject_public_key_info() {
            return Err(AuthorityError::Stored("its certificate is of another key"));
        }
        let Said {
            name,
            end,
            subtrees: known,
            ..
        } = said;
        let is_known = |name: &String| known.iter().any(|root| is_within(name, root));
        if end >= now + DAY * SOON_DAYS && wanted.iter().all(is_known) {
            let issuer = Issuer::new(shared_parameters(&name), key);
            let pem = stored.certificate.clone();
            return Self::assembled(issuer, der, pem, end, permitted);
        }
        // What the old one permits stays: two gateways with different
        // providers would otherwise take turns in signing for themselves.
        let both = known.into_iter().chain(wanted);
        let charter = Charter {
            name,
            subtrees: permitted::outermost(both.collect()),
            end: now + DAY * STORED_DAYS,
        };
        let mut authority = Self::signed(key, &charter, permitted, now)?;
        authority.is_changed = true;
        Ok(authority)
    }

    fn signed(
        key: SignerKey,
        charter: &Charter,
        permitted: &[PermittedHost],
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let parameters = charter.parameters(now)?;
        let certificate = parameters
            .self_signed(&key)
            .map_err(|_| AuthorityError::Signing)?;
        let issuer = Issuer::new(parameters, key);
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Self::assembled(issuer, der, pem, charter.end, permitted)
    }

    fn assembled(
        issuer: Issuer<'static, SignerKey>,
        certificate: CertificateDer<'static>,
        pem: String,
        end: Timestamp,
        permitted: &[PermittedHost],
    ) -> Result<Self, AuthorityError> {
        let pkcs8 = key::new_pkcs8()?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(&**pkcs8));
        Ok(Self {
            issuer,
            certificate,
            pem,
            end,
            permitted: permitted.to_vec(),
            leaf_key: any_ecdsa_type(&private).map_err(|_| AuthorityError::Signing)?,
            leaf_public: PublicKey::of(&pkcs8)?,
            is_changed: false,
        })
    }

    /// What the vault keeps of it.
    pub fn to_stored(&self) -> StoredAuthority {
        StoredAuthority {
            key: self.issuer.key().to_pem(),
            certificate: self.pem.clone(),
        }
    }

    /// Whether [`Authority::restore`] signed a new certificate, which wants
    /// to be stored.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Its certificate, for clients.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// Its certificate, for TLS.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Whether it speaks for this host; never for an address.
    pub fn covers(&self, host: &HostName) -> bool {
        self.permitted.iter().any(|entry| entry.covers(host))
    }

    /// A certificate for a host, and the key to it.
    ///
    /// # Errors
    /// It does not speak for this host, or has ended.
    pub fn leaf(
        &self,
        host: &HostName,
        now: Timestamp,
    ) -> Result<(CertificateDer<'static>, Arc<dyn SigningKey>), AuthorityError> {
        let HostName::Name(name) = host else {
            return Err(AuthorityError::NotPermitted);
        };
        if !self.covers(host) {
            return Err(AuthorityError::NotPermitted);
        }
        let begin = now - DAY;
        let end = (begin + DAY * LEAF_DAYS).min(self.end);
        if end <= now {
            return Err(AuthorityError::Ended);
        }
        let mut leaf = CertificateParams::default();
        leaf.distinguished_name = DistinguishedName::new();
        // Clients go by the alternative name; this one is for people.
        if name.len() <= LONGEST_NAME {
            leaf.distinguished_name
                .push(DnType::CommonName, name.as_str());
        }
        let host = name.as_str().try_into();
        let host = host.map_err(|_| AuthorityError::NotPermitted)?;
        leaf.subject_alt_names = vec![SanType::DnsName(host)];
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        finish(&mut leaf, begin, end)?;
        let certificate = leaf
            .signed_by(&self.leaf_public, &self.issuer)
            .map_err(|_| AuthorityError::Signing)?;
        Ok((certificate.into(), Arc::clone(&self.leaf_key)))
    }
}

/// What an authority's certificate is to say.
struct Charter {
    name: String,
    subtrees: Vec<String>,
    end: Timestamp,
}

impl Charter {
    fn parameters(&self, now: Timestamp) -> Result<CertificateParams, AuthorityError> {
        // RFC 5280 knows no empty list: one that is left out permits all.
        if self.subtrees.is_empty() {
            return Err(AuthorityError::NothingPermitted);
        }
        let names = self.subtrees.iter().cloned();
        let mut authority = shared_parameters(&self.name);
        authority.name_constraints = Some(NameConstraints {
            permitted_subtrees: names.map(GeneralSubtree::DnsName).collect(),
            // Names of another kind are free unless they are mentioned.
            excluded_subtrees: vec![
                GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([0; 4], 0)),
                GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix([0; 16], 0)),
            ],
        });
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        finish(&mut authority, now - DAY, self.end)?;
        Ok(authority)
    }
}

/// What of an authority's certificate shows in its leaves too.
fn shared_parameters(name: &str) -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name = DistinguishedName::new();
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
}

/// What all certificates have. Strict verifiers (Python 3.13) want both key
/// identifiers; a serial number of the library's own would be the same for
/// all leaves, as they share their key.
fn finish(
    parameters: &mut CertificateParams,
    begin: Timestamp,
    end: Timestamp,
) -> Result<(), AuthorityError> {
    let mut serial: [u8; 16] = random()?;
    // Positive, and of the same length always.
    serial[0] = serial[0] & 0x7f | 0x40;
    parameters.serial_number = Some(SerialNumber::from(serial.to_vec()));
    parameters.use_authority_key_identifier_extension = true;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |time: Timestamp| {
        let seconds = u64::try_from(time.as_second()).unwrap_or(0);
        epoch + Duration::from_secs(seconds)
    };
    parameters.not_before = at(begin);
    parameters.not_after = at(end);
    Ok(())
}

fn random<const N: usize>() -> Result<[u8; N], AuthorityError> {
    let mut bytes = [0; N];
    getrandom::getrandom(&mut bytes).map_err(|_| AuthorityError::Signing)?;
    Ok(bytes)
}
