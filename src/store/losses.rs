//! Totals of the loss reports: how often each source field was mapped, kept raw or dropped. Counted in the commit of the
//! message, so that they are true after a crash and need no reading of a million reports.

use super::StoreError;

/// How often a field of one sort of message fared so on one day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LossKey {
    /// Day the message came in, `2026-11-24` (UTC).
    pub day: String,
    /// Door it came through.
    pub channel: String,
    /// `ADT^A01`.
    pub kind: String,
    /// `PID-5`, `PID-5.7`, `column mrn`.
    pub field: String,
    /// `mapped`, `kept-raw`, `dropped`.
    pub outcome: String,
    /// Why it is in no element; empty where it is.
    pub reason: String,
}

/// Which totals to read.
#[derive(Debug, Clone, Default)]
pub struct LossFilter {
    /// Only of this channel.
    pub channel: Option<String>,
    /// Only of this sort of message.
    pub kind: Option<String>,
    /// Only of messages from this day on, `2026-11-24`.
    pub since: Option<String>,
}

/// What became of a field over many messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LossTotal {
    /// `PID-5`.
    pub field: String,
    /// `mapped`, `kept-raw`, `dropped`.
    pub outcome: String,
    /// Why it is in no element; empty where it is.
    pub reason: String,
    /// How often.
    pub seen: u64,
}

/// Reading the totals.
pub trait LossView {
    /// The totals, by field.
    fn loss_totals(&self, filter: &LossFilter) -> Result<Vec<LossTotal>, StoreError>;
}
