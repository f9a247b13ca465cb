//! C-CDA documents: `*.xml`, one document a file.

use std::path::Path;

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Summary};
use crate::translate::ccda;

/// Takes in one file under the name `name`. `only_new`: a document that was taken in before is passed over.
pub fn import_file(intake: &Intake, path: &Path, name: &str, only_new: bool) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    let Some(bytes) = super::read_file(intake, "ccda", name, path, &mut summary)? else { return Ok(summary) };
    if only_new && super::is_known(intake, "ccda", name, &bytes)? {
        summary.unchanged += 1;
        return Ok(summary);
    }
    let translation = ccda::translate(&intake.mappings, &intake.setting, &bytes);
    let incoming = Incoming { channel: "ccda", source: name, raw: &bytes };
    summary.count(&receive(intake, incoming, translation)?);
    Ok(summary)
}
