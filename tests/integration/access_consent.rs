//! Consents of patients at a running node, and in cohort counts.

use serde_json::{Value, json};
use watari::access::limits::{Limits, Permitted};
use watari::cohort::{count, question};
use watari::config::AccessConfig;
use watari::harmonise::builtin;

use super::fhir_client::{System, patient, result};
use super::fhir_export::{exported, names};
use super::process::Site;
use super::smart_tokens::Stage;

const SCOPE: &str = "system/*.cruds";

fn consent(patient: &str, provision: Value) -> Value {
    json!({
        "resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": format!("Patient/{patient}")},
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": provision,
    })
}

fn deny(purpose: &str) -> Value {
    json!({"type": "deny", "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": purpose}]})
}

/// Opted out of research in the shortest form.
fn opted_out(patient: &str) -> Value {
    let mut consent = consent(patient, json!({}));
    consent["scope"]["coding"][0]["code"] = json!("research");
    consent["policyRule"]["coding"][0]["code"] = json!("OPTOUT");
    consent.as_object_mut().unwrap().remove("provision");
    consent
}

/// A patient with one result.
async fn person(system: &System<'_>, family: &str, number: &str) -> (String, String) {
    let id = system.create(&patient(family, number)).await;
    let observation = system.create(&result(&id, 1.5)).await;
    (id, observation)
}

#[tokio::test]
async fn a_patient_who_refuses_the_purpose_is_absent_for_the_client_on_every_way() {
    let stage = Stage::registered(Site::canada("bayview"), SCOPE, &["--purpose", "HRESCH"]).await;
    let system = System::new(&stage.site, &stage.node, "system");
    let (refusing, observation) = person(&system, "Refuse", "1").await;
    let (silent, _) = person(&system, "Silent", "2").await;
    let (elsewhere, _) = person(&system, "Elsewhere", "3").await;
    system.create(&consent(&refusing, json!({"type": "permit", "provision": [deny("HRESCH")]}))).await;
    system.create(&consent(&elsewhere, deny("HMARKT"))).await;
    let lab = System { node: &stage.node, token: stage.token(SCOPE).await };
    for path in [
        format!("/fhir/Patient/{refusing}"),
        format!("/fhir/Patient/{refusing}/_history"),
        format!("/fhir/Patient/{refusing}/$everything"),
        format!("/fhir/Patient/{refusing}/$summary"),
        format!("/fhir/Observation/{observation}"),
        format!("/fhir/Observation/{observation}/_history/1"),
    ] {
        lab.get(&path).await.refused(404, "is not in the record");
        system.get(&path).await.is(200);
    }
    for (path, seen, there) in [
        ("/fhir/Patient".to_owned(), 2, 3),
        ("/fhir/Observation?_total=estimate".to_owned(), 2, 3),
        ("/fhir/Observation?subject:Patient.family=Refuse".to_owned(), 0, 1),
        ("/fhir/Patient?family=Refuse".to_owned(), 0, 1),
        (format!("/fhir/Patient/{refusing}/Observation"), 0, 1),
        ("/fhir/Consent".to_owned(), 1, 2),
    ] {
        for (who, expected) in [(&lab, seen), (&system, there)] {
            let answer = who.get(&path).await.is(200);
            assert_eq!(answer.json()["total"], expected, "{path}: {}", answer.text);
        }
    }
    for path in [
        "/fhir/Observation?_include=Observation:patient",
        "/fhir/Patient?_revinclude=Observation:patient",
        "/fhir/_history",
    ] {
        let answer = lab.get(path).await.is(200);
        assert!(!answer.text.contains(&refusing), "{path}: {}", answer.text);
    }
    let everybody = names(&system, &exported(&system, "/fhir/Patient/$export").await).await;
    let some = names(&lab, &exported(&lab, "/fhir/Patient/$export").await).await;
    assert_eq!((everybody.len(), some.len()), (8, 5), "{some:?}");
    lab.get(&format!("/fhir/Patient/{silent}")).await.is(200);
    // Another use is another question.
    let care = System { node: &stage.node, token: stage.again(SCOPE, &["--purpose", "TREAT"]).await };
    care.get(&format!("/fhir/Patient/{refusing}")).await.is(200);
    // A use that nobody named may be the one that is refused.
    let unnamed = System { node: &stage.node, token: stage.again(SCOPE, &[]).await };
    unnamed.get(&format!("/fhir/Patient/{refusing}")).await.refused(404, "");
    unnamed.get(&format!("/fhir/Patient/{silent}")).await.is(200);
    // Given back.
    let found = system.get(&format!("/fhir/Consent?patient=Patient/{refusing}")).await.json();
    let id = found["entry"][0]["resource"]["id"].as_str().unwrap().to_owned();
    system
        .patch(&format!("/fhir/Consent/{id}"), &json!([{"op": "replace", "path": "/status", "value": "inactive"}]))
        .await
        .is(200);
    unnamed.get(&format!("/fhir/Patient/{refusing}")).await.is(200);
}

