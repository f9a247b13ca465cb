//! New resources become part of the record: a transaction bundle is resolved against what is there and becomes one list
//! of changes. Nothing is written here; the caller commits the changes together with its own.
//!
//! Rules of <https://hl7.org/fhir/R4/http.html#transaction>, and of the gateway: the same content again is no new
//! version; an event older than the one recorded does not overwrite it; a bundle is taken whole or not at all.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::{amend, condition, index, merge, retire};
use crate::fault::{Classified, Kind};
use crate::fhir::structure::{self, StructureError};
use crate::fhir::{self, bundle, reference};
use crate::ids;
use crate::store::records::{ResourceWrite, StoredResource};
use crate::store::{Change, Expect, StoreError, View};
use crate::translate::Amendment;

/// Entries of one bundle at most, beside the Provenance of where it came from.
pub const MAX_ENTRIES: usize = 5_000;

/// Where a bundle comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The received message, for the history.
    pub message_id: Option<String>,
    /// The event's own time, RFC 3339 UTC; the later event wins.
    pub event_time: Option<String>,
    /// How things created get their ids.
    pub new_ids: NewIds,
    /// What entries leave as it is recorded, for translated sources; the entries of a stranger replace all.
    pub amendments: Vec<Amendment>,
    /// The bundle is the whole of what this source says: what the source said before and the bundle lacks is withdrawn.
    pub whole_of: Option<String>,
}

/// How things created get their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NewIds {
    /// At random: a stranger does not choose ids.
    #[default]
    Fresh,
    /// The entry's `urn:uuid`. Only for bundles of our own translation, whose UUIDs are derived from business
    /// identifiers.
    OfFullUrl,
    /// Derived from this text and the entry's `fullUrl`: the same file again finds the same things, another file does not.
    DerivedFrom(String),
}

/// What a bundle does to the record.
#[derive(Debug, Default)]
pub struct Accepted {
    /// What must still hold at commit.
    pub expect: Vec<Expect>,
    /// What is written.
    pub changes: Vec<Change>,
    /// Outcome of each entry, in order.
    pub entries: Vec<EntryOutcome>,
    /// Logical id of the first patient the bundle is about.
    pub patient: Option<String>,
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryOutcome {
    /// Resource type.
    pub kind: String,
    /// Logical id.
    pub id: String,
    /// Version after.
    pub version: u64,
    /// What happened.
    pub done: Done,
}

/// What happened to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// A new resource.
    Created,
    /// A new version.
    Updated,
    /// The same content was there already.
    Unchanged,
    /// A later event was there already; this one is kept with its message only.
    Older,
}

/// Why a bundle is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Not a transaction bundle, an entry without resource or request, too many entries.
    #[error("{0}")]
    Malformed(String),
    /// An entry's resource is not valid FHIR R4.
    #[error("entry {entry}: {cause}")]
    Structure {
        /// Position, from 0.
        entry: usize,
        /// What is wrong.
        cause: StructureError,
    },
    /// Two entries write the same resource.
    #[error("entry {entry} writes {target}, which an entry before it writes too")]
    Twice {
        /// Position, from 0.
        entry: usize,
        /// `Type/id`.
        target: String,
    },
    /// A conditional request matches several resources.
    #[error("entry {entry}: the condition matches more than one {kind}; merge them first")]
    Ambiguous {
        /// Position, from 0.
        entry: usize,
        /// Resource type.
        kind: String,
    },
    /// A reference leads nowhere.
    #[error("reference {0} leads to no entry of the bundle")]
    Dangling(String),
    /// Not built.
    #[error("entry {entry}: {method} is not served in a transaction by this release")]
    Method {
        /// Position, from 0.
        entry: usize,
        /// HTTP method.
        method: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for AcceptError {
    fn kind(&self) -> Kind {
        match self {
            Self::Malformed(_) => Kind::Malformed,
            Self::Structure { .. } | Self::Twice { .. } | Self::Dangling(_) => Kind::Unprocessable,
            Self::Ambiguous { .. } => Kind::PreconditionFailed,
            Self::Method { .. } => Kind::NotSupported,
            Self::Store(error) => error.kind(),
        }
    }
}

/// Resolves a transaction bundle against the record.
pub fn accept(view: &dyn View, now: &str, transaction: &Value, origin: &Origin) -> Result<Accepted, AcceptError> {
    accept_owned(view, now, transaction.clone(), origin)
}

/// [`accept`] of a bundle that is not needed afterwards.
pub fn accept_owned(
    view: &dyn View,
    now: &str,
    mut transaction: Value,
    origin: &Origin,
) -> Result<Accepted, AcceptError> {
    let entries = checked_entries(&transaction)?;
    let mut targets = Vec::with_capacity(entries.len());
    // A patient whose record has ended is found as it is, but what is said of it belongs to the one in which it goes on.
    let (mut addresses, mut own) = (HashMap::new(), HashMap::new());
    for (position, entry) in entries.iter().enumerate() {
        let target = resolve(view, position, entry, origin)?;
        if let Some(full_url) = entry.get("fullUrl").and_then(Value::as_str) {
            let survivor = match &target.existing {
                Some(patient) if target.kind == "Patient" => merge::survivor(view, patient)?,
                _ => None,
            };
            own.insert(full_url.to_owned(), format!("{}/{}", target.kind, target.id));
            let id = survivor.as_ref().unwrap_or(&target.id);
            addresses.insert(full_url.to_owned(), format!("{}/{id}", target.kind));
        }
        targets.push(target);
    }
    no_resource_twice(&targets)?;
    let mut accepted = Accepted::default();
    let present: HashSet<(String, String)> =
        targets.iter().map(|target| (target.kind.clone(), target.id.clone())).collect();
    let superseded = match &origin.whole_of {
        Some(source) => retire::is_superseded(view, source, origin.event_time.as_deref())?,
        None => false,
    };
    let mut ended = Vec::new();
    let entries = transaction.get_mut("entry").and_then(Value::as_array_mut).into_iter().flatten();
    for (entry, target) in entries.zip(targets) {
        let Some(mut resource) = entry.get_mut("resource").map(Value::take) else { continue };
        let is_patient = target.kind == "Patient";
        relink(&mut resource, if is_patient { &own } else { &addresses })?;
        let amendment = entry.get("fullUrl").and_then(|url| origin.amendments.iter().find(|a| *url == a.full_url));
        let meeting = lay_over(&mut resource, &target, amendment, origin.event_time.as_deref());
        if is_patient && resource.get("active") == Some(&Value::Bool(false)) {
            ended.push(target.id.clone());
        }
        if superseded && target.existing.is_none() {
            retire::withdraw_new(&mut resource);
        }
        put(&mut accepted, now, resource, target, origin, meeting);
    }
    for ended in ended {
        merge::bring_over(view, &mut accepted, now, &ended, origin.message_id.as_deref())?;
    }
    if let Some(source) = &origin.whole_of {
        for (stored, resource) in retire::withdrawn(view, source, &present, origin.event_time.as_deref())? {
            let (kind, id) = (stored.kind.clone(), stored.id.clone());
            let target = Target { kind, id, existing: Some(stored), leave: false, mentioned: false, absent: None };
            put(&mut accepted, now, resource, target, origin, Meeting::Replaces);
        }
    }
    Ok(accepted)
}

/// How a resource meets what is recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meeting {
    /// It takes the place of what is recorded, if it is later.
    Replaces,
    /// It is the recorded one with what the message adds to it, so that an earlier event counts too.
    Merged,
    /// The message only mentions it: whatever speaks of it, at whatever time, says more.
    Mentioned,
}

