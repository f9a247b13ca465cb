//! The one writer: a thread that gathers waiting commits into one transaction, so that many acts share one fsync, and
//! answers each only when that transaction is durable. An act whose expectations do not hold writes nothing; when the
//! database fails in the middle of a group, all of it is undone and each act is tried by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::watch;

use super::numbers::Numbers;
use super::postings::Postings;
use super::seals::Seals;
use crate::store::losses::LossKey;
use crate::store::sealing::Ring;
use crate::store::{Change, Changes, CommitError, Condition, Expect, StoreError, deliveries as rows, exports};

/// Acts gathered into one transaction at most.
const GROUP: usize = 128;

enum Work {
    /// Shared with the caller, who waits and frees it: that is not the writer's work.
    Commit(Arc<Changes>, mpsc::SyncSender<Result<(), CommitError>>),
    Claim(rows::Claim, mpsc::SyncSender<Result<Vec<rows::Delivery>, StoreError>>),
}

/// The door to the writer thread.
pub(super) struct Writer {
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        ring: Arc<Ring>,
        condition: watch::Sender<Condition>,
    ) -> Result<Self, StoreError> {
        let (work, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(connection, &ring, &condition, &inbox))
            .map_err(|error| StoreError::Database(error.to_string()))?;
        Ok(Self { work: Some(work), thread: Some(thread) })
    }

    pub(super) fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        let (answer, wait) = mpsc::sync_channel(1);
        let changes = Arc::new(changes);
        self.send(Work::Commit(Arc::clone(&changes), answer))?;
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

fn run(mut connection: Connection, ring: &Ring, condition: &watch::Sender<Condition>, inbox: &mpsc::Receiver<Work>) {
    let mut numbers = Numbers::default();
    while let Ok(first) = inbox.recv() {
        let group: Vec<Work> = std::iter::once(first).chain(inbox.try_iter().take(GROUP - 1)).collect();
        // A failed send means that the caller has gone away; its act stands or falls with the transaction all the same.
        for outcome in commit_group(&mut connection, ring, condition, &mut numbers, group) {
            outcome.answer();
        }
    }
}

/// Runs a group in one transaction; gives the answers to send, which are durable.
fn commit_group(
    connection: &mut Connection,
    ring: &Ring,
    condition: &watch::Sender<Condition>,
    numbers: &mut Numbers,
    group: Vec<Work>,
) -> Vec<Outcome> {
    let broken = match &*condition.borrow() {
        Condition::Broken(error) => Some(error.clone()),
        Condition::Sound => None,
    };
    let done = broken.map_or_else(|| together(connection, ring, numbers, &group), Err);
    if let Err(error @ (StoreError::Disk(_) | StoreError::Damaged(_))) = &done {
        // After a failed write the system may call clean what never reached the disk: no later commit may be believed.
        condition.send_replace(Condition::Broken(error.clone()));
    }
    let results = match done {
        Ok(results) => results,
        // The file's fault: each by itself would wait for it again.
        Err(error) if !matches!(error, StoreError::Database(_) | StoreError::Sealing(_)) => {
            group.iter().map(|work| work.failed(&error)).collect()
        }
        // Something broke: nothing of the group stands. Whose fault it is shows when each is tried by itself; a savepoint
        // for each act told it too, but copied every page that an act touched.
        Err(_) if group.len() > 1 => group
            .iter()
            .flat_map(|work| {
                let alone = together(connection, ring, numbers, std::slice::from_ref(work));
                alone.unwrap_or_else(|error| vec![work.failed(&error)])
            })
            .collect(),
        Err(error) => group.iter().map(|work| work.failed(&error)).collect(),
    };
    group.into_iter().zip(results).map(|(work, result)| work.outcome(result)).collect()
}

/// What became of one act.
enum Done {
    Commit(Result<(), CommitError>),
    Claim(Result<Vec<rows::Delivery>, StoreError>),
}

/// Does all of the group durably and gives the result of each act, or nothing of it and says what broke. An act whose
/// expectations do not hold writes nothing.
fn together(
    connection: &mut Connection,
    ring: &Ring,
    numbers: &mut Numbers,
    group: &[Work],
) -> Result<Vec<Done>, StoreError> {
    let done = transaction(connection, ring, numbers, group);
    if done.is_err() {
        numbers.forget();
    }
    done.map_err(StoreError::from)
}

