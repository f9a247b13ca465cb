//! The trail of requests: what was asked of the node, by whom, and whose data it showed. A row is with the operating system
//! (SQLite) or the server (PostgreSQL) before the answer leaves, and on the disk within a second. Its chain is its own: acts,
//! which are durable before they are answered, are in [`super::audit`].

use std::ops::ControlFlow;

use sha2::{Digest as _, Sha256};

use super::StoreError;

/// Patients named in one row at most; how many there were in all is told beside them.
pub const MOST_PATIENTS: usize = 100;
/// Rows of a segment: searches by patient look into those segments only that may hold the patient.
pub const SEGMENT: u64 = 1024;

/// One request. It holds ids and names of parameters, and no word of what was searched for or found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestRow {
    /// When it was answered, milliseconds since 1970 UTC.
    pub at: i64,
    /// Who: a person, `token:…`, `client:…`; empty, if nobody could be told.
    pub actor: String,
    /// Their role; empty as above.
    pub role: String,
    /// What kind of request: a REST interaction, an operation with its `$`, `page`, `sign-in`, `command`.
    pub act: String,
    /// What it was about: `Patient/1`, `Observation` (all of the type), `referral/…`, `message/…`.
    pub target: String,
    /// Names of the parameters, with commas between.
    pub parameters: String,
    /// Logical ids of the patients whose data the answer showed, with spaces between; at most [`MOST_PATIENTS`].
    pub patients: String,
    /// How many patients it showed in all.
    pub shown: u32,
    /// HTTP status of the answer.
    pub outcome: u16,
    /// What it was for, if the caller said so.
    pub purpose: String,
    /// `X-Request-Id`.
    pub request_id: String,
    /// Network address that it came from; empty for a command.
    pub origin: String,
}

impl RequestRow {
    /// What the row is found by: its target, and each patient as `Patient/id`.
    pub fn subjects(&self) -> impl Iterator<Item = String> + '_ {
        let patients = self.patients.split_ascii_whitespace().map(|id| format!("Patient/{id}"));
        std::iter::once(self.target.clone()).chain(patients)
    }

    /// Whether it is about one of these (`Patient/1`, `referral/…`), or about a part of it (`Patient/1/Observation`).
    pub fn is_about(&self, subjects: &[String]) -> bool {
        let of_target = |subject: &String| {
            self.target.strip_prefix(subject.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        subjects.iter().any(|subject| {
            of_target(subject)
                || subject
                    .strip_prefix("Patient/")
                    .is_some_and(|id| self.patients.split_ascii_whitespace().any(|shown| shown == id))
        })
    }
}

/// SHA-256.
pub type Hash = [u8; 32];

/// One row at its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainedRequest {
    /// Name of the chain, as in [`super::audit::ChainedEntry`].
    pub chain: String,
    /// 1, 2, 3 … in its chain.
    pub position: u64,
    /// The request.
    pub row: RequestRow,
    /// Over the hash before and this row.
    pub hash: Hash,
}

/// What the rows of one stretch of a chain are found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Position of its last row; its first is [`SEGMENT`] - 1 before.
    pub last: u64,
    /// Time of its earliest and of its latest row.
    pub from: i64,
    /// As above.
    pub to: i64,
    /// The subjects of its rows, see [`digest`].
    pub subjects: Vec<u8>,
}

/// Which rows are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// About one of these; empty: about anything.
    pub subjects: Vec<String>,
    /// Not before, milliseconds since 1970 UTC.
    pub from: Option<i64>,
    /// Before this.
    pub to: Option<i64>,
}

/// Reading the trail. Rows that are written meanwhile may show: nothing is ever changed or taken away.
pub trait RequestView {
    /// The chains that have rows, by name.
    fn request_chains(&self) -> Result<Vec<String>, StoreError>;
    /// Of one chain, from `position` on, at most `limit`.
    fn requests(&self, chain: &str, from_position: u64, limit: usize) -> Result<Vec<ChainedRequest>, StoreError>;
    /// Segments of one chain, the last first, those whose last row is before the position `before`; at most `limit`.
    fn request_segments(&self, chain: &str, before: u64, limit: usize) -> Result<Vec<Segment>, StoreError>;
    /// Position and hash of the last row of a chain.
    fn request_head(&self, chain: &str) -> Result<Option<(u64, Hash)>, StoreError>;
}

