//! `$export` at a real node: asked for, followed, fetched, cancelled, refused.

use std::io::Read as _;

use reqwest::Method;
use serde_json::{Value, json};

use super::fhir_client::{Answer, FHIR, System, patient, result, with_id};
use super::process::Site;

const ASYNC: (&str, &str) = ("prefer", "respond-async");

/// Begins an export.
async fn begun(system: &System<'_>, path: &str) -> Answer {
    system.get_with(path, &[ASYNC, ("accept", FHIR)]).await
}

/// Follows an export to its end.
pub async fn followed(system: &System<'_>, place: &str) -> Answer {
    for _ in 0..1500 {
        let answer = system.get(place).await;
        if answer.status != 202 {
            return answer;
        }
        assert_eq!(answer.header("retry-after"), "2");
        assert!(answer.header("x-progress").ends_with("resources so far"));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the export does not end");
}

/// The manifest of an export from its beginning to its end.
pub async fn exported(system: &System<'_>, path: &str) -> Value {
    let begun = begun(system, path).await.is(202);
    followed(system, begun.header("content-location")).await.is(200).json()
}

/// The lines of the files of a list of the manifest, with their type.
async fn lines(system: &System<'_>, manifest: &Value, list: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for file in manifest[list].as_array().unwrap() {
        let answer = system.get(file["url"].as_str().unwrap()).await.is(200);
        assert_eq!(answer.header("content-type"), "application/fhir+ndjson");
        let found: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(file["count"], found.len());
        assert!(found.iter().all(|one| one["resourceType"] == file["type"]));
        all.extend(found);
    }
    all
}

/// `Type/id` of all that was exported, sorted.
pub async fn names(system: &System<'_>, manifest: &Value) -> Vec<String> {
    let lines = lines(system, manifest, "output").await;
    let name = |one: &Value| format!("{}/{}", one["resourceType"].as_str().unwrap(), one["id"].as_str().unwrap());
    let mut names: Vec<String> = lines.iter().map(name).collect();
    names.sort();
    names
}

/// Two patients with results, an organization, and a group of the first patient and of one who is no member any more.
async fn filled(system: &System<'_>) {
    for (id, family) in [("a", "Lefebvre"), ("b", "山田")] {
        system.put(&format!("/fhir/Patient/{id}"), &with_id(patient(family, id), id)).await.is(201);
        let own = with_id(result(id, 13.50), &format!("r{id}"));
        system.put(&format!("/fhir/Observation/r{id}"), &own).await.is(201);
    }
    let organization = json!({"resourceType": "Organization", "id": "o", "name": "Bayview"});
    system.put("/fhir/Organization/o", &organization).await.is(201);
    let group = json!({"resourceType": "Group", "id": "g", "type": "person", "actual": true, "member": [
        {"entity": {"reference": "Patient/a"}}, {"entity": {"reference": "Patient/b"}, "inactive": true}]});
    system.put("/fhir/Group/g", &group).await.is(201);
}

#[tokio::test]
async fn everything_all_patients_and_a_group_are_exported_as_the_record_keeps_them() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    filled(&system).await;
    let manifest = exported(&system, "/fhir/$export").await;
    let all = ["Group/g", "Observation/ra", "Observation/rb", "Organization/o", "Patient/a", "Patient/b"];
    assert_eq!(names(&system, &manifest).await, all);
    assert_eq!(manifest["requiresAccessToken"], true);
    assert!(manifest["request"].as_str().unwrap().ends_with("/fhir/$export"));
    assert_eq!((&manifest["error"], &manifest["deleted"]), (&json!([]), &json!([])));
    let time: jiff::Timestamp = manifest["transactionTime"].as_str().unwrap().parse().unwrap();
    for line in lines(&system, &manifest, "output").await {
        let place = format!("/fhir/{}/{}", line["resourceType"].as_str().unwrap(), line["id"].as_str().unwrap());
        assert_eq!(system.get(&place).await.is(200).json(), line, "as it is read");
        assert!(line["meta"]["lastUpdated"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap() <= time);
    }
    let text = system.get(manifest["output"][1]["url"].as_str().unwrap()).await.text;
    assert!(text.contains("13.5") && text.ends_with("}\n"), "{text}");
    let of_patients = exported(&system, "/fhir/Patient/$export").await;
    assert_eq!(names(&system, &of_patients).await, ["Observation/ra", "Observation/rb", "Patient/a", "Patient/b"]);
    let of_group = exported(&system, "/fhir/Group/g/$export").await;
    assert_eq!(names(&system, &of_group).await, ["Observation/ra", "Patient/a"]);
    let with = exported(&system, "/fhir/Group/g/$export?_type=Patient,Organization").await;
    assert_eq!(names(&system, &with).await, ["Organization/o", "Patient/a"], "what was named and is about nobody");
    begun(&system, "/fhir/Group/nobody/$export").await.refused(404, "Group/nobody");
    // Each act is in the audit trail.
    assert_eq!(site.audited("export.start").len(), 4);
    assert_eq!(site.audited("export.done").len(), 4);
    assert!(site.audited("export.file").len() >= 12);
    assert!(!format!("{:?}", site.audited("export.start")).contains("Lefebvre"));
}

