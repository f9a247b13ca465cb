//! Two things of one message with the same identity. They are never told apart by their place in the message: a later
//! message that corrects one of them has other places, and would correct the wrong one.

use crate::fhir::tree::{Map, Value};

use crate::translate::{Refused, RefusedCode};

const CODED: &str = "valueCodeableConcept";

/// The later one counts; what only the earlier one says stays, and lists hold what both say.
pub(crate) fn replace(first: &mut Map, second: Map) {
    for (element, value) in second {
        match (first.get_mut(&element), value) {
            (Some(Value::Array(items)), Value::Array(more)) => unite(items, more),
            (_, value) => drop(first.insert(element, value)),
        }
    }
}

/// Lines of one text become one text, several codes that answer one question become the components of one answer, and the
/// same thing twice is one thing. Two different values of any other kind are refused.
pub(crate) fn join(first: &mut Map, mut second: Map) -> Result<(), Refused> {
    if answers_also(first, &second) {
        as_component(first);
        as_component(&mut second);
    }
    let value = |map: &Map| map.keys().find(|element| element.starts_with("value")).cloned();
    if value(first) != value(&second) {
        return Err(refused());
    }
    for (element, value) in second {
        match (first.get_mut(&element), value) {
            (None, value) => drop(first.insert(element, value)),
            (Some(old), value) if *old == value => {}
            (Some(Value::Array(items)), Value::Array(more)) => unite(items, more),
            (Some(Value::String(text)), Value::String(line)) if element == "valueString" => {
                text.push_str(&format!("\n{line}"));
            }
            _ => return Err(refused()),
        }
    }
    Ok(())
}

/// Whether the second is another coded answer to the question of the first.
fn answers_also(first: &Map, second: &Map) -> bool {
    let is_coded = |map: &Map| map.contains_key(CODED);
    let has_parts = first.get("component").is_some();
    (is_coded(first) || has_parts) && is_coded(second) && first.get(CODED) != second.get(CODED)
}

/// Makes the value of a result its component, with what is said of this value alone.
fn as_component(body: &mut Map) {
    let Some(value) = body.remove(CODED) else { return };
    let mut component = Map::new();
    component.insert("code", body.get("code").cloned().unwrap_or(Value::Null));
    component.insert(CODED, value);
    for element in ["interpretation", "referenceRange"] {
        if let Some(said) = body.remove(element) {
            component.insert(element, said);
        }
    }
    body.insert("component", Value::Array(vec![Value::Object(component)]));
}

fn unite(items: &mut Vec<Value>, more: Vec<Value>) {
    for item in more {
        if !items.contains(&item) {
            items.push(item);
        }
    }
}

fn refused() -> Refused {
    let reason = "two results of one order have the same code, sub-id (OBX-4), time (OBX-14), method, observer and unit but \
                  differ, so that a correction could not say which of them it corrects; have the sender number them in \
                  OBX-4";
    Refused::new(RefusedCode::Invalid, reason).at("OBX-4")
}

#[cfg(test)]
mod tests {
    use crate::fhir::tree::json;

    use super::*;

    fn map(value: Value) -> Map {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn lines_are_joined_and_numbers_are_not_numbered() {
        let mut text = map(json!({"status": "final", "valueString": "a"}));
        join(&mut text, map(json!({"status": "final", "valueString": "b", "note": [{"text": "n"}]}))).unwrap();
        assert_eq!(Value::Object(text), json!({"status": "final", "valueString": "a\nb", "note": [{"text": "n"}]}));
        let number = |value: i64| map(json!({"valueQuantity": {"value": value}}));
        assert!(join(&mut number(1), number(1)).is_ok());
        assert_eq!(join(&mut number(1), number(2)).unwrap_err().place.as_deref(), Some("OBX-4"));
        assert!(join(&mut number(1), map(json!({"valueString": "1"}))).is_err());
        assert!(join(&mut number(1), map(json!({"dataAbsentReason": {}}))).is_err());
    }

    #[test]
    fn several_coded_answers_are_components() {
        let answer = |code: &str| {
            map(json!({"code": {"text": "organism"}, "interpretation": [{"text": code}],
                "valueCodeableConcept": {"coding": [{"code": code}]}}))
        };
        let mut first = answer("a");
        join(&mut first, answer("b")).unwrap();
        join(&mut first, answer("c")).unwrap();
        let component = |code: &str| {
            json!({"code": {"text": "organism"}, "valueCodeableConcept": {"coding": [{"code": code}]},
                "interpretation": [{"text": code}]})
        };
        let components = [component("a"), component("b"), component("c")];
        assert_eq!(Value::Object(first), json!({"code": {"text": "organism"}, "component": components}));
        let mut same = answer("a");
        join(&mut same, answer("a")).unwrap();
        assert_eq!(same, answer("a"));
        let mut corrected = answer("a");
        corrected.insert("status", json!("final"));
        let mut other = answer("b");
        other.insert("status", json!("corrected"));
        assert!(join(&mut corrected, other).is_err());
    }

    #[test]
    fn the_later_one_counts() {
        let mut first = map(json!({"a": 1, "b": [1], "c": 1}));
        replace(&mut first, map(json!({"a": 2, "b": [1, 2]})));
        assert_eq!(Value::Object(first), json!({"a": 2, "b": [1, 2], "c": 1}));
    }
}
