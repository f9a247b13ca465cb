//! What to map next: the fields of a feed, those that are most often in no element first.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::store::losses::LossTotal;
use crate::translate::losses::{Fate, Outcome};

/// A source field over many messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RankedField {
    /// `PID-5`.
    pub field: String,
    /// How often it held something.
    pub seen: u64,
    /// How often it went to an element, or steered the translation.
    pub mapped: u64,
    /// How often it is in the original only.
    pub kept_raw: u64,
    /// How often a row took it and could not place it.
    pub dropped: u64,
    /// Why it is in no element, the commonest first.
    pub reasons: Vec<Reason>,
}

/// Why a field is in no element, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Why.
    pub reason: String,
    /// How often.
    pub seen: u64,
}

/// Totals of reports that are in no store.
pub fn of_fates(fates: &BTreeMap<Fate, u64>) -> Vec<LossTotal> {
    let total = |fate: &Fate, seen: u64| LossTotal {
        field: fate.field.clone(),
        outcome: fate.outcome.as_str().to_owned(),
        reason: fate.reason.clone().unwrap_or_default(),
        seen,
    };
    fates.iter().map(|(fate, seen)| total(fate, *seen)).collect()
}

/// Puts totals together by field and ranks them.
pub fn rank(totals: &[LossTotal]) -> Vec<RankedField> {
    let mut fields: BTreeMap<&str, RankedField> = BTreeMap::new();
    for total in totals {
        let field = fields.entry(&total.field).or_default();
        field.seen += total.seen;
        match Outcome::parse(&total.outcome) {
            Some(Outcome::Mapped) => field.mapped += total.seen,
            Some(Outcome::KeptRaw) => field.kept_raw += total.seen,
            Some(Outcome::Dropped) | None => field.dropped += total.seen,
        }
        if !total.reason.is_empty() {
            field.reasons.push(Reason { reason: total.reason.clone(), seen: total.seen });
        }
    }
    let mut ranked: Vec<RankedField> =
        fields.into_iter().map(|(name, field)| RankedField { field: name.to_owned(), ..field }).collect();
    for field in &mut ranked {
        field.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.seen));
    }
    // The sort is stable: fields lost as often stay in the order of their names.
    ranked.sort_by_key(|field| std::cmp::Reverse(field.kept_raw + field.dropped));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_most_often_comes_first() {
        let total = |field: &str, outcome: &str, reason: &str, seen| LossTotal {
            field: field.to_owned(),
            outcome: outcome.to_owned(),
            reason: reason.to_owned(),
            seen,
        };
        let ranked = rank(&[
            total("PID-5", "mapped", "", 90),
            total("PID-5", "dropped", "a", 2),
            total("PID-5", "dropped", "b", 8),
            total("ZAL-3", "kept-raw", "site-defined", 40),
            total("MSH-9", "mapped", "", 100),
        ]);
        let names: Vec<(&str, u64)> = ranked.iter().map(|field| (field.field.as_str(), field.seen)).collect();
        assert_eq!(names, [("ZAL-3", 40), ("PID-5", 100), ("MSH-9", 100)]);
        assert_eq!((ranked[1].mapped, ranked[1].dropped, ranked[1].reasons[0].reason.as_str()), (90, 10, "b"));
    }
}
