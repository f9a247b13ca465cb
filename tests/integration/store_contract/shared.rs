//! What only a store shared by replicas must withstand: others write at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;

use watari::config::PostgresConfig;
use watari::store::audit::chain_hash;
use watari::store::deliveries::{Claim, SeenMessage};
use watari::store::postgres::PostgresStore;
use watari::store::{Change, Changes, CommitError, Expect, Handle, StoreError};

use super::super::postgres_server;
use super::deliveries::delivery;
use super::{audit, for_each_store};

/// Two replicas on one database.
fn replicas(case: impl Fn(&Handle, &Handle)) {
    if !postgres_server::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let open = |replica: &str| {
        let settings = PostgresConfig { replica: replica.into(), ..postgres_server::settings(folder.path()) };
        Handle::new(Arc::new(PostgresStore::open(&settings).unwrap()))
    };
    case(&open("a"), &open("b"));
}

/// Runs the same on both at once, many times over, and gives how often it succeeded in all.
fn race(a: &Handle, b: &Handle, act: impl Fn(usize) -> Changes + Sync) -> usize {
    let round = |turn: usize| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = [a, b, a, b]
                .into_iter()
                .map(|store| {
                    let act = &act;
                    scope.spawn(move || match store.commit(act(turn)) {
                        Ok(()) => 1,
                        Err(CommitError::Unexpected(_)) => 0,
                        Err(error) => panic!("{error}"),
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        })
    };
    (0..40).map(round).sum()
}

#[test]
fn of_replicas_that_accept_one_message_at_once_one_does() {
    replicas(|a, b| {
        let accepted = race(a, b, |turn| {
            let message_id = format!("m{turn}");
            Changes::new()
                .expecting(Expect::NotSeen { peer: "tokyo".into(), message_id: message_id.clone() })
                .with(audit("message.accept"))
                .with(Change::Seen(SeenMessage {
                    peer: "tokyo".into(),
                    message_id,
                    body_sha256: "00".into(),
                    body: vec![1],
                    signature: "s".into(),
                    receipt: "r".into(),
                    received_at: "2026-01-01T00:00:00.000Z".into(),
                }))
        });
        assert_eq!(accepted, 40);
    });
}

#[test]
fn of_replicas_that_act_on_one_reading_of_a_referral_one_does() {
    use watari::store::referrals::ReferralEvent;
    replicas(|a, b| {
        let acted = race(a, b, |turn| {
            let event = ReferralEvent {
                referral: "r".into(),
                event: "ask".into(),
                institution: "toronto".into(),
                actor: String::new(),
                from: "accepted".into(),
                to: "accepted".into(),
                note: None,
                message_id: None,
                at: "2026-01-01T00:00:00.000Z".into(),
            };
            Changes::new()
                .expecting(Expect::ReferralEvents { id: "r".into(), count: turn as u64 })
                .with(Change::ReferralEvent(event))
        });
        assert_eq!(acted, 40);
        let events = a.view(|view| view.referral_events("r")).map_err(|error: StoreError| error).unwrap();
        assert_eq!(events.len(), 40);
    });
}

/// DB-07: two replicas claim one row.
#[test]
fn no_delivery_is_claimed_by_two_replicas() {
    replicas(|a, b| {
        for number in 0..60 {
            a.commit(Changes::new().with(Change::Queue(delivery(&format!("m{number}"), "tokyo")))).unwrap();
        }
        let claims = |store: &Handle, lease: &str| {
            let mut all = Vec::new();
            loop {
                let claim = Claim {
                    lease: lease.into(),
                    now: "2026-01-02T00:00:00.000Z".into(),
                    lease_until: "2026-01-02T00:01:00.000Z".into(),
                    bytes_per_second: 1024,
                    limit: 3,
                    per_peer: 1000,
                };
                let claimed = store.claim(&claim).unwrap();
                if claimed.is_empty() {
                    return all;
                }
                all.extend(claimed.into_iter().map(|delivery| delivery.message_id));
            }
        };
        let (first, second) = std::thread::scope(|scope| {
            let other = scope.spawn(|| claims(b, "b"));
            (claims(a, "a"), other.join().unwrap())
        });
        let all: BTreeSet<&String> = first.iter().chain(&second).collect();
        assert_eq!((all.len(), first.len() + second.len()), (60, 60));
    });
}

#[test]
fn the_limit_for_a_peer_holds_over_replicas() {
    replicas(|a, b| {
        for number in 0..10 {
            a.commit(Changes::new().with(Change::Queue(delivery(&format!("m{number}"), "tokyo")))).unwrap();
        }
        let claim = |store: &Handle| {
            super::deliveries::claimed(store, "2026-01-02T00:00:00.000Z", "2026-01-02T00:01:00.000Z", 10, 4)
        };
        let found: Vec<String> = std::thread::scope(|scope| {
            let other = scope.spawn(|| claim(b));
            [claim(a), other.join().unwrap()].concat()
        });
        assert_eq!(found.len(), 4);
    });
}

#[test]
fn each_replica_has_a_chain_of_its_own_and_one_that_is_shared_does_not_fork() {
    replicas(|a, b| {
        std::thread::scope(|scope| {
            for store in [a, b, a, b] {
                scope.spawn(move || (0..20).for_each(|_| store.commit(Changes::new().with(audit("act"))).unwrap()));
            }
        });
        let chains = a.view(|view| watari::audit::verify(view)).unwrap();
        let told: Vec<_> = chains.iter().map(|chain| (chain.chain.as_str(), chain.entries)).collect();
        assert_eq!(told, [("a", 40), ("b", 40)]);
        assert_ne!(chains[0].head, chains[1].head);
    });
    for_each_store(|_, folder, open| {
        let (one, other) = (open(folder), open(folder));
        std::thread::scope(|scope| {
            for store in [&one, &other] {
                scope.spawn(move || (0..20).for_each(|_| store.commit(Changes::new().with(audit("act"))).unwrap()));
            }
        });
        let entries = one.view(|view| view.audit_entries("", 1, 100)).map_err(|error: StoreError| error).unwrap();
        assert_eq!(entries.len(), 40);
        assert!(entries.windows(2).all(|two| two[1].hash == chain_hash(&two[0].hash, two[1].position, &two[1].entry)));
    });
}
