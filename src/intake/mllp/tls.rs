//! TLS of an MLLP door: 1.3 only, as everywhere in this node; the sender's certificate is asked for if its authority is
//! configured.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::TlsAcceptor;

use crate::clock::Clock;
use crate::config::MllpTlsConfig;
use crate::exchange::identity::Identity;
use crate::exchange::tls::provider;

/// Keys or certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MllpTlsError {
    /// A file that cannot be read, or holds something else.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// They do not go together.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// Accepts TLS connections by `config`, with the node's own certificate if it names none.
pub(super) fn acceptor(
    config: &MllpTlsConfig,
    identity: &Identity,
    clock: Arc<dyn Clock>,
) -> Result<TlsAcceptor, MllpTlsError> {
    let (chain, key) = match (&config.certificate, &config.key) {
        (Some(certificate), Some(key)) => (certificates(certificate)?, private_key(key)?),
        _ => (vec![identity.certificate().clone()], identity.tls_key()),
    };
    let setup = |error: &dyn fmt::Display| MllpTlsError::Setup(error.to_string());
    let builder = ServerConfig::builder_with_details(provider(), Arc::new(Time(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| setup(&error))?;
    let builder = match &config.clients {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| setup(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| setup(&error))?)
        }
    };
    let mut server = builder.with_single_cert(chain, key).map_err(|error| setup(&error))?;
    server.max_early_data_size = 0;
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, MllpTlsError> {
    let wrong = |why: String| MllpTlsError::File { path: path.to_owned(), why };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| wrong(error.to_string()))?
        .map(|one| one.map_err(|error| wrong(error.to_string())))
        .collect();
    let found = found?;
    if found.is_empty() { Err(wrong("there is no PEM certificate in it".to_owned())) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, MllpTlsError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| MllpTlsError::File { path: path.to_owned(), why: error.to_string() })
}

/// The injected clock, for the validity of certificates.
struct Time(Arc<dyn Clock>);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}
