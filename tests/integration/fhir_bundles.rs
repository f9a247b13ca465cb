//! Batches and transactions over the FHIR API.

use base64::Engine as _;
use serde_json::{Value, json};

use super::fhir_client::{FHIR, System, bundle, patient, with_id};
use super::process::Site;

fn status(answer: &Value, entry: usize) -> String {
    answer["entry"][entry]["response"]["status"].as_str().unwrap_or("").to_owned()
}

fn json_patch(patch: &Value) -> Value {
    let data = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
    json!({"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data})
}

#[tokio::test]
async fn each_entry_of_a_batch_stands_by_itself() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let id = system.create(&patient("Lefebvre", "1")).await;
    let condition = "identifier=https://bayview.example/mrn|1";
    let entries = json!([
        {"request": {"method": "GET", "url": format!("Patient/{id}")}},
        {"request": {"method": "GET", "url": "Patient/nobody"}},
        {"request": {"method": "GET", "url": "Patient?family=Lefebvre"}},
        {"request": {"method": "POST", "url": "Patient", "ifNoneExist": condition}, "resource": patient("Other", "1")},
        {"request": {"method": "POST", "url": "Patient"}, "resource": patient("Roy", "2")},
        {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient", "gender": "F"}},
        {"request": {"method": "PUT", "url": format!("Patient/{id}"), "ifMatch": "W/\"9\""}, "resource": with_id(patient("Roy", "1"), &id)},
        {"request": {"method": "PATCH", "url": format!("Patient/{id}")}, "resource": json_patch(&json!([{"op": "replace", "path": "/gender", "value": "other"}]))},
        {"request": {"method": "GET", "url": format!("Patient/{id}"), "ifNoneMatch": "W/\"2\""}},
        {"request": {"method": "GET", "url": format!("Patient/{id}/_history")}},
        {"request": {"method": "DELETE", "url": "Patient?family=Roy"}},
        {"request": {"method": "POST", "url": ""}, "resource": bundle("batch", json!([]))},
        {"request": {"url": "Patient/1"}},
        {"request": {"method": "GET", "url": "Unicorn/1"}},
    ]);
    let answer = system.post("/fhir", &bundle("batch", entries)).await.is(200).json();
    assert_eq!(answer["type"], "batch-response");
    let statuses: Vec<String> = (0..14).map(|entry| status(&answer, entry)).collect();
    let expected = ["200", "404", "200", "200", "201", "422", "412", "200", "304", "200", "204", "501", "400", "404"];
    let codes: Vec<&str> = statuses.iter().map(|status| &status[..3]).collect();
    assert_eq!(codes, expected);
    assert_eq!(answer["entry"][0]["resource"]["id"], json!(id));
    assert_eq!(answer["entry"][1]["response"]["outcome"]["resourceType"], "OperationOutcome");
    assert_eq!(answer["entry"][2]["resource"]["total"], 1);
    assert!(answer["entry"][4]["response"]["location"].as_str().unwrap().starts_with("Patient/"));
    assert!(answer["entry"][4].get("resource").is_none(), "no representation, unless it is preferred");
    assert_eq!(answer["entry"][9]["resource"]["total"], 2);
    assert_eq!(site.count("Patient"), 1);

    // Each entry is asked whether it may.
    let clinician = System::new(&site, &node, "clinician");
    let mixed = json!([{"request": {"method": "GET", "url": format!("Patient/{id}")}},
        {"request": {"method": "DELETE", "url": format!("Patient/{id}")}}]);
    let answer = clinician.post("/fhir", &bundle("batch", mixed.clone())).await.is(200).json();
    assert_eq!([status(&answer, 0), status(&answer, 1)], ["200 OK", "403 Forbidden"]);
    System::new(&site, &node, "it").post("/fhir", &bundle("batch", mixed)).await.refused(403, "may not");
}

#[tokio::test]
async fn a_transaction_does_all_methods_in_their_order() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let (old, kept) = (system.create(&patient("Old", "1")).await, system.create(&patient("Kept", "2")).await);
    let entries = json!([
        {"request": {"method": "GET", "url": "Patient?birthdate=1979-03-16"}},
        {"request": {"method": "PATCH", "url": format!("Patient/{kept}"), "ifMatch": "W/\"1\""},
         "resource": json_patch(&json!([{"op": "replace", "path": "/gender", "value": "other"}]))},
        // The old one goes first, so that the condition finds nothing.
        {"request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=https://bayview.example/mrn|1"},
         "resource": patient("New", "1"), "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001"},
        {"request": {"method": "DELETE", "url": format!("Patient/{old}")}},
        {"request": {"method": "PUT", "url": "Observation/o1"}, "resource": with_id(json!({"resourceType": "Observation",
            "status": "final", "code": {"text": "x"}, "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"},
            "performer": [{"reference": "Patient?identifier=https://bayview.example/mrn|2"}]}), "o1")},
        {"request": {"method": "GET", "url": "Observation/o1"}},
    ]);
    let answer = system.post("/fhir", &bundle("transaction", entries)).await.is(200).json();
    let codes: Vec<String> = (0..6).map(|entry| status(&answer, entry)[..3].to_owned()).collect();
    assert_eq!(codes, ["200", "200", "201", "204", "201", "200"]);
    let families: Vec<&str> = answer["entry"][0]["resource"]["entry"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["resource"]["name"][0]["family"].as_str())
        .collect();
    assert_eq!(families.len(), 2, "read after all is written: {families:?}");
    assert!(!families.contains(&"Old"));
    let observation = &answer["entry"][5]["resource"];
    let location = answer["entry"][2]["response"]["location"].as_str().unwrap();
    assert_eq!(observation["subject"]["reference"], location.split("/_history").next().unwrap());
    assert_eq!(observation["performer"][0]["reference"], format!("Patient/{kept}"));
    system.get(&format!("/fhir/Patient/{old}")).await.refused(410, "deleted");
    assert_eq!(system.get(&format!("/fhir/Patient/{kept}")).await.json()["gender"], "other");
}

