//! A store that withholds: what is behind a door reads by it, and cannot read more.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};

use super::{Limits, Permitted};
use crate::access::Staff;
use crate::clock::{Clock, instant};
use crate::store::audit::AuditEntry;
use crate::store::deliveries::{Claim, Delivery};
use crate::store::requests::RequestRow;
use crate::store::{Change, Changes, CommitError, Condition, Expect, Handle, Health, Store, StoreError, View};

/// Consents that were warned of, at most.
const MOST_WARNED: usize = 10_000;

/// `store` as `staff` may see it. That something was asked for by its id and withheld is written to the audit trail.
pub fn permitted(store: &Handle, clock: Arc<dyn Clock>, staff: &Staff, limits: &Limits) -> Handle {
    if limits.is_none() {
        return store.clone();
    }
    let (inner, staff, limits) = (store.clone(), staff.clone(), limits.clone());
    Handle::new(Arc::new(Withholding { inner, clock, staff, limits, warned: Mutex::default() }))
}

struct Withholding {
    inner: Handle,
    clock: Arc<dyn Clock>,
    staff: Staff,
    limits: Limits,
    /// Consents that were warned of.
    warned: Mutex<std::collections::BTreeSet<String>>,
}

impl Withholding {
    /// Tells of Consents that are not understood, each once.
    fn warn(&self, unclear: Vec<String>) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        for consent in unclear {
            if warned.len() < MOST_WARNED && warned.insert(consent.clone()) {
                tracing::warn!(%consent, "a Consent is not wholly understood; where it might refuse, nothing is shown");
            }
        }
    }

    fn audit(&self, now: &str, withheld: &[String]) {
        if withheld.is_empty() {
            return;
        }
        let entry = AuditEntry {
            at: now.to_owned(),
            actor: self.staff.user.clone(),
            action: "record.withheld".to_owned(),
            target: withheld.join(" "),
            detail: String::new(),
        };
        if let Err(error) = self.inner.commit(Changes::new().with(Change::Audit(entry))) {
            tracing::warn!(%error, "that something was withheld could not be audited");
        }
    }
}

impl Store for Withholding {
    fn view(&self, read: &mut dyn FnMut(&dyn View) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let now = instant(self.clock.now());
        let (withheld, unclear) = self.inner.view(|view| {
            let permitted = Permitted::new(view, &self.limits, &now);
            read(&permitted)?;
            Ok::<_, StoreError>((permitted.withheld(), permitted.unclear()))
        })?;
        self.warn(unclear);
        self.audit(&now, &withheld);
        Ok(())
    }

    /// What is withheld was taken for absent when the changes were made; the expectation that it is fails.
    fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        let result = self.inner.commit(changes);
        if let Err(CommitError::Unexpected(Expect::ResourceVersion { kind, id, version: None })) = &result {
            let is_there = |view: &dyn View| view.last_version(kind, id).map(|found| found.is_some());
            if self.inner.view(is_there)?
                && !Handle::view(&self.inner, |view| {
                    let now = instant(self.clock.now());
                    let permitted = Permitted::new(view, &self.limits, &now);
                    crate::store::history::HistoryView::last_version(&permitted, kind, id).map(|found| found.is_some())
                })?
            {
                return Err(StoreError::Withheld(format!("{kind}/{id}")).into());
            }
        }
        result
    }

    fn note(&self, row: RequestRow, told: oneshot::Sender<Result<(), StoreError>>) {
        self.inner.pass_on(row, told);
    }

    fn claim(&self, claim: &Claim) -> Result<Vec<Delivery>, StoreError> {
        self.inner.claim(claim)
    }

    fn health(&self) -> Result<Health, StoreError> {
        self.inner.health()
    }

    fn condition(&self) -> watch::Receiver<Condition> {
        self.inner.condition()
    }

    fn is_doubtful(&self) -> bool {
        self.inner.is_doubtful()
    }

    fn check(&self) -> Result<(), StoreError> {
        self.inner.check()
    }
}
