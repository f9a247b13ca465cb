//! What the audit trails tell: FHIR AuditEvents, who saw a patient, and that no address is without its row.

use std::ops::ControlFlow;

use reqwest::Method;
use serde_json::{Value, json};
use watari::store::requests::{self, RequestFilter};

use super::fhir_client::System;
use super::process::clinician::Clinician;
use super::process::{Site, pair, until};

fn codes(event: &Value) -> (String, String, String) {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    (text("/subtype/0/code"), text("/action"), text("/outcome"))
}

fn entity<'a>(event: &'a Value, role: &str) -> Option<&'a Value> {
    event["entity"].as_array()?.iter().find(|one| one["role"]["code"] == role)
}

#[tokio::test]
async fn the_trails_are_read_as_audit_events_by_who_looks_after_the_node() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let it = System::new(&site, &node, "it");
    let researcher = System::new(&site, &node, "researcher");
    let id = system.create(&json!({"resourceType": "Patient", "name": [{"family": "Lefebvre"}]})).await;
    let other = system.create(&json!({"resourceType": "Patient", "active": true})).await;
    system.get_with(&format!("/fhir/Patient/{id}"), &[("x-request-id", "r-1")]).await.is(200);
    system.get("/fhir/Patient?family=Lefebvre").await.is(200);
    system.get("/fhir/Patient").await.is(200);
    system.get(&format!("/fhir/Patient/{other}")).await.is(200);
    researcher.get(&format!("/fhir/Patient/{id}")).await.is(403);
    system.send(Method::DELETE, &format!("/fhir/Patient/{id}"), &[], "").await.is(204);

    let found = it.get(&format!("/fhir/AuditEvent?patient={id}")).await.is(200);
    let events: Vec<Value> =
        found.json()["entry"].as_array().unwrap().iter().map(|entry| entry["resource"].clone()).collect();
    let told: Vec<_> = events.iter().map(codes).collect();
    let expected = [
        ("delete", "D", "0"),
        ("read", "R", "4"),
        ("search-type", "E", "0"),
        ("search-type", "E", "0"),
        ("read", "R", "0"),
        ("create", "C", "0"),
    ];
    let own = |(a, b, c): &(&str, &str, &str)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned());
    assert_eq!(told, expected.iter().map(own).collect::<Vec<_>>());
    for event in &events {
        assert_eq!(entity(event, "1").unwrap()["what"]["reference"], format!("Patient/{id}"));
        let read = it.get(&format!("/fhir/AuditEvent/{}", event["id"].as_str().unwrap())).await.is(200).json();
        assert_eq!(read, *event);
    }
    let balp = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
    assert_eq!(events[4]["meta"]["profile"][0], format!("{balp}PatientRead"));
    assert_eq!(events[3]["meta"]["profile"][0], format!("{balp}PatientQuery"));
    assert_eq!(events[1]["meta"], Value::Null, "no pattern is for what failed");
    assert_eq!(events[4]["entity"][0]["what"]["identifier"]["value"], "r-1");
    assert!(entity(&events[3], "24").is_some());
    assert!(!found.text.contains("Lefebvre"));

    // Those who read the trail saw the patient, too: here, those before them.
    let until = events[0]["recorded"].as_str().unwrap();
    for (query, count) in [
        ("action=D", 1),
        ("outcome=4", 1),
        ("subtype=read", 2),
        ("type=rest&subtype=create,delete", 2),
        ("date=ge2999-01-01", 0),
        ("date=ge2020-01-01&date=lt2999", 6),
        ("entity=Patient/nobody", 0),
        ("_id=r1.0", 1),
    ] {
        let found = it.get(&format!("/fhir/AuditEvent?patient={id}&date=le{until}&{query}")).await.is(200);
        assert_eq!(found.names().len(), count, "{query}");
    }
    it.get("/fhir/AuditEvent?favourite=red").await.refused(400, "favourite");
    it.get("/fhir/AuditEvent?date=lately").await.refused(400, "date");
    it.get("/fhir/AuditEvent/r999.0").await.refused(404, "AuditEvent/r999.0");

    let all = it.get("/fhir/AuditEvent?_count=1000").await.is(200).names();
    let (mut paged, mut next) = (Vec::new(), Some("/fhir/AuditEvent?_count=3".to_owned()));
    while let Some(path) = next {
        let page = it.get(&path).await.is(200);
        paged.extend(page.names());
        let links = page.json()["link"].as_array().unwrap().clone();
        let link = links.iter().find(|link| link["relation"] == "next");
        next = link.map(|link| format!("/fhir/{}", link["url"].as_str().unwrap()));
        assert!(paged.len() < 1000);
    }
    let tail = paged.len() - all.len();
    // Each look is itself an event, and comes before those of the first page.
    assert!(paged.ends_with(&all[all.len() - 10..]), "{tail}: {paged:?}");

    // Nobody else, and nobody writes.
    system.get("/fhir/AuditEvent/r1.0").await.refused(403, "audit trail");
    assert_eq!(system.get("/fhir/AuditEvent").await.is(200).names(), [""; 0]);
    researcher.get("/fhir/AuditEvent").await.is(403);
    let body = json!({"resourceType": "AuditEvent", "id": "r1.0"});
    system.put("/fhir/AuditEvent/r1.0", &body).await.refused(405, "");
    system.send(Method::DELETE, "/fhir/AuditEvent/r1.0", &[], "").await.refused(405, "read only");
    it.send(Method::DELETE, "/fhir/AuditEvent/r1.0", &[], "").await.is(403);
    if let Ok(folder) = std::env::var("WATARI_AUDIT_EVENTS") {
        let all = it.get("/fhir/AuditEvent?_count=1000").await.is(200).json();
        for entry in all["entry"].as_array().unwrap() {
            let resource = &entry["resource"];
            let path = std::path::Path::new(&folder).join(format!("{}.json", resource["id"].as_str().unwrap()));
            std::fs::write(path, resource.to_string()).unwrap();
        }
    }
}

