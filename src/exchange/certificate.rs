//! What a TLS certificate says, as far as the exchange asks: digest, validity, and the institution it names.
//!
//! Trust does not come from here: a certificate counts because its digest was pinned at pairing.

use jiff::Timestamp;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::fault::{Classified, Kind};
use crate::ids;

/// Prefix of the subject alternative name (URI) that names an institution.
pub const INSTITUTION_URI: &str = "urn:watari:institution:";

/// Largest certificate read, bytes. Ours have about 500.
const LARGEST: usize = 16 * 1024;

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// SHA-256 of the DER bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Institution id in the subject alternative name, if there is exactly one.
    pub institution: Option<String>,
}

impl CertificateFacts {
    /// Reads one DER certificate, and nothing after it.
    pub fn read(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > LARGEST {
            return Err(CertificateError::Unreadable);
        }
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateError::Unreadable)?;
        if !rest.is_empty() {
            return Err(CertificateError::Unreadable);
        }
        let validity = certificate.validity();
        Ok(Self {
            sha256: ids::sha256_hex(der),
            not_before: timestamp(validity.not_before.timestamp())?,
            not_after: timestamp(validity.not_after.timestamp())?,
            institution: institution(&certificate),
        })
    }

    /// Refuses a certificate that is not valid yet, or no more.
    pub fn check_dates(&self, now: Timestamp) -> Result<(), CertificateError> {
        if now < self.not_before {
            return Err(CertificateError::NotYetValid);
        }
        if now > self.not_after {
            return Err(CertificateError::Expired);
        }
        Ok(())
    }
}

/// A certificate that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Its validity is over.
    #[error("the certificate has expired")]
    Expired,
    /// Its validity has not begun; often a wrong clock.
    #[error("the certificate is not valid yet; check both clocks")]
    NotYetValid,
    /// Not an X.509 certificate.
    #[error("the certificate cannot be read")]
    Unreadable,
}

impl Classified for CertificateError {
    fn kind(&self) -> Kind {
        match self {
            Self::Expired | Self::NotYetValid => Kind::Forbidden,
            Self::Unreadable => Kind::Malformed,
        }
    }
}

fn timestamp(seconds: i64) -> Result<Timestamp, CertificateError> {
    Timestamp::from_second(seconds).map_err(|_| CertificateError::Unreadable)
}

fn institution(certificate: &X509Certificate<'_>) -> Option<String> {
    let names = certificate.subject_alternative_name().ok().flatten()?;
    let mut named = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => uri.strip_prefix(INSTITUTION_URI),
        _ => None,
    });
    let first = named.next()?;
    named.next().is_none().then(|| first.to_owned())
}
