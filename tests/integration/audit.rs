//! The audit trail shows what was done to it.

use std::sync::Arc;

use watari::audit::{AuditError, Trail, verify};
use watari::store::audit::AuditEntry;
use watari::store::requests::{RequestRow, SEGMENT};
use watari::store::{Change, Changes, Handle, sqlite::SqliteStore};

fn trail(folder: &std::path::Path) -> Handle {
    let store = Handle::new(Arc::new(SqliteStore::open(&folder.join("watari.db")).unwrap()));
    for action in ["a", "b", "c"] {
        let entry = AuditEntry {
            at: "2026-01-01T00:00:00.000Z".into(),
            actor: "node".into(),
            action: action.into(),
            target: String::new(),
            detail: String::new(),
        };
        store.commit(Changes::new().with(Change::Audit(entry))).unwrap();
    }
    store
}

#[test]
fn an_untouched_trail_holds() {
    let folder = tempfile::tempdir().unwrap();
    let chains = trail(folder.path()).view(|view| verify(view)).unwrap();
    assert_eq!(chains.len(), 1);
    assert_eq!((chains[0].chain.as_str(), chains[0].entries), ("", 3));
    assert_eq!(chains[0].head.len(), 64);
}

/// Three rows more than a segment.
fn requests(folder: &std::path::Path) {
    let store = Handle::new(Arc::new(SqliteStore::open(&folder.join("watari.db")).unwrap()));
    std::thread::scope(|threads| {
        for thread in 0..3 {
            let store = &store;
            threads.spawn(move || {
                for number in 0..(SEGMENT + 3) / 3 + 1 {
                    let row =
                        RequestRow { at: 1, target: format!("Patient/{thread}-{number}"), ..RequestRow::default() };
                    store.note_and_wait(row).unwrap();
                }
            });
        }
    });
}

/// AUD-01 for the trail of requests.
#[test]
fn aud_01_tampering_with_the_trail_of_requests_is_found_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    requests(folder.path());
    let whole = std::fs::read(folder.path().join("watari.requests.db")).unwrap();
    for (tampering, place) in [
        ("UPDATE request SET actor = 'x' WHERE position = 2", Some(2)),
        ("UPDATE request SET patients = '' , target = 'Patient/0' WHERE position = 1025", Some(1025)),
        ("DELETE FROM request WHERE position = 500", Some(500)),
        ("DELETE FROM request WHERE position = 1", Some(1)),
        (
            "UPDATE request SET position = 9999 WHERE position = 7; UPDATE request SET position = 7 WHERE position = 8;
          UPDATE request SET position = 8 WHERE position = 9999",
            Some(7),
        ),
        ("UPDATE request SET hash = x'00' WHERE position = 3", Some(3)),
        ("UPDATE request_segment SET subjects = x''", None),
        ("UPDATE request_segment SET last_at = 0", None),
        ("DELETE FROM request_segment", None),
    ] {
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join("watari.db");
        std::fs::write(copy.path().join("watari.requests.db"), &whole).unwrap();
        let store = Handle::new(Arc::new(SqliteStore::open(&path).unwrap()));
        assert_eq!(store.view(|view| verify(view)).unwrap()[1].entries, SEGMENT + 5);
        rusqlite::Connection::open(copy.path().join("watari.requests.db")).unwrap().execute_batch(tampering).unwrap();
        let found = store.view(|view| verify(view)).unwrap_err();
        let is_named = match (&found, place) {
            (AuditError::Broken { trail: Trail::Requests, position, .. }, Some(place)) => *position == place,
            (AuditError::Hidden { position: SEGMENT, .. }, None) => true,
            _ => false,
        };
        assert!(is_named, "{tampering}: {found}");
    }
}

#[test]
fn every_way_of_tampering_is_found_at_its_place() {
    for (tampering, place) in [
        ("UPDATE audit SET action = 'x' WHERE position = 2", 2),
        ("UPDATE audit SET at = '2027' WHERE position = 1", 1),
        ("DELETE FROM audit WHERE position = 2", 2),
        ("DELETE FROM audit WHERE position = 1", 1),
        ("UPDATE audit SET hash = (SELECT hash FROM audit WHERE position = 1) WHERE position = 3", 3),
    ] {
        let folder = tempfile::tempdir().unwrap();
        drop(trail(folder.path()));
        let path = folder.path().join("watari.db");
        rusqlite::Connection::open(&path).unwrap().execute_batch(tampering).unwrap();
        let store = Handle::new(Arc::new(SqliteStore::open(&path).unwrap()));
        let found = store.view(|view| verify(view)).unwrap_err();
        assert!(matches!(found, AuditError::Broken { position, .. } if position == place), "{tampering}: {found}");
    }
}
