//! A translated resource is laid over the recorded one: what the source did not send stays, what it deleted goes, and of
//! two words on the same thing the later counts, in whatever order they arrive.
//!
//! Lists are compared by what their source fields speak of: work numbers and other numbers, names by use, identifiers by
//! system, participants by type. A list that nothing tells apart is the source's whole word on it.

use serde_json::{Map, Value};

use super::units::{self, Age, Unit, Units};
use crate::translate::Amendment;

/// Lays `new` over `recorded`. The times are those of the events that the two come from.
pub(super) fn amend(
    recorded: &Value,
    recorded_time: Option<&str>,
    new: &mut Value,
    time: Option<&str>,
    amendment: &Amendment,
) {
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
        let (before, now) = (Age::of(recorded_time), Age::of(time));
        let latest = if now.replaces(&before) { now.clone() } else { before.clone() };
        let mut said = units::units(new, &now);
        for (key, unit) in &mut said {
            if amendment.weak.contains(key) {
                unit.age = Age::Weak;
            }
        }
        let merged = laid_over(units::units(recorded, &before), said, &now, amendment);
        let mut head = head(new);
        keep_meta(recorded, &mut head);
        *new = units::resource(head, merged, &latest);
        in_error_has_no_status(new);
    }
}

/// The first word on a resource, in the order in which later words on it are kept: which of its elements are defaults, and
/// what the source deleted before it was known.
pub(super) fn begin(new: &mut Value, time: Option<&str>, amendment: &Amendment) {
    let nothing = Value::Object(Map::new());
    if amendment.keep {
        amend(&nothing, time, new, time, amendment);
    }
}

/// What is the source's own stays so when another message adds to it, and so does the profile that the fuller resource keeps.
fn keep_meta(recorded: &Map<String, Value>, new: &mut Map<String, Value>) {
    for member in ["source", "profile"] {
        let of = |resource: &Map<String, Value>| resource.get("meta").and_then(|meta| meta.get(member)).cloned();
        if let (Some(value), None) = (of(recorded), of(new)) {
            let meta = new.entry("meta").or_insert_with(|| Value::Object(Map::new()));
            meta[member] = value;
        }
    }
}

/// A resource that a message only mentions: all it says of it is a default.
pub(super) fn mention(new: &mut Value) {
    let Some(body) = new.as_object_mut() else { return };
    let mut said = units::units(body, &Age::Weak);
    said.iter_mut().for_each(|(_, unit)| unit.age = Age::Weak);
    *body = units::resource(head(body), said, &Age::Unknown);
}

/// What is nobody's word.
fn head(resource: &Map<String, Value>) -> Map<String, Value> {
    let names = ["resourceType", "id", "meta", "text"];
    let own = |name: &str| resource.get(name).map(|value| (name.to_owned(), value.clone()));
    names.iter().filter_map(|name| own(name)).collect()
}

fn laid_over(recorded: Units, said: Units, now: &Age, amendment: &Amendment) -> Units {
    let mut merged: Units = Vec::new();
    let deletes = |key: &str| {
        amendment.cleared.iter().any(|cleared| units::is_deleted(key, &cleared.element, cleared.usage.as_deref()))
    };
    for (key, unit) in said {
        let known = recorded.iter().find(|(other, _)| *other == key).map(|(_, unit)| unit);
        let is_gone = deletes(&key) && now.replaces(known.map_or(&Age::Weak, |known| &known.age));
        match known {
            // A default stands where the source deletes what was known.
            Some(known) if !(unit.age.replaces(&known.age) || is_gone && unit.age == Age::Weak) => {
                let stays = !known.members.is_empty() || unit.age != Age::Weak;
                let kept = if stays { with_more(known.clone(), &unit) } else { unit };
                merged.push((key, kept));
            }
            Some(known) => merged.push((key, with_more(unit, known))),
            None => merged.push((key, unit)),
        }
    }
    for (key, unit) in recorded {
        if merged.iter().any(|(other, _)| *other == key) {
            continue;
        }
        // A default of which this word does not speak was only a guess of what it would say.
        if unit.age == Age::Weak {
            continue;
        }
        let is_gone = deletes(&key) && now.replaces(&unit.age);
        merged.push(if is_gone { (key, deleted(now)) } else { (key, unit) });
    }
    for cleared in &amendment.cleared {
        if let Some(key) = units::deleted_key(&cleared.element, cleared.usage.as_deref())
            && !merged.iter().any(|(other, _)| *other == key)
        {
            merged.push((key, deleted(now)));
        }
    }
    merged
}

