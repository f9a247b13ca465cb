//! The loss report: every source field that holds something is mapped, kept raw, or dropped with a reason.
//!
//! "Kept raw" means that no element holds the field, and that the original bytes, which the store keeps beside the
//! resources, do. The report names places, never values: it may be shown and logged where patient data may not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::hl7v2::few::Few;
use crate::fhir::tree::Text;

/// A field of a segment that some row takes, but none takes the field.
pub(crate) const FIELD_UNTAKEN: &str = "no mapping row takes this field; in the original only";
/// A segment that no row takes.
pub(crate) const SEGMENT_UNTAKEN: &str = "no mapping row takes this segment; in the original only";
/// A Z-segment that no row takes.
pub(crate) const SITE_SEGMENT: &str = "site-defined segment; in the original only";
/// A component of a field whose others were taken.
pub(crate) const NO_PLACE: &str = "the element that holds the field has no place for this component";
/// `""`.
pub(crate) const NULLED: &str = "explicit null: the sender deletes it, so the element is left out";

/// What became of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossReport {
    /// In the order of the source.
    pub entries: Vec<Entry>,
    /// Source fields, repetitions or components by outcome.
    pub totals: Totals,
    /// What a person should know, without patient data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One source field, or one repetition or component of it where they fared differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `PID-5`, `PID-5[2]` (second repetition), `PID-5.7`, or `column mrn`.
    pub source: Text,
    /// Which segment of that name, from 1.
    pub occurrence: usize,
    /// What became of it.
    pub outcome: Outcome,
    /// Element paths it went to.
    #[serde(default, skip_serializing_if = "no_targets")]
    pub targets: Few<Text>,
    /// Why it went nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

fn no_targets(targets: &[Text]) -> bool {
    targets.is_empty()
}

/// What became of a source field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is in the resources, or it steered the translation.
    Mapped,
    /// No row takes it; it is in the original only.
    KeptRaw,
    /// A row takes it, but its value could not go where the row points.
    Dropped,
}

impl Outcome {
    /// The word used in reports and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::KeptRaw => "kept-raw",
            Self::Dropped => "dropped",
        }
    }

    /// Reads [`Outcome::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Mapped, Self::KeptRaw, Self::Dropped].into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// What became of a field, whichever repetition or segment it stood in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fate {
    /// `PID-5`, `PID-5.7`, `column mrn`.
    pub field: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it went nowhere.
    pub reason: Option<String>,
}

/// Counts of entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// [`Outcome::Mapped`].
    pub mapped: usize,
    /// [`Outcome::KeptRaw`].
    pub kept_raw: usize,
    /// [`Outcome::Dropped`].
    pub dropped: usize,
}

impl LossReport {
    pub(crate) fn of(entries: Vec<Entry>) -> Self {
        let mut totals = Totals::default();
        for entry in &entries {
            match entry.outcome {
                Outcome::Mapped => totals.mapped += 1,
                Outcome::KeptRaw => totals.kept_raw += 1,
                Outcome::Dropped => totals.dropped += 1,
            }
        }
        Self { entries, totals, warnings: Vec::new() }
    }

    /// How often each field fared how.
    pub fn by_field(&self) -> BTreeMap<Fate, u64> {
        let mut fates = BTreeMap::new();
        for entry in &self.entries {
            let fate = Fate {
                field: field_of(&entry.source),
                outcome: entry.outcome,
                reason: entry.reason.as_ref().map(Text::to_string),
            };
            *fates.entry(fate).or_default() += 1;
        }
        fates
    }

    /// Adds the account of another part of the same source.
    pub(crate) fn append(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.totals.mapped += other.totals.mapped;
        self.totals.kept_raw += other.totals.kept_raw;
        self.totals.dropped += other.totals.dropped;
        self.warnings.extend(other.warnings);
    }

    /// One JSON line per entry, each naming the input it belongs to.
    pub fn ndjson(&self, input: &str) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            input: &'a str,
            #[serde(flatten)]
            entry: &'a Entry,
        }
        let mut lines = String::new();
        for entry in &self.entries {
            if let Ok(line) = serde_json::to_string(&Line { input, entry }) {
                lines.push_str(&line);
                lines.push('\n');
            }
        }
        lines
    }

    /// For reading: the counts, then what is not in the resources, grouped by reason.
    pub fn readable(&self) -> String {
        let Totals { mapped, kept_raw, dropped } = self.totals;
        let mut text = format!("{mapped} mapped, {kept_raw} kept in the original only, {dropped} dropped\n");
        let mut groups: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.outcome != Outcome::Mapped) {
            let outcome = if entry.outcome == Outcome::Dropped { "dropped" } else { "original only" };
            let place = if entry.occurrence > 1 {
                format!("{} (#{})", entry.source, entry.occurrence)
            } else {
                entry.source.to_string()
            };
            groups.entry((outcome, entry.reason.as_deref().unwrap_or(""))).or_default().push(place);
        }
        for ((outcome, reason), places) in groups {
            let _ = writeln!(text, "  {outcome}: {}\n    {}", reason, places.join(", "));
        }
        text
    }
}

/// `PID-5[2].7` → `PID-5.7`: repetitions of a field are one field.
fn field_of(source: &str) -> String {
    let mut rest = source;
    let mut field = String::with_capacity(source.len());
    while let Some((before, after)) = rest.split_once('[') {
        field.push_str(before);
        rest = after.split_once(']').map_or("", |(_, behind)| behind);
    }
    field.push_str(rest);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_and_segments_of_a_field_are_counted_together() {
        let entry = |source: &str, outcome| Entry {
            source: Text::copied(source),
            occurrence: 1,
            outcome,
            targets: Few::None,
            reason: None,
        };
        let report = LossReport::of(vec![
            entry("PID-5[1]", Outcome::Mapped),
            entry("PID-5[2].7", Outcome::Dropped),
            entry("PID-5", Outcome::Mapped),
        ]);
        let counted: Vec<(String, u64)> =
            report.by_field().into_iter().map(|(fate, seen)| (fate.field, seen)).collect();
        assert_eq!(counted, [("PID-5".to_owned(), 2), ("PID-5.7".to_owned(), 1)]);
    }
}
