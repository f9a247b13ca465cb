//! Versions over the FHIR API: update, patch, delete, history, and the conditions on them.

use reqwest::Method;
use serde_json::{Value, json};

use super::fhir_client::{FHIR, System, bundle, patient, result, with_id};
use super::process::Site;

#[tokio::test]
async fn an_update_makes_a_version_if_nobody_else_did() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let id = system.create(&patient("Lefebvre", "1")).await;
    let path = format!("/fhir/Patient/{id}");
    let changed = with_id(patient("Lefebvre-Roy", "1"), &id);

    let updated = system.put_if_match(&path, "W/\"1\"", &changed).await.is(200);
    assert_eq!(updated.header("etag"), "W/\"2\"");
    assert_eq!(updated.header("location"), format!("{path}/_history/2"));
    assert!(updated.header("last-modified").ends_with("GMT"));
    let stale = with_id(patient("Other", "1"), &id);
    for tag in ["W/\"1\"", "\"3\"", "W/\"x\""] {
        system.put_if_match(&path, tag, &stale).await.refused(412, "read it again");
    }
    system
        .put_if_match("/fhir/Patient/nobody", "W/\"1\"", &with_id(stale.clone(), "nobody"))
        .await
        .refused(412, "read it");
    let only_new = [("content-type", FHIR), ("if-none-match", "*")];
    system.send(Method::PUT, &path, &only_new, stale.to_string()).await.refused(412, "not as the request expects");
    assert_eq!(system.get(&path).await.json()["name"][0]["family"], "Lefebvre-Roy");
    assert_eq!(
        system.put_if_match(&path, "\"2\"", &with_id(patient("Roy", "1"), &id)).await.is(200).header("etag"),
        "W/\"3\""
    );

    // The same again is no new version.
    let same = with_id(patient("Roy", "1"), &id);
    assert_eq!(system.put(&path, &same).await.is(200).header("etag"), "W/\"3\"");

    system.put(&path, &with_id(patient("Roy", "1"), "another")).await.refused(400, "id must be");
    system.put(&path, &patient("Roy", "1")).await.refused(400, "id must be");
    system.put(&path, &with_id(result(&id, 1.0), &id)).await.refused(400, "not a Patient");
    system.put("/fhir/Patient/no_id", &with_id(patient("Roy", "1"), "no_id")).await.refused(400, "an id is");
    system.put("/fhir/Unicorn/1", &same).await.refused(404, "Unicorn");
    let mut broken = same.clone();
    broken["birthdate"] = json!("1979");
    system.put(&path, &broken).await.refused(422, "Patient.birthdate");

    let created = system.put("/fhir/Patient/chosen-id", &with_id(patient("Ahmed", "2"), "chosen-id")).await.is(201);
    assert_eq!((created.header("etag"), created.json()["id"].as_str()), ("W/\"1\"", Some("chosen-id")));
    let clinician = System::new(&site, &node, "clinician");
    clinician.put(&path, &same).await.refused(403, "may not write");
}

#[tokio::test]
async fn a_node_may_choose_every_id_itself() {
    let site = Site::canada("bayview").with(|config| config.fhir.create_on_update = false);
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    system.put("/fhir/Patient/mine", &with_id(patient("A", "1"), "mine")).await.refused(405, "create it by POST");
    let by_condition = "/fhir/Patient?identifier=https://bayview.example/mrn|1";
    system.put(by_condition, &with_id(patient("A", "1"), "mine")).await.refused(405, "create it by POST");
    system.put(by_condition, &patient("A", "1")).await.is(201);
    let kinds = system.get("/fhir/metadata").await.json()["rest"][0]["resource"].clone();
    assert!(kinds.as_array().unwrap().iter().all(|kind| kind["updateCreate"] == false));
}

