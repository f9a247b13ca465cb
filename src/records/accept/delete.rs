//! Deletions. What others refer to stays, unless they go or change in the same act; records about records (Provenance,
//! AuditEvent) hold nothing back.

use std::collections::HashSet;

use serde_json::Value;

use super::target::Target;
use super::{AcceptError, Accepted, Done, EntryOutcome, Origin};
use crate::fhir::reference;
use crate::store::{Change, Expect, View};

/// Referrers that are named in a refusal.
const NAMED: usize = 3;

/// Deletes what the target is, if it is there.
pub(super) fn delete(
    view: &dyn View,
    accepted: &mut Accepted,
    now: &str,
    target: Target,
    present: &HashSet<(String, String)>,
    origin: &Origin,
) -> Result<(), AcceptError> {
    let Target { kind, id, existing, deleted, .. } = target;
    let Some(existing) = existing else {
        let outcome = EntryOutcome { kind, id, version: deleted.unwrap_or(0), done: Done::Absent };
        accepted.entries.push(outcome);
        return Ok(());
    };
    if origin.keep_referred {
        let except: Vec<(String, String)> =
            present.iter().filter(|one| **one != (kind.clone(), id.clone())).cloned().collect();
        let referrers = view.referrers(&kind, &id, except.len() + NAMED)?;
        let others: Vec<String> = referrers
            .iter()
            .filter(|one| !except.contains(one))
            .take(NAMED)
            .map(|(kind, id)| format!("{kind}/{id}"))
            .collect();
        if !others.is_empty() {
            return Err(AcceptError::Referred { target: format!("{kind}/{id}"), referrers: others.join(", ") });
        }
        accepted.expect.push(Expect::Unreferred { kind: kind.clone(), id: id.clone(), except });
    }
    let version = existing.version + 1;
    accepted.expect.push(Expect::ResourceVersion {
        kind: kind.clone(),
        id: id.clone(),
        version: Some(existing.version),
    });
    accepted.changes.push(Change::DeleteResource { kind: kind.clone(), id: id.clone(), version, at: now.to_owned() });
    accepted.entries.push(EntryOutcome { kind, id, version, done: Done::Deleted });
    Ok(())
}

/// Refuses an act that writes a reference to what it deletes.
pub(super) fn none_written_refers_to(
    accepted: &Accepted,
    deleted: &[(String, String)],
    origin: &Origin,
) -> Result<(), AcceptError> {
    if deleted.is_empty() || !origin.keep_referred {
        return Ok(());
    }
    for change in &accepted.changes {
        let Change::PutResource(write) = change else { continue };
        let Ok(mut resource) = serde_json::from_str::<Value>(&write.resource.json) else { continue };
        if matches!(write.resource.kind.as_str(), "Provenance" | "AuditEvent") {
            continue;
        }
        let mut refers_to = None;
        reference::rewrite(&mut resource, &mut |target| {
            let gone = reference::split(target)
                .is_some_and(|(kind, id)| deleted.iter().any(|(other, its)| other == kind && its == id));
            if gone {
                refers_to = Some(target.to_owned());
            }
            None
        });
        if let Some(target) = refers_to {
            let referrers = format!("{}/{}", write.resource.kind, write.resource.id);
            return Err(AcceptError::Referred { target, referrers });
        }
    }
    Ok(())
}
