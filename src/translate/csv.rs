//! Tables: one record per row, by a mapping file that uses the same rows as HL7 v2 with column names as sources. A CSV file
//! is read as a stream: memory holds one row of it.

mod encoding;
mod read;
mod records;

use std::io::{self, BufRead};

use crate::fhir::tree::json;
use serde::Deserialize;

use super::build::{self, Order};
use super::datatypes::text::clean;
use super::hl7v2::message::{Field, Message, Segment, single};
use super::rows::file::{MessageRow, Repeated, ResourceRow, Row, RowsFile, SegmentRows, TableRow};
use super::rows::origin::Origin;
use super::rows::reference::{FieldRef, FieldRefs};
use super::rows::{MappingError, Rules};
use super::{Mappings, Refused, RefusedCode, Setting, Translated};
use crate::config::Country;

pub use encoding::CsvEncoding;
use records::{Record, Records, Wrong};

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
    /// `utf-8`, `cp932`, `euc-jp`, `utf-16` or `latin-1`; a byte order mark in the file counts more.
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
    /// Where the rows come from, if not from a file: a query on a database extract.
    #[serde(default)]
    pub source: Option<SqlSource>,
    /// What a row becomes; the first must be the Patient. Identity is written as column names.
    pub resource: Vec<CsvResource>,
    /// Code tables of this file.
    #[serde(default)]
    pub table: Vec<TableRow>,
}

/// A query on a database extract.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlSource {
    /// One statement that only reads; its column names are those of the rows.
    pub query: String,
    /// Most rows taken in by one run.
    #[serde(default = "hundred_thousand")]
    pub max_rows: u64,
    /// The query must be done within so many seconds.
    #[serde(default = "sixty")]
    pub seconds: u64,
}

fn hundred_thousand() -> u64 {
    100_000
}

fn sixty() -> u64 {
    60
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
    pub fixed: crate::fhir::tree::Map,
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

    /// The query this mapping reads from, if it does.
    pub fn source(&self) -> Option<&SqlSource> {
        self.file.source.as_ref()
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
    /// The header and the row as they stand in the file: a file of its own that the same mapping reads.
    pub raw: Vec<u8>,
    /// No row can be told apart: `raw` is the beginning of the file only, and nothing follows.
    pub is_whole: bool,
    /// The record, or why there is none.
    pub result: Result<Translated, Refused>,
}

/// Translates every row of a file that is held in memory. Where no row can be told apart, `raw` is all of it.
pub fn translate(mapping: &CsvMapping, setting: &Setting, bytes: &[u8]) -> Vec<CsvRow> {
    let mut rows = Rows::new(mapping, setting, bytes);
    // A slice does not fail to be read; bytes that are not in the encoding are a row like any other.
    let mut found = Vec::new();
    while let Ok(Some(mut row)) = rows.next() {
        if row.is_whole {
            row.raw = bytes.to_vec();
        }
        found.push(row);
    }
    found
}

/// Translates a file row by row.
pub struct Rows<'a> {
    mapping: &'a CsvMapping,
    setting: &'a Setting,
    stage: Stage<'a>,
}

enum Stage<'a> {
    Begin(Box<dyn BufRead + 'a>),
    Rows(Box<Reading<'a>>),
    Done,
}

/// A file whose header is read.
struct Reading<'a> {
    records: Records<'a>,
    encoding: CsvEncoding,
    delimiter: u8,
    /// Header, and what stands before it.
    head: Vec<u8>,
    table: Table,
}

impl<'a> Rows<'a> {
    /// Begins to read.
    pub fn new(mapping: &'a CsvMapping, setting: &'a Setting, reader: impl BufRead + 'a) -> Self {
        Self { mapping, setting, stage: Stage::Begin(Box::new(reader)) }
    }

