//! `/openapi.json` tells what answers, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use super::fhir_client::System;
use super::process::Site;

/// Addresses in the routers of the inside door, by their sources.
fn routed() -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |name: &str| {
        let text = std::fs::read_to_string(source.join(name)).unwrap();
        let mut found = BTreeSet::new();
        for (at, _) in text.match_indices(".route(") {
            let path = text[at + ".route(".len()..].trim_start();
            if let Some(path) = path.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                found.insert(path.to_owned());
            }
        }
        assert!(!found.is_empty(), "{name} has no routes");
        found
    };
    let mut all = BTreeSet::new();
    for name in [
        "web/home.rs",
        "web/assets.rs",
        "web/sign_in.rs",
        "access/endpoints.rs",
        "intake/pages/mod.rs",
        "referral/pages/mod.rs",
        "cohort/pages/mod.rs",
    ] {
        all.extend(read(name));
    }
    for name in ["fhir_api/mod.rs", "fhir_api/operations/mod.rs", "fhir_api/export/mod.rs"] {
        all.extend(read(name).into_iter().map(|path| match path.as_str() {
            "/" => "/fhir".to_owned(),
            "/fhir/" => path,
            _ => format!("/fhir{path}"),
        }));
    }
    // Served with and without the slash.
    all.insert("/fhir/".to_owned());
    let not_built = ["/metrics"];
    all.extend(read("routes.rs").into_iter().filter(|path| !not_built.contains(&path.as_str())));
    all
}

#[tokio::test]
async fn the_description_names_every_address_and_each_answers() {
    let site = Site::canada("bayview");
    let node = site.serve().await;
    let stranger = System { node: &node, token: String::new() };
    let description = stranger.get("/openapi.json").await.is(200).json();
    assert_eq!(description["openapi"], "3.1.0");
    let paths = description["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths.keys().cloned().collect();
    assert_eq!(described, routed());
    for (path, operations) in paths {
        let address = path
            .replace("{type}", "Patient")
            .replace("{version}", "1")
            .replace("{id}", "x")
            .replace("{act}", "accept")
            .replace("{file}", "Patient.ndjson")
            .replace("{secret}", "x")
            .replace("{sha256}", "x");
        for (method, operation) in operations.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = operation
                .pointer("/requestBody/content")
                .and_then(Value::as_object)
                .and_then(|types| types.keys().next());
            let headers: Vec<(&str, &str)> = body.iter().map(|media| ("content-type", media.as_str())).collect();
            let answer = stranger.send(method.clone(), &address, &headers, "").await;
            let status = answer.status.as_u16().to_string();
            assert!(operation["responses"].get(&status).is_some(), "{method} {address}: {status} is not described");
            assert_ne!(status, "405", "{method} {address}");
            if operation["security"][0].get("token").is_some() {
                assert_eq!(status, "401", "{method} {address} without a token");
            }
        }
    }
}
