//! HL7 v2 files, batches by message. A file is read as a stream; one message is at most
//! [`folder::LARGEST_FILE`] bytes.

use std::io::BufReader;
use std::path::Path;

use super::batch::{Messages, Part};
use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Summary, Tell, folder};
use crate::translate::{Refused, RefusedCode, hl7v2};

/// Takes in one file under the name `name`. `only_new`: messages that were taken in before are passed over.
pub fn import_file(
    intake: &Intake,
    path: &Path,
    name: &str,
    only_new: bool,
    tell: &mut Tell<'_>,
) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    let broken = |cause: std::io::Error, summary: &mut Summary| {
        super::cannot_be_read(intake, "hl7v2", name, &cause.to_string(), summary)
    };
    let file = match folder::open(path) {
        Ok(file) => file,
        Err(cause) => return broken(cause, &mut summary).map(|()| summary),
    };
    let mut messages = Messages::new(BufReader::new(file));
    loop {
        let (raw, translation) = match messages.following() {
            Ok(Some(Part::Message(raw))) => {
                let translation = hl7v2::translate(&intake.mappings, &intake.setting, &raw);
                (raw, translation)
            }
            Ok(Some(Part::TooLarge(head))) => (head, Err(too_large())),
            Ok(None) => break,
            Err(cause) => {
                broken(cause, &mut summary)?;
                break;
            }
        };
        if only_new && super::is_known(intake, "hl7v2", name, &raw)? {
            summary.unchanged += 1;
            continue;
        }
        let incoming = Incoming { channel: "hl7v2", source: name, raw: &raw };
        summary.count(&receive(intake, incoming, translation)?);
    }
    if summary.received == 0 && summary.unchanged == 0 {
        // No message in it at all: kept, with the reason.
        let incoming = Incoming { channel: "hl7v2", source: name, raw: &[] };
        let translation = hl7v2::translate(&intake.mappings, &intake.setting, &[]);
        summary.count(&receive(intake, incoming, translation)?);
    }
    for warning in messages.finish() {
        summary.warn(name, &warning, tell);
    }
    Ok(summary)
}

fn too_large() -> Refused {
    Refused {
        kind: "?".to_owned(),
        control_id: None,
        reason: format!(
            "the message is larger than {} bytes; its beginning is kept here, the rest is in the file only",
            folder::LARGEST_FILE
        ),
        place: None,
        code: RefusedCode::TooLarge,
    }
}
