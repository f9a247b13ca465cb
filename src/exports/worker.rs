//! Who works at exports: each replica looks for one that waits, leases it and makes it, and takes away what is over. What a
//! dead replica held is continued by another when its lease ends.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::ask::ExportError;
use super::make::{self, LEASE};
use crate::access::limits::{self, Limits};
use crate::access::{Role, Staff};
use crate::clock::instant;
use crate::config::AccessConfig;
use crate::exchange::Institution;
use crate::ids;
use crate::store::exports::{Export, ExportStatus};
use crate::store::{Change, Changes, Expect, StoreError};

/// Between two looks.
const TICK: Duration = Duration::from_millis(400);
/// Pieces taken away in one commit, so that others write in between.
const PIECES: u64 = 16;
/// Exports looked at, of which something is to be taken away.
const OVER: usize = 8;

/// Works until `shutdown` becomes true; files stay for `hours` when they are done. What `access` withholds from whoever asked for
/// an export is not in it.
pub async fn run(here: Institution, access: AccessConfig, hours: u64, shutdown: watch::Receiver<bool>) {
    let mut stop = shutdown.clone();
    while !*stop.borrow() {
        let (here, access, shutdown) = (here.clone(), access.clone(), shutdown.clone());
        let worked = tokio::task::spawn_blocking(move || look(&here, &access, hours, &shutdown)).await;
        let is_idle = match worked {
            Ok(Ok(worked)) => !worked,
            Ok(Err(error)) => {
                tracing::warn!(%error, "exports were interrupted; they go on later");
                true
            }
            Err(_) => true,
        };
        let pause = if is_idle { TICK } else { Duration::ZERO };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = stop.changed() => if changed.is_err() { break },
        }
    }
}

/// Does what is there to do; whether there was something.
fn look(
    here: &Institution,
    access: &AccessConfig,
    hours: u64,
    shutdown: &watch::Receiver<bool>,
) -> Result<bool, StoreError> {
    let now = here.now();
    let (due, over) =
        here.store.view(|view| Ok::<_, StoreError>((view.exports_due(&now, 1)?, view.exports_over(&now, OVER)?)))?;
    for id in &over {
        let change = Change::TakeAwayExport { id: id.clone(), pieces: PIECES };
        here.store.commit(Changes::new().with(change)).map_err(|error| StoreError::Database(error.to_string()))?;
    }
    let Some(export) = due.into_iter().next() else { return Ok(!over.is_empty()) };
    let lease = ids::fresh();
    if !take(here, &export, &lease) {
        return Ok(!over.is_empty());
    }
    // As it is under the lease: the one that was read may have been continued since.
    let Some(export) = here.store.view(|view| view.export(&export.id))? else { return Ok(true) };
    let seen = as_its_owner(here, access, &export);
    match seen.and_then(|seen| make::make(&seen, &export, &lease, hours, &|| *shutdown.borrow())) {
        Ok(()) | Err(ExportError::Taken) => Ok(true),
        // The lease ends by itself, and whoever is there goes on.
        Err(ExportError::Store(error)) => Err(error),
        Err(error) => {
            tracing::warn!(export = %export.id, %error, "an export failed");
            let failed = make::end(here, &export, &lease, ExportStatus::Failed, Some(error.to_string()), None);
            failed.or_else(|error| if let ExportError::Store(error) = error { Err(error) } else { Ok(()) })?;
            Ok(true)
        }
    }
}

/// The institution as the owner of an export may see it now: what was withdrawn since it was asked for is withheld, too.
fn as_its_owner(here: &Institution, access: &AccessConfig, export: &Export) -> Result<Institution, ExportError> {
    let staff = Staff { user: export.owner.clone(), role: Role::System };
    let limits = match export.owner.strip_prefix("client:") {
        Some(client) => match here.store.view(|view| view.client(client))? {
            Some(client) => Limits::of_client(access, &client).map_err(|_| ExportError::Gone)?,
            None => return Err(ExportError::Gone),
        },
        None => Limits::of_role(access, staff.role),
    };
    let store = limits::permitted(&here.store, Arc::clone(&here.clock), &staff, &limits);
    Ok(Institution { store, ..here.clone() })
}

/// Leases it, unless another worker was quicker.
fn take(here: &Institution, export: &Export, lease: &str) -> bool {
    let now = here.clock.now();
    let until = now.checked_add(LEASE).unwrap_or(Timestamp::MAX);
    let (id, lease) = (export.id.clone(), lease.to_owned());
    let changes = Changes::new()
        .expecting(Expect::ExportFree { id: id.clone(), now: instant(now) })
        .with(Change::LeaseExport { id, lease, until: instant(until) });
    here.store.commit(changes).is_ok()
}
