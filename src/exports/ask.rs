//! What an export is asked for, and its beginning.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clock::instant;
use crate::exchange::Institution;
use crate::fault::{Classified, Kind};
use crate::ids;
use crate::records::query::QueryError;
use crate::store::audit::AuditEntry;
use crate::store::exports::{Export, ExportStatus, UNPREPARED};
use crate::store::{Change, Changes, CommitError, Expect, StoreError};

/// What an export is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The address by which it was asked for, whole.
    pub request: String,
    /// Of what.
    pub level: Level,
    /// Resource types; none named: all.
    pub kinds: Vec<String>,
    /// Only what changed after this, RFC 3339 UTC with milliseconds.
    pub since: Option<String>,
    /// Searches of which a resource must meet one, if there is one of its type.
    pub filters: Vec<Filter>,
    /// What was left out of the request, and why; for who wants it handled leniently.
    pub left_out: Vec<String>,
}

/// Of what an export is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Everything.
    System,
    /// What is about patients.
    Patient,
    /// What is about the patients of a group.
    Group(String),
}

/// A search that resources of a type must meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Resource type.
    pub kind: String,
    /// Names and values, decoded.
    pub pairs: Vec<(String, String)>,
}

/// Why an export is not begun, or cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// So many are open for one client.
    #[error("{0} exports of this client are under way already; wait for one to be done, or cancel it")]
    TooMany(u64),
    /// The group is not there.
    #[error("Group/{0} is not in the record")]
    NoGroup(String),
    /// A filter cannot be answered.
    #[error("a _typeFilter cannot be answered: {0}")]
    Filter(String),
    /// Whoever asked for it is registered no longer.
    #[error("the client that asked for the export is not registered any more")]
    Gone,
    /// What was kept cannot be read.
    #[error("the export is damaged")]
    Damaged,
    /// Another worker has it, or it was cancelled.
    #[error("the export is in other hands")]
    Taken,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for ExportError {
    fn kind(&self) -> Kind {
        match self {
            Self::TooMany(_) => Kind::TooMany,
            Self::NoGroup(_) => Kind::NotFound,
            Self::Gone => Kind::Forbidden,
            Self::Filter(_) => Kind::Unprocessable,
            Self::Damaged => Kind::Internal,
            Self::Taken => Kind::Conflict,
            Self::Store(error) => error.kind(),
        }
    }
}

impl From<QueryError> for ExportError {
    fn from(error: QueryError) -> Self {
        Self::Filter(error.to_string())
    }
}

impl From<CommitError> for ExportError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Unexpected(_) => Self::Taken,
            CommitError::Store(error) => Self::Store(error),
        }
    }
}

/// Begins an export for `owner`, who may have `most` of them open at once; its files stay for `hours`. Blocks.
pub fn start(here: &Institution, owner: &str, asked: &Asked, most: u64, hours: u64) -> Result<Export, ExportError> {
    if let Level::Group(id) = &asked.level
        && here.store.view(|view| view.resource("Group", id))?.is_none()
    {
        return Err(ExportError::NoGroup(id.clone()));
    }
    let now = here.clock.now();
    let export = Export {
        id: ids::secret(),
        owner: owner.to_owned(),
        asked: serde_json::to_vec(asked).map_err(|_| ExportError::Damaged)?,
        moment: instant(now),
        status: ExportStatus::Open,
        reached: UNPREPARED,
        resources: 0,
        error: None,
        created_at: instant(now),
        expires_at: later(now, hours),
    };
    let kinds = if asked.kinds.is_empty() { "all types".to_owned() } else { asked.kinds.join(",") };
    // Not the filters: their values may tell of a patient.
    let detail = serde_json::json!({
        "of": asked.level.name(), "types": kinds, "since": asked.since, "filters": asked.filters.len(),
    });
    let changes = Changes::new()
        .expecting(Expect::ExportsBelow { owner: owner.to_owned(), most })
        .with(Change::StartExport(export.clone()))
        .with(Change::Audit(AuditEntry {
            at: instant(now),
            actor: owner.to_owned(),
            action: "export.start".to_owned(),
            target: export.id.clone(),
            detail: detail.to_string(),
        }));
    match here.store.commit(changes) {
        Ok(()) => Ok(export),
        Err(CommitError::Unexpected(Expect::ExportsBelow { .. })) => Err(ExportError::TooMany(most)),
        Err(error) => Err(error.into()),
    }
}

/// So many hours later, RFC 3339.
pub(super) fn later(now: Timestamp, hours: u64) -> String {
    let hours = SignedDuration::from_hours(i64::try_from(hours).unwrap_or(i64::MAX / 3600).min(1_000_000));
    instant(now.checked_add(hours).unwrap_or(Timestamp::MAX))
}

impl Asked {
    /// What the store kept of it.
    pub fn of(export: &Export) -> Result<Self, ExportError> {
        serde_json::from_slice(&export.asked).map_err(|_| ExportError::Damaged)
    }
}

impl Filter {
    /// Refuses a search that cannot be answered, or that is more than criteria; `base` is the node's own address.
    pub fn check(&self, base: &str, now: Timestamp) -> Result<(), ExportError> {
        super::choose::search_of(self, Some(now), base).map(drop)
    }
}

impl Level {
    fn name(&self) -> String {
        match self {
            Self::System => "system".to_owned(),
            Self::Patient => "patients".to_owned(),
            Self::Group(id) => format!("Group/{id}"),
        }
    }
}
