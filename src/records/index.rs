//! A resource's search rows: the values of the elements that its type's search parameters read
//! ([`super::parameters`]), each once, whichever parameters ask for it.

use serde_json::{Map, Value};

use super::parameters::{self, Data, Only, ParameterType, Reading, Step};
use crate::fhir::{self, dates, reference, systems};
use crate::harmonise::{comparable_quantities, search_keys};
use crate::store::records::{IndexRow, IndexValue};

/// Path of the numbers of an observation that may be compared across units and institutions: as written or as harmonised;
/// no bounds (`<5`), nothing that harmonising barred. Cohort questions go by it.
pub const COMPARABLE: &str = "*comparable";
/// Texts are indexed up to so many characters; who searches by more finds what begins so.
const LONGEST_TEXT: usize = 200;
/// Instants at the edges of what can be written, for periods with an open end.
const EARLIEST: i64 = -62_135_596_800_000;
const LATEST: i64 = 253_402_300_799_999;

/// All search rows of a resource.
pub fn rows(resource: &Value) -> Vec<IndexRow> {
    let kind = fhir::resource_type(resource).unwrap_or("");
    let mut rows = Rows(Vec::with_capacity(16));
    for reading in parameters::readings(kind) {
        walk(resource, &reading.steps, &mut |value, data| read(&mut rows, reading, value, data));
    }
    if kind == "Observation" {
        for (number, unit) in comparable_quantities(resource) {
            let Some(value) = number.as_f64() else { continue };
            rows.add(COMPARABLE, IndexValue::Quantity { low: value, high: value, unit: unit.to_owned() });
        }
    }
    rows.0
}

/// The texts that are shown for the concepts a reading leads to: what `:text` looks at.
pub fn shown(resource: &Value, path: &str) -> Vec<String> {
    let kind = fhir::resource_type(resource).unwrap_or("");
    let mut texts = Vec::new();
    let readings = parameters::readings(kind).iter().filter(|one| one.path == path && one.kind == ParameterType::Token);
    for reading in readings {
        walk(resource, &reading.steps, &mut |value, _| {
            let codings = value.get("coding").and_then(Value::as_array).into_iter().flatten();
            let displays = codings.chain(std::iter::once(value)).filter_map(|coding| coding.get("display")?.as_str());
            let typed = value.pointer("/type/text").and_then(Value::as_str);
            let text = value.get("text").and_then(Value::as_str);
            texts.extend(displays.chain(text).chain(typed).map(str::to_owned));
        });
    }
    texts
}

/// Visits the values at the end of the way, arrays walked through.
fn walk<'v>(value: &'v Value, steps: &[Step], visit: &mut impl FnMut(&'v Value, Data)) {
    let Some((step, rest)) = steps.split_first() else { return };
    for (name, data) in &step.names {
        let Some(found) = value.get(name) else { continue };
        let mut one = |value: &'v Value| {
            if let Only::OfType(wanted) = step.only
                && value.get("type").and_then(Value::as_str) != Some(wanted)
            {
                return;
            }
            if rest.is_empty() {
                visit(value, *data);
            } else {
                walk(value, rest, visit);
            }
        };
        match (found, step.only) {
            (Value::Array(items), Only::First) => items.iter().take(1).for_each(one),
            (Value::Array(items), _) => items.iter().for_each(one),
            (found, _) => one(found),
        }
    }
}

struct Rows(Vec<IndexRow>);

impl Rows {
    fn add(&mut self, path: &str, value: IndexValue) {
        if !self.0.iter().any(|row| row.path == path && row.value == value) {
            self.0.push(IndexRow::new(path.to_owned(), value));
        }
    }

    fn token(&mut self, path: &str, system: &str, code: &str) {
        self.add(path, IndexValue::Token { system: system.to_owned(), code: code.to_owned() });
    }
}

fn read(rows: &mut Rows, reading: &Reading, value: &Value, data: Data) {
    let path = reading.path.as_str();
    match reading.kind {
        ParameterType::Token => token(rows, path, value, data),
        ParameterType::Text => text(rows, path, value),
        ParameterType::Uri => {
            if let Some(uri) = value.as_str() {
                rows.token(path, "", uri);
            }
        }
        ParameterType::Date => {
            if let Some((from, to)) = span(value) {
                rows.add(path, IndexValue::Date { from, to });
            }
        }
        ParameterType::Reference => refer(rows, path, value, data),
        ParameterType::Quantity | ParameterType::Number => quantity(rows, path, value, data),
        ParameterType::Composite | ParameterType::Special => {}
    }
}

