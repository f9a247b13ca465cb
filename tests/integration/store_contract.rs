//! What every store promises, whichever database is behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use watari::fhir::search::{Criterion, Match, Prefix, Search};
use watari::store::audit::{AuditEntry, chain_hash};
use watari::store::deliveries::{Claim, Delivery, SeenMessage};
use watari::store::losses::{LossFilter, LossKey};
use watari::store::messages::{MessageRecord, MessageStatus};
use watari::store::peers::{Peer, SigningKey};
use watari::store::records::{FactQuery, IndexRow, IndexValue, QuantityRange, ResourceWrite, StoredResource};
use watari::store::{Change, Changes, CommitError, Expect, Handle, PeerState, StoreError, sqlite::SqliteStore};

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
        stream: message_id.into(),
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

/// A `Condition` of a year, with a code, a text and what it refers to.
fn condition(number: usize, version: u64, patient: &str, code: &str, year: usize) -> ResourceWrite {
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
            row(
                "onset-date",
                IndexValue::Date {
                    from: format!("{year}-01-01T00:00:00.000Z"),
                    to: format!("{}-01-01T00:00:00.000Z", year + 1),
                },
            ),
        ],
        message_id: None,
    }
}

fn found(store: &Handle, kind: &str, criteria: &[(&str, Match)]) -> Vec<String> {
    let criterion =
        |(parameter, wanted): &(&str, Match)| Criterion { parameter: (*parameter).into(), any: vec![wanted.clone()] };
    let search =
        Search { kind: kind.into(), criteria: criteria.iter().map(criterion).collect(), count: 10_000, offset: 0 };
    let found = store.view(|view| view.search(&search)).unwrap();
    assert_eq!(found.total, found.resources.len() as u64);
    found.resources.into_iter().map(|resource| resource.id).collect()
}

fn token(system: Option<&str>, code: &str) -> Match {
    Match::Token { system: system.map(str::to_owned), code: code.into() }
}

/// A criterion that few meet and one that most meet are asked in different ways; both find the same.
#[test]
fn a_search_finds_the_same_whether_few_or_many_meet_its_criteria() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let all = 4_100;
        for first in (0..all).step_by(100) {
            let acts = (first..first + 100).map(|number| {
                let code = if number % 50 == 0 { "rare" } else { "frequent" };
                condition(number, 1, &format!("p{}", number % 2), code, 1990 + number % 30)
            });
            let changes = Changes { expect: Vec::new(), changes: acts.map(Change::PutResource).collect() };
            store.commit(changes).unwrap();
        }
        let of = |test: &dyn Fn(usize) -> bool| {
            let mut ids: Vec<String> = (0..all).filter(|n| test(*n)).map(|n| format!("c{n}")).collect();
            ids.sort();
            ids
        };
        let date = |prefix, from: &str, to: &str| Match::Date {
            prefix,
            from: format!("{from}T00:00:00.000Z"),
            to: format!("{to}T00:00:00.000Z"),
        };
        let patient = || Match::Reference("Patient/p1".into());
        let is = |text: &str| Match::Text(text.into());
        let year = |n: usize| 1990 + n % 30;
        type Case<'a> = (Vec<(&'a str, Match)>, &'a dyn Fn(usize) -> bool);
        let cases: [Case<'_>; 13] = [
            (vec![("code", token(None, "rare"))], &|n| n % 50 == 0),
            (vec![("code", token(Some("s1"), "frequent"))], &|n| n % 50 != 0),
            (vec![("code", token(Some("s2"), "frequent"))], &|_| false),
            (vec![("code", token(Some("s1"), "rare")), ("patient", patient())], &|_| false),
            (vec![("code", token(Some("s2"), ""))], &|_| true),
            (vec![("code", token(Some("s1"), "frequent")), ("patient", patient())], &|n| n % 2 == 1),
            (vec![("code", token(None, "rare")), ("note", is("text 3"))], &|n| n % 50 == 0 && n % 7 == 3),
            (vec![("code", token(None, "frequent")), ("note", is("text 3"))], &|n| n % 50 != 0 && n % 7 == 3),
            (vec![("onset-date", date(Prefix::Eq, "2000-01-01", "2001-01-01"))], &|n| year(n) == 2000),
            (vec![("onset-date", date(Prefix::Lt, "2000-01-01", "2001-01-01"))], &|n| year(n) < 2000),
            (vec![("patient", patient()), ("onset-date", date(Prefix::Ge, "2000-01-01", "2001-01-01"))], &|n| {
                n % 2 == 1 && year(n) >= 2000
            }),
            (vec![("code", token(None, "rare")), ("onset-date", date(Prefix::Gt, "2000-01-01", "2001-01-01"))], &|n| {
                n % 50 == 0 && year(n) > 2000
            }),
            (vec![("code", token(None, "rare")), ("onset-date", date(Prefix::Le, "2000-01-01", "2001-01-01"))], &|n| {
                n % 50 == 0 && year(n) <= 2000
            }),
        ];
        for (criteria, test) in cases {
            assert_eq!(found(&store, "Condition", &criteria), of(test), "{criteria:?}");
        }
        assert_eq!(found(&store, "Condition", &[]).len(), all);
        // What is referred to is not held.
        assert_eq!(found(&store, "Patient", &[]), [""; 0]);
    });
}

