//! Numbers of people and institutions against the form and check digit of their issuer. Nothing is changed: a doubt is a
//! note that names the issuer and the place, never the number.

use crate::fhir::tree::Value;

use super::{Catalog, Notes, Outcome};

/// The identifiers of a resource, whatever it is.
pub(super) fn check(catalog: &Catalog, resource: &Value, notes: &mut Notes<'_>) {
    let Some(identifiers) = resource.get("identifier").and_then(Value::as_array) else { return };
    let known = &catalog.terminology.identifiers;
    for identifier in identifiers {
        let (Some(system), Some(value)) = (identifier["system"].as_str(), identifier["value"].as_str()) else {
            continue;
        };
        for doubt in known.doubts(system, value) {
            let issuer = known.name(system).unwrap_or_default();
            notes.add("identifier", "identifiers.csv", Outcome::Doubtful, format!("{issuer}: {}", doubt.words()));
        }
    }
}
