//! What a source says no longer. A bundle that is the whole of its source (a file of an SS-MIX2 storage is the whole of an
//! order) takes back what an earlier version of the source made and this one lacks. Nothing is deleted: the resource gets
//! the status of its type for what is withdrawn, and its history stays.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::find;
use crate::fhir::search::{Criterion, Search};
use crate::fhir::systems;
use crate::store::records::StoredResource;
use crate::store::{StoreError, View};

/// Where the source of a resource stands.
const SOURCE: &str = "meta.source";

/// Types of resources that tell of an order and go with it. People, places and visits outlive it.
const OF_ORDER: [&str; 11] = [
    "AllergyIntolerance",
    "Condition",
    "DiagnosticReport",
    "DocumentReference",
    "ImagingStudy",
    "MedicationAdministration",
    "MedicationRequest",
    "NutritionOrder",
    "Observation",
    "Procedure",
    "ServiceRequest",
];
/// More than a file can make.
const MOST: usize = 1000;

/// The resources of a source that are not among those it has now, as they are once withdrawn. What a later event has
/// written stays.
pub(crate) fn withdrawn(
    view: &dyn View,
    source: &str,
    present: &HashSet<(String, String)>,
    event_time: Option<&str>,
) -> Result<Vec<(StoredResource, Value)>, StoreError> {
    let mut withdrawn = Vec::new();
    for kind in OF_ORDER {
        for stored in of_source(view, kind, source)? {
            let is_present = present.contains(&(stored.kind.clone(), stored.id.clone()));
            let is_later =
                matches!((event_time, stored.event_time.as_deref()), (Some(new), Some(known)) if new < known);
            if is_present || is_later {
                continue;
            }
            let Ok(mut resource) = serde_json::from_str::<Value>(&stored.json) else { continue };
            if withdraw(&mut resource) {
                withdrawn.push((stored, resource));
            }
        }
    }
    Ok(withdrawn)
}

/// Whether the source has said something later already: then what only this version of it says is withdrawn from the start.
pub(crate) fn is_superseded(view: &dyn View, source: &str, event_time: Option<&str>) -> Result<bool, StoreError> {
    let Some(new) = event_time else { return Ok(false) };
    for kind in OF_ORDER {
        let known = of_source(view, kind, source)?;
        if known.iter().any(|stored| stored.event_time.as_deref().is_some_and(|known| new < known)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Withdraws a resource that tells of an order.
pub(crate) fn withdraw_new(resource: &mut Value) {
    if OF_ORDER.iter().any(|kind| crate::fhir::resource_type(resource) == Some(kind)) {
        withdraw(resource);
    }
}

fn of_source(view: &dyn View, kind: &str, source: &str) -> Result<Vec<StoredResource>, StoreError> {
    let search = Search::new(kind, vec![Criterion::token(SOURCE, None, source)], MOST);
    Ok(find::search(view, &search)?.resources)
}

/// Whether there was anything to change.
fn withdraw(resource: &mut Value) -> bool {
    let before = resource.clone();
    let kind = crate::fhir::resource_type(resource).unwrap_or("").to_owned();
    let status = resource.get("status").and_then(Value::as_str).unwrap_or("").to_owned();
    // A result that was released is withdrawn as an error; one that was not yet is called off.
    let was_released = matches!(status.as_str(), "final" | "amended" | "corrected" | "appended");
    match kind.as_str() {
        "Condition" => inactive(resource, "condition-clinical"),
        "AllergyIntolerance" => inactive(resource, "allergyintolerance-clinical"),
        _ if status == "entered-in-error" => {}
        "Observation" | "DiagnosticReport" if !was_released => resource["status"] = json!("cancelled"),
        "MedicationRequest" => resource["status"] = json!("cancelled"),
        "NutritionOrder" | "ServiceRequest" => resource["status"] = json!("revoked"),
        _ => resource["status"] = json!("entered-in-error"),
    }
    let changed = *resource != before;
    if changed {
        let system = format!("{}/CodeSystem/record-state", systems::WATARI);
        resource["meta"]["tag"] = json!([{"system": system, "code": "withdrawn"}]);
    }
    changed
}

/// A problem that is no longer on the list may be over, or may never have been one: it does not count as active.
fn inactive(resource: &mut Value, system: &str) {
    let status = |element: &str| resource.get(element).and_then(|concept| concept.pointer("/coding/0/code")?.as_str());
    let is_over = matches!(status("clinicalStatus"), Some("resolved" | "inactive"));
    if !is_over && status("verificationStatus") != Some("entered-in-error") {
        let system = format!("http://terminology.hl7.org/CodeSystem/{system}");
        resource["clinicalStatus"] = json!({"coding": [{"system": system, "code": "inactive"}]});
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_status() {
        for (kind, before, after) in [
            ("Observation", "final", "entered-in-error"),
            ("Observation", "preliminary", "cancelled"),
            ("DiagnosticReport", "final", "entered-in-error"),
            ("MedicationRequest", "active", "cancelled"),
            ("ServiceRequest", "active", "revoked"),
            ("MedicationAdministration", "completed", "entered-in-error"),
        ] {
            let mut resource = json!({"resourceType": kind, "status": before, "meta": {"versionId": "1"}});
            assert!(withdraw(&mut resource));
            assert_eq!(resource["status"], after, "{kind}");
            assert_eq!(resource["meta"]["tag"][0]["code"], "withdrawn");
        }
        let mut again = json!({"resourceType": "Observation", "status": "entered-in-error"});
        assert!(!withdraw(&mut again));
    }

    #[test]
    fn a_problem_off_the_list_is_not_active() {
        let code = |problem: &Value| problem.pointer("/clinicalStatus/coding/0/code").cloned();
        let mut problem = json!({"resourceType": "Condition", "clinicalStatus": {"coding": [{"code": "active"}]}});
        assert!(withdraw(&mut problem));
        assert_eq!(code(&problem), Some(json!("inactive")));
        let mut over = json!({"resourceType": "Condition", "clinicalStatus": {"coding": [{"code": "resolved"}]}});
        assert!(!withdraw(&mut over));
    }
}
