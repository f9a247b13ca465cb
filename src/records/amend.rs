//! A translated resource is laid over the recorded one: what the source did not send stays, what it deleted goes.
//!
//! Lists are compared by what their source fields speak of: work numbers and other numbers, names by use, identifiers by
//! system, participants by type. A list that nothing tells apart is the source's whole word on it.

use serde_json::{Map, Value};

use crate::translate::{Amendment, Cleared};

/// Elements with alternatives, of which a resource has one.
const CHOICES: [&str; 4] = ["deceased", "multipleBirth", "occurrence", "onset"];
/// Elements whose parts come from several fields.
const PARTS: [&str; 2] = ["hospitalization", "period"];

/// Lays `new` over `recorded`.
pub(super) fn amend(recorded: &Value, new: &mut Value, amendment: &Amendment) {
    let (Some(recorded), Some(new)) = (recorded.as_object(), new.as_object_mut()) else { return };
    for list in &amendment.unite {
        if let (Some(Value::Array(old)), Some(Value::Array(items))) = (recorded.get(list), new.get_mut(list)) {
            let more: Vec<Value> = old.iter().filter(|item| !items.contains(item)).cloned().collect();
            items.splice(0..0, more);
        } else if let (Some(old), None) = (recorded.get(list), new.get(list)) {
            new.insert(list.clone(), old.clone());
        }
    }
    if amendment.keep {
        keep(recorded, new, amendment);
    }
}

fn keep(recorded: &Map<String, Value>, new: &mut Map<String, Value>, amendment: &Amendment) {
    for (element, old) in recorded {
        if matches!(element.as_str(), "resourceType" | "id" | "meta" | "text") {
            continue;
        }
        if amendment.weak.contains(element) && !is_cleared(&amendment.cleared, element) {
            new.insert(element.clone(), old.clone());
            continue;
        }
        if let Some(value) = new.get_mut(element) {
            keep_within(element, old, value, &amendment.cleared);
        } else if !is_replaced(recorded, new, element) && !is_cleared(&amendment.cleared, element) {
            new.insert(element.clone(), left(element, old, &amendment.cleared));
        }
        if new.get(element).is_some_and(is_nothing) {
            new.remove(element);
        }
    }
    keep_source(recorded, new);
    in_error_has_no_status(new);
}

/// What is the source's own stays so when another message adds to it.
fn keep_source(recorded: &Map<String, Value>, new: &mut Map<String, Value>) {
    let source = |resource: &Map<String, Value>| resource.get("meta").and_then(|meta| meta.get("source")).cloned();
    if let (Some(source), None) = (source(recorded), source(new)) {
        let meta = new.entry("meta").or_insert_with(|| Value::Object(Map::new()));
        meta["source"] = source;
    }
}

/// What is left of a recorded element that the source did not send.
fn left(element: &str, old: &Value, cleared: &[Cleared]) -> Value {
    let mut nothing = if old.is_array() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    if !old.is_array() && !PARTS.contains(&element) {
        return old.clone();
    }
    let known = matches!(element, "telecom" | "extension") || PARTS.contains(&element);
    if !known {
        return old.clone();
    }
    keep_within(element, old, &mut nothing, cleared);
    nothing
}

/// Whether another form of the element is there: `deceasedDateTime` for `deceasedBoolean`, `birthDate` for `_birthDate`.
fn is_replaced(recorded: &Map<String, Value>, new: &Map<String, Value>, element: &str) -> bool {
    let plain = element.strip_prefix('_').unwrap_or(element);
    let choice = CHOICES.iter().find(|choice| plain.starts_with(**choice));
    let by_choice = choice.is_some_and(|choice| {
        new.keys().any(|other| other.trim_start_matches('_').starts_with(choice) && other != element)
    });
    let other_value = plain != element && new.get(plain).is_some_and(|value| Some(value) != recorded.get(plain));
    let absent_before = format!("_{element}");
    by_choice || other_value || (plain == element && new.contains_key(&absent_before))
}

