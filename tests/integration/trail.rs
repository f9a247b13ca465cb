//! The trail of requests of a real node: every answer was written down before it was given.

use std::ops::ControlFlow;

use reqwest::Method;
use serde_json::json;
use watari::store::requests::{self, RequestFilter, RequestRow};

use super::fhir_client::System;
use super::process::Site;

fn all(site: &Site) -> Vec<RequestRow> {
    let mut rows = Vec::new();
    site.read(|view| {
        requests::find(view, &RequestFilter::default(), &mut |one| {
            rows.insert(0, one.row);
            ControlFlow::Continue(())
        })
    });
    rows
}

/// Act, target, status, role, patients.
fn told(row: &RequestRow) -> (&str, &str, u16, &str, &str) {
    (&row.act, &row.target, row.outcome, &row.role, &row.patients)
}

#[tokio::test]
async fn a_killed_node_has_written_down_all_that_it_showed_and_refused() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let patient = json!({"resourceType": "Patient", "name": [{"family": "Lefebvre"}], "birthDate": "1970-01-01"});
    let id = system.create(&patient).await;
    let subject = json!({"reference": format!("Patient/{id}")});
    let observation =
        json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": subject});
    let result = system.create(&observation).await;
    assert_eq!(all(&site), [], "what was written is in the trail of acts");

    let about = format!("Patient/{id}");
    let researcher = System::new(&site, &node, "researcher");
    let nobody = System { node: &node, token: String::new() };
    let forged = System { node: &node, token: "x".repeat(43) };
    let answer = system.get_with(&format!("/fhir/{about}"), &[("x-request-id", "abc-1")]).await.is(200);
    assert_eq!(answer.header("x-request-id"), "abc-1");
    system.get(&format!("/fhir/{about}/_history/1")).await.is(200);
    system.get(&format!("/fhir/Observation/{result}")).await.is(200);
    system.get("/fhir/Patient?family=Lefebvre&birthdate=1970-01-01").await.is(200);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    system.send(Method::POST, "/fhir/Observation/_search", &form, format!("subject={about}&code:text=x")).await.is(200);
    system.get("/fhir/Patient?family=Yamada").await.is(200);
    system.get(&format!("/fhir/{about}/_history")).await.is(200);
    system.get(&format!("/fhir/{about}/Observation")).await.is(200);
    system.get("/fhir/Patient/none").await.is(404);
    researcher.get(&format!("/fhir/{about}")).await.is(403);
    nobody.get(&format!("/fhir/{about}")).await.is(401);
    forged.get("/fhir/Observation").await.is(401);
    researcher.post("/fhir/Patient", &patient).await.is(403);
    system.send(Method::DELETE, "/fhir/Patient/none", &[], "").await.is(204);
    let entry = |url: &str| json!({"request": {"method": "GET", "url": url}});
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry(&about), entry("Patient/none")]});
    system.post("/fhir", &batch).await.is(200);
    nobody.get("/fhir/metadata").await.is(200);
    nobody.get("/nothing/Lefebvre").await.is(404);
    node.kill();

    let rows = all(&site);
    let result = format!("Observation/{result}");
    let vread = format!("{about}/_history/1");
    let within = format!("{about}/Observation");
    let expected = [
        ("read", about.as_str(), 200, "system", id.as_str()),
        ("vread", &vread, 200, "system", &id),
        ("read", &result, 200, "system", &id),
        ("search-type", "Patient", 200, "system", &id),
        ("search-type", "Observation", 200, "system", &id),
        ("search-type", "Patient", 200, "system", ""),
        ("history-instance", &about, 200, "system", &id),
        ("search-type", &within, 200, "system", &id),
        ("read", "Patient/none", 404, "system", ""),
        ("read", &about, 403, "researcher", ""),
        ("read", &about, 401, "", ""),
        ("search-type", "Observation", 401, "", ""),
        ("create", "Patient", 403, "researcher", ""),
        ("delete", "Patient/none", 204, "system", ""),
        ("read", &about, 200, "system", &id),
        ("read", "Patient/none", 404, "system", ""),
        ("batch", "", 200, "system", ""),
        ("other", "", 404, "", ""),
    ];
    assert_eq!(rows.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!((rows[0].request_id.as_str(), rows[0].origin.as_str()), ("abc-1", "127.0.0.1"));
    assert_eq!(rows[3].parameters, "family,birthdate");
    assert_eq!(rows[4].parameters, "subject,code:text");
    assert_eq!(rows[14].request_id, rows[16].request_id, "the entries of a bundle are of one request");
    assert!(rows.iter().all(|row| !row.request_id.is_empty()));
    let text = format!("{rows:?}");
    assert!(!text.contains("Lefebvre") && !text.contains("Yamada") && !text.contains("1970"), "{text}");
    let written = site.audited("record.write");
    assert_eq!(written.len(), 2);
    assert!(written.iter().all(|entry| entry.detail.contains(&id)), "{written:?}");
    let verified = site.run(&["audit", "verify"]).good();
    assert_eq!((&verified["chains"][1]["trail"], &verified["chains"][1]["entries"]), (&json!("requests"), &json!(18)));
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_down_is_not_given() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let id = system.create(&json!({"resourceType": "Patient", "active": true})).await;
    let path = format!("/fhir/Patient/{id}");
    // Nothing can be opened in its place.
    let config = watari::config::Config::load(&site.configuration()).unwrap();
    let file = config.store.database().with_extension("requests.db");
    std::fs::create_dir(&file).unwrap();
    let refused = system.get(&path).await;
    assert!(!refused.text.contains("active"), "{}", refused.text);
    refused.refused(503, "");
    std::fs::remove_dir(&file).unwrap();
    system.get(&path).await.is(200);
    assert_eq!(site.requests("read").len(), 1);
}

#[tokio::test]
async fn what_people_open_is_written_down() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let stranger = System { node: &node, token: String::new() };
    stranger.get("/referrals").await.is(401);
    stranger.get("/sign-in/secret-of-somebody").await.is(401);
    let rows = all(&site);
    assert_eq!(
        rows.iter().map(told).collect::<Vec<_>>(),
        [("page", "referral", 401, "", ""), ("page", "sign-in", 401, "", ""),]
    );
    assert!(!format!("{rows:?}").contains("secret"));
}