/// Segments read at a time.
const SEGMENTS: usize = 256;

/// Shows the rows that a filter meets to `visit`, chain by chain, in each the latest first, until it breaks off that chain. What
/// no row of a segment can be about is passed over unread.
pub fn find(
    view: &(impl RequestView + ?Sized),
    filter: &RequestFilter,
    visit: &mut dyn FnMut(ChainedRequest) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    for chain in view.request_chains()? {
        let _ = of_chain(view, &chain, filter, visit)?;
    }
    Ok(())
}

fn of_chain(
    view: &(impl RequestView + ?Sized),
    chain: &str,
    filter: &RequestFilter,
    visit: &mut dyn FnMut(ChainedRequest) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StoreError> {
    let wanted: Vec<u32> = filter.subjects.iter().map(|subject| code(subject)).collect();
    let is_met = |one: &ChainedRequest| {
        filter.from.is_none_or(|from| one.row.at >= from)
            && filter.to.is_none_or(|to| one.row.at < to)
            && (filter.subjects.is_empty() || one.row.is_about(&filter.subjects))
    };
    let mut shown = |from: u64| -> Result<ControlFlow<()>, StoreError> {
        let rows = view.requests(chain, from, SEGMENT as usize)?;
        for row in rows.into_iter().rev().filter(is_met) {
            if visit(row).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    let Some((last, _)) = view.request_head(chain)? else { return Ok(ControlFlow::Continue(())) };
    // Behind the last segment; rows that come meanwhile are not shown.
    let full = last / SEGMENT * SEGMENT;
    if shown(full + 1)?.is_break() {
        return Ok(ControlFlow::Break(()));
    }
    let mut before = full + 1;
    loop {
        let segments = view.request_segments(chain, before, SEGMENTS)?;
        let is_last = segments.len() < SEGMENTS;
        for segment in segments {
            before = segment.last;
            let is_in_time =
                filter.from.is_none_or(|from| segment.to >= from) && filter.to.is_none_or(|to| segment.from < to);
            let may_hold = wanted.is_empty() || wanted.iter().any(|code| holds(&segment.subjects, *code));
            if is_in_time && may_hold && shown((segment.last + 1).saturating_sub(SEGMENT))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if is_last {
            return Ok(ControlFlow::Continue(()));
        }
    }
}

/// The subjects of rows as a segment keeps them: four bytes of each, in order, each once. `Patient/1/Observation` is about
/// `Patient/1`, too.
pub fn digest<'a>(rows: impl Iterator<Item = &'a RequestRow>) -> Vec<u8> {
    let mut codes: Vec<u32> = rows
        .flat_map(|row| row.subjects().collect::<Vec<_>>())
        .flat_map(|subject| [Some(code(&subject)), trunk(&subject).map(code)])
        .flatten()
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// The first two parts of what has more.
fn trunk(subject: &str) -> Option<&str> {
    let (at, _) = subject.match_indices('/').nth(1)?;
    subject.get(..at)
}

/// FNV-1a, folded: the same in every build.
fn code(subject: &str) -> u32 {
    let hash = subject
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash ^ (hash >> 32)) as u32
}

fn holds(subjects: &[u8], code: u32) -> bool {
    let (codes, _) = subjects.as_chunks::<4>();
    codes.binary_search(&code.to_be_bytes()).is_ok()
}

/// What stands in the place of a hash before the first row of a chain.
pub fn chain_start(chain: &str) -> Hash {
    Sha256::new_with_prefix(b"watari requests 1\0").chain_update(chain).finalize().into()
}

/// The hash of a row at its place: SHA-256 over the hash before, the position and the fields, texts length-prefixed.
pub fn chain_hash(before: &Hash, position: u64, row: &RequestRow) -> Hash {
    let mut hash = Sha256::new_with_prefix(before);
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(&position.to_be_bytes());
    bytes.extend_from_slice(&row.at.to_be_bytes());
    bytes.extend_from_slice(&row.shown.to_be_bytes());
    bytes.extend_from_slice(&row.outcome.to_be_bytes());
    let texts = [
        &row.actor,
        &row.role,
        &row.act,
        &row.target,
        &row.parameters,
        &row.patients,
        &row.purpose,
        &row.request_id,
        &row.origin,
    ];
    for text in texts {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    hash.update(&bytes);
    hash.finalize().into()
}

/// The next rows of a chain that ends with `position` and `hash`.
pub(super) fn chained(
    (mut position, mut hash): (u64, Hash),
    rows: &[RequestRow],
) -> impl Iterator<Item = (u64, &RequestRow, Hash)> {
    rows.iter().map(move |row| {
        position += 1;
        hash = chain_hash(&hash, position, row);
        (position, row, hash)
    })
}

/// The segments that are full when a chain has grown from `before` to `after` rows, by the position of their last row.
pub(super) fn filled(before: u64, after: u64) -> impl Iterator<Item = u64> {
    (before / SEGMENT + 1..=after / SEGMENT).map(|number| number * SEGMENT)
}

/// The segment that ends with these rows.
pub fn segment(rows: &[ChainedRequest]) -> Option<Segment> {
    Some(Segment {
        last: rows.last()?.position,
        from: rows.iter().map(|one| one.row.at).min()?,
        to: rows.iter().map(|one| one.row.at).max()?,
        subjects: digest(rows.iter().map(|one| &one.row)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(target: &str, patients: &str) -> RequestRow {
        RequestRow { target: target.to_owned(), patients: patients.to_owned(), ..RequestRow::default() }
    }

    #[test]
    fn a_row_is_about_its_target_its_trunk_and_the_patients_it_showed() {
        let about = |row: &RequestRow, subject: &str| {
            let found = row.is_about(&[subject.to_owned()]);
            assert!(!found || holds(&digest(std::iter::once(row)), code(subject)), "{subject} is not in the segment");
            found
        };
        assert!(about(&row("Patient/1", ""), "Patient/1"));
        assert!(about(&row("Patient/1/_history/2", ""), "Patient/1"));
        assert!(about(&row("Observation", "2 1"), "Patient/1"));
        assert!(about(&row("referral/r", ""), "referral/r"));
        assert!(!about(&row("Patient/12", "11"), "Patient/1"));
        assert!(!about(&row("Observation/1", ""), "Patient/1"));
    }

    #[test]
    fn every_field_and_the_place_count_in_the_hash() {
        let start = chain_start("a");
        assert_ne!(start, chain_start("b"));
        let plain = chain_hash(&start, 1, &RequestRow::default());
        let text = || "x".to_owned();
        let changed = [
            RequestRow { at: 1, ..RequestRow::default() },
            RequestRow { actor: text(), ..RequestRow::default() },
            RequestRow { role: text(), ..RequestRow::default() },
            RequestRow { act: text(), ..RequestRow::default() },
            RequestRow { target: text(), ..RequestRow::default() },
            RequestRow { parameters: text(), ..RequestRow::default() },
            RequestRow { patients: text(), ..RequestRow::default() },
            RequestRow { shown: 1, ..RequestRow::default() },
            RequestRow { outcome: 1, ..RequestRow::default() },
            RequestRow { purpose: text(), ..RequestRow::default() },
            RequestRow { request_id: text(), ..RequestRow::default() },
            RequestRow { origin: text(), ..RequestRow::default() },
        ];
        let mut hashes: Vec<Hash> = changed.iter().map(|row| chain_hash(&start, 1, row)).collect();
        hashes.extend([plain, chain_hash(&start, 2, &RequestRow::default())]);
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), changed.len() + 2);
    }

    #[test]
    fn segments_are_full_at_their_own_places() {
        assert_eq!(filled(0, 1023).count(), 0);
        assert_eq!(filled(1023, 1024).collect::<Vec<_>>(), [1024]);
        assert_eq!(filled(1024, 3072).collect::<Vec<_>>(), [2048, 3072]);
    }
}
