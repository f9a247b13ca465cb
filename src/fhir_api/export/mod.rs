//! Bulk Data Access, <https://hl7.org/fhir/uv/bulkdata/export.html>: `$export` of everything, of all patients, and of the patients
//! of a group. Here is how it is asked for; what it is made of and who makes it is `exports`.

mod lines;
mod status;

use axum::Router;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::base::Base;
use super::headers::{is_asynchronous, is_lenient};
use super::operations::Asked as Parameters;
use super::respond::value_response;
use super::{Api, only};
use crate::access::Staff;
use crate::access::permit::{Permission, allows, check};
use crate::exports::{Asked, Filter, Level, start};
use crate::fault::Kind;
use crate::fhir::{dates, outcome, structure};
use crate::records::query;
use crate::server::problem::Problem;
use crate::store::exports::{Export, ExportStatus};
use crate::web::bearer::Bearer;

/// Where exports are followed and their files fetched.
const PLACE: &str = "_export";
/// Seconds after which a client that was refused, or waits, may ask again.
const AGAIN: HeaderValue = HeaderValue::from_static("2");
/// Filters of one export at most.
const MOST_FILTERS: usize = 50;
/// Kinds of output that are served, all of them newline-delimited JSON.
const FORMATS: [&str; 3] = ["application/fhir+ndjson", "application/ndjson", "ndjson"];

/// The addresses of exports.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/$export", get(of_system).post(of_system).fallback(only("GET, HEAD, POST")))
        .route("/Patient/$export", get(of_patients).post(of_patients).fallback(only("GET, HEAD, POST")))
        .route("/Group/{id}/$export", get(of_group).post(of_group).fallback(only("GET, HEAD, POST")))
        .route("/_export/{id}", get(status::status).delete(status::cancel).fallback(only("GET, HEAD, DELETE")))
        .route("/_export/{id}/{file}", get(lines::file).fallback(only("GET, HEAD")))
}

/// `GET` or `POST /fhir/$export`
async fn of_system(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    base: Base,
    from: From,
    asked: Parameters,
) -> Result<Response, Problem> {
    kick_off(&api, &staff, &base, &from, Level::System, &asked).await
}

/// `GET` or `POST /fhir/Patient/$export`
async fn of_patients(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    base: Base,
    from: From,
    asked: Parameters,
) -> Result<Response, Problem> {
    kick_off(&api, &staff, &base, &from, Level::Patient, &asked).await
}

/// `GET` or `POST /fhir/Group/{id}/$export`
async fn of_group(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    base: Base,
    Path(id): Path<String>,
    from: From,
    asked: Parameters,
) -> Result<Response, Problem> {
    kick_off(&api, &staff, &base, &from, Level::Group(id), &asked).await
}

/// What a request says beside its parameters.
#[derive(axum::extract::FromRequestParts)]
struct From {
    headers: HeaderMap,
    method: Method,
    uri: OriginalUri,
}

async fn kick_off(
    api: &Api,
    staff: &Staff,
    base: &Base,
    from: &From,
    level: Level,
    asked: &Parameters,
) -> Result<Response, Problem> {
    check(staff, Permission::ExportRecord)?;
    if from.method == Method::HEAD {
        return Err(Problem::new(Kind::NotAllowed, "an export is begun by GET or POST"));
    }
    if !is_asynchronous(&from.headers) {
        let text = "an export takes its time: ask for it with the header Prefer: respond-async";
        return Err(Problem::new(Kind::Malformed, text));
    }
    let asked = read(api, base, from, level, asked)?;
    let (here, owner, policy) = (api.here.clone(), staff.user.clone(), std::sync::Arc::clone(&api.fhir));
    let wanted = asked.clone();
    let begun =
        tokio::task::spawn_blocking(move || start(&here, &owner, &wanted, policy.exports_at_once, policy.export_hours));
    let begun = begun.await.map_err(|_| Problem::new(Kind::Internal, "the export was not begun"))?;
    let export = match begun {
        Ok(export) => export,
        Err(error) => {
            let problem = Problem::from(error);
            let is_throttled = problem.kind() == Kind::TooMany;
            let mut response = axum::response::IntoResponse::into_response(problem);
            if is_throttled {
                response.headers_mut().insert(header::RETRY_AFTER, AGAIN);
            }
            return Ok(response);
        }
    };
    let mut told = outcome::information("the export is begun; Content-Location tells where it is followed");
    if let Some(issues) = told["issue"].as_array_mut() {
        let left_out = asked.left_out.iter();
        issues
            .extend(left_out.map(|text| json!({"severity": "warning", "code": "not-supported", "diagnostics": text})));
    }
    let mut response = value_response(StatusCode::ACCEPTED, &told);
    if let Ok(place) = HeaderValue::from_str(&format!("{}/{PLACE}/{}", base.0, export.id)) {
        response.headers_mut().insert(header::CONTENT_LOCATION, place);
    }
    Ok(response)
}

