//! CSV: one record per row, by a mapping file that uses the same rows as HL7 v2 with column names as sources.

mod read;

use serde::Deserialize;
use serde_json::json;

use super::build::{self, Order};
use super::datatypes::text::clean;
use super::hl7v2::message::{Message, Segment};
use super::rows::file::{MessageRow, Repeated, ResourceRow, Row, RowsFile, SegmentRows, TableRow};
use super::rows::origin::Origin;
use super::rows::reference::{FieldRef, FieldRefs};
use super::rows::{MappingError, Rules};
use super::{Mappings, Refused, RefusedCode, Setting, Translated};
use crate::config::Country;

/// The segment name that a row of a table goes by.
const ROW: &str = "ROW";
/// A file with more columns is refused.
const MAX_COLUMNS: usize = 1000;
/// A line longer than this is refused.
const MAX_CELL: usize = 1 << 20;

/// A compiled CSV mapping.
#[derive(Debug, Clone)]
pub struct CsvMapping {
    file: CsvFile,
    base: Mappings,
}

/// The shape of a CSV mapping file.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvFile {
    /// What a row is, e.g. `patients`; the record's kind is `CSV^patients`.
    pub name: String,
    /// `utf-8` (a byte order mark is fine) or `cp932`.
    #[serde(default)]
    pub encoding: CsvEncoding,
    /// One character.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// The rows speak for the patient's demographics.
    #[serde(default)]
    pub demographics: bool,
    /// Columns without which a row is refused.
    #[serde(default)]
    pub required: Vec<String>,
    /// When the record was true: the first of these columns that has a time.
    #[serde(default)]
    pub event_time: Vec<String>,
    /// What a row becomes; the first must be the Patient. Identity is written as column names.
    pub resource: Vec<CsvResource>,
    /// Code tables of this file.
    #[serde(default)]
    pub table: Vec<TableRow>,
}

/// A resource made of a row.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvResource {
    /// Name used by links.
    pub name: String,
    /// Resource type.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Columns that tell this thing from others of its patient.
    #[serde(default)]
    pub identity: Vec<String>,
    /// Column to element.
    pub rows: Vec<Row>,
    /// Elements that always hold this.
    #[serde(default)]
    pub fixed: serde_json::Map<String, serde_json::Value>,
    /// Elements that hold this when no column filled them.
    #[serde(default)]
    pub default: Vec<super::rows::file::DefaultRow>,
    /// References to other resources of the row.
    #[serde(default)]
    pub link: Vec<super::rows::file::LinkRow>,
    /// Where it is written.
    #[serde(skip)]
    pub origin: Origin,
}

/// Encoding of a CSV file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CsvEncoding {
    /// UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// CP932, the Shift_JIS of Windows.
    Cp932,
}

fn comma() -> char {
    ','
}

impl CsvMapping {
    /// Reads a mapping file; `name` is what an error calls it.
    pub fn load(text: &str, name: &str) -> Result<Self, MappingError> {
        let (mapping, errors) = Self::read(text, name)?;
        MappingError::none_of(errors)?;
        mapping.ok_or_else(|| MappingError::nothing(name))
    }

    /// [`CsvMapping::load`] of what can be used, and all that is wrong.
    pub(crate) fn read(text: &str, name: &str) -> Result<(Option<Self>, Vec<MappingError>), MappingError> {
        let base = Mappings::builtin()?.with_file(name);
        let (file, mut errors) = read::read(name, text, base.last_file());
        let mapping = file.map(|file| Self { file, base });
        // Compiled once here against made-up columns, so that an unknown table or link is an error now and not per row.
        if let Some(mapping) = mapping.as_ref().filter(|_| errors.is_empty()) {
            let columns = mapping.columns();
            errors.extend(mapping.rules(&columns, Country::Ca, name).err());
        }
        Ok((mapping, errors))
    }

    /// What a row becomes.
    pub(crate) fn resources(&self) -> &[CsvResource] {
        &self.file.resource
    }

    /// This mapping, and the notes of what its rows do.
    pub fn traced(self) -> (Self, std::sync::Arc<super::trace::Trace>) {
        let (base, trace) = super::explain::traced(self.base);
        (Self { base, ..self }, trace)
    }

    /// The rows that these are laid over.
    pub fn base(&self) -> &Mappings {
        &self.base
    }

    fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> =
            self.file.resource.iter().flat_map(|r| &r.rows).filter_map(|row| row.column.clone()).collect();
        columns.sort();
        columns.dedup();
        columns
    }

    /// The rows as rows of a segment `ROW` whose fields are the columns as the file has them.
    fn rules(&self, columns: &[String], country: Country, name: &str) -> Result<(Rules, MessageRow), MappingError> {
        let number = |column: &str| columns.iter().position(|known| known == column).map(|at| at + 1);
        let reference = |column: &String| {
            let field = number(column).unwrap_or(columns.len() + 1);
            FieldRefs(vec![FieldRef { segment: ROW.to_owned(), field, component: Some(1), sub: None, all: false }])
        };
        let mut rows = RowsFile { table: self.file.table.clone(), ..RowsFile::default() };
        for resource in &self.file.resource {
            let at_columns = |row: &Row| {
                let field = number(row.column.as_deref().unwrap_or(""))?;
                // Columns take the place of the fields that units and conditions are written with.
                let unit = row.unit_column.as_ref().map(reference);
                Some(Row { field: u16::try_from(field).ok()?, unit: unit.or_else(|| row.unit.clone()), ..row.clone() })
            };
            rows.segment.push(SegmentRows {
                name: ROW.to_owned(),
                to: resource.resource_type.clone(),
                read_by: Vec::new(),
                rows: resource.rows.iter().filter_map(at_columns).collect(),
                origin: resource.origin,
            });
            rows.resource.push(ResourceRow {
                always: Vec::new(),
                clear: Vec::new(),
                name: resource.name.clone(),
                resource_type: resource.resource_type.clone(),
                per: vec![ROW.to_owned()],
                when: Vec::new(),
                identity: resource.identity.iter().map(reference).collect(),
                tell: Vec::new(),
                identity_required: false,
                repeated: Repeated::default(),
                mentioned: false,
                // An empty cell is one that was not sent.
                keep: matches!(resource.resource_type.as_str(), "Patient" | "Encounter" | "AllergyIntolerance"),
                unite: Vec::new(),
                messages: Vec::new(),
                from: vec![ROW.to_owned()],
                fixed: resource.fixed.clone(),
                default: resource.default.clone(),
                link: resource.link.clone(),
                origin: resource.origin,
            });
        }
        let message = MessageRow {
            events: vec![self.kind()],
            demographics: self.file.demographics,
            event_time: FieldRefs(self.file.event_time.iter().flat_map(|column| reference(column).0).collect()),
            group: Vec::new(),
            resources: self.file.resource.iter().map(|resource| resource.name.clone()).collect(),
            origin: Origin::default(),
        };
        rows.message.push(message.clone());
        Ok((self.base.rules(country).clone().with(name, &rows)?, message))
    }

    fn kind(&self) -> String {
        format!("CSV^{}", self.file.name)
    }
}

/// A row and what became of it.
#[derive(Debug)]
pub struct CsvRow {
    /// The line it begins on.
    pub line: u64,
    /// The header and the row as they stand in the file: a file of its own that the same mapping reads. The whole file,
    /// where no row can be told apart.
    pub raw: Vec<u8>,
    /// The record, or why there is none.
    pub result: Result<Translated, Refused>,
}

/// Translates every row.
pub fn translate(mapping: &CsvMapping, setting: &Setting, bytes: &[u8]) -> Vec<CsvRow> {
    let kind = mapping.kind();
    let encoding = mapping.file.encoding;
    let refused =
        |refused: Refused| vec![CsvRow { line: 1, raw: bytes.to_vec(), result: Err(refused.of(&kind, None)) }];
    let text = match decode(bytes, encoding) {
        Ok(text) => text,
        Err(reason) => return refused(reason),
    };
    let mut reader = mapping.reader(&text);
    let columns: Vec<String> = match reader.headers() {
        Ok(headers) => headers.iter().map(|name| name.trim().to_owned()).collect(),
        Err(_) => return refused(Refused::new(RefusedCode::Unreadable, "the first line is no list of column names")),
    };
    if let Some(reason) = missing_column(mapping, &columns) {
        return refused(Refused::new(RefusedCode::Invalid, reason));
    }
    let (rules, message) = match mapping.rules(&columns, setting.country, &mapping.file.name) {
        Ok(compiled) => compiled,
        Err(error) => return refused(Refused::new(RefusedCode::Invalid, error.to_string())),
    };
    let header = text.get(..byte(&reader)).unwrap_or("");
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let start = byte(&reader);
        let line = reader.position().line();
        let read = reader.read_record(&mut record);
        let raw = || encode(&format!("{header}{}", text.get(start..byte(&reader)).unwrap_or("")), encoding);
        let result = match read {
            Ok(false) => return rows,
            Ok(true) => one_row(mapping, &rules, &message, setting, &columns, &record),
            Err(_) => Err(Refused::new(RefusedCode::Unreadable, "the row is no CSV: check quotes and line breaks")),
        };
        let line = record.position().map_or(line, csv::Position::line);
        rows.push(CsvRow { line, raw: raw(), result: result.map_err(|refused| refused.of(&kind, None)) });
    }
}

