//! Registered clients and their tokens.

use watari::store::access::{ApiToken, Client};
use watari::store::{Change, Changes};

use super::for_each_store;

const AT: &str = "2026-01-01T00:00:00.000Z";

pub(super) fn client(id: &str) -> Client {
    Client {
        id: id.into(),
        scope: "system/Patient.rs".into(),
        keys: "{}".into(),
        keys_url: Some("https://lab.example/keys".into()),
        clearance: Some("R PSY".into()),
        purpose: Some("HRESCH".into()),
        actors: Some("Organization/lab Device/analyser".into()),
        registered_at: AT.into(),
    }
}

pub(super) fn token(secret_sha256: &str, client: Option<&str>, expires_at: &str) -> ApiToken {
    ApiToken {
        secret_sha256: secret_sha256.into(),
        role: "system".into(),
        expires_at: expires_at.into(),
        client: client.map(str::to_owned),
        scope: client.map(|_| "system/Patient.r".into()),
    }
}

#[test]
fn a_client_is_kept_whole_and_its_tokens_end_with_it() {
    for_each_store(|name, folder, open| {
        let store = open(folder);
        let commit = |change: Change| store.commit(Changes::new().with(change)).unwrap();
        let plain = Client { keys_url: None, clearance: None, purpose: None, actors: None, ..client("plain") };
        commit(Change::PutClient(plain.clone()));
        commit(Change::PutClient(client("lab")));
        let given = token("t1", Some("lab"), "2026-01-01T00:05:00.000Z");
        let made = token("t2", None, "2026-01-01T00:05:00.000Z");
        commit(Change::PutToken(given.clone()));
        commit(Change::PutToken(made.clone()));
        let store = open(folder);
        assert_eq!(store.view(|view| view.clients()).unwrap(), [client("lab"), plain], "{name}");
        let read = |secret: &str| store.view(|view| view.api_token(secret)).unwrap();
        assert_eq!((read("t1"), read("t2")), (Some(given), Some(made.clone())), "{name}");
        // Registered anew: tokens of before have ended, those of others have not.
        let wider = Client { scope: "system/*.rs".into(), ..client("lab") };
        store.commit(Changes::new().with(Change::PutClient(wider.clone()))).unwrap();
        assert_eq!((read("t1"), read("t2")), (None, Some(made.clone())), "{name}");
        assert_eq!(store.view(|view| view.client("lab")).unwrap(), Some(wider), "{name}");
        store.commit(Changes::new().with(Change::PutToken(token("t3", Some("lab"), AT)))).unwrap();
        store.commit(Changes::new().with(Change::RemoveClient { id: "lab".into() })).unwrap();
        assert_eq!((read("t3"), read("t2")), (None, Some(made)), "{name}");
        assert_eq!(store.view(|view| view.client("lab")).unwrap(), None, "{name}");
    });
}

#[test]
fn tokens_of_clients_that_ended_long_ago_are_forgotten() {
    for_each_store(|name, folder, open| {
        let store = open(folder);
        let put = |token: ApiToken| store.commit(Changes::new().with(Change::PutToken(token))).unwrap();
        put(token("old", Some("lab"), "2026-01-01T00:00:00.000Z"));
        put(token("made", None, "2026-01-01T00:00:00.000Z"));
        put(token("late", Some("lab"), "2026-01-01T00:30:00.000Z"));
        put(token("new", Some("lab"), "2026-01-01T01:00:01.000Z"));
        let is_there = |secret: &str| store.view(|view| view.api_token(secret)).unwrap().is_some();
        let there = ["old", "made", "late", "new"].map(is_there);
        assert_eq!(there, [false, true, true, true], "{name}");
    });
}
