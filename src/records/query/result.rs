//! Parameters that say how the result is to be: pages, order, what comes along, how much is shown
//! (<https://hl7.org/fhir/R4/search.html#summary>).

use super::value::split;
use super::{LARGEST_PAGE, Query, QueryError};
use crate::fhir::search::{Include, SortBy, SortKey, Total};
use crate::fhir::structure;
use crate::records::parameters::{self, ParameterType};

/// How much of each resource is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// `_summary`.
    pub summary: Summary,
    /// `_elements`, without types; empty: all.
    pub elements: Vec<String>,
}

/// `_summary`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Summary {
    /// Everything.
    #[default]
    False,
    /// What the standard marks as summary.
    True,
    /// Narrative, id, meta and what must be there.
    Text,
    /// All but the narrative.
    Data,
    /// The number of matches.
    Count,
}

/// Whether a parameter is one of these.
pub(super) fn is_of_result(name: &str) -> bool {
    let base = name.split(':').next().unwrap_or(name);
    matches!(
        base,
        "_count"
            | "_sort"
            | "_include"
            | "_revinclude"
            | "_summary"
            | "_elements"
            | "_total"
            | "_format"
            | "_pretty"
            | "_contained"
            | "_containedType"
            | "_score"
            | "_offset"
    )
}

/// Reads one.
pub(super) fn read(query: &mut Query, kind: &str, name: &str, value: &str) -> Result<(), QueryError> {
    let wrong = |expected: &str| QueryError::Malformed(format!("{name} must be {expected}"));
    match name {
        "_count" => query.search.count = value.parse::<usize>().map_err(|_| wrong("a whole number"))?.min(LARGEST_PAGE),
        "_sort" => {
            for by in value.split(',') {
                query.search.sort.push(sort_by(kind, by.trim())?);
            }
        }
        "_summary" => {
            query.shape.summary = match value {
                "true" => Summary::True,
                "text" => Summary::Text,
                "data" => Summary::Data,
                "count" => Summary::Count,
                "false" => Summary::False,
                _ => return Err(wrong("true, text, data, count or false")),
            }
        }
        "_elements" => {
            let names = value.split(',').map(|one| one.strip_prefix(&format!("{kind}.")).unwrap_or(one).trim());
            query.shape.elements.extend(names.filter(|one| !one.is_empty()).map(str::to_owned));
        }
        "_total" => {
            query.search.total = match value {
                "none" => Total::None,
                "estimate" => Total::Estimate,
                "accurate" => Total::Accurate,
                _ => return Err(wrong("none, estimate or accurate")),
            }
        }
        "_format" if value.contains("json") => {}
        "_format" => return Err(QueryError::NotServed("only JSON is served".to_owned())),
        "_pretty" => {}
        "_contained" if value == "false" => {}
        name => {
            let (base, iterates) = match name.split_once(':') {
                None => (name, false),
                Some((base, "iterate" | "recurse")) => (base, true),
                Some(_) => return Err(unserved(name)),
            };
            match base {
                "_include" => query.search.includes.push(include(kind, false, iterates, value)?),
                "_revinclude" => query.search.includes.push(include(kind, true, iterates, value)?),
                _ => return Err(unserved(name)),
            }
        }
    }
    Ok(())
}

fn unserved(name: &str) -> QueryError {
    QueryError::NotServed(format!("{name} is not served by this release"))
}

fn sort_by(kind: &str, by: &str) -> Result<SortBy, QueryError> {
    let (name, descending) = match by.strip_prefix('-') {
        Some(name) => (name, true),
        None => (by, false),
    };
    if name == "_lastUpdated" {
        return Ok(SortBy { by: SortKey::Updated, descending });
    }
    match parameters::find(kind, name) {
        Some(parameter) if parameter.kind.is_served() && name != "_id" => {
            let paths = parameter.places.iter().map(|place| place.path.clone()).collect();
            Ok(SortBy { by: SortKey::Paths(paths), descending })
        }
        Some(_) => Err(QueryError::NotServed(format!("sorting by {name} is not served by this release"))),
        None => Err(QueryError::Unknown(format!("_sort: {kind} has no search parameter {name:?}"))),
    }
}

/// `Observation:subject`, `Observation:subject:Patient`, `Observation:*`, `*`.
fn include(searched: &str, is_reverse: bool, iterates: bool, value: &str) -> Result<Include, QueryError> {
    let mut parts = split(value, ':').into_iter();
    let (kind, name, target) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    let (kind, name) = match (kind, name) {
        ("*", None) if !is_reverse => (searched, "*"),
        (kind, Some(name)) => (kind, name),
        _ => return Err(QueryError::Malformed("an include is Type:reference or Type:reference:Type".to_owned())),
    };
    let include = |paths, target: Option<&str>| Include {
        is_reverse,
        iterates,
        kind: kind.to_owned(),
        paths,
        target: target.map(str::to_owned),
    };
    if !structure::is_type(kind) || target.is_some_and(|target| !structure::is_type(target)) {
        return Err(QueryError::Unknown("an include names a type that R4 does not have".to_owned()));
    }
    let references = parameters::of(kind).iter().filter(|parameter| parameter.kind == ParameterType::Reference);
    if name == "*" {
        let mut paths: Vec<String> =
            references.flat_map(|parameter| &parameter.places).map(|place| place.path.clone()).collect();
        paths.sort();
        paths.dedup();
        return Ok(include(paths, target));
    }
    let Some(parameter) = references.into_iter().find(|parameter| parameter.name == name) else {
        return Err(QueryError::Unknown(format!("{kind} has no reference {name:?} to include by")));
    };
    let paths = parameter.places.iter().map(|place| place.path.clone()).collect();
    let leads_to = parameter.places.first().and_then(|place| place.leads_to);
    // What leads to patients only includes nothing else; what is included the other way round is of the searched type.
    let target = target.or(leads_to).filter(|_| !is_reverse);
    Ok(include(paths, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_name_what_refers_and_what_is_referred_to() {
        let one = include("Observation", false, false, "Observation:patient").unwrap();
        assert_eq!((one.paths, one.target.as_deref()), (vec!["subject".to_owned()], Some("Patient")));
        let typed = include("Observation", false, true, "Observation:subject:Group").unwrap();
        assert!(typed.iterates && typed.target.as_deref() == Some("Group"));
        assert!(include("Observation", false, false, "*").unwrap().paths.contains(&"encounter".to_owned()));
        assert!(matches!(include("Observation", true, false, "*"), Err(QueryError::Malformed(_))));
        assert!(matches!(include("Observation", false, false, "Observation:status"), Err(QueryError::Unknown(_))));
    }

    #[test]
    fn order_is_by_parameters_that_are_served() {
        assert_eq!(
            sort_by("Observation", "-date"),
            Ok(SortBy { by: SortKey::Paths(vec!["effective".to_owned()]), descending: true })
        );
        assert_eq!(sort_by("Patient", "_lastUpdated"), Ok(SortBy { by: SortKey::Updated, descending: false }));
        assert!(sort_by("Patient", "favourite-colour").is_err());
    }
}