/// Where the reader stands in its text.
fn byte(reader: &csv::Reader<&[u8]>) -> usize {
    usize::try_from(reader.position().byte()).unwrap_or(usize::MAX)
}

impl CsvMapping {
    fn reader<'a>(&self, text: &'a str) -> csv::Reader<&'a [u8]> {
        let delimiter = u8::try_from(self.file.delimiter).unwrap_or(b',');
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes())
    }

    /// How many columns of the file this mapping knows, if it has every required one; for choosing among mappings.
    pub fn fits(&self, bytes: &[u8]) -> Option<usize> {
        let text = decode(bytes, self.file.encoding).ok()?;
        let mut reader = self.reader(&text);
        let columns: Vec<String> = reader.headers().ok()?.iter().map(|name| name.trim().to_owned()).collect();
        if missing_column(self, &columns).is_some() {
            return None;
        }
        let known = self.columns();
        Some(columns.iter().filter(|column| known.contains(column)).count())
    }
}

/// Text back in the file's encoding. What was decoded from it encodes into it.
fn encode(text: &str, encoding: CsvEncoding) -> Vec<u8> {
    match encoding {
        CsvEncoding::Utf8 => text.as_bytes().to_vec(),
        CsvEncoding::Cp932 => encoding_rs::SHIFT_JIS.encode(text).0.into_owned(),
    }
}

fn decode(bytes: &[u8], encoding: CsvEncoding) -> Result<String, Refused> {
    let wrong = |name: &str| {
        Refused::new(
            RefusedCode::Encoding,
            format!(
                "the file is not {name}; name its encoding in the mapping file (encoding = \"utf-8\" or \"cp932\")"
            ),
        )
    };
    match encoding {
        CsvEncoding::Utf8 => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| wrong("UTF-8"))
        }
        CsvEncoding::Cp932 => encoding_rs::SHIFT_JIS
            .decode_without_bom_handling_and_without_replacement(bytes)
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| wrong("CP932")),
    }
}

fn missing_column(mapping: &CsvMapping, columns: &[String]) -> Option<String> {
    if columns.len() > MAX_COLUMNS {
        return Some(format!("the file has more than {MAX_COLUMNS} columns"));
    }
    let twice = columns.iter().enumerate().find(|(at, name)| columns[..*at].contains(name));
    if let Some((_, name)) = twice {
        return Some(format!("the column {name:?} is there twice"));
    }
    let missing = mapping.file.required.iter().find(|name| !columns.contains(name))?;
    Some(format!("the file has no column {missing:?}, which the mapping requires"))
}

fn one_row(
    mapping: &CsvMapping,
    rules: &Rules,
    row: &MessageRow,
    setting: &Setting,
    columns: &[String],
    record: &csv::StringRecord,
) -> Result<Translated, Refused> {
    if record.len() > columns.len() {
        return Err(Refused::new(
            RefusedCode::Invalid,
            format!("the row has {} cells, the header {}", record.len(), columns.len()),
        ));
    }
    if record.iter().any(|cell| cell.len() > MAX_CELL) {
        return Err(Refused::new(RefusedCode::TooLarge, "a cell is longer than a megabyte"));
    }
    let cell = |name: &String| columns.iter().position(|known| known == name).and_then(|at| clean(record.get(at)?));
    if let Some(name) = mapping.file.required.iter().find(|name| cell(name).is_none()) {
        let reason = format!("the column {name:?} is empty, and the mapping requires it");
        return Err(Refused::new(RefusedCode::Invalid, reason).at(name));
    }
    let fields =
        record.iter().map(|cell| if cell.trim().is_empty() { Vec::new() } else { vec![vec![vec![cell.to_owned()]]] });
    let message = Message { segments: vec![Segment { name: ROW.to_owned(), fields: fields.collect() }] };
    let original = json!(record.iter().collect::<Vec<_>>()).to_string();
    let kind = mapping.kind();
    let order = Order {
        rules,
        setting,
        message: &message,
        row,
        original: original.as_bytes(),
        kind: &kind,
        history: None,
        column: &|field| columns.get(field - 1).map(|name| format!("column {name}")),
        trace: mapping.base.trace(),
        fallback_time: None,
    };
    let built = build::build(&order)?;
    Ok(Translated {
        kind,
        control_id: None,
        event_time: built.event_time,
        bundle: built.bundle,
        amendments: built.amendments,
        losses: built.losses,
        warnings: built.warnings,
    })
}
