//! A SQLite node carried over into PostgreSQL.

use std::path::Path;
use std::sync::Arc;

use watari::config::PostgresConfig;
use watari::store::access::Session;
use watari::store::deliveries::SeenMessage;
use watari::store::filings::Filing;
use watari::store::messages::{MessageFilter, MessageRecord, MessageStatus};
use watari::store::peers::Peer;
use watari::store::postgres::{self, PostgresStore};
use watari::store::referrals::{Referral, ReferralEvent};
use watari::store::sealing::{MASTER_KEY, MasterKey, MasterSource, SealError};
use watari::store::{Change, Changes, Handle, StoreError, View};

use super::super::postgres_server;
use super::deliveries::delivery;
use super::searches::{found, refers, token};
use super::{audit, condition, sqlite};

const AT: &str = "2026-01-01T00:00:00.000Z";
const REPORT: &str = r#"{"entries":[{"source":"OBX-3","occurrence":2,"outcome":"mapped","targets":["Observation.code"]}],"totals":{"mapped":1}}"#;

/// A node with something in every room.
fn fill(store: &Handle) {
    let commit = |change: Change| store.commit(Changes::new().with(change).with(audit("act"))).unwrap();
    commit(Change::PutResource(condition(1, 1, "p1", "a", 2000)));
    commit(Change::PutResource(condition(1, 2, "p2", "b", 2001)));
    commit(Change::PutResource(condition(2, 1, "p1", "a", 2002)));
    commit(Change::PutResource(condition(3, 1, "p1", "a", 2002)));
    commit(Change::DeleteResource { kind: "Condition".into(), id: "c3".into(), version: 2, at: AT.into() });
    commit(Change::RecordMessage(MessageRecord {
        id: "m1".into(),
        channel: "mllp".into(),
        source: "lab".into(),
        kind: "ORU^R01".into(),
        control_id: Some("c\0d".into()),
        received_at: AT.into(),
        raw: vec![0, 255, 0],
        sha256: "00".into(),
        status: MessageStatus::Translated,
        reason: None,
        losses: Some(REPORT.into()),
        resources: "[]".into(),
        patient: Some("p1".into()),
    }));
    commit(Change::Queue(delivery("d1", "tokyo")));
    commit(Change::Queue(delivery("d2", "tokyo")));
    commit(Change::Seen(SeenMessage {
        peer: "tokyo".into(),
        message_id: "s1".into(),
        body_sha256: "00".into(),
        body: vec![1, 0, 2],
        signature: "s".into(),
        receipt: "r".into(),
        received_at: AT.into(),
    }));
    commit(Change::PutPeer(Peer {
        id: "tokyo".into(),
        names: "{}".into(),
        country: "jp".into(),
        url: "https://h".into(),
        certificate_sha256: "c1".into(),
        signing_key: "k1".into(),
        status: "active".into(),
        paired_at: AT.into(),
        services: "[]".into(),
    }));
    let event = |event: &str| ReferralEvent {
        referral: "r1".into(),
        event: event.into(),
        institution: "toronto".into(),
        actor: String::new(),
        from: String::new(),
        to: "requested".into(),
        note: Some("明日".into()),
        message_id: Some("d1".into()),
        at: AT.into(),
    };
    commit(Change::PutReferral(Referral {
        id: "r1".into(),
        role: "sent".into(),
        peer: "tokyo".into(),
        patient: Some("p1".into()),
        patient_name: "試験".into(),
        status: "requested".into(),
        business_status: None,
        service: "s".into(),
        priority: "routine".into(),
        message_id: "d1".into(),
        package: b"{\"v\":1.50}".to_vec(),
        outcome: Some(b"{\"reply\":1.0}".to_vec()),
        created_at: AT.into(),
        updated_at: AT.into(),
    }));
    commit(Change::File(Filing {
        id: "f1".into(),
        destination: "emr".into(),
        referral: "r1".into(),
        kind: "ORU".into(),
        control_id: "c1".into(),
        path: String::new(),
        body: b"MSH|filed".to_vec(),
        status: "queued".into(),
        created_at: AT.into(),
        next_attempt_at: AT.into(),
        attempts: 0,
        last_error: None,
        answer: None,
        filed_at: None,
    }));
    commit(Change::ReferralEvent(event("send")));
    commit(Change::ReferralEvent(event("ask")));
    commit(Change::PutSession(Session {
        secret_sha256: "x".into(),
        user: "u".into(),
        role: "it".into(),
        form_token: "f".into(),
        expires_at: AT.into(),
    }));
    store
        .commit(
            Changes::new().with(Change::StartExport(super::exports::export("x", "lab", 0))).with(Change::AddPieces {
                id: "x".into(),
                pieces: vec![super::exports::piece("Goal", 0)],
                reached: 7,
            }),
        )
        .unwrap();
    commit(Change::PutClient(super::access::client("lab")));
    commit(Change::PutToken(super::access::token("t", Some("lab"), AT)));
}

