//! Profiles of packages: what they refuse, each kind of rule by a resource that meets it and one that does not; packages on the
//! command line; and a node that holds what is written to them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use watari::validation::{Asked, Library, Severity, validate};

use super::process::Site;
use super::process::running::RunningNode;

const PATIENT: &str = "https://clinic.example/fhir/StructureDefinition/clinic-patient";
const SHELF: &str = "https://clinic.example/fhir/StructureDefinition/shelf";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/profiles")
}

fn definitions() -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())).collect()
}

fn library() -> Library {
    let mut library = Library::default();
    for (name, bytes) in definitions() {
        library.take(&serde_json::from_slice(&bytes).unwrap()).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
    library
}

fn good() -> Value {
    json!({
        "resourceType": "Patient",
        "meta": {"profile": [PATIENT]},
        "extension": [{"url": SHELF, "valueInteger": 3}],
        "identifier": [
            {"system": "https://clinic.example/chart", "value": "A-17"},
            {"system": "https://elsewhere.example/mrn", "value": "longer than six"},
        ],
        "active": true,
        "name": [{"family": "Aoki"}],
        "gender": "female",
        "maritalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]},
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "ja"}]}}],
        "generalPractitioner": [{"reference": "Organization/1"}],
        "birthDate": "1980-02-03",
    })
}

fn told(resource: &Value, severity: Severity) -> Vec<String> {
    let asked = Asked { warnings: true, now: "2026-01-01T00:00:00Z" };
    let issues = validate(&library(), resource, &[], asked).into_iter().filter(|issue| issue.severity == severity);
    issues.map(|issue| format!("{} [{}] {}", issue.place, issue.code, issue.text)).collect()
}

#[test]
fn each_kind_of_rule_refuses_what_breaks_it() {
    assert_eq!(told(&good(), Severity::Error), Vec::<String>::new());
    assert_eq!(told(&good(), Severity::Warning), Vec::<String>::new());
    for (pointer, value, place, part) in [
        ("/gender", Value::Null, "Patient.gender ", "required"),
        ("/identifier/0/system", json!("https://other.example"), "Patient.identifier ", "slice chart"),
        ("/identifier/1/system", json!("https://clinic.example/chart"), "Patient.identifier ", "at most 1"),
        ("/identifier/0/value", json!("A-12345"), "Patient.identifier[0].value ", "6 characters"),
        ("/identifier/0/value", Value::Null, "Patient.identifier[0].value ", "required"),
        ("/name", Value::Null, "Patient ", "clinic-1"),
        ("/photo", json!([{"title": "x"}]), "Patient.photo ", "none"),
        ("/maritalStatus/coding/0/code", json!("D"), "Patient.maritalStatus ", "ValueSet/marital"),
        (
            "/communication/0/language/coding/0/system",
            json!("http://x.example"),
            "Patient.communication[0].language ",
            "urn:ietf:bcp:47",
        ),
        ("/deceasedBoolean", json!(true), "Patient.deceased ", "dateTime"),
        (
            "/generalPractitioner/0/reference",
            json!("Practitioner/1"),
            "Patient.generalPractitioner[0].reference ",
            "Organization",
        ),
        ("/extension/0/valueInteger", json!(10), "Patient.extension[0].value ", "at most 9"),
        ("/extension/0", json!({"url": SHELF, "valueString": "x"}), "Patient.extension[0].value ", "integer"),
        ("/extension/0", json!({"url": SHELF}), "Patient.extension[0].value ", "required"),
        (
            "/name/0/extension",
            json!([{"url": SHELF, "valueInteger": 1}]),
            "Patient.name[0].extension[0] ",
            "must not stand here",
        ),
    ] {
        let mut broken = good();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match broken.pointer_mut(parent).unwrap() {
            Value::Object(members) if value.is_null() => drop(members.shift_remove(name)),
            Value::Object(members) => drop(members.insert(name.to_owned(), value)),
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
            _ => panic!("{pointer}"),
        }
        let told = told(&broken, Severity::Error);
        assert!(told.iter().any(|one| one.starts_with(place) && one.contains(part)), "{pointer}: {told:?}");
        assert!(!told.concat().contains("A-12345") && !told.concat().contains("Aoki"), "a value is repeated: {told:?}");
    }
}

#[test]
fn what_only_warns_does_not_refuse() {
    let mut undated = good();
    undated.as_object_mut().unwrap().shift_remove("birthDate");
    assert_eq!(told(&undated, Severity::Error), Vec::<String>::new());
    assert!(told(&undated, Severity::Warning).concat().contains("clinic-2"));
    let strange = json!({"resourceType": "Patient", "meta": {"profile": ["https://nobody.example/p"]}});
    assert_eq!(told(&strange, Severity::Error), Vec::<String>::new());
    assert_eq!(told(&strange, Severity::Warning).len(), 1);
}

