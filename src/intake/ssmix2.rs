//! SS-MIX2 storages: `ROOT/pid3/pid3/pid/date/type/file`, taken in by the time in the file name, so that the later state of
//! a record comes later. In the extended storage a folder of that name holds the files of a document.

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Summary};
use crate::translate::ssmix2;

/// Folder levels above a storage file: first three of the patient id, next three, patient id, date, data type.
const LEVELS: usize = 5;
/// Deepest level of a file in the content folder of the extended storage.
const DEEPEST: usize = LEVELS + 3;

/// Whether a name below the root is that of a storage file, wherever its content belongs.
pub fn is_storage_file(name: &str) -> bool {
    match name.split('/').count() - 1 {
        LEVELS => true,
        levels => (LEVELS + 1..=DEEPEST).contains(&levels) && is_extended(name),
    }
}

fn is_extended(name: &str) -> bool {
    name.split('/').nth(LEVELS).is_some_and(|folder| folder.split('_').count() >= 7)
}

/// Takes in one file by its name below the root.
pub fn take(intake: &Intake, name: &str, raw: &[u8]) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    let translation = if ssmix2::extended::is_extended(name) {
        ssmix2::extended::translate(&intake.mappings, &intake.setting, name, raw)
    } else {
        ssmix2::parse_path(name).and_then(|place| ssmix2::translate(&intake.mappings, &intake.setting, &place, raw))
    };
    summary.count(&receive(intake, Incoming { channel: "ssmix2", source: name, raw }, translation)?);
    Ok(summary)
}

/// The time stamp of a storage file's name (fifth of seven parts); names without one sort first.
pub fn written_at(name: &str) -> &str {
    let file = name.split('/').nth(LEVELS).unwrap_or(name);
    file.rsplit('_').nth(2).unwrap_or("")
}
