//! search-type, <https://hl7.org/fhir/R4/http.html#search>, by GET and by POST. The parameters served stand in
//! `records::parameters`; a parameter or modifier that is not served is refused, never ignored: an ignored filter
//! would show the wrong patients.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::code_maps::{CONCEPT_MAP, CodeMaps};
use super::{known_type, value_response};
use crate::access::Staff;
use crate::access::permit::{Permission, check};
use crate::exchange::Institution;
use crate::fault::Kind;
use crate::fhir::search::{Criterion, Match, Prefix, Search};
use crate::fhir::{self, bundle, dates};
use crate::harmonise::search_keys;
use crate::records::parameters::{self, ParameterType};
use crate::server::body::WholeBody;
use crate::server::problem::Problem;
use crate::web::bearer::Bearer;

/// Results on a page, unless `_count` says otherwise.
const PAGE: usize = 50;
/// Largest page.
const LARGEST_PAGE: usize = 1000;
/// Comma-separated values of one parameter.
const MOST_VALUES: usize = 100;
/// Furthest result that paging reaches.
const FURTHEST: usize = 1_000_000;

/// `GET /fhir/{type}?…`
pub(super) async fn search(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    State(maps): State<CodeMaps>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    run(&here, &maps, &staff, kind, query.unwrap_or_default()).await
}

/// `POST /fhir/{type}/_search`
pub(super) async fn search_by_post(
    Bearer(staff): Bearer,
    State(here): State<Institution>,
    State(maps): State<CodeMaps>,
    Path(kind): Path<String>,
    WholeBody(body): WholeBody,
) -> Result<Response, Problem> {
    let query = String::from_utf8(body.to_vec()).map_err(|_| Problem::new(Kind::Malformed, "the form is not UTF-8"))?;
    run(&here, &maps, &staff, kind, query).await
}

async fn run(
    here: &Institution,
    maps: &CodeMaps,
    staff: &Staff,
    kind: String,
    query: String,
) -> Result<Response, Problem> {
    check(staff, Permission::ReadRecord)?;
    known_type(&kind)?;
    let pairs = form_pairs(&query)?;
    let search = parse(kind, &pairs)?;
    // Code maps come before the ConceptMaps of the record, and pages go over both.
    let maps = if search.kind == CONCEPT_MAP { maps.search(&search) } else { Vec::new() };
    let on_page: Vec<&Value> = maps.iter().skip(search.offset).take(search.count).copied().collect();
    let wanted = search.count - on_page.len();
    let asked = Search { offset: search.offset.saturating_sub(maps.len()), count: wanted.max(1), ..search.clone() };
    let found = here.store.read(move |view| view.search(&asked)).await?;
    let of_map = on_page.into_iter().map(|map| Ok(entry(here, CONCEPT_MAP, fhir::id(map).unwrap_or_default(), map)));
    let of_record = found.resources.into_iter().take(wanted).map(|resource| {
        let content: Value = serde_json::from_str(&resource.json)
            .map_err(|_| Problem::new(Kind::Internal, format!("{}/{} is damaged", resource.kind, resource.id)))?;
        Ok(entry(here, &resource.kind, &resource.id, &content))
    });
    let entries = of_map.chain(of_record).collect::<Result<Vec<_>, Problem>>()?;
    let (shown, total) = (entries.len(), found.total + maps.len() as u64);
    let mut answer = bundle::of("searchset", entries);
    answer["total"] = json!(total);
    answer["link"] = links(&search, &pairs, shown, total);
    Ok(value_response(StatusCode::OK, &answer))
}

fn entry(here: &Institution, kind: &str, id: &str, content: &Value) -> Value {
    json!({
        "fullUrl": format!("{}/{kind}/{id}", here.config.namespace),
        "resource": content,
        "search": {"mode": "match"},
    })
}

/// Names and values of a query.
pub(super) fn form_pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    serde_urlencoded::from_str(query).map_err(|_| Problem::new(Kind::Malformed, "the query cannot be read"))
}

