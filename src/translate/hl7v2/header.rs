//! What an acknowledgement needs of a message, read tolerantly: also of one that will be refused.

use super::charset::{self, Charset};
use super::message::{self, Delimiters};

/// Fields of MSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// MSH-1 and MSH-2.
    pub delimiters: Delimiters,
    /// MSH-3 as written.
    pub sending_application: String,
    /// MSH-4 as written.
    pub sending_facility: String,
    /// MSH-5 as written.
    pub receiving_application: String,
    /// MSH-6 as written.
    pub receiving_facility: String,
    /// MSH-9.1, e.g. `ADT`.
    pub message_code: String,
    /// MSH-9.2, e.g. `A01`.
    pub trigger: String,
    /// MSH-10.
    pub control_id: Option<String>,
    /// MSH-11, e.g. `P`.
    pub processing_id: String,
    /// MSH-12, e.g. `2.5`.
    pub version: String,
    /// MSH-15: when a commit acknowledgement is wanted (`AL`, `NE`, `ER`, `SU`).
    pub accept_acknowledgment: String,
    /// MSH-16: when an application acknowledgement is wanted.
    pub application_acknowledgment: String,
    /// MSH-18 as written.
    pub declared_charset: String,
    /// The character set a reply is written in.
    pub charset: Charset,
}

impl Header {
    /// `ADT^A01`, `ACK`, or `?` when MSH-9 is empty.
    pub fn kind(&self) -> String {
        kind(&self.message_code, &self.trigger)
    }

    /// Enhanced mode: MSH-15 or MSH-16 says which acknowledgements are wanted.
    pub fn is_enhanced(&self) -> bool {
        !self.accept_acknowledgment.is_empty() || !self.application_acknowledgment.is_empty()
    }
}

/// The kind of a message from its two parts. What does not look like one is `?`: the kind is shown and logged, and a header
/// that has slipped by a field must not show a patient's data that way.
pub(crate) fn kind(code: &str, trigger: &str) -> String {
    let is_part = |text: &str| text.len() <= 8 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    match (code, trigger) {
        ("", _) => "?".to_owned(),
        (code, trigger) if !is_part(code) || !is_part(trigger) => "?".to_owned(),
        (code, "") => code.to_owned(),
        (code, trigger) => format!("{code}^{trigger}"),
    }
}

/// Reads the header; `None` if there is no MSH with delimiters.
pub fn header(bytes: &[u8]) -> Option<Header> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let line = bytes.split(|b| *b == b'\r' || *b == b'\n').find(|line| line.starts_with(b"MSH"))?;
    let declared = charset::declared(line);
    // The header is looked at even when the body is in the wrong character set, so a bad byte is no reason to stop.
    let text = if line.contains(&0x1b) {
        encoding_rs::ISO_2022_JP.decode_without_bom_handling(line).0.into_owned()
    } else {
        String::from_utf8(line.to_vec()).unwrap_or_else(|_| line.iter().map(|b| char::from(*b)).collect())
    };
    let (delimiters, _) = message::delimiters(&text).ok()?;
    let fields: Vec<&str> = text.split(delimiters.field).collect();
    // `fields[0]` is "MSH" and MSH-1 is the delimiter itself, so MSH-n is at n - 1.
    let field = |number: usize| fields.get(number - 1).map_or("", |text| text.trim()).to_owned();
    let kind = field(9);
    let mut kind = kind.split(delimiters.component);
    let (message_code, trigger) = (kind.next().unwrap_or("").to_owned(), kind.next().unwrap_or("").to_owned());
    let control_id = field(10);
    Some(Header {
        delimiters,
        sending_application: field(3),
        sending_facility: field(4),
        receiving_application: field(5),
        receiving_facility: field(6),
        message_code,
        trigger,
        control_id: (!control_id.is_empty()).then_some(control_id),
        processing_id: field(11),
        version: field(12),
        accept_acknowledgment: field(15),
        application_acknowledgment: field(16),
        declared_charset: field(18),
        charset: reply_charset(&declared, line),
    })
}

fn reply_charset(declared: &[String], line: &[u8]) -> Charset {
    match charset::named(declared) {
        Some(Ok(charset)) => charset,
        _ if line.contains(&0x1b) => Charset::Iso2022Jp,
        _ => Charset::Ascii,
    }
}
