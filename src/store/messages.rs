//! Received messages: their bytes as received, what became of them, and their losses.

use super::StoreError;

/// What became of a received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageStatus {
    /// In the record.
    Translated,
    /// Kept aside with a reason; nothing of it is in the record.
    Quarantined,
}

impl MessageStatus {
    /// The word used in the store, JSON and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Translated => "translated",
            Self::Quarantined => "quarantined",
        }
    }

    /// Reads [`MessageStatus::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Translated, Self::Quarantined].into_iter().find(|status| status.as_str() == text)
    }
}

/// A received message in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// Our id.
    pub id: String,
    /// `mllp`, `hl7v2`, `ssmix2`, `csv`, `fhir`, `peer`.
    pub channel: String,
    /// Where it came from: file path below the given folder, or sending application. No PHI: SS-MIX2 paths are
    /// given without their file name's patient id in logs, but kept whole here.
    pub source: String,
    /// `ADT^A01`, `OML-11`, `patients.csv` row …; `?` if unreadable.
    pub kind: String,
    /// MSH-10 or alike.
    pub control_id: Option<String>,
    /// RFC 3339.
    pub received_at: String,
    /// The bytes as received.
    pub raw: Vec<u8>,
    /// SHA-256 of `raw`, hexadecimal.
    pub sha256: String,
    /// What became of it.
    pub status: MessageStatus,
    /// Why it is quarantined, with what to do about it.
    pub reason: Option<String>,
    /// The loss report, JSON (`translate::losses`).
    pub losses: Option<String>,
    /// `Type/id` of the resources it wrote, JSON array.
    pub resources: String,
    /// Logical id of the patient, if known.
    pub patient: Option<String>,
}

/// Which messages to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only these.
    pub status: Option<MessageStatus>,
    /// Only from this channel.
    pub channel: Option<String>,
    /// At most this many.
    pub limit: usize,
    /// Passed over.
    pub offset: usize,
}

/// How a file of a feed looked when it was last taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFile {
    /// `ssmix2`, `csv`, …
    pub channel: String,
    /// The feed: path of its root.
    pub feed: String,
    /// The file below it.
    pub source: String,
    /// Size, times, number on the disk; compared for equality only.
    pub fingerprint: String,
    /// SHA-256 of what it held, hexadecimal; empty where it was read as a stream.
    pub sha256: String,
}

/// Totals of a node's intake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// All.
    pub received: u64,
    /// In the record.
    pub translated: u64,
    /// Kept aside.
    pub quarantined: u64,
}

/// Reading received messages.
pub trait MessageView {
    /// One message in full.
    fn message(&self, id: &str) -> Result<Option<MessageRecord>, StoreError>;
    /// A page of messages, newest first; `raw` is left empty.
    fn messages(&self, filter: &MessageFilter) -> Result<Vec<MessageRecord>, StoreError>;
    /// Whether a message with these bytes came from this source by this channel before.
    fn is_known(&self, channel: &str, source: &str, sha256: &str) -> Result<bool, StoreError>;
    /// How a file of a feed looked when it was last taken in.
    fn seen_file(&self, channel: &str, feed: &str, source: &str) -> Result<Option<SeenFile>, StoreError>;
    /// Totals.
    fn message_counts(&self) -> Result<MessageCounts, StoreError>;
}
