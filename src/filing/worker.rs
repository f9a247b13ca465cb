//! Bringing messages to the local systems. The oldest of each destination is leased, brought, and its answer recorded; a
//! message that cannot be brought holds up those behind it, and no other destination.
//!
//! A message whose answer was lost is sent again with the same bytes and control id, by which the local system tells a
//! repeat. What is refused (AR), or not taken for long enough, is given up and shown; a person can have it tried again.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::folder;
use super::mllp::{self, Answer};
use crate::clock::instant;
use crate::config::DestinationConfig;
use crate::exchange::Institution;
use crate::ids;
use crate::store::audit::AuditEntry;
use crate::store::filings::Filing;
use crate::store::{Change, Changes, CommitError, Expect, StoreError};

/// How often the worker looks for what has become due.
const TICK: Duration = Duration::from_millis(500);
/// A lease is this much longer than an attempt, so that its end still finds it held.
const GRACE: SignedDuration = SignedDuration::from_secs(10);
/// Longest error text kept.
const LONGEST_ERROR: usize = 300;

/// Works until `shutdown` becomes true, then, within one attempt's time, finishes what is under way.
pub async fn run(here: Institution, mut shutdown: watch::Receiver<bool>) {
    let mut under_way = JoinSet::new();
    while !*shutdown.borrow() {
        while under_way.try_join_next().is_some() {}
        let mut brought = false;
        for filing in due(&here).await {
            let lease = ids::fresh();
            if take(&here, &filing, &lease).await {
                brought = true;
                let here = here.clone();
                under_way.spawn(async move { bring(&here, filing, &lease).await });
            }
        }
        let pause = if brought { Duration::ZERO } else { TICK };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            Some(_) = under_way.join_next() => {}
            changed = shutdown.changed() => if changed.is_err() { break },
        }
    }
    let patience = Duration::from_secs(here.filing.attempt_seconds);
    let _ = tokio::time::timeout(patience, async { while under_way.join_next().await.is_some() {} }).await;
}

async fn due(here: &Institution) -> Vec<Filing> {
    if here.filing.destinations.is_empty() {
        return Vec::new();
    }
    let now = here.now();
    let found: Result<Vec<Filing>, StoreError> = here.store.read(move |view| view.filings_due(&now)).await;
    found.unwrap_or_else(|error| {
        tracing::error!(%error, "messages for local systems cannot be read");
        Vec::new()
    })
}

/// Leases it, unless another worker was quicker.
async fn take(here: &Institution, filing: &Filing, lease: &str) -> bool {
    let now = here.clock.now();
    let attempt = SignedDuration::from_secs(i64::try_from(here.filing.attempt_seconds).unwrap_or(i64::MAX / 4));
    let until = now.checked_add(attempt + GRACE).unwrap_or(Timestamp::MAX);
    let (id, lease) = (filing.id.clone(), lease.to_owned());
    let changes = Changes::new()
        .expecting(Expect::FilingFree { id: id.clone(), now: instant(now) })
        .with(Change::LeaseFiling { id, lease, until: instant(until) });
    here.store.write(changes).await.is_ok()
}

/// What an attempt came to.
enum Attempt {
    Filed(String),
    Failed { error: String, answer: Option<String>, for_good: bool },
}