/// Whether the source deletes all of the element.
fn is_cleared(cleared: &[Cleared], element: &str) -> bool {
    let plain = element.strip_prefix('_').unwrap_or(element);
    let choice = CHOICES.iter().find(|choice| plain.starts_with(**choice));
    cleared.iter().filter(|cleared| cleared.usage.is_none()).any(|cleared| {
        let name = cleared.element.as_str();
        // An extension is one of many: `extension.valueString` does not say which, and so deletes none.
        name != "extension" && (name == plain || choice.is_some_and(|choice| name.starts_with(choice)))
            || name
                .split_once('.')
                .is_some_and(|(list, _)| list == plain && !PARTS.contains(&list) && list != "extension")
    })
}

/// Keeps the parts and list items that `value` does not speak of.
fn keep_within(element: &str, old: &Value, value: &mut Value, cleared: &[Cleared]) {
    match (old, value) {
        (Value::Object(old), Value::Object(parts)) if PARTS.contains(&element) => {
            for (part, kept) in old {
                let path = format!("{element}.{part}");
                if !parts.contains_key(part) && !cleared.iter().any(|cleared| cleared.element == path) {
                    parts.insert(part.clone(), kept.clone());
                }
            }
            forward(parts);
        }
        (Value::Array(old), Value::Array(items)) => {
            if cleared.iter().any(|cleared| cleared.element == element && cleared.usage.is_none()) {
                return;
            }
            let Some(subject) = subject_of(element) else { return };
            let spoken: Vec<Option<String>> = items.iter().map(subject).collect();
            let is_deleted = |item: &Value| {
                element == "telecom"
                    && cleared.iter().any(|cleared| {
                        cleared.element == "telecom"
                            && (cleared.usage.as_deref() == Some("work")) == (subject(item).as_deref() == Some("work"))
                    })
            };
            let kept: Vec<Value> =
                old.iter().filter(|item| !spoken.contains(&subject(item)) && !is_deleted(item)).cloned().collect();
            items.extend(kept);
        }
        _ => {}
    }
}

/// A kept start that is after the new end is not kept.
fn forward(period: &mut Map<String, Value>) {
    let day = |name: &str| period.get(name).and_then(Value::as_str).and_then(|text| text.get(..10)).map(str::to_owned);
    if let (Some(start), Some(end)) = (day("start"), day("end"))
        && start > end
    {
        period.shift_remove("start");
    }
}

type Subject = fn(&Value) -> Option<String>;

/// What the items of a list speak of, for lists that several fields fill.
fn subject_of(element: &str) -> Option<Subject> {
    match element {
        "identifier" => Some(|item| item.get("system").and_then(Value::as_str).map(str::to_owned)),
        "telecom" => {
            Some(|item| item.get("use").and_then(Value::as_str).filter(|usage| *usage == "work").map(str::to_owned))
        }
        "name" => Some(|item| item.get("use").and_then(Value::as_str).map(str::to_owned)),
        "extension" => Some(|item| item.get("url").and_then(Value::as_str).map(str::to_owned)),
        "participant" => Some(|item| item.pointer("/type/0/coding/0/code").and_then(Value::as_str).map(str::to_owned)),
        _ => None,
    }
}

