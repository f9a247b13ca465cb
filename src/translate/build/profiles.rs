//! States the profile that a resource conforms to. A resource that lacks what a profile requires states none: a claim that
//! does not hold would have it refused.

use crate::fhir::tree::{Map, Text, Value, json};

use crate::translate::rows::Rules;
use crate::translate::rows::profile::ProfileRow;

/// States the first profile of the resource's type that it fits.
pub(crate) fn state(rules: &Rules, body: &mut Map) {
    let kind = body.get("resourceType").and_then(Value::as_str).unwrap_or("");
    let Some(row) = rules.profiles(kind).find(|row| fits(row, body)) else { return };
    for element in &row.named {
        name(body, element);
    }
    for (element, values) in &row.adds {
        add(body, element, values);
    }
    match body.get_mut("meta").and_then(Value::as_object_mut) {
        Some(meta) => drop(meta.insert("profile", json!([&row.url]))),
        None => drop(body.shift_insert(1.min(body.len()), "meta", row.meta.clone())),
    }
}

fn fits(row: &ProfileRow, body: &Map) -> bool {
    row.requires.iter().all(|path| has(body, path))
        && row.each.iter().all(|path| each_has(body, path))
        && row.named.iter().all(|path| is_nameable(body, path))
        && row.holds.iter().all(|(element, wanted)| body.get(element).is_some_and(|value| holds(value, wanted)))
}

/// Whether something is at the path, in every element of the lists on the way.
fn has(map: &Map, path: &str) -> bool {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let found = match name.strip_suffix('*') {
        Some(beginning) => map.keys().any(|element| element.starts_with(beginning)),
        None => map.contains_key(name),
    };
    found && rest.is_none_or(|rest| objects(map.get(name)).all(|inner| has(inner, rest)))
}

/// Whether every object that may hold the last element of the path holds it.
fn each_has(map: &Map, path: &str) -> bool {
    match path.split_once('.') {
        None => map.contains_key(path),
        Some((name, rest)) => objects(map.get(name)).all(|inner| each_has(inner, rest)),
    }
}

fn objects(value: Option<&Value>) -> impl Iterator<Item = &Map> {
    let (one, many) = match value {
        Some(Value::Array(items)) => (None, Some(items.iter())),
        other => (other, None),
    };
    one.into_iter().chain(many.into_iter().flatten()).filter_map(Value::as_object)
}

/// Whether `value` says what `wanted` says.
fn holds(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(map), Value::Object(wanted)) => {
            wanted.iter().all(|(element, wanted)| map.get(element).is_some_and(|value| holds(value, wanted)))
        }
        (Value::Array(items), Value::Array(wanted)) => {
            wanted.iter().all(|wanted| items.iter().any(|item| holds(item, wanted)))
        }
        (value, wanted) => value == wanted,
    }
}

fn is_nameable(body: &Map, element: &str) -> bool {
    body.get(element).is_some_and(|concept| concept.get("text").is_some() || display(concept).is_some())
}

fn display(concept: &Value) -> Option<&Value> {
    concept.get("coding")?.as_array()?.iter().find_map(|coding| coding.get("display"))
}

fn name(body: &mut Map, element: &str) {
    let Some(concept) = body.get_mut(element) else { return };
    if concept.get("text").is_none()
        && let Some(text) = display(concept).cloned()
    {
        concept["text"] = text;
    }
}

fn add(body: &mut Map, element: &str, values: &Value) {
    let list = body.entry(Text::copied(element)).or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else { return };
    for value in values.as_array().into_iter().flatten() {
        if !list.iter().any(|present| holds(present, value)) {
            list.push(value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> ProfileRow {
        toml::from_str(&format!("type = \"Observation\"\nurl = \"http://a.example/P\"\n{text}")).unwrap()
    }

    fn map(value: Value) -> Map {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_a_profile_requires_is_looked_for() {
        let resource = map(json!({"code": {"coding": [{"system": "s", "code": "1"}, {"code": "2"}]},
            "effectiveDateTime": "2026", "category": [{"coding": [{"code": "laboratory"}]}]}));
        for (text, wanted) in [
            ("requires = [\"code\", \"effective*\"]", true),
            ("requires = [\"subject\"]", false),
            ("requires = [\"code.coding.system\"]", false),
            ("each = [\"code.coding.code\", \"telecom.value\"]", true),
            ("each = [\"code.coding.system\"]", false),
            ("holds = { category = [{ coding = [{ code = \"laboratory\" }] }] }", true),
            ("holds = { category = [{ coding = [{ code = \"imaging\" }] }] }", false),
            ("named = [\"code\"]", false),
        ] {
            assert_eq!(fits(&row(text), &resource), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_added_is_added_once() {
        let mut body = map(json!({"code": {"coding": [{"display": "d"}]}, "category": [{"coding": [{"code": "a"}]}]}));
        let values = json!([{"coding": [{"code": "a"}]}, {"coding": [{"code": "b"}]}]);
        add(&mut body, "category", &values);
        add(&mut body, "category", &values);
        name(&mut body, "code");
        assert_eq!(body["category"].as_array().map(Vec::len), Some(2));
        assert_eq!(body["code"]["text"], "d");
    }
}
