//! The writer of this replica: a thread that gathers waiting commits into one transaction, so that many acts share one
//! journey to the disk, and answers each only when that transaction is durable. Other replicas write at the same time;
//! what keeps them apart stands in [`super::stripes`].
//!
//! A connection may end while the server commits. Every transaction therefore leaves a mark, and trying again begins with
//! leaving the same mark: where it stands already, the group was committed, and its acts are answered so.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::audit::End;
use super::connect::Server;
use super::connection::{Batch, Connection, Failure};
use super::numbers::Numbers;
use super::records::Writes;
use super::stripes;
use super::value::{Value, get, values};
use crate::store::losses::LossKey;
use crate::store::{Change, Changes, CommitError, Expect, StoreError, exports};

/// Acts gathered into one transaction at most.
const GROUP: usize = 128;
/// How often a group is tried that another transaction was in the way of.
const TRIES: u32 = 6;
/// How long the fate of a group is asked for when the connection ended while it was being committed.
const FATE: Duration = Duration::from_secs(10);

/// An act that waits for its commit, shared with its caller.
struct Work(Arc<Changes>, mpsc::SyncSender<Result<(), CommitError>>);

/// The door to the writer thread.
pub(super) struct Writer {
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(server: Arc<Server>, connection: Connection, chain: &str) -> Result<Self, StoreError> {
        let (work, inbox) = mpsc::channel();
        let mut session = Session {
            server,
            connection: Some(connection),
            chain: chain.to_owned(),
            numbers: Numbers::default(),
            left: None,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || session.serve(&inbox))
            .map_err(|error| StoreError::Database(error.to_string()))?;
        Ok(Self { work: Some(work), thread: Some(thread) })
    }

    pub(super) fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        let (answer, wait) = mpsc::sync_channel(1);
        let work = Work(Arc::new(changes), answer);
        self.work.as_ref().and_then(|door| door.send(work).ok()).ok_or(StoreError::Closed)?;
        wait.recv().unwrap_or(Err(CommitError::Store(StoreError::Closed)))
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

/// What became of each act of a group.
type Results = Vec<Result<(), CommitError>>;

/// Why a group did not come to stand, or is not known to.
enum Broken {
    /// Nothing of it stands.
    Undone(Failure),
    /// The connection ended while the server committed. The results hold if it did.
    Open(Results, Failure),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Undone(failure)
    }
}

struct Session {
    server: Arc<Server>,
    connection: Option<Connection>,
    chain: String,
    numbers: Numbers,
    /// The mark of the last group; the next one takes it away.
    left: Option<String>,
}

impl Session {
    fn serve(&mut self, inbox: &mpsc::Receiver<Work>) {
        while let Ok(first) = inbox.recv() {
            let group: Vec<Work> = std::iter::once(first).chain(inbox.try_iter().take(GROUP - 1)).collect();
            let acts: Vec<&Changes> = group.iter().map(|work| work.0.as_ref()).collect();
            let results = self.commit(&acts);
            // A failed send means that the caller has gone away; its act stands or falls all the same.
            for (work, result) in group.iter().zip(results) {
                let _ = work.1.send(result);
            }
        }
        if let (Some(connection), Some(left)) = (&mut self.connection, &self.left) {
            let _ = connection.query("DELETE FROM commit_mark WHERE mark = $1", &values![left]);
        }
    }

    /// Does all of a group durably, and tells what became of each act.
    fn commit(&mut self, group: &[&Changes]) -> Results {
        let mark = crate::ids::fresh();
        let mut open: Option<Results> = None;
        let began = Instant::now();
        for attempt in 1.. {
            let failure = match self.transaction(group, &mark, &mut open) {
                Ok(results) => {
                    self.left = Some(mark);
                    return results;
                }
                Err(Broken::Undone(failure)) => failure,
                Err(Broken::Open(results, failure)) => {
                    open = Some(results);
                    failure
                }
            };
            let again = match &failure {
                Failure::Conflict(_) => attempt < TRIES,
                // A connection that died while nobody used it; and what may stand is asked for with patience.
                Failure::Lost(_) if open.is_some() => began.elapsed() < FATE,
                Failure::Lost(_) => attempt < 2,
                Failure::Refused(_) => false,
            };
            if matches!(failure, Failure::Lost(_)) {
                self.connection = None;
            }
            if again {
                std::thread::sleep(Duration::from_millis(20 * u64::from(attempt.min(10))));
                continue;
            }
            // Something of the group is refused: whose fault it is shows when each is tried by itself.
            if matches!(failure, Failure::Refused(_)) && group.len() > 1 && open.is_none() {
                return group.iter().flat_map(|act| self.commit(&[act])).collect();
            }
            let text = match open {
                Some(_) => format!("whether the commit stands is not known: {}", failure.text()),
                None => failure.text().to_owned(),
            };
            return group.iter().map(|_| Err(StoreError::Database(text.clone()).into())).collect();
        }
        Vec::new()
    }

