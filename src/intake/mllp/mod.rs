//! HL7 v2 over MLLP (HL7 v2.5 appendix, "Minimal Lower Layer Protocol"): `<VT> message <FS><CR>`, release 1: every message
//! is answered by an HL7 acknowledgement, there are no acknowledging bytes as in release 2.
//!
//! A message is answered only after it is durable; [`answers`] tells how, in original and enhanced mode. One task serves
//! each connection and takes its messages in order: what a sender does slowly holds up nobody else.

pub mod framing;

mod admission;
mod answers;
mod connection;
mod known_types;
mod taking;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use self::admission::{Admission, Place};
use self::connection::Connection;
pub use self::taking::Senders;
pub use self::tls::MllpTlsError;
use super::Intake;
use crate::config::{MllpConfig, MllpFeedConfig};
use crate::exchange::identity::Identity;
use crate::fault::{Classified, Kind};
use crate::translate::Setting;
use crate::translate::hl7v2::Charset;

/// A TLS handshake must be done within.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Wait after the system refused a connection (out of file descriptors), so as not to spin.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);

/// A door that cannot be opened as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// A character set this release does not know.
    #[error(
        "mllp.feed {feed:?}: charset {name:?} is not known; use a name of table 0211 such as ISO IR87, 8859/1, CP932"
    )]
    Charset {
        /// Which door.
        feed: String,
        /// As configured.
        name: String,
    },
    /// Keys or certificates.
    #[error("mllp.feed {feed:?}: {cause}")]
    Tls {
        /// Which door.
        feed: String,
        /// Why.
        cause: MllpTlsError,
    },
}

impl Classified for DoorError {
    fn kind(&self) -> Kind {
        Kind::Configuration
    }
}

/// An open door.
pub struct Door {
    listener: TcpListener,
    /// Shown as the source of its messages, unless it is the first.
    name: String,
    intake: Intake,
    config: MllpConfig,
    senders: Senders,
    admission: Arc<Admission>,
    tls: Option<TlsAcceptor>,
}

impl Door {
    /// Opens `feed` on a bound listener, under the limits of `config`.
    pub fn open(
        listener: TcpListener,
        feed: &MllpFeedConfig,
        config: &MllpConfig,
        intake: &Intake,
        identity: &Identity,
    ) -> Result<Self, DoorError> {
        let tls = feed.tls.as_ref().map(|tls| tls::acceptor(tls, identity, Arc::clone(&intake.clock)));
        Ok(Self {
            listener,
            name: feed.name.clone(),
            intake: Intake { setting: Arc::new(setting(&intake.setting, feed)?), ..intake.clone() },
            config: config.clone(),
            senders: Senders::new(&feed.senders),
            admission: Admission::new(feed.allow.clone(), config.max_connections, config.connections_per_source),
            tls: tls.transpose().map_err(|cause| DoorError::Tls { feed: feed.name.clone(), cause })?,
        })
    }
}

/// The institution's setting, as far as the feed does not say otherwise.
fn setting(base: &Setting, feed: &MllpFeedConfig) -> Result<Setting, DoorError> {
    let charset = match &feed.charset {
        Some(name) => Some(
            Charset::from_name(name)
                .ok_or_else(|| DoorError::Charset { feed: feed.name.clone(), name: name.clone() })?,
        ),
        None => None,
    };
    let country = feed.country.unwrap_or(base.country);
    Ok(Setting { charset_binds: true, charset_unnamed: charset, country, ..base.clone() })
}

/// Serves connections until `shutdown` becomes true; then finishes the messages under way.
pub async fn serve(door: Door, mut shutdown: watch::Receiver<bool>) {
    let Door { listener, name, intake, config, senders, admission, tls } = door;
    let connection = Arc::new(Connection { name, intake, config, senders });
    let mut connections = tokio::task::JoinSet::new();
    while !*shutdown.borrow() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            changed = shutdown.changed() => if changed.is_err() { break } else { continue },
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an MLLP connection could not be accepted");
                tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
                continue;
            }
        };
        let place = match admission.admit(from.ip()) {
            Ok(place) => place,
            Err(refused) => {
                tracing::warn!(door = %connection.name, from = %from.ip(), reason = %refused, "an MLLP connection was closed");
                continue;
            }
        };
        // Acknowledgements are small: they must not wait for more to send.
        let _ = stream.set_nodelay(true);
        connections.spawn(serve_one(Arc::clone(&connection), stream, tls.clone(), place, shutdown.clone()));
    }
    while connections.join_next().await.is_some() {}
}

async fn serve_one(
    connection: Arc<Connection>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    place: Place,
    mut shutdown: watch::Receiver<bool>,
) {
    match tls {
        None => connection.run(stream, shutdown).await,
        Some(tls) => {
            let shaken = tokio::select! {
                shaken = timeout(HANDSHAKE, tls.accept(stream)) => shaken,
                _ = shutdown.wait_for(|stop| *stop) => return,
            };
            match shaken {
                Ok(Ok(stream)) => connection.run(stream, shutdown).await,
                Ok(Err(error)) => tracing::warn!(door = %connection.name, %error, "a TLS handshake failed"),
                Err(_) => tracing::warn!(door = %connection.name, "a TLS handshake took too long"),
            }
        }
    }
    drop(place);
}
