//! Emptying the outbox: due messages are leased, posted, and their receipts verified. A retry repeats the identical
//! bytes and message signature under a fresh token. The store leases the oldest message of each stream: they go in order,
//! and what a peer does not take yet holds up its own stream only.
//!
//! Knows message ids, never contents: what a delivery means is told to an [`Outcome`] given by the node.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::transport::{BYTES_PER_SECOND, Reply, Transport};
use super::{Institution, ask, receipt};
use crate::clock::instant;
use crate::ids;
use crate::store::audit::AuditEntry;
use crate::store::deliveries::{Claim, Delivery};
use crate::store::peers::Peer;
use crate::store::{Change, Changes, CommitError, Expect, StoreError, View};
use crate::wire::submit_message;

/// Messages leased in one round.
const BATCH: usize = 16;
/// Messages of one peer under way at once.
const PER_PEER: usize = 4;
/// Messages under way at once; each holds its body in memory.
const UNDER_WAY: usize = 64;
/// Attempts made at least before a message is given up: time alone may have passed with this node down.
const FEWEST_ATTEMPTS: u32 = 10;
/// How often an idle worker looks for what has become due, if nobody wakes it.
const TICK: Duration = Duration::from_secs(1);
/// Longest error text kept with a delivery.
const LONGEST_ERROR: usize = 400;

/// What else is to be written when a message has been delivered or given up; for the domain that sent it.
pub trait Outcome: Send + Sync {
    /// The verified receipt arrived at `at`.
    fn delivered(&self, view: &dyn View, delivery: &Delivery, receipt: &str, at: &str) -> Vec<Change>;
    /// It will not be tried again.
    fn gave_up(&self, view: &dyn View, delivery: &Delivery, error: &str, at: &str) -> Vec<Change>;
}

/// Works until `shutdown` becomes true, and then, within one attempt's time, finishes what is under way. `wake` is poked by whoever queues a message.
pub async fn run(
    here: Institution,
    transport: Arc<dyn Transport>,
    outcome: Arc<dyn Outcome>,
    wake: Arc<Notify>,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut under_way = JoinSet::new();
    while !*shutdown.borrow() {
        while under_way.try_join_next().is_some() {}
        let lease = ids::fresh();
        let claimed = claim(&here, &lease, BATCH.min(UNDER_WAY - under_way.len())).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the outbox cannot be read");
            Vec::new()
        });
        let worked = !claimed.is_empty();
        for delivery in claimed {
            let (here, transport, outcome, lease) = (here.clone(), transport.clone(), outcome.clone(), lease.clone());
            // Each by itself: a slow peer does not hold up the next round.
            under_way.spawn(async move {
                let worker = Worker { here: &here, transport: transport.as_ref(), outcome: &outcome, lease: &lease };
                worker.serve(delivery).await;
            });
        }
        if worked {
            continue;
        }
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(TICK) => {}
            Some(_) = under_way.join_next() => {}
            changed = shutdown.changed() => if changed.is_err() { break },
        }
    }
    // What is cut off is tried again when its lease ends; the peer then gives the receipt it gave before.
    let patience = Duration::from_secs(here.exchange.attempt_seconds);
    let _ = tokio::time::timeout(patience, async { while under_way.join_next().await.is_some() {} }).await;
}

