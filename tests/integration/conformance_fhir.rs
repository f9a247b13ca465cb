//! Other people's resources and another client at the FHIR API. Runs only where `WATARI_CONFORMANCE` names the folder that holds
//! them.

#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use super::conformance_mutations::samples;
use super::fhir_client::{FHIR, System};
use super::process::Site;

/// Examples of the specification that the structure of R4 does not allow: a reference leads to a type that its element does not name
/// (`dispenseRequest.performer` to a Practitioner, `Observation.performer` to an Encounter).
const NOT_VALID: &[&str] = &["MedicationRequest-medrx0301", "Observation-clinical-gender"];

fn examples() -> Vec<(String, Value)> {
    let Some(folder) = samples() else { return Vec::new() };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder.join("samples/fhir-r4-examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    };
    paths.into_iter().map(read).collect()
}

/// Without what the node gives: id, version and time of update.
fn own(mut resource: Value) -> Value {
    let members = resource.as_object_mut().unwrap();
    members.shift_remove("id");
    if let Some(meta) = members.get_mut("meta").and_then(Value::as_object_mut) {
        meta.shift_remove("versionId");
        meta.shift_remove("lastUpdated");
        if meta.is_empty() {
            members.shift_remove("meta");
        }
    }
    resource
}

#[tokio::test]
async fn every_official_example_is_read_back_as_it_was_written() {
    let examples = examples();
    if examples.is_empty() {
        return;
    }
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let (mut refused, mut changed) = (Vec::new(), Vec::new());
    for (name, resource) in &examples {
        let kind = resource["resourceType"].as_str().unwrap();
        let created = system.post(&format!("/fhir/{kind}"), resource).await;
        if created.status != 201 {
            refused.push(format!("{name}: {} {}", created.status, created.text));
            continue;
        }
        let path = created.header("location").split("/_history").next().unwrap().to_owned();
        let id = resource["id"].as_str().unwrap();
        let put = system.put(&format!("/fhir/{kind}/{id}"), resource).await.is(201);
        for answer in [created, system.get(&path).await, put, system.get(&format!("/fhir/{kind}/{id}")).await] {
            if own(answer.json()) != own(resource.clone()) {
                changed.push(name.clone());
            }
        }
    }
    println!("{} examples, {} refused", examples.len(), refused.len());
    assert_eq!(changed, [""; 0]);
    refused.retain(|line| !NOT_VALID.iter().any(|name| line.starts_with(&format!("{name}:"))));
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// The client is installed beside the test, never into the folder of samples.
#[tokio::test]
async fn a_client_of_others_finds_what_it_must() {
    let Some(folder) = samples() else { return };
    let is_there =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|done| done.status.success());
    if !is_there("node") || !is_there("npm") {
        println!("not run: node and npm are not here");
        return;
    }
    let site = Site::canada("bayview");
    let clients = tempfile::tempdir().unwrap();
    for name in ["package.json", "package-lock.json", "smoke-fhir-kit.mjs"] {
        std::fs::copy(folder.join("oracle/clients").join(name), clients.path().join(name)).unwrap();
    }
    let installed = Command::new("npm").arg("ci").current_dir(clients.path()).output().unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    // The script follows an export without its token, which no server of patients' records may answer.
    let with_token = "const plain = globalThis.fetch; const token = process.argv[process.argv.indexOf('--token') + 1];\n\
        globalThis.fetch = (url, init = {}) => { if (typeof url !== 'string') return plain(url, init);\n\
        const headers = new Headers(init.headers);\n\
        if (!headers.has('authorization')) headers.set('authorization', 'Bearer ' + token);\n\
        return plain(url, { ...init, headers }); };\n";
    std::fs::write(clients.path().join("with-token.mjs"), with_token).unwrap();
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    system.send(Method::GET, "/fhir/metadata", &[("accept", FHIR)], "").await.is(200);
    let done = Command::new("node")
        .args([
            "--import",
            "./with-token.mjs",
            "smoke-fhir-kit.mjs",
            &node.inside("/fhir"),
            "--token",
            &system.token,
            "--json",
        ])
        // The certificate of a test node is its own; that is trusted elsewhere.
        .env("NODE_TLS_REJECT_UNAUTHORIZED", "0")
        .current_dir(clients.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let (report, last) = text.trim_end().rsplit_once('\n').unwrap_or((&text, ""));
    println!("{last}");
    let report: Value = serde_json::from_str(report).unwrap_or_else(|_| panic!("{text}"));
    let failed: Vec<&Value> = report["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["level"] == json!("must") && one["result"] != json!("pass"))
        .collect();
    for one in report["results"].as_array().unwrap().iter().filter(|one| one["result"] != json!("pass")) {
        println!("{one}");
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
