//! `ValueSet/$expand`, <https://hl7.org/fhir/R4/valueset-operation-expand.html>, of value sets of the record: codes that they list, and
//! code systems of the record that they name whole or filter by a parent. What is not here is said to be missing, never left out.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::super::Api;
use super::super::read::unknown;
use super::super::respond::value_response;
use super::parameters::Asked;
use crate::access::permit::{Permission, check};
use crate::fault::Kind;
use crate::ids;
use crate::server::problem::Problem;
use crate::web::bearer::Bearer;

const PARAMETERS: [&str; 6] = ["url", "valueSetVersion", "filter", "offset", "count", "activeOnly"];
/// Codes of one expansion at most.
const MOST: usize = 20_000;
/// Value sets within value sets.
const DEEPEST: usize = 8;

/// `GET` or `POST /fhir/ValueSet/$expand`
pub(super) async fn by_url(Bearer(staff): Bearer, State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    check(&staff, Permission::ReadRecord)?;
    asked.only(&PARAMETERS)?;
    let url = asked.text("url").ok_or_else(|| Problem::new(Kind::Malformed, "say which value set by its url"))?;
    let set = of_record(&api, "ValueSet", &url).await?.ok_or_else(|| missing("ValueSet", &url, Kind::NotFound))?;
    answer(&api, set, &asked).await
}

/// `GET` or `POST /fhir/ValueSet/{id}/$expand`
pub(super) async fn by_id(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    check(&staff, Permission::ReadRecord)?;
    asked.only(&PARAMETERS)?;
    let name = format!("ValueSet/{id}");
    let stored =
        api.here.store.read(move |view| view.resource("ValueSet", &id)).await?.ok_or_else(|| unknown(&name))?;
    let set =
        serde_json::from_str(&stored.json).map_err(|_| Problem::new(Kind::Internal, format!("{name} is damaged")))?;
    answer(&api, set, &asked).await
}

/// A resource of the record by its canonical address (`url`, or `url|version`); the one updated last, if there are several.
pub(super) async fn of_record(api: &Api, kind: &str, canonical: &str) -> Result<Option<Value>, Problem> {
    let (url, version) = canonical.split_once('|').map_or((canonical, None), |(url, version)| (url, Some(version)));
    let (url, version) = (url.to_owned(), version.map(str::to_owned));
    let kinds = [kind.to_owned()];
    let found = api
        .here
        .store
        .read(move |view| {
            let mut found: Option<(String, Value)> = None;
            view.each_resource(&kinds, &mut |passed| {
                if passed.resource.json.contains(&url)
                    && let Ok(resource) = serde_json::from_str::<Value>(&passed.resource.json)
                    && resource.get("url").and_then(Value::as_str) == Some(&url)
                    && version.as_deref().is_none_or(|version| resource["version"] == version)
                    && found.as_ref().is_none_or(|(updated, _)| *updated < passed.resource.last_updated)
                {
                    found = Some((passed.resource.last_updated, resource));
                }
                std::ops::ControlFlow::Continue(())
            })?;
            Ok::<_, crate::store::StoreError>(found)
        })
        .await?;
    Ok(found.map(|(_, resource)| resource))
}

fn missing(kind: &str, url: &str, fault: Kind) -> Problem {
    Problem::new(fault, format!("the {kind} {url} is not in the record"))
}

/// A code of an expansion.
#[derive(Debug, Clone, PartialEq)]
struct Concept {
    system: String,
    code: String,
    display: Option<String>,
}

async fn answer(api: &Api, mut set: Value, asked: &Asked) -> Result<Response, Problem> {
    let mut concepts = Vec::new();
    expand(api, &set, 0, &mut concepts).await?;
    if let Some(filter) = asked.text("filter") {
        let filter = filter.to_lowercase();
        concepts.retain(|one| {
            let display = one.display.as_deref().unwrap_or("").to_lowercase();
            display.contains(&filter) || one.code.to_lowercase().contains(&filter)
        });
    }
    let total = concepts.len();
    let (offset, count) = (asked.number("offset", MOST)?.unwrap_or(0), asked.number("count", MOST)?.unwrap_or(MOST));
    let contains: Vec<Value> = concepts
        .into_iter()
        .skip(offset)
        .take(count)
        .map(|one| {
            let mut told = json!({"system": one.system, "code": one.code});
            if let Some(display) = one.display {
                told["display"] = json!(display);
            }
            told
        })
        .collect();
    set["expansion"] = json!({
        "identifier": format!("urn:uuid:{}", ids::fresh()),
        "timestamp": api.here.now(),
        "total": total,
        "offset": offset,
    });
    if !contains.is_empty() {
        set["expansion"]["contains"] = Value::Array(contains);
    }
    Ok(value_response(StatusCode::OK, &set))
}

