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

#[test]
fn what_is_held_waits_and_holds_up_its_own_stream_until_it_is_let_go() {
    for_each_store(|name, folder, open| {
        let store = open(folder);
        store.commit(Changes::new().with(Change::Queue(delivery("m1", "tokyo")))).unwrap();
        store.commit(Changes::new().with(Change::HoldWaiting)).unwrap();
        let (now, until) = ("2026-01-01T00:00:01.000Z", "2026-01-01T00:01:01.000Z");
        let later = Delivery { stream: "m1".into(), ..delivery("m2", "tokyo") };
        let other = delivery("m3", "tokyo");
        store.commit(Changes::new().with(Change::Queue(later)).with(Change::Queue(other))).unwrap();
        assert_eq!(claimed(&store, now, until, 10, 4), ["m3"], "{name}: another stream goes on");
        let held = store.view(|view| view.deliveries("held", 10)).unwrap();
        assert_eq!(held.iter().map(|one| one.message_id.as_str()).collect::<Vec<_>>(), ["m1"], "{name}");
        let release = |id: &str| Change::Release { message_id: id.into(), at: now.into() };
        store.commit(Changes::new().with(release("m1")).with(release("m3")).with(release("none"))).unwrap();
        assert_eq!(
            claimed(&store, now, until, 10, 4),
            ["m1"],
            "{name}: in its order, and what was not held stays as it is"
        );
    });
}

#[test]
fn accepted_messages_are_walked_in_their_order() {
    for_each_store(|name, folder, open| {
        let store = open(folder);
        for (peer, id) in [("b", "1"), ("a", "2"), ("a", "1"), ("b", "0")] {
            let seen = SeenMessage {
                peer: peer.into(),
                message_id: id.into(),
                body_sha256: "00".into(),
                body: b"{}".to_vec(),
                signature: "sig".into(),
                receipt: "receipt".into(),
                received_at: "2026-01-01T00:00:00.000Z".into(),
            };
            store.commit(Changes::new().with(Change::Seen(seen))).unwrap();
        }
        let mut found = Vec::new();
        let (mut peer, mut id) = (String::new(), String::new());
        loop {
            let page = store.view(|view| view.seen_after(&peer, &id, 3)).unwrap();
            let Some(last) = page.last() else { break };
            (peer, id) = (last.peer.clone(), last.message_id.clone());
            found.extend(page.iter().map(|seen| format!("{}{}{}", seen.peer, seen.message_id, seen.body.len())));
        }
        assert_eq!(found, ["a12", "a22", "b02", "b12"], "{name}");
    });
}

#[test]
fn messages_for_local_systems_are_held_and_let_go_too() {
    for_each_store(|name, folder, open| {
        let store = open(folder);
        let filing = |id: &str, referral: &str| watari::store::filings::Filing {
            id: id.into(),
            destination: "his".into(),
            referral: referral.into(),
            kind: "REF^I12".into(),
            control_id: id.into(),
            path: String::new(),
            body: b"MSH|".to_vec(),
            status: "queued".into(),
            created_at: "2026-01-01T00:00:00.000Z".into(),
            next_attempt_at: "2026-01-01T00:00:00.000Z".into(),
            attempts: 0,
            last_error: None,
            answer: None,
            filed_at: None,
        };
        let now = "2026-01-01T00:00:01.000Z";
        let due = || {
            let due = store.view(|view| view.filings_due(now)).unwrap();
            due.into_iter().map(|one| one.id).collect::<Vec<_>>()
        };
        store.commit(Changes::new().with(Change::File(filing("f1", "r1")))).unwrap();
        store.commit(Changes::new().with(Change::HoldWaiting)).unwrap();
        store.commit(Changes::new().with(Change::File(filing("f2", "r1")))).unwrap();
        assert!(due().is_empty(), "{name}: what follows it waits");
        store.commit(Changes::new().with(Change::File(filing("f3", "r2")))).unwrap();
        assert_eq!(due(), ["f3"], "{name}: what does not goes on");
        store.commit(Changes::new().with(Change::ReleaseFiling { id: "f1".into(), at: now.into() })).unwrap();
        assert_eq!(due(), ["f1"], "{name}");
    });
}
