//! A resource's search rows, by the table in [`super::parameters`].

use serde_json::Value;

use super::parameters::{self, Parameter, ParameterType};
use super::retire::SOURCE;
use crate::fhir::{self, dates, reference};
use crate::harmonise::{comparable_quantities, search_keys};
use crate::store::records::{IndexRow, IndexValue};

/// All search rows of a resource.
pub fn rows(resource: &Value) -> Vec<IndexRow> {
    let kind = fhir::resource_type(resource).unwrap_or("");
    let mut rows = Vec::new();
    if let Some(source) = resource.pointer("/meta/source").and_then(Value::as_str) {
        let value = IndexValue::Token { system: String::new(), code: source.to_owned() };
        rows.push(IndexRow { parameter: SOURCE.to_owned(), value });
    }
    for parameter in parameters::of(kind) {
        if parameter.kind == ParameterType::Quantity {
            // Only what may be compared: no bounds (`<5`), nothing harmonising barred.
            for (number, unit) in comparable_quantities(resource) {
                let Some(value) = number.as_f64() else { continue };
                add(&mut rows, parameter, IndexValue::Quantity { value, unit: unit.to_owned() });
            }
            continue;
        }
        for path in parameter.paths {
            for value in at(resource, path) {
                push(&mut rows, parameter, value);
            }
        }
    }
    rows
}

/// The values at a dotted path, walking through arrays.
fn at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![value];
    for name in path.split('.') {
        found = found.into_iter().filter_map(|value| value.get(name)).flat_map(flatten).collect();
    }
    found
}

fn flatten(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    }
}

fn push(rows: &mut Vec<IndexRow>, parameter: &Parameter, value: &Value) {
    let values = match parameter.kind {
        ParameterType::Token => tokens(value),
        ParameterType::Text => texts(value),
        ParameterType::Date => dates_of(value),
        ParameterType::Reference => references(value),
        ParameterType::Quantity => Vec::new(),
    };
    for value in values {
        add(rows, parameter, value);
    }
}

fn add(rows: &mut Vec<IndexRow>, parameter: &Parameter, value: IndexValue) {
    let row = IndexRow { parameter: parameter.name.to_owned(), value };
    if !rows.contains(&row) {
        rows.push(row);
    }
}

fn tokens(value: &Value) -> Vec<IndexValue> {
    let token = |system: &str, code: &str| IndexValue::Token { system: system.to_owned(), code: code.to_owned() };
    match value {
        Value::String(code) => vec![token("", code)],
        Value::Bool(flag) => vec![token("", if *flag { "true" } else { "false" })],
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            let system = text("system").unwrap_or("");
            if let Some(code) = text("code").or_else(|| text("value")) {
                return vec![token(system, code)];
            }
            fhir::codings(value).map(|(system, code)| token(system, code)).collect()
        }
        _ => Vec::new(),
    }
}

fn texts(value: &Value) -> Vec<IndexValue> {
    let keys = value.as_str().map(search_keys).unwrap_or_default();
    keys.into_iter().filter(|text| !text.is_empty()).map(IndexValue::Text).collect()
}

fn dates_of(value: &Value) -> Vec<IndexValue> {
    let range = match value {
        Value::String(text) => dates::range(text),
        Value::Object(period) => {
            let end = |name: &str| period.get(name).and_then(Value::as_str).and_then(dates::range);
            // An open end reaches to the edge of what can be written.
            let from = end("start").map_or_else(|| "0001-01-01T00:00:00.000Z".to_owned(), |(from, _)| from);
            let to = end("end").map_or_else(|| "9999-12-31T23:59:59.999Z".to_owned(), |(_, to)| to);
            Some((from, to))
        }
        _ => None,
    };
    range.map(|(from, to)| IndexValue::Date { from, to }).into_iter().collect()
}

fn references(value: &Value) -> Vec<IndexValue> {
    value
        .get("reference")
        .and_then(Value::as_str)
        .and_then(reference::split)
        .map(|(kind, id)| IndexValue::Reference(format!("{kind}/{id}")))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fhir::systems;

    fn token(parameter: &str, system: &str, code: &str) -> IndexRow {
        IndexRow {
            parameter: parameter.to_owned(),
            value: IndexValue::Token { system: system.to_owned(), code: code.to_owned() },
        }
    }

    #[test]
    fn an_observation_is_found_by_both_codes_and_both_quantities() {
        let rows = rows(&json!({
            "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/p"},
            "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}, {"system": systems::JLAC10, "code": "3D010000002327101"}]},
            "valueQuantity": {"value": 90, "unit": "mg/dL", "system": systems::UCUM, "code": "mg/dL"},
            "extension": [{"url": systems::HARMONISED_QUANTITY, "extension": [
                {"url": "quantity", "valueQuantity": {"value": 5.0, "system": systems::UCUM, "code": "mmol/L"}}, {"url": "rule", "valueString": "r"}]}],
        }));
        assert!(rows.contains(&token("code", "http://loinc.org", "2345-7")));
        assert!(rows.contains(&token("code", systems::JLAC10, "3D010000002327101")));
        for (number, unit) in [(90.0, "mg/dL"), (5.0, "mmol/L")] {
            let row = IndexRow {
                parameter: "value-quantity".to_owned(),
                value: IndexValue::Quantity { value: number, unit: unit.to_owned() },
            };
            assert!(rows.contains(&row), "{row:?}");
        }
    }

    #[test]
    fn below_the_limit_of_detection_is_not_a_number() {
        let rows = rows(&json!({"resourceType": "Observation",
            "valueQuantity": {"value": 5, "comparator": "<", "system": systems::UCUM, "code": "mg/dL"}}));
        assert_eq!(rows, []);
    }
}