#[tokio::test]
async fn what_a_client_knows_is_not_sent_again() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let id = system.create(&patient("Lefebvre", "1")).await;
    let path = format!("/fhir/Patient/{id}");
    let read = system.get(&path).await.is(200);
    let modified = read.header("last-modified").to_owned();
    for headers in [[("if-none-match", "W/\"1\"")], [("if-modified-since", modified.as_str())]] {
        let known = system.get_with(&path, &headers).await.is(304);
        assert_eq!((known.text.as_str(), known.header("etag")), ("", "W/\"1\""));
    }
    system.get_with(&path, &[("if-none-match", "W/\"2\"")]).await.is(200);
    system.get_with(&path, &[("if-modified-since", "Mon, 01 Jan 2001 00:00:00 GMT")]).await.is(200);
    let head = system.send(Method::HEAD, &path, &[], "").await.is(200);
    assert_eq!((head.text.as_str(), head.header("etag")), ("", "W/\"1\""));
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_leaves_the_digits() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let subject = system.create(&patient("Lefebvre", "1")).await;
    let body = result(&subject, 0.0).to_string().replace("\"value\":0.0", "\"value\":12.50");
    let created = system.send(Method::POST, "/fhir/Observation", &[("content-type", FHIR)], body).await.is(201);
    let path = format!("/fhir/Observation/{}", created.json()["id"].as_str().unwrap());

    let amended = system
        .patch(&path, &json!([{"op": "test", "path": "/status", "value": "final"}, {"op": "replace", "path": "/status", "value": "amended"}]))
        .await
        .is(200);
    assert_eq!((amended.header("etag"), amended.json()["status"].as_str()), ("W/\"2\"", Some("amended")));
    assert!(amended.text.contains("\"value\":12.50"), "{}", amended.text);

    let replace = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    system.patch(&path, &json!([{"op": "test", "path": "/status", "value": "final"}])).await.refused(409, "test");
    system.patch(&path, &replace("/status", json!("nonsense"))).await.refused(422, "Observation.status");
    system.patch(&path, &json!([{"op": "remove", "path": "/code"}])).await.refused(422, "Observation.code");
    system.patch(&path, &json!([{"op": "remove", "path": "/note/0"}])).await.refused(422, "/note/0");
    system.patch(&path, &json!({"op": "remove"})).await.refused(400, "not a JSON Patch");
    system.patch(&path, &replace("/id", json!("other"))).await.refused(400, "id must be");
    system.patch("/fhir/Observation/none", &json!([])).await.refused(404, "not there");
    let as_fhir = system.send(Method::PATCH, &path, &[("content-type", FHIR)], "[]").await;
    as_fhir.refused(415, "application/json-patch+json");
    let stale = [("content-type", "application/json-patch+json"), ("if-match", "W/\"1\"")];
    let patch = replace("/status", json!("corrected")).to_string();
    system.send(Method::PATCH, &path, &stale, patch.clone()).await.refused(412, "read it again");
    assert_eq!(system.get(&path).await.header("etag"), "W/\"2\"", "nothing of it was done");
    let present = [("content-type", "application/json-patch+json"), ("if-match", "W/\"2\"")];
    system.send(Method::PATCH, &path, &present, patch).await.is(200);
}

#[tokio::test]
async fn a_deletion_is_a_version_and_says_410() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let id = system.create(&patient("Lefebvre", "1")).await;
    let path = format!("/fhir/Patient/{id}");
    let stale = [("if-match", "W/\"7\"")];
    system.send(Method::DELETE, &path, &stale, "").await.refused(412, "read it again");

    let deleted = system.delete(&path).await.is(204);
    assert_eq!((deleted.text.as_str(), deleted.header("etag")), ("", "W/\"2\""));
    system.delete(&path).await.is(204);
    system.delete("/fhir/Patient/never").await.is(204);
    let told = system.send(Method::DELETE, &path, &[("prefer", "return=OperationOutcome")], "").await.is(200);
    assert_eq!(told.json()["resourceType"], "OperationOutcome");

    let gone = system.get(&path).await;
    gone.refused(410, "was deleted");
    assert_eq!((gone.header("etag"), gone.json()["issue"][0]["code"].as_str()), ("W/\"2\"", Some("deleted")));
    system.get(&format!("{path}/_history/2")).await.refused(410, "was deleted");
    assert_eq!(system.get(&format!("{path}/_history/1")).await.is(200).json()["name"][0]["family"], "Lefebvre");
    assert_eq!(system.get("/fhir/Patient?identifier=1").await.json()["total"], 0);
    system.patch(&path, &json!([])).await.refused(404, "not there");

    // An update brings it back, behind its deletion.
    let back = system.put(&path, &with_id(patient("Lefebvre", "1"), &id)).await.is(201);
    assert_eq!(back.header("etag"), "W/\"3\"");
    assert_eq!(system.get(&path).await.is(200).header("etag"), "W/\"3\"");
    let audit: Vec<String> = site.read(|view| view.audit_tail(50)).into_iter().map(|one| one.entry.action).collect();
    assert_eq!(audit.iter().filter(|action| *action == "record.delete").count(), 1, "{audit:?}");
}

