//! SS-MIX2 standardised storage: HL7 v2.5 messages as files, whose path says patient, day, data type, order, time and
//! whether the version still counts.
//!
//! `ROOT/<PID 1-3>/<PID 4-6>/<PID>/<date or ->/<type>/<PID>_<date>_<type>_<order>_<time>_<department>_<flag>`

pub mod extended;

mod condition;
mod path;

use crate::fhir::tree::{Value, json};

use super::hl7v2::message::Message;
use super::{Mappings, Refused, RefusedCode, Setting, Translated, hl7v2};

pub use path::{Condition, StoragePath, parse_path};

/// Translates the file at `path` (checked by [`parse_path`]).
///
/// The message must be of the data type's and name the path's patient. Flag 0 (invalid) makes clinical resources entered
/// in error; flag 2 (past) never touches what is current.
pub fn translate(
    mappings: &Mappings,
    setting: &Setting,
    path: &StoragePath,
    bytes: &[u8],
) -> Result<Translated, Refused> {
    let rules = mappings.rules(setting.country);
    let storage = rules.storage.get(&path.data_type);
    let read = hl7v2::read(setting, bytes)?;
    let refused = |code, reason: String| Refused::new(code, reason).of(&read.kind, read.control_id.as_deref());
    let Some(storage) = storage else {
        let known: Vec<&str> = rules.storage.keys().map(String::as_str).collect();
        let reason = format!(
            "SS-MIX2 data type {} ({}) is not translated by this release; the file is kept; translated are {}",
            path.data_type,
            read.kind,
            known.join(", ")
        );
        return Err(refused(RefusedCode::UnsupportedType, reason));
    };
    if !storage.messages.contains(&read.kind) {
        let reason = format!(
            "the folder and file name say {}, which holds {}, but the message is {}; correct the storage",
            path.data_type,
            storage.messages.join(" or "),
            read.kind
        );
        return Err(refused(RefusedCode::WrongMessage, reason).at("MSH-9"));
    }
    check_patient(&read.message, path).map_err(|refused| refused.of(&read.kind, read.control_id.as_deref()))?;
    condition::may_be_taken(path).map_err(|refused| refused.of(&read.kind, read.control_id.as_deref()))?;
    let Some(row) = rules.messages.get(&read.kind) else {
        let reason = format!("{} is not translated by this release; the file is kept", read.kind);
        return Err(refused(RefusedCode::UnsupportedType, reason).at("MSH-9"));
    };
    let written = path.written(&setting.zone);
    let mut row = row.clone();
    // Only ADT-00 speaks for the demographics, and only its valid version: the others mention the patient.
    row.demographics = storage.demographics && path.condition == Condition::Valid;
    let history = (path.condition == Condition::Past).then_some(path.timestamp.as_str());
    let mut translated = hl7v2::finish(mappings, setting, bytes, read, &row, history, written)?;
    // A file of the storage is the whole of an order, not a part of it.
    translated.amendments.iter_mut().for_each(|amendment| amendment.unite.clear());
    condition::mark(path.condition, &mut translated);
    // A past version is not what the order is now.
    if path.condition != Condition::Past {
        let reports = matches!(translated.kind.split('^').next(), Some("OMI" | "ORU" | "OUL" | "RAS"));
        name_source(setting, path, reports, &mut translated.bundle);
    }
    // Versions of one record in a storage are told apart by when their files were written.
    translated.event_time = written.or(translated.event_time);
    Ok(translated)
}

/// Names the order that a file is the whole of as the source of the bundle and of what it writes: a later file of the order
/// takes back what it lacks. The order behind a report is not the report's.
fn name_source(setting: &Setting, path: &StoragePath, reports: bool, bundle: &mut Value) {
    let date = path.date.as_deref().unwrap_or("-");
    let order = crate::ids::derived(&[&setting.namespace, "ssmix2", &path.patient, date, &path.data_type, &path.order]);
    let source = json!(format!("urn:uuid:{order}"));
    let entries = bundle.get_mut("entry").and_then(Value::as_array_mut).into_iter().flatten();
    for entry in entries.filter(|entry| entry["request"]["method"] == "PUT") {
        let of_another = match entry["resource"]["resourceType"].as_str() {
            Some("Patient") => true,
            Some("ServiceRequest") => reports,
            _ => false,
        };
        if !of_another {
            entry["resource"]["meta"]["source"] = source.clone();
        }
    }
    bundle["meta"]["source"] = source;
}

/// See [`check_patient_named`], for a message.
fn check_patient(message: &Message, path: &StoragePath) -> Result<(), Refused> {
    let named: Vec<&str> = message
        .first("PID")
        .map(|pid| {
            pid.field(3).iter().filter_map(|repetition| repetition.first()?.first()).map(|text| text.trim()).collect()
        })
        .unwrap_or_default();
    check_patient_named(&named, path)
}

/// The message's patient must be the folder's: a misplaced file would put one patient's data under another.
fn check_patient_named(named: &[&str], path: &StoragePath) -> Result<(), Refused> {
    if named.iter().all(|text| text.is_empty()) {
        return Err(Refused::new(RefusedCode::MissingPatient, "the message names no patient identifier").at("PID-3"));
    }
    if named.contains(&path.patient.as_str()) {
        return Ok(());
    }
    let reason = "the message names another patient (PID-3) than the folder it is stored in; find out which is right and \
                  store it again";
    Err(Refused::new(RefusedCode::WrongFolder, reason).at("PID-3"))
}
