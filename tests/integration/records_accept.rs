//! How resources become part of the record: conditions hold at the commit, strangers do not choose ids, foreign
//! references stay foreign.

use std::sync::Arc;

use serde_json::{Value, json};
use watari::records::accept::{AcceptError, Done, NewIds, Origin, accept};
use watari::store::{Changes, CommitError, Handle, StoreError, sqlite::SqliteStore};

const NOW: &str = "2026-01-01T00:00:00.000Z";

fn store(folder: &std::path::Path) -> Handle {
    Handle::new(Arc::new(SqliteStore::open(&folder.join("watari.db")).unwrap()))
}

fn patient(number: &str, family: &str, request: Value, full_url: &str) -> Value {
    json!({"fullUrl": full_url, "request": request, "resource": {"resourceType": "Patient",
        "identifier": [{"system": "urn:x", "value": number}], "name": [{"family": family}]}})
}

fn transaction(entries: Vec<Value>) -> Value {
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

fn create_if_none(number: &str) -> Value {
    json!({"method": "POST", "url": "Patient", "ifNoneExist": format!("identifier=urn:x|{number}")})
}

/// Resolves and commits once; the caller sees what the commit said.
fn enter(store: &Handle, bundle: &Value, origin: &Origin) -> Result<Vec<(String, Done)>, String> {
    let accepted = store.view(|view| accept(view, NOW, bundle, origin)).map_err(|error| error.to_string())?;
    let outcome = accepted.entries.iter().map(|entry| (entry.id.clone(), entry.done)).collect();
    match store.commit(Changes { expect: accepted.expect, changes: accepted.changes }) {
        Ok(()) => Ok(outcome),
        Err(CommitError::Unexpected(expect)) => Err(format!("{expect:?}")),
        Err(error) => panic!("{error}"),
    }
}

fn patients(store: &Handle) -> u64 {
    let counts = store.view(|view| view.resource_counts()).unwrap();
    counts.iter().find(|(kind, _)| kind == "Patient").map_or(0, |(_, count)| *count)
}

#[test]
fn two_conditional_creates_resolved_on_the_same_snapshot_make_one_patient() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let bundle = transaction(vec![patient("1", "A", create_if_none("1"), "urn:uuid:a")]);
    let origin = Origin::default();
    let resolve = || store.view(|view| accept(view, NOW, &bundle, &origin)).unwrap();
    let (first, second) = (resolve(), resolve());
    store.commit(Changes { expect: first.expect, changes: first.changes }).unwrap();
    let refused = store.commit(Changes { expect: second.expect, changes: second.changes }).unwrap_err();
    assert!(matches!(refused, CommitError::Unexpected(_)), "{refused}");
    assert_eq!(patients(&store), 1);
    assert_eq!(enter(&store, &bundle, &origin).unwrap()[0].1, Done::Unchanged);
}

#[test]
fn one_condition_twice_in_a_bundle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let entries = ["urn:uuid:a", "urn:uuid:b"].map(|url| patient("1", "A", create_if_none("1"), url));
    let bundle = transaction(entries.to_vec());
    let error = store.view(|view| accept(view, NOW, &bundle, &Origin::default())).unwrap_err();
    assert!(matches!(error, AcceptError::Twice { entry: 1, .. }), "{error}");
}

#[test]
fn a_stranger_s_full_url_is_no_id_and_two_files_do_not_meet_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let post = json!({"method": "POST", "url": "Patient"});
    for (number, file) in [("1", "first"), ("2", "second")] {
        let bundle = transaction(vec![patient(number, "A", post.clone(), "urn:uuid:patient-1")]);
        let origin = Origin { new_ids: NewIds::DerivedFrom(file.to_owned()), ..Origin::default() };
        let outcome = enter(&store, &bundle, &origin).unwrap();
        assert_eq!(outcome[0].1, Done::Created);
        assert_ne!(outcome[0].0, "patient-1");
        assert_eq!(enter(&store, &bundle, &origin).unwrap()[0].1, Done::Unchanged, "the same file again");
    }
    assert_eq!(patients(&store), 2);
}

#[test]
fn an_id_that_is_taken_under_another_identifier_is_updated_not_refused_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let origin = Origin { new_ids: NewIds::OfFullUrl, ..Origin::default() };
    let put = |url: &str| json!({"method": "PUT", "url": url});
    enter(&store, &transaction(vec![patient("other", "A", put("Patient/p1"), "urn:uuid:p1")]), &origin).unwrap();
    let conditional = transaction(vec![patient("1", "B", put("Patient?identifier=urn:x|1"), "urn:uuid:p1")]);
    assert_eq!(enter(&store, &conditional, &origin).unwrap(), [("p1".to_owned(), Done::Updated)]);
}

