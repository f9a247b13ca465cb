//! Exports of the record (`exports`): what was asked for, how far it has come, and the pieces of its files. Pieces and
//! progress are one commit under a lease, so that whoever continues an export neither repeats nor leaves out anything.
//!
//! An export shows the record as it was at one moment. Its row is a fence: whatever is committed after it is stamped later
//! than the moment, or is refused as changed and resolved again ([`is_late`]). So all that is stamped up to the moment can be
//! read, however long reading takes: from the current versions, and from the history what replaced them since.

use std::ops::ControlFlow;

use super::{Change, StoreError};
use crate::fhir::dates;

/// `Export::reached` of an export whose selection is still to be made.
pub const UNPREPARED: i64 = -1;
/// A write stamped at most so many milliseconds before the moment of an export may have been under way when that began. What
/// is stamped earlier comes from a clock that was set back, and is let through: no export may stop a node from writing.
const UNDER_WAY: i64 = 10_000;

/// What has become of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportStatus {
    /// Waits, or is being made.
    Open,
    /// All files are there.
    Done,
    /// It could not be made.
    Failed,
    /// Its owner wants it no longer, or its time is over: what is left of it is taken away.
    Ended,
}

impl ExportStatus {
    /// As the store keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Ended => "ended",
        }
    }

    /// What the store kept; anything else counts as ended.
    pub fn parse(text: &str) -> Self {
        match text {
            "open" => Self::Open,
            "done" => Self::Done,
            "failed" => Self::Failed,
            _ => Self::Ended,
        }
    }
}

/// An export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Random id.
    pub id: String,
    /// Who asked for it, as the audit trail names them.
    pub owner: String,
    /// What was asked for, JSON; it may name a patient, and is sealed where the store seals.
    pub asked: Vec<u8>,
    /// The moment that it shows, RFC 3339 UTC with milliseconds.
    pub moment: String,
    /// What has become of it.
    pub status: ExportStatus,
    /// The position up to which all is in pieces; [`UNPREPARED`] at the beginning.
    pub reached: i64,
    /// Resources in its pieces.
    pub resources: u64,
    /// Why it failed, without PHI.
    pub error: Option<String>,
    /// RFC 3339.
    pub created_at: String,
    /// When its files are taken away, RFC 3339.
    pub expires_at: String,
}

/// A part of a file: lines, compressed (raw DEFLATE, RFC 1951, its last block not marked as last), so that pieces behind each
/// other are one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its file: `Patient`, `deleted`; what begins with `*` is not a file but a part of the selection.
    pub file: String,
    /// Place in the file.
    pub number: u64,
    /// Resources in it.
    pub resources: u64,
    /// Bytes before compression.
    pub length: u64,
    /// CRC-32 of the bytes before compression.
    pub crc: u32,
    /// Compressed.
    pub bytes: Vec<u8>,
}

/// A file, without its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportFile {
    /// See [`Piece::file`].
    pub file: String,
    /// Its pieces.
    pub pieces: Vec<PieceSize>,
}

impl ExportFile {
    /// Puts the next piece, in the order of files and numbers, to those of its file.
    pub(super) fn gather(files: &mut Vec<Self>, file: String, piece: PieceSize) {
        match files.last_mut() {
            Some(last) if last.file == file => last.pieces.push(piece),
            _ => files.push(Self { file, pieces: vec![piece] }),
        }
    }
}

/// A piece, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceSize {
    /// Place in the file.
    pub number: u64,
    /// Resources in it.
    pub resources: u64,
    /// Bytes before compression.
    pub length: u64,
    /// CRC-32 of the bytes before compression.
    pub crc: u32,
    /// Bytes compressed.
    pub stored: u64,
}

/// Which versions are gone through.
#[derive(Debug, Clone, Copy)]
pub struct AsOf<'a> {
    /// Behind this position.
    pub behind: i64,
    /// The versions of this moment, RFC 3339 UTC with milliseconds.
    pub moment: &'a str,
    /// Only versions later than this.
    pub since: Option<&'a str>,
    /// Only these types; none named: all.
    pub kinds: &'a [String],
    /// Resources looked at, at most.
    pub at_most: usize,
}

