//! FHIR R4 (4.0.1) as JSON values: references, bundles, OperationOutcome, search grammar, system addresses. No I/O.

pub mod bundle;
pub mod dates;
pub mod json;
pub mod outcome;
pub mod patch;
pub mod path;
pub mod reference;
pub mod search;
pub mod spelled;
pub mod structure;
pub mod systems;
pub mod tree;

use serde_json::Value;

/// `resourceType` of a resource, if it has one.
pub fn resource_type(resource: &Value) -> Option<&str> {
    resource.get("resourceType")?.as_str()
}

/// Logical `id` of a resource, if it has one.
pub fn id(resource: &Value) -> Option<&str> {
    resource.get("id")?.as_str()
}

/// A FHIR `id`: 1-64 letters, digits, `-`, `.` (R4 datatypes, primitive `id`).
pub fn is_valid_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// The codings of a CodeableConcept (an absent or malformed one has none).
pub fn codings(concept: &Value) -> impl Iterator<Item = (&str, &str)> {
    concept.get("coding").and_then(Value::as_array).into_iter().flatten().filter_map(|coding| {
        Some((coding.get("system").and_then(Value::as_str).unwrap_or(""), coding.get("code")?.as_str()?))
    })
}
