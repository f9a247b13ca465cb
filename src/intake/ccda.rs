//! Folders of C-CDA documents: `*.xml`, one document a file.

use std::path::Path;

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Summary, folder};
use crate::translate::ccda;

/// Takes in a file or every `*.xml` file below a folder; tells of every other file through `skipped`.
pub fn import(intake: &Intake, root: &Path, skipped: &mut dyn FnMut(&str)) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    for path in folder::files(root)? {
        let name = folder::below(root, &path);
        if path != root && !name.to_ascii_lowercase().ends_with(".xml") {
            skipped(&name);
            summary.skipped += 1;
            continue;
        }
        let Some(bytes) = super::read_file(intake, "ccda", &name, &path, &mut summary)? else { continue };
        let translation = ccda::translate(&intake.mappings, &intake.setting, &bytes);
        let incoming = Incoming { channel: "ccda", source: &name, raw: &bytes };
        summary.count(&receive(intake, incoming, translation)?);
    }
    Ok(summary)
}