#[test]
fn a_patient_of_another_server_is_not_the_local_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let put = json!({"method": "PUT", "url": "Patient/123"});
    enter(&store, &transaction(vec![patient("1", "A", put, "urn:uuid:p")]), &Origin::default()).unwrap();
    let condition = json!({"request": {"method": "POST", "url": "Condition"}, "resource": {"resourceType": "Condition",
        "code": {"text": "x"}, "subject": {"reference": "https://other.example/fhir/Patient/123"}}});
    enter(&store, &transaction(vec![condition]), &Origin::default()).unwrap();
    let compartment = store.view(|view| view.compartment("123")).unwrap();
    assert_eq!(compartment.len(), 1, "only the patient itself");
}

#[test]
fn a_condition_must_be_one_identifier() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    for condition in
        ["name=A", "identifier=urn:x|1&name=A", "identifier=urn:x|1,urn:x|2", "identifier=1", "identifier=urn:x|"]
    {
        let request = json!({"method": "POST", "url": "Patient", "ifNoneExist": condition});
        let bundle = transaction(vec![patient("1", "A", request, "urn:uuid:a")]);
        let refused = store.view(|view| accept(view, NOW, &bundle, &Origin::default()));
        assert!(matches!(refused, Err(AcceptError::Malformed(_))), "{condition}");
    }
    for condition in ["identifier=urn:x|1", "identifier=urn%3Ax%7C1"] {
        let request = json!({"method": "POST", "url": "Patient", "ifNoneExist": condition});
        let bundle = transaction(vec![patient("1", "A", request, "urn:uuid:a")]);
        store
            .view(|view| {
                accept(view, NOW, &bundle, &Origin::default())
                    .map(|_| ())
                    .map_err(|error| StoreError::Database(error.to_string()))
            })
            .unwrap();
    }
}

/// One entry that writes `resource` as a translation does.
fn derived(resource: &Value, id: &str, condition: Option<&str>) -> Value {
    let kind = resource["resourceType"].as_str().unwrap();
    let request = match condition {
        Some(condition) => json!({"method": "POST", "url": kind, "ifNoneExist": condition}),
        None => json!({"method": "PUT", "url": format!("{kind}/{id}")}),
    };
    transaction(vec![json!({"fullUrl": format!("urn:uuid:{id}"), "resource": resource, "request": request})])
}

#[test]
fn a_feed_brings_back_people_and_places_but_nothing_that_is_about_a_patient() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let feed = Origin {
        message_id: Some("m".to_owned()),
        new_ids: NewIds::OfFullUrl,
        event_time: Some("2026-01-01T00:00:00.000Z".to_owned()),
        ..Origin::default()
    };
    let practitioner = json!({"resourceType": "Practitioner", "identifier": [{"system": "urn:x", "value": "1"}]});
    let result = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/p"}});
    let delete = |name: &str| transaction(vec![json!({"request": {"method": "DELETE", "url": name}})]);
    for condition in [Some("identifier=urn:x|1"), None] {
        let of_place = derived(&practitioner, "a", condition);
        assert_eq!(enter(&store, &of_place, &feed).unwrap(), [("a".to_owned(), Done::Created)]);
        assert_eq!(enter(&store, &delete("Practitioner/a"), &Origin::default()).unwrap()[0].1, Done::Deleted);
        assert_eq!(enter(&store, &of_place, &feed).unwrap(), [("a".to_owned(), Done::Created)]);
        assert_eq!(enter(&store, &of_place, &feed).unwrap(), [("a".to_owned(), Done::Unchanged)]);
        enter(&store, &delete("Practitioner/a"), &Origin::default()).unwrap();
    }
    let of_patient = derived(&result, "o", None);
    enter(&store, &of_patient, &feed).unwrap();
    enter(&store, &delete("Observation/o"), &Origin::default()).unwrap();
    let refused = enter(&store, &of_patient, &feed).unwrap_err();
    assert!(refused.contains("Observation/o was deleted here"), "{refused}");
    assert!(store.view(|view| view.resource("Observation", "o")).unwrap().is_none());
    // By the FHIR API a person brings it back, behind its deletion.
    assert_eq!(enter(&store, &of_patient, &Origin::default()).unwrap()[0].1, Done::Created);
    assert_eq!(store.view(|view| view.resource("Observation", "o")).unwrap().unwrap().version, 3);
}
