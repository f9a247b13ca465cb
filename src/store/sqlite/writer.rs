//! The one writer: a thread that gathers waiting commits into one transaction, so that many acts share one fsync, and
//! answers each only when that transaction is durable. One act's failure undoes that act alone (savepoints).

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};

use crate::store::losses::LossKey;
use crate::store::{Change, Changes, CommitError, Expect, StoreError, deliveries as rows};

/// Acts gathered into one transaction at most.
const GROUP: usize = 128;

enum Work {
    Commit(Changes, mpsc::SyncSender<Result<(), CommitError>>),
    Claim(rows::Claim, mpsc::SyncSender<Result<Vec<rows::Delivery>, StoreError>>),
}

/// The door to the writer thread.
pub(super) struct Writer {
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (work, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(connection, &inbox))
            .map_err(|error| StoreError::Database(error.to_string()))?;
        Ok(Self { work: Some(work), thread: Some(thread) })
    }

    pub(super) fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        let (answer, wait) = mpsc::sync_channel(1);
        self.send(Work::Commit(changes, answer))?;
        wait.recv().unwrap_or(Err(CommitError::Store(StoreError::Closed)))
    }

    pub(super) fn claim(&self, claim: rows::Claim) -> Result<Vec<rows::Delivery>, StoreError> {
        let (answer, wait) = mpsc::sync_channel(1);
        self.send(Work::Claim(claim, answer))?;
        wait.recv().unwrap_or(Err(StoreError::Closed))
    }

    fn send(&self, work: Work) -> Result<(), StoreError> {
        self.work.as_ref().and_then(|door| door.send(work).ok()).ok_or(StoreError::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut connection: Connection, inbox: &mpsc::Receiver<Work>) {
    while let Ok(first) = inbox.recv() {
        let group: Vec<Work> = std::iter::once(first).chain(inbox.try_iter().take(GROUP - 1)).collect();
        // A failed send means that the caller has gone away; its act stands or falls with the transaction all the same.
        for answer in commit_group(&mut connection, group) {
            answer();
        }
    }
}

/// Runs a group in one transaction; gives the answers to send once it is durable.
fn commit_group(connection: &mut Connection, group: Vec<Work>) -> Vec<Box<dyn FnOnce()>> {
    let mut transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => return fail_all(group, &error),
    };
    let mut answers: Vec<Outcome> = Vec::with_capacity(group.len());
    let mut losses = Losses::new();
    for work in group {
        // A full disk or an I/O error makes SQLite roll the whole transaction back by itself. What came after would then
        // commit alone, act by act; instead nothing of the group stands, and everybody is told so below.
        if transaction.is_autocommit() {
            answers.push(work.undone());
            continue;
        }
        answers.push(match work {
            Work::Commit(changes, door) => Outcome::Commit(apply(&mut transaction, changes, &mut losses), door),
            Work::Claim(claim, door) => {
                Outcome::Claim(super::deliveries::claim(&transaction, &claim).map_err(StoreError::from), door)
            }
        });
    }
    let counted = if transaction.is_autocommit() { Ok(()) } else { super::losses::add(&transaction, &losses) };
    let durable = counted.and_then(|()| transaction.commit()).map_err(|error| error.to_string());
    answers.into_iter().map(|outcome| outcome.into_answer(durable.clone())).collect()
}

impl Work {
    /// Its outcome if it is not even tried.
    fn undone(self) -> Outcome {
        match self {
            Self::Commit(_, door) => Outcome::Commit(Err(StoreError::Closed.into()), door),
            Self::Claim(_, door) => Outcome::Claim(Err(StoreError::Closed), door),
        }
    }
}

enum Outcome {
    Commit(Result<(), CommitError>, mpsc::SyncSender<Result<(), CommitError>>),
    Claim(Result<Vec<rows::Delivery>, StoreError>, mpsc::SyncSender<Result<Vec<rows::Delivery>, StoreError>>),
}

impl Outcome {
    fn into_answer(self, durable: Result<(), String>) -> Box<dyn FnOnce()> {
        match self {
            Self::Commit(result, door) => Box::new(move || {
                let _ = door.send(durable.map_err(|error| StoreError::Database(error).into()).and(result));
            }),
            Self::Claim(result, door) => Box::new(move || {
                let _ = door.send(durable.map_err(StoreError::Database).and(result));
            }),
        }
    }
}

fn fail_all(group: Vec<Work>, error: &rusqlite::Error) -> Vec<Box<dyn FnOnce()>> {
    let cause = error.to_string();
    group
        .into_iter()
        .map(|work| match work {
            Work::Commit(_, door) => Outcome::Commit(Ok(()), door),
            Work::Claim(_, door) => Outcome::Claim(Ok(Vec::new()), door),
        })
        .map(|outcome| outcome.into_answer(Err(cause.clone())))
        .collect()
}

/// What the acts of a group add to the totals of losses. Messages that come together have most of their fields in common,
/// so the group writes each total once.
type Losses = BTreeMap<LossKey, u64>;