fn is_nothing(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

/// ait-2: what was entered in error has no clinical status.
fn in_error_has_no_status(resource: &mut Map<String, Value>) {
    let status = resource.get("verificationStatus").and_then(|status| status.pointer("/coding/0/code"));
    if status.and_then(Value::as_str) == Some("entered-in-error") {
        resource.shift_remove("clinicalStatus");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn amended(recorded: Value, mut new: Value, amendment: &Amendment) -> Value {
        amend(&recorded, &mut new, amendment);
        new
    }

    fn keeping(cleared: &[(&str, Option<&str>)]) -> Amendment {
        let cleared = cleared
            .iter()
            .map(|(element, usage)| Cleared { element: (*element).to_owned(), usage: usage.map(str::to_owned) })
            .collect();
        Amendment { keep: true, cleared, ..Amendment::default() }
    }

    #[test]
    fn what_is_not_sent_stays_and_what_is_nulled_goes() {
        let recorded = json!({"gender": "female", "maritalStatus": {"text": "M"}, "address": [{"city": "X"}],
            "telecom": [{"value": "1", "use": "home"}, {"value": "2", "use": "work"}],
            "identifier": [{"system": "a", "value": "1"}, {"system": "b", "value": "2"}]});
        let new = json!({"gender": "female", "identifier": [{"system": "a", "value": "1"}]});
        let kept = amended(recorded.clone(), new.clone(), &keeping(&[]));
        assert_eq!(kept["telecom"], recorded["telecom"]);
        assert_eq!(kept["address"], recorded["address"]);
        assert_eq!(kept["identifier"], recorded["identifier"]);
        let nulled = amended(recorded.clone(), new.clone(), &keeping(&[("address", None), ("telecom", Some("home"))]));
        assert_eq!(nulled.get("address"), None);
        assert_eq!(nulled["telecom"], json!([{"value": "2", "use": "work"}]));
        assert_eq!(nulled["maritalStatus"], recorded["maritalStatus"]);
        let all = keeping(&[("telecom", Some("home")), ("telecom", Some("work"))]);
        assert_eq!(amended(recorded.clone(), new, &all).get("telecom"), None);
        let moved = json!({"telecom": [{"value": "9", "use": "mobile"}], "address": [{"city": "Y"}]});
        let moved = amended(recorded, moved, &keeping(&[]));
        assert_eq!(moved["telecom"], json!([{"value": "9", "use": "mobile"}, {"value": "2", "use": "work"}]));
        assert_eq!(moved["address"], json!([{"city": "Y"}]));
    }

    #[test]
    fn one_of_several_forms_is_left() {
        let recorded = json!({"deceasedBoolean": false, "birthDate": "2000-01-01", "_birthDate": {"extension": []}});
        let new = json!({"deceasedDateTime": "2026-01-01", "birthDate": "2000-01-02"});
        assert_eq!(amended(recorded.clone(), new.clone(), &keeping(&[])), new);
        let same = json!({"birthDate": "2000-01-01"});
        assert_eq!(amended(recorded.clone(), same.clone(), &keeping(&[]))["_birthDate"], recorded["_birthDate"]);
        assert_eq!(amended(recorded, same, &keeping(&[("deceasedDateTime", None)])).get("deceasedBoolean"), None);
    }

    #[test]
    fn a_default_replaces_nothing_and_a_period_keeps_its_start() {
        let recorded = json!({"status": "finished", "period": {"start": "2026-01-01", "end": "2026-01-05"}});
        let new = json!({"status": "unknown"});
        let weak = Amendment { weak: vec!["status".to_owned()], ..keeping(&[]) };
        assert_eq!(amended(recorded.clone(), new.clone(), &weak), recorded);
        let nulled =
            Amendment { weak: vec!["status".to_owned()], ..keeping(&[("status", None), ("period.end", None)]) };
        let reopened = amended(recorded.clone(), new, &nulled);
        assert_eq!(reopened, json!({"status": "unknown", "period": {"start": "2026-01-01"}}));
        let left = amended(recorded, json!({"period": {"end": "2026-01-06"}}), &keeping(&[]));
        assert_eq!(left["period"], json!({"end": "2026-01-06", "start": "2026-01-01"}));
    }

    #[test]
    fn results_of_a_report_are_united_and_all_else_is_replaced() {
        let recorded =
            json!({"result": [{"reference": "Observation/a"}, {"reference": "Observation/b"}], "issued": "x"});
        let amendment = Amendment { unite: vec!["result".to_owned()], ..Amendment::default() };
        let new = json!({"result": [{"reference": "Observation/b"}, {"reference": "Observation/c"}]});
        let all = ["a", "b", "c"].map(|id| json!({"reference": format!("Observation/{id}")}));
        assert_eq!(amended(recorded, new, &amendment), json!({"result": all}));
    }
}