/// Reads what is asked for. What is not known, or not served, is refused, or told to who wants lenient handling.
fn read(api: &Api, base: &Base, from: &From, level: Level, parameters: &Parameters) -> Result<Asked, Problem> {
    let path = from.uri.path();
    let path = path.strip_prefix("/fhir").unwrap_or(path);
    let query = from.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut asked = Asked {
        request: format!("{}{path}{query}", base.0),
        level,
        kinds: Vec::new(),
        since: None,
        filters: Vec::new(),
        left_out: Vec::new(),
    };
    let is_lenient = is_lenient(&from.headers);
    let mut left_out = Vec::new();
    let mut refuse = |text: String| {
        if !is_lenient {
            return Err(Problem::new(Kind::Malformed, text));
        }
        left_out.push(text);
        Ok(())
    };
    for name in parameters.names() {
        if !matches!(name, "_outputFormat" | "_since" | "_type" | "_typeFilter" | "_format" | "_pretty") {
            refuse(format!("the parameter {name:?} of an export is not served"))?;
        }
    }
    if let Some(format) = parameters.text("_outputFormat")
        && !FORMATS.contains(&format.replace(' ', "+").as_str())
    {
        return Err(Problem::new(Kind::Malformed, "_outputFormat: exports are application/fhir+ndjson"));
    }
    for kind in parameters.listed("_type") {
        let kind = kind.trim().to_owned();
        if !structure::is_type(&kind) {
            refuse(format!("_type: {kind:?} is not a resource type of FHIR R4"))?;
        } else if !asked.kinds.contains(&kind) {
            asked.kinds.push(kind);
        }
    }
    if asked.kinds.is_empty() && !parameters.listed("_type").is_empty() {
        return Err(Problem::new(Kind::Malformed, "_type names no resource type of FHIR R4"));
    }
    if let Some(since) = parameters.text("_since") {
        // A plus that was not escaped arrives as a blank.
        let (from, _) = dates::range(&since.replace(' ', "+"))
            .ok_or_else(|| Problem::new(Kind::Malformed, "_since must be an instant"))?;
        asked.since = Some(from);
    }
    for (kind, query) in filters(parameters)? {
        if !asked.kinds.is_empty() && !asked.kinds.contains(&kind) {
            refuse(format!("_typeFilter: {kind} is not among the types of _type"))?;
            continue;
        }
        let filter = Filter { kind, pairs: query::decoded(&query)? };
        match filter.check(&api.here.config.namespace, api.here.clock.now()) {
            Ok(()) => asked.filters.push(filter),
            // Without one of its filters an export would hold more than was asked for: that is told.
            Err(error) => refuse(format!("_typeFilter of {}: {error}", filter.kind))?,
        }
    }
    asked.left_out = left_out;
    Ok(asked)
}

/// Type and query of each filter.
fn filters(parameters: &Parameters) -> Result<Vec<(String, String)>, Problem> {
    let unread = || Problem::new(Kind::Malformed, "_typeFilter is a search of a type: Observation?code=…");
    let found = filters_in(parameters.all("_typeFilter")).ok_or_else(unread)?;
    if found.len() > MOST_FILTERS {
        return Err(Problem::new(Kind::Malformed, format!("at most {MOST_FILTERS} filters")));
    }
    Ok(found)
}

/// Type and query of each filter in these texts; none, if one is no filter. Several may stand in one text, between commas;
/// the commas of a query stay.
pub(super) fn filters_in<'a>(texts: impl Iterator<Item = &'a str>) -> Option<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = Vec::new();
    for text in texts {
        let mut is_first = true;
        for part in text.split(',') {
            let begins = part.split_once('?').filter(|(kind, _)| structure::is_type(kind.trim()));
            match (begins, found.last_mut()) {
                (Some((kind, query)), _) => found.push((kind.trim().to_owned(), query.to_owned())),
                (None, Some((_, query))) if !is_first => {
                    query.push(',');
                    query.push_str(part);
                }
                (None, _) => return None,
            }
            is_first = false;
        }
    }
    Some(found)
}

/// An export that this caller may see: its own, or any for those who run the node. Others are not told that it is there.
async fn seen(api: &Api, staff: &Staff, id: &str) -> Result<Export, Problem> {
    if !allows(staff.role, Permission::OverseeExports) {
        check(staff, Permission::ExportRecord)?;
    }
    let now = api.here.now();
    let wanted = id.to_owned();
    let found = api.here.store.read(move |view| view.export(&wanted)).await?;
    let is_theirs = |export: &Export| export.owner == staff.user || allows(staff.role, Permission::OverseeExports);
    let is_there = |export: &Export| export.status != ExportStatus::Ended && export.expires_at > now;
    found
        .filter(|export| is_theirs(export) && is_there(export))
        .ok_or_else(|| Problem::new(Kind::NotFound, "there is no such export: it has ended, or never was"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_told_apart_and_keep_their_commas() {
        let of = |texts: &[&str]| filters_in(texts.iter().copied());
        let filter = |kind: &str, query: &str| (kind.to_owned(), query.to_owned());
        assert_eq!(
            of(&["Patient?gender=male,female,Observation?code=a,b|c", "Condition?code=x"]),
            Some(vec![
                filter("Patient", "gender=male,female"),
                filter("Observation", "code=a,b|c"),
                filter("Condition", "code=x")
            ])
        );
        assert_eq!(of(&[]), Some(Vec::new()));
        for wrong in ["", "Observation", "Nothing?code=x", "code=x", "?code=x"] {
            assert_eq!(of(&["Patient?active=true", wrong]), None, "{wrong}");
        }
    }
}
