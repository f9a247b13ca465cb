//! A list that is almost always empty or of one: repetitions of a field, components of a repetition, subcomponents of a
//! component. One item needs no memory of its own, which is most of what splitting a message costs.

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A list of few.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Few<T> {
    /// Nothing.
    #[default]
    None,
    /// One item.
    One([T; 1]),
    /// Any number of items.
    Many(Vec<T>),
}

impl<T> Few<T> {
    /// One item.
    pub const fn one(item: T) -> Self {
        Self::One([item])
    }
}

impl<T> Few<T> {
    /// Puts an item at a place, which is at most behind the last.
    pub fn insert(&mut self, at: usize, item: T) {
        *self = match std::mem::take(self) {
            Self::None => Self::one(item),
            Self::One([first]) if at == 0 => Self::Many(vec![item, first]),
            Self::One([first]) => Self::Many(vec![first, item]),
            Self::Many(mut items) => {
                items.insert(at.min(items.len()), item);
                Self::Many(items)
            }
        };
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(item) => item,
            Self::Many(items) => items,
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = items.into_iter();
        let Some(first) = items.next() else { return Self::None };
        let Some(second) = items.next() else { return Self::one(first) };
        Self::Many([first, second].into_iter().chain(items).collect())
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(items: Vec<T>) -> Self {
        match <[T; 1]>::try_from(items) {
            Ok(item) => Self::One(item),
            Err(items) if items.is_empty() => Self::None,
            Err(items) => Self::Many(items),
        }
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            Self::None => (None, Vec::new()),
            Self::One([item]) => (Some(item), Vec::new()),
            Self::Many(items) => (None, items),
        };
        one.into_iter().chain(many)
    }
}

impl<T: Serialize> Serialize for Few<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self[..].serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: PartialEq<U>, U, const N: usize> PartialEq<[U; N]> for Few<T> {
    fn eq(&self, other: &[U; N]) -> bool {
        **self == other[..]
    }
}

#[cfg(test)]
mod tests {
    use super::Few;

    #[test]
    fn any_number_of_items_is_a_list() {
        for count in 0..4 {
            let few: Few<usize> = (0..count).collect();
            assert_eq!(few.iter().copied().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            assert_eq!((few.len(), few.get(count)), (count, None));
        }
        assert!(matches!(std::iter::once(1).collect::<Few<_>>(), Few::One([1])));
    }
}
