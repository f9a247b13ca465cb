//! A record that takes in what was translated, one thing after the other, and shows what stands under a patient.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use serde_json::Value;
use watari::records::accept::{NewIds, Origin, accept};
use watari::store::{Changes, Handle, sqlite::SqliteStore};
use watari::translate::{Mappings, Translated};

/// An empty store and the built-in rows.
pub struct OneRecord {
    pub store: Handle,
    pub mappings: Mappings,
    /// How much was taken in; the store's clock and the messages' ids.
    pub taken: u32,
    _folder: tempfile::TempDir,
}

impl OneRecord {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Handle::new(Arc::new(SqliteStore::open(&folder.path().join("watari.db")).unwrap()));
        Self { store, mappings: Mappings::builtin().unwrap(), taken: 0, _folder: folder }
    }

    /// Enters what was translated. A bundle that names its source is the whole of it.
    pub fn enter(&mut self, translated: Translated) {
        self.taken += 1;
        let bundle = Value::from(&translated.bundle);
        let origin = Origin {
            event_time: translated.event_time.map(|time| time.to_string()),
            new_ids: NewIds::OfFullUrl,
            amendments: translated.amendments,
            message_id: Some(self.taken.to_string()),
            whole_of: bundle.pointer("/meta/source").and_then(Value::as_str).map(str::to_owned),
            ..Origin::default()
        };
        let now = format!("2026-06-01T00:00:{:02}.000Z", self.taken);
        let accepted = self.store.view(|view| accept(view, &now, &bundle, &origin)).unwrap();
        self.store.commit(Changes { expect: accepted.expect, changes: accepted.changes }).unwrap();
    }

    /// The patient with this identifier.
    pub fn patient(&self, system: &str, number: &str) -> Value {
        let found = self.store.view(|view| view.by_identifier("Patient", system, number)).unwrap();
        assert_eq!(found.len(), 1, "patient {number}");
        serde_json::from_str(&found[0].json).unwrap()
    }

    /// What of a type stands under the patient with this identifier.
    pub fn under(&self, system: &str, number: &str, kind: &str) -> Vec<Value> {
        let id = self.patient(system, number)["id"].as_str().unwrap().to_owned();
        let all = self.store.view(|view| view.compartment(&id)).unwrap();
        let of_kind = all.into_iter().filter(|stored| stored.kind == kind);
        of_kind.map(|stored| serde_json::from_str(&stored.json).unwrap()).collect()
    }
}

/// The only one of a list.
pub fn only(all: Vec<Value>) -> Value {
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().unwrap()
}
