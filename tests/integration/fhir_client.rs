//! A local system that speaks to the FHIR API of a real node with its token; what the stories of `fhir_*` share.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::process::Site;
use super::process::running::RunningNode;

pub const FHIR: &str = "application/fhir+json";

/// A local system with its token.
pub struct System<'a> {
    pub node: &'a RunningNode,
    pub token: String,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// Checks the status and gives the answer back.
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// An OperationOutcome with this status, whose first explanation holds `part`.
    pub fn refused(&self, status: u16, part: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        let outcome = self.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
        let text = outcome["issue"][0]["diagnostics"].as_str().unwrap_or("");
        assert!(text.contains(part), "{part:?} is not in {outcome}");
    }

    /// `Type/id` of each resource of a bundle, in order.
    pub fn names(&self) -> Vec<String> {
        let bundle = self.json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let name = |resource: &Value| {
            format!("{}/{}", resource["resourceType"].as_str().unwrap_or(""), resource["id"].as_str().unwrap_or(""))
        };
        entries.iter().map(|entry| name(&entry["resource"])).collect()
    }

    /// The address of a link of a bundle, below `/fhir`.
    pub fn link(&self, relation: &str) -> Option<String> {
        let bundle = self.json();
        let links = bundle["link"].as_array()?;
        let link = links.iter().find(|link| link["relation"] == relation)?;
        let url = link["url"].as_str()?;
        Some(format!("/fhir{}", url.split_once("/fhir").map_or(url, |(_, path)| path)))
    }
}

impl<'a> System<'a> {
    pub fn new(site: &Site, node: &'a RunningNode, role: &str) -> Self {
        let made = site.run(&["token", "--role", role]).good();
        Self { node, token: made["token"].as_str().unwrap().to_owned() }
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let url = if path.starts_with("https://") { path.to_owned() } else { self.node.inside(path) };
        let mut request = self.node.client.request(method, url).body(body);
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

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers, "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", FHIR)], body.to_string()).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &[("content-type", FHIR)], body.to_string()).await
    }

    pub async fn put_if_match(&self, path: &str, tag: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &[("content-type", FHIR), ("if-match", tag)], body.to_string()).await
    }

    pub async fn patch(&self, path: &str, patch: &Value) -> Answer {
        let headers = [("content-type", "application/json-patch+json")];
        self.send(Method::PATCH, path, &headers, patch.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    /// Creates a resource and gives its id.
    pub async fn create(&self, resource: &Value) -> String {
        let answer = self.post(&format!("/fhir/{}", resource["resourceType"].as_str().unwrap()), resource).await;
        answer.is(201).json()["id"].as_str().unwrap().to_owned()
    }
}

pub fn patient(family: &str, number: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [{"system": "https://bayview.example/mrn", "value": number}],
        "name": [{"family": family, "given": ["Noémie"]}],
        "gender": "female",
        "birthDate": "1979-03-16",
    })
}

/// A result of a patient.
pub fn result(patient: &str, value: f64) -> Value {
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": format!("Patient/{patient}")},
        "effectiveDateTime": "2024-01-15T10:00:00+09:00",
        "valueQuantity": {"value": value, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"},
    })
}

/// A resource with the id that it is to have.
pub fn with_id(mut resource: Value, id: &str) -> Value {
    resource["id"] = json!(id);
    resource
}

pub fn bundle(kind: &str, entries: Value) -> Value {
    json!({"resourceType": "Bundle", "type": kind, "entry": entries})
}