/// Adds the codes of a value set.
async fn expand(api: &Api, set: &Value, depth: usize, concepts: &mut Vec<Concept>) -> Result<(), Problem> {
    if depth > DEEPEST {
        return Err(Problem::new(Kind::Unprocessable, "value sets include each other too deeply"));
    }
    for include in items(set.pointer("/compose/include")) {
        for concept in part(api, include, depth).await? {
            if !concepts.contains(&concept) {
                concepts.push(concept);
            }
            if concepts.len() > MOST {
                return Err(Problem::new(Kind::Unprocessable, format!("the value set has more than {MOST} codes")));
            }
        }
    }
    for exclude in items(set.pointer("/compose/exclude")) {
        let gone = part(api, exclude, depth).await?;
        concepts.retain(|one| !gone.iter().any(|other| other.system == one.system && other.code == one.code));
    }
    Ok(())
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// The codes of one include or exclude: those of its system, as far as all value sets that it names have them.
async fn part(api: &Api, include: &Value, depth: usize) -> Result<Vec<Concept>, Problem> {
    let mut found: Option<Vec<Concept>> = None;
    if let Some(system) = include.get("system").and_then(Value::as_str) {
        found = Some(of_system(api, include, system).await?);
    }
    for url in items(include.get("valueSet")).filter_map(Value::as_str) {
        let set =
            of_record(api, "ValueSet", url).await?.ok_or_else(|| missing("ValueSet", url, Kind::Unprocessable))?;
        let mut of_set = Vec::new();
        Box::pin(expand(api, &set, depth + 1, &mut of_set)).await?;
        found = Some(match found {
            Some(mut found) => {
                found.retain(|one| of_set.iter().any(|other| other.system == one.system && other.code == one.code));
                found
            }
            None => of_set,
        });
    }
    Ok(found.unwrap_or_default())
}

async fn of_system(api: &Api, include: &Value, system: &str) -> Result<Vec<Concept>, Problem> {
    let concept = |code: &Value| {
        Some(Concept {
            system: system.to_owned(),
            code: code.get("code")?.as_str()?.to_owned(),
            display: code.get("display").and_then(Value::as_str).map(str::to_owned),
        })
    };
    if include.get("concept").is_some() {
        return Ok(items(include.get("concept")).filter_map(concept).collect());
    }
    let known = of_record(api, "CodeSystem", system)
        .await?
        .ok_or_else(|| missing("CodeSystem", system, Kind::Unprocessable))?;
    if known.get("content").and_then(Value::as_str) != Some("complete") {
        let text = format!("the CodeSystem {system} of the record is not complete");
        return Err(Problem::new(Kind::Unprocessable, text));
    }
    let filters: Vec<&Value> = items(include.get("filter")).collect();
    let mut found = Vec::new();
    match filters.as_slice() {
        [] => walk(&known, &mut |code| found.extend(concept(code))),
        [filter]
            if filter["property"] == "concept" && matches!(filter["op"].as_str(), Some("is-a" | "descendent-of")) =>
        {
            let parent = filter.get("value").and_then(Value::as_str).unwrap_or("");
            let with_itself = filter["op"] == "is-a";
            walk(&known, &mut |code| {
                if code["code"] == parent {
                    if with_itself {
                        found.extend(concept(code));
                    }
                    walk(code, &mut |below| found.extend(concept(below)));
                }
            });
        }
        _ => {
            let text = "of filters only one is served: concept is-a or descendent-of a code";
            return Err(Problem::new(Kind::Unprocessable, text));
        }
    }
    Ok(found)
}

/// Every concept below, parents first.
pub(super) fn walk(of: &Value, visit: &mut dyn FnMut(&Value)) {
    for code in items(of.get("concept")) {
        visit(code);
        walk(code, visit);
    }
}
