//! Operations of the FHIR API.

use serde_json::{Value, json};

use super::fhir_client::{System, patient, result};
use super::process::Site;

fn part<'a>(parameters: &'a Value, name: &str) -> Option<&'a Value> {
    parameters["parameter"].as_array()?.iter().find(|one| one["name"] == name)
}

#[tokio::test]
async fn everything_about_a_patient_comes_with_what_it_refers_to() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let (id, other) = (system.create(&patient("Lefebvre", "1")).await, system.create(&patient("Roy", "2")).await);
    let doctor = system.create(&json!({"resourceType": "Practitioner", "active": true})).await;
    system.create(&json!({"resourceType": "Practitioner", "active": false})).await;
    system.create(&result(&other, 1.0)).await;
    let mut early = result(&id, 1.0);
    early["performer"] = json!([{"reference": format!("Practitioner/{doctor}")}]);
    early["effectiveDateTime"] = json!("2020-01-01");
    let early = system.create(&early).await;
    let late = system.create(&result(&id, 2.0)).await;
    let path = format!("/fhir/Patient/{id}/$everything");

    let all = system.get(&path).await.is(200);
    let mut names = all.names();
    assert_eq!(names[0], format!("Patient/{id}"));
    names.sort();
    let mut expected = [
        format!("Patient/{id}"),
        format!("Observation/{early}"),
        format!("Observation/{late}"),
        format!("Practitioner/{doctor}"),
    ];
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!((&all.json()["type"], &all.json()["total"]), (&json!("searchset"), &json!(3)));
    assert_eq!(all.json()["entry"][3]["search"]["mode"], "include");
    let of_time = system.get(&format!("{path}?start=2023&end=2024")).await.is(200).names();
    assert_eq!(of_time, [format!("Patient/{id}"), format!("Observation/{late}")]);
    let of_type = system.get(&format!("{path}?_type=Observation,Practitioner&end=2021")).await.is(200).names();
    assert_eq!(of_type, [format!("Observation/{early}"), format!("Practitioner/{doctor}")]);
    assert_eq!(system.get(&format!("{path}?_since=2999-01-01T00:00:00Z")).await.is(200).names(), [""; 0]);
    let body = json!({"resourceType": "Parameters", "parameter": [{"name": "_type", "valueString": "Patient"}]});
    assert_eq!(system.post(&path, &body).await.is(200).names(), [format!("Patient/{id}")]);

    let (mut paged, mut next) = (Vec::new(), Some(format!("{path}?_count=1")));
    while let Some(page) = next {
        let page = system.get(&page).await.is(200);
        assert_eq!(page.names().len(), 1);
        paged.extend(page.names());
        next = page.link("next");
    }
    assert_eq!(paged, all.names());

    system.get("/fhir/Patient/nobody/$everything").await.refused(404, "Patient/nobody");
    system.get(&format!("{path}?_type=Unicorn")).await.refused(404, "Unicorn");
    system.get(&format!("{path}?start=lately")).await.refused(400, "start");
    system.get(&format!("{path}?favourite=red")).await.refused(400, "favourite");
    System::new(&site, &node, "researcher").get(&path).await.refused(403, "may not read");
    let rows = site.requests("$everything");
    let shown: Vec<_> = rows.iter().filter(|row| row.outcome == 200).collect();
    assert!(shown.len() >= 5 && shown.iter().all(|row| row.target == format!("Patient/{id}") && row.patients == id));
    assert_eq!(rows.iter().filter(|row| row.outcome == 403 && row.role == "researcher").count(), 1);
}

