//! Folders of HL7 v2 files: `*.hl7`, batches by message.

use std::path::Path;

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Summary, folder};
use crate::translate::hl7v2;

/// Takes in a file or every `*.hl7` file below a folder; tells of every other file through `skipped`.
pub fn import(intake: &Intake, root: &Path, skipped: &mut dyn FnMut(&str)) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    for path in folder::files(root)? {
        let name = folder::below(root, &path);
        if path != root && !name.to_ascii_lowercase().ends_with(".hl7") {
            skipped(&name);
            summary.skipped += 1;
            continue;
        }
        let Some(bytes) = super::read_file(intake, "hl7v2", &name, &path, &mut summary)? else { continue };
        let mut messages = hl7v2::split_batch(&bytes);
        if messages.is_empty() {
            // No message in it at all: kept whole, with the reason.
            messages.push(&bytes);
        }
        for raw in messages {
            let translation = hl7v2::translate(&intake.mappings, &intake.setting, raw);
            let incoming = Incoming { channel: "hl7v2", source: &name, raw };
            summary.count(&receive(intake, incoming, translation)?);
        }
    }
    Ok(summary)
}