/// One round: attempts what is due now, side by side, and gives the number of deliveries taken up once all are done.
pub async fn deliver_due(
    here: &Institution,
    transport: &dyn Transport,
    outcome: &Arc<dyn Outcome>,
) -> Result<usize, StoreError> {
    let lease = ids::fresh();
    let claimed = claim(here, &lease, BATCH).await?;
    let taken = claimed.len();
    let worker = Worker { here, transport, outcome, lease: &lease };
    let mut rounds: Vec<_> = claimed.into_iter().map(|delivery| Box::pin(worker.serve(delivery))).collect();
    std::future::poll_fn(|context| {
        rounds.retain_mut(|round| round.as_mut().poll(context).is_pending());
        if rounds.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    Ok(taken)
}

/// What one attempt came to.
enum Attempt {
    /// With the receipt.
    Delivered(String),
    Failed(Failure),
}

struct Failure {
    /// For staff. May hold the partner's own words, so it is kept with the delivery and never logged.
    error: String,
    /// HTTP status, if there was an answer.
    status: Option<u16>,
    /// Sending the same bytes again cannot end otherwise.
    for_good: bool,
    /// Seconds the peer asked to be left alone.
    not_before: Option<u64>,
}

/// One round of one lease.
struct Worker<'a> {
    here: &'a Institution,
    transport: &'a dyn Transport,
    outcome: &'a Arc<dyn Outcome>,
    lease: &'a str,
}

impl Worker<'_> {
    async fn serve(&self, delivery: Delivery) {
        let attempt = self.attempt(&delivery).await;
        let now = self.here.clock.now();
        let changes = match attempt {
            Attempt::Delivered(receipt) => self.delivered(&delivery, receipt, now).await,
            Attempt::Failed(failure) if failure.for_good || is_overdue(self.here, &delivery, now) => {
                self.given_up(&delivery, failure, now).await
            }
            Attempt::Failed(failure) => {
                let at = next_attempt(self.here, &delivery, now, failure.not_before);
                let message_id = delivery.message_id.clone();
                Ok(vec![Change::RetryAt { message_id, at, error: failure.error }])
            }
        };
        self.write(&delivery, changes).await;
    }

    async fn attempt(&self, delivery: &Delivery) -> Attempt {
        let peer_id = delivery.peer.clone();
        let peer = match self.here.store.read(move |view| view.peer(&peer_id)).await {
            Ok(Some(peer)) if peer.is_active() => peer,
            Ok(_) => {
                let failure = Failure::of("the institution is no longer a partner");
                return Attempt::Failed(Failure { for_good: true, ..failure });
            }
            Err(error) => return Attempt::Failed(Failure::of(&error.to_string())),
        };
        let outgoing = match ask::outgoing(self.here, &peer, delivery) {
            Ok(outgoing) => outgoing,
            Err(error) => return Attempt::Failed(Failure::of(&error.to_string())),
        };
        match self.transport.post(self.here, outgoing).await {
            Ok(reply) => judge(self.here, &peer, delivery, &reply),
            Err(error) => Attempt::Failed(Failure::of(&error.to_string())),
        }
    }

    async fn delivered(&self, delivery: &Delivery, receipt: String, now: Timestamp) -> Result<Vec<Change>, StoreError> {
        let at = instant(now);
        let (outcome, copy, text, when) = (self.outcome.clone(), delivery.clone(), receipt.clone(), at.clone());
        let more = self.here.store.read(move |view| Ok(outcome.delivered(view, &copy, &text, &when))).await;
        let note = audit(delivery, "message.delivered", &at);
        let delivered = Change::Delivered { message_id: delivery.message_id.clone(), receipt, at };
        more.map(|more: Vec<Change>| [delivered, note].into_iter().chain(more).collect())
    }

    async fn given_up(&self, delivery: &Delivery, failure: Failure, now: Timestamp) -> Result<Vec<Change>, StoreError> {
        let Failure { error, status, .. } = failure;
        tracing::warn!(peer = %delivery.peer, message_id = %delivery.message_id, status, "a message was given up");
        let at = instant(now);
        let (outcome, copy, text, when) = (self.outcome.clone(), delivery.clone(), error.clone(), at.clone());
        let more = self.here.store.read(move |view| Ok(outcome.gave_up(view, &copy, &text, &when))).await;
        let note = audit(delivery, "message.give-up", &at);
        let give_up = Change::GiveUp { message_id: delivery.message_id.clone(), error };
        more.map(|more: Vec<Change>| [give_up, note].into_iter().chain(more).collect())
    }

    async fn write(&self, delivery: &Delivery, changes: Result<Vec<Change>, StoreError>) {
        let (message_id, lease) = (delivery.message_id.clone(), self.lease.to_owned());
        let written = match changes {
            Ok(changes) => {
                let expect = vec![Expect::LeaseHeld { message_id, lease }];
                self.here.store.write(Changes { expect, changes }).await
            }
            Err(error) => Err(error.into()),
        };
        match written {
            Ok(()) => {}
            // Another worker took over after our lease ended; it will find the peer's receipt waiting.
            Err(CommitError::Unexpected(Expect::LeaseHeld { .. })) => {
                tracing::info!(message_id = %delivery.message_id, "the lease of a delivery ended before its attempt");
            }
            // The lease ends by itself and the message is tried again.
            Err(error) => tracing::error!(message_id = %delivery.message_id, %error, "a delivery was not recorded"),
        }
    }
}

