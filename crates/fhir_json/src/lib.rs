//! Typed FHIR views over JSON values.
//!
//! The generated types of `fhir-sdk` are slow to compile, so they live behind this crate's one plain function and are
//! paid for once per profile. They are R4B types: for the resource types in [`TYPES`] R4B reads every official R4
//! example. They are **never** the record: they drop unknown members and keep decimals as floating point. What they
//! are good for is to tell that a JSON value has the structure it claims to have.

use fhir_sdk::r4b::resources::Resource;
use serde_json::{Number, Value};

/// Resource types whose R4 and R4B structures agree, and which the node therefore accepts.
pub const TYPES: &[&str] = &[
    "Account",
    "AllergyIntolerance",
    "Appointment",
    "Binary",
    "Bundle",
    "CarePlan",
    "CareTeam",
    "Communication",
    "Composition",
    "Condition",
    "Consent",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Endpoint",
    "EpisodeOfCare",
    "FamilyMemberHistory",
    "HealthcareService",
    "Immunization",
    "Linkage",
    "Location",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "MessageHeader",
    "Observation",
    "OperationOutcome",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "QuestionnaireResponse",
    "RelatedPerson",
    "ServiceRequest",
    "Specimen",
    "Task",
];

/// Why a value is not a resource of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StructureError {
    /// Not one of [`TYPES`].
    #[error("resource type {0:?} is not taken by this node")]
    Type(String),
    /// A required element is missing, a code is not in its required value set, a value has the wrong type.
    #[error("{0}")]
    Structure(String),
    /// The structure is right but this element is not part of R4.
    #[error("{0} is not an element of FHIR R4")]
    UnknownElement(String),
}

/// Checks structure: types, required elements, required codes, no unknown elements. Values are not changed.
#[allow(clippy::disallowed_methods)]
pub fn check(resource: &Value) -> Result<(), StructureError> {
    let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or("");
    if !TYPES.contains(&kind) {
        return Err(StructureError::Type(kind.to_owned()));
    }
    let mut plain = resource.clone();
    plain_numbers(&mut plain);
    let typed: Resource =
        serde_json::from_value(plain).map_err(|error| StructureError::Structure(format!("{kind}: {error}")))?;
    let back = serde_json::to_value(typed).map_err(|error| StructureError::Structure(format!("{kind}: {error}")))?;
    match dropped(resource, &back, kind) {
        Some(path) => Err(StructureError::UnknownElement(path)),
        None => Ok(()),
    }
}

/// Rewrites every non-integer number to its canonical floating-point text. Without it the typed reader silently drops
/// a `valueQuantity` whose number is written `1.00` (with serde_json's `arbitrary_precision`).
fn plain_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if number.as_i64().is_none()
                && let Some(plain) = number.as_f64().and_then(Number::from_f64)
            {
                *number = plain;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        Value::Object(members) => members.values_mut().for_each(plain_numbers),
        _ => {}
    }
}

/// The path of the first member of `given` that did not survive the typed reading.
fn dropped(given: &Value, kept: &Value, path: &str) -> Option<String> {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => given.iter().find_map(|(name, member)| {
            let path = format!("{path}.{name}");
            match kept.get(name) {
                Some(other) => dropped(member, other, &path),
                None => Some(path),
            }
        }),
        (Value::Array(given), Value::Array(kept)) if given.len() == kept.len() => given
            .iter()
            .zip(kept)
            .enumerate()
            .find_map(|(index, (member, other))| dropped(member, other, &format!("{path}[{index}]"))),
        (Value::Array(_), _) | (Value::Object(_), _) => Some(path.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn observation(value: &str) -> Value {
        serde_json::from_str(&format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},
                "valueQuantity":{{"value":{value},"unit":"mg/dL"}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn decimals_of_any_spelling_are_seen() {
        for value in ["1.00", "1.50", "1e2", "0.1234567890123456789012", "180", "-3.0"] {
            assert_eq!(check(&observation(value)), Ok(()), "{value}");
        }
    }

    #[test]
    fn a_missing_required_element_is_told() {
        let error = check(&json!({"resourceType": "Observation", "code": {"text": "x"}})).unwrap_err();
        assert!(matches!(&error, StructureError::Structure(text) if text.contains("status")), "{error}");
    }

    #[test]
    fn a_code_outside_a_required_value_set_is_told() {
        let error = check(&json!({"resourceType": "Patient", "gender": "M"})).unwrap_err();
        assert!(matches!(error, StructureError::Structure(_)), "{error}");
    }

    #[test]
    fn an_unknown_element_is_told_with_its_path() {
        let error = check(&json!({"resourceType": "Patient", "name": [{"family": "A", "nick": "B"}]})).unwrap_err();
        assert_eq!(error, StructureError::UnknownElement("Patient.name[0].nick".to_owned()));
    }

    #[test]
    fn another_type_is_refused() {
        assert!(matches!(check(&json!({"resourceType": "Evidence"})), Err(StructureError::Type(_))));
    }
}