fn token(rows: &mut Rows, path: &str, value: &Value, data: Data) {
    match value {
        _ if data == Data::Present => {
            let is = *value != Value::Bool(false);
            rows.token(path, "", if is { "true" } else { "false" });
        }
        Value::String(code) => rows.token(path, "", code),
        Value::Bool(flag) => rows.token(path, "", if *flag { "true" } else { "false" }),
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            let system = text("system").unwrap_or("");
            match data {
                Data::Type("CodeableConcept") => {
                    for (system, code) in fhir::codings(value) {
                        rows.token(path, system, code);
                    }
                }
                _ => {
                    if let Some(code) = text("code").or_else(|| text("value")) {
                        rows.token(path, system, code);
                    }
                }
            }
        }
        _ => {}
    }
}

fn text(rows: &mut Rows, path: &str, value: &Value) {
    let Some(written) = value.as_str() else { return };
    let written: String = written.chars().take(LONGEST_TEXT).collect();
    let keys = search_keys(&written);
    rows.add(path, IndexValue::Exact(written));
    for key in keys.into_iter().filter(|key| !key.is_empty()) {
        rows.add(path, IndexValue::Text(key));
    }
}

fn refer(rows: &mut Rows, path: &str, value: &Value, data: Data) {
    match (value, data) {
        (Value::String(address), _) => {
            rows.add(path, IndexValue::Reference(address.clone()));
            if let Some((unversioned, _)) = address.split_once('|') {
                rows.add(path, IndexValue::Reference(unversioned.to_owned()));
            }
        }
        (Value::Object(members), Data::Type("Identifier")) => identifier(rows, path, members),
        (Value::Object(members), Data::Type("Resource")) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            if let (Some(kind), Some(id)) = (text("resourceType"), text("id")) {
                rows.add(path, IndexValue::Reference(format!("{kind}/{id}")));
            }
        }
        (Value::Object(members), _) => {
            if let Some(address) = members.get("reference").and_then(Value::as_str).filter(|one| !one.starts_with('#'))
            {
                let target = match reference::split(address) {
                    Some((kind, id)) => format!("{kind}/{id}"),
                    None => address.to_owned(),
                };
                rows.add(path, IndexValue::Reference(target));
            }
            if let Some(Value::Object(members)) = members.get("identifier") {
                identifier(rows, path, members);
            }
        }
        _ => {}
    }
}

/// The identifier of a logical reference, found by `:identifier`.
fn identifier(rows: &mut Rows, path: &str, members: &Map<String, Value>) {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if let Some(value) = text("value") {
        rows.token(&identifier_path(path), text("system").unwrap_or(""), value);
    }
}

/// Path of the identifiers of logical references.
pub fn identifier_path(path: &str) -> String {
    format!("{path}:identifier")
}

/// The span of a date, a period, or a timing.
fn span(value: &Value) -> Option<(i64, i64)> {
    match value {
        Value::String(text) => dates::span(text),
        Value::Object(members) if members.contains_key("event") || members.contains_key("repeat") => {
            let events = members.get("event").and_then(Value::as_array).into_iter().flatten().filter_map(span);
            let bounds = members.get("repeat").and_then(|repeat| repeat.get("boundsPeriod")).and_then(span);
            events.chain(bounds).reduce(|(from, to), (other, end)| (from.min(other), to.max(end)))
        }
        Value::Object(period) => {
            let end = |name: &str| period.get(name).and_then(Value::as_str).and_then(dates::span);
            let (start, end) = (end("start"), end("end"));
            if start.is_none() && end.is_none() {
                return None;
            }
            // An open end reaches to the edge of what can be written.
            Some((start.map_or(EARLIEST, |(from, _)| from), end.map_or(LATEST, |(_, to)| to)))
        }
        _ => None,
    }
}

fn quantity(rows: &mut Rows, path: &str, value: &Value, data: Data) {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    let (low, high, unit) = match (value, data) {
        (Value::Number(_), _) => (number(Some(value)), number(Some(value)), String::new()),
        (Value::Object(range), Data::Type("Range")) => {
            let of = |name: &str| range.get(name).and_then(Value::as_object);
            let end = |name: &str| number(of(name).and_then(|quantity| quantity.get("value")));
            let unit = of("low").or(of("high")).map(unit_of).unwrap_or_default();
            let (low, high) = (end("low"), end("high"));
            match (low, high) {
                (None, None) => (None, None, unit),
                _ => (low.or(Some(f64::NEG_INFINITY)), high.or(Some(f64::INFINITY)), unit),
            }
        }
        (Value::Object(money), Data::Type("Money")) => {
            let currency = money.get("currency").and_then(Value::as_str).unwrap_or("");
            let amount = number(money.get("value"));
            (amount, amount, currency.to_owned())
        }
        (Value::Object(quantity), Data::Type("SampledData")) => {
            (None, None, quantity.get("origin").and_then(Value::as_object).map(unit_of).unwrap_or_default())
        }
        (Value::Object(quantity), _) => {
            let value = number(quantity.get("value"));
            // A bound is a range: what is below 5 may be 3.
            let (low, high) = match quantity.get("comparator").and_then(Value::as_str) {
                Some("<" | "<=") => (value.map(|_| f64::NEG_INFINITY), value),
                Some(">" | ">=") => (value, value.map(|_| f64::INFINITY)),
                _ => (value, value),
            };
            (low, high, unit_of(quantity))
        }
        _ => return,
    };
    let (low, high) = (low.unwrap_or(f64::NAN), high.unwrap_or(f64::NAN));
    if low.is_nan() && rows.0.iter().any(|row| row.path == path) {
        return;
    }
    rows.add(path, IndexValue::Quantity { low, high, unit });
}

