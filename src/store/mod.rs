//! The store: one trait with few verbs — view, commit, claim, health; note, for what was asked — and the values that cross it.
//!
//! Writes are values: one act's changes (record, audit, outbox, seen id) are one [`Changes`] and become one commit.
//! Nothing is acknowledged before [`Store::commit`] has returned, which is after the fsync. Reading is a closure over a
//! [`View`], a consistent snapshot. Both are blocking calls: async code goes through [`Handle`].

pub mod access;
pub mod audit;
pub mod care;
pub mod cohorts;
pub mod deliveries;
pub mod exports;
pub mod filings;
pub mod history;
pub mod keys;
pub mod losses;
pub mod messages;
pub mod peers;
pub mod postgres;
mod recorder;
pub mod records;
pub mod referrals;
pub mod requests;
pub mod sealing;
pub mod sqlite;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use crate::fault::{Classified, Kind};

/// A consistent reading of everything the node keeps. One trait per room of the store.
pub trait View:
    records::RecordView
    + history::HistoryView
    + exports::ExportView
    + messages::MessageView
    + losses::LossView
    + peers::PeerView
    + deliveries::DeliveryView
    + filings::FilingView
    + referrals::ReferralView
    + cohorts::CohortView
    + access::AccessView
    + audit::AuditView
    + requests::RequestView
{
}

/// The store behind the node: SQLite, or PostgreSQL shared by replicas.
pub trait Store: Send + Sync {
    /// Runs `read` on one snapshot, on the caller's thread.
    fn view(&self, read: &mut dyn FnMut(&dyn View) -> Result<(), StoreError>) -> Result<(), StoreError>;

    /// Whether a few rows by their keys are read so quickly (from a file of this machine) that going to another thread for
    /// them would take longer.
    fn is_at_hand(&self) -> bool {
        false
    }

    /// Makes all of `changes` durable, or none and says which expectation failed.
    fn commit(&self, changes: Changes) -> Result<(), CommitError>;

    /// Writes a request into the trail; `told` hears when a killed process would not lose it any more. It is on the disk within a
    /// second. Does not block.
    fn note(&self, row: requests::RequestRow, told: oneshot::Sender<Result<(), StoreError>>);

    /// Leases up to `limit` deliveries that are due at `now` until `lease_until`, to the worker named `lease`.
    fn claim(&self, claim: &deliveries::Claim) -> Result<Vec<deliveries::Delivery>, StoreError>;

    /// Has `wake` called when others that share the store have put a message into the outbox. A store that nobody shares
    /// never calls it.
    fn on_work(&self, wake: Box<dyn Fn() + Send + Sync>) {
        drop(wake);
    }

    /// Whether the store can read and write, and how large it is.
    fn health(&self) -> Result<Health, StoreError>;

    /// The store's condition, as it changes.
    fn condition(&self) -> watch::Receiver<Condition> {
        watch::channel(Condition::Sound).1
    }

    /// Whether the store was not closed the last time, or is small: then it is checked whole before it is used.
    fn is_doubtful(&self) -> bool {
        false
    }

    /// Reads all of it and says what is damaged first; then nothing is written any more.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Brings up to `limit` sealed values under the present data key, in one small commit; see [`sealing`]. What is left of
    /// earlier keys is removed when nothing needs it. Safe to stop at any time.
    fn reseal(&self, _limit: usize) -> Result<Resealed, StoreError> {
        Ok(Resealed { values: 0, done: true })
    }

