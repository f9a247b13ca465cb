//! FHIR R4 at `/fhir` of a real node, over HTTPS, by a token of `watari token`.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::process::Site;
use super::process::running::RunningNode;

const FHIR: &str = "application/fhir+json";

/// A local system with its token.
struct System<'a> {
    node: &'a RunningNode,
    token: String,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// An OperationOutcome with this status and issue code, whose explanation holds `part`; gives the issue.
    fn refused(&self, status: u16, code: &str, part: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.header("content-type").starts_with(FHIR), "{:?}: {}", self.headers, self.text);
        let outcome = self.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        let issue = outcome["issue"][0].clone();
        assert_eq!(issue["severity"], "error");
        assert_eq!(issue["code"], code, "{issue}");
        assert!(issue["diagnostics"].as_str().is_some_and(|text| text.contains(part)), "{part:?} is not in {issue}");
        issue
    }

    fn total(&self) -> u64 {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()["total"].as_u64().unwrap()
    }

    /// Family names of a searchset, in order.
    fn families(&self) -> Vec<String> {
        let bundle = self.json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["resource"]["name"][0]["family"].as_str().unwrap().to_owned()).collect()
    }
}

impl<'a> System<'a> {
    fn new(site: &Site, node: &'a RunningNode, role: &str) -> Self {
        let made = site.run(&["token", "--role", role]).good();
        Self { node, token: made["token"].as_str().unwrap().to_owned() }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut request = self.node.client.request(method, self.node.inside(path)).body(body);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.send(Method::POST, path, &[("content-type", FHIR)], body).await
    }

    /// Creates a resource and gives its id.
    async fn create(&self, resource: &Value) -> String {
        let kind = resource["resourceType"].as_str().unwrap();
        let answer = self.post(&format!("/fhir/{kind}"), resource.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }
}

fn patient(family: &str, number: &str, born: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{"system": "https://bayview.example/mrn", "value": number}],
        "name": [{"family": family, "given": ["Noémie"]}],
        "gender": "female",
        "birthDate": born,
    })
}

fn transaction(entries: Value) -> String {
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).to_string()
}

#[tokio::test]
async fn a_created_resource_is_read_as_it_was_written() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let created = system.post("/fhir/Patient", patient("Lefebvre", "1", "1979-03-16").to_string()).await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(created.header("etag"), "W/\"1\"");
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(created.header("location"), format!("/fhir/Patient/{id}/_history/1"));

    let read = system.get(&format!("/fhir/Patient/{id}")).await;
    assert_eq!((read.status.as_u16(), read.header("etag")), (200, "W/\"1\""));
    assert!(read.header("content-type").starts_with(FHIR));
    assert_eq!(read.header("cache-control"), "no-store");
    assert_eq!(read.json()["name"][0]["given"][0], "Noémie");
    assert_eq!(read.json()["meta"]["versionId"], "1");

    // A second version by transaction; the first stays readable.
    let mut changed = patient("Lefebvre-Roy", "1", "1979-03-16");
    changed["id"] = json!(id);
    let put = transaction(json!([{"resource": changed, "request": {"method": "PUT", "url": format!("Patient/{id}")}}]));
    let answer = system.post("/fhir", put).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["entry"][0]["response"]["etag"], "W/\"2\"");
    let versions = [(1, "Lefebvre"), (2, "Lefebvre-Roy")];
    for (version, family) in versions {
        let answer = system.get(&format!("/fhir/Patient/{id}/_history/{version}")).await;
        assert_eq!(answer.json()["name"][0]["family"], family);
        assert_eq!(answer.header("etag"), format!("W/\"{version}\""));
    }
    system.get(&format!("/fhir/Patient/{id}/_history/3")).await.refused(404, "not-found", "_history/3");
    assert_eq!(system.get(&format!("/fhir/Patient/{id}")).await.json()["name"][0]["family"], "Lefebvre-Roy");
}

#[tokio::test]
async fn digits_are_kept() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let subject = system.create(&patient("Lefebvre", "1", "1979-03-16")).await;
    let cases = ["1.50", "1.5", "0.0", "100.00", "0.000000000000000000123"].map(|digits| (digits, digits));
    // An exponent keeps its digits too, but is written with its sign.
    for (digits, kept) in cases.into_iter().chain([("1.0e3", "1.0e+3")]) {
        let body = format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"14927-8"}}]}},
            "subject":{{"reference":"Patient/{subject}"}},"valueQuantity":{{"value":{digits},"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}}}}"#
        );
        let created = system.post("/fhir/Observation", body).await;
        assert_eq!(created.status, 201, "{}", created.text);
        let id = created.json()["id"].as_str().unwrap().to_owned();
        let expected = format!(r#""value":{kept},"#);
        let read = system.get(&format!("/fhir/Observation/{id}")).await.text;
        let found = system.get(&format!("/fhir/Observation?_id={id}")).await.text;
        for text in [&created.text, &read, &found] {
            assert!(text.contains(&expected), "{expected} is not in {text}");
        }
    }
}