    /// The next row; `None` at the end. An error is that of the reader.
    #[expect(clippy::should_implement_trait, reason = "it can fail to be read")]
    pub fn next(&mut self) -> io::Result<Option<CsvRow>> {
        if let Stage::Begin(reader) = &mut self.stage {
            let reader = std::mem::replace(reader, Box::new(io::empty()));
            match self.begin(reader)? {
                Ok(reading) => self.stage = Stage::Rows(Box::new(reading)),
                Err((raw, refused)) => {
                    self.stage = Stage::Done;
                    let result = Err(refused.of(&self.mapping.kind(), None));
                    return Ok(Some(CsvRow { line: 1, raw, is_whole: true, result }));
                }
            }
        }
        let Stage::Rows(reading) = &mut self.stage else { return Ok(None) };
        let record = match reading.records.next() {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(None),
            // Only UTF-16 is decoded as a stream, and where it breaks, the rest cannot be told apart.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let raw = std::mem::take(&mut reading.head);
                self.stage = Stage::Done;
                let refused = wrong_encoding(CsvEncoding::Utf16).of(&self.mapping.kind(), None);
                return Ok(Some(CsvRow { line: 1, raw, is_whole: true, result: Err(refused) }));
            }
            Err(error) => return Err(error),
        };
        let result = reading.row(self.mapping, self.setting, &record);
        let result = result.map_err(|refused| refused.of(&self.mapping.kind(), None));
        let raw = reading.raw(&record);
        Ok(Some(CsvRow { line: record.line, raw, is_whole: false, result }))
    }

    /// Reads the header.
    fn begin(&self, reader: Box<dyn BufRead + 'a>) -> io::Result<Result<Reading<'a>, (Vec<u8>, Refused)>> {
        let mapping = self.mapping;
        let header = match Header::read(mapping, reader)? {
            Ok(header) => header,
            Err(refused) => return Ok(Err(refused)),
        };
        let Header { records, encoding, delimiter, head, columns } = header;
        Ok(match mapping.table(self.setting, columns) {
            Ok(table) => Ok(Reading { records, encoding, delimiter, head, table }),
            Err(refused) => Err((head, refused)),
        })
    }
}

/// The first lines of a file.
struct Header<'a> {
    records: Records<'a>,
    encoding: CsvEncoding,
    delimiter: u8,
    head: Vec<u8>,
    columns: Vec<String>,
}

impl<'a> Header<'a> {
    fn read(mapping: &CsvMapping, reader: impl BufRead + 'a) -> io::Result<Result<Self, (Vec<u8>, Refused)>> {
        let (reader, encoding, is_marked) = encoding::opened(reader, mapping.file.encoding)?;
        let mut delimiter = u8::try_from(mapping.file.delimiter).unwrap_or(b',');
        let mut records = Records::new(reader, encoding, delimiter);
        let no_names = || Refused::new(RefusedCode::Unreadable, "the first line is no list of column names");
        let next = |records: &mut Records<'a>| match records.next() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            other => other,
        };
        let Some(mut first) = next(&mut records)? else { return Ok(Err((Vec::new(), no_names()))) };
        // The mark stays with what is kept of a row, or the mapping would read it in another encoding.
        let mut head = if is_marked { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        // Excel's own word on the delimiter.
        if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', sign, rest @ ..] = &first.bytes[..]
            && rest.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
        {
            delimiter = *sign;
            *records.delimiter() = delimiter;
            head.append(&mut first.bytes);
            match next(&mut records)? {
                Some(record) => first = record,
                None => return Ok(Err((head, no_names()))),
            }
        }
        head.extend_from_slice(&first.bytes);
        if first.wrong.is_some() {
            return Ok(Err((head, no_names())));
        }
        let Some(text) = encoding.decode(&first.bytes) else { return Ok(Err((head, wrong_encoding(encoding)))) };
        if text.contains('\0') {
            return Ok(Err((head, no_names())));
        }
        let columns = records::cells(&text, delimiter).iter().map(|name| name.trim().to_owned()).collect();
        Ok(Ok(Self { records, encoding, delimiter, head, columns }))
    }
}