    /// Writes a copy of all of it, as it is at one moment, into the new file `to`, while others go on reading and writing. The
    /// trail of requests goes beside it, as it is a moment later.
    /// `goes_on` is told how much is done and of how much; when it says no, the copy is given up ([`StoreError::Closed`]).
    fn copy_to(&self, _to: &Path, _goes_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<(), StoreError> {
        Err(StoreError::NotCopied)
    }

    /// Opens every sealed value and says how many there are; the first that does not open is an error.
    fn check_sealed(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// Makes a new data key, under which everything is sealed from now on; gives its number.
    fn rotate_data_key(&self) -> Result<u32, StoreError> {
        Err(sealing::SealError::NotHere.into())
    }

    /// Wraps all data keys under the master key of `new`, which must be there; gives its id.
    fn rewrap_data_keys(&self, _new: &sealing::MasterSource) -> Result<String, StoreError> {
        Err(sealing::SealError::NotHere.into())
    }
}

/// What one act writes, and what must still hold for it to be written.
#[derive(Debug, Default, Clone)]
pub struct Changes {
    /// Checked first, in order, inside the same transaction.
    pub expect: Vec<Expect>,
    /// Applied in order.
    pub changes: Vec<Change>,
}

impl Changes {
    /// No expectation, no change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an expectation.
    #[must_use]
    pub fn expecting(mut self, expect: Expect) -> Self {
        self.expect.push(expect);
        self
    }

    /// Adds a change.
    #[must_use]
    pub fn with(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }
}

/// A condition on the state before a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The resource's last version is this, its deletion counted as a version (`None`: it never existed).
    ResourceVersion {
        /// Resource type.
        kind: String,
        /// Logical id.
        id: String,
        /// Current version.
        version: Option<u64>,
    },
    /// No current resource but these refers to this one, see [`history::HistoryView::referrers`].
    Unreferred {
        /// Resource type.
        kind: String,
        /// Logical id.
        id: String,
        /// Type and id of those whose reference does not count, because the same act deletes or changes them.
        except: Vec<(String, String)>,
    },
    /// No current resource of this type has this identifier.
    NoneIdentified {
        /// Resource type.
        kind: String,
        /// Identifier system.
        system: String,
        /// Identifier value.
        value: String,
    },
    /// No message with this id from this peer has been accepted.
    NotSeen {
        /// Sending institution.
        peer: String,
        /// Message id.
        message_id: String,
    },
    /// This request token id has not been used by this peer.
    TokenUnused {
        /// Sending institution.
        peer: String,
        /// JWT id.
        jti: String,
    },
    /// The referral is in this status (`None`: it does not exist here).
    ReferralStatus {
        /// Referral id.
        id: String,
        /// Present status.
        status: Option<String>,
    },
    /// The referral's timeline has exactly this many lines: nobody has acted on it since it was read.
    ReferralEvents {
        /// Referral id.
        id: String,
        /// Lines.
        count: u64,
    },
    /// The paired institution is as it was read (`None`: it is not paired): nobody has revoked it or paired it anew.
    PeerIs {
        /// Institution id.
        id: String,
        /// What it was.
        state: Option<PeerState>,
    },
    /// The invitation is open.
    InviteOpen {
        /// SHA-256 of its secret, hexadecimal.
        secret_sha256: String,
    },
    /// The worker still holds the lease of this delivery.
    LeaseHeld {
        /// Message id of the delivery.
        message_id: String,
        /// Name of the lease.
        lease: String,
    },
    /// The message for a local system waits, and nobody holds it at this time.
    FilingFree {
        /// Id of the filing.
        id: String,
        /// RFC 3339.
        now: String,
    },
    /// The worker still holds the lease of this message for a local system.
    FilingLeased {
        /// Id of the filing.
        id: String,
        /// Name of the lease.
        lease: String,
    },
    /// Fewer than so many exports of this owner are open.
    ExportsBelow {
        /// Who asks for them.
        owner: String,
        /// So many.
        most: u64,
    },
    /// The export is open, and nobody works at it at this time.
    ExportFree {
        /// Id of the export.
        id: String,
        /// RFC 3339.
        now: String,
    },
    /// The worker still holds the lease of this export.
    ExportLeased {
        /// Id of the export.
        id: String,
        /// Name of the lease.
        lease: String,
    },
    /// The one-time sign-in link has not been used.
    LinkUnused {
        /// SHA-256 of its secret, hexadecimal.
        secret_sha256: String,
    },
}

/// What tells one pairing of an institution from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerState {
    /// `active` or `revoked`.
    pub status: String,
    /// SHA-256 of its TLS certificate, lower-case hexadecimal.
    pub certificate_sha256: String,
}

impl From<&peers::Peer> for PeerState {
    fn from(peer: &peers::Peer) -> Self {
        Self { status: peer.status.clone(), certificate_sha256: peer.certificate_sha256.clone() }
    }
}

