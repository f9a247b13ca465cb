//! The clinical record: resources with their history and search rows.

use std::borrow::Cow;

use super::StoreError;
use super::keys::Keys;

/// A resource as kept: the JSON text is the record; the rest is about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResource {
    /// Resource type.
    pub kind: String,
    /// Logical id.
    pub id: String,
    /// 1, 2, 3 …
    pub version: u64,
    /// RFC 3339 with milliseconds.
    pub last_updated: String,
    /// The event's own time (result time, message time), if known: the later event wins.
    pub event_time: Option<String>,
    /// The JSON text, with `meta.versionId` and `meta.lastUpdated` set. Empty, if this version is the deletion.
    pub json: String,
}

impl StoredResource {
    /// Whether this version is the deletion of the resource.
    pub fn is_deletion(&self) -> bool {
        self.json.is_empty()
    }
}

/// A new version of a resource.
#[derive(Debug, Clone)]
pub struct ResourceWrite {
    /// The version to write; its number is one above the present one.
    pub resource: StoredResource,
    /// Logical id of the patient it is about, if any. Clinical rows are keyed by it.
    pub patient: Option<String>,
    /// Search rows of this version; they replace those of the version before.
    pub index: Vec<IndexRow>,
    /// The received message it came from, if any.
    pub message_id: Option<String>,
}

/// One thing that a resource is found by.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexRow {
    /// Element of the resource (`code`, `name.family`, `effective`), without the type of a choice.
    pub path: Cow<'static, str>,
    /// What to find it by.
    pub value: IndexValue,
}

impl IndexRow {
    /// A row.
    pub fn new(path: impl Into<Cow<'static, str>>, value: IndexValue) -> Self {
        Self { path: path.into(), value }
    }
}

/// A search value, by type. Tokens, texts, references and dates lead to the resource; what is written out exactly and
/// quantities are only compared once it is found by something else.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexValue {
    /// System (empty: none) and code.
    Token {
        /// System URI or "".
        system: String,
        /// Code.
        code: String,
    },
    /// Folded text.
    Text(String),
    /// The text as written, where folding changed it.
    Exact(String),
    /// `Type/id`, or an address elsewhere.
    Reference(String),
    /// From (inclusive) to (exclusive), milliseconds since 1970 UTC.
    Date {
        /// Inclusive.
        from: i64,
        /// Exclusive.
        to: i64,
    },
    /// A number or a range of numbers with its unit; compared as floating point, shown from the JSON. Not a number:
    /// something is there that cannot be compared.
    Quantity {
        /// Low end, inclusive.
        low: f64,
        /// High end, inclusive.
        high: f64,
        /// UCUM code, or `system|code`, or the unit as written.
        unit: String,
    },
}

/// Type and id of `Type/id`; anything else is an address elsewhere, which has no type.
pub fn split_target(target: &str) -> (&str, &str) {
    match target.split_once('/') {
        Some((kind, id)) if kind.starts_with(|c: char| c.is_ascii_uppercase()) && !id.contains('/') => (kind, id),
        _ => ("", target),
    }
}

/// The path under which the patient that a resource is about is a reference of it.
pub const PATIENT_PATH: &str = "*patient";

/// A value, or a range of values, to ask the index for. Numbers are those of [`IndexView::word`] and
/// [`IndexView::position`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Posting<'a> {
    /// All resources of a type.
    Kind(i64),
    /// Of a code, or of any code of a system.
    Token {
        /// Element.
        path: i64,
        /// Word of the system; none: of any.
        system: Option<i64>,
        /// None: any code.
        code: Option<&'a str>,
    },
    /// Codes and addresses that begin so.
    TokenStart {
        /// Element.
        path: i64,
        /// Beginning.
        start: &'a str,
    },
    /// Folded texts that begin so.
    TextStart {
        /// Element.
        path: i64,
        /// Beginning.
        start: &'a str,
    },
    /// Folded texts that have this in them.
    TextPart {
        /// Element.
        path: i64,
        /// Part.
        part: &'a str,
    },
    /// What refers to an address.
    Reference {
        /// Element.
        path: i64,
        /// Position of the target.
        target: i64,
    },
    /// Spans of time.
    Dates {
        /// Element.
        path: i64,
        /// The span begins between these, both inclusive.
        from: (i64, i64),
        /// The span ends between these, both inclusive.
        to: (i64, i64),
    },
}