#[test]
fn a_new_version_is_found_by_what_it_says_and_by_nothing_else() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let put = |write| store.commit(Changes::new().with(Change::PutResource(write))).unwrap();
        put(condition(1, 1, "p1", "a", 2000));
        put(condition(1, 2, "p2", "a", 2001));
        let patients = || {
            let codes = vec![("s1".to_owned(), "a".to_owned())];
            let query = FactQuery { kind: "Condition".into(), codes, quantities: vec![], excluded_statuses: vec![] };
            store.view(|view| view.patients_with(&query)).unwrap().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(patients(), ["p2"]);
        assert_eq!(found(&store, "Condition", &[("patient", Match::Reference("Patient/p1".into()))]), [""; 0]);
        assert_eq!(found(&store, "Condition", &[("patient", Match::Reference("Patient/p2".into()))]), ["c1"]);
        assert_eq!(store.view(|view| view.compartment("p1")).unwrap(), []);
        assert_eq!(store.view(|view| view.compartment("p2")).unwrap().len(), 1);
        let second = |write: ResourceWrite| ResourceWrite { index: write.index[..1].to_vec(), ..write };
        put(second(condition(1, 3, "p2", "b", 2001)));
        assert_eq!(patients(), [""; 0]);
        for (parameter, gone) in [
            ("code", token(None, "a-2")),
            ("note", Match::Text("text".into())),
            ("patient", Match::Reference("Patient/p2".into())),
        ] {
            assert_eq!(found(&store, "Condition", &[(parameter, gone)]), [""; 0], "{parameter}");
        }
        assert_eq!(found(&store, "Condition", &[("code", token(None, "b"))]), ["c1"]);
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
        assert_eq!(found(&store, "Condition", &[("code", token(Some("s1"), "a"))]), wanted);
        assert_eq!(found(&open(folder), "Condition", &[("patient", Match::Reference("Patient/p".into()))]), wanted);
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
fn a_delivery_is_leased_once_and_again_after_the_lease_has_run_out() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        store.commit(Changes::new().with(Change::Queue(delivery("m1", "tokyo")))).unwrap();
        let claim = |lease: &str, now: &str, until: &str| Claim {
            lease: lease.into(),
            now: now.into(),
            lease_until: until.into(),
            bytes_per_second: 10,
            limit: 10,
            per_peer: 4,
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

fn claimed(store: &Handle, now: &str, lease_until: &str, limit: usize, per_peer: usize) -> Vec<String> {
    let claim = Claim {
        lease: "w".into(),
        now: now.into(),
        lease_until: lease_until.into(),
        bytes_per_second: 1024,
        limit,
        per_peer,
    };
    let mut ids: Vec<_> = store.claim(&claim).unwrap().into_iter().map(|delivery| delivery.message_id).collect();
    ids.sort();
    ids
}

#[test]
fn messages_of_one_stream_leave_in_order_and_hold_up_no_other_stream_or_peer() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        for (id, peer, stream) in
            [("m1", "tokyo", "r1"), ("m2", "tokyo", "r1"), ("m3", "tokyo", "r2"), ("m4", "osaka", "r1")]
        {
            let queued = Delivery { stream: stream.into(), ..delivery(id, peer) };
            store.commit(Changes::new().with(Change::Queue(queued))).unwrap();
        }
        let (now, until) = ("2026-01-02T00:00:00.000Z", "2026-01-02T00:01:00.000Z");
        assert_eq!(claimed(&store, now, until, 10, 4), ["m1", "m3", "m4"]);
        let later =
            Change::RetryAt { message_id: "m1".into(), at: "2026-01-03T00:00:00.000Z".into(), error: "later".into() };
        let done = Change::Delivered { message_id: "m3".into(), receipt: "r".into(), at: now.into() };
        store.commit(Changes::new().with(later).with(done)).unwrap();
        assert!(claimed(&store, now, until, 10, 4).is_empty(), "m2 waits for m1, which is not due");
        let queued = Delivery { stream: "r2".into(), ..delivery("m5", "tokyo") };
        store.commit(Changes::new().with(Change::Queue(queued))).unwrap();
        assert_eq!(claimed(&store, now, until, 10, 4), ["m5"], "another stream does not wait for m1");
        let gone = Change::GiveUp { message_id: "m1".into(), error: "refused".into() };
        store.commit(Changes::new().with(gone)).unwrap();
        assert_eq!(claimed(&store, now, until, 10, 4), ["m2"]);
    });
}

