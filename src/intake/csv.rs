//! CSV files by mapping file: each row is a message of its own.

use std::path::Path;

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Summary, folder};
use crate::translate::csv::{self, CsvMapping};

/// Takes in one file. A row's source is `name:line`.
pub fn import(intake: &Intake, path: &Path, name: &str, mapping: &CsvMapping) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    let bytes = folder::read(path)?;
    for row in csv::translate(mapping, &intake.setting, &bytes) {
        let source = format!("{name}:{}", row.line);
        let incoming = Incoming { channel: "csv", source: &source, raw: &row.raw };
        summary.count(&receive(intake, incoming, row.result)?);
    }
    Ok(summary)
}
