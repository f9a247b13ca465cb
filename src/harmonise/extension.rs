//! Derived quantities on a record.
//!
//! Shape: on the Observation (or component), one extension [`systems::HARMONISED_QUANTITY`] per quantity, holding
//! `quantity` (valueQuantity in UCUM) and `rule` (valueString). Where a value may not be compared across countries the
//! extension holds `notConvertible` (valueString, the reason) instead, and the value takes no part in cohort counts.

use crate::fhir::tree::{Map, Number, Value, json};

use crate::fhir::systems;

/// The numbers by which a result may be found and compared, each with its UCUM unit: the original, if it is in UCUM, and
/// the harmonised ones. None for a result that may not be compared, and none for "less than" and "more than" results,
/// which are no numbers.
pub fn comparable_quantities(record: &serde_json::Value) -> Vec<(&Number, &str)> {
    use serde_json::Value;
    let extensions = record["extension"].as_array().into_iter().flatten();
    let derived: Vec<&Value> = extensions
        .filter(|extension| extension["url"] == systems::HARMONISED_QUANTITY)
        .filter_map(|extension| extension["extension"].as_array()?.first())
        .collect();
    let barred = derived.iter().any(|first| first["url"] == "notConvertible");
    if barred || record["valueQuantity"].get("comparator").is_some() {
        return Vec::new();
    }
    // A derived number in the original's own unit corrects it: a JDS percentage is not an NGSP percentage.
    let corrected = derived.iter().any(|first| first["valueQuantity"]["code"] == record["valueQuantity"]["code"]);
    let original = (!corrected).then_some(&record["valueQuantity"]);
    let all = original.into_iter().chain(derived.iter().map(|first| &first["valueQuantity"]));
    all.filter(|quantity| quantity["system"] == systems::UCUM)
        .filter_map(|quantity| match (&quantity["value"], quantity["code"].as_str()) {
            (Value::Number(value), Some(unit)) => Some((value, unit)),
            _ => None,
        })
        .collect()
}

/// Derived quantities are this node's own reckoning from the original; what a sender or an earlier pass left there is
/// dropped and reckoned anew.
pub(super) fn forget_derived(record: &mut Value) {
    let Some(extensions) = record.get_mut("extension").and_then(Value::as_array_mut) else { return };
    let derived = [systems::HARMONISED_QUANTITY, systems::HARMONISED_RESULT];
    extensions.retain(|extension| !extension["url"].as_str().is_some_and(|url| derived.contains(&url)));
    if extensions.is_empty()
        && let Some(members) = record.as_object_mut()
    {
        members.remove("extension");
    }
}

/// Puts a derived quantity on a record, with the comparator of the original.
pub(super) fn push_quantity(record: &mut Value, value: &str, ucum: &str, rule: &str) {
    // The text was written by `decimal::write` or read as a number before, so this does not fail.
    let Ok(number) = serde_json::from_str::<serde_json::Number>(value) else { return };
    let mut quantity = Map::with_capacity(5);
    quantity.insert("value", Value::Number(number));
    if let Some(comparator) = record["valueQuantity"].get("comparator") {
        quantity.insert("comparator", comparator.clone());
    }
    quantity.insert("unit", ucum.into());
    quantity.insert("system", Value::constant(systems::UCUM));
    quantity.insert("code", ucum.into());
    let first = object([("url", Value::constant("quantity")), ("valueQuantity", Value::Object(quantity))]);
    push(record, systems::HARMONISED_QUANTITY, first, Some(rule));
}

/// An object of these members. (`json!` would write every value out and read it in again.)
pub(super) fn object<const N: usize>(members: [(&'static str, Value); N]) -> Value {
    let mut object = Map::with_capacity(N);
    for (name, value) in members {
        object.push(name, value);
    }
    Value::Object(object)
}

/// Says on a record that its value may not be compared, and why.
pub(super) fn bar(record: &mut Value, why: &str) {
    push(record, systems::HARMONISED_QUANTITY, json!({"url": "notConvertible", "valueString": why}), None);
}

/// Puts an extension on a record: what was derived, and by which rule.
pub(super) fn push(record: &mut Value, url: &'static str, first: Value, rule: Option<&str>) {
    let nested = match rule {
        Some(rule) => vec![first, object([("url", Value::constant("rule")), ("valueString", rule.into())])],
        None => vec![first],
    };
    let extension = object([("url", Value::constant(url)), ("extension", Value::Array(nested))]);
    match record.get_mut("extension").and_then(Value::as_array_mut) {
        Some(extensions) => extensions.push(extension),
        None => record["extension"] = Value::Array(vec![extension]),
    }
}