#[tokio::test]
async fn an_export_is_narrowed_by_types_searches_and_time() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    filled(&system).await;
    let first = exported(&system, "/fhir/$export?_type=Patient,Observation&_outputFormat=ndjson").await;
    assert_eq!(names(&system, &first).await, ["Observation/ra", "Observation/rb", "Patient/a", "Patient/b"]);
    let filter = |text: &str| serde_urlencoded::to_string([("_typeFilter", text)]).unwrap();
    let filtered = |query: String| {
        let (system, path) = (&system, format!("/fhir/$export?_type=Patient,Observation&{query}"));
        async move { names(system, &exported(system, &path).await).await }
    };
    let of_a = filter("Observation?subject=Patient/a");
    assert_eq!(filtered(of_a.clone()).await, ["Observation/ra", "Patient/a", "Patient/b"]);
    let either = format!("{of_a}&{}", filter("Observation?patient.name=山田"));
    assert_eq!(filtered(either).await, ["Observation/ra", "Observation/rb", "Patient/a", "Patient/b"]);
    let both = filter("Observation?subject=Patient/b,Patient?family=lefebvre");
    assert_eq!(filtered(both).await, ["Observation/rb", "Patient/a"]);
    assert_eq!(filtered(filter("Observation?code=nothing")).await, ["Patient/a", "Patient/b"]);
    // By POST, with the same words.
    let asked = json!({"resourceType": "Parameters", "parameter": [
        {"name": "_type", "valueString": "Observation"}, {"name": "_typeFilter", "valueString": "Observation?subject=Patient/b"}]});
    let headers = [ASYNC, ("content-type", FHIR)];
    let posted = system.send(Method::POST, "/fhir/Patient/$export", &headers, asked.to_string()).await.is(202);
    let manifest = followed(&system, posted.header("content-location")).await.is(200).json();
    assert_eq!(names(&system, &manifest).await, ["Observation/rb"]);
    // What changed since the moment of the first export, and nothing twice.
    let since = serde_urlencoded::to_string([("_since", first["transactionTime"].as_str().unwrap())]).unwrap();
    let none = exported(&system, &format!("/fhir/$export?{since}")).await;
    assert_eq!((&none["output"], &none["deleted"]), (&json!([]), &json!([])));
    system.put("/fhir/Patient/a", &with_id(patient("Tremblay", "a"), "a")).await.is(200);
    system.delete("/fhir/Observation/ra").await.is(204);
    let changed = exported(&system, &format!("/fhir/$export?{since}")).await;
    assert_eq!(names(&system, &changed).await, ["Patient/a"]);
    let deleted = lines(&system, &changed, "deleted").await;
    assert_eq!(deleted[0]["type"], "transaction");
    assert_eq!(deleted[0]["entry"], json!([{"request": {"method": "DELETE", "url": "Observation/ra"}}]));
    let of_group = exported(&system, &format!("/fhir/Group/g/$export?{since}")).await;
    assert_eq!(lines(&system, &of_group, "deleted").await.len(), 1, "of a member");
    let others = exported(&system, &format!("/fhir/$export?_type=Patient&{since}")).await;
    assert_eq!(others["deleted"], json!([]));
}

#[tokio::test]
async fn what_is_not_served_is_refused_or_told_to_who_is_lenient() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    filled(&system).await;
    system.get("/fhir/$export").await.refused(400, "respond-async");
    for (query, part) in [
        ("_elements=Patient.id", "_elements"),
        ("_type=Patient,Unicorn", "Unicorn"),
        ("_type=Unicorn", "Unicorn"),
        ("_outputFormat=application/parquet", "ndjson"),
        ("_since=yesterday", "_since"),
        ("_typeFilter=Patient%3Ffavourite-colour%3Dred", "favourite-colour"),
        ("_typeFilter=Patient%3F_sort%3Dname", "criteria"),
        ("_typeFilter=nonsense", "_typeFilter"),
        ("_type=Patient&_typeFilter=Observation%3Fcode%3D1", "not among"),
    ] {
        begun(&system, &format!("/fhir/$export?{query}")).await.refused(400, part);
    }
    let accept = [ASYNC, ("accept", "application/fhir+xml")];
    assert_eq!(system.get_with("/fhir/$export", &accept).await.status, 406);
    let lenient = [("prefer", "respond-async, handling=lenient")];
    let begun = system.get_with("/fhir/$export?_elements=id&_type=Patient,Unicorn", &lenient).await.is(202);
    let told = begun.json()["issue"].as_array().unwrap().len();
    assert_eq!(told, 3, "begun, and two things left out: {}", begun.text);
    let manifest = followed(&system, begun.header("content-location")).await.is(200).json();
    assert_eq!(names(&system, &manifest).await, ["Patient/a", "Patient/b"]);
    let outcomes = lines_of_outcome(&system, &manifest).await;
    assert_eq!(outcomes["issue"].as_array().unwrap().len(), 2);
    assert_eq!(site.audited("export.start").len(), 1, "what is refused begins nothing");
}