fn transaction(
    connection: &mut Connection,
    ring: &Ring,
    numbers: &mut Numbers,
    group: &[Work],
) -> rusqlite::Result<Vec<Done>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let seals = Seals::begin(&transaction, ring);
    let (mut losses, mut postings) = (Losses::new(), Postings::default());
    let mut done = Vec::with_capacity(group.len());
    for work in group {
        done.push(match work {
            Work::Commit(changes, _) => {
                Done::Commit(apply(&transaction, &seals, numbers, &mut postings, changes, &mut losses)?)
            }
            Work::Claim(claim, _) => Done::Claim(Ok(super::deliveries::claim(&transaction, &seals, claim)?)),
        });
    }
    super::losses::add(&transaction, &losses)?;
    postings.write(&transaction)?;
    seals.end()?;
    transaction.commit()?;
    Ok(done)
}

impl Work {
    fn failed(&self, cause: &StoreError) -> Done {
        match self {
            Self::Commit(..) => Done::Commit(Err(cause.clone().into())),
            Self::Claim(..) => Done::Claim(Err(cause.clone())),
        }
    }

    fn outcome(self, done: Done) -> Outcome {
        match (self, done) {
            (Self::Commit(_, door), Done::Commit(result)) => Outcome::Commit(result, door),
            (Self::Claim(_, door), Done::Claim(result)) => Outcome::Claim(result, door),
            (Self::Commit(_, door), Done::Claim(_)) => Outcome::Commit(Err(StoreError::Closed.into()), door),
            (Self::Claim(_, door), Done::Commit(_)) => Outcome::Claim(Err(StoreError::Closed), door),
        }
    }
}

enum Outcome {
    Commit(Result<(), CommitError>, mpsc::SyncSender<Result<(), CommitError>>),
    Claim(Result<Vec<rows::Delivery>, StoreError>, mpsc::SyncSender<Result<Vec<rows::Delivery>, StoreError>>),
}

impl Outcome {
    fn answer(self) {
        match self {
            Self::Commit(result, door) => drop(door.send(result)),
            Self::Claim(result, door) => drop(door.send(result)),
        }
    }
}

/// What the acts of a group add to the totals of losses. Messages that come together have most of their fields in common,
/// so the group writes each total once.
type Losses = BTreeMap<LossKey, u64>;

/// Checks the expectations and, if all hold, applies the changes. The outer error undoes the transaction.
fn apply<'a>(
    connection: &Connection,
    seals: &Seals<'_>,
    numbers: &mut Numbers,
    postings: &mut Postings<'a>,
    changes: &'a Changes,
    losses: &mut Losses,
) -> rusqlite::Result<Result<(), CommitError>> {
    for expect in &changes.expect {
        if !holds(connection, numbers, postings, expect)? {
            return Ok(Err(CommitError::Unexpected(expect.clone())));
        }
    }
    if let Some(late) = late(connection, &changes.changes)? {
        return Ok(Err(CommitError::Unexpected(late)));
    }
    for change in &changes.changes {
        if let Change::CountLosses(counts) = change {
            for (key, seen) in counts {
                match losses.get_mut(key) {
                    Some(sum) => *sum += seen,
                    None => drop(losses.insert(key.clone(), *seen)),
                }
            }
        } else {
            write(connection, seals, numbers, postings, change)?;
        }
    }
    Ok(Ok(()))
}

/// What is written too late for the fence of an export: it is to be resolved again, and gets another stamp.
fn late(connection: &Connection, changes: &[Change]) -> rusqlite::Result<Option<Expect>> {
    if !changes.iter().any(|change| matches!(change, Change::PutResource(_) | Change::DeleteResource { .. })) {
        return Ok(None);
    }
    let Some(fence) = super::exports::fence(connection)? else { return Ok(None) };
    let late = changes.iter().find_map(|change| exports::late(change, &fence));
    Ok(late.map(|(kind, id)| {
        std::thread::sleep(exports::LATE);
        Expect::ResourceVersion { kind: kind.to_owned(), id: id.to_owned(), version: None }
    }))
}