/// Checks the expectations and applies the changes inside a savepoint of their own.
fn apply(
    transaction: &mut rusqlite::Transaction<'_>,
    changes: Changes,
    losses: &mut Losses,
) -> Result<(), CommitError> {
    let savepoint = transaction.savepoint().map_err(StoreError::from)?;
    for expect in changes.expect {
        if !holds(&savepoint, &expect).map_err(StoreError::from)? {
            return Err(CommitError::Unexpected(expect));
        }
    }
    for change in &changes.changes {
        write(&savepoint, change).map_err(StoreError::from)?;
    }
    savepoint.commit().map_err(StoreError::from)?;
    for change in changes.changes {
        if let Change::CountLosses(counts) = change {
            for (key, seen) in counts {
                *losses.entry(key).or_default() += seen;
            }
        }
    }
    Ok(())
}

fn holds(connection: &Connection, expect: &Expect) -> rusqlite::Result<bool> {
    match expect {
        Expect::ResourceVersion { kind, id, version } => {
            super::records::version_is(connection, kind, id, version.as_ref().copied())
        }
        Expect::NoneIdentified { kind, system, value } => {
            super::records::none_identified(connection, kind, system, value)
        }
        Expect::NotSeen { peer, message_id } => super::deliveries::not_seen(connection, peer, message_id),
        Expect::TokenUnused { peer, jti } => super::deliveries::token_unused(connection, peer, jti),
        Expect::ReferralStatus { id, status } => super::referrals::status_is(connection, id, status.as_deref()),
        Expect::ReferralEvents { id, count } => super::referrals::has_events(connection, id, *count),
        Expect::PeerIs { id, state } => super::peers::peer_is(connection, id, state.as_ref()),
        Expect::InviteOpen { secret_sha256 } => super::peers::invite_open(connection, secret_sha256),
        Expect::LeaseHeld { message_id, lease } => super::deliveries::lease_held(connection, message_id, lease),
        Expect::FilingFree { id, now } => super::filings::is_free(connection, id, now),
        Expect::FilingLeased { id, lease } => super::filings::lease_held(connection, id, lease),
        Expect::LinkUnused { secret_sha256 } => super::access::link_unused(connection, secret_sha256),
    }
}

fn write(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::PutResource(write) => super::records::put(connection, write),
        Change::ConfirmResource { kind, id, version, event_time } => {
            super::records::confirm(connection, kind, id, *version, event_time.as_deref())
        }
        Change::RecordMessage(message) => super::messages::record(connection, message),
        // Written once for the group, when all its acts are known to stand.
        Change::CountLosses(_) => Ok(()),
        Change::SawFile(file) => super::messages::saw_file(connection, file),
        Change::PutPeer(peer) => super::peers::put(connection, peer),
        Change::PutServices { peer, services } => super::peers::put_services(connection, peer, services),
        Change::KeepKey(key) => super::peers::keep_key(connection, key),
        Change::OpenInvite(invite) => super::peers::open_invite(connection, invite),
        Change::UseInvite { secret_sha256 } => super::peers::use_invite(connection, secret_sha256),
        Change::Queue(delivery) => super::deliveries::queue(connection, delivery),
        Change::Delivered { message_id, receipt, at } => {
            super::deliveries::delivered(connection, message_id, receipt, at)
        }
        Change::RetryAt { message_id, at, error } => super::deliveries::retry_at(connection, message_id, at, error),
        Change::GiveUp { message_id, error } => super::deliveries::give_up(connection, message_id, error),
        Change::File(filing) => super::filings::queue(connection, filing),
        Change::LeaseFiling { id, lease, until } => super::filings::lease(connection, id, lease, until),
        Change::Filed { id, answer, at } => super::filings::filed(connection, id, answer, at),
        Change::RetryFiling { id, at, error } => super::filings::retry_at(connection, id, at, error),
        Change::GiveUpFiling { id, error, answer } => super::filings::give_up(connection, id, error, answer.as_deref()),
        Change::Seen(seen) => super::deliveries::put_seen(connection, seen),
        Change::UseToken { peer, jti, expires_at } => super::deliveries::use_token(connection, peer, jti, expires_at),
        Change::PutReferral(referral) => super::referrals::put(connection, referral),
        Change::MoveReferral { id, from, to, at } => super::referrals::move_from(connection, id, from, to, at),
        Change::ReferralEvent(event) => super::referrals::add_event(connection, event),
        Change::PutQuestion(question) => super::cohorts::put_question(connection, question),
        Change::PutAnswer(answer) => super::cohorts::put_answer(connection, answer),
        Change::PutLink(link) => super::access::put_link(connection, link),
        Change::UseLink { secret_sha256 } => super::access::use_link(connection, secret_sha256),
        Change::PutSession(session) => super::access::put_session(connection, session),
        Change::EndSession { secret_sha256 } => super::access::end_session(connection, secret_sha256),
        Change::PutToken(token) => super::access::put_token(connection, token),
        Change::Audit(entry) => super::audit::append(connection, entry),
    }
}