/// AUD-03: the description of the inside door, and the act that each address leaves in the trail; empty: it shows nothing of
/// anybody and takes nothing.
#[tokio::test]
async fn aud_03_every_address_has_its_row() {
    let expected = |method: &str, path: &str| match (method, path) {
        (_, "/health" | "/ready" | "/openapi.json" | "/fhir/metadata" | "/assets/watari.css") => Some(""),
        (_, "/.well-known/smart-configuration" | "/fhir/.well-known/smart-configuration") => Some(""),
        ("post", "/fhir" | "/fhir/") => Some("transaction"),
        ("get", "/fhir/_history") => Some("history-system"),
        ("get", "/fhir/{type}/_history") => Some("history-type"),
        ("get", "/fhir/{type}/{id}/_history") => Some("history-instance"),
        ("get", "/fhir/{type}/{id}/_history/{version}") => Some("vread"),
        ("get", "/fhir/{type}/{id}") => Some("read"),
        ("get", "/fhir/{type}" | "/fhir/{type}/{id}/{within}") => Some("search-type"),
        ("post", "/fhir/{type}/_search" | "/fhir/{type}/{id}/{within}/_search") => Some("search-type"),
        ("post", "/fhir/{type}") => Some("create"),
        ("put", "/fhir/{type}" | "/fhir/{type}/{id}") => Some("update"),
        ("patch", "/fhir/{type}" | "/fhir/{type}/{id}") => Some("patch"),
        ("delete", "/fhir/{type}" | "/fhir/{type}/{id}") => Some("delete"),
        (_, "/fhir/Patient/{id}/$everything") => Some("$everything"),
        (_, "/fhir/Patient/{id}/$summary") => Some("$summary"),
        (_, "/fhir/Composition/{id}/$document") => Some("$document"),
        (_, "/fhir/ConceptMap/$translate" | "/fhir/ConceptMap/{id}/$translate") => Some("$translate"),
        (_, "/fhir/ValueSet/$expand" | "/fhir/ValueSet/{id}/$expand") => Some("$expand"),
        (_, "/fhir/CodeSystem/$lookup") => Some("$lookup"),
        (_, "/fhir/{type}/$validate" | "/fhir/{type}/{id}/$validate") => Some("$validate"),
        (_, "/fhir/$export" | "/fhir/Patient/$export" | "/fhir/Group/{id}/$export") => Some("$export"),
        (_, "/fhir/_export/{id}" | "/fhir/_export/{id}/{file}") => Some("$export"),
        ("post", "/oauth/token") => Some("token"),
        ("post", "/sign-in/{secret}") => Some("sign-in"),
        ("post", "/sign-out") => Some("sign-out"),
        ("get", "/" | "/sign-in/{secret}") => Some("page"),
        ("get", "/messages" | "/messages/fields" | "/messages/{id}") => Some("page"),
        ("get", "/referrals" | "/referrals/new" | "/referrals/{id}" | "/cohorts" | "/cohorts/{sha256}") => Some("page"),
        ("post", "/messages/{id}/reveal" | "/referrals/new" | "/referrals/{id}/{act}" | "/cohorts") => Some("form"),
        _ => None,
    };
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let stranger = System { node: &node, token: String::new() };
    let description = stranger.get("/openapi.json").await.is(200).json();
    let (mut wanted, mut rows) = (Vec::new(), Vec::new());
    for (path, operations) in description["paths"].as_object().unwrap() {
        let address =
            ["{id}", "{secret}", "{sha256}", "{file}"].iter().fold(path.clone(), |path, name| path.replace(name, "x"));
        let address = address.replace("{type}", "Patient").replace("{within}", "Observation").replace("{version}", "1");
        let address = address.replace("{act}", "accept");
        for method in operations.as_object().unwrap().keys().filter(|name| *name != "parameters") {
            let act = expected(method, path);
            let act = act.unwrap_or_else(|| panic!("{method} {path} has no expected row: say here what it leaves"));
            stranger.send(method.to_uppercase().parse().unwrap(), &address, &[], "").await;
            if !act.is_empty() {
                wanted.push(format!("{act} of {method} {path}"));
            }
        }
    }
    site.read(|view| {
        requests::find(view, &RequestFilter::default(), &mut |one| {
            rows.insert(0, one.row);
            ControlFlow::Continue(())
        })
    });
    let left: Vec<String> = wanted
        .iter()
        .zip(&rows)
        .map(|(wanted, row)| format!("{} of {}", row.act, wanted.split_once(" of ").unwrap().1))
        .collect();
    assert_eq!(left, wanted);
    assert_eq!(rows.len(), wanted.len());
    assert!(rows.iter().all(|row| row.outcome != 404 && row.actor.is_empty() && row.shown == 0), "{rows:?}");
}

