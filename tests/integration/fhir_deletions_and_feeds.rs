//! What a person deleted by the FHIR API does not come back by a feed, and the feed goes on.

use serde_json::json;

use super::fhir_client::{System, with_id};
use super::process::Site;
use super::process::mllp::{Feed, message};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");
const RESULTS: &str = include_str!("../fixtures/process/mllp/results.hl7");

/// Deletes everything about the one patient and then the patient; gives its id.
async fn forget(site: &Site, system: &System<'_>) -> String {
    let id = site.read(watari::records::find::all_patients).pop_first().unwrap();
    let about: Vec<String> =
        site.read(|view| view.compartment(&id)).iter().map(|one| format!("{}/{}", one.kind, one.id)).collect();
    let entries: Vec<_> = about.iter().map(|name| json!({"request": {"method": "DELETE", "url": name}})).collect();
    system.post("/fhir", &json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})).await.is(200);
    assert!(site.read(watari::records::find::all_patients).is_empty());
    id
}

#[tokio::test]
async fn a_message_about_a_deleted_patient_is_kept_aside_until_a_person_decides() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let mut feed = Feed::connect(node.mllp()).await;
    assert_eq!(feed.send(&message(ARRIVAL)).await.code, "AA");
    let stored = site.read(watari::records::find::all_patients).pop_first().unwrap();
    let body = system.get(&format!("/fhir/Patient/{stored}")).await.is(200).json();
    let id = forget(&site, &system).await;

    feed.send(&message(RESULTS)).await;
    let kept = site.quarantined();
    assert_eq!(kept.len(), 1);
    let reason = kept[0].reason.clone().unwrap_or_default();
    assert!(reason.contains(&format!("Patient/{id} was deleted here")), "{reason}");
    let raw = site.read(|view| view.message(&kept[0].id)).unwrap().raw;
    assert_eq!(raw, message(RESULTS), "nothing of it is lost");
    assert_eq!((site.count("Patient"), site.count("Observation")), (0, 0), "nothing of it is in the record");
    system.get(&format!("/fhir/Patient/{id}")).await.refused(410, "deleted");

    // A person puts the patient back; then the feed speaks of a patient who is there.
    system.put(&format!("/fhir/Patient/{id}"), &with_id(body, &id)).await.is(201);
    let again = RESULTS.replace("BV-1002", "BV-1902");
    feed.send(&message(&again)).await;
    assert_eq!(site.quarantined().len(), 1, "{:?}", site.quarantined().iter().map(|m| &m.reason).collect::<Vec<_>>());
    assert!(site.count("Observation") > 0);
}
