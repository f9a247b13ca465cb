//! The messages of an HL7 v2 file, one at a time: a batch may be larger than memory.

use std::io::BufRead;

use super::folder::LARGEST_FILE;
use crate::translate::hl7v2::{Envelope, Line};

/// A message larger than this is cut out of the file and quarantined by its beginning.
const LARGEST_MESSAGE: usize = LARGEST_FILE as usize;
/// How much of a message that is too large is kept.
const KEPT_OF_LARGE: usize = 64 * 1024;
/// Read from the file at once.
const CHUNK: u64 = 64 * 1024;

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// A message, or what stands where one should.
    Message(Vec<u8>),
    /// The first bytes of a message that is too large.
    TooLarge(Vec<u8>),
}

/// Reads a file message by message.
pub struct Messages<R> {
    reader: R,
    most: usize,
    envelope: Envelope,
    /// The message under way.
    open: Vec<u8>,
    is_open: bool,
    is_too_large: bool,
    ended: bool,
}

impl<R: BufRead> Messages<R> {
    /// Begins to read.
    pub fn new(reader: R) -> Self {
        Self::with_limit(reader, LARGEST_MESSAGE)
    }

    fn with_limit(reader: R, most: usize) -> Self {
        let envelope = Envelope::default();
        Self { reader, most, envelope, open: Vec::new(), is_open: false, is_too_large: false, ended: false }
    }

    /// The next message; `None` at the end of the file.
    pub fn following(&mut self) -> std::io::Result<Option<Part>> {
        while !self.ended {
            let line = self.line()?;
            if line.is_empty() {
                self.ended = true;
                return Ok(self.take());
            }
            // A piece of a line that is longer than a chunk: it continues what is open.
            match self.envelope.line(&line) {
                Line::Header => {
                    let done = self.take();
                    self.is_open = true;
                    self.add(&line);
                    if done.is_some() {
                        return Ok(done);
                    }
                }
                Line::Envelope => {
                    if let Some(done) = self.take() {
                        return Ok(Some(done));
                    }
                }
                Line::Blank if !self.is_open => {}
                Line::Blank | Line::Other => {
                    self.is_open = true;
                    self.add(&line);
                }
            }
        }
        Ok(None)
    }

    /// What is odd about the batch envelope, asked at the end.
    pub fn finish(self) -> Vec<String> {
        self.envelope.finish()
    }

    fn add(&mut self, line: &[u8]) {
        if self.open.len() + line.len() > self.most {
            self.is_too_large = true;
            self.open.truncate(KEPT_OF_LARGE);
        } else if !self.is_too_large {
            self.open.extend_from_slice(line);
        }
    }

    fn take(&mut self) -> Option<Part> {
        let bytes = std::mem::take(&mut self.open);
        let is_too_large = std::mem::take(&mut self.is_too_large);
        std::mem::take(&mut self.is_open).then_some(if is_too_large {
            Part::TooLarge(bytes)
        } else {
            Part::Message(bytes)
        })
    }

    /// The next line with its CR or LF, or a chunk of a longer one; empty at the end.
    fn line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(line);
            }
            let end = memchr::memchr2(b'\r', b'\n', buffer);
            let length = end.map_or(buffer.len(), |at| at + 1);
            line.extend_from_slice(buffer.get(..length).unwrap_or(buffer));
            self.reader.consume(length);
            if end.is_some() || line.len() as u64 >= CHUNK {
                return Ok(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(file: &[u8], most: usize) -> (Vec<Part>, Vec<String>) {
        let mut messages = Messages::with_limit(std::io::BufReader::with_capacity(7, file), most);
        let mut parts = Vec::new();
        while let Some(part) = messages.following().unwrap() {
            parts.push(part);
        }
        (parts, messages.finish())
    }

    #[test]
    fn messages_are_those_of_the_whole_file() {
        for file in [
            &b"FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rPID|2\rBTS|2\rFTS|1\r"[..],
            b"garbage\nMSH|^~\\&|1\r\nPID|1\r\n\r\n",
            b"\x0bMSH|^~\\&|1\rPID|1\r\x1c\r",
            b" \r\n",
            b"",
        ] {
            let whole: Vec<&[u8]> = crate::translate::hl7v2::split_batch(file);
            let (read, warnings) = parts(file, 1000);
            let read: Vec<&[u8]> =
                read.iter().map(|part| if let Part::Message(bytes) = part { bytes.as_slice() } else { b"" }).collect();
            assert_eq!(read, whole);
            assert!(warnings.is_empty(), "{warnings:?}");
        }
    }

    #[test]
    fn a_message_too_large_is_cut_out_and_the_next_is_read() {
        let file = [b"MSH|^~\\&|1\r".as_slice(), &b"OBX|x\r".repeat(50), b"MSH|^~\\&|2\rPID|2\r"].concat();
        let (read, _) = parts(&file, 100);
        assert!(matches!(&read[0], Part::TooLarge(head) if head.starts_with(b"MSH|^~\\&|1")));
        assert_eq!(read[1], Part::Message(b"MSH|^~\\&|2\rPID|2\r".to_vec()));
    }
}
