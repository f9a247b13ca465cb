//! Every resource that comes in is linked to the digest of the bytes it came from, whichever door it took.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::process::Site;

const HL7: &str = "MSH|^~\\&|REG|TGH|WATARI|TGH|20261124093000||ADT^A08|P0001|P|2.5.1\r\
    EVN|A08|20261124093000\r\
    PID|1||8001^^^TGH^MR||Doe^Jane||19800214|F\r\
    AL1|1|DA|PCN^Penicillin^L\r";

const TABLE: &str =
    "mrn,family_name,given_name,sex,birth_date\n8002,Roe,Richard,M,1970-01-02\n8003,Poe,Paula,F,1971-02-03\n";

/// The targets of every Provenance by the digest it names.
fn proven(site: &Site) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for message in site.messages() {
        let names: Vec<String> = serde_json::from_str(&message.resources).unwrap();
        for name in names.iter().filter_map(|name| name.strip_prefix("Provenance/")) {
            let stored = site.read(|view| view.resource("Provenance", name)).unwrap();
            let provenance: Value = serde_json::from_str(&stored.json).unwrap();
            let digest = provenance["entity"][0]["what"]["identifier"]["value"].as_str().unwrap().to_owned();
            let targets = provenance["target"].as_array().unwrap().iter();
            let targets = targets.map(|target| target["reference"].as_str().unwrap().to_owned()).collect();
            assert!(found.insert(digest, targets).is_none(), "two messages of one digest");
        }
    }
    found
}

#[test]
fn messages_and_rows_are_proven_by_the_bytes_that_are_kept() {
    let site = Site::canada("provenance");
    let message = site.write("feed/1.hl7", HL7.as_bytes());
    let table = site.write("feed/patients.csv", TABLE.as_bytes());
    let mapping = format!("{}/config/mappings/csv/patients.toml", env!("CARGO_MANIFEST_DIR"));
    site.run(&["import", "hl7v2", message.to_str().unwrap()]).good();
    site.run(&["import", "csv", "--mapping", &mapping, table.to_str().unwrap()]).good();
    let messages = site.messages();
    assert_eq!(messages.len(), 3);
    let proven = proven(&site);
    for message in messages {
        let mut targets = proven[&format!("urn:sha256:{}", message.sha256)].clone();
        let mut written: Vec<String> = serde_json::from_str(&message.resources).unwrap();
        written.retain(|name| !name.starts_with("Provenance/"));
        targets.sort();
        written.sort();
        assert_eq!(targets, written, "{}", message.kind);
        assert!(!written.is_empty());
    }
}

#[test]
fn resources_of_fhir_files_are_proven_by_the_bytes_beside_the_provenance_that_a_file_brings() {
    let site = Site::canada("provenance");
    let own = json!({"resourceType": "Provenance", "id": "own", "target": [{"reference": "Patient/p"}],
        "recorded": "2026-11-01T08:00:00Z", "agent": [{"who": {"display": "Clinic"}}],
        "entity": [{"role": "source", "what": {"identifier": {"value": "urn:sha256:00"}}}]});
    let observation = |text: &str| {
        json!({"resourceType": "Observation", "status": "final", "code": {"text": text},
            "subject": {"reference": "Patient/p"}})
    };
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": {"resourceType": "Patient", "id": "p"}, "request": {"method": "PUT", "url": "Patient/p"}},
        {"fullUrl": "urn:uuid:11111111-1111-4111-8111-111111111111", "resource": observation("pulse"),
            "request": {"method": "POST", "url": "Observation"}},
        {"resource": observation("weight"), "request": {"method": "POST", "url": "Observation"}},
        {"resource": own, "request": {"method": "PUT", "url": "Provenance/own"}}]});
    let lines = format!(
        "{}\n{}\n",
        json!({"resourceType": "Patient", "id": "q"}),
        json!({"resourceType": "Provenance", "id": "lone", "target": [{"reference": "Patient/q"}],
            "recorded": "2026-11-01T08:00:00Z", "agent": [{"who": {"display": "Clinic"}}]}),
    );
    let file = site.write("feed/all.json", bundle.to_string().as_bytes());
    site.write("feed/lines.ndjson", lines.as_bytes());
    site.run(&["import", "fhir", file.parent().unwrap().to_str().unwrap()]).good();
    let messages = site.messages();
    assert_eq!(messages.len(), 3);
    let mut proven_by_own = 0;
    for message in &messages {
        let mut written: Vec<String> = serde_json::from_str(&message.resources).unwrap();
        let (provenances, mut others): (Vec<String>, Vec<String>) =
            written.drain(..).partition(|name| name.starts_with("Provenance/"));
        others.sort();
        let digest = format!("urn:sha256:{}", message.sha256);
        let mut linked = Vec::new();
        for name in provenances {
            let id = name.trim_start_matches("Provenance/").to_owned();
            let stored = site.read(|view| view.resource("Provenance", &id)).unwrap();
            let provenance: Value = serde_json::from_str(&stored.json).unwrap();
            if provenance["agent"][0]["who"]["display"] == "Clinic" {
                assert_eq!(provenance["recorded"], "2026-11-01T08:00:00Z");
                proven_by_own += 1;
                continue;
            }
            assert_eq!(provenance["entity"][0]["what"]["identifier"]["value"], digest);
            assert!(provenance["recorded"].is_string());
            let targets = provenance["target"].as_array().unwrap().iter();
            linked.extend(targets.map(|target| target["reference"].as_str().unwrap().to_owned()));
        }
        linked.sort();
        assert_eq!(linked, others, "{}", message.source);
    }
    assert_eq!(proven_by_own, 2);
    // The same file again says nothing new.
    let again = site.run(&["import", "fhir", file.to_str().unwrap()]).good();
    assert_eq!(again["resources"], 0, "{again}");
    assert_eq!((site.count("Observation"), site.count("Provenance")), (2, 4));
}
