//! Security labels at a running node: who is not cleared sees nothing of a labelled resource, on no way.

use reqwest::Method;
use serde_json::{Value, json};

use super::fhir_client::{FHIR, System, bundle, patient, with_id};
use super::fhir_export::{exported, names};
use super::process::Site;
use super::smart_tokens::Stage;

const SCOPE: &str = "system/*.cruds";

fn labelled(mut resource: Value, code: &str) -> Value {
    let system = match code {
        "R" | "V" => "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
        _ => "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    };
    resource["meta"] = json!({"security": [{"system": system, "code": code}]});
    resource
}

fn observation(patient: &str, code: &str) -> Value {
    json!({
        "resourceType": "Observation", "status": "final", "subject": {"reference": format!("Patient/{patient}")},
        "identifier": [{"system": "https://bayview.example/results", "value": code}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueString": "1.50",
    })
}

/// A patient with a plain result and a plain panel that leads to a labelled result; a labelled diagnosis; a document of both
/// results. Their ids.
struct Record {
    patient: String,
    plain: String,
    hidden: String,
    diagnosis: String,
    document: String,
}

async fn record(system: &System<'_>) -> Record {
    let of = system.create(&patient("Lefebvre", "1")).await;
    let hidden = system.create(&labelled(observation(&of, "hidden-1"), "PSY")).await;
    let mut panel = observation(&of, "plain-1");
    panel["hasMember"] = json!([{"reference": format!("Observation/{hidden}")}]);
    let plain = system.create(&panel).await;
    let diagnosis = json!({
        "resourceType": "Condition", "subject": {"reference": format!("Patient/{of}")},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "370143000"}]},
        "evidence": [{"detail": [{"reference": format!("Observation/{plain}")}]}],
    });
    let diagnosis = system.create(&labelled(diagnosis, "V")).await;
    let document = json!({
        "resourceType": "Composition", "status": "final", "type": {"text": "Results"}, "date": "2026-01-01", "title": "Results",
        "subject": {"reference": format!("Patient/{of}")}, "author": [{"display": "Bayview"}],
        "section": [{"entry": [{"reference": format!("Observation/{plain}")}, {"reference": format!("Observation/{hidden}")}]}],
    });
    let document = system.create(&document).await;
    Record { patient: of, plain, hidden, diagnosis, document }
}