/// One change to the store.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)]
pub enum Change {
    /// Writes a new version of a resource and its search rows.
    PutResource(records::ResourceWrite),
    /// Ends a resource: its last version moves into the history, and the deletion is a version behind it. Its search rows go.
    DeleteResource {
        /// Resource type.
        kind: String,
        /// Logical id.
        id: String,
        /// The deletion's number, one above the present version.
        version: u64,
        /// When, RFC 3339 with milliseconds.
        at: String,
    },
    /// Indexes resources anew, as they are; then all up to a position are of an edition of the search parameters.
    IndexAnew {
        /// The resources.
        resources: Vec<records::Reindexed>,
        /// What then holds.
        state: records::IndexState,
    },
    /// A later event says the same of a resource: its time moves, its version stays.
    ConfirmResource {
        /// Resource type.
        kind: String,
        /// Logical id.
        id: String,
        /// The present version.
        version: u64,
        /// The later event's time.
        event_time: Option<String>,
    },
    /// Records a received message: its bytes, what became of it, its losses.
    RecordMessage(messages::MessageRecord),
    /// Adds what became of a message's fields to the totals.
    CountLosses(BTreeMap<losses::LossKey, u64>),
    /// Notes how a file of a feed looked when it was taken in.
    SawFile(messages::SeenFile),
    /// Adds or replaces a paired institution, and keeps its signing key for good.
    PutPeer(peers::Peer),
    /// Replaces the published services of a paired institution, and nothing else of it.
    PutServices {
        /// Institution id.
        peer: String,
        /// JSON array of HealthcareService resources.
        services: String,
    },
    /// Keeps a signing key for good.
    KeepKey(peers::SigningKey),
    /// Opens an invitation.
    OpenInvite(peers::Invite),
    /// Marks an invitation used.
    UseInvite {
        /// SHA-256 of its secret, hexadecimal.
        secret_sha256: String,
    },
    /// Puts a signed message into the outbox.
    Queue(deliveries::Delivery),
    /// The partner's verified receipt arrived.
    Delivered {
        /// Message id.
        message_id: String,
        /// The receipt, a compact JWS.
        receipt: String,
        /// When it was verified.
        at: String,
    },
    /// The attempt failed; try again later.
    RetryAt {
        /// Message id.
        message_id: String,
        /// Next attempt, RFC 3339.
        at: String,
        /// What went wrong, without PHI.
        error: String,
    },
    /// The partner refused it for good, or retries are used up.
    GiveUp {
        /// Message id.
        message_id: String,
        /// Why.
        error: String,
    },
    /// Holds what waits in the outbox and for local systems: after a restore it may have been sent already.
    HoldWaiting,
    /// Lets a held message of the outbox go; one that is not held stays as it is.
    Release {
        /// Message id.
        message_id: String,
        /// Not before, RFC 3339.
        at: String,
    },
    /// Lets a held message for a local system go; one that is not held stays as it is.
    ReleaseFiling {
        /// Id of the filing.
        id: String,
        /// Not before, RFC 3339.
        at: String,
    },
    /// Queues a message for a local system, unless it is there already.
    File(filings::Filing),
    /// Leases a message for a local system for one attempt.
    LeaseFiling {
        /// Id of the filing.
        id: String,
        /// Name of the lease.
        lease: String,
        /// The lease ends, RFC 3339.
        until: String,
    },
    /// The local system has it.
    Filed {
        /// Id of the filing.
        id: String,
        /// What it answered.
        answer: String,
        /// RFC 3339.
        at: String,
    },
    /// The attempt failed, or a person wants another: try at this time.
    RetryFiling {
        /// Id of the filing.
        id: String,
        /// RFC 3339.
        at: String,
        /// What went wrong, without PHI.
        error: String,
    },
    /// The local system refused it, or retries are used up.
    GiveUpFiling {
        /// Id of the filing.
        id: String,
        /// Why, without PHI.
        error: String,
        /// What it answered, if it did.
        answer: Option<String>,
    },
    /// A message of a peer was accepted under this id; kept with bytes, signature and our receipt.
    Seen(deliveries::SeenMessage),
    /// A request token id was used.
    UseToken {
        /// Sending institution.
        peer: String,
        /// JWT id.
        jti: String,
        /// May be forgotten after.
        expires_at: String,
    },
    /// Begins an export: a fence, behind which nothing of its moment or before is written any more.
    StartExport(exports::Export),
    /// Leases an export; with a time that is over, gives it back.
    LeaseExport {
        /// Id of the export.
        id: String,
        /// Name of the lease.
        lease: String,
        /// The lease ends, RFC 3339.
        until: String,
    },
    /// Adds pieces to the files of an export, and says how far it has come.
    AddPieces {
        /// Id of the export.
        id: String,
        /// The pieces.
        pieces: Vec<exports::Piece>,
        /// All up to this position is in pieces.
        reached: i64,
    },
    /// An export is done, failed, or wanted no longer.
    EndExport {
        /// Id of the export.
        id: String,
        /// What has become of it.
        status: exports::ExportStatus,
        /// Why it failed, without PHI.
        error: Option<String>,
        /// When its files are taken away, RFC 3339; none: as it was.
        expires_at: Option<String>,
    },
    /// Takes away so many pieces of an export, and the export itself with the last of them.
    TakeAwayExport {
        /// Id of the export.
        id: String,
        /// At most.
        pieces: u64,
    },
    /// Writes the present state of a referral.
    PutReferral(referrals::Referral),
    /// Moves a referral from one status to another, if it is still at the first; else leaves it as it is.
    MoveReferral {
        /// Referral id.
        id: String,
        /// Status it must have.
        from: String,
        /// Status it gets.
        to: String,
        /// When, RFC 3339.
        at: String,
    },
    /// Adds a line to a referral's timeline.
    ReferralEvent(referrals::ReferralEvent),
    /// Keeps a cohort question.
    PutQuestion(cohorts::Question),
    /// Keeps one node's answer to a cohort question.
    PutAnswer(cohorts::Answer),
    /// Creates a one-time sign-in link.
    PutLink(access::SignInLink),
    /// Marks a link used.
    UseLink {
        /// SHA-256 of its secret, hexadecimal.
        secret_sha256: String,
    },
    /// Opens a browser session.
    PutSession(access::Session),
    /// Ends a browser session.
    EndSession {
        /// SHA-256 of its secret, hexadecimal.
        secret_sha256: String,
    },
    /// Ends all browser sessions and sign-in links.
    EndAllSessions,
    /// Registers an API bearer token. Those of clients that ended more than an hour before this one will are forgotten.
    PutToken(access::ApiToken),
    /// Registers a client, in place of one with its id, whose tokens end.
    PutClient(access::Client),
    /// Removes a client; its tokens end.
    RemoveClient {
        /// Its id.
        id: String,
    },
    /// Appends to the hash-chained audit trail.
    Audit(audit::AuditEntry),
}