#[tokio::test]
async fn a_summary_and_a_document_are_made_when_asked_for() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let id = system.create(&patient("Lefebvre", "1")).await;
    let subject = json!({"reference": format!("Patient/{id}")});
    let problem = system.create(&json!({"resourceType": "Condition", "subject": subject, "code": {"text": "Gonarthrosis"},
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}})).await;
    let summary =
        system.get_with(&format!("/fhir/Patient/{id}/$summary"), &[("accept-language", "fr-CA")]).await.is(200).json();
    assert_eq!((&summary["type"], &summary["entry"][0]["resource"]["language"]), (&json!("document"), &json!("fr")));
    assert!(summary.to_string().contains("Gonarthrosis"));
    system.get("/fhir/Patient/nobody/$summary").await.refused(404, "Patient/nobody");

    let author = system.create(&json!({"resourceType": "Practitioner", "active": true})).await;
    let composition = json!({"resourceType": "Composition", "status": "final", "type": {"text": "letter"}, "subject": subject,
        "date": "2026-01-01", "title": "Letter", "author": [{"reference": format!("Practitioner/{author}")}],
        "section": [{"entry": [{"reference": format!("Condition/{problem}")}, {"reference": "Condition/elsewhere"}]}]});
    let composition = system.create(&composition).await;
    let path = format!("/fhir/Composition/{composition}/$document");
    let document = system.get(&path).await.is(200);
    let expected = [
        format!("Composition/{composition}"),
        format!("Patient/{id}"),
        format!("Practitioner/{author}"),
        format!("Condition/{problem}"),
    ];
    let (mut names, mut sorted) = (document.names(), expected.to_vec());
    assert_eq!(names[0], expected[0], "the composition is the first");
    names.sort();
    sorted.sort();
    assert_eq!(names, sorted);
    let document = document.json();
    assert_eq!(document["type"], "document");
    assert!(document["identifier"]["value"].as_str().unwrap().starts_with("urn:uuid:"));
    assert!(document["entry"][0]["fullUrl"].as_str().unwrap().ends_with(&expected[0]));
    // It is a document that the node would keep itself.
    system.post("/fhir/Bundle", &document).await.is(201);
    system.get(&format!("{path}?persist=true")).await.refused(422, "POST /fhir/Bundle");
    system.get("/fhir/Composition/none/$document").await.refused(404, "Composition/none");
    for act in ["$summary", "$document"] {
        let shown = site.requests(act).into_iter().filter(|row| row.outcome == 200);
        assert_eq!(shown.map(|row| row.patients).collect::<Vec<_>>(), [id.as_str()], "{act}");
    }
}

#[tokio::test]
async fn codes_are_translated_by_the_maps_that_are_here() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let icd = "/fhir/ConceptMap/$translate?system=http://hl7.org/fhir/sid/icd-10-ca&code=E11";
    let own = json!({"resourceType": "ConceptMap", "url": "urn:x:map", "status": "active", "group": [
        {"source": "urn:x:a", "target": "urn:x:b", "element": [
            {"code": "1", "target": [{"code": "one", "display": "One", "equivalence": "equivalent"}]},
            {"code": "2", "target": [{"equivalence": "unmatched"}]}]}]});
    let id = system.create(&own).await;
    let by_id = format!("/fhir/ConceptMap/{id}/$translate");
    for path in [
        format!("{by_id}?system=urn:x:a&code=1"),
        "/fhir/ConceptMap/$translate?url=urn:x:map&system=urn:x:a&code=1".to_owned(),
    ] {
        let answer = system.get(&path).await.is(200).json();
        assert_eq!(part(&answer, "result").unwrap()["valueBoolean"], true);
        let told = &part(&answer, "match").unwrap()["part"];
        assert_eq!(told[0]["valueCode"], "equivalent");
        assert_eq!(told[1]["valueCoding"], json!({"system": "urn:x:b", "code": "one", "display": "One"}));
    }
    let body = json!({"resourceType": "Parameters", "parameter": [{"name": "coding", "valueCoding": {"system": "urn:x:a", "code": "2"}}]});
    let unmatched = system.post(&by_id, &body).await.is(200).json();
    assert_eq!(part(&unmatched, "result").unwrap()["valueBoolean"], false);
    let backward = system.get(&format!("{by_id}?system=urn:x:b&code=one&reverse=true")).await.is(200).json();
    assert_eq!(part(&backward, "match").unwrap()["part"][1]["valueCoding"]["code"], "1");
    let unknown = system.get(&format!("{by_id}?system=urn:x:a&code=9")).await.is(200).json();
    assert_eq!(part(&unknown, "result").unwrap()["valueBoolean"], false);
    // The maps that the node goes by are asked together where none is named.
    system.get(icd).await.is(200);
    let loinc = system.get("/fhir/ConceptMap/$translate?system=http://loinc.org&code=2345-7").await.is(200).json();
    assert_eq!(part(&loinc, "result").unwrap()["valueBoolean"], true, "{loinc}");
    system.get(&format!("{by_id}?code=1")).await.refused(400, "system");
    system.get(&by_id).await.refused(400, "what to translate");
    system.get("/fhir/ConceptMap/$translate?url=urn:none&system=a&code=1").await.refused(404, "no ConceptMap");
}

