//! CSV files by mapping file: each row is a message of its own. A file is read as a stream; memory holds one row.

use std::io::{BufReader, Read as _};
use std::path::Path;

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Summary, Tell, Told, folder};
use crate::translate::csv::{CsvMapping, Rows};
use crate::translate::{Refused, RefusedCode};

/// A mapping is chosen by so much of the beginning of a file.
const HEAD: u64 = 256 * 1024;

/// Takes in one file under the name `name`. A row's source is `name:line`. `only_new`: rows that were taken in before are
/// passed over.
pub fn import_file(
    intake: &Intake,
    path: &Path,
    name: &str,
    mapping: &CsvMapping,
    only_new: bool,
    _tell: &mut Tell<'_>,
) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    let file = match folder::open(path) {
        Ok(file) => file,
        Err(cause) => {
            super::cannot_be_read(intake, "csv", name, &cause.to_string(), &mut summary)?;
            return Ok(summary);
        }
    };
    let mut rows = Rows::new(mapping, &intake.setting, BufReader::with_capacity(256 * 1024, file));
    loop {
        let mut row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(summary),
            Err(cause) => {
                super::cannot_be_read(intake, "csv", name, &cause.to_string(), &mut summary)?;
                return Ok(summary);
            }
        };
        let source = if row.is_whole {
            // All of it is kept where it can be, so that it may be released once the mapping is mended.
            row.raw = folder::read(path).unwrap_or(row.raw);
            name.to_owned()
        } else {
            format!("{name}:{}", row.line)
        };
        if only_new && super::is_known(intake, "csv", &source, &row.raw)? {
            summary.unchanged += 1;
            continue;
        }
        let incoming = Incoming { channel: "csv", source: &source, raw: &row.raw };
        summary.count(&receive(intake, incoming, row.result)?);
    }
}

/// The mappings that come with the node, for folders of files without a mapping named for them.
const BUILT_IN: &[(&str, &str)] = &[
    ("patients", include_str!("../../config/mappings/csv/patients.toml")),
    ("conditions", include_str!("../../config/mappings/csv/conditions.toml")),
    ("labs", include_str!("../../config/mappings/csv/labs.toml")),
    ("labs-loinc", include_str!("../../config/mappings/csv/labs-loinc.toml")),
    ("medications", include_str!("../../config/mappings/csv/medications.toml")),
    ("medications-ja", include_str!("../../config/mappings/csv/medications-ja.toml")),
    ("allergies", include_str!("../../config/mappings/csv/allergies.toml")),
    ("allergies-ja", include_str!("../../config/mappings/csv/allergies-ja.toml")),
    ("visits", include_str!("../../config/mappings/csv/visits.toml")),
    ("visits-ja", include_str!("../../config/mappings/csv/visits-ja.toml")),
    ("immunizations", include_str!("../../config/mappings/csv/immunizations.toml")),
    ("immunizations-ja", include_str!("../../config/mappings/csv/immunizations-ja.toml")),
    ("procedures", include_str!("../../config/mappings/csv/procedures.toml")),
    ("procedures-ja", include_str!("../../config/mappings/csv/procedures-ja.toml")),
    ("vitals", include_str!("../../config/mappings/csv/vitals.toml")),
    ("vitals-ja", include_str!("../../config/mappings/csv/vitals-ja.toml")),
];

/// Takes in every `*.csv` and `*.tsv` file below a folder, each by the built-in mapping that knows most of its columns;
/// tells of every other file. A file that no mapping fits is quarantined whole.
pub fn import_folder(intake: &Intake, root: &Path, tell: &mut Tell<'_>) -> Result<Summary, IntakeError> {
    let mappings = built_in()?;
    let mut summary = Summary::default();
    for path in folder::files(root)? {
        let name = folder::below(root, &path);
        let lower = name.to_ascii_lowercase();
        if !lower.ends_with(".csv") && !lower.ends_with(".tsv") {
            tell(Told::Skipped(&name));
            summary.skipped += 1;
            continue;
        }
        let mut head = Vec::new();
        if let Err(cause) = folder::open(&path).and_then(|file| file.take(HEAD).read_to_end(&mut head)) {
            super::cannot_be_read(intake, "csv", &name, &cause.to_string(), &mut summary)?;
            continue;
        }
        let fitting = mappings.iter().filter_map(|mapping| Some((mapping.fits(&head)?, mapping)));
        match fitting.max_by_key(|(columns, _)| *columns) {
            Some((_, mapping)) => summary.add(&import_file(intake, &path, &name, mapping, false, tell)?),
            None => {
                let raw = folder::read(&path).unwrap_or(head);
                let incoming = Incoming { channel: "csv", source: &name, raw: &raw };
                summary.count(&receive(intake, incoming, Err(unknown()))?);
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
