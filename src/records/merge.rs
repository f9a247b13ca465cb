//! Two records of one person: the one that ends says where it goes on (`Patient.link`, replaced-by), and everything about
//! the patient stands under the one that goes on. The earlier versions stay in the history.

use serde_json::Value;

use super::accept::{Accepted, Done, EntryOutcome, Origin};
use super::index;
use crate::fhir::reference;
use crate::store::records::{ResourceWrite, StoredResource};
use crate::store::{Change, Expect, StoreError, View};

/// A record that goes on in one that goes on in another … more is a circle.
const MAX_STEPS: usize = 16;

/// The logical id of the patient in which `patient` goes on; `None` if it has not ended.
pub(super) fn survivor(view: &dyn View, patient: &StoredResource) -> Result<Option<String>, StoreError> {
    let mut at = replaced_by(&patient.json);
    for _ in 0..MAX_STEPS {
        let Some(id) = &at else { return Ok(None) };
        let next = match view.resource("Patient", id)? {
            Some(next) => replaced_by(&next.json),
            None => None,
        };
        match next {
            Some(next) if next != patient.id => at = Some(next),
            _ => break,
        }
    }
    Ok(at)
}

/// The patient that an inactive one was replaced by.
fn replaced_by(patient: &str) -> Option<String> {
    if !patient.contains("replaced-by") {
        return None;
    }
    let patient: Value = serde_json::from_str(patient).ok()?;
    if patient.get("active") != Some(&Value::Bool(false)) {
        return None;
    }
    let links = patient.get("link").and_then(Value::as_array)?;
    let link = links.iter().find(|link| link["type"] == "replaced-by")?;
    let (_, id) = reference::split(link.pointer("/other/reference")?.as_str()?)?;
    Some(id.to_owned())
}

/// Brings everything about `ended` under the patient in which it goes on, as new versions.
pub(super) fn bring_over(
    view: &dyn View,
    accepted: &mut Accepted,
    now: &str,
    ended: &str,
    origin: &Origin,
) -> Result<(), StoreError> {
    let written = accepted.changes.iter().rev().find_map(|change| match change {
        Change::PutResource(write) if write.resource.kind == "Patient" && write.resource.id == ended => {
            replaced_by(&write.resource.json)
        }
        _ => None,
    });
    let Some(survivor) = written.filter(|survivor| survivor != ended) else { return Ok(()) };
    let (from, to) = (format!("Patient/{ended}"), format!("Patient/{survivor}"));
    for stored in view.compartment(ended)? {
        let in_bundle = accepted.entries.iter().any(|entry| entry.kind == stored.kind && entry.id == stored.id);
        if stored.kind == "Patient" || in_bundle {
            continue;
        }
        let Ok(mut resource) = serde_json::from_str::<Value>(&stored.json) else { continue };
        reference::rewrite(&mut resource, &mut |target| (target == from).then(|| to.clone()));
        let version = stored.version + 1;
        resource["meta"]["versionId"] = Value::from(version.to_string());
        resource["meta"]["lastUpdated"] = Value::from(now);
        let (kind, id) = (stored.kind, stored.id);
        accepted.expect.push(Expect::ResourceVersion {
            kind: kind.clone(),
            id: id.clone(),
            version: Some(stored.version),
        });
        accepted.entries.push(EntryOutcome { kind: kind.clone(), id: id.clone(), version, done: Done::Updated });
        accepted.changes.push(Change::PutResource(ResourceWrite {
            index: match &origin.meaning {
                Some(meaning) => index::rows(&meaning.beside(resource.clone())),
                None => index::rows(&resource),
            },
            patient: reference::patient_of(&resource).map(str::to_owned),
            resource: StoredResource {
                kind,
                id,
                version,
                last_updated: now.to_owned(),
                event_time: stored.event_time,
                json: resource.to_string(),
            },
            message_id: origin.message_id.clone(),
        }));
    }
    Ok(())
}