#[tokio::test]
async fn value_sets_and_code_systems_of_the_record_are_asked() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let codes = json!({"resourceType": "CodeSystem", "url": "urn:x:codes", "name": "Codes", "status": "active", "content": "complete",
        "concept": [{"code": "a", "display": "Alpha", "concept": [{"code": "a1", "display": "Alpha one", "definition": "the first"}]},
            {"code": "b", "display": "Beta"}]});
    system.create(&codes).await;
    let set = |url: &str, compose: Value| json!({"resourceType": "ValueSet", "url": url, "status": "active", "compose": compose});
    let listed = json!({"include": [{"system": "urn:y", "concept": [{"code": "1", "display": "One"}, {"code": "2"}]}]});
    let whole = json!({"include": [{"system": "urn:x:codes"}, {"valueSet": ["urn:set:listed"]}],
        "exclude": [{"system": "urn:x:codes", "concept": [{"code": "b"}]}]});
    let below = json!({"include": [{"system": "urn:x:codes", "filter": [{"property": "concept", "op": "is-a", "value": "a"}]}]});
    let elsewhere = json!({"include": [{"system": "http://snomed.info/sct"}]});
    let circle = json!({"include": [{"valueSet": ["urn:set:circle"]}]});
    let mut ids = Vec::new();
    for (url, compose) in [
        ("urn:set:listed", listed),
        ("urn:set:whole", whole),
        ("urn:set:below", below),
        ("urn:set:elsewhere", elsewhere),
        ("urn:set:circle", circle),
    ] {
        ids.push(system.create(&set(url, compose)).await);
    }
    let expand = async |query: &str| {
        let answer = system.get(&format!("/fhir/ValueSet/$expand?url={query}")).await.is(200).json();
        let contains = answer["expansion"]["contains"].as_array().cloned().unwrap_or_default();
        contains.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(expand("urn:set:listed").await, ["1", "2"]);
    assert_eq!(expand("urn:set:whole").await, ["a", "a1", "1", "2"]);
    assert_eq!(expand("urn:set:below").await, ["a", "a1"]);
    assert_eq!(expand("urn:set:whole&filter=alpha").await, ["a", "a1"]);
    assert_eq!(expand("urn:set:whole&offset=1&count=2").await, ["a1", "1"]);
    system.get(&format!("/fhir/ValueSet/{}/$expand", ids[0])).await.is(200);
    system.get("/fhir/ValueSet/$expand?url=urn:set:elsewhere").await.refused(422, "http://snomed.info/sct");
    system.get("/fhir/ValueSet/$expand?url=urn:set:circle").await.refused(422, "too deeply");
    system.get("/fhir/ValueSet/$expand?url=urn:set:none").await.refused(404, "urn:set:none");
    system.get("/fhir/ValueSet/$expand").await.refused(400, "url");

    let found = system.get("/fhir/CodeSystem/$lookup?system=urn:x:codes&code=a1").await.is(200).json();
    assert_eq!(part(&found, "display").unwrap()["valueString"], "Alpha one");
    assert_eq!(part(&found, "property").unwrap()["part"][1]["valueString"], "the first");
    let body = json!({"resourceType": "Parameters", "parameter": [{"name": "coding", "valueCoding": {"system": "urn:x:codes", "code": "b"}}]});
    assert_eq!(
        part(&system.post("/fhir/CodeSystem/$lookup", &body).await.is(200).json(), "display").unwrap()["valueString"],
        "Beta"
    );
    system.get("/fhir/CodeSystem/$lookup?system=urn:x:codes&code=z").await.refused(404, "knows this code");
    system.get("/fhir/CodeSystem/$lookup?code=z").await.refused(400, "code and system");
}
