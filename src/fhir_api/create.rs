//! create, <https://hl7.org/fhir/R4/http.html#create>, also conditional (`If-None-Exist`).

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

use super::headers::request;
use super::{Api, json_body, known_type, write};
use crate::access::permit::{Permission, check};
use crate::fault::Kind;
use crate::fhir;
use crate::server::body::WholeBody;
use crate::server::problem::Problem;
use crate::web::bearer::Bearer;

/// `POST /fhir/{type}`
pub(super) async fn create(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    Path(kind): Path<String>,
    headers: HeaderMap,
    WholeBody(body, _held): WholeBody,
) -> Result<Response, Problem> {
    check(&staff, Permission::WriteRecord)?;
    known_type(&kind)?;
    let resource = json_body(&headers, body).await?;
    is_of(&resource, &kind)?;
    let mut request = request("POST", &kind, &headers)?;
    // Conditions on a version say nothing of what is yet to be.
    for name in ["ifMatch", "ifNoneMatch"] {
        request.as_object_mut().map(|members| members.shift_remove(name));
    }
    write::one(&api, &staff, request, resource, &headers).await
}

/// Refuses a body of another type than the address.
pub(super) fn is_of(resource: &Value, kind: &str) -> Result<(), Problem> {
    if fhir::resource_type(resource) == Some(kind) {
        return Ok(());
    }
    Err(Problem::new(Kind::Malformed, format!("the body is not a {kind}")).at("resourceType"))
}