/// A code map of the hospital's own, from a laboratory's codes.
fn site_map(system: &str) -> Value {
    json!({"resourceType": "ConceptMap", "id": "lab", "status": "active", "group": [
        {"source": system, "target": "http://loinc.org", "element": [
            {"code": "GLU", "target": [{"code": "14749-6", "equivalence": "equivalent"}]}]}]})
}

#[tokio::test]
async fn the_hospitals_own_code_maps_hold_for_what_is_written_here() {
    let local = "https://bayview.example/fhir/CodeSystem/LAB";
    let site = Site::canada("bayview");
    site.write("maps/lab.json", site_map(local).to_string().as_bytes());
    let site = site.with(|config| config.intake.code_maps = vec!["maps".into()]);
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let subject = system.create(&patient("Lefebvre", "1", "1979-03-16")).await;
    let result = |code: &str| {
        json!({"resourceType": "Observation", "status": "final",
            "code": {"coding": [{"system": local, "code": code}]}, "subject": {"reference": format!("Patient/{subject}")},
            "valueQuantity": {"value": 5.5, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"}})
    };
    let created = system.post("/fhir/Observation", result("GLU").to_string()).await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(created.json()["code"], result("GLU")["code"], "what was written stays as it was written");
    let unknown = system.post("/fhir/Observation", result("GLX").to_string()).await;
    assert_eq!(unknown.status, 201, "{}", unknown.text);
    let found = system.get("/fhir/Observation?code=http://loinc.org|14749-6").await;
    assert_eq!(found.total(), 1, "and is found by what it means");
    assert_eq!(found.json()["entry"][0]["resource"]["id"], created.json()["id"]);
}

#[tokio::test]
async fn code_maps_are_read_and_searched_and_not_written() {
    let site = Site::canada("bayview");
    site.write("maps/lab.json", site_map("https://bayview.example/fhir/CodeSystem/LAB").to_string().as_bytes());
    let site = site.with(|config| config.intake.code_maps = vec!["maps".into()]);
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    for id in ["jlac10-to-loinc", "lab"] {
        let read = system.get(&format!("/fhir/ConceptMap/{id}")).await;
        assert_eq!(read.status, 200, "{}", read.text);
        assert_eq!(read.json()["id"], id);
        let update = json!([{"resource": {"resourceType": "ConceptMap", "id": id, "status": "active"},
            "request": {"method": "PUT", "url": format!("ConceptMap/{id}")}}]);
        system.post("/fhir", transaction(update)).await.refused(405, "not-supported", "read only");
        let put = system.send(Method::PUT, &format!("/fhir/ConceptMap/{id}"), &[("content-type", FHIR)], "{}").await;
        put.refused(405, "not-supported", "read only");
    }
    system.get("/fhir/ConceptMap/none").await.refused(404, "not-found", "ConceptMap/none");
    let built_in = system.get("/fhir/ConceptMap").await.total();
    // One that is kept as a record stands behind those that the node goes by.
    let kept = system.create(&json!({"resourceType": "ConceptMap", "status": "draft"})).await;
    let all = system.get("/fhir/ConceptMap?_count=1000").await;
    assert_eq!(all.total(), built_in + 1);
    let ids = |answer: &Answer| -> Vec<String> {
        let bundle = answer.json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
    };
    let every = ids(&all);
    assert_eq!(every.last(), Some(&kept));
    let (mut paged, mut path) = (Vec::new(), "/fhir/ConceptMap?_count=2".to_owned());
    loop {
        let page = system.get(&path).await;
        assert_eq!(page.total(), every.len() as u64);
        paged.extend(ids(&page));
        let links = page.json()["link"].as_array().cloned().unwrap();
        let Some(next) = links.iter().find(|link| link["relation"] == "next") else { break };
        path = format!("/fhir/{}", next["url"].as_str().unwrap());
    }
    assert_eq!(paged, every);
    assert_eq!(ids(&system.get(&format!("/fhir/ConceptMap?_id=lab,{kept}")).await), ["lab".to_owned(), kept]);
    let capabilities = system.get("/fhir/metadata").await.json();
    let resources = capabilities["rest"][0]["resource"].as_array().unwrap();
    let told = resources.iter().find(|resource| resource["type"] == "ConceptMap").unwrap();
    assert!(told["documentation"].as_str().unwrap().contains("not written"));
}

#[tokio::test]
async fn searches_by_text_token_date_and_page() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    for (family, number, born) in [
        ("Côté", "1", "1950-01-31"),
        ("Cotnoir", "2", "1960-02-01"),
        ("渡邉", "3", "1970-03-31"),
        ("Tremblay", "4", "1980-04-30"),
        ("Tremblay-Gagnon", "5", "1990-05-31"),
    ] {
        system.create(&patient(family, number, born)).await;
    }
    let families = async |query: &str| {
        let mut found = system.get(&format!("/fhir/Patient?{query}")).await.families();
        found.sort();
        found
    };
    assert_eq!(families("family=tremblay").await, ["Tremblay", "Tremblay-Gagnon"]);
    assert_eq!(families("family=cote").await, ["Côté"], "folded, and only from the start");
    assert_eq!(families("family=cote,cotn").await, ["Cotnoir", "Côté"], "a comma is OR");
    assert_eq!(families("name=%E6%B8%A1%E9%82%89").await, ["渡邉"]);
    assert_eq!(families("name=%E6%B8%A1%E8%BE%BA").await, ["渡邉"], "渡辺 finds its variants");
    assert_eq!(families("identifier=https://bayview.example/mrn|4").await, ["Tremblay"]);
    assert_eq!(families("identifier=4").await, ["Tremblay"]);
    assert_eq!(families("identifier=https://other.example/mrn|4").await, [""; 0]);
    assert_eq!(families("birthdate=ge1970-03-31&birthdate=lt1990").await, ["Tremblay", "渡邉"], "twice is AND");
    assert_eq!(families("birthdate=1960-02").await, ["Cotnoir"], "the value's own precision");
    assert_eq!(families("birthdate=gt1980-04-30").await, ["Tremblay-Gagnon"]);
    assert_eq!(families("gender=female&family=trem&birthdate=le1980-04-30").await, ["Tremblay"]);
    assert_eq!(system.get("/fhir/Patient?gender=male").await.total(), 0);
    let posted = system
        .send(
            Method::POST,
            "/fhir/Patient/_search",
            &[("content-type", "application/x-www-form-urlencoded")],
            "family=tremblay",
        )
        .await;
    assert_eq!(posted.total(), 2, "by POST the same");

    // Page by page, everybody once.
    let mut seen = Vec::new();
    let mut path = "/fhir/Patient?_count=2".to_owned();
    let mut pages = 0;
    loop {
        let page = system.get(&path).await;
        assert_eq!(page.total(), 5);
        seen.extend(page.families());
        pages += 1;
        let links = page.json()["link"].as_array().cloned().unwrap();
        let Some(next) = links.iter().find(|link| link["relation"] == "next") else { break };
        path = format!("/fhir/{}", next["url"].as_str().unwrap());
    }
    assert_eq!(pages, 3);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);

    system.get("/fhir/Patient?favourite-colour=blue").await.refused(400, "structure", "favourite-colour");
    assert_eq!(families("family:exact=Tremblay").await, ["Tremblay"]);
    assert_eq!(families("family:exact=tremblay").await, [""; 0]);
    system.get("/fhir/Patient?family:above=Tremblay").await.refused(501, "not-supported", "family:above");
    system.get("/fhir/Patient?birthdate=yesterday").await.refused(400, "structure", "birthdate");
    system.get("/fhir/Patient?_count=many").await.refused(400, "structure", "_count");
}

#[tokio::test]
async fn a_conditional_create_creates_once() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let condition = [("content-type", FHIR), ("if-none-exist", "identifier=https://bayview.example/mrn|77")];
    let body = patient("Lefebvre", "77", "1979-03-16").to_string();
    let first = system.send(Method::POST, "/fhir/Patient", &condition, body.clone()).await;
    let other = body.replace("Lefebvre", "Other");
    let second = system.send(Method::POST, "/fhir/Patient", &condition, other).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
    assert_eq!(first.json()["id"], second.json()["id"]);
    assert_eq!(second.json()["name"][0]["family"], "Lefebvre", "what was there stays as it is");
    assert_eq!(system.get("/fhir/Patient").await.total(), 1);

    system.create(&patient("Twin", "77", "1979-03-16")).await;
    let ambiguous = system.send(Method::POST, "/fhir/Patient", &condition, body.clone()).await;
    ambiguous.refused(412, "conflict", "more than one");
    let by_name = [("content-type", FHIR), ("if-none-exist", "family=Lefebvre")];
    let found = system.send(Method::POST, "/fhir/Patient", &by_name, body.clone()).await;
    assert_eq!((found.status.as_u16(), found.json()["id"].clone()), (200, first.json()["id"].clone()));
    for (condition, code) in [("", "structure"), ("_count=1", "structure"), ("favourite-colour=red", "structure")] {
        let vague = [("content-type", FHIR), ("if-none-exist", condition)];
        let refused = system.send(Method::POST, "/fhir/Patient", &vague, body.clone()).await;
        assert_eq!(refused.json()["issue"][0]["code"], code, "{condition:?}: {}", refused.text);
    }
    assert_eq!(system.get("/fhir/Patient").await.total(), 2);
}