/// What goes with the same value stays with it: the time of birth with the date.
fn with_more(mut unit: Unit, other: &Unit) -> Unit {
    for (member, value) in other.members.iter().filter(|(member, _)| member.starts_with('_')) {
        let plain = |unit: &Unit| {
            let found = unit.members.iter().find(|(name, _)| Some(name.as_str()) == member.strip_prefix('_'));
            found.map(|(_, value)| value.clone())
        };
        let same = plain(&unit).is_some() && plain(&unit) == plain(other);
        if same && !unit.members.iter().any(|(name, _)| name == member) {
            unit.members.push((member.clone(), value.clone()));
        }
    }
    unit
}

/// A word that there is nothing.
fn deleted(now: &Age) -> Unit {
    Unit { members: Vec::new(), age: now.clone() }
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
    use crate::translate::Cleared;

    /// Without the times of its units.
    fn amended(recorded: Value, mut new: Value, amendment: &Amendment) -> Value {
        amend(&recorded, Some("2026-01-01T00:00:00Z"), &mut new, Some("2026-01-02T00:00:00Z"), amendment);
        if let Some(new) = new.as_object_mut() {
            new.remove("meta");
        }
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

    /// Whatever the order, the record is the same.
    #[test]
    fn later_words_win_in_any_order() {
        let telecom = |value: &str, usage: &str| json!({"value": value, "use": usage});
        let weak = Amendment { weak: vec!["status".to_owned()], ..keeping(&[]) };
        let words = [
            (
                "2026-01-01T00:00:00Z",
                json!({"status": "in-progress", "class": "a", "period": {"start": "2026-01-01"},
                "telecom": [telecom("1", "home"), telecom("2", "work")]}),
                keeping(&[]),
            ),
            ("2026-01-02T00:00:00Z", json!({"status": "finished", "period": {"end": "2026-01-02"}}), keeping(&[])),
            ("2026-01-03T00:00:00Z", json!({"status": "unknown", "class": "b"}), weak),
            ("2026-01-04T00:00:00Z", json!({"class": "b", "gender": "male"}), keeping(&[("telecom", Some("home"))])),
        ];
        let take = |order: &[usize]| {
            let mut record: Option<(Value, &str)> = None;
            for at in order {
                let (time, word, amendment) = &words[*at];
                let mut new = word.clone();
                record = Some(match record {
                    None => {
                        begin(&mut new, Some(time), amendment);
                        (new, time)
                    }
                    Some((old, before)) => {
                        amend(&old, Some(before), &mut new, Some(time), amendment);
                        (new, time.max(&before))
                    }
                });
            }
            record.unwrap().0
        };
        let expected = take(&[0, 1, 2, 3]);
        assert_eq!(expected["status"], "finished");
        assert_eq!(expected["period"], json!({"start": "2026-01-01", "end": "2026-01-02"}));
        assert_eq!(expected["telecom"], json!([{"value": "2", "use": "work"}]));
        for a in 0..4 {
            for b in (0..4).filter(|b| *b != a) {
                for c in (0..4).filter(|c| ![a, b].contains(c)) {
                    let d = 6 - a - b - c;
                    assert_eq!(take(&[a, b, c, d]), expected, "{a} {b} {c} {d}");
                    assert_eq!(take(&[a, b, a, c, d, b]), expected, "{a} {b} {c} {d} again");
                }
            }
        }
    }
}
