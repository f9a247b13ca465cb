//! The frames of MLLP: `<VT> message <FS><CR>`, several in a row if the sender does not wait, each with a size and a
//! deadline.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

/// Start of a message.
pub const VT: u8 = 0x0B;
/// End of a message, followed by a carriage return.
pub const FS: u8 = 0x1C;

/// `<VT> message <FS><CR>`
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len() + 3);
    bytes.push(VT);
    bytes.extend_from_slice(message);
    bytes.extend_from_slice(&[FS, b'\r']);
    bytes
}

/// What came off the wire.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message without its framing.
    Message(Vec<u8>),
    /// The connection has ended, or has been silent between messages for too long.
    End,
    /// Not a whole message: what there is of it, and why. Nothing after it can be told apart any more.
    Broken(Vec<u8>, &'static str),
}

/// Bytes read and forgotten at least before a sender that does not end is cut off.
const MOST_DISCARDED: usize = 4 << 20;

/// Limits of a reader.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest message, bytes.
    pub largest: usize,
    /// A started message must be complete within.
    pub message: Duration,
    /// Silence between messages ends the connection after.
    pub idle: Duration,
}

/// Cuts a byte stream into frames.
pub struct FrameReader<R> {
    stream: R,
    limits: Limits,
    buffer: Vec<u8>,
    /// Bytes of the buffer in which no end was found yet.
    searched: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads frames from `stream`.
    pub fn new(stream: R, limits: Limits) -> Self {
        Self { stream, limits, buffer: Vec::new(), searched: 0 }
    }

    /// The next frame. Cancelling it loses nothing: what was read stays in the buffer.
    pub async fn next(&mut self) -> Frame {
        let mut started: Option<Instant> = (!self.buffer.is_empty()).then(Instant::now);
        loop {
            if let Some(frame) = self.take() {
                return frame;
            }
            if self.buffer.is_empty() {
                started = None;
            } else if started.is_none() {
                started = Some(Instant::now());
            }
            let deadline = match started {
                Some(start) => start + self.limits.message,
                None => Instant::now() + self.limits.idle,
            };
            let mut block = [0u8; 8192];
            match timeout_at(deadline, self.stream.read(&mut block)).await {
                Ok(Ok(size)) if size > 0 => self.buffer.extend_from_slice(&block[..size]),
                Ok(_) if self.buffer.is_empty() => return Frame::End,
                Ok(_) => return self.broken("the connection ended inside the message"),
                Err(_) if self.buffer.is_empty() => return Frame::End,
                Err(_) => return self.broken("the message was not complete in time"),
            }
        }
    }

    /// Reads and forgets until the sender ends, for as long and as much as one message may take. A connection closed over
    /// bytes that nobody read is reset, and the sender would lose the answer that tells it why.
    pub async fn discard(mut self) {
        let deadline = Instant::now() + self.limits.message;
        let mut left = self.limits.largest.max(MOST_DISCARDED);
        let mut block = [0u8; 8192];
        while let Ok(Ok(size @ 1..)) = timeout_at(deadline, self.stream.read(&mut block)).await {
            left = left.saturating_sub(size);
            if left == 0 {
                return;
            }
        }
    }

    /// A frame that the buffer already holds or rules out.
    fn take(&mut self) -> Option<Frame> {
        if self.searched == 0 {
            let stray = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.buffer.drain(..stray);
        }
        let first = *self.buffer.first()?;
        if first != VT {
            return Some(self.broken("the message does not start with <VT>: this is not MLLP"));
        }
        let from = self.searched.saturating_sub(1);
        let ends = |at: &usize| self.buffer.get(from + at + 1) == Some(&b'\r');
        if let Some(found) = memchr::memchr_iter(FS, self.buffer.get(from..).unwrap_or_default()).find(ends) {
            let end = from + found;
            if end - 1 > self.limits.largest {
                return Some(self.broken("the message is larger than this node takes"));
            }
            let message = self.buffer[1..end].to_vec();
            self.buffer.drain(..end + 2);
            self.searched = 0;
            return Some(Frame::Message(message));
        }
        self.searched = self.buffer.len();
        (self.buffer.len() > self.limits.largest + 2).then(|| self.broken("the message is larger than this node takes"))
    }

    fn broken(&mut self, reason: &'static str) -> Frame {
        let mut head = std::mem::take(&mut self.buffer);
        self.searched = 0;
        if head.first() == Some(&VT) {
            head.remove(0);
        }
        Frame::Broken(head, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { largest: 20, message: Duration::from_secs(30), idle: Duration::from_secs(3600) };

    async fn frames(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut mock = tokio::io::duplex(4096);
        for chunk in chunks {
            tokio::io::AsyncWriteExt::write_all(&mut mock.0, chunk).await.unwrap();
        }
        drop(mock.0);
        let mut reader = FrameReader::new(mock.1, LIMITS);
        let mut found = Vec::new();
        loop {
            let frame = reader.next().await;
            let last = !matches!(frame, Frame::Message(_));
            found.push(frame);
            if last {
                return found;
            }
        }
    }

    #[tokio::test]
    async fn messages_in_a_row_are_told_apart_wherever_the_reads_fall() {
        let stream = b"\x0bone\x1c\r\r\n\x0btwo\x1c\r";
        for cut in 0..=stream.len() {
            let found = frames(&[&stream[..cut], &stream[cut..]]).await;
            let expected = [Frame::Message(b"one".to_vec()), Frame::Message(b"two".to_vec()), Frame::End];
            assert_eq!(found, expected, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn what_is_not_a_whole_message_is_broken_with_its_reason() {
        for (stream, part) in [
            (&b"GET / HTTP/1.1\r\n"[..], "not MLLP"),
            (b"\x0bcut short", "ended inside"),
            (b"\x0bthis is longer than twenty bytes\x1c\r", "larger"),
            (b"\x0bthis never ends and is longer than twenty bytes", "larger"),
        ] {
            let found = frames(&[stream]).await;
            assert!(matches!(&found[..], [Frame::Broken(_, reason)] if reason.contains(part)), "{found:?}");
        }
    }
}
