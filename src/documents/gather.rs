//! What of the record goes into a summary, and what stays out and why. Reading the store ends here: everything after
//! takes values.

use std::collections::BTreeSet;

use serde_json::Value;

use super::sections;
use crate::fhir::{self, reference};
use crate::harmonise::Meaning;
use crate::ids;
use crate::store::records::StoredResource;
use crate::store::{StoreError, View};

/// Rings of references followed from the chosen records (a result → its performer → that role's organization).
const RINGS: usize = 3;

/// Resource types that come along because a chosen record refers to them. None of them is about a patient.
const RELATED: &[&str] = &["Practitioner", "PractitionerRole", "Organization", "Medication"];

/// A resource of the record, with the digest of the text it was read from.
#[derive(Debug, Clone)]
pub struct Record {
    /// Resource type.
    pub kind: String,
    /// Local logical id.
    pub id: String,
    /// The resource.
    pub resource: Value,
    /// SHA-256 of the stored JSON text.
    pub sha256: String,
}

/// Why a record of the patient stays out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It was entered in error.
    EnteredInError,
    /// It was refuted, or tells that something is not to be done.
    Refuted,
    /// It is a draft, was cancelled, or has no result yet.
    NotFinal,
    /// It is not about this patient.
    OtherPatient,
    /// The summary has no section for it.
    NoSection,
    /// Newer ones of its section fill the summary.
    Older,
    /// It cannot be read.
    Unreadable,
}

impl Reason {
    /// The word shown and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EnteredInError => "entered-in-error",
            Self::Refuted => "refuted",
            Self::NotFinal => "not-final",
            Self::OtherPatient => "other-patient",
            Self::NoSection => "no-section",
            Self::Older => "older",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A record that stays out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Resource type.
    pub kind: String,
    /// Local logical id; never leaves the institution.
    pub id: String,
    /// Why.
    pub reason: Reason,
}

/// Everything a summary is made from.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// The patient.
    pub patient: Record,
    /// The chosen records, each with the key of its section.
    pub chosen: Vec<(&'static str, Record)>,
    /// What the chosen records refer to.
    pub related: Vec<Record>,
    /// What stays out.
    pub left_out: Vec<LeftOut>,
}

/// Reads a patient's record and chooses. Nothing, if there is no such patient. What a record means by the institution's tables
/// stands beside what it says; the digests are of what is stored.
pub fn gather(view: &dyn View, meaning: &Meaning, patient_id: &str) -> Result<Option<Gathered>, StoreError> {
    let Some(patient) = view.resource("Patient", patient_id)? else { return Ok(None) };
    let compartment = view.compartment(patient_id)?;
    let Some(mut gathered) = choose(&patient, &compartment) else { return Ok(None) };
    let mut known = BTreeSet::new();
    let mut ring: Vec<Record> =
        std::iter::once(&gathered.patient).chain(gathered.chosen.iter().map(|(_, record)| record)).cloned().collect();
    for _ in 0..RINGS {
        let mut next = Vec::new();
        for (kind, id) in ring.iter().flat_map(|record| targets(&record.resource)) {
            if !RELATED.contains(&kind.as_str()) || !known.insert((kind.clone(), id.clone())) {
                continue;
            }
            if let Some(record) = view.resource(&kind, &id)?.as_ref().and_then(read) {
                next.push(record);
            }
        }
        gathered.related.extend(next.iter().cloned());
        ring = next;
    }
    let chosen = gathered.chosen.iter_mut().map(|(_, record)| record);
    for record in std::iter::once(&mut gathered.patient).chain(chosen).chain(&mut gathered.related) {
        record.resource = meaning.beside(record.resource.take());
    }
    Ok(Some(gathered))
}

/// Chooses among the records of a patient. Nothing, if the patient itself cannot be read.
pub fn choose(patient: &StoredResource, compartment: &[StoredResource]) -> Option<Gathered> {
    let patient = read(patient)?;
    let mut gathered = Gathered { patient, chosen: Vec::new(), related: Vec::new(), left_out: Vec::new() };
    // A Provenance is about records, not about the patient; the package gets its own.
    for stored in compartment.iter().filter(|stored| !matches!(stored.kind.as_str(), "Patient" | "Provenance")) {
        let chosen = read(stored).ok_or(Reason::Unreadable).and_then(|record| {
            let section = sections::of(&record.kind, &record.resource)?;
            let of_patient = reference::patient_of(&record.resource) == Some(gathered.patient.id.as_str());
            if of_patient { Ok((section, record)) } else { Err(Reason::OtherPatient) }
        });
        match chosen {
            Ok(one) => gathered.chosen.push(one),
            Err(reason) => gathered.left_out.push(LeftOut { kind: stored.kind.clone(), id: stored.id.clone(), reason }),
        }
    }
    Some(gathered)
}

fn read(stored: &StoredResource) -> Option<Record> {
    let resource: Value = serde_json::from_str(&stored.json).ok()?;
    (fhir::resource_type(&resource) == Some(stored.kind.as_str())).then(|| Record {
        kind: stored.kind.clone(),
        id: stored.id.clone(),
        sha256: ids::sha256_hex(stored.json.as_bytes()),
        resource,
    })
}

/// The `Type/id` a resource refers to.
fn targets(resource: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    walk(resource, &mut found);
    found
}

fn walk(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "reference" => {
                        if let Some((kind, id)) = reference::split(text) {
                            found.insert((kind.to_owned(), id.to_owned()));
                        }
                    }
                    _ => walk(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(resource: &Value) -> StoredResource {
        StoredResource {
            kind: fhir::resource_type(resource).unwrap().to_owned(),
            id: fhir::id(resource).unwrap().to_owned(),
            version: 1,
            last_updated: "2026-01-01T00:00:00.000Z".to_owned(),
            event_time: None,
            json: resource.to_string(),
        }
    }

    #[test]
    fn what_stays_out_says_why() {
        let patient = json!({"resourceType": "Patient", "id": "p"});
        let subject = json!({"reference": "Patient/p"});
        let wrong = json!({"coding": [{"code": "entered-in-error"}]});
        let refuted = json!({"coding": [{"code": "refuted"}]});
        let records = [
            json!({"resourceType": "Condition", "id": "kept", "subject": subject}),
            json!({"resourceType": "Condition", "id": "wrong", "subject": subject, "verificationStatus": wrong}),
            json!({"resourceType": "AllergyIntolerance", "id": "no", "patient": subject, "verificationStatus": refuted}),
            json!({"resourceType": "Observation", "id": "wait", "subject": subject, "status": "registered"}),
            json!({"resourceType": "Observation", "id": "other", "subject": {"reference": "Patient/q"}, "status": "final"}),
            json!({"resourceType": "Encounter", "id": "visit", "subject": subject}),
        ];
        let gathered = choose(&stored(&patient), &records.iter().map(stored).collect::<Vec<_>>()).unwrap();
        let kept: Vec<_> = gathered.chosen.iter().map(|(section, record)| (*section, record.id.as_str())).collect();
        assert_eq!(kept, [("problems", "kept")]);
        let out: Vec<_> = gathered.left_out.iter().map(|out| (out.id.as_str(), out.reason.as_str())).collect();
        assert_eq!(
            out,
            [
                ("wrong", "entered-in-error"),
                ("no", "refuted"),
                ("wait", "not-final"),
                ("other", "other-patient"),
                ("visit", "no-section")
            ]
        );
    }
}