#[tokio::test]
async fn a_transaction_is_taken_whole_or_not_at_all() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let good = |number: &str| {
        json!({
            "fullUrl": format!("urn:uuid:00000000-0000-4000-8000-00000000000{number}"),
            "resource": patient("Lefebvre", number, "1979-03-16"),
            "request": {"method": "POST", "url": "Patient"},
        })
    };
    let result = |subject: &str| {
        json!({
            "resource": {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": subject}},
            "request": {"method": "POST", "url": "Observation"},
        })
    };
    let mut unknown = good("2");
    unknown["resource"]["birthdate"] = json!("1979-03-16");
    let trace = json!({"resource": patient("x", "9", "1979"), "request": {"method": "TRACE", "url": "Patient/x"}});
    for (bad, status, code, part) in [
        (unknown, 422, "structure", "Bundle.entry[1].resource.birthdate"),
        (result("urn:uuid:00000000-0000-4000-8000-000000000009"), 422, "business-rule", "leads to no entry"),
        (trace, 400, "structure", "TRACE"),
        (json!({"request": {"method": "POST", "url": "Patient"}}), 400, "structure", "no resource"),
    ] {
        let answer = system.post("/fhir", transaction(json!([good("1"), bad]))).await;
        answer.refused(status, code, part);
    }
    assert_eq!(site.read(|view| view.resource_counts()), [], "nothing of them is stored");

    let linked = result("urn:uuid:00000000-0000-4000-8000-000000000001");
    let answer = system.post("/fhir", transaction(json!([good("1"), linked]))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["type"], "transaction-response");
    let location = |entry: usize| {
        let answer = answer.json();
        let location = answer["entry"][entry]["response"]["location"].as_str().unwrap().to_owned();
        assert_eq!(answer["entry"][entry]["response"]["status"], "201 Created");
        location.split("/_history").next().unwrap().to_owned()
    };
    let observation = system.get(&format!("/fhir/{}", location(1))).await.json();
    assert_eq!(observation["subject"]["reference"], location(0), "the reference leads to the new patient");
    assert_eq!(system.get(&format!("/fhir/Observation?patient={}", location(0))).await.total(), 1);
    let collection = r#"{"resourceType":"Bundle","type":"collection"}"#;
    system.post("/fhir", collection).await.refused(400, "structure", "transaction or batch");
}