#[tokio::test]
async fn what_others_refer_to_is_not_deleted() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let subject = system.create(&patient("Lefebvre", "1")).await;
    let observation = system.create(&result(&subject, 1.0)).await;
    let target = json!([{"reference": format!("Observation/{observation}")}]);
    let provenance = json!({"resourceType": "Provenance", "target": target, "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"display": "laboratory"}}]});
    system.create(&provenance).await;
    let (patient_path, path) = (format!("/fhir/Patient/{subject}"), format!("/fhir/Observation/{observation}"));
    system.delete(&patient_path).await.refused(409, &format!("Observation/{observation}"));
    system.get(&patient_path).await.is(200);

    // With those that refer to it, it may go; but not if one stays that is written in the same act.
    let delete = |path: &str| json!({"request": {"method": "DELETE", "url": path.trim_start_matches("/fhir/")}});
    let rewritten = json!({"resource": with_id(result(&subject, 2.0), &observation),
        "request": {"method": "PUT", "url": format!("Observation/{observation}")}});
    let kept = system.post("/fhir", &bundle("transaction", json!([delete(&patient_path), rewritten]))).await;
    kept.refused(409, &format!("Observation/{observation}"));
    let both = bundle("transaction", json!([delete(&patient_path), delete(&path)]));
    let answer = system.post("/fhir", &both).await.is(200).json();
    assert_eq!(answer["entry"][0]["response"]["status"], "204 No Content");
    system.get(&patient_path).await.refused(410, "deleted");
    system.get(&path).await.refused(410, "deleted");

    let site = Site::canada("open").with(|config| config.fhir.keep_referred = false);
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let subject = system.create(&patient("Lefebvre", "1")).await;
    let observation = system.create(&result(&subject, 1.0)).await;
    system.delete(&format!("/fhir/Patient/{subject}")).await.is(204);
    system.get(&format!("/fhir/Observation/{observation}")).await.is(200);
}

#[tokio::test]
async fn conditions_find_exactly_one_or_refuse() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let by = |number: &str| format!("/fhir/Patient?identifier=https://bayview.example/mrn|{number}");
    let created = system.put(&by("1"), &patient("Lefebvre", "1")).await.is(201).json()["id"].clone();
    let id = created.as_str().unwrap();
    let updated = system.put(&by("1"), &patient("Roy", "1")).await.is(200);
    assert_eq!((updated.json()["id"].clone(), updated.header("etag")), (json!(id), "W/\"2\""));
    system.put(&by("1"), &with_id(patient("Roy", "1"), "other")).await.refused(400, "id must be");
    system.put(&by("2"), &with_id(patient("Roy", "2"), id)).await.refused(409, "is there already");
    let chosen = system.put(&by("2"), &with_id(patient("Ahmed", "2"), "chosen")).await.is(201);
    assert_eq!(chosen.json()["id"], "chosen");

    let replace = json!([{"op": "replace", "path": "/gender", "value": "other"}]);
    assert_eq!(system.patch("/fhir/Patient?family=Ahmed", &replace).await.is(200).json()["gender"], "other");
    system.patch("/fhir/Patient?family=Nobody", &replace).await.refused(404, "not there");
    system.patch("/fhir/Patient?birthdate=1979-03-16", &replace).await.refused(412, "more than one");
    system.put("/fhir/Patient?birthdate=1979-03-16", &patient("X", "9")).await.refused(412, "more than one");
    system.delete("/fhir/Patient?birthdate=1979-03-16").await.refused(412, "more than one");
    system.delete("/fhir/Patient").await.refused(400, "criteria");
    system.delete("/fhir/Patient?favourite-colour=red").await.refused(400, "favourite-colour");
    system.delete("/fhir/Patient?family=Nobody").await.is(204);
    system.delete("/fhir/Patient?family=Ahmed").await.is(204);
    system.get("/fhir/Patient/chosen").await.refused(410, "deleted");
    assert_eq!(site.count("Patient"), 1);
}