impl AsOf<'_> {
    /// Whether a version of the moment that is history now is among those asked for.
    pub(super) fn includes(&self, kind: &String, updated: &str, json: &str) -> bool {
        let is_asked = self.kinds.is_empty() || self.kinds.contains(kind);
        is_asked && !json.is_empty() && self.since.is_none_or(|since| updated > since)
    }
}

/// A version met on the way.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Its position.
    pub position: i64,
    /// Resource type.
    pub kind: &'a str,
    /// Position of the patient that it is about.
    pub patient: Option<i64>,
    /// Its JSON on one line.
    pub json: &'a str,
}

/// A resource that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Resource type.
    pub kind: String,
    /// Logical id.
    pub id: String,
    /// The JSON of the version before.
    pub before: String,
}

/// Reading exports, and what they are made of.
pub trait ExportView {
    /// One export.
    fn export(&self, id: &str) -> Result<Option<Export>, StoreError>;
    /// Open ones that nobody works at, the oldest first; at most `limit`.
    fn exports_due(&self, now: &str, limit: usize) -> Result<Vec<Export>, StoreError>;
    /// Ids of those of which something is to be taken away: ended, or past their time.
    fn exports_over(&self, now: &str, limit: usize) -> Result<Vec<String>, StoreError>;
    /// The files of an export and parts of its selection, by name.
    fn export_files(&self, id: &str) -> Result<Vec<ExportFile>, StoreError>;
    /// The content of a piece, compressed.
    fn export_piece(&self, id: &str, file: &str, number: u64) -> Result<Option<Vec<u8>>, StoreError>;
    /// Shows resources as they were at a moment, ascending by position but for those that changed since, until `visit` breaks
    /// off or enough were looked at. Gives the position up to which all were shown; the greatest number at the end.
    fn each_as_of(
        &self,
        asked: &AsOf<'_>,
        visit: &mut dyn FnMut(Held<'_>) -> ControlFlow<()>,
    ) -> Result<i64, StoreError>;
    /// Shows what was deleted later than `since` and up to `moment`, and was not there again at `moment`.
    fn each_deleted(&self, since: &str, moment: &str, visit: &mut dyn FnMut(Deleted)) -> Result<(), StoreError>;
}

/// Type and id of what a change writes too late to be committed behind the fence of an export of `moment`.
pub(super) fn late<'a>(change: &'a Change, moment: &str) -> Option<(&'a str, &'a str)> {
    let (kind, id, at) = match change {
        Change::PutResource(write) => (&write.resource.kind, &write.resource.id, &write.resource.last_updated),
        Change::DeleteResource { kind, id, at, .. } => (kind, id, at),
        _ => return None,
    };
    is_late(at, moment).then_some((kind, id))
}

/// Whether a version stamped `at` comes too late to be committed behind the fence of an export of `moment`.
fn is_late(at: &str, moment: &str) -> bool {
    if at > moment {
        return false;
    }
    match (dates::milliseconds(at), dates::milliseconds(moment)) {
        (Some(at), Some(moment)) => moment - at < UNDER_WAY,
        _ => false,
    }
}

/// How long a writer waits before it says that a version is late: with another stamp it is then not.
pub(super) const LATE: std::time::Duration = std::time::Duration::from_millis(2);

/// The id of the patient that an earlier version was about: the history does not keep it.
pub(super) fn patient_of(json: &str) -> Option<String> {
    let resource: serde_json::Value = serde_json::from_str(json).ok()?;
    crate::fhir::reference::patient_of(&resource).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_under_way_is_late_and_what_a_wrong_clock_stamped_is_not() {
        let moment = "2026-01-01T00:01:00.000Z";
        for (at, late) in [
            ("2026-01-01T00:01:00.001Z", false),
            ("2026-01-01T00:01:00.000Z", true),
            ("2026-01-01T00:00:59.999Z", true),
            ("2026-01-01T00:00:50.001Z", true),
            ("2026-01-01T00:00:50.000Z", false),
            ("2025-01-01T00:00:00.000Z", false),
        ] {
            assert_eq!(is_late(at, moment), late, "{at}");
        }
    }
}
