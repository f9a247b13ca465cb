//! Source document + mapping rows → FHIR R4 transaction bundle + losses. No I/O, no clock, no store.
//!
//! Four layers, as in the HL7 v2-to-FHIR guide: messages, segments and tables are rows ([`rows`], data a hospital can
//! edit), data types are code ([`datatypes`]). [`build`] applies them; [`hl7v2`], [`ssmix2`], [`csv`] and [`ccda`] are the
//! doors. What a source field became, or why it became nothing, is in [`losses`]; [`check`] and [`explain`] are for those
//! who write rows.

pub mod ccda;
pub mod check;
pub mod csv;
pub mod explain;
pub mod hl7v2;
pub mod losses;
pub mod ssmix2;
pub mod trace;

mod amendment;
mod build;
mod datatypes;
mod provenance;
mod rows;
mod setting;
mod sniff;

use crate::fhir::tree::Value;

pub use amendment::{Amendment, Cleared};
pub use rows::file::RowsFile;
pub use rows::{MappingError, Mappings, Origin};
pub use setting::Setting;

/// A record in FHIR.
#[derive(Debug, Clone)]
pub struct Translated {
    /// What it was: `ADT^A01`, `CSV^patients`.
    pub kind: String,
    /// The sender's id of the message (MSH-10).
    pub control_id: Option<String>,
    /// When it happened at the source, as far as the message tells; of two versions of a record the later one counts.
    pub event_time: Option<jiff::Timestamp>,
    /// A `transaction` Bundle.
    pub bundle: Value,
    /// What entries leave as it is recorded.
    pub amendments: Vec<Amendment>,
    /// What became of every source field.
    pub losses: losses::LossReport,
    /// What a person should know, without patient data.
    pub warnings: Vec<String>,
}

/// A record that could not be translated. Holds no patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What it was, or `?` if that cannot be read.
    pub kind: String,
    /// The sender's id of the message (MSH-10).
    pub control_id: Option<String>,
    /// What is wrong, where, and what to do.
    pub reason: String,
    /// The field to blame, e.g. `PID-3`.
    pub place: Option<String>,
    /// The sort of refusal.
    pub code: RefusedCode,
}

/// Sorts of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedCode {
    /// Not the format it is said to be.
    Unreadable,
    /// Bytes that are not valid in their character set.
    Encoding,
    /// Cut off.
    Truncated,
    /// Beyond the limits on segments and components.
    TooLarge,
    /// A message or data type that this release does not translate.
    UnsupportedType,
    /// No patient identifier: nobody to file it under.
    MissingPatient,
    /// A required field is missing or has no usable value.
    Invalid,
    /// An SS-MIX2 file that is not where its name or content says.
    WrongFolder,
    /// An SS-MIX2 file whose message is not of its data type.
    WrongMessage,
    /// A version the source itself has replaced or invalidated.
    Superseded,
}

impl Refused {
    pub(crate) fn new(code: RefusedCode, reason: impl Into<String>) -> Self {
        Self { kind: "?".to_owned(), control_id: None, reason: reason.into(), place: None, code }
    }

    pub(crate) fn at(mut self, place: &str) -> Self {
        self.place = Some(place.to_owned());
        self
    }

    pub(crate) fn of(mut self, kind: &str, control_id: Option<&str>) -> Self {
        self.kind = kind.to_owned();
        self.control_id = control_id.map(str::to_owned);
        self
    }
}