/// Lays what a message says over what is recorded.
fn lay_over(resource: &mut Value, target: &Target, amendment: Option<&Amendment>, time: Option<&str>) -> Meeting {
    let Some(amendment) = amendment else { return Meeting::Replaces };
    match &target.existing {
        None if target.mentioned && amendment.keep => {
            amend::mention(resource);
            Meeting::Mentioned
        }
        None => {
            amend::begin(resource, time, amendment);
            Meeting::Replaces
        }
        Some(_) if target.leave => Meeting::Replaces,
        Some(existing) => {
            let Ok(recorded) = serde_json::from_str(&existing.json) else { return Meeting::Replaces };
            amend::amend(&recorded, existing.event_time.as_deref(), resource, time, amendment);
            if amendment.keep { Meeting::Merged } else { Meeting::Replaces }
        }
    }
}

fn checked_entries(transaction: &Value) -> Result<Vec<&Value>, AcceptError> {
    if transaction.get("type").and_then(Value::as_str) != Some("transaction") {
        return Err(AcceptError::Malformed("Bundle.type must be transaction".to_owned()));
    }
    let entries: Vec<&Value> = bundle::entries(transaction).collect();
    let is_provenance = |entry: &&&Value| entry["resource"]["resourceType"] == "Provenance";
    let beside = usize::from(entries.last().filter(is_provenance).is_some());
    if entries.len() - beside > MAX_ENTRIES {
        return Err(AcceptError::Malformed(format!("a transaction may have at most {MAX_ENTRIES} entries")));
    }
    let addresses = entries.iter().filter_map(|entry| {
        let url = entry.get("fullUrl")?.as_str()?;
        Some((url, fhir::resource_type(entry.get("resource")?)?))
    });
    let addresses = addresses.collect();
    for (entry, content) in entries.iter().enumerate() {
        let resource =
            content.get("resource").ok_or_else(|| AcceptError::Malformed(format!("entry {entry} has no resource")))?;
        structure::check_entry(resource, &addresses).map_err(|cause| AcceptError::Structure { entry, cause })?;
    }
    Ok(entries)
}

/// The resource an entry writes.
struct Target {
    kind: String,
    id: String,
    existing: Option<StoredResource>,
    /// The condition `ifNoneExist` found it: leave it as it is.
    leave: bool,
    /// The entry makes it only where it is missing.
    mentioned: bool,
    /// Identifier of a condition that found nothing, and must still find nothing at commit.
    absent: Option<(String, String)>,
}

