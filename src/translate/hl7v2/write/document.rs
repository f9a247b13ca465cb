//! A document → MDM^T02: the notification with its content, PDF where there is one, else its text.

use base64::Engine as _;
use serde_json::Value;

use super::fields::{ce, components, escaped, escaped_lines, moment, text, time};
use super::patient::pid;
use super::{Cover, Segment, Written, finish, header};

/// A document to be filed.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Its unique number.
    pub id: &'a str,
    /// The referral it belongs to.
    pub referral: &'a str,
    /// Patient it is about.
    pub patient: &'a Value,
    /// Organization that wrote it.
    pub author: &'a Value,
    /// Composition, or a resource with `type`, `title`, `status`, `date` alike.
    pub composition: &'a Value,
    /// PDF.
    pub pdf: Option<&'a [u8]>,
    /// What it says, as plain text; sent in any case, so that a system that shows no PDF shows something.
    pub plain: &'a str,
}

/// MDM^T02.
pub fn document_message(cover: &Cover, document: &Document<'_>) -> Written {
    let composition = document.composition;
    let kind = ce(cover, composition.get("type"));
    // Table 0271: FHIR's final is "complete and verified", which v2 calls authenticated.
    let status = match text(composition, "/status") {
        "preliminary" => "IP",
        "final" | "amended" => "AU",
        _ => "DO",
    };
    let code = kind.split('^').next().unwrap_or("").to_owned();
    let presentation = if document.pdf.is_some() { "AP" } else { "TX" };
    let author = text(document.author, "/name");
    let txa = Segment::new("TXA")
        .set(1, "1")
        .set(2, code)
        .set(3, presentation)
        .set(4, time(composition.get("date")))
        .set(6, time(composition.get("date")))
        .set(9, components(&["", &escaped(author)]))
        .set(12, escaped(document.id))
        .set(14, escaped(document.referral))
        .set(16, escaped(text(composition, "/title")))
        .set(17, status)
        .set(19, "AV");
    let mut segments = vec![
        header(cover, "MDM", "T02", "MDM_T02"),
        Segment::new("EVN").set(1, "T02").set(2, moment(cover)),
        pid(cover, document.patient),
        // PV1-2 is required and nothing is known of a visit here: N, not applicable.
        Segment::new("PV1").set(1, "1").set(2, "N"),
        txa,
    ];
    let content = |number: usize, kind: &str, value: String| {
        Segment::new("OBX")
            .set(1, number.to_string())
            .set(2, kind)
            .set(3, ce(cover, composition.get("type")))
            .set(5, value)
            .set(11, "F")
    };
    let mut number = 0;
    if let Some(pdf) = document.pdf {
        number += 1;
        let data = base64::engine::general_purpose::STANDARD.encode(pdf);
        segments.push(content(number, "ED", format!("^application^pdf^Base64^{data}")));
    }
    if !document.plain.trim().is_empty() {
        number += 1;
        segments.push(content(number, "TX", escaped_lines(document.plain)));
    }
    finish(cover, "MDM^T02", &segments)
}
