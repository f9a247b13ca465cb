//! Every resource that comes in is linked to the digest of the bytes it came from, whichever door it took.

use std::collections::BTreeMap;

use serde_json::Value;

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
