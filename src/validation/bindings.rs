//! Required value sets of profiles.

use serde_json::Value;

use super::check::{Check, Node, Place};
use super::{Library, Severity};
use crate::fhir::structure::Kind;
use crate::fhir::systems::DATA_ABSENT_REASON;

/// Holds a coded element to its value set.
pub(super) fn check<'c>(check: &mut Check<'c>, set: &str, element: Node<'c>, place: &Place<'_>) {
    match is_in(check.library, set, element) {
        Some(true) => {}
        Some(false) if is_absent(element) => {}
        Some(false) => check.tell(
            Severity::Error,
            "code-invalid",
            place,
            format!("must have a code of the required value set {set}"),
        ),
        None => check.tell(
            Severity::Warning,
            "not-found",
            place,
            format!("was not looked up in the value set {set}: it, or a code system of it, is not loaded"),
        ),
    }
}

/// Whether one of the codes of an element is in a value set; `None` where that is not known.
pub(super) fn is_in(library: &Library, set: &str, element: Node<'_>) -> Option<bool> {
    let Some(value) = element.value else { return Some(element.beside.is_some()) };
    let coding = |coding: &Value| {
        let text = |name: &str| coding.get(name).and_then(Value::as_str);
        match text("code") {
            Some(code) => library.value_set_has(set, text("system").or(Some("")), code),
            None => Some(false),
        }
    };
    match value {
        Value::String(code) => library.value_set_has(set, None, code),
        Value::Object(members) => match members.get("coding").and_then(Value::as_array) {
            Some(codings) => {
                let told: Vec<Option<bool>> = codings.iter().map(coding).collect();
                if told.contains(&Some(true)) {
                    Some(true)
                } else if told.contains(&None) {
                    None
                } else {
                    Some(false)
                }
            }
            None if element.kind.is_some_and(|kind| kind.is_a("Quantity")) && !members.contains_key("code") => {
                Some(true)
            }
            None if element.kind.map(Kind::name) == Some("CodeableConcept") => Some(false),
            None => coding(value),
        },
        _ => Some(true),
    }
}

fn is_absent(element: Node<'_>) -> bool {
    let of = |value: Option<&Value>| {
        let extensions = value.and_then(|value| value.get("extension")).and_then(Value::as_array);
        extensions
            .into_iter()
            .flatten()
            .any(|extension| extension.get("url").and_then(Value::as_str) == Some(DATA_ABSENT_REASON))
    };
    of(element.value) || of(element.beside)
}