#[test]
fn a_peer_has_a_few_messages_under_lease_and_those_due_longest_come_first() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let (now, until) = ("2026-01-02T00:00:00.000Z", "2026-01-02T00:01:00.000Z");
        for (id, due) in [("m1", 30), ("m2", 20), ("m3", 10), ("m4", 40)] {
            let next_attempt_at = format!("2026-01-01T00:00:{due}.000Z");
            let queued = Delivery { next_attempt_at, ..delivery(id, "tokyo") };
            store.commit(Changes::new().with(Change::Queue(queued))).unwrap();
        }
        store.commit(Changes::new().with(Change::Queue(delivery("m5", "osaka")))).unwrap();
        assert_eq!(claimed(&store, now, until, 1, 2), ["m5"]);
        assert_eq!(claimed(&store, now, until, 10, 2), ["m2", "m3"]);
        assert!(claimed(&store, now, until, 10, 2).is_empty(), "two are under way");
        let done = Change::Delivered { message_id: "m3".into(), receipt: "r".into(), at: now.into() };
        store.commit(Changes::new().with(done)).unwrap();
        assert_eq!(claimed(&store, now, until, 10, 2), ["m1"]);
    });
}

#[test]
fn the_lease_of_a_larger_message_is_longer() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let queued = Delivery { body: vec![b' '; 30 * 1024], ..delivery("m1", "tokyo") };
        store.commit(Changes::new().with(Change::Queue(queued))).unwrap();
        let (now, until) = ("2026-01-02T00:00:00.000Z", "2026-01-02T00:00:45.500Z");
        assert_eq!(claimed(&store, now, until, 10, 4), ["m1"]);
        let later = "2026-01-02T00:10:00.000Z";
        assert!(claimed(&store, "2026-01-02T00:01:15.499Z", later, 10, 4).is_empty());
        assert_eq!(claimed(&store, "2026-01-02T00:01:15.500Z", later, 10, 4), ["m1"]);
    });
}

fn peer(id: &str, certificate: &str, key: &str, paired_at: &str) -> Peer {
    Peer {
        id: id.into(),
        names: "{}".into(),
        country: "jp".into(),
        url: "https://h".into(),
        certificate_sha256: certificate.into(),
        signing_key: key.into(),
        status: "active".into(),
        paired_at: paired_at.into(),
        services: "[]".into(),
    }
}

fn read_peer(store: &Handle, id: &str) -> Option<Peer> {
    store.view(|view| view.peer(id)).unwrap()
}