/// Whether the store may be written to.
#[derive(Debug, Clone, Default)]
pub enum Condition {
    /// It may.
    #[default]
    Sound,
    /// Its disk failed in a write, or it is damaged: nothing is written any more, and nothing acknowledged.
    Broken(StoreError),
}

/// What one step of sealing anew did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Values sealed anew.
    pub values: u64,
    /// Nothing is left to do.
    pub done: bool,
}

/// State of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Schema version applied.
    pub schema_version: u32,
    /// Bytes on disk.
    pub bytes: u64,
}

/// The store could not do its work; the cause is for the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database refused or broke.
    #[error("the store failed: {0}")]
    Database(String),
    /// The schema was written by a newer release.
    #[error("the database has schema {found}, this release knows up to {known}; run a newer release")]
    NewerSchema {
        /// In the file.
        found: u32,
        /// Known here.
        known: u32,
    },
    /// The store's settings cannot be used.
    #[error("{0}")]
    Settings(String),
    /// Another process holds the database; the wait for it was bounded.
    #[error("the database is locked by another process; nothing was written, try again")]
    Locked,
    /// No room on the disk.
    #[error("the disk of the database is full; nothing was written. Make room: the node goes on by itself")]
    Full,
    /// The file or its disk takes no writes.
    #[error("the database cannot be written: its file, folder or disk is read-only")]
    ReadOnly,
    /// The disk failed in a write: what the system says it wrote may not be there.
    #[error("the disk of the database failed: {0}")]
    Disk(String),
    /// The file is damaged.
    #[error("the database is damaged ({0}); nothing is written to it. Stop the node and put a backup in its place")]
    Damaged(String),
    /// No copy is made of this kind of store.
    #[error(
        "Watari makes no copy of a PostgreSQL database: use pg_basebackup or pg_dump, and keep the configuration and the keys \
         folder with it (docs/KEEPING.md)"
    )]
    NotCopied,
    /// A value cannot be sealed or opened.
    #[error(transparent)]
    Sealing(#[from] sealing::SealError),
    /// Whoever reads by this store may not see the resource, which is named.
    #[error("{0} is not in the record")]
    Withheld(String),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

impl Classified for StoreError {
    fn kind(&self) -> Kind {
        match self {
            Self::Database(_)
            | Self::Locked
            | Self::Full
            | Self::ReadOnly
            | Self::Disk(_)
            | Self::Damaged(_)
            | Self::Closed => Kind::Unavailable,
            Self::Sealing(error) => error.kind(),
            Self::Withheld(_) => Kind::NotFound,
            Self::NewerSchema { .. } | Self::Settings(_) | Self::NotCopied => Kind::Configuration,
        }
    }
}

/// Why a commit did not happen.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// This expectation did not hold; nothing was written.
    #[error("a precondition did not hold: {0:?}")]
    Unexpected(Expect),
    /// The store broke; nothing was written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for CommitError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unexpected(_) => Kind::Conflict,
            Self::Store(error) => error.kind(),
        }
    }
}