#[tokio::test]
async fn a_labelled_resource_is_absent_for_who_is_not_cleared_on_every_way() {
    let stage = Stage::registered(Site::canada("bayview"), SCOPE, &[]).await;
    let system = System::new(&stage.site, &stage.node, "system");
    let Record { patient: of, plain, hidden, diagnosis, document } = record(&system).await;
    let lab = System { node: &stage.node, token: stage.token(SCOPE).await };
    for path in [
        format!("/fhir/Observation/{hidden}"),
        format!("/fhir/Observation/{hidden}/_history/1"),
        format!("/fhir/Observation/{hidden}/_history"),
        format!("/fhir/Condition/{diagnosis}"),
    ] {
        lab.get(&path).await.refused(404, "is not in the record");
        system.get(&path).await.is(200);
    }
    // Whatever finds, counts or leads: for the lab as if it were not there. The last number is for who is cleared.
    let cases = [
        ("/fhir/Observation".to_owned(), 1, 2),
        ("/fhir/Observation?_total=estimate".to_owned(), 1, 2),
        ("/fhir/Observation?_summary=count".to_owned(), 1, 2),
        ("/fhir/Observation?_sort=-code".to_owned(), 1, 2),
        (format!("/fhir/Observation?_id={hidden}"), 0, 1),
        ("/fhir/Observation?_security=PSY".to_owned(), 0, 1),
        ("/fhir/Observation?code=hidden-1".to_owned(), 0, 1),
        (format!("/fhir/Observation?subject=Patient/{of}"), 1, 2),
        ("/fhir/Observation?has-member:Observation.code=hidden-1".to_owned(), 0, 1),
        ("/fhir/Patient?_has:Condition:patient:code=370143000".to_owned(), 0, 1),
        ("/fhir/Patient?_has:Observation:patient:code=hidden-1".to_owned(), 0, 1),
        ("/fhir/Patient?_has:Observation:patient:code=plain-1".to_owned(), 1, 1),
        ("/fhir/Observation?_has:Condition:evidence-detail:code=370143000".to_owned(), 0, 1),
        (format!("/fhir/Patient/{of}/Observation"), 1, 2),
        (format!("/fhir/Patient/{of}/$everything"), 3, 5),
    ];
    for (path, seen, there) in &cases {
        for (who, expected) in [(&lab, seen), (&system, there)] {
            let answer = who.get(path).await.is(200);
            assert_eq!(answer.json()["total"], *expected, "{path}: {}", answer.text);
        }
    }
    let leading = [
        "/fhir/Observation?code=plain-1&_include=Observation:has-member".to_owned(),
        "/fhir/Patient?_revinclude=Observation:patient".to_owned(),
        "/fhir/Patient?_revinclude=Condition:patient".to_owned(),
        "/fhir/Patient?_revinclude=Observation:patient&_include:iterate=Observation:has-member".to_owned(),
        format!("/fhir/Patient/{of}/$everything"),
        format!("/fhir/Patient/{of}/$summary"),
        format!("/fhir/Composition/{document}/$document"),
        "/fhir/Observation/_history".to_owned(),
        "/fhir/Condition/_history".to_owned(),
        "/fhir/_history?_count=1000".to_owned(),
    ];
    // The references that others have stay as they are; the resources do not come.
    let shows = |text: &str| text.contains(r#""code":"hidden-1""#) || text.contains("370143000");
    for path in &leading {
        let (seen, there) = (lab.get(path).await.is(200), system.get(path).await.is(200));
        assert!(!shows(&seen.text), "{path}: {}", seen.text);
        assert!(shows(&there.text) || path.contains("$summary"), "{path}: {}", there.text);
    }
    for path in ["/fhir/$export", "/fhir/Patient/$export", "/fhir/$export?_type=Observation,Condition"] {
        for (who, expected) in [(&lab, false), (&system, true)] {
            let names = names(who, &exported(who, path).await).await;
            assert!(names.contains(&format!("Observation/{plain}")), "{path}: {names:?}");
            for one in [format!("Observation/{hidden}"), format!("Condition/{diagnosis}")] {
                assert_eq!(names.contains(&one), expected, "{path} {one}: {names:?}");
            }
        }
    }
    let entries = json!([
        {"request": {"method": "GET", "url": format!("Observation/{hidden}")}},
        {"request": {"method": "GET", "url": "Observation?code=hidden-1"}},
        {"request": {"method": "GET", "url": format!("Observation/{plain}")}},
    ]);
    let answer = lab.post("/fhir", &bundle("batch", entries.clone())).await.is(200).json();
    let status = |at: usize| answer["entry"][at]["response"]["status"].as_str().unwrap().to_owned();
    assert_eq!([status(0), status(1), status(2)], ["404 Not Found", "200 OK", "200 OK"]);
    assert_eq!(answer["entry"][1]["resource"]["total"], 0);
    let answer = lab.post("/fhir", &bundle("transaction", entries)).await.is(200).json();
    assert_eq!(answer["entry"][0]["response"]["status"], "404 Not Found", "{answer}");
    assert!(answer["entry"][0].get("resource").is_none());
    let withheld = stage.site.audited("record.withheld");
    assert!(
        withheld.iter().any(|entry| entry.actor == "client:lab" && entry.target == format!("Observation/{hidden}"))
    );
}

#[tokio::test]
async fn what_is_withheld_is_neither_changed_nor_deleted_nor_made_a_second_time() {
    let stage = Stage::registered(Site::canada("bayview"), SCOPE, &[]).await;
    let system = System::new(&stage.site, &stage.node, "system");
    let Record { patient: of, plain, hidden, diagnosis, .. } = record(&system).await;
    let lab = System { node: &stage.node, token: stage.token(SCOPE).await };
    let path = format!("/fhir/Observation/{hidden}");
    // Taking a label off, too, is a change of what is withheld.
    let bare = with_id(observation(&of, "hidden-1"), &hidden);
    lab.put(&path, &bare).await.refused(404, "is not in the record");
    lab.put_if_match(&path, "W/\"1\"", &bare).await;
    lab.patch(&path, &json!([{"op": "remove", "path": "/meta/security"}])).await.refused(404, "");
    lab.patch(&path, &json!([{"op": "test", "path": "/status", "value": "final"}])).await.refused(404, "");
    lab.delete(&path).await.is(204);
    lab.delete("/fhir/Observation?code=hidden-1").await.is(204);
    let transaction = bundle(
        "transaction",
        json!([{"request": {"method": "PUT", "url": format!("Observation/{hidden}")}, "resource": bare}]),
    );
    lab.post("/fhir", &transaction).await.refused(404, "is not in the record");
    let twin = observation(&of, "hidden-1");
    let condition = [("content-type", FHIR), ("if-none-exist", "identifier=https://bayview.example/results|hidden-1")];
    let answer = lab.send(Method::POST, "/fhir/Observation", &condition, twin.to_string()).await;
    assert!(answer.status == 409 || answer.status == 412, "{}", answer.text);
    let now = system.get(&path).await.is(200).json();
    assert_eq!(
        (now["meta"]["versionId"].as_str(), now["meta"]["security"][0]["code"].as_str()),
        (Some("1"), Some("PSY"))
    );
    assert_eq!(system.get("/fhir/Observation?code=hidden-1").await.json()["total"], 1);
    // Deleted by who may: for the others it never was.
    let loose = system.create(&labelled(observation(&of, "loose"), "HIV")).await;
    let path = format!("/fhir/Observation/{loose}");
    system.delete(&path).await.is(204);
    system.get(&path).await.is(410);
    lab.get(&path).await.refused(404, "is not in the record");
    // What is withheld holds back what it refers to, and is not named.
    let held = lab.delete(&format!("/fhir/Observation/{plain}")).await.is(409);
    assert!(!held.text.contains(&diagnosis), "{}", held.text);
    assert!(!lab.get("/fhir/Observation/_history").await.is(200).text.contains(&loose));
}

#[tokio::test]
async fn whoever_writes_may_add_a_label_and_then_sees_what_it_is_cleared_for() {
    let stage = Stage::registered(Site::canada("bayview"), SCOPE, &["--clearance", "HIV R"]).await;
    let system = System::new(&stage.site, &stage.node, "system");
    let Record { patient: of, plain, hidden, diagnosis, .. } = record(&system).await;
    let lab = System { node: &stage.node, token: stage.token(SCOPE).await };
    let path = format!("/fhir/Observation/{plain}");
    let answer = lab.put(&path, &labelled(with_id(observation(&of, "plain-1"), &plain), "SUD")).await.is(200);
    assert_eq!((answer.text.as_str(), answer.header("etag")), ("", "W/\"2\""));
    for path in [path.clone(), format!("{path}/_history/1"), format!("{path}/_history/2")] {
        lab.get(&path).await.refused(404, "is not in the record");
        system.get(&path).await.is(200);
    }
    let made = lab.post("/fhir/Observation", &labelled(observation(&of, "new"), "HIV")).await.is(201).json();
    assert_eq!(made["meta"]["security"][0]["code"], "HIV", "what it is cleared for is given back, its label unchanged");
    let restricted = lab.create(&labelled(observation(&of, "new-2"), "R")).await;
    lab.get(&format!("/fhir/Observation/{restricted}")).await.is(200);
    // R does not reach to V, nor to another kind.
    lab.get(&format!("/fhir/Condition/{diagnosis}")).await.refused(404, "");
    lab.get(&format!("/fhir/Observation/{hidden}")).await.refused(404, "");
    let cleared = System { node: &stage.node, token: stage.again(SCOPE, &["--clearance", "PSY V"]).await };
    cleared.get(&format!("/fhir/Condition/{diagnosis}")).await.is(200);
    cleared.get(&format!("/fhir/Observation/{hidden}")).await.is(200);
    cleared.get(&format!("/fhir/Observation/{restricted}")).await.is(200);
    cleared.get(&path).await.refused(404, "");
    let wrong = ["client", "add", "x", "--jwks", "lab.json", "--scope", SCOPE, "--clearance", "SECRET"];
    let file = stage.site.path().join("lab.json");
    let wrong: Vec<&str> =
        wrong.iter().map(|one| if *one == "lab.json" { file.to_str().unwrap() } else { one }).collect();
    stage.site.run(&wrong).refused(1, "SECRET");
}

#[tokio::test]
async fn roles_are_cleared_by_the_configuration() {
    let site = Site::canada("bayview").with(|config| {
        config.access.clearance.clinician = vec!["PSY".to_owned()];
        config.access.clearance.system = vec!["*".to_owned()];
    });
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let Record { hidden, diagnosis, .. } = record(&system).await;
    let clinician = System::new(&site, &node, "clinician");
    clinician.get(&format!("/fhir/Observation/{hidden}")).await.is(200);
    clinician.get(&format!("/fhir/Condition/{diagnosis}")).await.refused(404, "");
    let wrong = Site::canada("sumida").with(|config| config.access.clearance.it = vec!["TOP".to_owned()]);
    wrong.run(&["token", "--role", "system"]).refused(2, "access.clearance.it");
}
