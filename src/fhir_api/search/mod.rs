//! search-type, <https://hl7.org/fhir/R4/http.html#search>, by GET and by POST, of a type and of a compartment. What a query
//! means is read by `records::query`, what is found by `records::find`; here is how the answer looks.

pub(super) mod page;
mod shape;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::audit_event;
use super::code_maps::{CONCEPT_MAP, CodeMaps};
use super::headers::is_lenient;
use super::{known_type, value_response};
use crate::access::Staff;
use crate::access::permit::{Permission, check};
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::fhir::search::Search;
use crate::fhir::{self, bundle};
use crate::records::find::{self, Found};
use crate::records::query::{self, Query, Setting};
use crate::server::body::WholeBody;
use crate::server::problem::Problem;
use crate::store::records::StoredResource;
use crate::web::bearer::Bearer;
use page::Place;

/// `GET /fhir/{type}?…`
pub(super) async fn search(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    State(maps): State<CodeMaps>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked { kind, within: None, is_lenient: is_lenient(&headers), is_posted: false };
    answer(&here, &maps, &staff, asked, &query.unwrap_or_default(), "").await
}

/// `POST /fhir/{type}/_search`
pub(super) async fn search_by_post(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    State(maps): State<CodeMaps>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    WholeBody(body, _held): WholeBody,
) -> Result<Response, Problem> {
    let asked = Asked { kind, within: None, is_lenient: is_lenient(&headers), is_posted: true };
    answer(&here, &maps, &staff, asked, &query.unwrap_or_default(), form(&headers, &body)?).await
}

/// `GET /fhir/{compartment}/{id}/{type}?…`
pub(super) async fn search_compartment(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    State(maps): State<CodeMaps>,
    Path((compartment, id, kind)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Operations and histories stand at the same place.
    if kind.starts_with(['$', '_', '*']) {
        return Err(super::not_served().await);
    }
    let asked = Asked { kind, within: Some((compartment, id)), is_lenient: is_lenient(&headers), is_posted: false };
    answer(&here, &maps, &staff, asked, &query.unwrap_or_default(), "").await
}

/// `POST /fhir/{compartment}/{id}/{type}/_search`
pub(super) async fn search_compartment_by_post(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    State(maps): State<CodeMaps>,
    Path((compartment, id, kind)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    WholeBody(body, _held): WholeBody,
) -> Result<Response, Problem> {
    let asked = Asked { kind, within: Some((compartment, id)), is_lenient: is_lenient(&headers), is_posted: true };
    answer(&here, &maps, &staff, asked, &query.unwrap_or_default(), form(&headers, &body)?).await
}

/// The query of the search that a link to a further page is of; none, if it is no link of this node.
pub(super) fn continued(here: &Institution, token: &str) -> Option<Vec<(String, String)>> {
    page::Key::of(&here.identity).open(token).map(|place| place.pairs)
}

/// A search as it was addressed.
pub(super) struct Asked {
    /// Resource type searched.
    pub(super) kind: String,
    /// Type and id of a compartment.
    pub(super) within: Option<(String, String)>,
    /// `Prefer: handling=lenient`.
    pub(super) is_lenient: bool,
    /// Its parameters came in a body, and stay out of addresses.
    pub(super) is_posted: bool,
}

async fn answer(
    here: &Institution,
    maps: &CodeMaps,
    staff: &Staff,
    asked: Asked,
    query: &str,
    form: &str,
) -> Result<Response, Problem> {
    if asked.kind == audit_event::KIND && asked.within.is_none() && audit_event::sees_the_trails(staff) {
        return audit_event::answer(here, &format!("{query}&{form}")).await;
    }
    let bundle = run(here, maps, staff, asked, query, form).await?;
    Ok(value_response(StatusCode::OK, &bundle))
}

/// Names and values of a query.
pub(super) fn form_pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    Ok(query::decoded(query)?)
}

/// Reads the query of a type: what a conditional request asks for.
pub(super) fn parse(kind: &str, pairs: &[(String, String)]) -> Result<Search, Problem> {
    let setting = Setting { now: None, base: "", is_lenient: false };
    Ok(query::parse(&setting, kind, pairs)?.search)
}

fn setting(here: &Institution, is_lenient: bool) -> Setting<'_> {
    Setting { now: Some(here.clock.now()), base: &here.config.namespace, is_lenient }
}

