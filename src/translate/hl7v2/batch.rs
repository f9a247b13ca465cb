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
}
