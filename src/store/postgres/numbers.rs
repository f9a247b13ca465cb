//! Numbers for what recurs: words (types, elements, code systems, units) and addresses of resources. Both are only ever
//! added. What the acts of a group name is looked up, and added, before any of them is written: in one order, so that
//! replicas that add the same wait for each other and never in a circle.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::Snapshot;
use super::connection::{Connection, Failure};
use super::value::{get, values};
use crate::store::StoreError;
use crate::store::records::split_target;

/// Words and addresses kept in memory at most, each; beyond, all are forgotten and looked up again.
const MOST: usize = 16_384;
/// A longer word or id does not fit into an index of the server; its beginning and its digest stand for it.
const LONGEST: usize = 1_000;

/// What a group names.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) words: BTreeSet<String>,
    /// `Type/id`, or an address elsewhere.
    pub(super) addresses: BTreeSet<String>,
}

impl Named {
    /// Adds `kind/id`.
    pub(super) fn address(&mut self, kind: &str, id: &str) {
        self.target(format!("{kind}/{id}"));
    }

    /// Adds a target as [`split_target`] understands it.
    pub(super) fn target(&mut self, target: String) {
        self.words.insert(split_target(&target).0.to_owned());
        self.addresses.insert(target);
    }
}

/// The writer's memory of numbers.
#[derive(Default)]
pub(super) struct Numbers {
    words: HashMap<String, i64>,
    addresses: HashMap<String, i64>,
}

impl Numbers {
    /// What was given out in a transaction that did not come to stand is not in the database.
    pub(super) fn forget(&mut self) {
        self.words.clear();
        self.addresses.clear();
    }

    /// Sees to it that all of this has numbers, and that they are at hand.
    pub(super) fn learn(&mut self, connection: &mut Connection, named: &Named) -> Result<(), Failure> {
        if self.words.len() > MOST {
            self.words.clear();
        }
        if self.addresses.len() > MOST {
            self.addresses.clear();
        }
        let unknown: Vec<&String> = named.words.iter().filter(|word| !self.words.contains_key(*word)).collect();
        if !unknown.is_empty() {
            let texts: Vec<Cow<'_, str>> = unknown.iter().map(|word| fitting(word)).collect();
            let add = "INSERT INTO word (text) SELECT DISTINCT t FROM unnest($1::text[]) t
                       WHERE NOT EXISTS (SELECT 1 FROM word w WHERE w.text = t) ORDER BY t ON CONFLICT DO NOTHING";
            connection.query(add, &values![texts.clone()])?;
            let find = "SELECT w.number FROM unnest($1::text[]) WITH ORDINALITY t (text, place)
                        JOIN word w ON w.text = t.text ORDER BY t.place";
            for (word, row) in unknown.iter().zip(connection.query(find, &values![texts])?) {
                self.words.insert((*word).clone(), get(&row, 0)?);
            }
        }
        let unknown: Vec<&String> = named.addresses.iter().filter(|one| !self.addresses.contains_key(*one)).collect();
        if !unknown.is_empty() {
            let mut kinds = Vec::with_capacity(unknown.len());
            let mut ids = Vec::with_capacity(unknown.len());
            for target in &unknown {
                let (kind, id) = split_target(target);
                kinds.push(self.word(kind)?);
                ids.push(fitting(id));
            }
            let add = "INSERT INTO address (kind, id) SELECT DISTINCT t.kind, t.id FROM unnest($1::bigint[], $2::text[]) t (kind, id)
                       WHERE NOT EXISTS (SELECT 1 FROM address a WHERE a.kind = t.kind AND a.id = t.id)
                       ORDER BY t.kind, t.id ON CONFLICT DO NOTHING";
            connection.query(add, &values![kinds.clone(), ids.clone()])?;
            let find = "SELECT a.position FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY t (kind, id, place)
                        JOIN address a ON a.kind = t.kind AND a.id = t.id ORDER BY t.place";
            for (target, row) in unknown.iter().zip(connection.query(find, &values![kinds, ids])?) {
                self.addresses.insert((*target).clone(), get(&row, 0)?);
            }
        }
        Ok(())
    }

    /// The number of a word that was learnt.
    pub(super) fn word(&self, text: &str) -> Result<i64, Failure> {
        self.words.get(text).copied().ok_or_else(|| Failure::Refused("a word without a number".to_owned()))
    }

    /// The number of an element of a type.
    pub(super) fn path(&self, kind: &str, path: &str) -> Result<i64, Failure> {
        self.word(&path_word(kind, path))
    }

    /// The position of a target that was learnt.
    pub(super) fn address(&self, target: &str) -> Result<i64, Failure> {
        self.addresses.get(target).copied().ok_or_else(|| Failure::Refused("an address without a number".to_owned()))
    }

    /// [`Numbers::address`] of a type and an id.
    pub(super) fn address_of(&self, kind: &str, id: &str) -> Result<i64, Failure> {
        self.address(&format!("{kind}/{id}"))
    }
}

/// The word of an element of a type.
pub(super) fn path_word(kind: &str, path: &str) -> String {
    format!("{kind}?{path}")
}

/// A text as it stands in an index.
pub(super) fn fitting(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return Cow::Borrowed(text);
    }
    let beginning: String = text.chars().take(200).collect();
    Cow::Owned(format!("{beginning}… sha256 {}", crate::ids::sha256_hex(text.as_bytes())))
}

impl Snapshot<'_> {
    /// The number of a word, if it has one.
    pub(super) fn number_of(&self, text: &str) -> Result<Option<i64>, StoreError> {
        if let Some(number) = self.connection.borrow().words.get(text) {
            return Ok(Some(*number));
        }
        let found =
            self.optional("SELECT number FROM word WHERE text = $1", &values![&*fitting(text)], |row| get(row, 0))?;
        if let Some(number) = found {
            let words = &mut self.connection.borrow_mut().words;
            if words.len() > MOST {
                words.clear();
            }
            words.insert(text.to_owned(), number);
        }
        Ok(found)
    }

    /// The position of a resource that is held or referred to.
    pub(super) fn address(&self, kind: &str, id: &str) -> Result<Option<i64>, StoreError> {
        let Some(kind) = self.number_of(kind)? else { return Ok(None) };
        let sql = "SELECT position FROM address WHERE kind = $1 AND id = $2";
        self.optional(sql, &values![kind, &*fitting(id)], |row| get(row, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_for_an_index_is_told_apart_by_its_digest() {
        assert_eq!(fitting("urn:x"), "urn:x");
        let long = |end: char| format!("{}{end}", "髙".repeat(600));
        assert!(fitting(&long('a')).len() < LONGEST);
        assert_ne!(fitting(&long('a')), fitting(&long('b')));
    }
}