fn holds(
    connection: &Connection,
    numbers: &mut Numbers,
    postings: &Postings<'_>,
    expect: &Expect,
) -> rusqlite::Result<bool> {
    match expect {
        Expect::ResourceVersion { kind, id, version } => {
            super::records::version_is(connection, numbers, kind, id, version.as_ref().copied())
        }
        Expect::Unreferred { kind, id, except } => {
            super::records::unreferred(connection, numbers, postings, kind, id, except)
        }
        Expect::NoneIdentified { kind, system, value } => {
            super::records::none_identified(connection, numbers, postings, kind, system, value)
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
        Expect::ExportsBelow { owner, most } => super::exports::is_below(connection, owner, *most),
        Expect::ExportFree { id, now } => super::exports::is_free(connection, id, now),
        Expect::ExportLeased { id, lease } => super::exports::lease_held(connection, id, lease),
        Expect::LinkUnused { secret_sha256 } => super::access::link_unused(connection, secret_sha256),
    }
}

fn write<'a>(
    connection: &Connection,
    seals: &Seals<'_>,
    numbers: &mut Numbers,
    postings: &mut Postings<'a>,
    change: &'a Change,
) -> rusqlite::Result<()> {
    match change {
        Change::PutResource(write) => super::records::put(connection, numbers, postings, write),
        Change::DeleteResource { kind, id, version, at } => {
            super::records::delete(connection, numbers, kind, id, *version, at)
        }
        Change::IndexAnew { resources, state } => {
            super::records::index_anew(connection, numbers, postings, resources, state)
        }
        Change::ConfirmResource { kind, id, version, event_time } => {
            super::records::confirm(connection, numbers, kind, id, *version, event_time.as_deref())
        }
        Change::RecordMessage(message) => super::messages::record(connection, seals, numbers, message),
        // Written once for the group.
        Change::CountLosses(_) => Ok(()),
        Change::SawFile(file) => super::messages::saw_file(connection, file),
        Change::PutPeer(peer) => super::peers::put(connection, peer),
        Change::PutServices { peer, services } => super::peers::put_services(connection, peer, services),
        Change::KeepKey(key) => super::peers::keep_key(connection, key),
        Change::OpenInvite(invite) => super::peers::open_invite(connection, invite),
        Change::UseInvite { secret_sha256 } => super::peers::use_invite(connection, secret_sha256),
        Change::Queue(delivery) => super::deliveries::queue(connection, seals, delivery),
        Change::Delivered { message_id, receipt, at } => {
            super::deliveries::delivered(connection, message_id, receipt, at)
        }
        Change::RetryAt { message_id, at, error } => super::deliveries::retry_at(connection, message_id, at, error),
        Change::GiveUp { message_id, error } => super::deliveries::give_up(connection, message_id, error),
        Change::HoldWaiting => {
            super::deliveries::hold_waiting(connection)?;
            super::filings::hold_waiting(connection)
        }
        Change::Release { message_id, at } => super::deliveries::release(connection, message_id, at),
        Change::ReleaseFiling { id, at } => super::filings::release(connection, id, at),
        Change::File(filing) => super::filings::queue(connection, seals, filing),
        Change::LeaseFiling { id, lease, until } => super::filings::lease(connection, id, lease, until),
        Change::Filed { id, answer, at } => super::filings::filed(connection, id, answer, at),
        Change::RetryFiling { id, at, error } => super::filings::retry_at(connection, id, at, error),
        Change::GiveUpFiling { id, error, answer } => super::filings::give_up(connection, id, error, answer.as_deref()),
        Change::Seen(seen) => super::deliveries::put_seen(connection, seals, seen),
        Change::UseToken { peer, jti, expires_at } => super::deliveries::use_token(connection, peer, jti, expires_at),
        Change::StartExport(export) => super::exports::start(connection, seals, export),
        Change::LeaseExport { id, lease, until } => super::exports::lease(connection, id, lease, until),
        Change::AddPieces { id, pieces, reached } => {
            super::exports::add_pieces(connection, seals, id, pieces, *reached)
        }
        Change::EndExport { id, status, error, expires_at } => {
            super::exports::end(connection, id, *status, error.as_deref(), expires_at.as_deref())
        }
        Change::TakeAwayExport { id, pieces } => super::exports::take_away(connection, id, *pieces),
        Change::PutReferral(referral) => super::referrals::put(connection, seals, referral),
        Change::MoveReferral { id, from, to, at } => super::referrals::move_from(connection, id, from, to, at),
        Change::ReferralEvent(event) => super::referrals::add_event(connection, event),
        Change::PutQuestion(question) => super::cohorts::put_question(connection, question),
        Change::PutAnswer(answer) => super::cohorts::put_answer(connection, answer),
        Change::PutLink(link) => super::access::put_link(connection, link),
        Change::UseLink { secret_sha256 } => super::access::use_link(connection, secret_sha256),
        Change::PutSession(session) => super::access::put_session(connection, session),
        Change::EndSession { secret_sha256 } => super::access::end_session(connection, secret_sha256),
        Change::EndAllSessions => super::access::end_all_sessions(connection),
        Change::PutToken(token) => super::access::put_token(connection, token),
        Change::PutClient(client) => super::access::put_client(connection, client),
        Change::RemoveClient { id } => super::access::remove_client(connection, id),
        Change::Audit(entry) => super::audit::append(connection, entry),
    }
}