#[test]
fn what_was_read_of_a_peer_can_be_made_a_condition() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let tokyo = peer("tokyo", "c1", "k1", "2026-01-01T00:00:00.000Z");
        let with = |state: Option<PeerState>| {
            let services = Change::PutServices { peer: "tokyo".into(), services: "[1]".into() };
            let expect = Expect::PeerIs { id: "tokyo".into(), state };
            store.commit(Changes::new().expecting(expect).with(services))
        };
        let unexpected = |result| matches!(result, Err(CommitError::Unexpected(Expect::PeerIs { .. })));
        let as_read = Some(PeerState::from(&tokyo));
        assert!(unexpected(with(as_read.clone())), "not paired");
        with(None).unwrap();
        let moved = Peer { url: "https://new".into(), ..tokyo };
        store.commit(Changes::new().with(Change::PutPeer(moved.clone()))).unwrap();
        assert!(unexpected(with(None)));
        with(as_read.clone()).unwrap();
        assert_eq!(read_peer(&store, "tokyo").unwrap(), Peer { services: "[1]".into(), ..moved.clone() });
        for changed in
            [Peer { status: "revoked".into(), ..moved.clone() }, Peer { certificate_sha256: "c2".into(), ..moved }]
        {
            store.commit(Changes::new().with(Change::PutPeer(changed.clone()))).unwrap();
            assert!(unexpected(with(as_read.clone())));
            assert_eq!(read_peer(&store, "tokyo").unwrap(), changed);
        }
    });
}

#[test]
fn one_certificate_is_of_one_peer() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let tokyo = peer("tokyo", "c1", "k1", "2026-01-01T00:00:00.000Z");
        store.commit(Changes::new().with(Change::PutPeer(tokyo.clone()))).unwrap();
        let osaka = peer("osaka", "c1", "k2", "2026-01-01T00:00:00.000Z");
        assert!(matches!(store.commit(Changes::new().with(Change::PutPeer(osaka))), Err(CommitError::Store(_))));
        assert_eq!((read_peer(&store, "tokyo"), read_peer(&store, "osaka")), (Some(tokyo), None));
    });
}

#[test]
fn every_signing_key_is_kept_with_the_time_it_was_first_pinned() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let (first, then) = ("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z");
        for (certificate, key, at) in [("c1", "k1", first), ("c2", "k2", then), ("c1", "k1", then)] {
            store.commit(Changes::new().with(Change::PutPeer(peer("tokyo", certificate, key, at)))).unwrap();
        }
        let own = SigningKey { institution: "toronto".into(), jwk: "k3".into(), since: then.into() };
        store.commit(Changes::new().with(Change::KeepKey(own.clone()))).unwrap();
        let keys = |id: &str| store.view(|view| view.signing_keys(id)).unwrap();
        let kept =
            |jwk: &str, since: &str| SigningKey { institution: "tokyo".into(), jwk: jwk.into(), since: since.into() };
        assert_eq!(keys("tokyo"), [kept("k1", first), kept("k2", then)]);
        assert_eq!(keys("toronto"), [own]);
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

#[test]
fn losses_are_totalled_with_the_acts_that_stand_and_found_by_day_channel_and_message() {
    let key = |day: &str, channel: &str, field: &str, outcome: &str| LossKey {
        day: day.into(),
        channel: channel.into(),
        kind: "ADT^A08".into(),
        field: field.into(),
        outcome: outcome.into(),
        reason: String::new(),
    };
    for_each_store(|_, folder, open| {
        let store = open(folder);
        let first = BTreeMap::from([(key("2026-11-01", "mllp", "PID-5", "mapped"), 2)]);
        let second = BTreeMap::from([
            (key("2026-11-02", "mllp", "PID-5", "mapped"), 3),
            (key("2026-11-02", "csv", "column mrn", "mapped"), 1),
        ]);
        store.commit(Changes::new().with(Change::CountLosses(first.clone()))).unwrap();
        store.commit(Changes::new().with(Change::CountLosses(second))).unwrap();
        // An act that does not stand counts nothing.
        let unmet = Expect::ResourceVersion { kind: "Patient".into(), id: "p".into(), version: Some(1) };
        store.commit(Changes::new().expecting(unmet).with(Change::CountLosses(first))).unwrap_err();
        let seen = |filter: LossFilter| {
            let totals = open(folder).view(|view| view.loss_totals(&filter)).unwrap();
            totals.into_iter().map(|total| (total.field, total.seen)).collect::<Vec<_>>()
        };
        assert_eq!(seen(LossFilter::default()), [("PID-5".to_owned(), 5), ("column mrn".to_owned(), 1)]);
        let since = Some("2026-11-02".to_owned());
        let channel = Some("mllp".to_owned());
        assert_eq!(seen(LossFilter { since, channel, ..LossFilter::default() }), [("PID-5".to_owned(), 3)]);
        let kind = Some("ORU^R01".to_owned());
        assert_eq!(seen(LossFilter { kind, ..LossFilter::default() }), []);
    });
}
