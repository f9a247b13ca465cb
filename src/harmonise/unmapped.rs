//! What the tables do not know, by how often it occurs: the order in which a hospital should map its codes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Note, Outcome};

/// Counts what could not be mapped. Holds codes and units, never values.
#[derive(Debug, Default)]
pub struct Unmapped(BTreeMap<(String, String), u64>);

/// Something unmapped and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ranked {
    /// The element, e.g. `code`.
    pub element: String,
    /// The code as `system|code`, or the unit and what is wrong with it.
    pub what: String,
    /// Occurrences.
    pub count: u64,
}

impl Unmapped {
    /// Counts the notes of one resource or bundle.
    pub fn add(&mut self, notes: &[Note]) {
        for note in notes.iter().filter(|note| note.outcome == Outcome::Unmapped) {
            *self.0.entry((note.element.clone(), note.detail.clone())).or_default() += 1;
        }
    }

    /// The most frequent first; equals in the order of their names.
    pub fn ranked(self) -> Vec<Ranked> {
        let all = self.0.into_iter().map(|((element, what), count)| Ranked { element, what, count });
        let mut ranked: Vec<Ranked> = all.collect();
        ranked.sort_by_key(|one| std::cmp::Reverse(one.count));
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_comes_first() {
        let note = |detail: &str, outcome| Note {
            resource: String::new(),
            element: "code".to_owned(),
            rule: String::new(),
            outcome,
            detail: detail.to_owned(),
        };
        let mut unmapped = Unmapped::default();
        unmapped.add(&[note("b|1", Outcome::Unmapped), note("a|1", Outcome::Unmapped), note("c|1", Outcome::Added)]);
        unmapped.add(&[note("c|2", Outcome::Unmapped), note("c|2", Outcome::Unmapped)]);
        let ranked: Vec<_> = unmapped.ranked().into_iter().map(|one| (one.what, one.count)).collect();
        assert_eq!(ranked, [("c|2".to_owned(), 2), ("a|1".to_owned(), 1), ("b|1".to_owned(), 1)]);
    }
}
