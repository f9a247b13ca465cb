//! Condition flags: what a version that no longer counts becomes.

use crate::fhir::tree::{Value, json};

use super::path::{Condition, StoragePath};
use crate::fhir::systems;
use crate::translate::{Refused, RefusedCode, Translated};

/// Data types whose past versions say something of their own: a problem or an allergy that was once on the list. A past
/// version of a result, a prescription or the demographics is only the old text of what is current, and counted beside it
/// would be counted twice.
const HISTORIC: [&str; 2] = ["PPR-01", "ADT-61"];

/// Refuses versions that have nothing to say to the record.
pub(crate) fn may_be_taken(path: &StoragePath) -> Result<(), Refused> {
    let reason = match path.condition {
        Condition::Invalid if path.data_type == "ADT-00" => {
            "the hospital has invalidated this version of the patient's basic data (condition flag 0); it is kept as received and \
             not put into the record"
        }
        Condition::Past if !HISTORIC.contains(&path.data_type.as_str()) => {
            "a later version in the storage supersedes this file (condition flag 2); it is kept as received and not put into the \
             record"
        }
        _ => return Ok(()),
    };
    Err(Refused::new(RefusedCode::Superseded, reason))
}

/// Marks the clinical resources of a version that no longer counts.
pub(crate) fn mark(condition: Condition, translated: &mut Translated) {
    let act: fn(&mut Value) = match condition {
        Condition::Valid => return,
        Condition::Invalid => enter_in_error,
        Condition::Past => make_inactive,
    };
    let entries = translated.bundle.get_mut("entry").and_then(Value::as_array_mut);
    // What the file only mentions, its visit and its people, is not taken back with it.
    let written = entries.into_iter().flatten().filter(|entry| entry["request"]["method"] == "PUT");
    for entry in written {
        act(&mut entry["resource"]);
    }
    let said = match condition {
        Condition::Invalid => "condition flag 0: the resources are marked as entered in error",
        _ => "condition flag 2: the resources are kept as inactive, beside the current ones",
    };
    translated.warnings.push(said.to_owned());
}

/// The status that takes a resource back.
fn enter_in_error(resource: &mut Value) {
    let kind = crate::fhir::tree::resource_type(resource).unwrap_or("").to_owned();
    let verification = |name: &str| {
        let system = format!("http://terminology.hl7.org/CodeSystem/{name}");
        json!({"coding": [{"system": system, "code": "entered-in-error"}]})
    };
    match kind.as_str() {
        "Condition" => {
            resource["verificationStatus"] = verification("condition-ver-status");
            remove(resource, "clinicalStatus");
        }
        "AllergyIntolerance" => {
            resource["verificationStatus"] = verification("allergyintolerance-verification");
            remove(resource, "clinicalStatus");
        }
        "Patient" | "Practitioner" | "PractitionerRole" | "Organization" | "Location" | "Provenance" => {}
        "MessageHeader" | "RelatedPerson" | "Device" => {}
        // Every other kind that a message makes has `entered-in-error` among the codes of its status.
        _ => resource["status"] = json!("entered-in-error"),
    }
}

fn make_inactive(resource: &mut Value) {
    let name = match crate::fhir::tree::resource_type(resource) {
        Some("Condition") => "condition-clinical",
        Some("AllergyIntolerance") => "allergyintolerance-clinical",
        _ => return,
    };
    let status = resource.pointer("/clinicalStatus/coding/0/code").and_then(Value::as_str);
    if !matches!(status, Some("resolved"))
        && resource.pointer("/verificationStatus/coding/0/code") != Some(&json!("entered-in-error"))
    {
        let system = format!("http://terminology.hl7.org/CodeSystem/{name}");
        resource["clinicalStatus"] = json!({"coding": [{"system": system, "code": "inactive"}]});
    }
    resource["meta"]["tag"] =
        json!([{"system": format!("{}/CodeSystem/record-state", systems::WATARI), "code": "superseded"}]);
}

fn remove(resource: &mut Value, element: &str) {
    if let Value::Object(map) = resource {
        map.remove(element);
    }
}
