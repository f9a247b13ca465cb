//! What every store promises, whichever database is behind it.

use std::sync::Arc;

use watari::fhir::search::{Criterion, Match, Search};
use watari::store::audit::{AuditEntry, chain_hash};
use watari::store::deliveries::{Claim, Delivery, SeenMessage};
use watari::store::records::{FactQuery, IndexRow, IndexValue, QuantityRange, ResourceWrite, StoredResource};
use watari::store::{Change, Changes, CommitError, Expect, Handle, StoreError, sqlite::SqliteStore};

/// Opens a store on a folder; opening the same folder again is a restart.
type Open = fn(&std::path::Path) -> Handle;

fn sqlite(folder: &std::path::Path) -> Handle {
    Handle::new(Arc::new(SqliteStore::open(&folder.join("watari.db")).unwrap()))
}

const STORES: &[(&str, Open)] = &[("sqlite", sqlite)];

fn for_each_store(case: impl Fn(&str, &std::path::Path, Open)) {
    for (name, open) in STORES {
        let folder = tempfile::tempdir().unwrap();
        case(name, folder.path(), *open);
    }
}

fn observation(id: &str, version: u64, patient: &str, code: &str, value: f64, unit: &str) -> Change {
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
            row("value-quantity", IndexValue::Quantity { value, unit: unit.into() }),
        ],
        message_id: None,
    })
}

fn row(parameter: &str, value: IndexValue) -> IndexRow {
    IndexRow { parameter: parameter.into(), value }
}

fn delivery(message_id: &str, peer: &str) -> Delivery {
    Delivery {
        message_id: message_id.into(),
        peer: peer.into(),
        path: "/peer/v1/fhir/$process-message".into(),
        content_type: "application/fhir+json".into(),
        purpose: "TREAT".into(),
        body: b"{\"v\":1.50}".to_vec(),
        body_sha256: "00".into(),
        signature: "sig".into(),
        status: "queued".into(),
        created_at: "2026-01-01T00:00:00.000Z".into(),
        next_attempt_at: "2026-01-01T00:00:00.000Z".into(),
        attempts: 0,
        last_error: None,
        receipt: None,
        delivered_at: None,
    }
}

fn audit(action: &str) -> Change {
    Change::Audit(AuditEntry {
        at: "2026-01-01T00:00:00.000Z".into(),
        actor: "node".into(),
        action: action.into(),
        target: String::new(),
        detail: String::new(),
    })
}

#[test]
fn a_committed_resource_survives_a_restart_byte_for_byte() {
    for_each_store(|_, folder, open| {
        open(folder).commit(Changes::new().with(observation("o1", 1, "p1", "2345-7", 90.0, "mg/dL"))).unwrap();
        let found = open(folder).view(|view| view.resource("Observation", "o1")).unwrap().unwrap();
        assert!(found.json.contains("1.50"), "{}", found.json);
        assert_eq!(found.version, 1);
    });
}

#[test]
fn a_failed_expectation_writes_nothing_of_the_act() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        store.commit(Changes::new().with(observation("o1", 1, "p1", "2345-7", 90.0, "mg/dL"))).unwrap();
        let stale = Changes::new()
            .expecting(Expect::ResourceVersion { kind: "Observation".into(), id: "o1".into(), version: None })
            .with(audit("never"))
            .with(observation("o2", 1, "p1", "2345-7", 90.0, "mg/dL"));
        assert!(matches!(store.commit(stale), Err(CommitError::Unexpected(Expect::ResourceVersion { .. }))));
        store
            .view(|view| {
                assert!(view.resource("Observation", "o2")?.is_none());
                assert!(view.audit_tail(1)?.is_empty());
                Ok::<_, StoreError>(())
            })
            .unwrap();
    });
}

#[test]
fn history_keeps_every_version_and_search_sees_only_the_last() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        store.commit(Changes::new().with(observation("o1", 1, "p1", "2345-7", 90.0, "mg/dL"))).unwrap();
        store.commit(Changes::new().with(observation("o1", 2, "p1", "14749-6", 5.0, "mmol/L"))).unwrap();
        let by_code = |code: &str| Search {
            kind: "Observation".into(),
            criteria: vec![Criterion {
                parameter: "code".into(),
                any: vec![Match::Token { system: None, code: code.into() }],
            }],
            count: 10,
            offset: 0,
        };
        store
            .view(|view| {
                assert_eq!(view.search(&by_code("2345-7"))?.total, 0);
                assert_eq!(view.search(&by_code("14749-6"))?.total, 1);
                assert_eq!(view.resource_version("Observation", "o1", 1)?.unwrap().version, 1);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    });
}

#[test]
fn patients_are_counted_by_code_and_quantity_of_the_same_resource() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let mut changes = Changes::new();
        for (id, patient, code, value) in
            [("a", "p1", "4548-4", 7.0), ("b", "p2", "4548-4", 6.9), ("c", "p2", "2345-7", 9.0)]
        {
            changes = changes.with(observation(id, 1, patient, code, value, "%"));
        }
        store.commit(changes).unwrap();
        let query = FactQuery {
            kind: "Observation".into(),
            codes: vec![("http://loinc.org".into(), "4548-4".into())],
            families: Vec::new(),
            quantities: vec![QuantityRange {
                unit: "%".into(),
                low: Some(7.0),
                low_exclusive: false,
                high: None,
                high_exclusive: false,
            }],
            excluded_statuses: vec!["entered-in-error".into()],
        };
        let found = store.view(|view| view.patients_with(&query)).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["p1"]);
    });
}

