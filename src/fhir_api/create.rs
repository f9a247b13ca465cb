//! create, <https://hl7.org/fhir/R4/http.html#create>, also conditional (`If-None-Exist`).

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::code_maps::CodeMaps;
use super::transaction::{self, Sent};
use super::{json_body, known_type, resource_response};
use crate::access::permit::{Permission, check};
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::fhir::{self, bundle};
use crate::records::accept::{Done, Origin};
use crate::server::body::WholeBody;
use crate::server::problem::Problem;
use crate::web::bearer::Bearer;

/// `POST /fhir/{type}`
pub(super) async fn create(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    State(maps): State<CodeMaps>,
    Path(kind): Path<String>,
    headers: HeaderMap,
    WholeBody(body): WholeBody,
) -> Result<Response, Problem> {
    check(&staff, Permission::WriteRecord)?;
    known_type(&kind)?;
    let resource = json_body(&headers, body).await?;
    if fhir::resource_type(&resource) != Some(kind.as_str()) {
        return Err(Problem::new(Kind::Malformed, format!("the body is not a {kind}")).at("resourceType"));
    }
    let mut request = json!({"method": "POST", "url": kind});
    if let Some(condition) = headers.get("if-none-exist").and_then(|value| value.to_str().ok()) {
        request["ifNoneExist"] = json!(condition);
    }
    let one = bundle::of("transaction", vec![json!({"resource": resource, "request": request})]);
    let outcomes = transaction::commit(&here, &maps, &staff, one, Origin::default(), Sent::Resource).await?;
    let written = outcomes.into_iter().next().ok_or_else(|| Problem::new(Kind::Internal, "nothing was created"))?;
    let status = if written.done == Done::Created { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/fhir/{}/{}/_history/{}", written.kind, written.id, written.version);
    let stored = here
        .store
        .read(move |view| view.resource_version(&written.kind, &written.id, written.version))
        .await?
        .ok_or_else(|| Problem::new(Kind::Internal, "the created resource cannot be read"))?;
    let mut response = resource_response(status, stored);
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}
