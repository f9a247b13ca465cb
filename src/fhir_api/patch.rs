//! patch, <https://hl7.org/fhir/R4/http.html#patch>, by JSON Patch (RFC 6902); also conditional.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine as _;
use serde_json::{Value, json};

use super::headers::request;
use super::update::{no_code_map, valid_id};
use super::{Api, known_type, media_type, write};
use crate::access::permit::{Permission, check};
use crate::fault::Kind;
use crate::records::accept::JSON_PATCH;
use crate::server::body::WholeBody;
use crate::server::problem::Problem;
use crate::web::bearer::Bearer;

/// `PATCH /fhir/{type}/{id}`
pub(super) async fn patch(
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
    let patch = binary(&headers, &body)?;
    write::one(&api, &staff, request("PATCH", &format!("{kind}/{id}"), &headers)?, patch, &headers).await
}

/// `PATCH /fhir/{type}?…`
pub(super) async fn patch_by_condition(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    WholeBody(body, _held): WholeBody,
) -> Result<Response, Problem> {
    check(&staff, Permission::WriteRecord)?;
    known_type(&kind)?;
    let patch = binary(&headers, &body)?;
    let url = format!("{kind}?{}", query.unwrap_or_default());
    write::one(&api, &staff, request("PATCH", &url, &headers)?, patch, &headers).await
}

/// The patch in the form that it has in a bundle.
fn binary(headers: &HeaderMap, body: &Bytes) -> Result<Value, Problem> {
    if media_type(headers) != JSON_PATCH {
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            "send application/json-patch+json; other patches are not taken by this release",
        ));
    }
    crate::fhir::json::parse(body)
        .map_err(|error| Problem::new(Kind::Malformed, format!("the patch is not JSON: {error}")))?;
    let data = base64::engine::general_purpose::STANDARD.encode(body);
    Ok(json!({"resourceType": "Binary", "contentType": JSON_PATCH, "data": data}))
}