#[tokio::test]
async fn a_transaction_that_fails_anywhere_does_nothing() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let kept = system.create(&patient("Kept", "2")).await;
    system.create(&patient("Twin", "3")).await;
    system.create(&patient("Twin", "3")).await;
    let good = json!({"request": {"method": "POST", "url": "Patient"}, "resource": patient("New", "1")});
    let referring = |reference: &str| {
        let resource = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": reference}});
        json!({"request": {"method": "POST", "url": "Observation"}, "resource": resource})
    };
    let put = json!({"request": {"method": "PUT", "url": format!("Patient/{kept}"), "ifMatch": "W/\"5\""}, "resource": with_id(patient("X", "2"), &kept)});
    let patch = json!({"request": {"method": "PATCH", "url": format!("Patient/{kept}")}, "resource": json_patch(&json!([{"op": "remove", "path": "/nothing"}]))});
    let twice = json!({"request": {"method": "DELETE", "url": format!("Patient/{kept}")}});
    for (bad, status, part) in [
        (put, 412, "entry 1"),
        (patch, 422, "/nothing"),
        (
            json!({"request": {"method": "DELETE", "url": "Patient?identifier=https://bayview.example/mrn|3"}}),
            412,
            "more than one",
        ),
        (json!({"request": {"method": "GET", "url": "Patient/nobody"}}), 404, "Patient/nobody"),
        (json!({"request": {"method": "DELETE", "url": "Patient"}}), 400, "Type/id"),
        (referring("Patient?identifier=https://bayview.example/mrn|9"), 412, "none"),
        (referring("Patient?identifier=https://bayview.example/mrn|3"), 412, "several"),
        (referring("Patient?favourite-colour=red"), 400, "conditional reference"),
        (referring("urn:uuid:00000000-0000-4000-8000-000000000009"), 422, "no entry"),
    ] {
        system.post("/fhir", &bundle("transaction", json!([good, bad]))).await.refused(status, part);
    }
    system.post("/fhir", &bundle("transaction", json!([twice, twice]))).await.refused(422, "an entry before it");
    assert_eq!(site.count("Patient"), 3);
    assert_eq!(system.get(&format!("/fhir/Patient/{kept}")).await.header("etag"), "W/\"1\"");
}

#[tokio::test]
async fn a_transaction_tells_as_much_as_is_preferred() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let body = bundle(
        "transaction",
        json!([{"request": {"method": "POST", "url": "Patient"}, "resource": patient("New", "1")}]),
    );
    let send = async |prefer: &str| {
        let headers = [("content-type", FHIR), ("prefer", prefer)];
        system.send(reqwest::Method::POST, "/fhir", &headers, body.to_string()).await.is(200).json()
    };
    assert!(send("return=minimal").await["entry"][0].get("resource").is_none());
    assert_eq!(send("return=representation").await["entry"][0]["resource"]["name"][0]["family"], "New");
    let told = send("return=OperationOutcome").await;
    assert_eq!(told["entry"][0]["response"]["outcome"]["resourceType"], "OperationOutcome");
    // Some clients end the address with a slash.
    system.post("/fhir/", &body).await.is(200);
}

#[tokio::test]
async fn two_at_once_by_a_loose_condition_make_one() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let body = patient("Lefebvre", "1").to_string();
    let headers = [("content-type", FHIR), ("if-none-exist", "family=Lefebvre&birthdate=1979-03-16")];
    let create = || system.send(reqwest::Method::POST, "/fhir/Patient", &headers, body.clone());
    let (a, b, c, d) = tokio::join!(create(), create(), create(), create());
    let mut statuses = [a, b, c, d].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 201]);
    assert_eq!(site.count("Patient"), 1);
}
