//! Bytes → a tree of bounded size. A document type declaration is refused before anything is parsed, so no entity is ever
//! expanded and no address ever opened; depth is counted before the parser, which recurses, sees the text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use memchr::{memchr, memmem};

use crate::translate::{Refused, RefusedCode};

/// Deepest nesting of elements. Real documents stay below 40.
const DEEPEST: usize = 200;
/// Most elements.
const MOST_ELEMENTS: usize = 500_000;
/// Most children of one element outside the narrative: a row looks at its neighbours, and they at theirs.
const MOST_CHILDREN: usize = 10_000;
/// Longest text, in bytes of UTF-8.
const LONGEST: usize = 48 * 1024 * 1024;
/// How far into the bytes an XML declaration is looked for.
const DECLARATION: usize = 256;

/// The namespace of CDA R2.
pub(crate) const HL7: &str = "urn:hl7-org:v3";

/// The text of the bytes: by byte order mark, else by the XML declaration, else UTF-8.
pub(crate) fn decode(raw: &[u8]) -> Result<Cow<'_, str>, Refused> {
    if raw.len() > LONGEST {
        return Err(too_large(&format!("the document is longer than {LONGEST} bytes")));
    }
    let (encoding, body) = match Encoding::for_bom(raw) {
        Some((encoding, length)) => (encoding, &raw[length..]),
        None => (unmarked(raw)?, raw),
    };
    let decoded = encoding.decode_without_bom_handling_and_without_replacement(body);
    decoded.ok_or_else(|| {
        let reason = format!("the bytes are not valid {}, which the document says it is in", encoding.name());
        Refused::new(RefusedCode::Encoding, reason)
    })
}

/// The encoding of bytes without a byte order mark.
fn unmarked(raw: &[u8]) -> Result<&'static Encoding, Refused> {
    match raw {
        [b'<', 0, ..] => return Ok(UTF_16LE),
        [0, b'<', ..] => return Ok(UTF_16BE),
        _ => {}
    }
    let Some(label) = declared(raw) else { return Ok(UTF_8) };
    let refused = |why: &str| Err(Refused::new(RefusedCode::Encoding, format!("the XML declaration {why}")));
    match Encoding::for_label(label) {
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => refused("says UTF-16, and the bytes are not"),
        // x-user-defined and replacement are decoders for browsers, not encodings of documents.
        Some(encoding) if !matches!(encoding.name(), "x-user-defined" | "replacement") => Ok(encoding),
        _ => refused("names an encoding that is not read; use UTF-8"),
    }
}

fn declared(raw: &[u8]) -> Option<&[u8]> {
    let head = raw.get(..raw.len().min(DECLARATION))?;
    let start = head.trim_ascii_start();
    if !start.starts_with(b"<?xml") {
        return None;
    }
    let declaration = &start[..memmem::find(start, b"?>")?];
    let rest = &declaration[memmem::find(declaration, b"encoding")? + 8..];
    let rest = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let quote = *rest.first().filter(|quote| matches!(quote, b'"' | b'\''))?;
    rest[1..].split(|byte| *byte == quote).next()
}

/// Parses the text as a ClinicalDocument.
pub(crate) fn parse(text: &str) -> Result<roxmltree::Document<'_>, Refused> {
    bound(text)?;
    let options = roxmltree::ParsingOptions { allow_dtd: false, ..roxmltree::ParsingOptions::default() };
    let document = roxmltree::Document::parse_with_options(text, options).map_err(|error| not_xml(text, &error))?;
    let root = document.root_element();
    if root.tag_name().name() != "ClinicalDocument" || root.tag_name().namespace() != Some(HL7) {
        let reason = "the root is not a ClinicalDocument of urn:hl7-org:v3, so this is not a CDA document";
        return Err(Refused::new(RefusedCode::Unreadable, reason));
    }
    bound_children(&document)?;
    Ok(document)
}

/// Refuses an element with too many children; rows of a table and items of a list may be as many as they like.
fn bound_children(document: &roxmltree::Document<'_>) -> Result<(), Refused> {
    let mut count = vec![0_usize; 0];
    for node in document.descendants() {
        count.push(0);
        let Some(parent) = node.parent().filter(|_| node.is_element()) else { continue };
        if matches!(parent.tag_name().name(), "tbody" | "table" | "list" | "text" | "paragraph" | "content") {
            continue;
        }
        if let Some(number) = count.get_mut(parent.id().get_usize()) {
            *number += 1;
            if *number > MOST_CHILDREN {
                return Err(too_large(&format!("an element has more than {MOST_CHILDREN} parts")));
            }
        }
    }
    Ok(())
}