async fn bring(here: &Institution, mut filing: Filing, lease: &str) {
    filing.attempts += 1;
    let destination = here.filing.destinations.iter().find(|one| one.name == filing.destination);
    let attempt = match destination {
        Some(destination) => attempt(here, destination, &filing).await,
        None => failed("there is no destination of this name any more", true),
    };
    let now = here.clock.now();
    let (id, at) = (filing.id.clone(), instant(now));
    let changes = match attempt {
        Attempt::Filed(answer) => {
            let note = audit(&filing, "filing.filed", &at);
            Changes::new().with(Change::Filed { id, answer, at }).with(note)
        }
        Attempt::Failed { error, answer, for_good } if for_good || is_overdue(here, &filing, now) => {
            tracing::warn!(destination = %filing.destination, id = %filing.id, "a message for a local system was given up");
            let note = audit(&filing, "filing.give-up", &at);
            Changes::new().with(Change::GiveUpFiling { id, error, answer }).with(note)
        }
        Attempt::Failed { error, .. } => {
            let at = next_attempt(here, &filing, now);
            Changes::new().with(Change::RetryFiling { id, at, error })
        }
    };
    let changes = changes.expecting(Expect::FilingLeased { id: filing.id.clone(), lease: lease.to_owned() });
    match here.store.write(changes).await {
        Ok(()) | Err(CommitError::Unexpected(_)) => {}
        // The lease ends by itself and the message is tried again, under its control id.
        Err(error) => {
            tracing::error!(id = %filing.id, %error, "what became of a message for a local system was not recorded")
        }
    }
}

async fn attempt(here: &Institution, destination: &DestinationConfig, filing: &Filing) -> Attempt {
    if let Some(address) = &destination.mllp {
        let patience = Duration::from_secs(here.filing.attempt_seconds);
        let tls = destination.tls.as_ref().map(|tls| (tls, Arc::clone(&here.clock)));
        return match mllp::send(address, tls, &filing.control_id, &filing.body, patience).await {
            Ok(Answer::Taken(code)) => Attempt::Filed(code),
            Ok(Answer::Later(told)) => {
                Attempt::Failed { error: format!("the system answered {told}"), answer: Some(told), for_good: false }
            }
            Ok(Answer::Never(told)) => {
                Attempt::Failed { error: format!("the system answered {told}"), answer: Some(told), for_good: true }
            }
            Err(error) => failed(&error, false),
        };
    }
    let Some(root) = destination.folder.clone().or_else(|| destination.ssmix2.clone()) else {
        return failed("the destination has no address", true);
    };
    let (path, body) = (filing.path.clone(), filing.body.clone());
    let written = tokio::task::spawn_blocking(move || folder::write(&root, &path, &body)).await;
    match written {
        Ok(Ok(())) => Attempt::Filed("stored".to_owned()),
        // Not the path: in an extended storage it carries the patient's number.
        Ok(Err(error)) => failed(&error.to_string(), error.kind() == std::io::ErrorKind::InvalidInput),
        Err(_) => failed("the file could not be written", false),
    }
}

fn failed(error: &str, for_good: bool) -> Attempt {
    Attempt::Failed { error: error.chars().take(LONGEST_ERROR).collect(), answer: None, for_good }
}

fn is_overdue(here: &Institution, filing: &Filing, now: Timestamp) -> bool {
    let limit = SignedDuration::from_hours(i64::try_from(here.filing.give_up_hours).unwrap_or(i64::MAX / 3600));
    filing.created_at.parse::<Timestamp>().is_ok_and(|created| now.duration_since(created) >= limit)
}

/// Doubling waits up to the longest.
fn next_attempt(here: &Institution, filing: &Filing, now: Timestamp) -> String {
    let doubled = here.filing.first_retry_seconds.max(1).saturating_mul(1 << filing.attempts.saturating_sub(1).min(30));
    let wait = doubled.min(here.filing.longest_retry_seconds.max(1));
    let wait = SignedDuration::from_secs(i64::try_from(wait).unwrap_or(i64::MAX / 4));
    instant(now.checked_add(wait).unwrap_or(Timestamp::MAX))
}

fn audit(filing: &Filing, action: &str, at: &str) -> Change {
    let detail = serde_json::json!({
        "destination": filing.destination, "kind": filing.kind, "control_id": filing.control_id,
        "attempts": filing.attempts, "body_sha256": ids::sha256_hex(&filing.body),
    });
    Change::Audit(AuditEntry {
        at: at.to_owned(),
        actor: "node".to_owned(),
        action: action.to_owned(),
        target: filing.referral.clone(),
        detail: detail.to_string(),
    })
}
