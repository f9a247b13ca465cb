//! What every store promises, whichever database is behind it: one file per room of the store.

mod access;
mod carry;
mod deliveries;
mod exports;
mod faults;
mod history;
mod losses;
mod peers;
mod records;
mod requests;
mod searches;
mod shared;
mod trail;

use std::path::Path;
use std::sync::Arc;

use watari::fhir::dates;
use watari::records::index::COMPARABLE;
use watari::store::audit::AuditEntry;
use watari::store::postgres::PostgresStore;
use watari::store::records::{IndexRow, IndexValue, ResourceWrite, StoredResource};
use watari::store::{Change, Handle, StoreError, sqlite::SqliteStore};

use super::postgres_server;

/// Opens a store on a folder; opening the same folder again is a restart.
pub(super) type Open = fn(&Path) -> Handle;

fn sqlite(folder: &Path) -> Handle {
    Handle::new(Arc::new(SqliteStore::open(&folder.join("watari.db")).unwrap()))
}

/// A database of its own for each folder.
fn postgres(folder: &Path) -> Handle {
    Handle::new(Arc::new(PostgresStore::open(&postgres_server::settings(folder)).unwrap()))
}

const STORES: &[(&str, Open)] = &[("sqlite", sqlite), ("postgres", postgres)];

/// The case on every store; on PostgreSQL, where it can be had (`tests/run` sees to it).
pub(super) fn for_each_store(case: impl Fn(&str, &Path, Open)) {
    for (name, open) in STORES {
        if *name == "postgres" && !postgres_server::is_there() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        case(name, folder.path(), *open);
    }
}

pub(super) fn observation(id: &str, version: u64, patient: &str, code: &str, value: f64, unit: &str) -> Change {
    let json = format!(r#"{{"resourceType":"Observation","id":"{id}","valueQuantity":{{"value":1.50}}}}"#);
    Change::PutResource(ResourceWrite {
        resource: StoredResource {
            kind: "Observation".into(),
            id: id.into(),
            version,
            last_updated: format!("2026-01-0{version}T00:00:00.000Z"),
            event_time: None,
            json,
        },
        patient: Some(patient.into()),
        index: vec![
            row("code", IndexValue::Token { system: "http://loinc.org".into(), code: code.into() }),
            row("status", IndexValue::Token { system: String::new(), code: "final".into() }),
            row(COMPARABLE, IndexValue::Quantity { low: value, high: value, unit: unit.into() }),
        ],
        message_id: None,
    })
}

pub(super) fn row(path: &'static str, value: IndexValue) -> IndexRow {
    IndexRow::new(path, value)
}

pub(super) fn audit(action: &str) -> Change {
    Change::Audit(AuditEntry {
        at: "2026-01-01T00:00:00.000Z".into(),
        actor: "node".into(),
        action: action.into(),
        target: String::new(),
        detail: String::new(),
    })
}

/// A `Condition` of a year, with a code, a text and what it refers to.
pub(super) fn condition(number: usize, version: u64, patient: &str, code: &str, year: usize) -> ResourceWrite {
    let (from, to) = dates::span(&year.to_string()).unwrap();
    ResourceWrite {
        resource: StoredResource {
            kind: "Condition".into(),
            id: format!("c{number}"),
            version,
            last_updated: format!("2026-01-01T00:00:0{version}.000Z"),
            event_time: None,
            json: format!(r#"{{"resourceType":"Condition","id":"c{number}"}}"#),
        },
        patient: Some(patient.into()),
        index: vec![
            row("code", IndexValue::Token { system: "s1".into(), code: code.into() }),
            row("code", IndexValue::Token { system: "s2".into(), code: format!("{code}-2") }),
            row("note", IndexValue::Text(format!("text {}", number % 7))),
            row("patient", IndexValue::Reference(format!("Patient/{patient}"))),
            row("onset", IndexValue::Date { from, to }),
        ],
        message_id: None,
    }
}

#[test]
fn a_database_of_a_newer_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(sqlite(folder.path()));
    let path = folder.path().join("watari.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::NewerSchema { found: 999, .. })));
    if postgres_server::is_there() {
        drop(postgres(folder.path()));
        let settings = postgres_server::settings(folder.path());
        postgres_server::execute(&settings.url, "UPDATE schema_version SET version = 999").unwrap();
        assert!(matches!(PostgresStore::open(&settings), Err(StoreError::NewerSchema { found: 999, .. })));
    }
}