    /// One try. Where the mark stands already, the results of the try that left it.
    fn transaction(&mut self, group: &[&Changes], mark: &str, open: &mut Option<Results>) -> Result<Results, Broken> {
        let connection = match &mut self.connection {
            Some(connection) if !connection.is_closed() => connection,
            place => place.insert(self.server.connect()?),
        };
        let done = within(connection, group, mark, self.left.as_deref(), &self.chain, &mut self.numbers);
        let results = match done {
            Ok(Some(results)) => results,
            Ok(None) => {
                connection.run("ROLLBACK")?;
                return open.take().ok_or_else(|| Failure::Refused("a mark stands that nobody left".to_owned()).into());
            }
            Err(failure) => {
                self.numbers.forget();
                if !matches!(failure, Failure::Lost(_)) && connection.run("ROLLBACK").is_err() {
                    self.connection = None;
                }
                return Err(failure.into());
            }
        };
        match connection.query("COMMIT", &[]) {
            Ok(_) => Ok(results),
            Err(failure) => {
                self.numbers.forget();
                Err(if matches!(failure, Failure::Lost(_)) {
                    Broken::Open(results, failure)
                } else {
                    Broken::Undone(failure)
                })
            }
        }
    }
}

/// All of a transaction but its end. None: the mark stands already.
fn within(
    connection: &mut Connection,
    group: &[&Changes],
    mark: &str,
    left: Option<&str>,
    chain: &str,
    numbers: &mut Numbers,
) -> Result<Option<Results>, Failure> {
    let locks = Value::Numbers(stripes::of(group.iter().copied(), chain));
    let mut begin = Batch::default();
    begin.add("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", []);
    begin.add("INSERT INTO commit_mark (mark) VALUES ($1) ON CONFLICT DO NOTHING RETURNING mark", values![mark]);
    begin.add("DELETE FROM commit_mark WHERE mark = $1", values![left]);
    begin.add(stripes::LOCK, [Value::Number(stripes::SPACE), locks]);
    begin.add(super::exports::FENCE, []);
    let begun = connection.all(&begin)?;
    if begun.get(1).is_none_or(Vec::is_empty) {
        return Ok(None);
    }
    let fence = begun.get(4).and_then(|rows| rows.first()).map(|row| get(row, 0)).transpose()?.flatten();
    numbers.learn(connection, &super::records::named(group.iter().flat_map(|changes| &changes.changes)))?;
    let mut writing = Writing { chain, numbers, end: None, fence, losses: BTreeMap::new() };
    let mut results = Vec::with_capacity(group.len());
    for changes in group {
        results.push(writing.apply(connection, changes)?);
    }
    super::losses::add(connection, &writing.losses)?;
    Ok(Some(results))
}

/// What a transaction gathers as it writes.
struct Writing<'a> {
    chain: &'a str,
    numbers: &'a mut Numbers,
    end: Option<End>,
    /// The greatest moment of an export.
    fence: Option<String>,
    /// What the acts of a group add to the totals of losses: messages that come together have most of their fields in
    /// common, so the group writes each total once.
    losses: BTreeMap<LossKey, u64>,
}

