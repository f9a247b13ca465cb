//! Data types: the one layer that is code. Each file turns one family of HL7 v2 types into FHIR types and books every
//! part it reads.

pub(crate) mod address;
pub(crate) mod attachment;
pub(crate) mod coded;
pub(crate) mod identifier;
pub(crate) mod name;
pub(crate) mod number;
pub(crate) mod observation;
pub(crate) mod organization;
pub(crate) mod party;
pub(crate) mod place;
pub(crate) mod prescription;
pub(crate) mod quantity;
pub(crate) mod role;
pub(crate) mod telecom;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod usage;

use crate::fhir::tree::Value;
use serde::{Deserialize, Serialize};

use crate::translate::build::{Context, Piece};
use crate::translate::hl7v2::few::Few;
use crate::translate::rows::file::Row;
use crate::translate::rows::path::Path;
use crate::translate::rows::reference::FieldRefs;

/// How a row reads its field and what it writes. HL7's types keep HL7's spelling.
#[allow(clippy::upper_case_acronyms)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
pub enum Kind {
    /// CX → Identifier, its system by issuer and type.
    CX,
    /// EI, or a plain number → Identifier of the institution (`value` names it, or is a system address).
    Identifier,
    /// A DICOM UID, bare or as HD → Identifier.
    DicomUid,
    /// JAHIS ORC-4 → Identifier: the number of the Rp, the medicines taken together.
    RpNumber,
    /// JAHIS ORC-4 → Identifier: the place of a medicine in its Rp.
    OrderInRp,
    /// XPN → HumanName.
    XPN,
    /// XAD → Address.
    XAD,
    /// XTN → ContactPoint.
    XTN,
    /// CE, CWE, IS, ID → CodeableConcept; with a table, the table's coding first.
    CodeableConcept,
    /// CE, CWE, IS, ID → CodeableConcept with a required binding: only what the table knows.
    BoundConcept,
    /// CE, CWE, IS, ID → Coding; with a table, the table's coding, else the source's.
    Coding,
    /// A code of a table.
    #[serde(rename = "code")]
    Code,
    /// TS, DT → date.
    #[serde(rename = "date")]
    Date,
    /// PID-7 → birthDate, and the time of birth as its extension.
    #[serde(rename = "birthDate")]
    BirthDate,
    /// TS, DT → dateTime.
    #[serde(rename = "dateTime")]
    DateTime,
    /// TS → instant.
    #[serde(rename = "instant")]
    Instant,
    /// DR → Period.
    Period,
    /// ST, TX, FT → string, whole.
    #[serde(rename = "string")]
    Text,
    /// A coded value as its words → string: its text, else its code.
    #[serde(rename = "display")]
    Display,
    /// `Y` or `N` of table 0136 → boolean.
    #[serde(rename = "boolean")]
    Boolean,
    /// NM → positiveInt.
    #[serde(rename = "positiveInt")]
    PositiveInt,
    /// NM → decimal.
    #[serde(rename = "decimal")]
    Decimal,
    /// CP, MO → Money.
    Money,
    /// NM and a unit field → Quantity.
    Quantity,
    /// CQ, with quantity and unit in one field → Quantity.
    CQ,
    /// CQ → Duration: UCUM units of time only.
    Duration,
    /// TQ1-6 → Duration, or the days of use where TQ1-3 leaves days out.
    UsageDuration,
    /// TQ1-3 → boolean: true where it says "when needed".
    AsNeeded,
    /// A language → CodeableConcept with the code of BCP 47 that the table has.
    Language,
    /// XCN → Reference(Practitioner), and the Practitioner; `value` names the fields with `telecom` and `address`.
    Practitioner,
    /// XCN, NDL → Reference(PractitionerRole), and the role: `value` has its `code`, and `location` or `form = "NDL"`.
    PractitionerRole,
    /// PL (`value`: HD, DLD) → Reference(Location), and a Location for each level of it.
    Location,
    /// XON (`value`: HD, CWE) → Reference(Organization), and the Organization; `{ form = "HD", country = "MSH-17" }` names
    /// the fields that tell more of it.
    Organization,
    /// DLN → Identifier.
    DLN,
    /// PLN → Identifier.
    PLN,
    /// CWE → Identifier.
    CodedIdentifier,
    /// HD → uri, within the institution's namespace where it has none.
    #[serde(rename = "uri")]
    Uri,
    /// OBX-7 → referenceRange.
    ReferenceRange,
    /// OBX-5 by OBX-2 → value[x], component or note.
    #[serde(rename = "varies")]
    Varies,
    /// A result as it is written in one cell, with its unit elsewhere → value[x], read as NM is.
    #[serde(rename = "result")]
    Result,
    /// OBX-5 by OBX-2 (ED, RP, text) → Attachment.
    Attachment,
    /// `value`, when the field holds something.
    #[serde(rename = "fixed")]
    Fixed,
    /// The field steers the translation and is in no element of its own.
    #[serde(rename = "steer")]
    Steer,
    /// The field is left out, for a reason.
    #[serde(rename = "skip")]
    Skip,
}

/// A value and where it goes, if not where the row says.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub path: Option<&'static str>,
    pub value: Value,
}

