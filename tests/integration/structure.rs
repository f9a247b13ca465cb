//! What a resource may look like: good ones are taken, and of each kind of fault it is told where and what.
//! `UPDATE_FIXTURES=1` writes the expected issues.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};
use watari::fhir::structure::{self, StructureError};

use crate::conformance_mutations::{files, samples};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/structure")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The issues, a line each.
fn lines(checked: Result<(), StructureError>) -> Vec<String> {
    let issues = checked.err().map(|error| error.issues).unwrap_or_default();
    issues.into_iter().map(|issue| format!("{} [{}] {}", issue.place, issue.code, issue.text)).collect()
}

/// `target` changed by a merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let members = target.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            members.shift_remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

#[test]
fn each_fault_is_told_with_its_place() {
    let mut count = 0;
    for case in std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()) {
        let good = read(&case.join("good.json"));
        assert_eq!(lines(structure::check(&good)), Vec::<String>::new(), "{}", case.display());
        let path = case.join("faults.json");
        let mut faults = read(&path);
        for fault in faults.as_array_mut().unwrap() {
            let broken = match fault.get("resource") {
                Some(resource) => resource.clone(),
                None => {
                    let mut broken = good.clone();
                    merge(&mut broken, &fault["with"]);
                    broken
                }
            };
            let found = json!(lines(structure::check(&broken)));
            let in_our_tree = lines(structure::check(&watari::fhir::tree::Value::from(broken.clone())));
            assert_eq!(json!(in_our_tree), found, "the other tree reads the same");
            assert_ne!(found, json!([]), "{}: {} is taken", case.display(), fault["what"]);
            if std::env::var_os("UPDATE_FIXTURES").is_some() {
                fault["issues"] = found;
            } else {
                assert_eq!(found, fault["issues"], "{}: {}", case.display(), fault["what"]);
            }
            count += 1;
        }
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&path, serde_json::to_string_pretty(&faults).unwrap() + "\n").unwrap();
        }
    }
    assert!(count > 100, "only {count} faults");
}

#[test]
fn what_is_told_does_not_tell_the_value() {
    let secret = json!({
        "resourceType": "Patient", "gender": "Zyxw", "birthDate": "Zyxw", "id": "Zyxw Zyxw", "active": "Zyxw",
        "Zyxw Zyxw": 1, "maritalStatus": {"coding": [{"code": "Zyxw ", "system": "Zyxw Zyxw"}]},
        "generalPractitioner": [{"reference": "#Zyxw"}, {"reference": "Group/Zyxw"}, {"reference": "#a"}],
        "contained": [{"resourceType": "Zyxw", "id": "a"}], "text": {"div": "<Zyxw>"},
    });
    let error = structure::check(&secret).unwrap_err();
    assert!(error.issues.len() >= 9, "{error:?}");
    assert!(!format!("{error:?}{error}").contains("Zyxw"), "{error:?}");
}

#[test]
fn only_so_much_is_told_of_only_so_deep_a_resource() {
    let names: Vec<Value> = (0..1000).map(|_| json!({"use": "x"})).collect();
    let error = structure::check(&json!({"resourceType": "Patient", "name": names})).unwrap_err();
    assert_eq!(error.issues.len(), 32);
    let mut deep = json!({"url": "x", "valueString": "y"});
    // Readers of JSON stop at 128 levels.
    for _ in 0..60 {
        deep = json!({"url": "x", "extension": [deep]});
    }
    assert!(structure::check(&json!({"resourceType": "Patient", "extension": [deep]})).is_ok());
    for _ in 0..10 {
        deep = json!({"url": "x", "extension": [deep]});
    }
    assert!(structure::check(&json!({"resourceType": "Patient", "extension": [deep]})).is_err());
}