/// What both ends must say alike.
fn told(view: &dyn View) -> Result<String, StoreError> {
    let versions: Vec<_> = [("c1", 1), ("c1", 2), ("c3", 1), ("c3", 2)]
        .into_iter()
        .map(|(id, version)| view.resource_version("Condition", id, version))
        .collect::<Result<_, _>>()?;
    let messages = view.messages(&MessageFilter { limit: 10, ..MessageFilter::default() })?;
    let rooms = (
        (versions, view.compartment("p1")?, view.compartment("p2")?, view.resource_counts()?, view.index_state()?),
        (messages, view.message("m1")?.map(|message| (message.raw, message.losses))),
        (view.deliveries("queued", 10)?, view.delivery("d1")?, view.seen("tokyo", "s1")?),
        (view.peers()?, view.signing_keys("tokyo")?, view.session("x")?, view.api_token("t")?, view.clients()?),
        (view.referral("r1")?, view.referral_events("r1")?, view.filing("f1")?),
        (view.export("x")?, view.export_files("x")?, view.export_piece("x", "Goal", 0)?),
        (view.audit_entries("", 1, 100)?, view.audit_chains()?),
    );
    // U+0000 is the one character that PostgreSQL does not keep.
    Ok(format!("{rooms:?}").replace("\\0", "\u{2400}"))
}

fn open(folder: &Path) -> Handle {
    Handle::new(Arc::new(PostgresStore::open(&postgres_server::settings(folder)).unwrap()))
}

#[test]
fn all_rooms_are_carried_over_and_the_file_stays_as_it_was() {
    if !postgres_server::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let before = {
        let store = sqlite(folder.path());
        fill(&store);
        store.view(told).unwrap()
    };
    let file = folder.path().join("watari.db");
    let bytes = std::fs::read(&file).unwrap();
    let settings = postgres_server::settings(folder.path());
    let carried = postgres::carry(&file, MasterSource::beside(&file), &settings, &mut |_, _| {}).unwrap();
    let rows = |table: &str| carried.tables.iter().find(|(name, _)| name == table).unwrap().1;
    assert_eq!((rows("resource"), rows("resource_history"), rows("audit"), rows("message")), (2, 3, 17, 1));
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    let store = open(folder.path());
    assert_eq!(store.view(told).unwrap(), before);
    assert_eq!(found(&store, "Condition", &[token(Some("s1"), "a")]), ["c2"]);
    assert_eq!(found(&store, "Condition", &[refers("p2")]), ["c1"]);
    assert_eq!(store.view(|view| watari::audit::verify(view)).unwrap()[0].entries, 17);
    // It goes on where it was: new numbers, new places, the same chain.
    store.commit(Changes::new().with(Change::PutResource(condition(4, 1, "p9", "z", 2003))).with(audit("on"))).unwrap();
    store.commit(Changes::new().with(Change::Queue(delivery("d3", "tokyo")))).unwrap();
    assert_eq!(found(&store, "Condition", &[token(None, "z")]), ["c4"]);
    assert_eq!(store.view(|view| watari::audit::verify(view)).unwrap()[0].entries, 18);
    let again = postgres::carry(&file, MasterSource::beside(&file), &settings, &mut |_, _| {}).unwrap_err().to_string();
    assert!(again.contains("holds a node already"), "{again}");
}

#[test]
fn what_the_node_writes_meanwhile_is_told_and_nothing_is_carried_over() {
    if !postgres_server::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    fill(&store);
    let file = folder.path().join("watari.db");
    let settings = postgres_server::settings(folder.path());
    let mut wrote = false;
    let told = postgres::carry(&file, MasterSource::beside(&file), &settings, &mut |_, _| {
        if !std::mem::replace(&mut wrote, true) {
            store.commit(Changes::new().with(audit("meanwhile"))).unwrap();
        }
    });
    assert!(told.unwrap_err().to_string().contains("meanwhile"));
    assert!(open(folder.path()).view(|view| view.audit_chains()).unwrap().is_empty());
    postgres::carry(&file, MasterSource::beside(&file), &settings, &mut |_, _| {}).unwrap();
}

#[test]
fn without_the_key_or_without_leave_to_keep_it_plain_nothing_is_carried_over() {
    if !postgres_server::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fill(&sqlite(folder.path()));
    let file = folder.path().join("watari.db");
    let settings = postgres_server::settings(folder.path());
    let other = folder.path().join(MASTER_KEY);
    MasterKey::create(&other).unwrap();
    let other = MasterSource::File { path: other, may_create: false };
    let told = postgres::carry(&file, other, &settings, &mut |_, _| {}).unwrap_err();
    assert!(matches!(told, StoreError::Sealing(SealError::WrongMaster { .. })), "{told}");
    let silent = PostgresConfig { unsealed: false, ..settings.clone() };
    let told = postgres::carry(&file, MasterSource::beside(&file), &silent, &mut |_, _| {}).unwrap_err().to_string();
    assert!(told.contains("unsealed = true"), "{told}");
    let told = PostgresStore::open(&silent).map(drop).unwrap_err().to_string();
    assert!(told.contains("unsealed = true"), "{told}");
    assert!(open(folder.path()).view(|view| view.audit_chains()).unwrap().is_empty());
    // What was put elsewhere in the file is told, and nothing is carried over.
    let change = "UPDATE message SET raw = (SELECT body FROM seen_message)";
    rusqlite::Connection::open(&file).unwrap().execute_batch(change).unwrap();
    let told = postgres::carry(&file, MasterSource::beside(&file), &settings, &mut |_, _| {}).unwrap_err();
    assert!(matches!(told, StoreError::Sealing(SealError::Changed(_))), "{told}");
    assert!(open(folder.path()).view(|view| view.audit_chains()).unwrap().is_empty());
}