fn resolve(view: &dyn View, entry: usize, content: &Value, origin: &Origin) -> Result<Target, AcceptError> {
    let kind = fhir::resource_type(&content["resource"]).unwrap_or("").to_owned();
    let request = &content["request"];
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let missing = || AcceptError::Malformed(format!("entry {entry} has no request with method and url"));
    let (method, url) = (text("method").ok_or_else(missing)?, text("url").ok_or_else(missing)?);
    let condition = match (method, url.split_once('?')) {
        ("PUT", Some((_, query))) => Some((query, false)),
        ("POST", _) => text("ifNoneExist").map(|query| (query, true)),
        _ => None,
    };
    if let Some((query, leave)) = condition {
        let (system, value) = condition::identifier(query).ok_or_else(|| {
            AcceptError::Malformed(format!("entry {entry}: a condition must be one identifier=system|value"))
        })?;
        let mut found = view.by_identifier(&kind, &system, &value)?;
        if found.len() > 1 {
            return Err(AcceptError::Ambiguous { entry, kind });
        }
        if let Some(existing) = found.pop() {
            return Ok(Target {
                kind,
                id: existing.id.clone(),
                existing: Some(existing),
                leave,
                mentioned: leave,
                absent: None,
            });
        }
        let id = created_id(content, origin);
        // Something with this very id may be there under another identifier; then it is that one that is updated.
        let existing = view.resource(&kind, &id)?;
        let mentioned = leave;
        let leave = leave && existing.is_some();
        return Ok(Target { kind, id, existing, leave, mentioned, absent: Some((system, value)) });
    }
    match method {
        "PUT" => {
            let id = url.strip_prefix(&format!("{kind}/")).filter(|id| fhir::is_valid_id(id)).ok_or_else(|| {
                AcceptError::Malformed(format!("entry {entry}: request.url must be {kind}/id or {kind}?identifier=…"))
            })?;
            let existing = view.resource(&kind, id)?;
            Ok(Target { kind, id: id.to_owned(), existing, leave: false, mentioned: false, absent: None })
        }
        "POST" => {
            let id = created_id(content, origin);
            let existing = view.resource(&kind, &id)?;
            // An id derived from the source is there already: this very thing was created before.
            let leave = existing.is_some();
            Ok(Target { kind, id, existing, leave, mentioned: false, absent: None })
        }
        method => Err(AcceptError::Method { entry, method: method.to_owned() }),
    }
}

fn created_id(content: &Value, origin: &Origin) -> String {
    let full_url = content.get("fullUrl").and_then(Value::as_str);
    match (&origin.new_ids, full_url) {
        (NewIds::OfFullUrl, Some(url)) => {
            url.strip_prefix("urn:uuid:").filter(|id| fhir::is_valid_id(id)).map_or_else(ids::fresh, str::to_owned)
        }
        (NewIds::DerivedFrom(text), Some(url)) => ids::derived(&[text, url]),
        _ => ids::fresh(),
    }
}

fn no_resource_twice(targets: &[Target]) -> Result<(), AcceptError> {
    let (mut seen, mut conditions) = (HashSet::new(), HashSet::new());
    for (entry, target) in targets.iter().enumerate() {
        let condition_again = target.absent.as_ref().is_some_and(|absent| !conditions.insert((&target.kind, absent)));
        if condition_again || !seen.insert((&target.kind, &target.id)) {
            return Err(AcceptError::Twice { entry, target: format!("{}/{}", target.kind, target.id) });
        }
    }
    Ok(())
}

fn relink(resource: &mut Value, addresses: &HashMap<String, String>) -> Result<(), AcceptError> {
    let mut dangling = None;
    // A bundle that is kept as a whole has entries of its own, and its references lead to them.
    let mut inner = HashSet::new();
    if fhir::resource_type(resource) == Some("Bundle") {
        inner.extend(bundle::entries(resource).filter_map(|entry| entry.get("fullUrl")?.as_str()).map(str::to_owned));
    }
    reference::rewrite(resource, &mut |target| {
        if inner.contains(target) {
            return None;
        }
        let found = addresses.get(target).cloned();
        if found.is_none() && target.starts_with("urn:uuid:") {
            dangling.get_or_insert_with(|| target.to_owned());
        }
        found
    });
    dangling.map_or(Ok(()), |target| Err(AcceptError::Dangling(target)))
}

fn put(accepted: &mut Accepted, now: &str, mut resource: Value, target: Target, origin: &Origin, meeting: Meeting) {
    let Target { kind, id, existing, leave, absent, .. } = target;
    let merged = meeting == Meeting::Merged;
    set_id(&mut resource, &id);
    let patient = reference::patient_of(&resource).map(str::to_owned);
    if accepted.patient.is_none() {
        accepted.patient.clone_from(&patient);
    }
    let before = existing.as_ref().map(|found| found.version);
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
        return;
    }
    stamp(&mut resource, version, now);
    if let Some((system, value)) = absent {
        accepted.expect.push(Expect::NoneIdentified { kind: kind.clone(), system, value });
    }
    accepted.expect.push(Expect::ResourceVersion { kind: kind.clone(), id: id.clone(), version: before });
    accepted.changes.push(Change::PutResource(ResourceWrite {
        index: index::rows(&resource),
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