#[tokio::test]
async fn every_resource_type_is_taken_and_each_fault_is_named() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/1"}});
    let created = system.post("/fhir/Goal", goal.to_string()).await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(system.get(created.header("location")).await.json()["description"]["text"], "walk");

    let broken = json!({"resourceType": "Goal", "lifecycleStatus": "begun", "description": {"text": "walk"},
        "subject": {"reference": "Practitioner/1"}, "target": [{}], "startDate": "2023-02-29"});
    let answer = system.post("/fhir/Goal", broken.to_string()).await;
    answer.refused(422, "code-invalid", "goal-status");
    let issues = answer.json()["issue"].as_array().cloned().unwrap();
    let places: Vec<&str> = issues.iter().filter_map(|issue| issue["expression"][0].as_str()).collect();
    let expected = ["Goal.lifecycleStatus", "Goal.subject.reference", "Goal.target[0]", "Goal.startDate"];
    assert_eq!(places, expected);

    let urn = "urn:uuid:0b6d6b2e-7f0c-4b52-8c43-5a5a3a1c2d01";
    let kept = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": urn, "resource": {"resourceType": "Patient", "gender": "female"}},
        {"fullUrl": "urn:uuid:0b6d6b2e-7f0c-4b52-8c43-5a5a3a1c2d02", "resource": {"resourceType": "Observation",
            "status": "final", "code": {"text": "x"}, "subject": {"reference": urn}}}]});
    let created = system.post("/fhir/Bundle", kept.to_string()).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let stored = system.get(created.header("location")).await.json();
    assert_eq!(stored["entry"][1]["resource"]["subject"]["reference"], urn, "its references stay within it");

    let statement = system.get("/fhir/metadata").await.json();
    let kinds = statement["rest"][0]["resource"].as_array().cloned().unwrap();
    assert_eq!(kinds.len(), 146, "all of R4");
    let binary = kinds.iter().find(|kind| kind["type"] == "Binary").unwrap();
    let names: Vec<&str> =
        binary["searchParam"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    let all_have = ["_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"];
    assert_eq!(names, all_have, "what has no identifier is not found by one");
}