/// A shared store, with typed readings and async doors.
#[derive(Clone)]
pub struct Handle(Arc<dyn Store>);

impl Handle {
    /// Wraps a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Reads on the caller's thread. Blocks; from async code use [`Handle::read`].
    pub fn view<T, E: From<StoreError>>(&self, read: impl FnOnce(&dyn View) -> Result<T, E>) -> Result<T, E> {
        let mut read = Some(read);
        let mut result = None;
        self.0.view(&mut |view| {
            if let Some(read) = read.take() {
                result = Some(read(view));
            }
            Ok(())
        })?;
        result.unwrap_or_else(|| Err(StoreError::Closed.into()))
    }

    /// Commits on the caller's thread. Blocks; from async code use [`Handle::write`].
    pub fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        self.0.commit(changes)
    }

    /// Writes a request into the trail, see [`Store::note`].
    pub async fn note(&self, row: requests::RequestRow) -> Result<(), StoreError> {
        let (told, hear) = oneshot::channel();
        self.0.note(row, told);
        hear.await.unwrap_or(Err(StoreError::Closed))
    }

    /// [`Store::note`] itself, for a store around this one.
    pub fn pass_on(&self, row: requests::RequestRow, told: oneshot::Sender<Result<(), StoreError>>) {
        self.0.note(row, told);
    }

    /// As [`Handle::note`], and waits for it on the caller's thread, which drives no runtime.
    pub fn note_and_wait(&self, row: requests::RequestRow) -> Result<(), StoreError> {
        let (told, hear) = oneshot::channel();
        self.0.note(row, told);
        hear.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }

    /// See [`Store::claim`]. Blocks.
    pub fn claim(&self, claim: &deliveries::Claim) -> Result<Vec<deliveries::Delivery>, StoreError> {
        self.0.claim(claim)
    }

    /// See [`Store::on_work`].
    pub fn on_work(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.0.on_work(Box::new(wake));
    }

    /// See [`Store::health`]. Blocks.
    pub fn health(&self) -> Result<Health, StoreError> {
        self.0.health()
    }

    /// See [`Store::condition`].
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.0.condition()
    }

    /// See [`Store::is_doubtful`].
    pub fn is_doubtful(&self) -> bool {
        self.0.is_doubtful()
    }

    /// See [`Store::check`]. Blocks.
    pub fn check(&self) -> Result<(), StoreError> {
        self.0.check()
    }

    /// See [`Store::reseal`]. Blocks.
    pub fn reseal(&self, limit: usize) -> Result<Resealed, StoreError> {
        self.0.reseal(limit)
    }

    /// See [`Store::copy_to`]. Blocks.
    pub fn copy_to(&self, to: &Path, goes_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<(), StoreError> {
        self.0.copy_to(to, goes_on)
    }

    /// See [`Store::check_sealed`]. Blocks.
    pub fn check_sealed(&self) -> Result<u64, StoreError> {
        self.0.check_sealed()
    }

    /// See [`Store::rotate_data_key`]. Blocks.
    pub fn rotate_data_key(&self) -> Result<u32, StoreError> {
        self.0.rotate_data_key()
    }

    /// See [`Store::rewrap_data_keys`]. Blocks.
    pub fn rewrap_data_keys(&self, new: &sealing::MasterSource) -> Result<String, StoreError> {
        self.0.rewrap_data_keys(new)
    }

    /// Reads from async code, on a blocking thread.
    pub async fn read<T, E>(&self, read: impl FnOnce(&dyn View) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.view(read)).await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// Reads a few rows by their keys from async code: where the store is at hand on the caller's own thread
    /// (docs/decisions/look-ups-in-place.md). Whatever may take longer goes by [`Handle::read`].
    pub async fn look_up<T, E>(&self, read: impl FnOnce(&dyn View) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        if self.0.is_at_hand() { self.view(read) } else { self.read(read).await }
    }

    /// Commits from async code, on a blocking thread.
    pub async fn write(&self, changes: Changes) -> Result<(), CommitError> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.commit(changes))
            .await
            .unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }
}
