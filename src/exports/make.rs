//! Making an export: step by step, each a short reading, then a commit of its pieces and of how far it has come, under the
//! lease. While one step is packed and committed the next is read.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::SignedDuration;

use super::ask::{Asked, ExportError, later};
use super::choose::{Choice, prepare};
use super::pack::{Lines, packed};
use crate::clock::instant;
use crate::exchange::Institution;
use crate::store::audit::AuditEntry;
use crate::store::exports::{AsOf, Export, ExportStatus, Piece, UNPREPARED};
use crate::store::{Change, Changes, Expect, StoreError};

/// A lease is good for this long; each step renews it.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(10);
/// Bytes of lines gathered in a step.
const STEP: usize = 8 << 20;
/// Bytes of lines in a piece, about.
const PIECE: usize = 1 << 20;
/// Resources looked at in a step: where few of them are chosen, the lease must be renewed all the same.
const MOST: usize = 100_000;
/// `reached` of an export that is complete.
const COMPLETE: i64 = i64::MAX;

/// Makes what is left of an export, until it is done or `is_stopped` says that the node stops. Blocks.
pub(super) fn make(
    here: &Institution,
    export: &Export,
    lease: &str,
    hours: u64,
    is_stopped: &dyn Fn() -> bool,
) -> Result<(), ExportError> {
    let asked = Asked::of(export)?;
    let mut reached = export.reached;
    if reached == UNPREPARED {
        let pieces = here.store.view(|view| prepare(view, export, &asked, &here.config.namespace))?;
        reached = 0;
        commit(here, export, lease, pieces, reached)?;
    }
    let choice = here.store.view(|view| Choice::read(view, export, &asked))?;
    let mut numbers: BTreeMap<String, u64> = here
        .store
        .view(|view| view.export_files(&export.id))?
        .into_iter()
        .map(|file| (file.file, file.pieces.last().map_or(0, |last| last.number + 1)))
        .collect();
    let read = |behind: i64| read(here, export, &asked, &choice, behind);
    let mut step = if reached == COMPLETE { Step::default() } else { read(reached)? };
    while reached != COMPLETE {
        if is_stopped() {
            return give_back(here, export, lease);
        }
        let (now_at, lines) = (step.reached, std::mem::take(&mut step.lines));
        let next = std::thread::scope(|scope| {
            let next = (now_at != COMPLETE).then(|| scope.spawn(|| read(now_at)));
            let pieces = all_packed(&lines, &mut numbers);
            drop(lines);
            let committed = commit(here, export, lease, pieces, now_at);
            let next = next.map(|next| next.join().unwrap_or(Err(StoreError::Closed.into()))).transpose();
            committed.and(next)
        })?;
        reached = now_at;
        step = next.unwrap_or_default();
    }
    done(here, export, lease, hours)
}

/// What a step has read.
#[derive(Default)]
struct Step {
    lines: Vec<Lines>,
    reached: i64,
}

fn read(here: &Institution, export: &Export, asked: &Asked, choice: &Choice, behind: i64) -> Result<Step, ExportError> {
    let as_of =
        AsOf { behind, moment: &export.moment, since: asked.since.as_deref(), kinds: &asked.kinds, at_most: MOST };
    let (mut open, mut full, mut bytes) = (BTreeMap::<String, Lines>::new(), Vec::new(), 0);
    let reached = here.store.view(|view| {
        view.each_as_of(&as_of, &mut |held| {
            if !choice.includes(&held) {
                return ControlFlow::Continue(());
            }
            if !open.contains_key(held.kind) {
                let lines = Lines { file: held.kind.to_owned(), ..Lines::default() };
                open.insert(held.kind.to_owned(), lines);
            }
            if let Some(lines) = open.get_mut(held.kind) {
                lines.add(held.json);
                if lines.text.len() >= PIECE {
                    full.extend(open.remove(held.kind));
                }
            }
            bytes += held.json.len();
            if bytes >= STEP { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    })?;
    full.extend(open.into_values());
    Ok(Step { lines: full, reached })
}

/// Packs all lines, on two threads: what is read next is read on a third, which has less to do.
fn all_packed(lines: &[Lines], numbers: &mut BTreeMap<String, u64>) -> Vec<Piece> {
    let mut places = Vec::with_capacity(lines.len());
    for one in lines {
        let next = numbers.entry(one.file.clone()).or_default();
        places.push((one, *next));
        *next += 1;
    }
    let (next, pieces) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(places.len())));
    let work = || {
        while let Some((lines, number)) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            let piece = packed(lines, *number);
            pieces.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        }
    };
    std::thread::scope(|scope| {
        if places.len() > 1 {
            scope.spawn(work);
        }
        work();
    });
    pieces.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Commits pieces, and with them how far the export has come; renews the lease.
fn commit(
    here: &Institution,
    export: &Export,
    lease: &str,
    pieces: Vec<Piece>,
    reached: i64,
) -> Result<(), ExportError> {
    let until = here.clock.now().checked_add(LEASE).unwrap_or(jiff::Timestamp::MAX);
    let (id, lease) = (export.id.clone(), lease.to_owned());
    let changes = Changes::new()
        .expecting(Expect::ExportLeased { id: id.clone(), lease: lease.clone() })
        .with(Change::AddPieces { id: id.clone(), pieces, reached })
        .with(Change::LeaseExport { id, lease, until: instant(until) });
    Ok(here.store.commit(changes)?)
}

/// Lets others continue at once.
fn give_back(here: &Institution, export: &Export, lease: &str) -> Result<(), ExportError> {
    let (id, lease) = (export.id.clone(), lease.to_owned());
    let changes = Changes::new()
        .expecting(Expect::ExportLeased { id: id.clone(), lease: lease.clone() })
        .with(Change::LeaseExport { id, lease, until: here.now() });
    Ok(here.store.commit(changes)?)
}

fn done(here: &Institution, export: &Export, lease: &str, hours: u64) -> Result<(), ExportError> {
    let now = here.clock.now();
    let expires_at = Some(later(now, hours));
    end(here, export, lease, ExportStatus::Done, None, expires_at)
}

/// Ends an export under its lease, and writes that down.
pub(super) fn end(
    here: &Institution,
    export: &Export,
    lease: &str,
    status: ExportStatus,
    error: Option<String>,
    expires_at: Option<String>,
) -> Result<(), ExportError> {
    let made = here.store.view(|view| view.export(&export.id))?.map_or(0, |export| export.resources);
    let detail = serde_json::json!({"resources": made, "for": export.owner, "error": error});
    let changes = Changes::new()
        .expecting(Expect::ExportLeased { id: export.id.clone(), lease: lease.to_owned() })
        .with(Change::EndExport { id: export.id.clone(), status, error, expires_at })
        .with(Change::Audit(AuditEntry {
            at: here.now(),
            actor: "node".to_owned(),
            action: format!("export.{}", status.as_str()),
            target: export.id.clone(),
            detail: detail.to_string(),
        }));
    Ok(here.store.commit(changes)?)
}
