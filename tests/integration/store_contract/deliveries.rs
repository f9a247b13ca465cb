//! The outbox: leases, order, and what is accepted once.

use watari::store::deliveries::{Claim, Delivery, SeenMessage};
use watari::store::{Change, Changes, CommitError, Expect, Handle};

use super::for_each_store;

pub(super) fn delivery(message_id: &str, peer: &str) -> Delivery {
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

pub(super) fn claimed(store: &Handle, now: &str, lease_until: &str, limit: usize, per_peer: usize) -> Vec<String> {
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
