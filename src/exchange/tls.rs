//! TLS between nodes: 1.3 only, both ends with a certificate, trust by pinned digest, no resumption, no early data.
//!
//! Resumption is off because a resumed session does not show its certificate again; early data because it can be
//! replayed. The outside door looks its callers up in the store at every handshake: pairing and revocation need no
//! restart. Validity is checked against the injected clock.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError as TlsCertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerIncompatible, ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::Institution;
use super::certificate::{CertificateError, CertificateFacts};
use super::identity::Identity;
use crate::clock::{Clock, instant};
use crate::fault::{Classified, Kind};
use crate::store::{StoreError, View};

/// Who is at the other end of a connection of the outside door, as its certificate proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPeer {
    /// SHA-256 of its certificate, lower-case hexadecimal.
    pub certificate_sha256: String,
    /// Institution the certificate names; not to be believed before pairing.
    pub institution: Option<String>,
    /// When the certificate ends.
    pub not_after: Timestamp,
}

impl TlsPeer {
    /// From the certificate of a finished handshake.
    pub fn from_certificate(der: &[u8]) -> Result<Self, CertificateError> {
        let facts = CertificateFacts::read(der)?;
        Ok(Self { certificate_sha256: facts.sha256, institution: facts.institution, not_after: facts.not_after })
    }
}

/// What a certificate is worth now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A paired institution.
    Active,
    /// Its validity is over.
    Expired,
    /// Unknown, while an invitation is open: may pair, and nothing else.
    Invited,
    /// A partner no longer.
    Revoked,
    /// Unknown.
    Unknown,
}

/// What the certificate of `caller` is worth at `now`.
pub fn standing(view: &dyn View, caller: &TlsPeer, now: Timestamp) -> Result<Standing, StoreError> {
    if now > caller.not_after {
        return Ok(Standing::Expired);
    }
    Ok(match view.peer_by_certificate(&caller.certificate_sha256)? {
        Some(peer) if peer.is_active() => Standing::Active,
        Some(_) => Standing::Revoked,
        None if view.any_open_invite(&instant(now))? => Standing::Invited,
        None => Standing::Unknown,
    })
}

/// The outside door: a client certificate is required, and must be an active peer's, or anyone's while an invitation is
/// open (who may then only pair).
pub fn outside(here: &Institution) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let verifier = PairedClients { here: here.clone(), algorithms: provider.signature_verification_algorithms };
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier));
    finish(builder, &here.identity)
}

/// The inside door: people and local systems, who show no certificate.
pub fn inside(identity: &Identity) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth();
    finish(builder, identity)
}

/// A client that shows our certificate and speaks only to the node with exactly this certificate. Its host name does
/// not matter: the digest was pinned.
pub fn client(identity: &Identity, clock: Arc<dyn Clock>, certificate_sha256: &str) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let verifier = PinnedServer {
        certificate_sha256: certificate_sha256.to_owned(),
        clock,
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(vec![identity.certificate().clone()], identity.tls_key())?;
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = alpn();
    Ok(config)
}

/// TLS cannot be set up with the node's keys.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct TlsError(#[from] Error);

impl Classified for TlsError {
    fn kind(&self) -> Kind {
        Kind::Configuration
    }
}

/// The one source of cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn finish(
    builder: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>,
    identity: &Identity,
) -> Result<ServerConfig, TlsError> {
    let mut config = builder.with_single_cert(vec![identity.certificate().clone()], identity.tls_key())?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = alpn();
    Ok(config)
}

fn alpn() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

fn certificate_refusal(error: CertificateError) -> Error {
    let certificate = match error {
        CertificateError::Expired => TlsCertificateError::Expired,
        CertificateError::NotYetValid => TlsCertificateError::NotValidYet,
        CertificateError::Unreadable => TlsCertificateError::BadEncoding,
    };
    certificate.into()
}

/// Lets paired institutions in.
struct PairedClients {
    here: Institution,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PairedClients {
    fn check(&self, der: &[u8]) -> Result<(), Error> {
        let now = self.here.clock.now();
        CertificateFacts::read(der).and_then(|facts| facts.check_dates(now)).map_err(certificate_refusal)?;
        let caller = TlsPeer::from_certificate(der).map_err(certificate_refusal)?;
        let standing = self.here.store.view(|view| standing(view, &caller, now)).map_err(|error| {
            tracing::error!(%error, "a caller's certificate could not be looked up");
            Error::General("the store cannot be read".to_owned())
        })?;
        let refusal = match standing {
            Standing::Active | Standing::Invited => return Ok(()),
            Standing::Expired => TlsCertificateError::Expired,
            Standing::Revoked => TlsCertificateError::Revoked,
            Standing::Unknown => TlsCertificateError::ApplicationVerificationFailure,
        };
        tracing::warn!(certificate_sha256 = %caller.certificate_sha256, ?standing, "a caller was refused");
        Err(refusal.into())
    }
}

impl fmt::Debug for PairedClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairedClients")
    }
}

impl ClientCertVerifier for PairedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Speaks to one certificate.
struct PinnedServer {
    certificate_sha256: String,
    clock: Arc<dyn Clock>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for PinnedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedServer").field("certificate_sha256", &self.certificate_sha256).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let facts = CertificateFacts::read(end_entity).map_err(certificate_refusal)?;
        if facts.sha256 != self.certificate_sha256 {
            return Err(TlsCertificateError::ApplicationVerificationFailure.into());
        }
        facts.check_dates(self.clock.now()).map_err(certificate_refusal)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
