//! FHIR → HL7 v2.5: what arrives from partners, written for the institution's own systems. Pure; the reader of this crate
//! reads it back to the same.
//!
//! Nothing is made up: what a segment has no place for stays in the FHIR original, which is kept; characters that the
//! destination's character set lacks are replaced by a visible sign and counted.

mod characters;
mod clinical;
mod document;
mod fields;
mod patient;
mod referral;
mod results;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Charset;
use crate::config::Country;
use fields::escaped;

pub use document::{Document, document_message};
pub use referral::{Letter, referral_message, reply_message, update_message};
pub use results::results_message;

/// What stands in MSH, and for whom it is written.
#[derive(Debug, Clone)]
pub struct Cover {
    /// MSH-4: the institution that files.
    pub sending_facility: String,
    /// MSH-5.
    pub receiving_application: String,
    /// MSH-6.
    pub receiving_facility: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-7.
    pub at: Timestamp,
    /// Zone of times.
    pub zone: TimeZone,
    /// MSH-17, and which conventions of names and addresses are followed.
    pub country: Country,
    /// MSH-18.
    pub charset: Charset,
    /// Base URI of the institution's own identifiers: those within it are written by their bare name.
    pub namespace: String,
    /// System of the institution's own patient numbers: written without an issuer.
    pub patient_system: String,
}

/// A written message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `REF^I12`.
    pub kind: &'static str,
    /// In the destination's character set.
    pub bytes: Vec<u8>,
    /// Characters that the set lacks and that were replaced.
    pub replaced: usize,
}

/// A segment under construction. Values are written as they stand: escape them first.
struct Segment(Vec<String>);

impl Segment {
    fn new(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// Sets field `number`.
    fn set(mut self, number: usize, value: impl Into<String>) -> Self {
        if self.0.len() <= number {
            self.0.resize(number + 1, String::new());
        }
        if let Some(field) = self.0.get_mut(number) {
            *field = value.into();
        }
        self
    }

    fn text(&self) -> String {
        self.0.join("|").trim_end_matches('|').to_owned()
    }
}

/// The name of a part of ISO 8859 in table 0211.
fn latin(part: u8) -> &'static str {
    match part {
        2 => "8859/2",
        3 => "8859/3",
        4 => "8859/4",
        5 => "8859/5",
        6 => "8859/6",
        7 => "8859/7",
        8 => "8859/8",
        9 => "8859/9",
        13 => "8859/13",
        15 => "8859/15",
        _ => "8859/1",
    }
}

/// `trigger` is MSH-9.2, `structure` MSH-9.3.
fn header(cover: &Cover, code: &str, trigger: &str, structure: &str) -> Segment {
    let (charset, scheme) = match cover.charset {
        Charset::Ascii => ("", ""),
        Charset::Utf8 => ("UNICODE UTF-8", ""),
        Charset::Latin1 => ("8859/1", ""),
        Charset::Iso2022Jp => ("~ISO IR87", "ISO 2022-1994"),
        Charset::ShiftJis => ("CP932", ""),
        Charset::Kana => ("~ISO IR13~ISO IR87", "ISO 2022-1994"),
        Charset::EucJp => ("EUC-JP", ""),
        Charset::Latin(part) => (latin(part), ""),
    };
    let country = match cover.country {
        Country::Ca => "CAN",
        Country::Jp => "JPN",
    };
    // MSH-1 is the separator itself: field n stands at n - 1.
    Segment::new("MSH")
        .set(1, r"^~\&")
        .set(2, "WATARI")
        .set(3, escaped(&cover.sending_facility))
        .set(4, escaped(&cover.receiving_application))
        .set(5, escaped(&cover.receiving_facility))
        .set(6, fields::moment(cover))
        .set(8, format!("{code}^{trigger}^{structure}"))
        .set(9, escaped(&cover.control_id))
        .set(10, "P")
        .set(11, "2.5")
        .set(16, country)
        .set(17, charset)
        .set(19, scheme)
}

/// Notes, a segment each.
fn notes(texts: &[String]) -> Vec<Segment> {
    let lines = texts.iter().filter(|text| !text.trim().is_empty());
    lines
        .enumerate()
        .map(|(at, text)| Segment::new("NTE").set(1, (at + 1).to_string()).set(3, fields::escaped_lines(text)))
        .collect()
}

fn finish(cover: &Cover, kind: &'static str, segments: &[Segment]) -> Written {
    let text: String = segments.iter().map(|segment| segment.text() + "\r").collect();
    let (bytes, replaced) = characters::encode(&text, cover.charset);
    Written { kind, bytes, replaced }
}
