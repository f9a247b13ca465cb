//! The node's own keys: one P-256 key and self-signed certificate for TLS, one P-256 key that signs messages.
//!
//! No certificate authority is needed: partners pin the certificate's digest and the signing key when they pair.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use jsonwebtoken::EncodingKey;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use sha2::Digest as _;

use super::certificate::{CertificateError, CertificateFacts, INSTITUTION_URI};
use super::jws::{self, JwsError, PublicKey};
use crate::fault::{Classified, Kind};

/// Certificate file in the keys folder.
pub const CERTIFICATE: &str = "tls.pem";
/// TLS private key file.
pub const TLS_KEY: &str = "tls.key";
/// Message-signing private key file.
pub const SIGNING_KEY: &str = "signing.key";

/// Names every node's certificate carries, so that the inside door works on the machine itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Certificates of `certs-example`, whose keys everybody has.
const EXAMPLES: [&str; 2] =
    [include_str!("../../certs-example/toronto/tls.pem"), include_str!("../../certs-example/tokyo/tls.pem")];

/// The node's own keys and certificate.
pub struct Identity {
    certificate: CertificateDer<'static>,
    facts: CertificateFacts,
    institution: String,
    tls_key: PrivateKeyDer<'static>,
    signing_key: EncodingKey,
    public_key: PublicKey,
    kid: String,
}

impl Identity {
    /// A key for one purpose of this node, from its TLS key: every process that has the keys has it, nobody else.
    pub fn derived_key(&self, purpose: &str) -> [u8; 32] {
        let mut hash = sha2::Sha256::new_with_prefix((purpose.len() as u64).to_be_bytes());
        hash.update(purpose.as_bytes());
        hash.update(self.tls_key.secret_der());
        hash.finalize().into()
    }

    /// Makes new keys for `institution` in the folder `dir` and a certificate valid for two years from `now`, for
    /// `hosts` beside the machine's loopback names. Existing keys are never overwritten.
    pub fn create(dir: &Path, institution: &str, hosts: &[String], now: Timestamp) -> Result<Self, IdentityError> {
        let tls_key = new_key()?;
        let signing_key = new_key()?;
        let certificate = certificate_for(institution, hosts, now)?.self_signed(&tls_key).map_err(generation)?;
        make_folder(dir)?;
        write_new(&dir.join(TLS_KEY), &tls_key.serialize_pem())?;
        write_new(&dir.join(SIGNING_KEY), &signing_key.serialize_pem())?;
        write_new(&dir.join(CERTIFICATE), &certificate.pem())?;
        Self::load(dir)
    }

    /// Reads the keys in the folder `dir`.
    pub fn load(dir: &Path) -> Result<Self, IdentityError> {
        let certificate_path = dir.join(CERTIFICATE);
        let unusable = |path: &Path, why: &str| IdentityError::Unusable { path: path.to_owned(), why: why.to_owned() };
        let certificate = CertificateDer::from_pem_slice(&read(&certificate_path)?)
            .map_err(|_| unusable(&certificate_path, "not a PEM certificate"))?;
        let facts =
            CertificateFacts::read(&certificate).map_err(|error| unusable(&certificate_path, &error.to_string()))?;
        let institution = facts
            .institution
            .clone()
            .ok_or_else(|| unusable(&certificate_path, "it names no institution (urn:watari:institution:…)"))?;
        let tls_path = dir.join(TLS_KEY);
        let tls_key = PrivateKeyDer::from_pem_slice(&read(&tls_path)?)
            .map_err(|_| unusable(&tls_path, "not a PEM private key"))?;
        CertifiedKey::from_der(vec![certificate.clone()], tls_key.clone_key(), &super::tls::provider())
            .map_err(|_| unusable(&tls_path, "not the private key of the certificate beside it"))?;
        let signing_path = dir.join(SIGNING_KEY);
        let pem = read(&signing_path)?;
        let (signing_key, public_key) =
            read_signing_key(&pem).ok_or_else(|| unusable(&signing_path, "not a PKCS#8 P-256 private key"))?;
        let kid = public_key.thumbprint();
        Ok(Self { certificate, facts, institution, tls_key, signing_key, public_key, kid })
    }

    /// The institution the certificate names.
    pub fn institution(&self) -> &str {
        &self.institution
    }

    /// The TLS certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of the TLS certificate, lower-case hexadecimal; what partners pin.
    pub fn certificate_sha256(&self) -> &str {
        &self.facts.sha256
    }

    /// When the certificate ends.
    pub fn not_after(&self) -> Timestamp {
        self.facts.not_after
    }

    /// Refuses an expired or not yet valid certificate.
    pub fn check_dates(&self, now: Timestamp) -> Result<(), CertificateError> {
        self.facts.check_dates(now)
    }

    /// The TLS private key.
    pub fn tls_key(&self) -> PrivateKeyDer<'static> {
        self.tls_key.clone_key()
    }

    /// The public half of the signing key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Signs claims as a token of type `typ`.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, JwsError> {
        jws::sign(&self.signing_key, &self.kid, typ, claims)
    }
}

