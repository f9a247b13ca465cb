//! Answers: resources with their version headers, and what is made up for one answer.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::headers::{Return, http_time, preferred};
use crate::fault::Kind;
use crate::fhir::outcome;
use crate::records::accept::EntryOutcome;
use crate::server::problem::{FHIR_JSON, Problem};
use crate::store::records::StoredResource;

/// A stored resource as it is kept, with its version headers.
pub(super) fn resource_response(status: StatusCode, resource: StoredResource) -> Response {
    let (version, updated) = (resource.version, resource.last_updated);
    let mut response = (status, [(header::CONTENT_TYPE, FHIR_JSON)], resource.json).into_response();
    version_headers(response.headers_mut(), version, &updated);
    response
}

/// That the client has this version already.
pub(super) fn not_modified(resource: &StoredResource) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    version_headers(response.headers_mut(), resource.version, &resource.last_updated);
    response
}

/// That a resource was here and is not any more.
pub(super) fn gone(deletion: &StoredResource) -> Response {
    let name = format!("{}/{}", deletion.kind, deletion.id);
    let mut response = Problem::new(Kind::Gone, format!("{name} was deleted")).into_response();
    version_headers(response.headers_mut(), deletion.version, &deletion.last_updated);
    response
}

/// The answer to a write, in the form that the client prefers.
pub(super) fn written_response(status: StatusCode, stored: StoredResource, headers: &HeaderMap) -> Response {
    let location = format!("/fhir/{}/{}/_history/{}", stored.kind, stored.id, stored.version);
    let mut response = match preferred(headers).unwrap_or(Return::Representation) {
        Return::Representation => resource_response(status, stored),
        Return::Minimal => {
            let mut response = status.into_response();
            version_headers(response.headers_mut(), stored.version, &stored.last_updated);
            response
        }
        Return::Outcome => {
            let done = format!("{}/{} is stored as version {}", stored.kind, stored.id, stored.version);
            let mut response = value_response(status, &outcome::information(&done));
            version_headers(response.headers_mut(), stored.version, &stored.last_updated);
            response
        }
    };
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// The answer to a write of what the writer may not see: that it is done, and where.
pub(super) fn unseen_response(status: StatusCode, written: &EntryOutcome) -> Response {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    let location = format!("/fhir/{}/{}/_history/{}", written.kind, written.id, written.version);
    for (name, value) in [(header::LOCATION, location), (header::ETAG, format!("W/\"{}\"", written.version))] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn version_headers(headers: &mut HeaderMap, version: u64, updated: &str) {
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{version}\"")) {
        headers.insert(header::ETAG, tag);
    }
    if let Some(time) = http_time(updated) {
        headers.insert(header::LAST_MODIFIED, time);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// A made-up resource (searchset, outcome, capabilities).
pub(super) fn value_response(status: StatusCode, value: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, FHIR_JSON), (header::CACHE_CONTROL, "no-store")];
    (status, headers, value.to_string()).into_response()
}