#[tokio::test]
async fn each_refusal_says_what_to_change() {
    let site = Site::canada("bayview").with(|config| config.inside.max_body_bytes = 50_000);
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let body = patient("Lefebvre", "1", "1979-03-16").to_string();
    let path = "/fhir/Patient";

    system.post(path, "{\"resourceType\":").await.refused(400, "structure", "not JSON");
    let twice = r#"{"resourceType":"Patient","gender":"female","gender":"male"}"#;
    system.post(path, twice).await.refused(400, "structure", "a name occurs twice");
    let unknown = body.replace("birthDate", "birthdate");
    let issue = system.post(path, unknown).await.refused(422, "structure", "birthdate");
    assert_eq!(issue["expression"][0], "Patient.birthdate");
    system.post(path, body.replace("\"Patient\"", "\"Observation\"")).await.refused(400, "structure", "not a Patient");
    system.post("/fhir/Unicorn", body.replace("Patient", "Unicorn")).await.refused(404, "not-found", "Unicorn");
    system.get("/fhir/Unicorn/1").await.refused(404, "not-found", "Unicorn");
    system.get("/fhir/Patient/nobody").await.refused(404, "not-found", "Patient/nobody");
    for media_type in ["application/fhir+xml", "text/plain"] {
        let answer = system.send(Method::POST, path, &[("content-type", media_type)], body.clone()).await;
        answer.refused(415, "not-supported", "application/fhir+json");
    }
    let large = body.replace("Noémie", &"N".repeat(60_000));
    system.post(path, large.clone()).await.refused(413, "too-long", "larger");
    system.post("/fhir", large).await.refused(413, "too-long", "larger");

    system.get("/nowhere").await.refused(404, "not-found", "nothing answers");
    system.get("/metrics").await.refused(501, "not-supported", "not built");
    for path in ["/fhir/Patient/1/$unicorn", "/fhir/Patient/$unicorn"] {
        system.get(path).await.refused(501, "not-supported", "not served");
    }
    for (method, path, allowed) in [
        (Method::POST, "/fhir/Patient/1", "GET, HEAD, PUT, PATCH, DELETE"),
        (Method::GET, "/fhir", "POST"),
        (Method::DELETE, "/fhir/Patient/1/_history", "GET, HEAD"),
    ] {
        let answer = system.send(method, path, &[], "").await;
        answer.refused(405, "not-supported", allowed);
        assert_eq!(answer.header("allow"), allowed);
    }
    assert_eq!(site.count("Patient"), 0);
}

#[tokio::test]
async fn who_may_not_is_told_so_and_sees_nothing() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let id = system.create(&patient("Lefebvre", "1", "1979-03-16")).await;
    let (read, body) = (format!("/fhir/Patient/{id}"), patient("Other", "2", "1980").to_string());

    for token in [String::new(), "guessed".to_owned(), format!("{}x", system.token)] {
        let stranger = System { node: &node, token };
        for answer in [stranger.get(&read).await, stranger.post("/fhir/Patient", body.clone()).await] {
            answer.refused(401, "login", "");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            assert!(!answer.text.contains("Lefebvre"));
        }
    }
    let clinician = System::new(&site, &node, "clinician");
    assert_eq!(clinician.get(&read).await.status, 200);
    clinician.post("/fhir/Patient", body.clone()).await.refused(403, "forbidden", "clinician may not write");
    for role in ["it", "researcher"] {
        let other = System::new(&site, &node, role);
        other.get(&read).await.refused(403, "forbidden", &format!("{role} may not read"));
        other.get("/fhir/Patient?family=Lefebvre").await.refused(403, "forbidden", role);
    }
    // Everybody may know what is served.
    let stranger = System { node: &node, token: String::new() };
    let statement = stranger.get("/fhir/metadata").await.json();
    assert_eq!(
        (&statement["resourceType"], &statement["fhirVersion"]),
        (&json!("CapabilityStatement"), &json!("4.0.1"))
    );
    assert_eq!(site.count("Patient"), 1);

    let short = site.run(&["token", "--role", "system", "--ttl", "1"]).good()["token"].as_str().unwrap().to_owned();
    let brief = System { node: &node, token: short };
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    brief.get(&read).await.refused(401, "login", "expired");
}
