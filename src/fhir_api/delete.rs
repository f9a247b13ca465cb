//! delete, <https://hl7.org/fhir/R4/http.html#delete>, also conditional: of the one resource that a search finds. A deletion is
//! a version; the history keeps those before it. What others refer to is kept (`[fhir] keep_referred`).

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::headers::{Return, preferred, request};
use super::update::{no_code_map, valid_id};
use super::write::{Sent, commit, only};
use super::{Api, known_type, value_response};
use crate::access::Staff;
use crate::access::permit::{Permission, check};
use crate::fhir::{bundle, outcome};
use crate::records::accept::Done;
use crate::server::problem::Problem;
use crate::web::bearer::Bearer;
use crate::web::trail::acted;

/// `DELETE /fhir/{type}/{id}`
pub(super) async fn delete(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check(&staff, Permission::WriteRecord)?;
    known_type(&kind)?;
    no_code_map(&api, &kind, &id)?;
    valid_id(&id)?;
    run(&api, &staff, request("DELETE", &format!("{kind}/{id}"), &headers)?, &headers).await
}

/// `DELETE /fhir/{type}?…`
pub(super) async fn delete_by_condition(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check(&staff, Permission::WriteRecord)?;
    known_type(&kind)?;
    let url = format!("{kind}?{}", query.unwrap_or_default());
    run(&api, &staff, request("DELETE", &url, &headers)?, &headers).await
}

/// 204 whether it was there or not: afterwards it is not.
async fn run(api: &Api, staff: &Staff, request: Value, headers: &HeaderMap) -> Result<Response, Problem> {
    let transaction = bundle::of("transaction", vec![json!({"request": request})]);
    let deleted = only(commit(api, staff, transaction, Sent::Resource).await?)?;
    let mut response = if preferred(headers) == Some(Return::Outcome) {
        let done = if deleted.done == Done::Deleted { "it is deleted" } else { "there is nothing to delete" };
        value_response(StatusCode::OK, &outcome::information(done))
    } else {
        StatusCode::NO_CONTENT.into_response()
    };
    if deleted.version > 0
        && let Ok(tag) = HeaderValue::from_str(&format!("W/\"{}\"", deleted.version))
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(if deleted.done == Done::Deleted { acted(response) } else { response })
}
