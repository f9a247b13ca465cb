//! `watari mapping check`: everything that is wrong with files of rows, and what is doubtful: rows that never apply, fields
//! that HL7 v2 does not have, elements that FHIR R4 does not have or that hold another data type.

mod elements;
mod fields;
mod reach;

use std::path::PathBuf;

use serde::Serialize;

use super::csv::CsvMapping;
use super::rows::file::{DefaultRow, LinkRow, Row, RowsFile};
use super::rows::{MappingError, Mappings, Origin};
use crate::fhir::structure;

/// What was found in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Which row, and what is wrong with it.
    pub message: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The rows cannot be used.
    Error,
    /// The rows can be used, and something of them does nothing or writes what FHIR does not have.
    Warning,
}

/// Checks files and folders of rows laid over the built-in ones, and CSV mapping files each by itself. Without any, the
/// built-in rows.
pub fn check(paths: &[PathBuf]) -> Result<Vec<Finding>, MappingError> {
    let mut findings = Vec::new();
    let mut rows = Vec::new();
    for path in paths {
        for (name, text) in super::rows::texts(path)? {
            if is_csv_mapping(&text) {
                findings.extend(check_csv(&name, &text)?);
            } else {
                rows.push(PathBuf::from(name));
            }
        }
    }
    if !rows.is_empty() || paths.is_empty() {
        findings.extend(check_rows(&rows)?);
    }
    findings.sort_by(|a, b| (&a.file, a.line, a.severity).cmp(&(&b.file, b.line, b.severity)));
    Ok(findings)
}

/// A CSV mapping has a name; files of rows have none.
fn is_csv_mapping(text: &str) -> bool {
    let (table, _) = toml::de::DeTable::parse_recoverable(text);
    table.get_ref().iter().any(|(key, _)| key.get_ref() == "name")
}

fn check_rows(paths: &[PathBuf]) -> Result<Vec<Finding>, MappingError> {
    let (mappings, sources, errors) = Mappings::read(paths)?;
    let built_in = sources.len() - paths.len();
    let wanted = |number: usize| paths.is_empty() || number >= built_in;
    let mut findings: Vec<Finding> = errors.into_iter().flat_map(of_error).collect();
    for (_, source) in sources.iter().enumerate().filter(|(number, _)| wanted(*number)) {
        let mut doubt = |origin: Origin, message: String| {
            findings.push(Finding {
                severity: Severity::Warning,
                file: source.name.clone(),
                line: origin.line as usize,
                message,
            });
        };
        doubts(&source.rows, &mut doubt);
        reach::doubts(&mappings, &source.rows, &mut doubt);
    }
    Ok(findings)
}

fn check_csv(name: &str, text: &str) -> Result<Vec<Finding>, MappingError> {
    let (mapping, errors) = CsvMapping::read(text, name)?;
    let mut findings: Vec<Finding> = errors.into_iter().flat_map(of_error).collect();
    let mut doubt = |origin: Origin, message: String| {
        let line = origin.line as usize;
        findings.push(Finding { severity: Severity::Warning, file: name.to_owned(), line, message });
    };
    for resource in mapping.iter().flat_map(CsvMapping::resources) {
        for row in &resource.rows {
            let place = format!("column {:?} to {}", row.column.as_deref().unwrap_or(""), resource.resource_type);
            element_doubts(&place, &resource.resource_type, row, &mut doubt);
        }
        let place = format!("resource {}", resource.name);
        other_doubts(&place, &resource.resource_type, &resource.default, &resource.link, &mut doubt);
    }
    Ok(findings)
}

fn of_error(error: MappingError) -> Option<Finding> {
    match error {
        MappingError::Invalid { file, line, message } => {
            Some(Finding { severity: Severity::Error, file, line, message })
        }
        MappingError::Several { first, .. } => of_error(*first),
        MappingError::Unreadable { .. } => None,
    }
}

/// Takes what is doubtful, with its place.
type Doubt<'a> = &'a mut dyn FnMut(Origin, String);

