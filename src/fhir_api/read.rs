//! read, <https://hl7.org/fhir/R4/http.html#read>, conditional by `If-None-Match` and `If-Modified-Since`; and vread,
//! <https://hl7.org/fhir/R4/http.html#vread>. HEAD is the same without the body.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::audit_event;
use super::code_maps::{CONCEPT_MAP, CodeMaps};
use super::headers::is_known;
use super::respond::{gone, not_modified};
use super::{known_type, not_served, resource_response, value_response};
use crate::access::permit::{Permission, check};
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::server::problem::Problem;
use crate::store::records::StoredResource;
use crate::web::bearer::Bearer;

/// `GET /fhir/{type}/{id}`
pub(super) async fn read(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    State(maps): State<CodeMaps>,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if kind == audit_event::KIND
        && let Some(event) = audit_event::read(&here, &staff, &id).await
    {
        return event;
    }
    check(&staff, Permission::ReadRecord)?;
    known_type(&kind)?;
    if id.starts_with('$') {
        return Err(not_served().await);
    }
    if kind == CONCEPT_MAP
        && let Some(map) = maps.read(&id)
    {
        return Ok(value_response(StatusCode::OK, map));
    }
    let name = format!("{kind}/{id}");
    let found = here.store.look_up(move |view| view.last_version(&kind, &id)).await?.ok_or_else(|| unknown(&name))?;
    Ok(shown(found, &headers))
}

/// `GET /fhir/{type}/{id}/_history/{version}`
pub(super) async fn vread(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    Path((kind, id, version)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check(&staff, Permission::ReadRecord)?;
    known_type(&kind)?;
    let name = format!("{kind}/{id}/_history/{version}");
    // Versions beyond what the store can count are unknown, too.
    let number = version.parse::<u32>().map_err(|_| unknown(&name))?.into();
    let found = here.store.look_up(move |view| view.resource_version(&kind, &id, number)).await?;
    Ok(shown(found.ok_or_else(|| unknown(&name))?, &headers))
}

fn shown(found: StoredResource, headers: &HeaderMap) -> Response {
    if found.is_deletion() {
        return gone(&found);
    }
    if is_known(headers, &found) {
        return not_modified(&found);
    }
    resource_response(StatusCode::OK, found)
}

/// That there never was such a thing.
pub(super) fn unknown(name: &str) -> Problem {
    Problem::new(Kind::NotFound, format!("{name} is not in the record"))
}
