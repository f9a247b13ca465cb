//! Resources: what is committed stands, what is refused writes nothing.

use watari::store::messages::{MessageRecord, MessageStatus};
use watari::store::{Change, Changes, CommitError, Expect, StoreError};

use super::searches::{found, refers, token};
use super::{audit, condition, for_each_store, observation};

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
fn an_act_that_the_database_refuses_undoes_no_other_of_its_group() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let message = || MessageRecord {
            id: "m".into(),
            channel: "mllp".into(),
            source: String::new(),
            kind: "ADT^A08".into(),
            control_id: None,
            received_at: "2026-01-01T00:00:00.000Z".into(),
            raw: Vec::new(),
            sha256: "00".into(),
            status: MessageStatus::Translated,
            reason: None,
            losses: None,
            resources: "[]".into(),
            patient: None,
        };
        let results: Vec<bool> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..40)
                .map(|number| {
                    let store = store.clone();
                    let changes = Changes::new().with(Change::PutResource(condition(number, 1, "p", "a", 2000)));
                    // Every fifth names a message that is there already, after its resource was written.
                    let twice = Changes::new().with(Change::RecordMessage(message()));
                    let changes = match number % 5 {
                        0 => Changes { changes: [changes.changes, twice.changes].concat(), ..changes },
                        _ => changes,
                    };
                    scope.spawn(move || store.commit(changes).is_ok())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let stood = |number: &usize| results[*number];
        assert_eq!((0..40).step_by(5).filter(stood).count(), 1, "one of those that name the message");
        assert!((0..40).filter(|number| number % 5 != 0).all(|number| results[number]));
        let mut wanted: Vec<String> = (0..40).filter(stood).map(|number| format!("c{number}")).collect();
        wanted.sort();
        // What a refused act named first is found under the right numbers all the same.
        assert_eq!(found(&store, "Condition", &[token(Some("s1"), "a")]), wanted);
        assert_eq!(found(&open(folder), "Condition", &[refers("p")]), wanted);
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