impl Reading<'_> {
    fn row(&self, mapping: &CsvMapping, setting: &Setting, record: &Record) -> Result<Translated, Refused> {
        match record.wrong {
            Some(Wrong::Quote) => {
                let reason = "a quote on this line has no other; the line is set aside and reading goes on behind it";
                return Err(Refused::new(RefusedCode::Unreadable, reason));
            }
            Some(Wrong::TooLong) => {
                let reason = "the row is longer than four megabytes; its beginning is kept here";
                return Err(Refused::new(RefusedCode::TooLarge, reason));
            }
            None => {}
        }
        let text = self.encoding.decode(&record.bytes).ok_or_else(|| wrong_encoding(self.encoding))?;
        let cells = records::cells(&text, self.delimiter);
        let is_broken = text.trim_end_matches(['\r', '\n']).contains(['\r', '\n']);
        if is_broken && cells.len() < self.table.columns.len() {
            let reason = format!(
                "the row goes over several lines and has {} cells, the header {}: a quote seems to be missing",
                cells.len(),
                self.table.columns.len()
            );
            return Err(Refused::new(RefusedCode::Invalid, reason));
        }
        self.table.translate(mapping, setting, &cells)
    }

    /// The header and the record in the encoding of the file.
    fn raw(&self, record: &Record) -> Vec<u8> {
        let whole = [self.head.as_slice(), &record.bytes].concat();
        match (self.encoding, std::str::from_utf8(&whole)) {
            // With a mark, as it came: the same mapping must read it again.
            (CsvEncoding::Utf16, Ok(text)) => {
                [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
            }
            _ => whole,
        }
    }
}

impl CsvMapping {
    /// How many columns of a file this mapping knows, if it has every required one; for choosing among mappings. The first
    /// lines of the file are enough.
    pub fn fits(&self, head: &[u8]) -> Option<usize> {
        let header = Header::read(self, head).ok()?.ok()?;
        if missing_column(self, &header.columns).is_some() {
            return None;
        }
        let known = self.columns();
        Some(header.columns.iter().filter(|column| known.contains(column)).count())
    }

    /// Compiles the mapping for these columns.
    pub fn table(&self, setting: &Setting, columns: Vec<String>) -> Result<Table, Refused> {
        if let Some(reason) = missing_column(self, &columns) {
            return Err(Refused::new(RefusedCode::Invalid, reason));
        }
        let (rules, message) = self
            .rules(&columns, setting.country, &self.file.name)
            .map_err(|error| Refused::new(RefusedCode::Invalid, error.to_string()))?;
        Ok(Table { columns, rules, message })
    }
}

fn wrong_encoding(encoding: CsvEncoding) -> Refused {
    Refused::new(
        RefusedCode::Encoding,
        format!(
            "the bytes are not {}; name the file's encoding in the mapping file (encoding = \"utf-8\", \"cp932\", \
             \"euc-jp\", \"utf-16\" or \"latin-1\")",
            encoding.name()
        ),
    )
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

/// A mapping compiled for the columns of one source.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<String>,
    rules: Rules,
    message: MessageRow,
}

impl Table {
    /// Translates one row.
    pub fn translate(&self, mapping: &CsvMapping, setting: &Setting, cells: &[String]) -> Result<Translated, Refused> {
        let columns = &self.columns;
        if cells.len() > columns.len() {
            return Err(Refused::new(
                RefusedCode::Invalid,
                format!("the row has {} cells, the header {}", cells.len(), columns.len()),
            ));
        }
        if cells.iter().any(|cell| cell.len() > MAX_CELL) {
            return Err(Refused::new(RefusedCode::TooLarge, "a cell is longer than a megabyte"));
        }
        if cells.iter().any(|cell| cell.contains('\0')) {
            return Err(Refused::new(RefusedCode::Invalid, "a cell holds a NUL; mend the export"));
        }
        let cell = |name: &String| columns.iter().position(|known| known == name).and_then(|at| clean(cells.get(at)?));
        if let Some(name) = mapping.file.required.iter().find(|name| cell(name).is_none()) {
            let reason = format!("the column {name:?} is empty, and the mapping requires it");
            return Err(Refused::new(RefusedCode::Invalid, reason).at(name));
        }
        let fields = cells.iter().map(|cell| if cell.trim().is_empty() { Field::default() } else { single(cell) });
        let message = Message::of(vec![Segment { name: ROW.to_owned(), fields: fields.collect() }]);
        let original = json!(cells).to_string();
        let kind = mapping.kind();
        let order = Order {
            rules: &self.rules,
            setting,
            message: &message,
            row: &self.message,
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
}