async fn lines_of_outcome(system: &System<'_>, manifest: &Value) -> Value {
    let url = manifest["error"][0]["url"].as_str().unwrap();
    serde_json::from_str(system.get(url).await.is(200).text.trim_end()).unwrap()
}

#[tokio::test]
async fn files_are_for_who_asked_and_for_who_runs_the_node() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    filled(&system).await;
    let begun = begun(&system, "/fhir/$export").await.is(202);
    let place = begun.header("content-location").to_owned();
    let manifest = followed(&system, &place).await.is(200);
    assert!(!manifest.header("expires").is_empty());
    assert_eq!(manifest.header("content-type"), "application/json");
    let url = manifest.json()["output"][0]["url"].as_str().unwrap().to_owned();
    let other = System::new(&site, &node, "system");
    for path in [&place, &url] {
        other.get(path).await.refused(404, "no such export");
        System { node: &node, token: String::new() }.get(path).await.refused(401, "");
        for role in ["clinician", "researcher"] {
            System::new(&site, &node, role).get(path).await.refused(403, "may not");
        }
        System::new(&site, &node, "it").get(path).await.is(200);
    }
    other.delete(&place).await.refused(404, "no such export");
    for role in ["clinician", "researcher", "it"] {
        let caller = System::new(&site, &node, role);
        self::begun(&caller, "/fhir/$export").await.refused(403, "may not");
    }
    system.get(&format!("{place}/Device.ndjson")).await.refused(404, "no such file");
    system.get(&format!("{place}/*patients.ndjson")).await.refused(404, "no such file");
    // Compressed for who takes it, and the same.
    let plain = system.get(&url).await.is(200);
    let request = node.client.get(&url).bearer_auth(&system.token).header("accept-encoding", "gzip");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let length: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let bytes = answer.bytes().await.unwrap();
    assert_eq!(bytes.len(), length);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.text);
    // Cancelled, nothing of it is there any more.
    system.delete(&place).await.is(202);
    for path in [&place, &url] {
        system.get(path).await.refused(404, "no such export");
    }
    system.delete(&place).await.refused(404, "no such export");
    assert_eq!(site.audited("export.cancel").len(), 1);
    let id = place.rsplit('/').next().unwrap().to_owned();
    super::process::until("the files taken away", || site.read(|view| view.export(&id)).is_none().then_some(())).await;
}

#[tokio::test]
async fn exports_end_by_themselves_and_one_client_has_a_few_at_once() {
    let site = Site::canada("bayview").with(|config| {
        config.fhir.export_hours = 0;
        config.fhir.exports_at_once = 0;
    });
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let refused = begun(&system, "/fhir/$export").await;
    refused.refused(429, "0 exports");
    assert_eq!(refused.header("retry-after"), "2");
    let token = system.token.clone();
    node.kill();
    let site = site.with(|config| config.fhir.exports_at_once = 1);
    let node = site.serve().await;
    let system = System { node: &node, token };
    let begun = begun(&system, "/fhir/$export").await.is(202);
    // Its time is over at once.
    system.get(begun.header("content-location")).await.refused(404, "no such export");
    let id = begun.header("content-location").rsplit('/').next().unwrap().to_owned();
    super::process::until("the export taken away", || site.read(|view| view.export(&id)).is_none().then_some(())).await;
}

/// What is acknowledged before an export is asked for is in it, once, while others write; a killed node goes on.
#[tokio::test]
async fn a_killed_node_goes_on_with_its_export_and_shows_one_moment() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let bundle = |first: usize| {
        let entries: Vec<Value> = (first..first + 500)
            .map(|number| {
                let resource = json!({"resourceType": "Basic", "id": format!("b{number}"), "code": {"text": "before"},
                    "extension": [{"url": "https://bayview.example/x", "valueString": "x".repeat(2000)}]});
                json!({"resource": resource, "request": {"method": "PUT", "url": format!("Basic/b{number}")}})
            })
            .collect();
        json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    };
    for first in (0..8000).step_by(500) {
        system.post("/fhir", &bundle(first)).await.is(200);
    }
    let begun = begun(&system, "/fhir/$export?_type=Basic").await.is(202);
    let place = begun.header("content-location").to_owned();
    let path = place.split_once("/fhir").unwrap().1.to_owned();
    let changed = |code: &str| json!({"resourceType": "Basic", "id": "b7999", "code": {"text": code}});
    system.put("/fhir/Basic/b7999", &changed("after")).await.is(200);
    system.delete("/fhir/Basic/b7998").await.is(204);
    let token = system.token.clone();
    node.kill();
    let node = site.serve().await;
    let system = System { node: &node, token };
    let manifest = followed(&system, &format!("/fhir{path}")).await.is(200).json();
    let lines = lines(&system, &manifest, "output").await;
    assert_eq!(lines.len(), 8000);
    let mut ids: Vec<&str> = lines.iter().map(|one| one["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8000, "each once");
    assert!(lines.iter().all(|one| one["code"]["text"] == "before"));
    assert_eq!(site.audited("export.done").len(), 1);
}