/// What the index knows of a resource.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its position.
    pub position: i64,
    /// Word of its type.
    pub kind: i64,
    /// Position of the patient it is about.
    pub patient: Option<i64>,
    /// Last update, milliseconds since 1970 UTC.
    pub updated: i64,
    /// What it is found by.
    pub keys: Keys<'a>,
}

/// By what resources are indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexState {
    /// Edition of the search parameters.
    pub edition: u32,
    /// All resources up to this position are of this edition; the greatest number once all are.
    pub reached: i64,
}

/// A resource as it is to be indexed anew.
#[derive(Debug, Clone)]
pub struct Reindexed {
    /// Its position.
    pub position: i64,
    /// The version that was read; a later one has been indexed when it was written.
    pub version: u64,
    /// What it is found by.
    pub index: Vec<IndexRow>,
}

/// The few questions from which a search is made (`records/find`). Every resource has a position, which never changes;
/// words and addresses have numbers, which never change.
pub trait IndexView {
    /// The number of a word, if it has one. `Observation?code` is the element `code` of observations.
    fn word(&self, text: &str) -> Result<Option<i64>, StoreError>;
    /// The word of a number.
    fn text_of(&self, number: i64) -> Result<Option<String>, StoreError>;
    /// The position of `kind/id`, held or referred to; of an address elsewhere if `kind` is empty.
    fn position(&self, kind: &str, id: &str) -> Result<Option<i64>, StoreError>;
    /// Type and id of a position.
    fn address_at(&self, position: i64) -> Result<Option<(String, String)>, StoreError>;
    /// Positions of resources that have, or once had, a value; in no order, some perhaps twice. It stops when it has more
    /// than `at_most`.
    fn owners(&self, posting: &Posting<'_>, at_most: usize) -> Result<Vec<i64>, StoreError>;
    /// What the index knows of the resources at these positions, in their order; what is not held is passed over. It stops
    /// when `visit` says false.
    fn entries(&self, positions: &[i64], visit: &mut dyn FnMut(Entry<'_>) -> bool) -> Result<(), StoreError>;
    /// The current versions at these positions, in their order; what is not held is passed over.
    fn resources_at(&self, positions: &[i64]) -> Result<Vec<StoredResource>, StoreError>;
    /// Whether something is left out of every answer: then nothing is estimated from what postings lead to.
    fn withholds(&self) -> bool {
        false
    }
    /// By what resources are indexed.
    fn index_state(&self) -> Result<IndexState, StoreError>;
    /// The next resources behind a position, by position, at most so many.
    fn resources_behind(&self, position: i64, at_most: usize) -> Result<Vec<(i64, StoredResource)>, StoreError>;
}

/// Reading the record.
pub trait RecordView: IndexView {
    /// The current version, unless there is none.
    fn resource(&self, kind: &str, id: &str) -> Result<Option<StoredResource>, StoreError>;
    /// One version; it may be the deletion.
    fn resource_version(&self, kind: &str, id: &str, version: u64) -> Result<Option<StoredResource>, StoreError>;
    /// Current resources of `kind` with this identifier (index parameter `identifier`), oldest first, at most 10.
    fn by_identifier(&self, kind: &str, system: &str, value: &str) -> Result<Vec<StoredResource>, StoreError>;
    /// All current resources about a patient, the patient first, then by type and id.
    fn compartment(&self, patient_id: &str) -> Result<Vec<StoredResource>, StoreError>;
    /// Number of current resources by type.
    fn resource_counts(&self) -> Result<Vec<(String, u64)>, StoreError>;
}
