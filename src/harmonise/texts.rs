//! Results in words and signs: what a text of the table of spellings means, beside it.

use crate::fhir::tree::{Value, json};

use super::{Notes, Outcome, extension};
use crate::config::Country;
use crate::fhir::spelled::{self, Spelled};
use crate::fhir::systems;

/// A result that is text, or a concept of text alone.
pub(super) fn result(country: Country, record: &mut Value, path: &str, notes: &mut Notes<'_>) {
    let (element, text) = if let Some(text) = record["valueString"].as_str() {
        ("valueString", text)
    } else if let Some(text) = record["valueCodeableConcept"]["text"].as_str()
        && record["valueCodeableConcept"].get("coding").is_none()
    {
        ("valueCodeableConcept", text)
    } else {
        return;
    };
    let meaning = match spelled::read(text, country == Country::Jp) {
        Spelled::Coded(code) => {
            let coding = json!({"system": format!("{}0078", systems::V2), "code": code});
            json!({"url": "code", "valueCodeableConcept": {"coding": [coding]}})
        }
        Spelled::Grade(grade) => json!({"url": "grade", "valueInteger": grade}),
        // A number without a unit of its own compares with nothing.
        Spelled::Number { .. } | Spelled::Other => return,
    };
    let rule = "table of result spellings";
    notes.add(&format!("{path}{element}"), rule, Outcome::Added, "meaning of a text");
    extension::push(record, systems::HARMONISED_RESULT, meaning, Some(rule));
}