#[test]
fn a_family_of_codes_holds_every_code_that_starts_so() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let mut changes = Changes::new();
        for (id, patient, code) in [("a", "p1", "E11.9"), ("b", "p2", "E119"), ("c", "p3", "E1"), ("d", "p4", "E12")] {
            changes = changes.with(observation(id, 1, patient, code, 1.0, "1"));
        }
        store.commit(changes).unwrap();
        let query = FactQuery {
            kind: "Observation".into(),
            codes: Vec::new(),
            families: vec![("http://loinc.org".into(), "E11".into())],
            quantities: Vec::new(),
            excluded_statuses: Vec::new(),
        };
        let found = store.view(|view| view.patients_with(&query)).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["p1", "p2"]);
    });
}

#[test]
fn a_delivery_is_leased_once_and_again_after_the_lease_has_run_out() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        store.commit(Changes::new().with(Change::Queue(delivery("m1", "tokyo")))).unwrap();
        let claim = |lease: &str, now: &str, until: &str| Claim {
            lease: lease.into(),
            now: now.into(),
            lease_until: until.into(),
            limit: 10,
        };
        let first = store.claim(&claim("w1", "2026-01-01T00:00:01.000Z", "2026-01-01T00:01:01.000Z")).unwrap();
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].attempts, 1);
        assert!(store.claim(&claim("w2", "2026-01-01T00:00:02.000Z", "2026-01-01T00:01:02.000Z")).unwrap().is_empty());
        let again = store.claim(&claim("w2", "2026-01-01T00:01:02.000Z", "2026-01-01T00:02:02.000Z")).unwrap();
        assert_eq!(again.len(), 1);
        // The first worker comes back late: its lease is gone, it may not write.
        let late = Changes::new()
            .expecting(Expect::LeaseHeld { message_id: "m1".into(), lease: "w1".into() })
            .with(Change::GiveUp { message_id: "m1".into(), error: String::new() });
        assert!(matches!(store.commit(late), Err(CommitError::Unexpected(Expect::LeaseHeld { .. }))));
    });
}

#[test]
fn messages_to_one_peer_leave_in_order_and_do_not_hold_up_another_peer() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        for (id, peer) in [("m1", "tokyo"), ("m2", "tokyo"), ("m3", "osaka")] {
            store.commit(Changes::new().with(Change::Queue(delivery(id, peer)))).unwrap();
        }
        let claim = Claim {
            lease: "w".into(),
            now: "2026-01-02T00:00:00.000Z".into(),
            lease_until: "2026-01-02T00:01:00.000Z".into(),
            limit: 10,
        };
        let mut ids: Vec<_> = store.claim(&claim).unwrap().into_iter().map(|delivery| delivery.message_id).collect();
        ids.sort();
        assert_eq!(ids, ["m1", "m3"]);
    });
}

#[test]
fn a_message_is_seen_once_and_a_token_used_once() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let accept = || {
            Changes::new()
                .expecting(Expect::TokenUnused { peer: "tokyo".into(), jti: "j1".into() })
                .expecting(Expect::NotSeen { peer: "tokyo".into(), message_id: "m1".into() })
                .with(Change::UseToken {
                    peer: "tokyo".into(),
                    jti: "j1".into(),
                    expires_at: "2026-01-01T00:05:00.000Z".into(),
                })
                .with(Change::Seen(SeenMessage {
                    peer: "tokyo".into(),
                    message_id: "m1".into(),
                    body_sha256: "00".into(),
                    body: vec![1],
                    signature: "s".into(),
                    receipt: "r".into(),
                    received_at: "2026-01-01T00:00:00.000Z".into(),
                }))
        };
        store.commit(accept()).unwrap();
        assert!(matches!(store.commit(accept()), Err(CommitError::Unexpected(Expect::TokenUnused { .. }))));
    });
}

#[test]
fn the_audit_chain_covers_every_entry_and_its_place() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        for action in ["a", "b", "c"] {
            store.commit(Changes::new().with(audit(action))).unwrap();
        }
        let entries = store.view(|view| view.audit_entries(1, 10)).unwrap();
        assert_eq!(entries.len(), 3);
        let mut before = String::new();
        for chained in &entries {
            assert_eq!(chained.hash, chain_hash(&before, chained.position, &chained.entry));
            before.clone_from(&chained.hash);
        }
    });
}

#[test]
fn many_threads_commit_and_none_is_lost() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let store = store.clone();
                scope.spawn(move || {
                    for turn in 0..25 {
                        let id = format!("o-{thread}-{turn}");
                        store.commit(Changes::new().with(observation(&id, 1, "p", "1", 1.0, "1"))).unwrap();
                    }
                });
            }
        });
        let counts = store.view(|view| view.resource_counts()).unwrap();
        assert_eq!(counts, [("Observation".to_owned(), 200)]);
    });
}

#[test]
fn a_database_of_a_newer_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(sqlite(folder.path()));
    let path = folder.path().join("watari.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::NewerSchema { found: 999, .. })));
}
