//! What a file is, by its first bytes. Names are not believed: a program named `.pdf` is one still, and goes no further.

use crate::translate::{Refused, RefusedCode};

/// A content type in its two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sniffed {
    /// `application`, `image`, `text`.
    pub family: &'static str,
    /// `pdf`, `jpeg`, `octet-stream`.
    pub subtype: &'static str,
}

impl Sniffed {
    /// Nothing is known about it.
    pub fn is_unknown(&self) -> bool {
        self.subtype == "octet-stream"
    }
}

/// First bytes and what they begin.
const MAGIC: &[(&[u8], &str, &str)] = &[
    (b"%PDF-", "application", "pdf"),
    (b"\xff\xd8\xff", "image", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image", "png"),
    (b"GIF8", "image", "gif"),
    (b"II*\0", "image", "tiff"),
    (b"MM\0*", "image", "tiff"),
    (b"BM", "image", "bmp"),
    (b"{\\rtf", "application", "rtf"),
    (b"PK\x03\x04", "application", "zip"),
    (b"\x1f\x8b", "application", "gzip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application", "x-ole-storage"),
    (b"MSH", "application", "hl7-v2+er7"),
];

/// File name endings that promise one thing only, and what that is.
const PROMISED: &[(&str, &[&str])] = &[
    ("pdf", &["pdf"]),
    ("jpg", &["jpeg"]),
    ("jpeg", &["jpeg"]),
    ("png", &["png"]),
    ("gif", &["gif"]),
    ("tif", &["tiff"]),
    ("tiff", &["tiff"]),
    ("bmp", &["bmp"]),
    ("dcm", &["dicom"]),
    ("rtf", &["rtf"]),
    ("xml", &["xml", "svg+xml"]),
    ("svg", &["svg+xml"]),
    ("hl7", &["hl7-v2+er7", "xml"]),
];

/// Programs, by their first bytes.
const PROGRAMS: &[&[u8]] = &[b"MZ", b"\x7fELF", b"#!", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa"];
/// The test signature that every virus scanner knows, in its two halves so that this file does not hold it.
const TEST_VIRUS: (&[u8], &[u8]) = (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$", b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE");

/// The content type of a file. Refused: programs, known malware, a file that is not what its name promises, a drawing with
/// script, an empty file.
pub fn sniff(name: &str, bytes: &[u8]) -> Result<Sniffed, Refused> {
    let refused = |reason: &str| Err(Refused::new(RefusedCode::Invalid, reason.to_owned()));
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    if text.is_empty() {
        return Err(Refused::new(RefusedCode::Truncated, "the document is empty; have it written again"));
    }
    if PROGRAMS.iter().any(|magic| bytes.starts_with(magic)) {
        return refused("the file is a program, whatever its name says; programs are no documents");
    }
    if contains(bytes, TEST_VIRUS.0) && contains(bytes, TEST_VIRUS.1) {
        return refused("the file holds the test signature of virus scanners");
    }
    let sniffed = kind(bytes, text);
    let ending =
        name.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase());
    let promised = PROMISED.iter().find(|(known, _)| Some(*known) == ending.as_deref());
    if let Some((ending, promised)) = promised
        && !promised.contains(&sniffed.subtype)
    {
        let reason = format!(
            "the file is named .{ending}, but its content is {}/{}; find out which is right",
            sniffed.family, sniffed.subtype
        );
        return Err(Refused::new(RefusedCode::Invalid, reason));
    }
    if sniffed.subtype == "svg+xml" && has_script(bytes) {
        return refused("the drawing holds script; have it exported without");
    }
    Ok(sniffed)
}

fn kind(bytes: &[u8], text: &[u8]) -> Sniffed {
    let is = |family, subtype| Sniffed { family, subtype };
    if let Some((_, family, subtype)) =
        MAGIC.iter().find(|(magic, ..)| bytes.starts_with(magic) || text.starts_with(magic))
    {
        return is(family, subtype);
    }
    if bytes.get(128..132) == Some(b"DICM") {
        return is("application", "dicom");
    }
    let is_wide_xml = bytes.starts_with(b"\xff\xfe<\0") || bytes.starts_with(b"\xfe\xff\0<");
    if is_wide_xml || text.starts_with(b"<") {
        let head = text.get(..text.len().min(4096)).unwrap_or(text).to_ascii_lowercase();
        return match () {
            () if contains(&head, b"<svg") => is("image", "svg+xml"),
            () if contains(&head, b"<html") || contains(&head, b"<!doctype html") => is("text", "html"),
            () => is("text", "xml"),
        };
    }
    let is_plain = |text: &str| !text.contains(|c: char| c.is_control() && !matches!(c, '\r' | '\n' | '\t' | '\u{c}'));
    match std::str::from_utf8(text) {
        Ok(text) if is_plain(text) => is("text", "plain"),
        _ => is("application", "octet-stream"),
    }
}

/// Script, or what loads it, anywhere in a drawing.
fn has_script(bytes: &[u8]) -> bool {
    let lower = bytes.to_ascii_lowercase();
    let is_handler = lower
        .windows(4)
        .any(|part| part[0].is_ascii_whitespace() && part[1..3] == *b"on" && part[3].is_ascii_alphabetic());
    is_handler
        || ["<script", "javascript:", "<foreignobject", "<!entity"].iter().any(|part| contains(&lower, part.as_bytes()))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_counts_and_a_false_name_is_refused() {
        let kind =
            |name: &str, bytes: &[u8]| sniff(name, bytes).map(|found| found.subtype).map_err(|refused| refused.code);
        assert_eq!(kind("a.pdf", b"%PDF-1.7 x"), Ok("pdf"));
        assert_eq!(kind("main_document.hl7", b"MSH|^~\\&|"), Ok("hl7-v2+er7"));
        assert_eq!(kind("document", b"<?xml version=\"1.0\"?><ClinicalDocument/>"), Ok("xml"));
        assert_eq!(kind("notes.txt", "経過良好".as_bytes()), Ok("plain"));
        assert_eq!(kind("x.bin", b"\x00\x01\x02"), Ok("octet-stream"));
        assert_eq!(kind("a.pdf", b"MZ\x90\0"), Err(RefusedCode::Invalid));
        assert_eq!(kind("a", b"MZ\x90\0"), Err(RefusedCode::Invalid));
        assert_eq!(kind("a.pdf", b"\xff\xd8\xff\xe0"), Err(RefusedCode::Invalid));
        assert_eq!(kind("a.xml", b""), Err(RefusedCode::Truncated));
    }

    #[test]
    fn test_virus_and_script_in_a_drawing_are_refused() {
        let virus = [TEST_VIRUS.0, TEST_VIRUS.1, b"!$H+H*"].concat();
        assert!(sniff("a.txt", &virus).is_err());
        assert!(sniff("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>").is_ok());
        for drawing in
            ["<svg><script>x</script></svg>", "<svg><rect onload='x'/></svg>", "<svg><a href='javascript:x'/></svg>"]
        {
            assert!(sniff("a.svg", drawing.as_bytes()).is_err(), "{drawing}");
        }
    }
}
