//! read, <https://hl7.org/fhir/R4/http.html#read>, and vread, <https://hl7.org/fhir/R4/http.html#vread>.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::code_maps::{CONCEPT_MAP, CodeMaps, read_only};
use super::{known_type, not_served, resource_response, value_response};
use crate::access::permit::{Permission, check};
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::server::problem::Problem;
use crate::web::bearer::Bearer;

/// `GET /fhir/{type}/{id}`
pub(super) async fn read(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    State(maps): State<CodeMaps>,
    Path((kind, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    check(&staff, Permission::ReadRecord)?;
    known_type(&kind)?;
    if kind == CONCEPT_MAP
        && let Some(map) = maps.read(&id)
    {
        return Ok(value_response(StatusCode::OK, map));
    }
    let name = format!("{kind}/{id}");
    let found = here.store.read(move |view| view.resource(&kind, &id)).await?;
    found.map(|resource| resource_response(StatusCode::OK, resource)).ok_or_else(|| unknown(&name))
}

/// Other methods at `/fhir/{type}/{id}`: none is served, and a code map never will be written.
pub(super) async fn unwritten(State(maps): State<CodeMaps>, Path((kind, id)): Path<(String, String)>) -> Problem {
    if kind == CONCEPT_MAP && maps.read(&id).is_some() {
        return read_only(&id);
    }
    not_served().await
}

/// `GET /fhir/{type}/{id}/_history/{version}`
pub(super) async fn vread(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    Path((kind, id, version)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    check(&staff, Permission::ReadRecord)?;
    known_type(&kind)?;
    let name = format!("{kind}/{id}/_history/{version}");
    // Versions beyond what the store can count are unknown, too.
    let number = version.parse::<u32>().map_err(|_| unknown(&name))?.into();
    let found = here.store.read(move |view| view.resource_version(&kind, &id, number)).await?;
    found.map(|resource| resource_response(StatusCode::OK, resource)).ok_or_else(|| unknown(&name))
}

fn unknown(name: &str) -> Problem {
    Problem::new(Kind::NotFound, format!("{name} is not in the record"))
}
