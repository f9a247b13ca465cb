//! The shape of a file of mapping rows. `schemas/mapping-rows.schema.json` is made from it; a test compares them.

use std::collections::BTreeMap;

use crate::fhir::tree::{Map, Text, Value};
use serde::Deserialize;

use super::origin::Origin;
use super::path::Path;
use super::profile::ProfileRow;
use super::reference::{Condition, FieldRefs};
use crate::translate::datatypes::Kind;

/// A file of mapping rows.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RowsFile {
    /// `jahis` rows count in Japan, `ca` rows in Canada, others everywhere.
    pub overlay: Option<Overlay>,
    /// Which messages are translated, how their segments group, and what they become.
    pub message: Vec<MessageRow>,
    /// The resources that messages name.
    pub resource: Vec<ResourceRow>,
    /// Which fields of a segment go where in a resource type.
    pub segment: Vec<SegmentRows>,
    /// Code tables.
    pub table: Vec<TableRow>,
    /// What code systems call their codes.
    pub display: Vec<DisplayRow>,
    /// Coding system names (component 3 of CWE) and the system addresses they mean.
    pub system: Vec<SystemRow>,
    /// Identifier systems by type and issuer.
    pub identifier: Vec<IdentifierRow>,
    /// Profiles that resources state.
    pub profile: Vec<ProfileRow>,
    /// SS-MIX2 data types and their messages.
    pub storage: Vec<StorageRow>,
    /// What the elements of C-CDA documents become.
    pub statement: Vec<crate::translate::ccda::rows::StatementRow>,
}

/// Where a file of rows counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overlay {
    /// Japan.
    Jahis,
    /// Canada.
    Ca,
}

/// A message.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageRow {
    /// MSH-9, e.g. `ADT^A01`.
    pub events: Vec<String>,
    /// The message speaks for the patient's demographics: the Patient is written, not only made when missing.
    #[serde(default)]
    pub demographics: bool,
    /// When the event happened: the first of these fields that has a time.
    #[serde(default)]
    pub event_time: FieldRefs,
    /// Groups of segments that repeat together.
    #[serde(default)]
    pub group: Vec<GroupRow>,
    /// Names of `[[resource]]` rows, in the order they stand in the bundle. The first must be the Patient.
    pub resources: Vec<String>,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// A group of segments.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupRow {
    /// Name.
    pub name: String,
    /// The group it stands in; absent: the message.
    #[serde(default)]
    pub within: Option<String>,
    /// Segments that begin it. A segment that the open group has already, or that stands before one it has, begins
    /// the next.
    pub starts: Vec<String>,
    /// What begins it may come several times in a row, and the segments behind serve them all.
    #[serde(default)]
    pub run: bool,
    /// Segments that belong to it wherever they come.
    #[serde(default)]
    pub members: Vec<String>,
}

/// A resource to make.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceRow {
    /// Name used by messages and links.
    pub name: String,
    /// Resource type.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// One for each of these groups, or for each segment of these names.
    pub per: Vec<String>,
    /// Only if all hold.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// What tells this thing from others of its type and patient: the same values give the same resource.
    #[serde(default)]
    pub identity: Vec<FieldRefs>,
    /// What also tells apart those of one message that have the same identity.
    #[serde(default)]
    pub tell: Vec<FieldRefs>,
    /// Make nothing if the first part of the identity is empty.
    #[serde(default)]
    pub identity_required: bool,
    /// What two of one message with the same identity are.
    #[serde(default)]
    pub repeated: Repeated,
    /// The message only mentions it: it is made where it is missing, and otherwise left as it is.
    #[serde(default)]
    pub mentioned: bool,
    /// What the message does not send stays as it is recorded; only the explicit null deletes.
    #[serde(default)]
    pub keep: bool,
    /// Lists that keep what is recorded beside what the message sends.
    #[serde(default)]
    pub unite: Vec<String>,
    /// Messages that make it beside those that name it: for a hospital's own segments.
    #[serde(default)]
    pub messages: Vec<String>,
    /// Segments whose rows are applied, in order; an element once filled stays.
    pub from: Vec<String>,
    /// Elements that always hold this.
    #[serde(default)]
    pub fixed: Map,
    /// Elements that hold this, whatever rows say, where the conditions hold.
    #[serde(default)]
    pub always: Vec<DefaultRow>,
    /// Elements that the message takes out of the record where the conditions hold.
    #[serde(default)]
    pub clear: Vec<ClearRow>,
    /// Elements that hold this when no row filled them.
    #[serde(default)]
    pub default: Vec<DefaultRow>,
    /// References to other resources of the message.
    #[serde(default)]
    pub link: Vec<LinkRow>,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// What two things of one message with the same identity are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Repeated {
    /// Two things.
    #[default]
    Numbered,
    /// One thing, and the first tells all about it.
    First,
    /// One thing, and the last counts.
    Last,
    /// One result: lines of a text are joined, anything else is refused.
    Joined,
}

/// An element's value when no row filled it.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefaultRow {
    /// The element.
    pub path: Path,
    /// Its value.
    pub value: Value,
    /// Only if this element is there.
    #[serde(default)]
    pub with: Option<Path>,
    /// Only if all hold.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// Only where none is recorded: it says nothing that could replace one.
    #[serde(default)]
    pub weak: bool,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// An element that the message takes out of the record.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearRow {
    /// The element, without list positions.
    pub element: String,
    /// Only if all hold.
    #[serde(default)]
    pub when: Vec<Condition>,
}

