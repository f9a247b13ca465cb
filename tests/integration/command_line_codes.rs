//! `watari codes`: what no table maps, by how often it occurs, and the code maps as FHIR.

use serde_json::{Value, json};

use super::process::Site;

const LAB: &str = "https://toronto.example/fhir/CodeSystem/LAB";

fn result(number: u32, code: &str, unit: &str) -> Value {
    json!({
        "fullUrl": format!("urn:uuid:5f0c1c6e-0000-4000-8000-00000000000{number}"),
        "resource": {
            "resourceType": "Observation", "id": format!("r{number}"), "status": "final",
            "identifier": [{"system": "https://toronto.example/results", "value": number.to_string()}],
            "code": {"coding": [{"system": LAB, "code": code}]},
            "subject": {"reference": "Patient/robin"},
            "effectiveDateTime": "2026-03-04",
            "valueQuantity": {"value": 5.5, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        },
    })
}

fn record() -> Value {
    json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": "urn:uuid:5f0c1c6e-0000-4000-8000-000000000009", "resource": {
            "resourceType": "Patient", "id": "robin",
            "identifier": [{"system": "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn", "value": "9876543210"}],
            "name": [{"family": "Larch", "given": ["Robin"]}],
        }},
        result(1, "GLU", "mmol/L"), result(2, "GLU", "mmol/L"), result(3, "XYZ", "mmol/L"),
    ]})
}

#[test]
fn unmapped_codes_are_ranked_until_the_hospital_maps_them() {
    let site = Site::canada("toronto");
    let file = site.write("record.json", record().to_string().as_bytes());
    site.run(&["import", "fhir", file.to_str().unwrap()]).good();
    let ranked = site.run(&["codes", "unmapped"]).good();
    let of = |ranked: &Value| -> Vec<(String, u64)> {
        let all = ranked["unmapped"].as_array().unwrap().iter();
        all.map(|one| (one["what"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap())).collect()
    };
    assert_eq!(of(&ranked), [(format!("local code {LAB}|GLU"), 2), (format!("local code {LAB}|XYZ"), 1)]);
    // A number that fails its check is a warning of the message, and the number is not in it.
    let losses = site.messages()[0].losses.clone().unwrap();
    assert!(losses.contains("the check digit does not fit"), "{losses}");
    assert!(!losses.contains("9876543210"), "{losses}");

    let map = json!({"resourceType": "ConceptMap", "id": "lab", "status": "active", "group": [
        {"source": LAB, "target": "http://loinc.org", "element": [
            {"code": "GLU", "target": [{"code": "14749-6", "equivalence": "equivalent"}]}]}]});
    site.write("maps/lab.json", map.to_string().as_bytes());
    let site = site.with(|config| config.intake.code_maps = vec!["maps".into()]);
    let ranked = site.run(&["codes", "unmapped"]).good();
    assert_eq!(of(&ranked), [(format!("local code {LAB}|XYZ"), 1)]);
}

#[test]
fn code_maps_are_exported_with_the_hospitals_own() {
    let site = Site::japan("tokyo");
    let map = json!({"resourceType": "ConceptMap", "id": "own", "status": "active", "group": []});
    site.write("maps/own.json", map.to_string().as_bytes());
    let table =
        format!("system,code,target_system,target_code,equivalence\n{LAB},GLU,http://loinc.org,14749-6,equivalent\n");
    site.write("maps/ward.csv", table.as_bytes());
    let site = site.with(|config| config.intake.code_maps = vec!["maps".into()]);
    let bundle = site.run(&["codes", "export"]).good();
    let ids: Vec<_> = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]["id"]).collect();
    assert_eq!(ids, ["jlac10-to-loinc", "loinc-to-jlac10", "drugs-to-atc", "icd-10-editions-to-icd-10", "own", "ward"]);
    let ward = &bundle["entry"][5]["resource"]["group"][0];
    assert_eq!((&ward["source"], &ward["element"][0]["target"][0]["code"]), (&json!(LAB), &json!("14749-6")));
    let out = site.path().join("out");
    let written = site.run(&["codes", "export", "--out", out.to_str().unwrap()]).good();
    assert_eq!(written["written"].as_array().unwrap().len(), 6);
    assert!(out.join("ConceptMap-own.json").exists() && out.join("ConceptMap-ward.json").exists());

    site.write("maps/broken.json", b"{");
    site.run(&["codes", "export"]).refused(2, "broken.json");
}
