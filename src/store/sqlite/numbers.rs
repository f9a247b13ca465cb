//! Numbers for what recurs: words (types, elements, code systems, units) and addresses of resources. Both are only ever
//! added, so the writer keeps those it met last in memory, and forgets them when a transaction did not come to stand; a
//! reader keeps the words it found.

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::Snapshot;
use crate::store::records::split_target;

/// Words and addresses kept in memory at most, each; beyond, all are forgotten and looked up again.
const MOST: usize = 16_384;

/// The writer's memory of numbers.
#[derive(Default)]
pub(super) struct Numbers {
    words: HashMap<String, i64>,
    /// By `Type/id`.
    addresses: HashMap<String, i64>,
    scratch: String,
}

impl Numbers {
    /// What was given out in a transaction that did not come to stand is not in the database.
    pub(super) fn forget(&mut self) {
        self.words.clear();
        self.addresses.clear();
    }

    /// The number of a word; a new one if it has none.
    pub(super) fn word(&mut self, connection: &Connection, text: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.words.get(text) {
            return Ok(*number);
        }
        let number = match find(connection, text)? {
            Some(number) => number,
            None => {
                connection.prepare_cached("INSERT INTO word (text) VALUES (?1)")?.execute([text])?;
                connection.last_insert_rowid()
            }
        };
        remember(&mut self.words, text, number);
        Ok(number)
    }

    /// The number of an element of a type.
    pub(super) fn path(&mut self, connection: &Connection, kind: &str, path: &str) -> rusqlite::Result<i64> {
        let mut text = std::mem::take(&mut self.scratch);
        write_path(&mut text, kind, path);
        let number = self.word(connection, &text);
        self.scratch = text;
        number
    }

    /// The position of `Type/id`; a new one, behind all others, if it has none.
    pub(super) fn address(&mut self, connection: &Connection, target: &str) -> rusqlite::Result<i64> {
        if let Some(position) = self.addresses.get(target) {
            return Ok(*position);
        }
        let (kind, id) = split_target(target);
        let kind = self.word(connection, kind)?;
        let added = connection
            .prepare_cached("INSERT OR IGNORE INTO address (kind, id) VALUES (?1, ?2)")?
            .execute((kind, id))?;
        let position = match added {
            0 => connection
                .prepare_cached("SELECT position FROM address WHERE kind = ?1 AND id = ?2")?
                .query_row((kind, id), |row| row.get(0))?,
            _ => connection.last_insert_rowid(),
        };
        remember(&mut self.addresses, target, position);
        Ok(position)
    }

    /// [`Numbers::address`] of a type and an id.
    pub(super) fn address_of(&mut self, connection: &Connection, kind: &str, id: &str) -> rusqlite::Result<i64> {
        let mut target = std::mem::take(&mut self.scratch);
        target.clear();
        target.push_str(kind);
        target.push('/');
        target.push_str(id);
        let position = self.address(connection, &target);
        self.scratch = target;
        position
    }
}

/// Adds a number to those at hand; where they are too many, all others are forgotten.
fn remember(known: &mut HashMap<String, i64>, text: &str, number: i64) {
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(text.to_owned(), number);
}

fn write_path(text: &mut String, kind: &str, path: &str) {
    text.clear();
    text.push_str(kind);
    text.push('?');
    text.push_str(path);
}

/// A reader's memory of the words it found. A word that is not there yet is asked for again.
#[derive(Default)]
pub(super) struct Words(RefCell<HashMap<String, i64>>);

fn find(connection: &Connection, text: &str) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached("SELECT number FROM word WHERE text = ?1")?.query_row([text], |row| row.get(0)).optional()
}

impl Snapshot<'_> {
    /// The number of a word, if it has one.
    pub(super) fn number_of(&self, text: &str) -> rusqlite::Result<Option<i64>> {
        if let Some(number) = self.words.0.borrow().get(text) {
            return Ok(Some(*number));
        }
        let found = find(self.connection, text)?;
        if let Some(number) = found {
            remember(&mut self.words.0.borrow_mut(), text, number);
        }
        Ok(found)
    }

    /// The position of a resource that is held or referred to.
    pub(super) fn address(&self, kind: &str, id: &str) -> rusqlite::Result<Option<i64>> {
        let Some(kind) = self.number_of(kind)? else { return Ok(None) };
        self.connection
            .prepare_cached("SELECT position FROM address WHERE kind = ?1 AND id = ?2")?
            .query_row((kind, id), |row| row.get(0))
            .optional()
    }
}