#[test]
fn what_would_take_hours_is_refused_at_once() {
    let codings: Vec<Value> = (0..2_000).map(|at| json!({"code": at.to_string()})).collect();
    let others: Vec<Value> = (0..2_000).map(|at| json!({"code": format!("x{at}")})).collect();
    let observation = json!({"resourceType": "Observation", "status": "final", "code": {"coding": codings},
        "valueString": "x", "component": [{"code": {"coding": others}}]});
    assert_eq!(
        lines(structure::check(&observation)),
        ["Observation [too-costly] is too large for obs-7 to be checked"]
    );

    let contained: Vec<Value> =
        (0..20_000).map(|at| json!({"resourceType": "Organization", "id": at.to_string(), "name": "x"})).collect();
    let references: Vec<Value> = (0..20_000).map(|at| json!({"reference": format!("#{at}")})).collect();
    let start = std::time::Instant::now();
    let patient = json!({"resourceType": "Patient", "contained": contained, "generalPractitioner": references});
    assert_eq!(lines(structure::check(&patient)), Vec::<String>::new());
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn references_of_a_transaction_lead_to_the_right_entries() {
    let observation = |target: &str| json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": target}});
    let entries = [("urn:uuid:a", "Patient"), ("urn:uuid:b", "Medication")].into_iter().collect();
    assert!(structure::check_entry(&observation("urn:uuid:a"), &entries).is_ok());
    let error = structure::check_entry(&observation("urn:uuid:b"), &entries).unwrap_err();
    assert_eq!(error.issues[0].place, "Observation.subject.reference");
    assert!(structure::check_entry(&observation("urn:uuid:c"), &entries).is_ok(), "another check finds where it leads");
}

/// JSON of any kind, with names and texts that FHIR knows more often than chance would have it.
fn any_json() -> impl Strategy<Value = Value> {
    let texts = prop_oneof![
        any::<String>(),
        "(Patient|Bundle|Observation|final|#a|urn:uuid:a|Patient/1|2024-02-30|<div>|http://a.b/c)",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        texts.prop_map(Value::from),
    ];
    let names = prop_oneof![
        any::<String>(),
        "_?(resourceType|id|extension|url|value|valueString|valueQuantity|name|contained|entry|resource|reference|text|div|code)",
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The places of all values within one, as JSON pointers.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| pointers(item, &format!("{at}/{index}"), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| pointers(member, &format!("{at}/{name}"), found));
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(value in any_json()) {
        let _ = structure::check(&value);
    }

    #[test]
    fn no_change_of_a_resource_makes_it_panic(case in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), new in any_json()) {
        let mut cases: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
        cases.sort();
        let mut resource = read(&case.get(cases.as_slice()).join("good.json"));
        let mut places = Vec::new();
        pointers(&resource, "", &mut places);
        let place: &String = at.get(places.as_slice());
        if let Some(place) = resource.pointer_mut(place) {
            *place = new;
        }
        let _ = structure::check(&resource);
    }
}

/// Official examples that R4 itself does not allow: references to types that their elements do not take.
const WRONG_EXAMPLES: [&str; 2] = ["MedicationRequest-medrx0301.json", "Observation-clinical-gender.json"];

#[test]
fn official_examples_are_taken() {
    let Some(folder) = samples() else { return };
    let mut count = 0;
    for group in ["fhir-r4-examples", "ips-examples", "jp-clins-examples"] {
        for path in files(&folder.join("samples").join(group)) {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let is_wrong = WRONG_EXAMPLES.iter().any(|name| path.ends_with(name));
            let issues = lines(structure::check(&read(&path)));
            assert_eq!(issues.is_empty(), !is_wrong, "{}: {issues:?}", path.display());
            count += 1;
        }
    }
    assert!(count > 400, "only {count} examples");
}

#[test]
fn seeded_faults_are_found() {
    let Some(folder) = samples() else { return };
    let cases = folder.join("oracle/fhir-validate/test");
    for path in files(&cases.join("good")) {
        assert_eq!(lines(structure::check(&read(&path))), Vec::<String>::new(), "{}", path.display());
    }
    let broken = files(&cases.join("broken"));
    assert!(broken.len() >= 36, "only {} faults", broken.len());
    for path in broken {
        assert!(structure::check(&read(&path)).is_err(), "{} is taken", path.display());
    }
}