#[tokio::test]
async fn actors_classes_and_what_is_not_understood() {
    let stage =
        Stage::registered(Site::canada("bayview"), SCOPE, &["--purpose", "TREAT", "--actor", "Organization/lab"]).await;
    let system = System::new(&stage.site, &stage.node, "system");
    let (to_us, _) = person(&system, "Us", "1").await;
    let (to_others, _) = person(&system, "Others", "2").await;
    let (no_results, result_of) = person(&system, "Results", "3").await;
    let (unclear, _) = person(&system, "Unclear", "4").await;
    let (over, _) = person(&system, "Over", "5").await;
    let organization = |id: &str| {
        json!({"type": "deny", "actor": [{
            "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]},
            "reference": {"reference": format!("Organization/{id}")},
        }]})
    };
    system.create(&consent(&to_us, organization("lab"))).await;
    system.create(&consent(&to_others, organization("other"))).await;
    let class =
        json!({"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]});
    system.create(&consent(&no_results, class)).await;
    system.create(&consent(&unclear, json!({"type": "permit", "dataPeriod": {"start": "2020-01-01"}}))).await;
    system.create(&consent(&over, json!({"type": "deny", "period": {"end": "2025-12-31"}}))).await;
    let lab = System { node: &stage.node, token: stage.token(SCOPE).await };
    let is_seen = async |path: String| lab.get(&path).await.status.as_u16();
    assert_eq!(is_seen(format!("/fhir/Patient/{to_us}")).await, 404);
    assert_eq!(is_seen(format!("/fhir/Patient/{to_others}")).await, 200);
    assert_eq!(is_seen(format!("/fhir/Patient/{no_results}")).await, 200);
    assert_eq!(is_seen(format!("/fhir/Observation/{result_of}")).await, 404);
    assert_eq!(is_seen(format!("/fhir/Patient/{unclear}")).await, 404);
    assert_eq!(is_seen(format!("/fhir/Patient/{over}")).await, 200);
    assert_eq!(lab.get("/fhir/Observation").await.json()["total"], 2);
    for wrong in [["--purpose", "CURIOSITY"], ["--actor", "the lab"]] {
        let file = stage.site.path().join("lab.json");
        let first = ["client", "add", "x", "--jwks", file.to_str().unwrap(), "--scope", SCOPE];
        stage.site.run(&[&first[..], &wrong].concat()).refused(1, wrong[1]);
    }
}

#[tokio::test]
async fn without_a_consent_a_purpose_may_be_refused() {
    let site = Site::canada("bayview").with(|config| config.access.consent_required = vec!["HRESCH".to_owned()]);
    let stage = Stage::registered(site, SCOPE, &["--purpose", "CLINTRCH"]).await;
    let system = System::new(&stage.site, &stage.node, "system");
    let (silent, _) = person(&system, "Silent", "1").await;
    let (permitting, _) = person(&system, "Permit", "2").await;
    let mut permit = deny("HRESCH");
    permit["type"] = json!("permit");
    system.create(&consent(&permitting, permit)).await;
    let lab = System { node: &stage.node, token: stage.token(SCOPE).await };
    lab.get(&format!("/fhir/Patient/{silent}")).await.refused(404, "");
    lab.get(&format!("/fhir/Patient/{permitting}")).await.is(200);
    let care = System { node: &stage.node, token: stage.again(SCOPE, &["--purpose", "TREAT"]).await };
    care.get(&format!("/fhir/Patient/{silent}")).await.is(200);
    let wrong = Site::canada("sumida").with(|config| config.access.consent_required = vec!["SCIENCE".to_owned()]);
    wrong.run(&["token", "--role", "system"]).refused(2, "SCIENCE");
}

#[tokio::test]
async fn prv_11_who_opted_out_and_what_is_labelled_is_in_no_count() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let mut people = Vec::new();
    for number in 1..=4 {
        people.push(person(&system, "Person", &number.to_string()).await);
    }
    let asked = json!({"version": "watari-cohort/1", "inclusion": [[{
        "context": "observation", "termCodes": [{"system": "http://loinc.org", "code": "718-7"}],
    }]]});
    let counted = || {
        let checked = question::check(asked.to_string().as_bytes()).unwrap();
        let plan = count::plan(builtin().unwrap(), &checked, jiff::civil::date(2026, 11, 24)).unwrap();
        let limits = Limits::of_research(&AccessConfig::default());
        site.read(|view| count::count(&Permitted::new(view, &limits, "2026-11-24T00:00:00.000Z"), &plan))
    };
    assert_eq!(counted(), 4);
    system.create(&opted_out(&people[0].0)).await;
    assert_eq!(counted(), 3);
    let mut hidden = system.get(&format!("/fhir/Observation/{}", people[1].1)).await.json();
    hidden["meta"] =
        json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}]});
    system.put(&format!("/fhir/Observation/{}", people[1].1), &hidden).await.is(200);
    assert_eq!(counted(), 2);
    system.create(&consent(&people[2].0, json!({"type": "deny", "securityLabel": [{"code": "PSY"}]}))).await;
    assert_eq!(counted(), 2, "a refusal of other labels");
}
