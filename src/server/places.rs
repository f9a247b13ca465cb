//! Places at a door, counted by who holds them: no address and no certificate may hold them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Who holds how many places.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<String, usize>>>);

/// One place; held until dropped.
pub(super) struct Place {
    all: Places,
    holder: String,
}

impl Places {
    /// A place for `holder`, unless it holds `most` already.
    pub(super) fn take(&self, holder: String, most: usize) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(holder.clone()).or_default();
        if *count >= most {
            tracing::warn!(holder, most, "too many connections of one holder; one was closed");
            return None;
        }
        *count += 1;
        Some(Place { all: self.clone(), holder })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_one_holder_are_bounded_and_forgotten() {
        let places = Places::default();
        let take = |holder: &str| places.take(holder.to_owned(), 3);
        let held: Vec<_> = (0..3).map(|_| take("192.0.2.1")).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(take("192.0.2.1").is_none());
        assert!(take("192.0.2.2").is_some());
        drop(held);
        assert!(places.0.lock().unwrap().is_empty());
        assert!(take("192.0.2.1").is_some());
    }
}