/// AUD-04: who saw a patient, and to whom the data went, against what was done.
#[tokio::test]
async fn aud_04_the_report_of_a_patient_is_what_was_done() {
    let (sender, receiver) = (Site::canada("bayview"), Site::japan("sumida"));
    let (sending, receiving) = tokio::join!(sender.serve(), receiver.serve());
    pair(&receiver, &sender);
    let system = System::new(&sender, &sending, "system");
    let reader = System::new(&sender, &sending, "clinician");
    let researcher = System::new(&sender, &sending, "researcher");
    let person = |family: &str| {
        json!({"resourceType": "Patient", "name": [{"family": family, "given": ["Marie"]}],
        "gender": "female", "birthDate": "1970-01-01", "identifier": [{"system": "urn:x:mrn", "value": family}]})
    };
    let (patient, other) = (system.create(&person("Lefebvre")).await, system.create(&person("Gagnon")).await);
    let of = |id: &str| {
        json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": format!("Patient/{id}")}})
    };
    let result = system.create(&of(&patient)).await;
    system.create(&of(&other)).await;
    reader.get(&format!("/fhir/Observation/{result}")).await.is(200);
    reader.get("/fhir/Observation").await.is(200);
    reader.get("/fhir/Patient?family=Gagnon").await.is(200);
    reader.get(&format!("/fhir/Patient/{other}")).await.is(200);
    researcher.get(&format!("/fhir/Patient/{patient}/$everything")).await.is(403);
    let clinician = Clinician::sign_in(&sender, &sending).await;
    let referral = clinician.refer(&patient, "Lefebvre", "sumida").await;
    clinician.read(&format!("/referrals/{referral}")).await;
    until("the referral is delivered", || (!sender.audited("message.delivered").is_empty()).then_some(())).await;
    sender.run(&["referral", "show", &referral]).good();
    let report = sender.run(&["audit", "patient", &patient]).good();
    let told: Vec<(String, String, String, u64)> = report
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            let who = text("who");
            let who = if who.starts_with("token:") { text("role") } else { who.split(':').next().unwrap().to_owned() };
            let target =
                if text("peer").is_empty() { text("target") } else { format!("{} {}", text("target"), text("peer")) };
            (who, text("act"), target, event["status"].as_u64().unwrap())
        })
        .collect();
    let (about, seen, sent) =
        (format!("Patient/{patient}"), format!("Observation/{result}"), format!("referral/{referral}"));
    let to = format!("{sent} sumida");
    let mut expected: Vec<(&str, &str, &str, u64)> = vec![
        ("system", "create", &about, 200),
        ("system", "create", &seen, 200),
        ("clinician", "read", &seen, 200),
        ("clinician", "search-type", "Observation", 200),
        ("researcher", "$everything", &about, 403),
        // The form with whom was looked for; with the text of the consent.
        ("user", "form", "referral", 200),
        ("user", "form", "referral", 200),
        ("user", "referral.send", &to, 200),
        ("user", "referral.read", &sent, 200),
        ("node", "message.delivered", &to, 200),
        ("command", "command", &sent, 200),
        ("command", "command", &about, 200),
    ];
    // The node delivers while the clinician reads on.
    let (mut told, mut wanted): (Vec<_>, Vec<_>) =
        (told, expected.drain(..).map(|(a, b, c, d)| (a.to_owned(), b.to_owned(), c.to_owned(), d)).collect());
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted);
    // Of the other patient, nothing of this one's.
    let report = sender.run(&["audit", "patient", &other]).good().to_string();
    assert!(!report.contains(&patient) && !report.contains(&referral), "{report}");
    // At the other end: it came from there.
    let came = receiver.audited("message.accept");
    assert_eq!(came.len(), 1);
    // All of it still holds, signed at the orderly end.
    sending.terminate();
    let verified = sender.run(&["audit", "verify"]).good();
    assert_eq!(verified["checkpoints"], 1);
    drop(receiving);
}