/// Private keys are never printed.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("institution", &self.institution)
            .field("certificate_sha256", &self.facts.sha256)
            .finish_non_exhaustive()
    }
}

/// Whether these are the published keys of `certs-example`: good for a demonstration, never for a hospital.
pub fn is_example(identity: &Identity) -> bool {
    EXAMPLES.iter().any(|pem| {
        CertificateDer::from_pem_slice(pem.as_bytes()).is_ok_and(|certificate| certificate == identity.certificate)
    })
}

/// Key files in `dir` that others than the node's user may read or change.
pub fn open_to_others(dir: &Path) -> Vec<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    [TLS_KEY, SIGNING_KEY]
        .iter()
        .map(|name| dir.join(name))
        .filter(|path| std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0))
        .collect()
}

/// The keys cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There are keys already.
    #[error("{} exists already; keys are never overwritten, move them away first", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Keys or certificate could not be generated.
    #[error("keys cannot be made: {0}")]
    Generation(String),
    /// Reading or writing failed.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl Classified for IdentityError {
    fn kind(&self) -> Kind {
        Kind::Configuration
    }
}

fn new_key() -> Result<KeyPair, IdentityError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(generation)
}

fn generation(error: rcgen::Error) -> IdentityError {
    IdentityError::Generation(error.to_string())
}

fn certificate_for(institution: &str, hosts: &[String], now: Timestamp) -> Result<CertificateParams, IdentityError> {
    let mut names: Vec<String> = LOOPBACK.iter().map(|name| (*name).to_owned()).collect();
    for host in hosts {
        if !names.contains(host) {
            names.push(host.clone());
        }
    }
    let mut params = CertificateParams::new(names).map_err(generation)?;
    let uri = format!("{INSTITUTION_URI}{institution}").try_into().map_err(generation)?;
    params.subject_alt_names.push(SanType::URI(uri));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Watari node of {institution}"));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let today = now.to_zoned(TimeZone::UTC).date();
    let day = |date: jiff::civil::Date| rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8);
    let out_of_range = |_| IdentityError::Generation("the clock is outside the calendar".to_owned());
    // One day back: the partner's clock may be behind ours.
    params.not_before = day(today.checked_sub(1.day()).map_err(out_of_range)?);
    params.not_after = day(today.checked_add(2.years()).map_err(out_of_range)?);
    Ok(params)
}

fn read_signing_key(pem: &[u8]) -> Option<(EncodingKey, PublicKey)> {
    let pair = KeyPair::from_pem(std::str::from_utf8(pem).ok()?).ok()?;
    let public = PublicKey::from_point(pair.public_key_raw()).ok()?;
    Some((EncodingKey::from_ec_pem(pem).ok()?, public))
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    std::fs::read(path).map_err(|cause| IdentityError::Io { path: path.to_owned(), cause })
}

fn make_folder(dir: &Path) -> Result<(), IdentityError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|cause| IdentityError::Io { path: dir.to_owned(), cause })
}

fn write_new(path: &Path, text: &str) -> Result<(), IdentityError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => IdentityError::Exists { path: path.to_owned() },
        _ => IdentityError::Io { path: path.to_owned(), cause },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn created_keys_load_again_and_are_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        let made = Identity::create(&keys, "toronto", &["gateway.example".to_owned()], now()).unwrap();
        assert_eq!(made.institution(), "toronto");
        made.check_dates(now()).unwrap();
        assert_eq!(made.check_dates(now() - jiff::SignedDuration::from_hours(72)), Err(CertificateError::NotYetValid));
        assert_eq!(
            made.check_dates(now() + jiff::SignedDuration::from_hours(24 * 800)),
            Err(CertificateError::Expired)
        );
        let again = Identity::load(&keys).unwrap();
        assert_eq!(again.certificate_sha256(), made.certificate_sha256());
        assert_eq!(again.public_key(), made.public_key());
        assert!(open_to_others(&keys).is_empty());
        assert!(matches!(Identity::create(&keys, "toronto", &[], now()), Err(IdentityError::Exists { .. })));
    }

    #[test]
    fn a_key_that_does_not_belong_to_the_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Identity::create(&dir.path().join("one"), "toronto", &[], now()).unwrap();
        Identity::create(&dir.path().join("two"), "toronto", &[], now()).unwrap();
        std::fs::copy(dir.path().join("two").join(TLS_KEY), dir.path().join("one").join(TLS_KEY)).unwrap();
        let refused = Identity::load(&dir.path().join("one")).unwrap_err().to_string();
        assert!(refused.ends_with("tls.key: not the private key of the certificate beside it"), "{refused}");
    }

    #[test]
    fn example_keys_are_known() {
        let dir = tempfile::tempdir().unwrap();
        let own = Identity::create(dir.path(), "toronto", &[], now()).unwrap();
        assert!(!is_example(&own));
        for name in ["toronto", "tokyo"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs-example").join(name);
            let example = Identity::load(&folder).unwrap();
            assert!(is_example(&example));
            assert_eq!(example.institution(), name);
        }
    }
}
