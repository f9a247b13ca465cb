//! FHIR R4 at `/fhir` for local systems: one file per interaction (<https://hl7.org/fhir/R4/http.html>).
//! Interactions that are not served answer 501 with an OperationOutcome; `/fhir/metadata` tells exactly what is there.

mod audit_event;
mod base;
mod bundle;
mod code_maps;
mod conditions;
mod create;
mod delete;
mod doors;
mod export;
mod guard;
mod headers;
mod history;
mod metadata;
mod needs;
mod negotiate;
mod operations;
mod patch;
mod read;
mod respond;
mod search;
mod update;
mod validate;
mod write;

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::Value;

use crate::config::{AccessConfig, FhirConfig};
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::fhir::{self, structure};
use crate::server::problem::Problem;
use crate::web::trail;
use bundle::Bundles;
use code_maps::CodeMaps;
use doors::Doors;
use guard::Guard;
use respond::{resource_response, value_response};

/// What the interactions work with.
#[derive(Clone)]
struct Api {
    here: Institution,
    maps: CodeMaps,
    /// `[fhir]`.
    fhir: Arc<FhirConfig>,
    /// Held while something is written by a condition that the store cannot hold at the commit.
    conditional: Arc<Mutex<()>>,
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

/// The FHIR API of an institution, for clients who may do what `fhir` allows and see what `access` does not withhold. Its code
/// maps are served as ConceptMaps.
pub fn router(here: Institution, fhir: FhirConfig, access: AccessConfig) -> Router {
    let maps = CodeMaps::of(here.catalog);
    let api = Api { here, maps, fhir: Arc::new(fhir), conditional: Arc::default() };
    let guard = Guard::new(api.here.clone(), access, interactions(api.clone()));
    let doors = Doors::new(guard, api);
    // With and without a slash at the end of the base address.
    Router::new().nest_service("/fhir", doors.guarded())
}

/// All that one sees who sees the store of `api`.
fn whole(api: Api, guard: &Guard) -> Router {
    let interactions = interactions(api.clone());
    // The entries of a bundle are within its body: they need no limit of their own.
    let entries = guard.before_entries(interactions.clone()).layer(DefaultBodyLimit::disable());
    let entries = trail::around_entries(entries, &api.here);
    let bundles = Bundles { api, interactions: entries };
    Router::new()
        .route("/", post(bundle::bundle).fallback(only("POST")))
        .with_state(bundles)
        .fallback_service(interactions)
        .layer(axum::middleware::from_fn(negotiate::negotiate))
}

/// Everything but bundles.
fn interactions(api: Api) -> Router {
    Router::new()
        .merge(operations::routes())
        .merge(export::routes())
        .route("/metadata", get(metadata::capabilities).fallback(only("GET, HEAD")))
        .route("/_history", get(history::of_system).fallback(only("GET, HEAD")))
        .route(
            "/{type}",
            get(search::search)
                .post(create::create)
                .put(update::update_by_condition)
                .patch(patch::patch_by_condition)
                .delete(delete::delete_by_condition)
                .fallback(only("GET, HEAD, POST, PUT, PATCH, DELETE")),
        )
        .route("/{type}/_search", post(search::search_by_post).fallback(only("POST")))
        .route("/{type}/$validate", post(validate::of_type).fallback(only("POST")))
        .route("/{type}/{id}/$validate", post(validate::of_instance).fallback(only("POST")))
        .route("/{type}/_history", get(history::of_type).fallback(only("GET, HEAD")))
        .route(
            "/{type}/{id}",
            get(read::read)
                .put(update::update)
                .patch(patch::patch)
                .delete(delete::delete)
                .fallback(only("GET, HEAD, PUT, PATCH, DELETE")),
        )
        .route("/{type}/{id}/_history", get(history::of_instance).fallback(only("GET, HEAD")))
        .route("/{type}/{id}/_history/{version}", get(read::vread).fallback(only("GET, HEAD")))
        .route("/{type}/{id}/{within}", get(search::search_compartment).fallback(not_served))
        .route("/{type}/{id}/{within}/_search", post(search::search_compartment_by_post).fallback(not_served))
        .fallback(not_served)
        .with_state(api)
}

async fn not_served() -> Problem {
    Problem::new(
        Kind::NotSupported,
        "this interaction is not served by this release; GET /fhir/metadata lists those that are",
    )
}

/// The answer to other methods than these (RFC 9110 15.5.6).
fn only(allowed: &'static str) -> impl Fn() -> Ready<Response> + Clone {
    move || {
        let text = format!("this address takes {allowed}");
        let mut response = Problem::new(Kind::NotAllowed, text).into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        ready(response)
    }
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
    if !matches!(media_type(headers).as_str(), "application/fhir+json" | "application/json") {
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

/// Essence of the body's media type, in lower case; empty, if none is given.
fn media_type(headers: &HeaderMap) -> String {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}
