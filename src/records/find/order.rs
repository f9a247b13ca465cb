//! The order of matches: by values of their keys, those without one last, then by position, newest first.

use std::cmp::Ordering;

use super::FindError;
use crate::fhir::search::{Mark, SortBy, SortKey, SortValue};
use crate::store::View;
use crate::store::keys::Key;
use crate::store::records::Entry;

/// An order in the numbers of the store.
pub(super) struct Order {
    steps: Vec<Step>,
}

struct Step {
    /// None: the last update.
    paths: Option<Vec<i64>>,
    descending: bool,
}

/// A match with the values it is sorted by.
pub(super) struct Ranked {
    values: Vec<Option<SortValue>>,
    pub(super) position: i64,
}

impl Ranked {
    /// Where a page ends with it.
    pub(super) fn mark(&self) -> Mark {
        Mark { values: self.values.clone(), position: self.position }
    }
}

impl Order {
    pub(super) fn of(view: &dyn View, kind: &str, sort: &[SortBy]) -> Result<Self, FindError> {
        let mut steps = Vec::with_capacity(sort.len());
        for by in sort {
            let paths = match &by.by {
                SortKey::Updated => None,
                SortKey::Paths(paths) => {
                    let mut numbers = Vec::with_capacity(paths.len());
                    for path in paths {
                        numbers.extend(view.word(&format!("{kind}?{path}"))?);
                    }
                    Some(numbers)
                }
            };
            steps.push(Step { paths, descending: by.descending });
        }
        Ok(Self { steps })
    }

    pub(super) fn rank(&self, entry: &Entry<'_>) -> Ranked {
        let values = self.steps.iter().map(|step| step.value(entry)).collect();
        Ranked { values, position: entry.position }
    }

    pub(super) fn is_behind(&self, ranked: &Ranked, mark: &Mark) -> bool {
        self.compare((&ranked.values, ranked.position), (&mark.values, mark.position)) == Ordering::Greater
    }

    /// Keeps the first few.
    pub(super) fn keep(&self, ranked: &mut Vec<Ranked>, few: usize) {
        ranked
            .sort_unstable_by(|one, other| self.compare((&one.values, one.position), (&other.values, other.position)));
        ranked.truncate(few);
    }

    fn compare(&self, one: (&[Option<SortValue>], i64), other: (&[Option<SortValue>], i64)) -> Ordering {
        for ((step, one), other) in self.steps.iter().zip(one.0).zip(other.0) {
            let order = match (one, other) {
                (Some(one), Some(other)) => {
                    let order = one.partial_cmp(other).unwrap_or(Ordering::Equal);
                    if step.descending { order.reverse() } else { order }
                }
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        other.1.cmp(&one.1)
    }
}

impl Step {
    /// The least of the values, or the greatest if descending.
    fn value(&self, entry: &Entry<'_>) -> Option<SortValue> {
        let Some(paths) = &self.paths else { return Some(SortValue::Time(entry.updated)) };
        let values = entry.keys.filter(|key| paths.contains(&key.path())).filter_map(|key| match key {
            Key::Token { code, .. } => Some(SortValue::Text(code.to_owned())),
            Key::Text { value, .. } => Some(SortValue::Text(value.to_owned())),
            Key::Date { from, .. } => Some(SortValue::Time(from)),
            Key::Quantity { low, .. } => (!low.is_nan()).then_some(SortValue::Number(low)),
            Key::Reference { target, .. } => Some(SortValue::Time(target)),
            Key::Exact { .. } => None,
        });
        values.reduce(|one, other| {
            let is_less = one.partial_cmp(&other) == Some(Ordering::Less);
            if is_less != self.descending { one } else { other }
        })
    }
}
