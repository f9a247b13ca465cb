//! What is sent: each folder of `tests/fixtures/referral` with a record and an order gives the expected message.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use watari::documents;
use watari::fhir::{self, bundle, reference};
use watari::referral::package::{Order, Package, package};
use watari::referral::{Draft, party::Party};
use watari::store::records::{ResourceWrite, StoredResource};
use watari::store::{Change, Changes, Handle, StoreError, sqlite::SqliteStore};

const REFERRAL: &str = "5b0c2d5e-8a52-4a0c-9a53-0d7a4bb7a001";
const MESSAGE: &str = "5b0c2d5e-8a52-4a0c-9a53-0d7a4bb7a002";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/referral")
}

pub fn party(id: &str) -> Party {
    let (country, names) = match id {
        "tokyo" => ("jp", ["Tokyo Bay Hospital", "Hôpital de la baie de Tokyo", "東京湾病院"]),
        _ => ("ca", ["Toronto Harbour Hospital", "Hôpital du port de Toronto", "トロント港病院"]),
    };
    Party {
        id: id.to_owned(),
        country: country.to_owned(),
        names: names.map(str::to_owned),
        institution_code: (id == "tokyo").then(|| "1310000001".to_owned()),
    }
}

/// Puts resources into a store as they are.
pub fn keep(store: &Handle, resources: &[Value]) {
    let mut changes = Changes::new();
    for resource in resources {
        let kind = fhir::resource_type(resource).unwrap().to_owned();
        changes = changes.with(Change::PutResource(ResourceWrite {
            resource: StoredResource {
                kind: kind.clone(),
                id: fhir::id(resource).unwrap().to_owned(),
                version: 1,
                last_updated: "2026-03-01T10:00:00.000Z".to_owned(),
                event_time: None,
                json: resource.to_string(),
            },
            patient: reference::patient_of(resource).map(str::to_owned),
            index: Vec::new(),
            message_id: None,
        }));
    }
    store.commit(changes).unwrap();
}

/// The record of a case.
pub fn record(case: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(fixtures().join(case).join("record.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn pack(case: &str) -> Package {
    let folder = tempfile::tempdir().unwrap();
    let store = Handle::new(Arc::new(SqliteStore::open(&folder.path().join("watari.db")).unwrap()));
    keep(&store, &record(case));
    let order: Value =
        serde_json::from_str(&std::fs::read_to_string(fixtures().join(case).join("order.json")).unwrap()).unwrap();
    let text = |name: &str| order[name].as_str().unwrap().to_owned();
    let draft = Draft {
        patient: text("patient"),
        peer: text("to"),
        service: text("service"),
        priority: text("priority"),
        reason: text("reason"),
        question: text("question"),
        consent: true,
        consent_language: text("consent_language"),
        interpreter: order["interpreter"].as_str().map(str::to_owned),
        travel: text("travel"),
        nonce: String::new(),
    };
    let gathered = store
        .view(|view| documents::gather(view, &meaning(), &draft.patient))
        .map_err(|e: StoreError| e)
        .unwrap()
        .unwrap();
    package(
        &gathered,
        &Order {
            draft: &draft,
            referral: REFERRAL,
            message_id: MESSAGE,
            from: &party(&text("from")),
            to: &party(&text("to")),
            service_name: &text("service_name"),
            language: &text("language"),
            at: "2026-03-03T14:00:00Z".parse().unwrap(),
            zone: jiff::tz::TimeZone::get("America/Toronto").unwrap(),
        },
    )
}

/// The message as text that does not change with the release.
pub fn shown(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    text.replace(&format!("Watari {}", env!("CARGO_PKG_VERSION")), "Watari VERSION")
        .replace(&format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION")), "\"version\": \"VERSION\"")
}

/// Compares with what the folder expects; `UPDATE_FIXTURES=1` writes it instead, to be read before it is committed.
pub fn expect(case: &str, file: &str, found: &str) {
    let path = fixtures().join(case).join(file);
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "{case}/{file}, line {}", number + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{case}/{file}: lines");
}

fn check(case: &str) {
    let package = pack(case);
    expect(case, "expected.json", &shown(&package.message));
    expect(case, "expected-ips.json", &shown(bundle::first(&package.message, "Bundle").unwrap()));
}

#[test]
fn toronto_to_tokyo() {
    check("toronto-to-tokyo");
}

#[test]
fn tokyo_to_toronto() {
    check("tokyo-to-toronto");
}

fn all_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "reference" => found.push(text.clone()),
                    _ => all_references(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| all_references(item, found)),
        _ => {}
    }
}