impl Writing<'_> {
    /// Checks the expectations and, if all hold, applies the changes.
    fn apply(&mut self, connection: &mut Connection, changes: &Changes) -> Result<Result<(), CommitError>, Failure> {
        let versions = super::records::versions_are(connection, &changes.expect)?;
        for (expect, is_version) in changes.expect.iter().zip(versions) {
            let holds = match is_version {
                Some(holds) => holds,
                None => holds(connection, expect)?,
            };
            if !holds {
                return Ok(Err(CommitError::Unexpected(expect.clone())));
            }
        }
        if let Some(fence) = &self.fence
            && let Some((kind, id)) = changes.changes.iter().find_map(|change| exports::late(change, fence))
        {
            std::thread::sleep(exports::LATE);
            let late = Expect::ResourceVersion { kind: kind.to_owned(), id: id.to_owned(), version: None };
            return Ok(Err(CommitError::Unexpected(late)));
        }
        let before = super::records::before(connection, self.numbers, &changes.changes)?;
        let mut writes = Writes::of(&before);
        let mut batch = Batch::default();
        for change in &changes.changes {
            match change {
                Change::PutResource(write) => writes.put(connection, self.numbers, &mut batch, write)?,
                Change::DeleteResource { kind, id, version, at } => {
                    writes.delete(connection, self.numbers, &mut batch, kind, id, *version, at)?;
                }
                Change::IndexAnew { resources, state } => {
                    super::records::index_anew(connection, self.numbers, resources, state)?;
                }
                Change::ConfirmResource { kind, id, version, event_time } => {
                    super::records::confirm(&mut batch, kind, id, *version, event_time)?;
                }
                other => self.write(connection, &mut batch, other)?,
            }
        }
        if changes.changes.iter().any(|change| matches!(change, Change::Queue(_))) {
            batch.add(super::listen::SAY, []);
        }
        writes.finish(&mut batch);
        connection.all(&batch)?;
        Ok(Ok(()))
    }

    fn write<'a>(
        &mut self,
        connection: &mut Connection,
        batch: &mut Batch<'a>,
        change: &'a Change,
    ) -> Result<(), Failure> {
        match change {
            // Of the record, and written there.
            Change::PutResource(_)
            | Change::DeleteResource { .. }
            | Change::IndexAnew { .. }
            | Change::ConfirmResource { .. } => {}
            Change::RecordMessage(message) => super::messages::record(batch, message),
            Change::CountLosses(counts) => {
                for (key, seen) in counts {
                    match self.losses.get_mut(key) {
                        Some(sum) => *sum += seen,
                        None => drop(self.losses.insert(key.clone(), *seen)),
                    }
                }
            }
            Change::SawFile(file) => super::messages::saw_file(batch, file),
            Change::PutPeer(peer) => super::peers::put(batch, peer),
            Change::PutServices { peer, services } => super::peers::put_services(batch, peer, services),
            Change::KeepKey(key) => super::peers::keep_key(batch, key),
            Change::OpenInvite(invite) => super::peers::open_invite(batch, invite),
            Change::UseInvite { secret_sha256 } => super::peers::use_invite(batch, secret_sha256),
            Change::Queue(delivery) => super::deliveries::queue(batch, delivery),
            Change::Delivered { message_id, receipt, at } => {
                super::deliveries::delivered(batch, message_id, receipt, at);
            }
            Change::RetryAt { message_id, at, error } => super::deliveries::retry_at(batch, message_id, at, error),
            Change::GiveUp { message_id, error } => super::deliveries::give_up(batch, message_id, error),
            Change::HoldWaiting => {
                super::deliveries::hold_waiting(batch);
                super::filings::hold_waiting(batch);
            }
            Change::Release { message_id, at } => super::deliveries::release(batch, message_id, at),
            Change::ReleaseFiling { id, at } => super::filings::release(batch, id, at),
            Change::File(filing) => super::filings::queue(batch, filing),
            Change::LeaseFiling { id, lease, until } => super::filings::lease(batch, id, lease, until),
            Change::Filed { id, answer, at } => super::filings::filed(batch, id, answer, at),
            Change::RetryFiling { id, at, error } => super::filings::retry_at(batch, id, at, error),
            Change::GiveUpFiling { id, error, answer } => super::filings::give_up(batch, id, error, answer),
            Change::Seen(seen) => super::deliveries::put_seen(batch, seen),
            Change::UseToken { peer, jti, expires_at } => super::deliveries::use_token(batch, peer, jti, expires_at),
            Change::StartExport(export) => {
                // What stands behind it in this group is behind its fence, too.
                self.fence = std::mem::take(&mut self.fence).max(Some(export.moment.clone()));
                super::exports::start(batch, export);
            }
            Change::LeaseExport { id, lease, until } => super::exports::lease(batch, id, lease, until),
            Change::AddPieces { id, pieces, reached } => super::exports::add_pieces(batch, id, pieces, *reached),
            Change::EndExport { id, status, error, expires_at } => {
                super::exports::end(batch, id, *status, error, expires_at);
            }
            Change::TakeAwayExport { id, pieces } => super::exports::take_away(batch, id, *pieces),
            Change::PutReferral(referral) => super::referrals::put(batch, referral),
            Change::MoveReferral { id, from, to, at } => super::referrals::move_from(batch, id, from, to, at),
            Change::ReferralEvent(event) => super::referrals::add_event(batch, event),
            Change::PutQuestion(question) => super::cohorts::put_question(batch, question),
            Change::PutAnswer(answer) => super::cohorts::put_answer(batch, answer),
            Change::PutLink(link) => super::access::put_link(batch, link),
            Change::UseLink { secret_sha256 } => super::access::use_link(batch, secret_sha256),
            Change::PutSession(session) => super::access::put_session(batch, session),
            Change::EndSession { secret_sha256 } => super::access::end_session(batch, secret_sha256),
            Change::EndAllSessions => super::access::end_all_sessions(batch),
            Change::PutToken(token) => super::access::put_token(batch, token),
            Change::PutClient(client) => super::access::put_client(batch, client),
            Change::RemoveClient { id } => super::access::remove_client(batch, id),
            Change::Audit(entry) => {
                let end = match &mut self.end {
                    Some(end) => end,
                    place => place.insert(End::read(connection, self.chain)?),
                };
                end.append(batch, entry);
            }
        }
        Ok(())
    }
}

fn holds(connection: &mut Connection, expect: &Expect) -> Result<bool, Failure> {
    match expect {
        // Asked for all at once.
        Expect::ResourceVersion { .. } => Ok(true),
        Expect::Unreferred { kind, id, except } => super::records::unreferred(connection, kind, id, except),
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
        Expect::ExportsBelow { owner, most } => super::exports::is_below(connection, owner, *most),
        Expect::ExportFree { id, now } => super::exports::is_free(connection, id, now),
        Expect::ExportLeased { id, lease } => super::exports::lease_held(connection, id, lease),
        Expect::LinkUnused { secret_sha256 } => super::access::link_unused(connection, secret_sha256),
    }
}
