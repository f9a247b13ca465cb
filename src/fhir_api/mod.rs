//! FHIR R4 at `/fhir` for local systems: one file per interaction (<https://hl7.org/fhir/R4/http.html>).
//! Interactions that are not served answer 501 with an OperationOutcome; `/fhir/metadata` tells exactly what is there.

mod code_maps;
mod create;
mod metadata;
mod read;
mod search;
mod transaction;

use axum::Router;
use axum::body::Bytes;
use axum::extract::FromRef;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;

use crate::exchange::Institution;
use crate::fault::Kind;
use crate::fhir::{self, structure};
use crate::harmonise::Catalog;
use crate::server::problem::{FHIR_JSON, Problem};
use crate::store::records::StoredResource;
use code_maps::CodeMaps;

/// What the interactions work with.
#[derive(Clone)]
struct Api {
    here: Institution,
    maps: CodeMaps,
}

impl FromRef<Api> for Institution {
    fn from_ref(api: &Api) -> Self {
        api.here.clone()
    }
}

impl FromRef<Api> for CodeMaps {
    fn from_ref(api: &Api) -> Self {
        api.maps.clone()
    }
}

/// The FHIR API of an institution. What is written by it is harmonised by `catalog`, the hospital's own code maps included,
/// and its code maps are served as ConceptMaps.
pub fn router(here: Institution, catalog: &'static Catalog) -> Router {
    let interactions = Router::new()
        .route("/", post(transaction::transaction).fallback(not_served))
        .route("/metadata", get(metadata::capabilities).fallback(not_served))
        .route("/{type}", get(search::search).post(create::create).fallback(not_served))
        .route("/{type}/_search", post(search::search_by_post).fallback(not_served))
        .route("/{type}/{id}", get(read::read).fallback(read::unwritten))
        .route("/{type}/{id}/_history/{version}", get(read::vread).fallback(not_served))
        .fallback(not_served)
        .with_state(Api { here, maps: CodeMaps::of(catalog) });
    Router::new().nest("/fhir", interactions)
}

async fn not_served() -> Problem {
    Problem::new(
        Kind::NotSupported,
        "this interaction is not served by this release; GET /fhir/metadata lists those that are",
    )
}

/// A resource type, from the path.
fn known_type(kind: &str) -> Result<(), Problem> {
    if structure::is_type(kind) {
        return Ok(());
    }
    Err(Problem::new(Kind::NotFound, format!("{kind:?} is not a resource type of FHIR R4")))
}

/// Reads a JSON body: media type first, then strict JSON. Sixteen megabytes take a while: not on a thread that answers
/// others.
async fn json_body(headers: &HeaderMap, body: Bytes) -> Result<Value, Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if !matches!(essence.as_str(), "application/fhir+json" | "application/json") {
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            "send application/fhir+json; XML and other forms are not taken by this release",
        ));
    }
    tokio::task::spawn_blocking(move || fhir::json::parse(&body))
        .await
        .map_err(|_| Problem::new(Kind::Internal, "reading the body was interrupted"))?
        .map_err(|error| Problem::new(Kind::Malformed, format!("the body is not JSON: {error}")))
}

/// A stored resource as it is kept, with its version headers.
fn resource_response(status: StatusCode, resource: StoredResource) -> Response {
    let etag = format!("W/\"{}\"", resource.version);
    let mut response = (status, [(header::CONTENT_TYPE, FHIR_JSON)], resource.json).into_response();
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A made-up resource (searchset, outcome, capabilities).
fn value_response(status: StatusCode, value: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, FHIR_JSON), (header::CACHE_CONTROL, "no-store")];
    (status, headers, value.to_string()).into_response()
}