impl Kind {
    /// What is wrong with a row of this kind, if anything.
    pub(crate) fn check(self, row: &Row) -> Result<(), String> {
        if row.path.is_empty() != matches!(self, Self::Skip | Self::Steer) {
            return Err("every row needs a path, but for skip and steer".to_owned());
        }
        match self {
            Self::Code | Self::BoundConcept | Self::Language if row.table.is_none() => {
                Err("it needs a table".to_owned())
            }
            Self::Fixed | Self::PractitionerRole if row.value.is_none() => Err("it needs a value".to_owned()),
            Self::Skip | Self::Steer if row.reason.is_none() => Err("it needs a reason".to_owned()),
            _ if FIELDS_BESIDE.iter().any(|member| names_no_field(row, member)) => {
                Err("its value names a field that is none".to_owned())
            }
            Self::Quantity if row.unit.is_none() && row.unit_column.is_none() => {
                Err("it needs a unit field".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Members of a row's value that name other fields.
const FIELDS_BESIDE: [&str; 8] =
    ["address", "contact", "contact_address", "contact_telecom", "country", "location", "number", "telecom"];

fn names_no_field(row: &Row, member: &str) -> bool {
    let parties = matches!(row.kind, Kind::Practitioner | Kind::PractitionerRole | Kind::Organization);
    let field = row.value.as_ref().filter(|_| parties).and_then(|value| value.get(member));
    field.is_some_and(|field| field.as_str().is_none_or(|text| text.parse::<FieldRefs>().is_err()))
}

/// Reads the repetitions of a field by a row.
pub(crate) fn convert(row: &Row, context: &Context<'_>, pieces: &[Piece<'_>]) -> Few<Placed> {
    match row.kind {
        Kind::Practitioner => party::practitioners(row, context, pieces).into_iter().map(Placed::here).collect(),
        Kind::PractitionerRole => role::roles(row, context, pieces).into_iter().map(Placed::here).collect(),
        Kind::UsageDuration => usage::duration(context, pieces).into(),
        Kind::AsNeeded => usage::as_needed(context, pieces).into(),
        Kind::Varies => observation::values(context, pieces).into(),
        Kind::Result => observation::result(row, context, pieces).into(),
        Kind::XPN if row.path.grows() => {
            pieces.iter().flat_map(|piece| name::xpns(context, piece)).map(Placed::here).collect()
        }
        Kind::BirthDate => pieces.first().map_or(Few::None, |piece| time::birth_date(context, piece).into()),
        Kind::Text => text::strings(row, pieces).into_iter().map(Placed::here).collect(),
        _ => pieces.iter().filter_map(|piece| single(row, context, piece)).map(Placed::here).collect(),
    }
}

impl Placed {
    fn here(value: Value) -> Self {
        Self { path: None, value }
    }
}

fn single(row: &Row, context: &Context<'_>, piece: &Piece<'_>) -> Option<Value> {
    if piece.is_empty() {
        return None;
    }
    match row.kind {
        Kind::CX => identifier::cx(row, context, piece),
        Kind::Identifier => identifier::ei(row, context, piece),
        Kind::DicomUid => identifier::dicom_uid(piece),
        Kind::RpNumber => prescription::rp_number(piece),
        Kind::OrderInRp => prescription::order_in_rp(context, piece),
        Kind::Display => coded::display(piece),
        Kind::XPN => name::xpn(context, piece),
        Kind::XAD => address::xad(context, piece),
        Kind::XTN => telecom::xtn(row, context, piece),
        Kind::CodeableConcept => coded::concept(row, context, piece),
        Kind::Language => coded::language(row, context, piece),
        Kind::BoundConcept => coded::bound_concept(row, context, piece),
        Kind::Coding => coded::coding(row, context, piece),
        Kind::Code => coded::code(row, context, piece),
        Kind::Date => time::date(context, piece),
        Kind::DateTime => time::date_time(context, piece),
        Kind::Instant => time::instant(context, piece),
        Kind::Period => time::period(context, piece),
        Kind::Boolean => coded::boolean(piece),
        Kind::PositiveInt => number::positive_int(piece),
        Kind::Decimal => number::decimal(piece),
        Kind::Money => number::money(piece),
        Kind::Quantity => quantity::with_unit_field(row, context, piece),
        Kind::CQ => quantity::cq(context, piece),
        Kind::Duration => quantity::duration(context, piece),
        Kind::Location => place::location(row, context, piece),
        Kind::Organization => organization::organization(row, context, piece),
        Kind::DLN => identifier::licence(context, piece),
        Kind::PLN => identifier::provider_number(context, piece),
        Kind::CodedIdentifier => identifier::coded(context, piece),
        Kind::Uri => identifier::uri(row, context, piece),
        Kind::ReferenceRange => quantity::reference_range(context, piece),
        Kind::Attachment => attachment::of(context, piece),
        Kind::Fixed => {
            piece.book_all();
            row.value.clone()
        }
        Kind::Steer => {
            piece.book_all();
            None
        }
        Kind::Skip => {
            piece.drop_all(row.reason.as_deref().unwrap_or("left out by its row"));
            None
        }
        Kind::UsageDuration | Kind::AsNeeded => None,
        Kind::Practitioner | Kind::PractitionerRole | Kind::Varies | Kind::Result | Kind::BirthDate | Kind::Text => {
            None
        }
    }
}

/// Whether a path, of a row or of a value, takes more than one value.
pub(crate) fn path_of(text: &'static str) -> Option<Path> {
    text.parse().ok()
}
