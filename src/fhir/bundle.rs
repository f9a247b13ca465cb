//! Bundles: <https://hl7.org/fhir/R4/bundle.html>.

use serde_json::{Value, json};

/// The entries of a bundle (none, if it has none).
pub fn entries(bundle: &Value) -> impl Iterator<Item = &Value> {
    bundle.get("entry").and_then(Value::as_array).into_iter().flatten()
}

/// The resources of a bundle in order.
pub fn resources(bundle: &Value) -> impl Iterator<Item = &Value> {
    entries(bundle).filter_map(|entry| entry.get("resource"))
}

/// The first resource of `kind` in a bundle.
pub fn first<'a>(bundle: &'a Value, kind: &str) -> Option<&'a Value> {
    resources(bundle).find(|resource| super::resource_type(resource) == Some(kind))
}

/// A bundle of `kind` (`transaction`, `message`, `document`, `searchset`, …) from finished entries.
pub fn of(kind: &str, entries: Vec<Value>) -> Value {
    let mut bundle = json!({"resourceType": "Bundle", "type": kind});
    if !entries.is_empty() {
        bundle["entry"] = Value::Array(entries);
    }
    bundle
}
