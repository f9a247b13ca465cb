//! `watari mapping explain`: which source field, row and file made an element of a translation, and where the fields of a
//! segment go.

use std::sync::Arc;

use crate::fhir::tree::{self, Value};
use serde::Serialize;

use super::Mappings;
use super::rows::Rules;
use super::rows::file::Row;
use super::trace::{self, By, Maker, Trace};
use crate::config::Country;

/// An element and what made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Element {
    /// Which entry of the bundle, from 1.
    pub resource: usize,
    /// `Patient.name[0].family`.
    pub element: String,
    /// What made it.
    pub by: By,
    /// The source field: `PID-5`, `column mrn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which segment of that name, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurrence: Option<usize>,
    /// `built-in hl7v2/patient.toml:12`.
    pub place: String,
    /// Rows of earlier files whose place this row took.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instead_of: Vec<String>,
}

/// The elements of a traced translation, in the order of the bundle. `harmonised` is the same bundle after harmonising.
pub fn elements(
    mappings: &Mappings,
    country: Country,
    trace: &Trace,
    bundle: &Value,
    harmonised: &Value,
) -> Vec<Element> {
    let rules = mappings.rules(country);
    let mut found = Vec::new();
    for (number, entry) in tree::entries(harmonised).enumerate() {
        let (Some(url), Some(body)) = (entry["fullUrl"].as_str(), entry["resource"].as_object()) else { continue };
        let kind = entry["resource"]["resourceType"].as_str().unwrap_or("");
        let before = tree::entries(bundle).find(|other| other["fullUrl"].as_str() == Some(url));
        let before = before.and_then(|entry| entry["resource"].as_object());
        for (path, value) in trace::leaves(body).into_iter().filter(|(path, _)| path != "resourceType") {
            let translated = before.and_then(|body| trace::at(body, &path)) == Some(value);
            let code = |by: By| Maker::of(by, super::rows::Origin::default());
            let maker = trace.maker(url, &path, value).unwrap_or_else(|| {
                code(match kind {
                    _ if !translated => By::Harmonising,
                    _ if path.starts_with("meta.profile") => By::Profile,
                    "Provenance" => By::Provenance,
                    _ => By::Code,
                })
            });
            found.push(Element {
                resource: number + 1,
                element: format!("{kind}.{path}"),
                by: maker.by,
                place: mappings.place(maker.origin),
                instead_of: rules.replaced_by(maker.origin).map(|old| mappings.place(old)).collect(),
                occurrence: maker.source.as_ref().map(|(_, occurrence)| *occurrence),
                source: maker.source.map(|(source, _)| source),
            });
        }
    }
    found
}

/// Whether an element is the one asked for, is within it, or comes from the field asked for.
pub fn concerns(element: &Element, wanted: &str) -> bool {
    let (exact, plain) = (element.element.as_str(), trace::plain(&element.element));
    let wanted_plain = trace::plain(wanted);
    let of_element = if wanted.contains('[') { begins(exact, wanted) } else { begins(&plain, &wanted_plain) };
    of_element || element.source.as_deref().is_some_and(|source| is_about(source, &wanted_plain))
}

/// A row, told by where it leads from and to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// `PID-5`, or nothing for what a resource row says without a field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `Patient.name`; nothing for a field that steers or is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// The data type, `fixed`, `default`, `link`, `steer`, `skip`.
    pub how: String,
    /// The table, the conditions, the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// `built-in hl7v2/patient.toml:12`.
    pub place: String,
    /// Rows of earlier files whose place this row took.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instead_of: Vec<String>,
}

/// The rows that `wanted` is about: a segment (`PID`), a field (`PID-5`, `PID-5.1`), a resource type (`Patient`) or an
/// element (`Patient.name`, with or without list positions).
pub fn ways(mappings: &Mappings, country: Country, wanted: &str) -> Vec<Way> {
    let rules = mappings.rules(country);
    let wanted = trace::plain(wanted);
    let way = |origin, way: Way| Way {
        place: mappings.place(origin),
        instead_of: rules.replaced_by(origin).map(|old| mappings.place(old)).collect(),
        ..way
    };
    let mut found: Vec<(super::rows::Origin, Way)> = Vec::new();
    for (segment, to, rows) in rules.segments() {
        for row in rows {
            let (source, element) = (source_of(segment, row), element_of(to, row));
            if is_about(&source, &wanted) || element.as_ref().is_some_and(|element| is_about(element, &wanted)) {
                let plain = Way { source: Some(source), element, how: kind_of(row), notes: notes(row), ..Way::none() };
                found.push((row.origin, way(row.origin, plain)));
            }
        }
    }
    found.extend(unfielded(rules, &wanted).into_iter().map(|(origin, plain)| (origin, way(origin, plain))));
    found.sort_by_key(|(origin, _)| *origin);
    found.into_iter().map(|(_, way)| way).collect()
}

impl Way {
    fn none() -> Self {
        Self {
            source: None,
            element: None,
            how: String::new(),
            notes: Vec::new(),
            place: String::new(),
            instead_of: Vec::new(),
        }
    }
}

/// What resource rows say of elements without a field.
fn unfielded(rules: &Rules, wanted: &str) -> Vec<(super::rows::Origin, Way)> {
    let mut found = Vec::new();
    for row in rules.resources.values() {
        let mut add = |origin, path: &str, how: &str| {
            let element = format!("{}.{path}", row.resource_type);
            if is_about(&element, wanted) {
                let notes = vec![format!("resource row {}", row.name)];
                found.push((origin, Way { element: Some(element), how: how.to_owned(), notes, ..Way::none() }));
            }
        };
        row.fixed.keys().for_each(|path| add(row.origin, path, "fixed"));
        row.default.iter().for_each(|default| add(default.origin, &default.path.plain(), "default"));
        row.link.iter().for_each(|link| add(link.origin, &link.path.plain(), "link"));
    }
    found
}

/// Whether one is the other or a part of it: `PID-5.1` of `PID-5`, `Patient.name.family` of `Patient.name`.
fn is_about(place: &str, wanted: &str) -> bool {
    begins(place, wanted) || begins(wanted, place)
}

fn begins(part: &str, whole: &str) -> bool {
    part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '[']))
}

fn source_of(segment: &str, row: &Row) -> String {
    match (&row.column, row.component) {
        (Some(column), _) => format!("column {column}"),
        (None, Some(component)) => format!("{segment}-{}.{component}", row.field),
        (None, None) => format!("{segment}-{}", row.field),
    }
}

fn element_of(to: &str, row: &Row) -> Option<String> {
    (!row.path.is_empty()).then(|| format!("{to}.{}", row.path.plain()))
}

fn kind_of(row: &Row) -> String {
    serde_json::to_value(row.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default()
}

fn notes(row: &Row) -> Vec<String> {
    let table = row.table.as_ref().map(|table| format!("table {}", table.get_ref()));
    let conditions = row.when.iter().map(|condition| format!("when {condition}"));
    table.into_iter().chain(conditions).chain(row.reason.clone()).collect()
}

/// Rows whose application is noted in the trace that comes with them.
pub fn traced(mappings: Mappings) -> (Mappings, Arc<Trace>) {
    let trace = Arc::new(Trace::default());
    (mappings.watched_by(trace.clone()), trace)
}
