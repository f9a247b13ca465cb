//! What the store promises to referrals: acting on what was read, and moving only from where one thinks it is.

use std::sync::Arc;

use watari::store::referrals::{Referral, ReferralEvent};
use watari::store::{Change, Changes, CommitError, Expect, Handle, StoreError, sqlite::SqliteStore};

fn open(folder: &tempfile::TempDir) -> Handle {
    Handle::new(Arc::new(SqliteStore::open(&folder.path().join("watari.db")).unwrap()))
}

fn referral() -> Referral {
    Referral {
        id: "r".into(),
        role: "sent".into(),
        peer: "tokyo".into(),
        patient: None,
        patient_name: String::new(),
        status: "requested".into(),
        business_status: None,
        service: "s".into(),
        priority: "routine".into(),
        message_id: "m".into(),
        package: Vec::new(),
        outcome: None,
        created_at: "2026-01-01T00:00:00.000Z".into(),
        updated_at: "2026-01-01T00:00:00.000Z".into(),
    }
}

fn line() -> Change {
    Change::ReferralEvent(ReferralEvent {
        referral: "r".into(),
        event: "ask".into(),
        institution: "tokyo".into(),
        actor: String::new(),
        from: "received".into(),
        to: "received".into(),
        note: None,
        message_id: None,
        at: "2026-01-01T00:00:00.000Z".into(),
    })
}

fn expecting(count: u64) -> Changes {
    Changes::new().expecting(Expect::ReferralEvents { id: "r".into(), count })
}

#[test]
fn a_timeline_that_has_grown_stops_the_act() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.commit(expecting(0).with(Change::PutReferral(referral())).with(line())).unwrap();
    store.commit(expecting(1).with(line())).unwrap();
    let late = store.commit(expecting(1).with(line()));
    assert!(matches!(late, Err(CommitError::Unexpected(Expect::ReferralEvents { .. }))));
    let lines = store.view(|view| view.referral_events("r")).map_err(|error: StoreError| error).unwrap();
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_move_only_from_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.commit(Changes::new().with(Change::PutReferral(referral()))).unwrap();
    let step = |from: &str, to: &str| {
        let at = "2026-01-02T00:00:00.000Z".to_owned();
        let step = Change::MoveReferral { id: "r".into(), from: from.into(), to: to.into(), at };
        store.commit(Changes::new().with(step)).unwrap();
        let found = store.view(|view| view.referral("r")).map_err(|error: StoreError| error).unwrap().unwrap();
        found.status
    };
    assert_eq!(step("received", "accepted"), "requested");
    assert_eq!(step("requested", "received"), "received");
}
