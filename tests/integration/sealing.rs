//! What is received and sent is not to be read from the database's files, nor with another key, nor at another place; keys
//! are changed while the node works.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use watari::store::deliveries::{Claim, Delivery, SeenMessage};
use watari::store::exports::{Export, ExportStatus, Piece, UNPREPARED};
use watari::store::filings::Filing;
use watari::store::messages::{MessageRecord, MessageStatus};
use watari::store::referrals::Referral;
use watari::store::sealing::{MasterKey, MasterSource, SealError};
use watari::store::{Change, Changes, Handle, StoreError, sqlite::SqliteStore};

/// Stands in every value that must not be readable.
const SECRET: &str = "Tremblay^Marguerite-Noor";

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("watari.db")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("keys/master.key")
    }

    fn open(&self) -> Handle {
        Handle::new(Arc::new(SqliteStore::open(&self.database()).unwrap()))
    }

    fn refused(&self, source: MasterSource) -> StoreError {
        SqliteStore::open_with(&self.database(), source).err().expect("refused")
    }

    /// The database's files hold no word of what is secret.
    fn is_unreadable(&self) {
        for name in ["watari.db", "watari.db-wal"] {
            let bytes = std::fs::read(self.folder.path().join(name)).unwrap_or_default();
            let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
            assert!(!found, "{name} holds what is secret");
        }
    }

    fn sql(&self, text: &str) {
        Connection::open(self.database()).unwrap().execute_batch(text).unwrap();
    }

    fn data_keys(&self) -> Vec<u32> {
        let connection = Connection::open(self.database()).unwrap();
        let mut statement = connection.prepare("SELECT number FROM data_key ORDER BY number").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

fn secret(name: &str) -> Vec<u8> {
    format!("{name}: {SECRET}").into_bytes()
}

fn message(id: &str) -> MessageRecord {
    MessageRecord {
        id: id.into(),
        channel: "mllp".into(),
        source: "127.0.0.1".into(),
        kind: "ADT^A08".into(),
        control_id: None,
        received_at: "2026-11-01T00:00:00.000Z".into(),
        raw: secret(id),
        sha256: watari::ids::sha256_hex(&secret(id)),
        status: MessageStatus::Translated,
        reason: None,
        losses: None,
        resources: "[]".into(),
        patient: None,
    }
}

fn delivery(id: &str) -> Delivery {
    Delivery {
        message_id: id.into(),
        peer: "tokyo".into(),
        stream: id.into(),
        path: "/p".into(),
        content_type: "application/fhir+json".into(),
        purpose: "TREAT".into(),
        body: secret(id),
        body_sha256: String::new(),
        signature: "s".into(),
        status: "queued".into(),
        created_at: "2026-11-01T00:00:00.000Z".into(),
        next_attempt_at: "2026-11-01T00:00:00.000Z".into(),
        attempts: 0,
        last_error: None,
        receipt: None,
        delivered_at: None,
    }
}

fn seen(id: &str) -> SeenMessage {
    SeenMessage {
        peer: "tokyo".into(),
        message_id: id.into(),
        body_sha256: String::new(),
        body: secret(id),
        signature: "s".into(),
        receipt: "r".into(),
        received_at: "2026-11-01T00:00:00.000Z".into(),
    }
}

fn filing(id: &str) -> Filing {
    Filing {
        id: id.into(),
        destination: "his".into(),
        referral: "r".into(),
        kind: "REF^I12".into(),
        control_id: "1".into(),
        path: String::new(),
        body: secret(id),
        status: "queued".into(),
        created_at: "2026-11-01T00:00:00.000Z".into(),
        next_attempt_at: "2026-11-01T00:00:00.000Z".into(),
        attempts: 0,
        last_error: None,
        answer: None,
        filed_at: None,
    }
}

fn referral(id: &str) -> Referral {
    Referral {
        id: id.into(),
        role: "sent".into(),
        peer: "tokyo".into(),
        patient: None,
        patient_name: "a name".into(),
        status: "requested".into(),
        business_status: None,
        service: "s".into(),
        priority: "routine".into(),
        message_id: id.into(),
        package: secret("package"),
        outcome: Some(secret("outcome")),
        created_at: "2026-11-01T00:00:00.000Z".into(),
        updated_at: "2026-11-01T00:00:00.000Z".into(),
    }
}

/// One of everything that is sealed.
fn fill(store: &Handle, id: &str) {
    let changes = Changes::new()
        .with(Change::RecordMessage(message(id)))
        .with(Change::Queue(delivery(id)))
        .with(Change::Seen(seen(id)))
        .with(Change::File(filing(id)))
        .with(Change::PutReferral(referral(id)));
    store.commit(changes).unwrap();
}

/// Everything is read as it was written.
fn reads(store: &Handle, id: &str) {
    let read: Result<(), StoreError> = store.view(|view| {
        assert_eq!(view.message(id)?.unwrap(), message(id));
        assert_eq!(view.delivery(id)?.unwrap().body, secret(id));
        assert_eq!(view.seen("tokyo", id)?.unwrap(), seen(id));
        assert_eq!(view.filing(id)?.unwrap(), filing(id));
        let found = view.referral(id)?.unwrap();
        assert_eq!((found.package, found.outcome), (secret("package"), Some(secret("outcome"))));
        // Lists come without bodies.
        assert!(view.deliveries("queued", 10)?.iter().all(|delivery| delivery.body.is_empty()));
        assert!(view.referrals("sent", 10)?.iter().all(|referral| referral.package.is_empty()));
        assert_eq!(view.filings_due("2026-12-01T00:00:00.000Z")?[0].body, secret("one"));
        Ok(())
    });
    read.unwrap();
}

fn reseal(store: &Handle) -> u64 {
    let mut values = 0;
    loop {
        let step = store.reseal(2).unwrap();
        values += step.values;
        if step.done {
            return values;
        }
    }
}

#[test]
fn what_is_kept_is_read_through_the_node_and_not_from_its_files() {
    let site = Site::new();
    let store = site.open();
    fill(&store, "one");
    reads(&store, "one");
    site.is_unreadable();
    let claim = Claim {
        lease: "w".into(),
        now: "2026-12-01T00:00:00.000Z".into(),
        lease_until: "2026-12-01T00:01:00.000Z".into(),
        bytes_per_second: 1,
        limit: 1,
        per_peer: 1,
    };
    assert_eq!(store.claim(&claim).unwrap()[0].body, secret("one"));
    drop(store);
    site.is_unreadable();
    reads(&site.open(), "one");
}

#[test]
fn without_the_right_master_key_nothing_is_opened_and_none_is_made() {
    let site = Site::new();
    fill(&site.open(), "one");
    let kept = std::fs::read(site.key()).unwrap();
    let usual = MasterSource::beside(&site.database());

    std::fs::remove_file(site.key()).unwrap();
    assert!(matches!(site.refused(usual.clone()), StoreError::Sealing(SealError::NoMaster(_))));
    assert!(!site.key().exists(), "a sealed database gets no new key");

    MasterKey::create(&site.key()).unwrap();
    let error = site.refused(usual);
    assert!(matches!(error, StoreError::Sealing(SealError::WrongMaster { .. })), "{error}");

    let hex = String::from_utf8(kept.clone()).unwrap();
    let command = MasterSource::Command(vec!["echo".into(), hex.trim().into()]);
    let store = SqliteStore::open_with(&site.database(), command).unwrap();
    reads(&Handle::new(Arc::new(store)), "one");
    std::fs::write(site.key(), kept).unwrap();
    reads(&site.open(), "one");
}

#[test]
fn a_value_that_was_changed_or_put_elsewhere_is_not_given_out() {
    for change in [
        "UPDATE message SET raw = (SELECT raw FROM message WHERE id = 'two') WHERE id = 'one'",
        "UPDATE message SET raw = (SELECT body FROM delivery WHERE message_id = 'one') WHERE id = 'one'",
        "UPDATE message SET raw_key = 7 WHERE id = 'one'",
        "UPDATE message SET raw = CAST('plain' AS BLOB), raw_key = 0 WHERE id = 'one'",
        "UPDATE message SET raw = substr(raw, 1, 20) WHERE id = 'one'",
    ] {
        let site = Site::new();
        let store = site.open();
        fill(&store, "one");
        fill(&store, "two");
        site.sql(change);
        let read = store.view(|view| view.message("one"));
        assert!(matches!(read, Err(StoreError::Sealing(_))), "{change}: {read:?}");
        assert!(store.view(|view| view.message("two")).unwrap().is_some());
    }
}

/// As a database from before there were keys looks after the migration.
fn make_plain(site: &Site, id: &str) {
    let plain = |table: &str, row: &str, value: &str, text: &str| {
        format!("UPDATE {table} SET {value} = CAST('{text}: {SECRET}' AS BLOB), {value}_key = 0 WHERE {row} = '{id}';")
    };
    site.sql(&plain("message", "id", "raw", id));
    site.sql(&plain("delivery", "message_id", "body", id));
    site.sql(&plain("seen_message", "message_id", "body", id));
    site.sql(&plain("filing", "id", "body", id));
    site.sql(&plain("referral", "id", "package", "package"));
    site.sql(&plain("referral", "id", "outcome", "outcome"));
    site.sql("INSERT INTO data_key VALUES (0, '', x'', 0)");
}

#[test]
fn what_is_plain_from_before_is_read_and_sealed_in_the_background() {
    let site = Site::new();
    fill(&site.open(), "one");
    make_plain(&site, "one");
    let store = site.open();
    reads(&store, "one");
    // Stopped in the middle; another start goes on.
    assert!(!store.reseal(1).unwrap().done);
    drop(store);
    let store = site.open();
    reads(&store, "one");
    assert_eq!(reseal(&store), 5, "one of six was sealed before");
    reads(&store, "one");
    assert_eq!(site.data_keys(), [1], "nothing plain is let through any more");
    drop(store);
    site.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    site.is_unreadable();
}

#[test]
fn a_data_key_is_rotated_while_others_write() {
    let site = Site::new();
    let (node, command) = (site.open(), site.open());
    fill(&node, "one");
    assert_eq!(command.rotate_data_key().unwrap(), 2);
    fill(&node, "two");
    reads(&node, "one");
    assert_eq!(reseal(&node), 6, "what was written before, and only that");
    assert_eq!(site.data_keys(), [2]);
    for store in [&node, &command, &site.open()] {
        reads(store, "one");
        reads(store, "two");
    }
    assert_eq!(reseal(&command), 0);
}

#[test]
fn a_second_rotation_in_the_middle_of_the_first_loses_nothing() {
    let site = Site::new();
    let store = site.open();
    fill(&store, "one");
    fill(&store, "two");
    store.rotate_data_key().unwrap();
    store.reseal(2).unwrap();
    store.rotate_data_key().unwrap();
    assert_eq!(reseal(&store), 12);
    assert_eq!(site.data_keys(), [3]);
    reads(&store, "one");
    reads(&store, "two");
}

#[test]
fn a_data_key_that_has_sealed_enough_is_followed_by_the_next() {
    let site = Site::new();
    let store = site.open();
    fill(&store, "one");
    site.sql(&format!("UPDATE data_key SET sealed = {}", watari::store::sealing::VALUES_PER_KEY));
    fill(&store, "two");
    assert_eq!(site.data_keys(), [1, 2]);
    reads(&store, "one");
    reads(&site.open(), "two");
}

#[test]
fn the_master_key_is_put_anew_beside_a_running_node() {
    let site = Site::new();
    let node = site.open();
    fill(&node, "one");
    let path = site.folder.path().join("next.key");
    MasterKey::create(&path).unwrap();
    let next = MasterSource::File { path: path.clone(), may_create: false };
    site.open().rewrap_data_keys(&next).unwrap();
    fill(&node, "two");
    assert!(matches!(
        site.refused(MasterSource::beside(&site.database())),
        StoreError::Sealing(SealError::WrongMaster { .. })
    ));
    move_over(&path, &site.key());
    reads(&site.open(), "two");
    // The running node finds the new master key when it meets a data key made since.
    site.open().rotate_data_key().unwrap();
    fill(&node, "three");
    reads(&node, "one");
    reads(&site.open(), "three");
}

fn move_over(from: &Path, to: &Path) {
    std::fs::rename(from, to).unwrap();
}

#[test]
fn exports_are_sealed_and_read_again_under_the_next_key() {
    let site = Site::new();
    let store = site.open();
    let at = || "2026-11-01T00:00:00.000Z".to_owned();
    let export = Export {
        id: "x".into(),
        owner: "lab".into(),
        asked: secret("asked"),
        moment: at(),
        status: ExportStatus::Open,
        reached: UNPREPARED,
        resources: 0,
        error: None,
        created_at: at(),
        expires_at: at(),
    };
    let piece = Piece { file: "Patient".into(), number: 7, resources: 1, length: 9, crc: 1, bytes: secret("piece") };
    let changes = Changes::new().with(Change::StartExport(export.clone())).with(Change::AddPieces {
        id: "x".into(),
        pieces: vec![piece],
        reached: UNPREPARED,
    });
    store.commit(changes).unwrap();
    site.is_unreadable();
    let read = || {
        let read = |view: &dyn watari::store::View| Ok((view.export("x")?, view.export_piece("x", "Patient", 7)?));
        store.view(read).map_err(|error: StoreError| error.to_string()).unwrap()
    };
    let expected = (Some(Export { resources: 1, ..export }), Some(secret("piece")));
    assert_eq!(read(), expected);
    store.rotate_data_key().unwrap();
    assert_eq!(reseal(&store), 2);
    assert_eq!(read(), expected);
    drop(store);
    site.is_unreadable();
}
