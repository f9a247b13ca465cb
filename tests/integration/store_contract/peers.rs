//! Paired institutions and their keys.

use watari::store::peers::{Peer, SigningKey};
use watari::store::{Change, Changes, CommitError, Expect, Handle, PeerState};

use super::for_each_store;

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
