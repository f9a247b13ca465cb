//! Files with several messages: batches (FHS, BHS, BTS, FTS; HL7 v2.5.1, 2.10.3) and plain concatenation.

/// The messages of a file as slices of it. Anything else than white space that stands before the first MSH is a slice of
/// its own, so that it is refused and counted and not lost.
pub fn split_batch(bytes: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    let mut start: Option<usize> = None;
    let mut at = 0;
    while at < bytes.len() {
        let end = bytes[at..].iter().position(|b| matches!(b, b'\r' | b'\n')).map_or(bytes.len(), |n| at + n + 1);
        let line = trimmed(&bytes[at..end]);
        let is_header = header_line(line, b"MSH");
        let is_envelope = [b"FHS", b"BHS", b"BTS", b"FTS"].iter().any(|name| header_line(line, name.as_slice()));
        if is_header || is_envelope {
            if let Some(from) = start.take() {
                push(&mut messages, &bytes[from..at]);
            }
            start = is_header.then_some(at);
        } else if start.is_none() && !line.is_empty() {
            start = Some(at);
        }
        at = end;
    }
    if let Some(from) = start {
        push(&mut messages, &bytes[from..]);
    }
    messages
}

fn push<'a>(messages: &mut Vec<&'a [u8]>, message: &'a [u8]) {
    if !trimmed(message).is_empty() {
        messages.push(message);
    }
}

/// Without white space, byte order mark and MLLP framing at the ends.
fn trimmed(line: &[u8]) -> &[u8] {
    let noise = |b: &u8| b.is_ascii_whitespace() || matches!(b, 0x0b | 0x1c | 0);
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let from = line.iter().position(|b| !noise(b)).unwrap_or(line.len());
    let to = line.iter().rposition(|b| !noise(b)).map_or(from, |n| n + 1);
    &line[from..to]
}

fn header_line(line: &[u8], name: &[u8]) -> bool {
    line.starts_with(name) && line.get(3).is_some_and(|b| !b.is_ascii_alphanumeric() && !b.is_ascii_whitespace())
}

/// What a line of a file is, for readers that do not hold the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// MSH: a message begins.
    Header,
    /// FHS, BHS, BTS or FTS.
    Envelope,
    /// Nothing but white space and framing.
    Blank,
    /// Anything else: it belongs to the message before it.
    Other,
}

/// Follows the lines of a file and checks what BTS-1 and FTS-1 say against what was there.
#[derive(Debug, Default)]
pub struct Envelope {
    /// Messages since BHS; `None` outside a batch.
    batch: Option<u64>,
    /// Batches since FHS; `None` outside a file envelope.
    file: Option<u64>,
    warnings: Vec<String>,
}

impl Envelope {
    /// Takes the next line, with or without its line break.
    pub fn line(&mut self, line: &[u8]) -> Line {
        let line = trimmed(line);
        if line.is_empty() {
            return Line::Blank;
        }
        if header_line(line, b"MSH") {
            self.batch.iter_mut().for_each(|count| *count += 1);
            return Line::Header;
        }
        match line.get(..3) {
            Some(b"FHS") if header_line(line, b"FHS") => self.file = Some(0),
            Some(b"BHS") if header_line(line, b"BHS") => {
                self.close_batch();
                self.batch = Some(0);
            }
            Some(b"BTS") if header_line(line, b"BTS") => {
                let found = self.batch.take();
                self.compare("BTS-1", "messages", stated(line), found);
                self.file.iter_mut().for_each(|count| *count += 1);
            }
            Some(b"FTS") if header_line(line, b"FTS") => {
                self.close_batch();
                let found = self.file.take();
                self.compare("FTS-1", "batches", stated(line), found);
            }
            _ => return Line::Other,
        }
        Line::Envelope
    }

    /// What is odd about the envelope, asked at the end of the file.
    pub fn finish(mut self) -> Vec<String> {
        self.close_batch();
        if self.file.is_some() {
            self.warnings.push("the file ends without FTS: it may be cut off".to_owned());
        }
        self.warnings
    }

    fn close_batch(&mut self) {
        if self.batch.take().is_some() {
            self.warnings.push("a batch ends without BTS: it may be cut off".to_owned());
        }
    }

    fn compare(&mut self, field: &str, what: &str, stated: Option<u64>, found: Option<u64>) {
        match (stated, found) {
            (Some(stated), Some(found)) if stated != found => {
                self.warnings.push(format!("{field} says {stated} {what}, the file holds {found}"));
            }
            (_, None) => self.warnings.push(format!("{field} closes what was never opened")),
            _ => {}
        }
    }
}

/// The first field of BTS or FTS as a number.
fn stated(line: &[u8]) -> Option<u64> {
    let field = line.split(|byte| Some(byte) == line.get(3)).nth(1)?;
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_count_by_message() {
        let file = b"FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rPID|2\rBTS|2\rFTS|1\r";
        let messages = split_batch(file);
        assert_eq!(messages.len(), 2);
        assert!(messages[1].starts_with(b"MSH|^~\\&|2"));
        assert!(messages[1].ends_with(b"PID|2\r"));
    }

    #[test]
    fn single_empty_and_foreign_files() {
        assert_eq!(split_batch(b"\xef\xbb\xbfMSH|^~\\&|1\nPID|1\n").len(), 1);
        assert_eq!(split_batch(b"\x0bMSH|^~\\&|1\rPID|1\r\x1c\r").len(), 1);
        assert_eq!(split_batch(b" \r\n").len(), 0);
        assert_eq!(split_batch(b"garbage\rMSH|^~\\&|1\r").len(), 2);
        assert_eq!(split_batch(b"MSH|^~\\&|1\rMSH\rPID\r").len(), 1);
    }

    #[test]
    fn what_the_trailers_say_is_checked() {
        let warnings = |file: &[u8]| {
            let mut envelope = Envelope::default();
            file.split(|b| *b == b'\r').for_each(|line| {
                envelope.line(line);
            });
            envelope.finish()
        };
        let good = b"FHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rBTS|2\rBHS|^~\\&\rBTS|0\rFTS|2\r";
        assert!(warnings(good).is_empty());
        assert!(warnings(b"MSH|^~\\&|1\rPID|1\r").is_empty(), "no envelope, nothing to check");
        assert!(warnings(b"BHS|^~\\&\rMSH|^~\\&|1\rBTS|3\r")[0].contains("BTS-1 says 3 messages, the file holds 1"));
        assert!(warnings(b"FHS|^~\\&\rBHS|^~\\&\rBTS|0\rFTS|4\r")[0].contains("FTS-1 says 4"));
        assert_eq!(warnings(b"FHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&|1\r").len(), 2, "cut off");
        assert!(warnings(b"BTS|1\r")[0].contains("never opened"));
    }
}
