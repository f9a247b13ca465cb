//! update, <https://hl7.org/fhir/R4/http.html#update>, also conditional: of the one resource that a search finds.

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::code_maps::{CONCEPT_MAP, read_only};
use super::create::is_of;
use super::headers::request;
use super::{Api, json_body, known_type, write};
use crate::access::permit::{Permission, check};
use crate::fault::Kind;
use crate::fhir;
use crate::server::body::WholeBody;
use crate::server::problem::Problem;
use crate::web::bearer::Bearer;

/// `PUT /fhir/{type}/{id}`
pub(super) async fn update(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
    WholeBody(body, _held): WholeBody,
) -> Result<Response, Problem> {
    check(&staff, Permission::WriteRecord)?;
    known_type(&kind)?;
    no_code_map(&api, &kind, &id)?;
    valid_id(&id)?;
    let resource = json_body(&headers, body).await?;
    is_of(&resource, &kind)?;
    if fhir::id(&resource) != Some(id.as_str()) {
        return Err(Problem::new(Kind::Malformed, format!("the resource's id must be {id}")).at(format!("{kind}.id")));
    }
    write::one(&api, &staff, request("PUT", &format!("{kind}/{id}"), &headers)?, resource, &headers).await
}

/// `PUT /fhir/{type}?…`
pub(super) async fn update_by_condition(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    WholeBody(body, _held): WholeBody,
) -> Result<Response, Problem> {
    check(&staff, Permission::WriteRecord)?;
    known_type(&kind)?;
    let resource = json_body(&headers, body).await?;
    is_of(&resource, &kind)?;
    let url = format!("{kind}?{}", query.unwrap_or_default());
    write::one(&api, &staff, request("PUT", &url, &headers)?, resource, &headers).await
}

/// Refuses to change a code map that the node goes by.
pub(super) fn no_code_map(api: &Api, kind: &str, id: &str) -> Result<(), Problem> {
    if kind == CONCEPT_MAP && api.maps.read(id).is_some() { Err(read_only(id)) } else { Ok(()) }
}

/// Refuses what cannot be an id.
pub(super) fn valid_id(id: &str) -> Result<(), Problem> {
    if fhir::is_valid_id(id) {
        return Ok(());
    }
    Err(Problem::new(Kind::Malformed, "an id is 1 to 64 letters, digits, hyphens and points"))
}