/// Reads a query, refusing what is not served.
pub(super) fn parse(kind: String, pairs: &[(String, String)]) -> Result<Search, Problem> {
    let mut search = Search { kind, criteria: Vec::new(), count: PAGE, offset: 0 };
    for (name, value) in pairs {
        match name.as_str() {
            "_count" => search.count = number(name, value)?.clamp(1, LARGEST_PAGE),
            "_offset" => search.offset = number(name, value)?.min(FURTHEST),
            "_id" => search.criteria.push(Criterion {
                parameter: "_id".to_owned(),
                any: value.split(',').map(|id| Match::Id(id.to_owned())).collect(),
            }),
            "_format" if value.contains("json") => {}
            _ => search.criteria.push(criterion(&search.kind, name, value)?),
        }
    }
    Ok(search)
}

fn number(name: &str, value: &str) -> Result<usize, Problem> {
    value.parse().map_err(|_| Problem::new(Kind::Malformed, format!("{name} must be a whole number")))
}

fn criterion(kind: &str, name: &str, value: &str) -> Result<Criterion, Problem> {
    // `subject` and `patient` are the same parameter here: every subject kept is a patient.
    let name = if name == "subject" { "patient" } else { name };
    let parameter = parameters::find(kind, name).filter(|found| found.kind != ParameterType::Quantity);
    let Some(parameter) = parameter else {
        return Err(Problem::new(
            Kind::NotSupported,
            format!("search parameter {name:?} of {kind} is not served by this release"),
        ));
    };
    if value.split(',').count() > MOST_VALUES {
        return Err(Problem::new(Kind::Malformed, format!("{name}: at most {MOST_VALUES} values")));
    }
    let mut any = Vec::new();
    for value in value.split(',') {
        match parameter.kind {
            ParameterType::Token => any.push(token(value)),
            ParameterType::Text => any.extend(search_keys(value).into_iter().map(Match::Text)),
            ParameterType::Reference => any.push(Match::Reference(target(name, value))),
            ParameterType::Date | ParameterType::Quantity => any.push(date(name, value)?),
        }
    }
    Ok(Criterion { parameter: parameter.name.to_owned(), any })
}

/// `Type/id`; a bare id is of the type that the parameter's name says, and a patient otherwise.
fn target(name: &str, value: &str) -> String {
    match (value.contains('/'), name) {
        (true, _) => value.to_owned(),
        (false, "encounter") => format!("Encounter/{value}"),
        (false, _) => format!("Patient/{value}"),
    }
}

fn token(value: &str) -> Match {
    match value.split_once('|') {
        Some((system, code)) => Match::Token { system: Some(system.to_owned()), code: code.to_owned() },
        None => Match::Token { system: None, code: value.to_owned() },
    }
}

fn date(name: &str, value: &str) -> Result<Match, Problem> {
    let (prefix, date) = match value.get(..2) {
        Some("eq") => (Prefix::Eq, &value[2..]),
        Some("lt") => (Prefix::Lt, &value[2..]),
        Some("le") => (Prefix::Le, &value[2..]),
        Some("gt") => (Prefix::Gt, &value[2..]),
        Some("ge") => (Prefix::Ge, &value[2..]),
        _ => (Prefix::Eq, value),
    };
    let (from, to) = dates::range(date).ok_or_else(|| {
        Problem::new(Kind::Malformed, format!("{name}: this is not a FHIR date with an eq, lt, le, gt or ge prefix"))
    })?;
    Ok(Match::Date { prefix, from, to })
}

fn links(search: &Search, pairs: &[(String, String)], shown: usize, total: u64) -> Value {
    let page = |offset: usize| {
        let kept = pairs.iter().filter(|(name, _)| name != "_offset" && name != "_count");
        let mut pairs: Vec<(String, String)> = kept.cloned().collect();
        pairs.push(("_count".to_owned(), search.count.to_string()));
        pairs.push(("_offset".to_owned(), offset.to_string()));
        format!("{}?{}", search.kind, serde_urlencoded::to_string(pairs).unwrap_or_default())
    };
    let mut links = vec![json!({"relation": "self", "url": page(search.offset)})];
    let next = search.offset + shown;
    if (next as u64) < total && shown > 0 {
        links.push(json!({"relation": "next", "url": page(next)}));
    }
    Value::Array(links)
}
