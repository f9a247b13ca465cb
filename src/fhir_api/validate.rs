//! `$validate`, <https://hl7.org/fhir/R4/resource-operation-validate.html>: what would be wrong with a resource, without writing
//! it. The answer is 200 with an OperationOutcome, whether it finds something or not.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::{json_body, known_type, value_response};
use crate::access::permit::{Permission, check};
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::fhir::{self, structure};
use crate::server::body::WholeBody;
use crate::server::problem::Problem;
use crate::validation::{self, Asked, Library, Severity};
use crate::web::bearer::Bearer;

/// What may be asked beside the resource.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Parameters {
    mode: Option<String>,
    profile: Option<String>,
}

/// `POST /fhir/{type}/$validate`
pub(super) async fn of_type(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    Path(kind): Path<String>,
    Query(asked): Query<Parameters>,
    headers: HeaderMap,
    WholeBody(body, _held): WholeBody,
) -> Result<Response, Problem> {
    check(&staff, Permission::WriteRecord)?;
    known_type(&kind)?;
    let (resource, asked) = sent(json_body(&headers, body).await?, asked);
    let resource = resource.ok_or_else(|| Problem::new(Kind::Malformed, "there is no resource to validate"))?;
    answer(here, kind, None, resource, asked).await
}

/// `POST /fhir/{type}/{id}/$validate`: as it is stored, or as it would be after an update.
pub(super) async fn of_instance(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    Path((kind, id)): Path<(String, String)>,
    Query(asked): Query<Parameters>,
    headers: HeaderMap,
    WholeBody(body, _held): WholeBody,
) -> Result<Response, Problem> {
    check(&staff, Permission::WriteRecord)?;
    known_type(&kind)?;
    let (given, asked) = if body.is_empty() { (None, asked) } else { sent(json_body(&headers, body).await?, asked) };
    let resource = match given {
        Some(resource) => resource,
        None => stored(&here, &kind, &id).await?,
    };
    answer(here, kind, Some(id), resource, asked).await
}

async fn stored(here: &Institution, kind: &str, id: &str) -> Result<Value, Problem> {
    let (kind, id) = (kind.to_owned(), id.to_owned());
    let found = here.store.read(move |view| view.resource(&kind, &id)).await?;
    let found = found.ok_or_else(|| Problem::new(Kind::NotFound, "there is no such resource"))?;
    serde_json::from_str(&found.json).map_err(|_| Problem::new(Kind::Internal, "a stored resource is not JSON"))
}

/// The resource, from Parameters or as the body itself, and what is asked of it.
fn sent(body: Value, asked: Parameters) -> (Option<Value>, Parameters) {
    if fhir::resource_type(&body) != Some("Parameters") {
        return (Some(body), asked);
    }
    let parameter = |name: &str| {
        let mut all = body.get("parameter").and_then(Value::as_array).into_iter().flatten();
        all.find(|one| one.get("name").and_then(Value::as_str) == Some(name))
    };
    let text = |name: &str| {
        let one = parameter(name)?.as_object()?;
        one.iter().find(|(name, _)| name.starts_with("value"))?.1.as_str().map(str::to_owned)
    };
    let asked = Parameters { mode: text("mode").or(asked.mode), profile: text("profile").or(asked.profile) };
    (parameter("resource").and_then(|one| one.get("resource")).cloned(), asked)
}

async fn answer(
    here: Institution,
    kind: String,
    id: Option<String>,
    resource: Value,
    asked: Parameters,
) -> Result<Response, Problem> {
    if !matches!(asked.mode.as_deref(), None | Some("create" | "update" | "delete" | "profile")) {
        return Err(Problem::new(Kind::Malformed, "mode must be create, update, delete or profile"));
    }
    let work = tokio::task::spawn_blocking(move || {
        let issues = issues(&here.profiles, &here.now(), &kind, id.as_deref(), &resource, &asked);
        json!({"resourceType": "OperationOutcome", "issue": issues})
    });
    let outcome = work.await.map_err(|_| Problem::new(Kind::Internal, "the validation was interrupted"))?;
    Ok(value_response(StatusCode::OK, &outcome))
}

fn issues(
    library: &Library,
    now: &str,
    kind: &str,
    id: Option<&str>,
    resource: &Value,
    asked: &Parameters,
) -> Vec<Value> {
    let mode = asked.mode.as_deref().unwrap_or("");
    let mut found = Vec::new();
    let own_id = fhir::id(resource);
    if fhir::resource_type(resource) != Some(kind) {
        found.push(issue("error", "structure", "resourceType", &format!("must be {kind}")));
        return found;
    }
    if mode == "update" && own_id.is_none() {
        found.push(issue("error", "required", &format!("{kind}.id"), "is required for an update"));
    }
    if id.is_some() && own_id.is_some() && own_id != id {
        found.push(issue("error", "value", &format!("{kind}.id"), "must be the id of the address"));
    }
    // What would be deleted need not be right.
    if mode != "delete" {
        let told = structure::check(resource).err().map(|error| error.issues).unwrap_or_default();
        let is_r4 = told.is_empty();
        found.extend(told.into_iter().map(|one| issue("error", one.code, &one.place, &one.text)));
        let profiles: Vec<&str> = asked.profile.as_deref().into_iter().collect();
        if is_r4 {
            let told = validation::validate(library, resource, &profiles, Asked { warnings: true, now });
            found.extend(told.into_iter().map(|one| {
                let severity = if one.severity == Severity::Error { "error" } else { "warning" };
                issue(severity, one.code, &one.place, &one.text)
            }));
        }
    }
    if found.is_empty() {
        found.push(
            json!({"severity": "information", "code": "informational", "diagnostics": "nothing is wrong with it"}),
        );
    }
    found
}

fn issue(severity: &str, code: &str, place: &str, text: &str) -> Value {
    json!({"severity": severity, "code": code, "diagnostics": format!("{place} {text}"), "expression": [place]})
}