#[test]
fn resources_within_a_bundle_are_held_to_what_they_declare() {
    let mut patient = good();
    patient.as_object_mut().unwrap().shift_remove("gender");
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]});
    let told = told(&bundle, Severity::Error);
    assert!(told[0].starts_with("Bundle.entry[0].resource.gender "), "{told:?}");
}

/// A package of the fixtures.
fn package() -> Vec<u8> {
    let manifest =
        br#"{"name":"example.clinic","version":"0.1.0","fhirVersions":["4.0.1"],"dependencies":{"other.ig":"2.0.0"}}"#;
    let mut files = vec![("package.json".to_owned(), manifest.to_vec())];
    files.extend(definitions());
    let mut tar = Vec::new();
    for (name, bytes) in files {
        let name = format!("package/{name}");
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[148..156].copy_from_slice(b"        ");
        header[156] = b'0';
        header[257..262].copy_from_slice(b"ustar");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        tar.extend(header);
        tar.extend(&bytes);
        tar.resize(tar.len().div_ceil(512) * 512, 0);
    }
    tar.resize(tar.len() + 1024, 0);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&tar).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_node_holds_what_is_written_to_the_packages_it_was_given() {
    let site = Site::canada("toronto");
    let file = site.write("clinic.tgz", &package());
    let added = site.run(&["package", "add", file.to_str().unwrap()]).good();
    assert_eq!(added["added"]["profiles"], 2);
    assert_eq!(added["added"]["missing"], json!(["other.ig#2.0.0"]));
    let bad = site.write("bad.tgz", b"no archive");
    site.run(&["package", "add", bad.to_str().unwrap()]).refused(2, "gzip");
    assert_eq!(site.run(&["package", "list"]).good()["packages"][0]["name"], "example.clinic");
    let node = RunningNode::start(&site, &[]).await;
    let token = site.run(&["token", "--role", "system"]).good()["token"].as_str().unwrap().to_owned();
    let post = async |path: &str, body: &Value| {
        let request =
            node.client.post(node.inside(path)).bearer_auth(&token).header("content-type", "application/fhir+json");
        let response = request.body(body.to_string()).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let mut broken = good();
    broken.as_object_mut().unwrap().shift_remove("gender");
    let (status, outcome) = post("/fhir/Patient", &broken).await;
    assert_eq!(status, 422, "{outcome}");
    assert_eq!(outcome["issue"][0]["expression"], json!(["Patient.gender"]));
    assert_eq!(post("/fhir/Patient", &good()).await.0, 201);
    // The same without the declaration is R4, and is taken.
    broken.as_object_mut().unwrap().shift_remove("meta");
    assert_eq!(post("/fhir/Patient", &broken).await.0, 201);
    // Asked for by name, it is held to the profile without being written.
    let asked = json!({"resourceType": "Parameters", "parameter": [
        {"name": "resource", "resource": broken}, {"name": "profile", "valueUri": PATIENT}, {"name": "mode", "valueCode": "create"}]});
    let (status, outcome) = post("/fhir/Patient/$validate", &asked).await;
    assert_eq!((status, &outcome["issue"][0]["severity"]), (200, &json!("error")), "{outcome}");
    let (status, outcome) = post("/fhir/Patient/$validate", &good()).await;
    assert_eq!((status, &outcome["issue"][0]["severity"]), (200, &json!("information")), "{outcome}");
    let (status, outcome) = post("/fhir/Patient/$validate", &json!({"resourceType": "Patient", "gender": "x"})).await;
    assert_eq!((status, &outcome["issue"][0]["expression"]), (200, &json!(["Patient.gender"])), "{outcome}");
    drop(node);
    site.run(&["package", "remove", "example.clinic"]).good();
    site.run(&["package", "remove", "example.clinic"]).refused(2, "no package");
}

/// All definitions of the guides beside the validator that is not part of this source are understood.
#[test]
fn published_guides_are_understood() {
    let Some(root) = std::env::var_os("WATARI_CONFORMANCE") else {
        eprintln!("WATARI_CONFORMANCE is not set; skipped");
        return;
    };
    let (mut count, mut wrong, mut library) = (0, Vec::new(), Library::default());
    for guide in ["jp-core-1.1.2", "ips-2.0.0", "ca-baseline"] {
        let folder = PathBuf::from(&root).join("oracle/fhir-validate/profiles").join(guide);
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let reader = flate2::read::GzDecoder::new(std::fs::File::open(&file).unwrap());
            let resource: Value = serde_json::from_reader(reader).unwrap();
            count += 1;
            wrong.extend(library.take(&resource).err().map(|why| format!("{}: {why}", file.display())));
        }
    }
    assert!(count > 200 && wrong.is_empty(), "{count}: {wrong:?}");
    let profile = "http://jpfhir.jp/fhir/core/StructureDefinition/JP_Observation_LabResult";
    let bare = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}});
    let issues = validate(&library, &bare, &[profile], Asked { warnings: false, now: "" });
    assert!(issues.iter().any(|issue| issue.place == "Observation.category"), "{issues:?}");
}
