//! history of a resource, a type and everything, <https://hl7.org/fhir/R4/http.html#history>: newest first, deletions among the
//! versions. Pages go on behind the last version shown, so that what is written meanwhile moves nothing.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::base::Base;
use super::read::unknown;
use super::respond::value_response;
use super::{Api, known_type};
use crate::access::Staff;
use crate::access::permit::{Permission, check};
use crate::fault::Kind;
use crate::fhir::{bundle, dates};
use crate::server::problem::Problem;
use crate::store::history::HistoryQuery;
use crate::store::records::StoredResource;
use crate::web::bearer::Bearer;

/// Versions on a page, unless `_count` says otherwise.
const PAGE: usize = 50;
/// Largest page.
const LARGEST_PAGE: usize = 1000;
/// The parameter of a link to a further page.
const AFTER: &str = "_after";

/// `GET /fhir/{type}/{id}/_history`
pub(super) async fn of_instance(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    base: Base,
    Path((kind, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    known_type(&kind)?;
    let asked = HistoryQuery { kind: Some(kind), id: Some(id), ..HistoryQuery::default() };
    run(&api, &staff, &base, asked, query).await
}

/// `GET /fhir/{type}/_history`
pub(super) async fn of_type(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    base: Base,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    known_type(&kind)?;
    run(&api, &staff, &base, HistoryQuery { kind: Some(kind), ..HistoryQuery::default() }, query).await
}

/// `GET /fhir/_history`
pub(super) async fn of_system(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    base: Base,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    run(&api, &staff, &base, HistoryQuery::default(), query).await
}

async fn run(
    api: &Api,
    staff: &Staff,
    base: &Base,
    asked: HistoryQuery,
    query: Option<String>,
) -> Result<Response, Problem> {
    check(staff, Permission::ReadRecord)?;
    let pairs = super::search::form_pairs(&query.unwrap_or_default())?;
    let asked = parsed(asked, &pairs)?;
    let name = match (&asked.kind, &asked.id) {
        (Some(kind), Some(id)) => format!("{kind}/{id}"),
        _ => String::new(),
    };
    let question = asked.clone();
    let page = api.here.store.read(move |view| view.history(&question)).await?;
    if !name.is_empty() && page.total.is_none_or(|total| total == 0) && page.versions.is_empty() {
        // A condition may leave nothing of what is there.
        let (kind, id) = (asked.kind.clone().unwrap_or_default(), asked.id.clone().unwrap_or_default());
        if api.here.store.read(move |view| view.last_version(&kind, &id)).await?.is_none() {
            return Err(unknown(&name));
        }
    }
    let entries = page.versions.iter().map(|version| entry(base, version)).collect::<Result<Vec<_>, _>>()?;
    let mut answer = bundle::of("history", entries);
    if let Some(total) = page.total {
        answer["total"] = json!(total);
    }
    let mut links = vec![json!({"relation": "self", "url": address(base, &asked, &pairs, None)})];
    if let Some(next) = &page.next {
        links.push(json!({"relation": "next", "url": address(base, &asked, &pairs, Some(next))}));
    }
    answer["link"] = Value::Array(links);
    Ok(value_response(StatusCode::OK, &answer))
}

/// Reads `_count`, `_since`, `_at` and the place of a page; anything else would change what is shown and is refused.
fn parsed(mut asked: HistoryQuery, pairs: &[(String, String)]) -> Result<HistoryQuery, Problem> {
    asked.count = PAGE;
    for (name, value) in pairs {
        let malformed = |what: &str| Problem::new(Kind::Malformed, format!("{name} must be {what}"));
        match name.as_str() {
            "_count" => {
                let count: usize = value.parse().map_err(|_| malformed("a whole number"))?;
                asked.count = count.clamp(1, LARGEST_PAGE);
            }
            "_since" => asked.since = Some(dates::range(value).ok_or_else(|| malformed("an instant"))?.0),
            "_at" => asked.at = Some(dates::range(value).ok_or_else(|| malformed("a date or an instant"))?),
            AFTER => asked.after = Some(value.clone()),
            _ => {
                return Err(Problem::new(
                    Kind::Malformed,
                    format!("history is asked by _count, _since and _at, and not by {name}"),
                ));
            }
        }
    }
    Ok(asked)
}

fn address(base: &Base, asked: &HistoryQuery, pairs: &[(String, String)], after: Option<&str>) -> String {
    let mut path = base.0.clone();
    for part in asked.kind.iter().chain(&asked.id) {
        path.push('/');
        path.push_str(part);
    }
    let mut pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if let Some(after) = after {
        pairs.retain(|(name, _)| *name != AFTER);
        pairs.push((AFTER, after));
    }
    let query = serde_urlencoded::to_string(&pairs).unwrap_or_default();
    format!("{path}/_history{}{query}", if query.is_empty() { "" } else { "?" })
}

/// A version and the request that made it. By which method a first version came is not kept; POST is what most do.
fn entry(base: &Base, version: &StoredResource) -> Result<Value, Problem> {
    let name = format!("{}/{}", version.kind, version.id);
    let (method, url, status) = match (version.is_deletion(), version.version) {
        (true, _) => ("DELETE", name.as_str(), "204"),
        (false, 1) => ("POST", version.kind.as_str(), "201"),
        (false, _) => ("PUT", name.as_str(), "200"),
    };
    let mut entry = json!({"fullUrl": format!("{}/{name}", base.0)});
    if !version.is_deletion() {
        entry["resource"] = serde_json::from_str(&version.json)
            .map_err(|_| Problem::new(Kind::Internal, format!("{name} is damaged")))?;
    }
    entry["request"] = json!({"method": method, "url": url});
    entry["response"] = json!({
        "status": status,
        "etag": format!("W/\"{}\"", version.version),
        "lastModified": version.last_updated,
    });
    Ok(entry)
}