/// UCUM codes stand by themselves, codes of other systems behind theirs; without a code, the unit as written.
fn unit_of(quantity: &Map<String, Value>) -> String {
    let text = |name: &str| quantity.get(name).and_then(Value::as_str);
    match (text("system"), text("code")) {
        (Some(systems::UCUM), Some(code)) | (None, Some(code)) => code.to_owned(),
        (Some(system), Some(code)) => format!("{system}|{code}"),
        (_, None) => text("unit").unwrap_or("").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(path: &str, system: &str, code: &str) -> IndexRow {
        IndexRow::new(path.to_owned(), IndexValue::Token { system: system.to_owned(), code: code.to_owned() })
    }

    fn one(path: &str, value: f64, unit: &str) -> IndexRow {
        IndexRow::new(path.to_owned(), IndexValue::Quantity { low: value, high: value, unit: unit.to_owned() })
    }

    #[test]
    fn an_observation_is_found_by_both_codes_and_both_quantities() {
        let rows = rows(&json!({
            "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/p"},
            "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}, {"system": systems::JLAC10, "code": "3D010000002327101"}]},
            "valueQuantity": {"value": 90, "unit": "mg/dL", "system": systems::UCUM, "code": "mg/dL"},
            "extension": [{"url": systems::HARMONISED_QUANTITY, "extension": [
                {"url": "quantity", "valueQuantity": {"value": 5.0, "system": systems::UCUM, "code": "mmol/L"}}, {"url": "rule", "valueString": "r"}]}],
        }));
        assert!(rows.contains(&token("code", "http://loinc.org", "2345-7")));
        assert!(rows.contains(&token("code", systems::JLAC10, "3D010000002327101")));
        for (number, unit) in [(90.0, "mg/dL"), (5.0, "mmol/L")] {
            assert!(rows.contains(&one(COMPARABLE, number, unit)), "{unit}");
        }
        assert!(rows.contains(&one("value", 90.0, "mg/dL")));
        // Once, though patient and subject both read it.
        let subject = IndexRow::new("subject", IndexValue::Reference("Patient/p".to_owned()));
        assert_eq!(rows.iter().filter(|row| **row == subject).count(), 1);
    }

    #[test]
    fn below_the_limit_of_detection_is_a_range_and_not_a_number() {
        let rows = rows(&json!({"resourceType": "Observation",
            "valueQuantity": {"value": 5, "comparator": "<", "system": systems::UCUM, "code": "mg/dL"}}));
        let range = IndexValue::Quantity { low: f64::NEG_INFINITY, high: 5.0, unit: "mg/dL".to_owned() };
        assert_eq!(rows, [IndexRow::new("value", range)]);
    }

    #[test]
    fn choices_filters_and_parts_are_read() {
        let patient = rows(&json!({"resourceType": "Patient", "deceasedDateTime": "2020-01-01",
            "name": [{"family": "Yamada", "given": ["Tarou"]}],
            "telecom": [{"system": "phone", "value": "03-1"}, {"system": "email", "value": "a@b.example"}]}));
        assert!(patient.contains(&token("deceased", "", "true")));
        assert!(patient.contains(&token("telecom", "phone", "03-1")));
        assert!(patient.contains(&IndexRow::new("name.family", IndexValue::Text("yamada".to_owned()))));
        assert!(patient.contains(&IndexRow::new("name.family", IndexValue::Exact("Yamada".to_owned()))));
        assert!(patient.iter().any(|row| row.path == "deceased" && matches!(row.value, IndexValue::Date { .. })));
        let library = rows(&json!({"resourceType": "Library", "relatedArtifact": [
            {"type": "depends-on", "resource": "http://a.example/x|1.0"}, {"type": "successor", "resource": "http://b.example"}]}));
        let leads = |path: &str, target: &str| {
            library.contains(&IndexRow::new(path.to_owned(), IndexValue::Reference(target.to_owned())))
        };
        assert!(leads("relatedArtifact{depends-on}.resource", "http://a.example/x"));
        assert!(leads("relatedArtifact{depends-on}.resource", "http://a.example/x|1.0"));
        assert!(!leads("relatedArtifact{depends-on}.resource", "http://b.example"));
    }

    #[test]
    fn an_open_period_reaches_to_the_edge() {
        let rows = rows(&json!({"resourceType": "Encounter", "period": {"start": "2024-01-01"}}));
        let span = IndexValue::Date { from: 1_704_067_200_000, to: LATEST };
        assert_eq!(rows, [IndexRow::new("period", span)]);
    }
}
