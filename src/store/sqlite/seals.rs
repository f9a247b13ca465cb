//! Sealed values in the tables, and the data keys as the database has them.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::faults::sealing;
use crate::store::sealing::{DataKey, MasterKey, PLAIN, Place, Ring, SealError, VALUES_PER_KEY};

/// A sealed value as its two columns hold it.
pub(super) struct Sealed {
    pub(super) bytes: Vec<u8>,
    /// The number of its data key.
    pub(super) key: u32,
}

/// The sealing of one transaction: one data key, counted once.
pub(super) struct Seals<'a> {
    connection: &'a Connection,
    ring: &'a Ring,
    present: RefCell<Option<Arc<DataKey>>>,
    sealed: Cell<u64>,
}

impl<'a> Seals<'a> {
    /// For a transaction that holds the write lock, so that no other process changes keys meanwhile.
    pub(super) fn begin(connection: &'a Connection, ring: &'a Ring) -> Self {
        Self { connection, ring, present: RefCell::new(None), sealed: Cell::new(0) }
    }

    /// Seals a value for its place.
    pub(super) fn seal(&self, place: Place<'_>, plain: &[u8]) -> rusqlite::Result<Sealed> {
        let known = self.present.borrow().clone();
        let key = match known {
            Some(key) => key,
            None => {
                let key = present(self.connection, self.ring)?;
                *self.present.borrow_mut() = Some(Arc::clone(&key));
                key
            }
        };
        self.sealed.set(self.sealed.get() + 1);
        Ok(Sealed { bytes: key.seal(place, plain).map_err(sealing)?, key: key.number() })
    }

    /// The keys.
    pub(super) fn ring(&self) -> &Ring {
        self.ring
    }

    /// Opens the value of another row, within the transaction.
    pub(super) fn open(&self, place: Place<'_>, key: u32, bytes: Vec<u8>) -> rusqlite::Result<Vec<u8>> {
        open(self.connection, self.ring, place, key, bytes)
    }

    /// Counts what was sealed; the last thing of the transaction.
    pub(super) fn end(self) -> rusqlite::Result<()> {
        if let Some(key) = self.present.into_inner() {
            self.connection
                .prepare_cached("UPDATE data_key SET sealed = sealed + ?2 WHERE number = ?1")?
                .execute(params![key.number(), self.sealed.get()])?;
        }
        Ok(())
    }
}

/// Opens a value as its two columns hold it. A plain one is let through while the database is still being sealed.
pub(super) fn open(
    connection: &Connection,
    ring: &Ring,
    place: Place<'_>,
    key: u32,
    bytes: Vec<u8>,
) -> rusqlite::Result<Vec<u8>> {
    if key == PLAIN {
        return match bytes.is_empty() || has_plain(connection)? {
            true => Ok(bytes),
            false => Err(sealing(SealError::Changed(place.table))),
        };
    }
    by_number(connection, ring, key)?.open(place, &bytes).map_err(sealing)
}

/// Whether values from before there were keys may still be here.
pub(super) fn has_plain(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM data_key WHERE number = 0)")?
        .query_row([], |row| row.get(0))
}

/// The last data key's number; 0 without one.
pub(super) fn present_number(connection: &Connection) -> rusqlite::Result<u32> {
    connection.prepare_cached("SELECT COALESCE(MAX(number), 0) FROM data_key")?.query_row([], |row| row.get(0))
}

/// Makes the first data key of a database that has none, and proves that the master key opens those that are there.
pub(super) fn establish(connection: &Connection, ring: &Ring) -> rusqlite::Result<()> {
    match present_number(connection)? {
        PLAIN => add(connection, &ring.master(), 1),
        number => by_number(connection, ring, number).map(drop),
    }
}

/// Proves that the master key opens the last data key.
pub(super) fn prove(connection: &Connection, ring: &Ring) -> rusqlite::Result<()> {
    by_number(connection, ring, present_number(connection)?).map(drop)
}

/// Makes data key `number`. It is unwrapped from the database when it is used: a key of a transaction that did not stand
/// must not stay in memory.
pub(super) fn add(connection: &Connection, master: &MasterKey, number: u32) -> rusqlite::Result<()> {
    let (_, wrapped) = master.new_data_key(number).map_err(sealing)?;
    connection.execute(
        "INSERT INTO data_key (number, wrapped_by, wrapped, sealed) VALUES (?1, ?2, ?3, 0)",
        params![number, master.id(), wrapped],
    )?;
    Ok(())
}

/// As [`add`], under the master key that the last data key is wrapped with.
pub(super) fn add_like_last(connection: &Connection, ring: &Ring, number: u32) -> rusqlite::Result<()> {
    let last: String =
        connection.query_row("SELECT wrapped_by FROM data_key ORDER BY number DESC LIMIT 1", [], |row| row.get(0))?;
    add(connection, &*ring.master_known_as(&last).map_err(sealing)?, number)
}

/// The key to seal under; a new one when the last has sealed as much as it may.
fn present(connection: &Connection, ring: &Ring) -> rusqlite::Result<Arc<DataKey>> {
    let (number, sealed): (u32, u64) = connection
        .prepare_cached("SELECT number, sealed FROM data_key ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if number == PLAIN {
        return Err(sealing(SealError::NoDataKey(number)));
    }
    if sealed < VALUES_PER_KEY {
        return by_number(connection, ring, number);
    }
    add_like_last(connection, ring, number + 1)?;
    // Not kept in the ring: another process may make a key of this number if this transaction does not stand.
    let (wrapped_by, wrapped) = row(connection, number + 1)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    ring.master().unwrap(number + 1, &wrapped_by, &wrapped).map(Arc::new).map_err(sealing)
}

fn by_number(connection: &Connection, ring: &Ring, number: u32) -> rusqlite::Result<Arc<DataKey>> {
    if let Some(key) = ring.get(number) {
        return Ok(key);
    }
    let (wrapped_by, wrapped) = row(connection, number)?.ok_or_else(|| sealing(SealError::NoDataKey(number)))?;
    ring.unwrap(number, &wrapped_by, &wrapped).map_err(sealing)
}

fn row(connection: &Connection, number: u32) -> rusqlite::Result<Option<(String, Vec<u8>)>> {
    connection
        .prepare_cached("SELECT wrapped_by, wrapped FROM data_key WHERE number = ?1")?
        .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Wraps all data keys under another master key.
pub(super) fn rewrap(connection: &Connection, ring: &Ring, new: &MasterKey) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT number, wrapped_by, wrapped FROM data_key WHERE number > 0 ORDER BY number")?;
    let keys: Vec<(u32, String, Vec<u8>)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    for (number, wrapped_by, wrapped) in keys {
        if wrapped_by == new.id() {
            continue;
        }
        let master = ring.master_known_as(&wrapped_by).map_err(sealing)?;
        let wrapped = master.rewrap(new, number, &wrapped_by, &wrapped).map_err(sealing)?;
        connection.execute(
            "UPDATE data_key SET wrapped_by = ?2, wrapped = ?3 WHERE number = ?1",
            params![number, new.id(), wrapped],
        )?;
    }
    Ok(())
}