fn full_urls(bundle: &Value) -> Vec<&str> {
    bundle::entries(bundle).map(|entry| entry["fullUrl"].as_str().unwrap()).collect()
}

#[test]
fn nothing_local_leaves_and_every_reference_resolves() {
    for case in ["toronto-to-tokyo", "tokyo-to-toronto"] {
        let message = pack(case).message;
        let document = bundle::first(&message, "Bundle").unwrap().clone();
        let inner = full_urls(&document);
        let mut found = Vec::new();
        all_references(&document, &mut found);
        assert!(found.iter().all(|reference| inner.contains(&reference.as_str())), "{case}: {found:?}");

        let mut outer = message.clone();
        outer["entry"].as_array_mut().unwrap().retain(|entry| entry["resource"]["resourceType"] != "Bundle");
        let mut found = Vec::new();
        all_references(&outer, &mut found);
        let known = full_urls(&message);
        assert!(found.iter().all(|reference| known.contains(&reference.as_str())), "{case}: {found:?}");

        let text = message.to_string();
        for local in ["\"p1\"", "Patient/p1", "\"j1\"", "Patient/j1", "\"c1\"", "urn:feed", "Encounter/e1", "Unrelated"]
        {
            assert!(!text.contains(local), "{case} shows {local}");
        }
    }
}

#[test]
fn digits_stay_and_what_stayed_out_is_told() {
    let package = pack("toronto-to-tokyo");
    let text = package.message.to_string();
    assert!(text.contains("\"value\":132.60") && text.contains("\"value\":1.50") && text.contains("\"value\":1.0,"));
    assert!(!text.contains("Warfarin") && !text.contains("Diabetes"));
    let reasons: Vec<_> = package.left_out.iter().map(|out| (out.id.as_str(), out.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [("c3", "entered-in-error"), ("e1", "no-section"), ("m2", "entered-in-error"), ("o3", "not-final")]
    );
    let task = bundle::first(&package.message, "Task").unwrap();
    let told = "Condition entered-in-error 1; Encounter no-section 1; MedicationRequest entered-in-error 1; \
                Observation not-final 1";
    assert!(task["input"].as_array().unwrap().iter().any(|input| input["valueString"] == told), "{task}");
}

#[test]
fn no_information_is_not_none_known() {
    let section = |case: &str, code: &str| {
        let message = pack(case).message;
        let document = bundle::first(&message, "Bundle").unwrap().clone();
        let sections = document["entry"][0]["resource"]["section"].as_array().unwrap().clone();
        sections.into_iter().find(|section| section["code"]["coding"][0]["code"] == code).unwrap()
    };
    let silent = section("toronto-to-tokyo", "48765-2");
    assert_eq!(silent["emptyReason"]["coding"][0]["code"], "unavailable");
    assert!(silent.get("entry").is_none());
    assert!(silent["text"]["div"].as_str().unwrap().contains("情報なし"));
    assert!(!silent.to_string().to_lowercase().contains("known"));

    let stated = section("tokyo-to-toronto", "48765-2");
    assert!(stated.get("emptyReason").is_none());
    assert_eq!(stated["entry"].as_array().unwrap().len(), 1);
    assert!(stated["text"]["div"].as_str().unwrap().contains("No known allergy"));
}

fn meaning() -> watari::harmonise::Meaning {
    let setting = watari::harmonise::HarmoniseSetting {
        country: watari::config::Country::Ca,
        namespace: "https://bayview.example/fhir".to_owned(),
    };
    watari::harmonise::Meaning { catalog: watari::harmonise::builtin().unwrap(), setting }
}