/// AUD-02: a trail that was cut short.
#[tokio::test]
async fn aud_02_a_trail_cut_short_is_found_by_the_checkpoint_or_by_a_head_written_down() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    for _ in 0..3 {
        system.get("/fhir/Patient").await.is(200);
    }
    node.terminate();
    let verified = site.run(&["audit", "verify"]).good();
    let head = |number: usize| {
        let chain = &verified["chains"][number];
        format!("{}:{}:{}", chain["trail"].as_str().unwrap(), chain["entries"], chain["head"].as_str().unwrap())
    };
    site.run(&["audit", "verify", "--head", &head(0), "--head", &head(1)]).good();
    site.run(&["audit", "verify", "--head", "acts:1"]).refused(2, "TRAIL:POSITION:HASH");
    let config = watari::config::Config::load(&site.configuration()).unwrap();
    let file = config.store.database();
    let execute =
        |path: &std::path::Path, sql: &str| rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    let requests = file.with_extension("requests.db");
    let rows = std::fs::read(&requests).unwrap();
    execute(&requests, "DELETE FROM request WHERE position > 1");
    site.run(&["audit", "verify"]).refused(1, "trail of requests was cut short: entry 3 was there, and 2 is missing");
    std::fs::write(&requests, &rows).unwrap();
    site.run(&["audit", "verify"]).good();
    std::fs::remove_file(&requests).unwrap();
    site.run(&["audit", "verify"]).refused(1, "entry 3 was there, and 1 is missing");
    std::fs::write(&requests, &rows).unwrap();
    // With the checkpoint gone, too, only a head kept elsewhere tells.
    execute(&file, "DELETE FROM audit WHERE action = 'audit.checkpoint'");
    execute(&requests, "DELETE FROM request WHERE position > 1");
    site.run(&["audit", "verify"]).good();
    site.run(&["audit", "verify", "--head", &head(1)]).refused(1, "requests was cut short");
    site.run(&["audit", "verify", "--head", &head(0)]).refused(1, "acts was cut short");
}
