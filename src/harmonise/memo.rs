//! Remembers what a pure function said about a text, so that the units of a feed are read once and not at every result.
//! The answers are the same with and without it; when it is full it stops remembering, so strangers' texts cannot grow it.

use std::collections::HashMap;
use std::sync::RwLock;

/// Most texts remembered by one memo. A hospital writes some hundred units.
const MOST: usize = 4096;

/// Answers by text.
#[derive(Debug)]
pub(super) struct Memo<T>(RwLock<HashMap<String, T>>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Clone> Memo<T> {
    /// What `say` says about `text`, asked once.
    pub(super) fn of(&self, text: &str, say: impl FnOnce() -> T) -> T {
        if let Some(known) = self.0.read().ok().and_then(|known| known.get(text).cloned()) {
            return known;
        }
        let said = say();
        if let Ok(mut known) = self.0.write()
            && known.len() < MOST
        {
            known.insert(text.to_owned(), said.clone());
        }
        said
    }
}

/// Answers by two texts.
#[derive(Debug)]
pub(super) struct PairMemo<T>(RwLock<Pairs<T>>);

#[derive(Debug)]
struct Pairs<T> {
    answers: HashMap<String, HashMap<String, T>>,
    count: usize,
}

impl<T> Default for PairMemo<T> {
    fn default() -> Self {
        Self(RwLock::new(Pairs { answers: HashMap::new(), count: 0 }))
    }
}

impl<T: Clone> PairMemo<T> {
    /// What `say` says about the two, asked once.
    pub(super) fn of(&self, one: &str, other: &str, say: impl FnOnce() -> T) -> T {
        if let Some(known) = self.0.read().ok().and_then(|known| known.answers.get(one)?.get(other).cloned()) {
            return known;
        }
        let said = say();
        if let Ok(mut known) = self.0.write()
            && known.count < MOST
        {
            known.count += 1;
            known.answers.entry(one.to_owned()).or_default().insert(other.to_owned(), said.clone());
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_asked_once_and_a_full_memo_still_answers() {
        let memo = Memo::default();
        assert_eq!(memo.of("a", || 1), 1);
        assert_eq!(memo.of("a", || 2), 1);
        for number in 0..MOST + 10 {
            assert_eq!(memo.of(&number.to_string(), || number), number);
        }
        assert_eq!(memo.0.read().unwrap().len(), MOST);
        let pairs = PairMemo::default();
        assert_eq!(pairs.of("a", "b", || 1), 1);
        assert_eq!(pairs.of("a", "b", || 2), 1);
        assert_eq!(pairs.of("b", "a", || 3), 3);
    }
}
