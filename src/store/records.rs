//! The clinical record: resources with their history and search rows.

use std::collections::BTreeSet;

use super::StoreError;
use crate::fhir::search::Search;

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

/// One row of the search index.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexRow {
    /// Search parameter name (`code`, `identifier`, `birthdate` …).
    pub parameter: String,
    /// What to find it by.
    pub value: IndexValue,
}

/// A search value, by type.
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
    /// `Type/id`.
    Reference(String),
    /// From (inclusive) to (exclusive), RFC 3339 UTC text.
    Date {
        /// Inclusive.
        from: String,
        /// Exclusive.
        to: String,
    },
    /// A number with its UCUM unit, as written or as harmonised; compared as floating point, shown from the JSON.
    Quantity {
        /// Number.
        value: f64,
        /// UCUM code or "".
        unit: String,
    },
}

/// A page of search results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// How many match in all.
    pub total: u64,
    /// This page.
    pub resources: Vec<StoredResource>,
}

/// Patients for whom a resource exists that carries one of these codes, and, if asked, a quantity in a range.
#[derive(Debug, Clone, PartialEq)]
pub struct FactQuery {
    /// Resource type: `Condition`, `Observation`, `MedicationRequest` …
    pub kind: String,
    /// Acceptable (system, code) pairs of parameter `code`.
    pub codes: Vec<(String, String)>,
    /// Acceptable ranges, one per unit: any of them may hold.
    pub quantities: Vec<QuantityRange>,
    /// Statuses (parameter `status`) that do not count, e.g. `entered-in-error`.
    pub excluded_statuses: Vec<String>,
}

/// An interval of numbers in one unit. An absent end is open; ends are inclusive unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantityRange {
    /// UCUM code.
    pub unit: String,
    /// Low end.
    pub low: Option<f64>,
    /// The low end itself does not count.
    pub low_exclusive: bool,
    /// High end.
    pub high: Option<f64>,
    /// The high end itself does not count.
    pub high_exclusive: bool,
}

/// Reading the record.
pub trait RecordView {
    /// The current version, unless there is none.
    fn resource(&self, kind: &str, id: &str) -> Result<Option<StoredResource>, StoreError>;
    /// One version; it may be the deletion.
    fn resource_version(&self, kind: &str, id: &str, version: u64) -> Result<Option<StoredResource>, StoreError>;
    /// Current resources of `kind` with this identifier (index parameter `identifier`), oldest first, at most 10.
    fn by_identifier(&self, kind: &str, system: &str, value: &str) -> Result<Vec<StoredResource>, StoreError>;
    /// A page of current resources.
    fn search(&self, search: &Search) -> Result<Found, StoreError>;
    /// All current resources about a patient, the patient first, then by type and id.
    fn compartment(&self, patient_id: &str) -> Result<Vec<StoredResource>, StoreError>;
    /// Number of current resources by type.
    fn resource_counts(&self) -> Result<Vec<(String, u64)>, StoreError>;
    /// Patients that match, by logical id.
    fn patients_with(&self, query: &FactQuery) -> Result<BTreeSet<String>, StoreError>;
    /// Patients whose birth date lies in `[from, to)`, both `YYYY-MM-DD` or open.
    fn patients_born(&self, from: Option<&str>, to: Option<&str>) -> Result<BTreeSet<String>, StoreError>;
    /// All patients, by logical id.
    fn all_patients(&self) -> Result<BTreeSet<String>, StoreError>;
}