/// Runs a search: its searchset.
pub(super) async fn run(
    here: &Institution,
    maps: &CodeMaps,
    staff: &Staff,
    asked: Asked,
    query: &str,
    form: &str,
) -> Result<Value, Problem> {
    check(staff, Permission::ReadRecord)?;
    known_type(&asked.kind)?;
    let mut pairs = query::decoded(query)?;
    pairs.extend(query::decoded(form)?);
    let key = page::Key::of(&here.identity);
    let place = match pairs.iter().find(|(name, _)| name == page::PARAMETER) {
        Some((_, token)) => key.open(token).filter(|place| place.kind == asked.kind).ok_or_else(|| {
            Problem::new(Kind::Malformed, format!("{} is no link of this node; begin the search anew", page::PARAMETER))
        })?,
        None => Place { kind: asked.kind.clone(), within: asked.within.clone(), pairs, ..Place::default() },
    };
    let mut query = query::parse(&setting(here, asked.is_lenient), &place.kind, &place.pairs)?;
    if let Some((compartment, id)) = &place.within {
        query.search.criteria.push(within(compartment, id, &place.kind)?);
    }
    query.search.after.clone_from(&place.mark);
    // Code maps come before the ConceptMaps of the record, and pages go over both.
    let served = if place.kind == CONCEPT_MAP { maps.search(&query.search) } else { Vec::new() };
    let on_page: Vec<&Value> = served.iter().skip(place.passed).take(query.search.count).copied().collect();
    let passed = place.passed + on_page.len();
    let rest = query.search.count - on_page.len();
    let found = read(here, &query.search, rest).await?;
    let mut entries: Vec<Value> = Vec::with_capacity(on_page.len() + found.resources.len() + found.included.len());
    for map in &on_page {
        entries.push(entry(
            here,
            (CONCEPT_MAP, fhir::id(map).unwrap_or_default()),
            shape::shaped(&query.shape, (*map).clone()),
            "match",
        ));
    }
    for (resources, mode) in [(&found.resources, "match"), (&found.included, "include")] {
        for resource in resources {
            entries.push(entry(
                here,
                (&resource.kind, &resource.id),
                shape::shaped(&query.shape, content(resource)?),
                mode,
            ));
        }
    }
    if !query.left_out.is_empty() {
        entries.push(left_out(&query));
    }
    let has_more = passed < served.len()
        || found.next.is_some()
        || (rest == 0 && query.search.count > 0 && found.total != Some(0));
    let next = has_more.then(|| Place { passed, mark: found.next.clone().or(place.mark.clone()), ..place.clone() });
    let mut answer = bundle::of("searchset", entries);
    if let Some(total) = found.total {
        answer["total"] = json!(total + served.len() as u64);
    }
    answer["link"] = links(&asked, &query, &place, next, &key);
    Ok(answer)
}

/// The part of a page that comes from the record. Of a page that code maps fill, only the total.
async fn read(here: &Institution, search: &Search, count: usize) -> Result<Found, Problem> {
    let search = Search { count, ..search.clone() };
    Ok(here.store.read(move |view| find::search(view, &search)).await?)
}

/// The criterion of a compartment.
fn within(compartment: &str, id: &str, kind: &str) -> Result<crate::fhir::search::Criterion, Problem> {
    if crate::records::parameters::compartment_types(compartment).is_none() {
        known_type(compartment)?;
        let text = format!("the compartment {compartment} is not served by this release; Patient is");
        return Err(Problem::new(Kind::NotSupported, text));
    }
    if !fhir::is_valid_id(id) {
        return Err(Problem::new(Kind::NotFound, "no compartment has this id"));
    }
    query::in_compartment(compartment, id, kind).ok_or_else(|| {
        Problem::new(Kind::Unprocessable, format!("{kind} never belongs to the compartment of a {compartment}"))
    })
}

fn content(resource: &StoredResource) -> Result<Value, Problem> {
    serde_json::from_str(&resource.json)
        .map_err(|_| Problem::new(Kind::Internal, format!("{}/{} is damaged", resource.kind, resource.id)))
}

fn entry(here: &Institution, (kind, id): (&str, &str), content: Value, mode: &str) -> Value {
    json!({
        "fullUrl": format!("{}/{kind}/{id}", here.config.namespace),
        "resource": content,
        "search": {"mode": mode},
    })
}

/// What was left out of a lenient search.
fn left_out(query: &Query) -> Value {
    let issue = |text: &String| json!({"severity": "warning", "code": "not-supported", "diagnostics": text});
    let issues: Vec<Value> = query.left_out.iter().map(issue).collect();
    json!({"resource": {"resourceType": "OperationOutcome", "issue": issues}, "search": {"mode": "outcome"}})
}

/// `self` says what was asked, unless that came in a body; `next` is sealed.
fn links(asked: &Asked, query: &Query, place: &Place, next: Option<Place>, key: &page::Key) -> Value {
    let path = match &asked.within {
        Some((compartment, id)) => format!("{compartment}/{id}/{}", asked.kind),
        None => asked.kind.clone(),
    };
    let is_page = place.mark.is_some() || place.passed > 0;
    let own = match asked.is_posted || is_page {
        true => key.link(&path, place),
        false => format!("{path}?{}", serde_urlencoded::to_string(&query.pairs).unwrap_or_default()),
    };
    let mut links = vec![json!({"relation": "self", "url": own})];
    if let Some(next) = next {
        links.push(json!({"relation": "next", "url": key.link(&path, &next)}));
    }
    Value::Array(links)
}

/// The form of a posted search.
fn form<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<&'b str, Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = media_type.split(';').next().unwrap_or("").trim();
    if !body.is_empty() && !essence.is_empty() && !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            "a search is posted as application/x-www-form-urlencoded",
        ));
    }
    std::str::from_utf8(body).map_err(|_| Problem::new(Kind::Malformed, "the form is not UTF-8"))
}
