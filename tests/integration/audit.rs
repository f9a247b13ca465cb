//! The audit trail shows what was done to it.

use std::sync::Arc;

use watari::audit::{AuditError, verify};
use watari::store::audit::AuditEntry;
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