/// What a file's rows say of HL7 v2 and of FHIR.
fn doubts(rows: &RowsFile, doubt: Doubt<'_>) {
    for segment in &rows.segment {
        if let Some(message) = fields::segment(&segment.name) {
            doubt(segment.origin, message);
        }
        if !structure::is_type(&segment.to) {
            doubt(segment.origin, format!("segment {}: {} is no resource type of FHIR R4", segment.name, segment.to));
            continue;
        }
        for row in &segment.rows {
            let place = format!("row {}-{} to {}", segment.name, row.field, segment.to);
            if let Some(message) = fields::field(&segment.name, row.field) {
                doubt(row.origin, format!("{place}: {message}"));
            }
            element_doubts(&place, &segment.to, row, doubt);
        }
    }
    for statement in &rows.statement {
        let Some(kind) = &statement.resource_type else { continue };
        let place = format!("statement {}", statement.name);
        for row in statement.rows.iter().filter(|row| !row.path.is_empty()) {
            if let Err(message) = elements::resolve_whole(kind, &row.path) {
                doubt(row.origin, format!("{place}: {message}"));
            }
        }
    }
    for resource in &rows.resource {
        let place = format!("resource {}", resource.name);
        if !structure::is_type(&resource.resource_type) {
            doubt(resource.origin, format!("{place}: {} is no resource type of FHIR R4", resource.resource_type));
            continue;
        }
        for name in resource.fixed.keys() {
            if let Err(message) = elements::named(&resource.resource_type, name) {
                doubt(resource.origin, format!("{place}: {message}"));
            }
        }
        other_doubts(&place, &resource.resource_type, &resource.default, &resource.link, doubt);
    }
}

/// What defaults and links say of FHIR.
fn other_doubts(place: &str, resource_type: &str, defaults: &[DefaultRow], links: &[LinkRow], doubt: Doubt<'_>) {
    for row in defaults {
        let whole = row.value.is_array();
        let found = if whole { elements::resolve_whole } else { elements::resolve }(resource_type, &row.path);
        if let Err(message) = found {
            doubt(row.origin, format!("{place}: {message}"));
        }
    }
    for row in links {
        if let Err(message) = elements::resolve(resource_type, &row.path) {
            doubt(row.origin, format!("{place}: {message}"));
        }
    }
}

fn element_doubts(place: &str, resource_type: &str, row: &Row, doubt: Doubt<'_>) {
    if row.path.is_empty() {
        return;
    }
    if let Err(message) = elements::accepts(resource_type, row) {
        doubt(row.origin, format!("{place}: {message}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.toml");
        std::fs::write(&path, text).unwrap();
        let findings = check(&[path]).unwrap();
        findings.into_iter().map(|found| format!("{:?} {} {}", found.severity, found.line, found.message)).collect()
    }

    #[test]
    fn the_built_in_rows_are_beyond_doubt() {
        assert_eq!(check(&[]).unwrap(), []);
    }

    #[test]
    fn what_neither_standard_has_is_told() {
        let found = found(
            r#"
[[segment]]
name = "PID"
to = "Patient"
rows = [
  { field = 55, path = "name[]", type = "XPN" },
  { field = 10, path = "nickname", type = "string" },
  { field = 15, path = "birthDate", type = "XPN" },
  { field = 16, path = "name.text", type = "string" },
  { field = 17, path = "gender[]", type = "code", table = "0001" },
  { field = 22, path = "communication[].language.text", type = "string" },
]

[[segment]]
name = "PIX"
to = "Patient"
rows = [{ field = 1, path = "active", type = "boolean" }]

[[segment]]
name = "ZZ1"
to = "Procedure"
rows = [{ field = 1, path = "code", type = "CodeableConcept" }]

[[resource]]
name = "orphan"
type = "Procedure"
per = ["ZZ2"]
from = ["ZZ2"]
"#,
        );
        let expected = [
            "Warning 6 row PID-55 to Patient: PID has 40 fields in HL7 v2",
            "Warning 7 row PID-10 to Patient: Patient has no element \"nickname\"",
            "Warning 8 row PID-15 to Patient: Patient.birthDate holds date, and XPN makes HumanName",
            "Warning 9 row PID-16 to Patient: Patient.name is a list; write name[], name[=] or name[0]",
            "Warning 10 row PID-17 to Patient: Patient.gender is no list",
            "Warning 14 segment PIX: HL7 v2 has no such segment; a hospital's own begin with Z",
            "Warning 14 segment PIX to Patient: no resource row reads it; name it in `from` of a [[resource]]",
            "Warning 19 segment ZZ1 to Procedure: no resource row reads it; name it in `from` of a [[resource]]",
            "Warning 24 resource orphan: no message names it",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn errors_are_told_all_at_once_and_before_doubts_of_their_line() {
        let found = found(
            r#"
[[segment]]
name = "PID"
to = "Patient"
rows = [
  { field = 8, path = "gender", type = "code", table = "no-such" },
  { field = 9, path = "gender", type = "code" },
  { field = 7, type = "date" },
]

[[message]]
events = ["ADT^A01"]
resources = ["patient", "nobody", "noone"]
"#,
        );
        let lines: Vec<&str> = found.iter().map(|text| text.split(" row ").next().unwrap()).collect();
        assert_eq!(lines[..3], ["Error 6", "Error 7", "Error 8"], "{found:#?}");
        assert!(found[3].contains("\"nobody\"") && found[4].contains("\"noone\""), "{found:#?}");
    }
}
