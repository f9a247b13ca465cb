//! Reads a CSV mapping file, every row by itself, as files of rows are read.

use toml::Spanned;
use toml::de::DeValue;

use super::{CsvFile, CsvResource};
use crate::translate::MappingError;
use crate::translate::rows::file::{Row, TableRow};
use crate::translate::rows::origin::Origin;
use crate::translate::rows::read::{Fields, Placed, Reader, take};

/// The file as far as it can be read, and what is wrong with it.
pub(super) fn read(name: &str, text: &str, number: u16) -> (Option<CsvFile>, Vec<MappingError>) {
    let mut reader = Reader::new(name, text, number);
    let mut fields = reader.document(text);
    let resources = take(&mut fields, "resource").map_or_else(Vec::new, |value| resources(&mut reader, value));
    let table: Vec<TableRow> = take(&mut fields, "table").map_or_else(Vec::new, |value| reader.list(value, "table"));
    fields.push(("resource".to_owned(), nothing()));
    let file = reader.row::<CsvFile>(0, fields, "mapping");
    let file = file.map(|file| CsvFile { resource: resources, table, ..file });
    if let Some(file) = &file {
        check(file, &mut reader);
    }
    (file, reader.into_errors())
}

fn resources(reader: &mut Reader<'_>, value: Spanned<DeValue<'_>>) -> Vec<CsvResource> {
    let mut read = Vec::new();
    for (start, mut fields) in reader.tables(value, "resource") {
        let (default, link) = reader.defaults_and_links(&mut fields);
        let rows = rows(reader, &mut fields);
        if let Some(resource) = reader.row::<CsvResource>(start, fields, "resource") {
            read.push(CsvResource { rows, default, link, ..resource });
        }
    }
    read
}

/// Takes the rows out of a resource's fields; a resource without any is told where it is read.
fn rows(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Vec<Row> {
    let Some(value) = take(fields, "rows") else { return Vec::new() };
    fields.push(("rows".to_owned(), nothing()));
    reader.list(value, "a row")
}

fn nothing<'i>() -> Spanned<DeValue<'i>> {
    Spanned::new(0..0, DeValue::Array(toml::de::DeArray::new()))
}

/// What a file says by itself, before it is laid over the built-in rows.
fn check(file: &CsvFile, reader: &mut Reader<'_>) {
    if !file.delimiter.is_ascii() || file.delimiter.is_ascii_alphanumeric() {
        reader.wrong_at(1, "the delimiter must be one ASCII sign".to_owned());
    }
    if file.resource.first().is_none_or(|resource| resource.resource_type != "Patient") {
        reader.wrong_at(1, "the first resource must be the Patient".to_owned());
    }
    for resource in &file.resource {
        for row in &resource.rows {
            let column = row.column.as_deref().unwrap_or("");
            let place = format!("column {column:?} to {}", resource.resource_type);
            if column.is_empty() {
                reader.wrong_at(row.origin.line, format!("{place}: every row of a CSV mapping needs a column"));
            }
            if let Err(message) = row.kind.check(row) {
                reader.wrong_at(row.origin.line, format!("{place}: {message}"));
            }
        }
    }
}

impl Placed for CsvFile {
    fn place(&mut self, _: Origin) {}
}

impl Placed for CsvResource {
    fn place(&mut self, origin: Origin) {
        self.origin = origin;
    }
}