#[tokio::test]
async fn history_is_told_at_three_levels() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let id = system.create(&patient("One", "1")).await;
    let path = format!("/fhir/Patient/{id}");
    system.put(&path, &with_id(patient("Two", "1"), &id)).await.is(200);
    let other = system.create(&json!({"resourceType": "Basic", "code": {"text": "x"}})).await;
    system.delete(&path).await.is(204);

    let history = system.get(&format!("{path}/_history")).await.is(200).json();
    assert_eq!((&history["type"], &history["total"]), (&json!("history"), &json!(3)));
    let told: Vec<(String, String)> = history["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let text = |path: &str| entry.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned();
            (format!("{} {}", text("/request/method"), text("/response/status")), text("/resource/name/0/family"))
        })
        .collect();
    let expected = [("DELETE 204", ""), ("PUT 200", "Two"), ("POST 201", "One")];
    assert_eq!(told, expected.map(|(request, family)| (request.to_owned(), family.to_owned())));
    assert!(history["entry"][0].get("resource").is_none());
    assert_eq!(history["entry"][0]["response"]["etag"], "W/\"3\"");

    let of_type = system.get("/fhir/Patient/_history").await.is(200);
    assert_eq!(of_type.names().len(), 3);
    let whole = system.get("/fhir/_history?_count=2").await.is(200);
    assert_eq!(whole.names(), ["/".to_owned(), format!("Basic/{other}")]);
    // What is written between two pages does not move the second.
    system.create(&json!({"resourceType": "Basic", "code": {"text": "y"}})).await;
    let second = system.get(&whole.link("next").unwrap()).await.is(200);
    assert_eq!(second.names(), [format!("Patient/{id}"), format!("Patient/{id}")]);
    assert!(second.link("next").is_none());

    assert_eq!(system.get("/fhir/Patient/_history?_since=2999-01-01T00:00:00Z").await.is(200).names(), [""; 0]);
    assert_eq!(system.get("/fhir/Patient/_history?_at=2001").await.is(200).names(), [""; 0]);
    system.get("/fhir/Patient/never/_history").await.refused(404, "Patient/never");
    system.get("/fhir/Patient/_history?_count=many").await.refused(400, "_count");
    system.get("/fhir/Patient/_history?_since=lately").await.refused(400, "_since");
    system.get("/fhir/Patient/_history?family=x").await.refused(400, "family");
    System::new(&site, &node, "researcher").get("/fhir/_history").await.refused(403, "may not read");
}

#[tokio::test]
async fn answers_come_in_the_form_that_is_asked_for() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let body = patient("Lefebvre", "1").to_string();
    let create = async |prefer: &str| {
        let headers = [("content-type", FHIR), ("prefer", prefer)];
        system.send(Method::POST, "/fhir/Patient", &headers, body.clone()).await.is(201)
    };
    let minimal = create("return=minimal").await;
    assert_eq!((minimal.text.as_str(), minimal.header("etag")), ("", "W/\"1\""));
    let path = minimal.header("location").to_owned();
    assert!(path.starts_with("/fhir/Patient/"));
    assert_eq!(create("return=OperationOutcome").await.json()["resourceType"], "OperationOutcome");
    assert_eq!(create("return=representation").await.json()["resourceType"], "Patient");

    for accept in ["application/pdf", "application/fhir+xml", "text/html"] {
        system.get_with(&path, &[("accept", accept)]).await.refused(406, "application/fhir+json");
    }
    system.get(&format!("{path}?_format=xml")).await.refused(406, "application/fhir+json");
    for format in ["json", "application/json", "application/fhir+json", "application/fhir%2Bjson"] {
        system.get_with(&format!("{path}?_format={format}"), &[("accept", "text/html")]).await.is(200);
    }
    let pretty = system.get(&format!("{path}?_pretty=true")).await.is(200);
    assert!(pretty.text.contains("\n  \"resourceType\": \"Patient\""), "{}", pretty.text);
    assert_eq!(pretty.json(), system.get(&path).await.json());
    assert_eq!(system.get("/fhir/Patient?_format=json&_pretty=true&_count=1").await.is(200).names().len(), 1);

    let summary = system.get("/fhir/metadata?_summary=true").await.is(200).json();
    assert_eq!(summary["meta"]["tag"][0]["code"], "SUBSETTED");
    assert_eq!(summary["rest"][0]["resource"][0], json!({"type": "Account"}));
}
