//! A resource becomes a new version, or turns out to be none.

use serde_json::{Value, json};

use super::target::Target;
use super::{AcceptError, Accepted, Done, EntryOutcome, Meeting, Origin};
use crate::fhir::reference;
use crate::records::index;
use crate::store::records::{IndexRow, ResourceWrite, StoredResource};
use crate::store::{Change, Expect};

/// Adds to `accepted` what writing `resource` to its target changes.
pub(super) fn put(
    accepted: &mut Accepted,
    now: &str,
    mut resource: Value,
    target: Target,
    origin: &Origin,
    meeting: Meeting,
) -> Result<(), AcceptError> {
    let Target { kind, id, existing, deleted, leave, absent, .. } = target;
    let merged = meeting == Meeting::Merged;
    set_id(&mut resource, &id);
    let patient = reference::patient_of(&resource).map(str::to_owned);
    // A person deleted it. People and places that a new message needs come back; what is about a patient does not by itself.
    if deleted.is_some() && origin.message_id.is_some() && patient.is_some() {
        return Err(AcceptError::Gone { target: format!("{kind}/{id}") });
    }
    if accepted.patient.is_none() {
        accepted.patient.clone_from(&patient);
    }
    let before = existing.as_ref().map(|found| found.version).or(deleted);
    let recorded_time = existing.as_ref().and_then(|found| found.event_time.as_deref());
    let older = is_older(origin.event_time.as_deref(), recorded_time);
    let event_time = match meeting {
        Meeting::Mentioned => None,
        _ if older => recorded_time.map(str::to_owned),
        _ => origin.event_time.clone(),
    };
    let done = match &existing {
        None => Done::Created,
        Some(_) if leave => Done::Unchanged,
        Some(found) if same_content(&found.json, &resource) => {
            if older && merged {
                Done::Older
            } else {
                Done::Unchanged
            }
        }
        Some(_) if older && !merged => Done::Older,
        Some(_) => Done::Updated,
    };
    // The same again, later: nothing new, but what happened between the two must not undo it.
    if let (Some(found), Done::Unchanged) = (&existing, done)
        && !leave
        && event_time.is_some()
        && event_time.as_deref() > recorded_time
    {
        let (kind, id, version) = (kind.clone(), id.clone(), found.version);
        accepted.expect.push(Expect::ResourceVersion { kind: kind.clone(), id: id.clone(), version: Some(version) });
        accepted.changes.push(Change::ConfirmResource { kind, id, version, event_time: event_time.clone() });
    }
    let writes = matches!(done, Done::Created | Done::Updated);
    let version = before.unwrap_or(0) + u64::from(writes);
    accepted.entries.push(EntryOutcome { kind: kind.clone(), id: id.clone(), version, done });
    if !writes {
        return Ok(());
    }
    stamp(&mut resource, version, now);
    if let Some((system, value)) = absent {
        accepted.expect.push(Expect::NoneIdentified { kind: kind.clone(), system, value });
    }
    accepted.expect.push(Expect::ResourceVersion { kind: kind.clone(), id: id.clone(), version: before });
    accepted.changes.push(Change::PutResource(ResourceWrite {
        index: rows(&resource, origin),
        resource: StoredResource {
            kind,
            id,
            version,
            last_updated: now.to_owned(),
            event_time,
            json: resource.to_string(),
        },
        patient,
        message_id: origin.message_id.clone(),
    }));
    Ok(())
}

/// What the resource is found by: what it says, and what that means.
fn rows(resource: &Value, origin: &Origin) -> Vec<IndexRow> {
    match &origin.meaning {
        Some(meaning) if !origin.harmonised => index::rows(&meaning.beside(resource.clone())),
        _ => index::rows(resource),
    }
}

/// Both times known and the new one earlier. An unknown time never loses against a known one: it may be newer.
fn is_older(new: Option<&str>, recorded: Option<&str>) -> bool {
    matches!((new, recorded), (Some(new), Some(recorded)) if new < recorded)
}

/// `id` right after `resourceType`, as FHIR's examples write it.
fn set_id(resource: &mut Value, id: &str) {
    if let Value::Object(members) = resource {
        members.shift_remove("id");
        members.shift_insert(1.min(members.len()), "id".to_owned(), json!(id));
    }
}

fn stamp(resource: &mut Value, version: u64, now: &str) {
    if let Value::Object(members) = resource {
        let place = 2.min(members.len());
        let mut meta = members.shift_remove("meta").filter(Value::is_object).unwrap_or_else(|| json!({}));
        meta["versionId"] = json!(version.to_string());
        meta["lastUpdated"] = json!(now);
        members.shift_insert(place, "meta".to_owned(), meta);
    }
}

/// Whether the stored JSON says the same, apart from version and time of update.
fn same_content(stored: &str, new: &Value) -> bool {
    let Ok(mut stored) = serde_json::from_str::<Value>(stored) else { return false };
    let mut new = new.clone();
    for resource in [&mut stored, &mut new] {
        if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
            meta.shift_remove("versionId");
            meta.shift_remove("lastUpdated");
            if meta.is_empty()
                && let Value::Object(members) = resource
            {
                members.shift_remove("meta");
            }
        }
    }
    stored == new
}
