//! HL7 v2 over MLLP (HL7 v2.5 appendix, "Minimal Lower Layer Protocol"): `<VT> message <FS><CR>`, one acknowledgement
//! per message. AA is sent only after the message is durable — also when it is stored but quarantined. A message that
//! cannot be read at all is kept for inspection and answered AE, so that its sender learns of it; one that is not
//! stored is answered AE (try again) or AR (do not), each with the reason.

pub mod framing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use self::framing::{FS, Frame, FrameReader, Limits, VT};
use super::Intake;
use super::receive::{Incoming, receive};
use crate::config::MllpConfig;
use crate::translate::hl7v2;
use crate::translate::{RefusedCode, Setting};

/// Header that an acknowledgement answers when the message has none.
const NO_HEADER: &[u8] = b"MSH|^~\\&|||||||ACK||P|2.5";

/// Serves connections until `shutdown` becomes true; then finishes the messages under way.
pub async fn serve(listener: TcpListener, intake: Intake, config: MllpConfig, mut shutdown: watch::Receiver<bool>) {
    let setting = Setting { charset_binds: true, ..intake.setting.as_ref().clone() };
    let intake = Intake { setting: Arc::new(setting), ..intake };
    let places = Arc::new(Semaphore::new(config.max_connections));
    let config = Arc::new(config);
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
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if !is_allowed(&config, from) {
            tracing::warn!(from = %from.ip(), "an MLLP connection from an address that is not allowed was closed");
            continue;
        }
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(from = %from.ip(), limit = config.max_connections, "too many MLLP connections; one was closed");
            continue;
        };
        let connection = Connection { intake: intake.clone(), config: Arc::clone(&config), shutdown: shutdown.clone() };
        connections.spawn(async move {
            connection.run(stream).await;
            drop(place);
        });
    }
    while connections.join_next().await.is_some() {}
}

fn is_allowed(config: &MllpConfig, from: SocketAddr) -> bool {
    config.allow.is_empty() || config.allow.contains(&from.ip().to_canonical())
}

struct Connection {
    intake: Intake,
    config: Arc<MllpConfig>,
    shutdown: watch::Receiver<bool>,
}

impl Connection {
    async fn run(mut self, stream: TcpStream) {
        let (reading, mut writing) = stream.into_split();
        let patience = Duration::from_secs(self.config.message_seconds);
        let mut frames = FrameReader::new(
            reading,
            Limits {
                largest: self.config.max_message_bytes,
                message: patience,
                idle: Duration::from_secs(self.config.idle_seconds),
            },
        );
        loop {
            let frame = tokio::select! {
                frame = frames.next() => frame,
                _ = self.shutdown.wait_for(|stop| *stop) => return,
            };
            let (answer, goes_on) = match frame {
                Frame::End => return,
                Frame::Message(message) => (self.take(message).await, true),
                Frame::Broken(head, reason) => (self.reject(&head, reason), false),
            };
            let mut framed = Vec::with_capacity(answer.len() + 3);
            framed.push(VT);
            framed.extend_from_slice(&answer);
            framed.extend_from_slice(&[FS, b'\r']);
            if !matches!(timeout(patience, writing.write_all(&framed)).await, Ok(Ok(()))) || !goes_on {
                let _ = writing.shutdown().await;
                tokio::select! {
                    () = frames.discard() => return,
                    _ = self.shutdown.wait_for(|stop| *stop) => return,
                }
            }
        }
    }

    /// Takes a message in and gives its acknowledgement.
    async fn take(&self, message: Vec<u8>) -> Vec<u8> {
        let intake = self.intake.clone();
        let fallback = message.clone();
        let work = tokio::task::spawn_blocking(move || take_in(&intake, &message));
        work.await.unwrap_or_else(|_| self.answer(&fallback, "AE", Some("the message was not stored: internal error")))
    }

    fn reject(&self, head: &[u8], reason: &'static str) -> Vec<u8> {
        tracing::warn!(reason, bytes = head.len(), "an MLLP message was rejected");
        self.answer(head, "AR", Some(reason))
    }

    fn answer(&self, message: &[u8], code: &'static str, text: Option<&str>) -> Vec<u8> {
        acknowledge(&self.intake, message, code, text, None)
    }
}

/// Stores a message and gives its acknowledgement. Blocks.
fn take_in(intake: &Intake, message: &[u8]) -> Vec<u8> {
    let translation = hl7v2::translate(&intake.mappings, &intake.setting, message);
    let unreadable = translation
        .as_ref()
        .err()
        .filter(|refused| {
            matches!(refused.code, RefusedCode::Unreadable | RefusedCode::Encoding | RefusedCode::Truncated)
        })
        .map(|refused| (refused.reason.clone(), refused.place.clone()));
    let sender = hl7v2::header(message).map(|header| header.sending_application).unwrap_or_default();
    let incoming = Incoming { channel: "mllp", source: &sender, raw: message };
    match (receive(intake, incoming, translation), unreadable) {
        (Ok(_), None) => acknowledge(intake, message, "AA", None, None),
        (Ok(_), Some((reason, place))) => acknowledge(intake, message, "AE", Some(&reason), place.as_deref()),
        (Err(error), _) => {
            tracing::error!(%error, "an MLLP message could not be stored");
            acknowledge(intake, message, "AE", Some("the message was not stored; send it again"), None)
        }
    }
}

fn acknowledge(intake: &Intake, message: &[u8], code: &str, text: Option<&str>, place: Option<&str>) -> Vec<u8> {
    let header = hl7v2::header(message).or_else(|| hl7v2::header(NO_HEADER));
    header.map(|header| hl7v2::acknowledge(&header, code, text, place, intake.clock.now())).unwrap_or_default()
}
