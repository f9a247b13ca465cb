//! One connection: frames in, acknowledgements out, in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;

use super::answers::{self, Answers};
use super::framing::{Frame, FrameReader, Limits, framed};
use super::taking::{self, Senders, Verdict};
use crate::config::MllpConfig;
use crate::intake::Intake;
use crate::translate::hl7v2::{self, Complaint};

/// What every connection of a door has in common.
pub(super) struct Connection {
    pub(super) name: String,
    pub(super) intake: Intake,
    pub(super) config: MllpConfig,
    pub(super) senders: Senders,
}

impl Connection {
    /// Serves one stream to its end.
    pub(super) async fn run<S>(self: Arc<Self>, stream: S, mut shutdown: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let (reading, mut writing) = tokio::io::split(stream);
        let patience = Duration::from_secs(self.config.message_seconds);
        let limits = Limits {
            largest: self.config.max_message_bytes,
            message: patience,
            idle: Duration::from_secs(self.config.idle_seconds),
        };
        let mut frames = FrameReader::new(reading, limits);
        loop {
            let frame = tokio::select! {
                frame = frames.next() => frame,
                _ = shutdown.wait_for(|stop| *stop) => return,
            };
            let answers = match frame {
                Frame::End => return,
                Frame::Message(message) => self.take(message).await,
                Frame::Broken(head, reason) => self.reject(&head, reason),
            };
            let bytes: Vec<u8> = answers.messages.iter().flat_map(|answer| framed(answer)).collect();
            let sent = bytes.is_empty() || matches!(timeout(patience, send(&mut writing, &bytes)).await, Ok(Ok(())));
            if !sent || answers.close {
                let _ = writing.shutdown().await;
                tokio::select! {
                    () = frames.discard() => return,
                    _ = shutdown.wait_for(|stop| *stop) => return,
                }
            }
        }
    }

    /// Takes a message in and gives its acknowledgements.
    async fn take(self: &Arc<Self>, message: Vec<u8>) -> Answers {
        let this = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let verdict = taking::take(&this.intake, &this.name, &this.senders, &message);
            (this.answers(&message, &verdict), message)
        });
        match work.await {
            Ok((answers, _)) => answers,
            // A defect of ours. The sender is not told that the message is stored: it is not.
            Err(_) => Answers { messages: Vec::new(), close: true },
        }
    }

    fn reject(&self, head: &[u8], reason: &'static str) -> Answers {
        tracing::warn!(door = %self.name, reason, bytes = head.len(), "an MLLP message was rejected");
        let complaint = Complaint::new(Complaint::INTERNAL, reason);
        Answers { close: true, ..self.answers(head, &Verdict::Rejected(complaint)) }
    }

    fn answers(&self, message: &[u8], verdict: &Verdict) -> Answers {
        match hl7v2::header(message).or_else(|| hl7v2::header(answers::NO_HEADER)) {
            Some(header) => answers::of(&header, verdict, self.intake.clock.now()),
            None => Answers { messages: Vec::new(), close: true },
        }
    }
}

async fn send(writing: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    writing.write_all(bytes).await?;
    writing.flush().await
}
