//! What a resource was: its versions, deletions among them, newest first; and who refers to it.

use std::ops::ControlFlow;

use super::StoreError;
use super::records::StoredResource;

/// Which versions are asked for: of one resource, of one type, or of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Resource type; all types, if none.
    pub kind: Option<String>,
    /// Logical id, together with a type.
    pub id: Option<String>,
    /// Versions of this moment and later, RFC 3339 UTC with milliseconds.
    pub since: Option<String>,
    /// Versions that were current at some time in `[from, to)`, RFC 3339 UTC with milliseconds.
    pub at: Option<(String, String)>,
    /// Goes on behind the page that gave this mark.
    pub after: Option<String>,
    /// Versions on a page, at least 1.
    pub count: usize,
}

/// A page of versions, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// How many there are in all; told for one resource without further conditions, else it costs a look at everything.
    pub total: Option<u64>,
    /// This page. A deletion is a version without JSON, see [`StoredResource::is_deletion`].
    pub versions: Vec<StoredResource>,
    /// Where the next page begins, if there is one. What is written meanwhile is newer and moves nothing behind it.
    pub next: Option<String>,
}

/// A current resource met when all of the record is gone through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Logical id of the patient it is about, if any.
    pub patient: Option<String>,
    /// The resource.
    pub resource: StoredResource,
}

/// Reading what was.
pub trait HistoryView {
    /// The last version of a resource, be it the current one or its deletion; none, if it never was here.
    fn last_version(&self, kind: &str, id: &str) -> Result<Option<StoredResource>, StoreError>;
    /// A page of versions. A mark that no page gave begins at the top.
    fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError>;
    /// Type and id of current resources that refer to one by a search parameter, or are about it if it is a patient, at most
    /// `limit`, without itself. Records about records (Provenance, AuditEvent) do not count: they hold nothing back.
    fn referrers(&self, kind: &str, id: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError>;
    /// Shows every current resource of these types (none named: of all) to `visit`, in the order in which they first came,
    /// until it breaks off. One snapshot, one resource in memory.
    fn each_resource(
        &self,
        kinds: &[String],
        visit: &mut dyn FnMut(Passed) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;
}

/// What the mark of a page says: time, position and version of its last entry. None if it is no mark of a store.
pub(super) fn mark_in(mark: &str) -> Option<(String, i64, i64)> {
    let mut parts = mark.split('~');
    let mark = (parts.next()?.to_owned(), parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(mark)
}
