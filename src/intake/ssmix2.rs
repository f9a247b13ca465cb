//! SS-MIX2 standardised storage: `ROOT/pid3/pid3/pid/date/type/file`, taken in by the time in the file name, so that
//! the later state of a record comes later.

use std::path::{Path, PathBuf};

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Known, Summary, folder};
use crate::translate::ssmix2;

/// Folder levels above a storage file: first three of the patient id, next three, patient id, date, data type.
const LEVELS: usize = 5;

/// Takes in every storage file below `root`; tells of every other file through `skipped`.
pub fn import(intake: &Intake, root: &Path, skipped: &mut dyn FnMut(&str)) -> Result<Summary, IntakeError> {
    walk(intake, root, skipped, &|_, _| Ok(false))
}

/// Takes in the storage files below `root` that were not taken in before, told by name and content.
pub fn import_new(intake: &Intake, root: &Path) -> Result<Summary, IntakeError> {
    walk(intake, root, &mut |_| {}, &|name, raw| super::is_known(intake, "ssmix2", name, raw))
}

fn walk(
    intake: &Intake,
    root: &Path,
    skipped: &mut dyn FnMut(&str),
    known: &Known<'_>,
) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    let mut storage: Vec<(String, PathBuf)> = Vec::new();
    for path in folder::files(root)? {
        let name = folder::below(root, &path);
        if name.split('/').count() == LEVELS + 1 {
            storage.push((name, path));
        } else {
            skipped(&name);
            summary.skipped += 1;
        }
    }
    storage.sort_by(|(a, _), (b, _)| written_at(a).cmp(written_at(b)).then_with(|| a.cmp(b)));
    for (name, path) in storage {
        let Some(raw) = super::read_file(intake, "ssmix2", &name, &path, &mut summary)? else { continue };
        if known(&name, &raw)? {
            continue;
        }
        let translation = ssmix2::parse_path(&name)
            .and_then(|place| ssmix2::translate(&intake.mappings, &intake.setting, &place, &raw));
        let incoming = Incoming { channel: "ssmix2", source: &name, raw: &raw };
        summary.count(&receive(intake, incoming, translation)?);
    }
    Ok(summary)
}

/// The time stamp of a storage file's name (fifth of seven parts); names without one sort first.
fn written_at(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit('_').nth(2).unwrap_or("")
}
