//! The International Patient Summary: <https://hl7.org/fhir/uv/ips/> 2.0.0.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::course::is_past;
use super::gather::{Gathered, LeftOut, Reason, Record};
use super::labels::label;
use super::missing;
use super::narrative::{self, Table, narrative};
use super::own_ids::{OwnIds, entry, urn};
use super::sections::{SECTIONS, Section};
use crate::fhir::{bundle, systems};

/// Records of one section; the newest go along.
const PER_SECTION: usize = 300;

/// A finished summary.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The document bundle.
    pub bundle: Value,
    /// What it was made from: own reference and SHA-256 of the stored text.
    pub sources: Vec<(String, String)>,
    /// What stays out.
    pub left_out: Vec<LeftOut>,
}

/// Writes the summary of a gathered record.
///
/// `author` is the finished Organization resource of the author, `at` the present instant, `language` that of the
/// headings. Sections without records say that there is no information, never that there is nothing. Medications whose
/// days are over stay in, behind the current ones, with the day they ended: a past drug matters to the reader too.
pub fn ips(gathered: &Gathered, own: &mut OwnIds, author: &Value, at: &str, language: &str) -> Summary {
    let language = super::language(language);
    let mut left_out = gathered.left_out.clone();
    let mut chosen: Vec<(&Section, Vec<&Record>)> = Vec::new();
    for section in SECTIONS {
        let mut records: Vec<&Record> =
            gathered.chosen.iter().filter(|(key, _)| *key == section.key).map(|(_, record)| record).collect();
        // Medications that are over by their own dates or status come last; they keep both.
        records.sort_by_key(|record| {
            let past = section.key == "medications" && is_past(&record.resource, at);
            (past, Reverse(newest(&record.resource)))
        });
        left_out.extend(records.iter().skip(PER_SECTION).map(|record| LeftOut {
            kind: record.kind.clone(),
            id: record.id.clone(),
            reason: Reason::Older,
        }));
        records.truncate(PER_SECTION);
        if section.always || !records.is_empty() {
            chosen.push((section, records));
        }
    }

    // Names first: a reference can only be rewritten to what is known to go along.
    let patient_id = own.name("Patient", &gathered.patient.id);
    let records: Vec<&Record> = std::iter::once(&gathered.patient)
        .chain(chosen.iter().flat_map(|(_, records)| records.iter().copied()))
        .chain(&gathered.related)
        .collect();
    for record in &records {
        own.name(&record.kind, &record.id);
    }
    let mut entries = Vec::with_capacity(records.len() + 2);
    let mut sources = Vec::with_capacity(records.len());
    for record in &records {
        let mut resource = own.rewritten(&record.kind, &record.id, &record.resource);
        missing::mark(&mut resource);
        sources.push((urn(&own.name(&record.kind, &record.id)), record.sha256.clone()));
        entries.push(entry(resource));
    }
    entries.push(entry(author.clone()));

    let sections: Vec<Value> = chosen
        .iter()
        .map(|(section, records)| self::section(section, records, gathered, own, (language, at)))
        .collect();
    let composition = composition(own, &patient_id, author, at, language, sections);
    entries.insert(0, entry(composition));
    let mut bundle = document(&own.name("Bundle", "ips"), at, entries);
    bundle["meta"] = profile("Bundle-uv-ips");
    Summary { bundle, sources, left_out }
}

/// A document bundle around finished entries; the Composition is the first.
pub(super) fn document(id: &str, at: &str, entries: Vec<Value>) -> Value {
    let mut document = bundle::of("document", Vec::new());
    document["id"] = json!(id);
    document["identifier"] = json!({"system": "urn:ietf:rfc:3986", "value": urn(id)});
    document["timestamp"] = json!(at);
    document["entry"] = Value::Array(entries);
    document
}

fn composition(
    own: &mut OwnIds,
    patient_id: &str,
    author: &Value,
    at: &str,
    language: &str,
    sections: Vec<Value>,
) -> Value {
    let author_urn = urn(crate::fhir::id(author).unwrap_or_default());
    let author_name = author.get("name").and_then(Value::as_str).unwrap_or("");
    let title = label(language, "summary");
    let body = format!(
        "<p>{}</p><p>{}: {}</p>",
        narrative::escape(title),
        narrative::escape(label(language, "author")),
        narrative::escape(author_name)
    );
    json!({
        "resourceType": "Composition",
        "id": own.name("Composition", "ips"),
        "meta": profile("Composition-uv-ips"),
        "language": language,
        "text": narrative(language, &body),
        "status": "final",
        "type": {"coding": [{"system": systems::LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": urn(patient_id)},
        "date": at,
        "author": [{"reference": author_urn, "display": author_name}],
        "title": title,
        "custodian": {"reference": author_urn},
        "section": sections
    })
}

fn section(
    section: &Section,
    records: &[&Record],
    gathered: &Gathered,
    own: &mut OwnIds,
    (language, at): (&str, &str),
) -> Value {
    let title = label(language, section.key);
    let mut value = json!({
        "title": title,
        "code": {"coding": [{"system": systems::LOINC, "code": section.code, "display": section.display}], "text": title}
    });
    if records.is_empty() {
        value["text"] = narrative(language, &narrative::paragraphs(label(language, "no-information")));
        value["emptyReason"] = json!({
            "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/list-empty-reason",
                "code": "unavailable",
                "display": "Unavailable"
            }],
            "text": label(language, "no-information")
        });
        return value;
    }
    let find = |reference: &str| {
        let (kind, id) = crate::fhir::reference::split(reference)?;
        let is_it = |record: &&Record| record.kind == kind && record.id == id;
        gathered.related.iter().find(is_it).map(|record| &record.resource)
    };
    let resources = records.iter().map(|record| &record.resource);
    value["text"] =
        narrative(language, &narrative::table(&Table { language, section: section.key, at, find: &find }, resources));
    let entries: Vec<Value> =
        records.iter().map(|record| json!({"reference": urn(&own.name(&record.kind, &record.id))})).collect();
    value["entry"] = Value::Array(entries);
    value
}

fn profile(name: &str) -> Value {
    json!({"profile": [format!("http://hl7.org/fhir/uv/ips/StructureDefinition/{name}")]})
}

/// The record's own date as sortable text; the unknown sorts last.
fn newest(resource: &Value) -> String {
    const ELEMENTS: &[&str] = &[
        "/effectiveDateTime",
        "/effectivePeriod/start",
        "/onsetDateTime",
        "/occurrenceDateTime",
        "/performedDateTime",
        "/recordedDate",
        "/authoredOn",
        "/dateAsserted",
    ];
    let date = ELEMENTS.iter().find_map(|element| resource.pointer(element)).and_then(Value::as_str);
    date.unwrap_or("").to_owned()
}