/// Says where, and nothing of what stands there.
fn not_xml(text: &str, error: &roxmltree::Error) -> Refused {
    if matches!(error, roxmltree::Error::DtdDetected) {
        return dtd();
    }
    let at = error.pos();
    if !text.trim_end().ends_with('>') || !text.contains("ClinicalDocument>") {
        let reason = format!("the document is cut off (line {}, column {})", at.row, at.col);
        return Refused::new(RefusedCode::Truncated, reason);
    }
    let reason = format!("this is not well-formed XML (line {}, column {})", at.row, at.col);
    Refused::new(RefusedCode::Unreadable, reason)
}

fn dtd() -> Refused {
    Refused::new(RefusedCode::Invalid, "the document has a document type declaration, and those are refused")
}

fn too_large(reason: &str) -> Refused {
    Refused::new(RefusedCode::TooLarge, reason)
}

/// One pass over the tags that refuses declarations, depth and number. Malformed text passes: the parser says so better.
fn bound(text: &str) -> Result<(), Refused> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut elements) = (0, 0_usize, 0_usize);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr(b'<', rest)) {
        at += found + 1;
        let Some(rest) = bytes.get(at..) else { break };
        let skip = |end: &[u8]| memmem::find(rest, end).map(|length| length + end.len());
        let length = if rest.starts_with(b"!--") {
            skip(b"-->")
        } else if rest.starts_with(b"![CDATA[") {
            skip(b"]]>")
        } else if rest.starts_with(b"?") {
            skip(b"?>")
        } else if rest.starts_with(b"!") {
            return Err(dtd());
        } else if rest.starts_with(b"/") {
            depth = depth.saturating_sub(1);
            skip(b">")
        } else {
            elements += 1;
            let end = tag_end(rest);
            if end.is_some_and(|end| end == 0 || rest.get(end - 1) != Some(&b'/')) {
                depth += 1;
            }
            end
        };
        if depth > DEEPEST {
            return Err(too_large(&format!("elements are nested deeper than {DEEPEST}")));
        }
        if elements > MOST_ELEMENTS {
            return Err(too_large(&format!("the document has more than {MOST_ELEMENTS} elements")));
        }
        match length {
            Some(length) => at += length,
            None => break,
        }
    }
    Ok(())
}

/// Where the `>` of a start tag stands, quoted ones passed over.
fn tag_end(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr3(b'>', b'"', b'\'', rest.get(at..)?)?;
        match rest[at] {
            b'>' => return Some(at),
            quote => at += 2 + memchr(quote, rest.get(at + 1..)?)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(raw: &[u8]) -> RefusedCode {
        decode(raw).and_then(|text| parse(&text).map(|_| ())).unwrap_err().code
    }

    #[test]
    fn declarations_are_refused_wherever_they_stand() {
        let bomb = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]>\
                    <ClinicalDocument xmlns=\"urn:hl7-org:v3\">&b;</ClinicalDocument>";
        assert_eq!(code(bomb.as_bytes()), RefusedCode::Invalid);
        let wide: Vec<u8> = bomb.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(code(&wide), RefusedCode::Invalid);
    }

    #[test]
    fn depth_is_counted_before_parsing() {
        let deep = format!("<ClinicalDocument xmlns=\"{HL7}\">{}", "<section>".repeat(100_000));
        assert_eq!(code(deep.as_bytes()), RefusedCode::TooLarge);
        let quoted = format!("<ClinicalDocument xmlns=\"{HL7}\">{}</ClinicalDocument>", "<a b='>'/>".repeat(1000));
        assert!(parse(&quoted).is_ok(), "an empty element is no depth");
    }

    #[test]
    fn encodings_are_what_they_say() {
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>Qu\xe9bec</a>";
        assert!(decode(latin).unwrap().contains("Qu\u{e9}bec"));
        let (sjis, ..) = encoding_rs::SHIFT_JIS.encode("<?xml version='1.0' encoding='Shift_JIS'?><a>山田</a>");
        assert!(decode(&sjis).unwrap().contains("山田"));
        for wrong in [
            &b"<?xml version='1.0'?><a>\xe9</a>"[..],
            b"<?xml version='1.0' encoding='UTF-7'?><a/>",
            b"<?xml version='1.0' encoding='UTF-16'?><a/>",
        ] {
            assert_eq!(decode(wrong).unwrap_err().code, RefusedCode::Encoding);
        }
    }

    #[test]
    fn what_is_no_clinical_document_says_so() {
        assert_eq!(code(b"<ClinicalDocument/>"), RefusedCode::Unreadable);
        assert_eq!(code(b"<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><a>"), RefusedCode::Truncated);
        assert_eq!(code(b"<ClinicalDocument xmlns=\"urn:hl7-org:v3\"><a></ClinicalDocument>"), RefusedCode::Unreadable);
    }
}