/// A reference to another resource of the message.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkRow {
    /// The element.
    pub path: Path,
    /// Names of `[[resource]]` rows, or the beginning of names and `*`; the nearest in the groups are taken.
    pub to: Vec<String>,
    /// Not the nearest, but those whose fields are the same as fields here: theirs first, then ours.
    #[serde(default)]
    pub same: Vec<(FieldRefs, FieldRefs)>,
    /// Only if all hold.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// Set beside the reference, in the list element that holds it.
    #[serde(default)]
    pub with: Option<Value>,
    /// Rows for the list element that holds the reference, over the segment that the other resource is made from.
    #[serde(default)]
    pub rows: Vec<Row>,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// Rows of one segment for one resource type.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentRows {
    /// Segment, or `ROW` for CSV.
    pub name: String,
    /// Resource type.
    pub to: String,
    /// Names of `[[resource]]` rows that are filled from the segment beside those that name it: for a hospital's own
    /// segments.
    #[serde(default)]
    pub read_by: Vec<String>,
    /// Field by field.
    pub rows: Vec<Row>,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// A row: one field and the element it goes to.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Field number.
    #[serde(default)]
    pub field: u16,
    /// One component of it only.
    #[serde(default)]
    pub component: Option<u16>,
    /// CSV: the column.
    #[serde(default)]
    pub column: Option<String>,
    /// The element. Empty for fields that only steer the translation.
    #[serde(default)]
    pub path: Path,
    /// How the value is read and written.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The table its code is looked up in.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub table: Option<toml::Spanned<String>>,
    /// Of a repeating field, only the first repetition or only the others.
    #[serde(default)]
    pub repetition: Option<Repetitions>,
    /// Coding system of a code that names none, as a message would name it: `HL70487`.
    #[serde(default)]
    pub system: Option<String>,
    /// Coding system names that mean another list in this field, and the name of that list.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// Of a coded value with alternates, only the first (1) or second (2) coding.
    #[serde(default)]
    pub triplet: Option<u8>,
    /// Field with the unit of a quantity.
    #[serde(default)]
    pub unit: Option<FieldRefs>,
    /// CSV: the column with the unit of a quantity.
    #[serde(default)]
    pub unit_column: Option<String>,
    /// Only if all hold.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// Set beside the value, in the list element that holds it.
    #[serde(default)]
    pub with: Option<Value>,
    /// Set in the outermost list element on the way to the value.
    #[serde(default)]
    pub around: Option<Value>,
    /// Constant for `type = "fixed"`; identifier system for `type = "Identifier"`; usual use for `type = "XTN"`; the
    /// v2 type of a `Location` or `Organization`.
    #[serde(default)]
    pub value: Option<Value>,
    /// Why the field is left out, for `type = "skip"`; what it steers, for `type = "steer"`.
    #[serde(default)]
    pub reason: Option<String>,
    /// What the loss report calls the element; set as the rows are compiled.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) account: Text,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// Which repetitions of a field a row takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Repetitions {
    /// The first.
    First,
    /// All but the first.
    Others,
}

/// A code table.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableRow {
    /// HL7 table number or another name.
    pub name: String,
    /// System of the codes it gives, where they become Codings.
    #[serde(default)]
    pub system: Option<Text>,
    /// Source code to FHIR code.
    pub codes: BTreeMap<String, Text>,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// What a code system calls its codes, for codes that a source sends without a name.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DisplayRow {
    /// Address of the system.
    pub system: String,
    /// Code and name.
    pub codes: BTreeMap<String, Text>,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// A coding system name.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemRow {
    /// Name in the message; compared without case. `JHSD*` is every name that begins so.
    pub names: Vec<String>,
    /// Address of the system; `{name}` stands for the name in the message.
    pub url: Text,
    /// Only codes of this many characters.
    #[serde(default)]
    pub length: Option<usize>,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// An identifier system.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentifierRow {
    /// CX.5, e.g. `JHN`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Issuer: jurisdiction, province or authority; absent: any.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Address of the system.
    pub system: String,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// An SS-MIX2 data type.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageRow {
    /// Data type, e.g. `ADT-00`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Messages it may hold.
    pub messages: Vec<String>,
    /// It is the storage's word on the patient's demographics; other data types only mention the patient.
    #[serde(default)]
    pub demographics: bool,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::csv::CsvFile;

    /// The schema files are what editors check a hospital's rows against; `UPDATE_FIXTURES=1` writes them.
    #[test]
    fn the_schemas_are_those_of_the_code() {
        for (name, schema) in
            [("mapping-rows", schemars::schema_for!(RowsFile)), ("csv-mapping", schemars::schema_for!(CsvFile))]
        {
            let path = format!("{}/schemas/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
            let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            if std::env::var_os("UPDATE_FIXTURES").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            assert!(
                std::fs::read_to_string(&path).unwrap() == text,
                "{path} is not what the code says; UPDATE_FIXTURES=1 writes it"
            );
        }
    }
}
