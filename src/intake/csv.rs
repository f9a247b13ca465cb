//! CSV files by mapping file: each row is a message of its own.

use std::path::Path;

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Known, Summary, folder};
use crate::translate::csv::{self, CsvMapping};
use crate::translate::{Refused, RefusedCode};

/// Takes in one file. A row's source is `name:line`.
pub fn import(intake: &Intake, path: &Path, name: &str, mapping: &CsvMapping) -> Result<Summary, IntakeError> {
    rows(intake, &folder::read(path)?, name, mapping, &|_, _| Ok(false))
}

/// Takes in the rows of a file that were not taken in before.
pub fn import_new(intake: &Intake, path: &Path, name: &str, mapping: &CsvMapping) -> Result<Summary, IntakeError> {
    rows(intake, &folder::read(path)?, name, mapping, &|source, raw| super::is_known(intake, "csv", source, raw))
}

fn rows(
    intake: &Intake,
    bytes: &[u8],
    name: &str,
    mapping: &CsvMapping,
    known: &Known<'_>,
) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    for row in csv::translate(mapping, &intake.setting, bytes) {
        let source = format!("{name}:{}", row.line);
        if known(&source, &row.raw)? {
            continue;
        }
        let incoming = Incoming { channel: "csv", source: &source, raw: &row.raw };
        summary.count(&receive(intake, incoming, row.result)?);
    }
    Ok(summary)
}

/// The mappings that come with the node, for folders of files without a mapping named for them.
const BUILT_IN: &[(&str, &str)] = &[
    ("patients", include_str!("../../config/mappings/csv/patients.toml")),
    ("conditions", include_str!("../../config/mappings/csv/conditions.toml")),
    ("labs", include_str!("../../config/mappings/csv/labs.toml")),
    ("labs-loinc", include_str!("../../config/mappings/csv/labs-loinc.toml")),
];

/// Takes in every `*.csv` file below a folder, each by the built-in mapping that knows most of its columns; tells of
/// every other file through `skipped`. A file that no mapping fits is quarantined whole.
pub fn import_folder(intake: &Intake, root: &Path, skipped: &mut dyn FnMut(&str)) -> Result<Summary, IntakeError> {
    let mappings = built_in()?;
    let mut summary = Summary::default();
    for path in folder::files(root)? {
        let name = folder::below(root, &path);
        if !name.to_ascii_lowercase().ends_with(".csv") {
            skipped(&name);
            summary.skipped += 1;
            continue;
        }
        let Some(raw) = super::read_file(intake, "csv", &name, &path, &mut summary)? else { continue };
        let fitting = mappings.iter().filter_map(|mapping| Some((mapping.fits(&raw)?, mapping)));
        match fitting.max_by_key(|(columns, _)| *columns) {
            Some((_, mapping)) => summary.add(&rows(intake, &raw, &name, mapping, &|_, _| Ok(false))?),
            None => {
                summary.count(&receive(intake, Incoming { channel: "csv", source: &name, raw: &raw }, Err(unknown()))?)
            }
        }
    }
    Ok(summary)
}

fn built_in() -> Result<Vec<CsvMapping>, IntakeError> {
    let load = |(name, text): &(&str, &str)| {
        CsvMapping::load(text, name)
            .map_err(|error| IntakeError::Unreadable { path: (*name).to_owned(), cause: error.to_string() })
    };
    BUILT_IN.iter().map(load).collect()
}

fn unknown() -> Refused {
    Refused {
        kind: "CSV".to_owned(),
        control_id: None,
        reason: "no built-in mapping knows these columns; write a mapping file (config/mappings/csv has examples) and \
                 run `watari import csv --mapping FILE`"
            .to_owned(),
        place: None,
        code: RefusedCode::UnsupportedType,
    }
}