impl Failure {
    /// One that another attempt may mend.
    fn of(error: &str) -> Self {
        Self { error: error.chars().take(LONGEST_ERROR).collect(), status: None, for_good: false, not_before: None }
    }
}

async fn claim(here: &Institution, lease: &str, limit: usize) -> Result<Vec<Delivery>, StoreError> {
    let now = here.clock.now();
    // A little longer than an attempt may take, so that its end still finds the lease held.
    let attempt = SignedDuration::from_secs(i64::try_from(here.exchange.attempt_seconds).unwrap_or(i64::MAX / 4));
    let until = now.checked_add(attempt + SignedDuration::from_secs(10)).unwrap_or(Timestamp::MAX);
    let claim = Claim {
        lease: lease.to_owned(),
        now: instant(now),
        lease_until: instant(until),
        bytes_per_second: BYTES_PER_SECOND,
        limit,
        per_peer: PER_PEER,
    };
    let store = here.store.clone();
    tokio::task::spawn_blocking(move || store.claim(&claim)).await.unwrap_or(Err(StoreError::Closed))
}

/// What the peer's reply means.
fn judge(here: &Institution, peer: &Peer, delivery: &Delivery, reply: &Reply) -> Attempt {
    if reply.is_success() {
        let Ok(response) = serde_json::from_slice::<submit_message::Response>(&reply.body) else {
            return Attempt::Failed(Failure::of("the partner's answer carries no receipt"));
        };
        return match receipt::verify(here, peer, delivery, &response.receipt) {
            Ok(_) => Attempt::Delivered(response.receipt),
            Err(error) => Attempt::Failed(Failure::of(&error.to_string())),
        };
    }
    let text = format!("the partner refused with status {}: {}", reply.status, reply.refusal_text());
    Attempt::Failed(Failure {
        status: Some(reply.status),
        for_good: matches!(reply.status, 400 | 403 | 409 | 413 | 415 | 422),
        not_before: reply.retry_after,
        ..Failure::of(&text)
    })
}

/// Tried often enough and for long enough.
fn is_overdue(here: &Institution, delivery: &Delivery, now: Timestamp) -> bool {
    let limit = SignedDuration::from_hours(i64::try_from(here.exchange.give_up_hours).unwrap_or(i64::MAX / 3600));
    delivery.attempts >= FEWEST_ATTEMPTS
        && delivery.created_at.parse::<Timestamp>().is_ok_and(|created| now.duration_since(created) >= limit)
}

/// Doubling waits up to the longest, of which a random part of up to a half is taken off, so that many messages do not
/// return at once; and not before the peer asked us to.
fn next_attempt(here: &Institution, delivery: &Delivery, now: Timestamp, not_before: Option<u64>) -> String {
    let longest = here.exchange.longest_retry_seconds.max(1);
    let doubled =
        here.exchange.first_retry_seconds.max(1).saturating_mul(1 << delivery.attempts.saturating_sub(1).min(30));
    let full = doubled.min(longest).saturating_mul(1000);
    let wait = full / 2 + rand::random_range(0..=full / 2);
    let wait = wait.max(not_before.unwrap_or(0).min(longest).saturating_mul(1000));
    let wait = SignedDuration::from_millis(i64::try_from(wait).unwrap_or(i64::MAX));
    instant(now.checked_add(wait).unwrap_or(Timestamp::MAX))
}

fn audit(delivery: &Delivery, action: &str, at: &str) -> Change {
    let detail = serde_json::json!({"peer": delivery.peer, "body_sha256": delivery.body_sha256});
    Change::Audit(AuditEntry {
        at: at.to_owned(),
        actor: "node".to_owned(),
        action: action.to_owned(),
        target: delivery.message_id.clone(),
        detail: detail.to_string(),
    })
}
