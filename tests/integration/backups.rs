//! Backups: made while the node writes, opened by nobody else, checked whole, and restored so that nothing is sent twice and
//! the audit trail goes on (DB-08).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use watari::clock::SystemClock;
use watari::config::Config;
use watari::exchange::jws;
use watari::keeping::restore::{self, RestoredClaims};
use watari::keeping::{KeepingError, backup, verify};
use watari::store::audit::AuditEntry;
use watari::store::messages::{MessageRecord, MessageStatus};
use watari::store::sealing::MasterSource;
use watari::store::{Change, Changes, Handle, StoreError, sqlite::SqliteStore};

use super::process::clinician::Clinician;
use super::process::mllp::{Feed, message};
use super::process::running::RunningNode;
use super::process::{Site, pair, until};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");
/// Stands in every message, and so in no backup.
const SECRET: &str = "Tremblay^Marguerite-Noor";

/// A node's data folder without a node.
struct Data {
    folder: tempfile::TempDir,
    config: Config,
}

impl Data {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.store.data = folder.path().join("data");
        Self { folder, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self) -> Handle {
        Handle::new(Arc::new(SqliteStore::open(&self.config.store.database()).unwrap()))
    }

    fn master(&self) -> MasterSource {
        MasterSource::of(&self.config.store)
    }

    fn backup(&self, name: &str) -> PathBuf {
        let to = self.path(name);
        backup::create(&self.config, &self.open(), &SystemClock, &to, true, &mut |_, _| true).unwrap();
        to
    }

    fn verify(&self, file: &Path) -> Result<verify::Verified, KeepingError> {
        verify::verify(&self.config, file, &self.master())
    }
}

fn entry(detail: &str) -> Changes {
    Changes::new().with(Change::Audit(AuditEntry {
        at: "2026-11-01T00:00:00.000Z".into(),
        actor: "node".into(),
        action: "test".into(),
        target: String::new(),
        detail: detail.into(),
    }))
}

fn received(id: &str) -> Changes {
    let raw = format!("PID|||{id}||{SECRET}").into_bytes();
    Changes::new().with(Change::RecordMessage(MessageRecord {
        id: id.into(),
        channel: "mllp".into(),
        source: "LAB".into(),
        kind: "ADT^A01".into(),
        control_id: Some(id.into()),
        received_at: "2026-11-01T00:00:00.000Z".into(),
        sha256: watari::ids::sha256_hex(&raw),
        raw,
        status: MessageStatus::Translated,
        reason: None,
        losses: None,
        resources: "[]".into(),
        patient: None,
    }))
}

#[test]
fn a_backup_is_of_one_moment_and_the_node_writes_on_meanwhile() {
    let data = Data::new();
    let store = data.open();
    for number in 0..2000 {
        store.commit(entry(&format!("{number} {}", "x".repeat(2000)))).unwrap();
    }
    let (to, mut during) = (data.path("b"), 0);
    // Between any two steps of the copy a commit goes through: nothing is locked.
    let mut goes_on = |_, _| {
        store.commit(entry("meanwhile")).unwrap();
        during += 1;
        true
    };
    let made = backup::create(&data.config, &store, &SystemClock, &to, true, &mut goes_on).unwrap();
    assert!(during > 2, "{during} steps");
    assert_eq!(made.header.chains["acts"].entries, 2000, "what came during the copy is not in it");
    let verified = data.verify(&to).unwrap();
    assert_eq!(verified.sha256, made.sha256);
    let entries = store.view(|view| view.audit_entries("", 2001, 10_000)).unwrap();
    assert_eq!(entries.len(), during + 1, "and the making is an entry itself");
    assert_eq!(entries.last().unwrap().entry.action, "backup.create");
}

#[test]
fn a_backup_that_is_given_up_leaves_nothing() {
    let data = Data::new();
    let store = data.open();
    for _ in 0..1000 {
        store.commit(entry(&"x".repeat(2000))).unwrap();
    }
    let to = data.path("b");
    let given_up = backup::create(&data.config, &store, &SystemClock, &to, true, &mut |_, _| false);
    assert!(matches!(given_up, Err(KeepingError::Store(StoreError::Closed))));
    assert!(!to.exists());
    let left = std::fs::read_dir(&data.config.store.data).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with(".keeping")));
}

#[test]
fn a_backup_is_not_to_be_read_changed_or_cut_and_opens_with_its_keys_alone() {
    let data = Data::new();
    let store = data.open();
    store.commit(received("m-1")).unwrap();
    store.commit(entry(SECRET)).unwrap();
    drop(store);
    let file = data.backup("b");
    assert_eq!(data.verify(&file).unwrap().sealed, 1);
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()), "the trail is sealed here");
    let damaged = data.path("damaged");
    for position in (0..bytes.len()).step_by(bytes.len() / 200) {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        std::fs::write(&damaged, &changed).unwrap();
        assert!(data.verify(&damaged).is_err(), "byte {position}");
        std::fs::write(&damaged, &bytes[..position]).unwrap();
        assert!(data.verify(&damaged).is_err(), "cut at {position}");
    }
    std::fs::write(&damaged, [bytes.as_slice(), b"x"].concat()).unwrap();
    assert!(data.verify(&damaged).is_err(), "something is behind it");

    let other = Data::new();
    drop(other.open());
    assert!(matches!(verify::verify(&other.config, &file, &other.master()), Err(KeepingError::OtherKey { .. })));
    let left = std::fs::read_dir(&data.config.store.data).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with(".keeping")), "no plain copy stays");
}

#[test]
fn a_value_that_was_exchanged_in_the_database_is_found_by_the_check() {
    let data = Data::new();
    let store = data.open();
    store.commit(received("m-1")).unwrap();
    store.commit(received("m-2")).unwrap();
    drop(store);
    let sql = "UPDATE message SET raw = (SELECT raw FROM message WHERE id = 'm-1') WHERE id = 'm-2'";
    rusqlite::Connection::open(data.config.store.database()).unwrap().execute(sql, []).unwrap();
    let file = data.backup("b");
    assert!(matches!(data.verify(&file), Err(KeepingError::Store(StoreError::Sealing(_)))));
}

#[test]
fn the_recovery_key_opens_a_backup_and_finds_the_master_key_in_it() {
    let mut data = Data::new();
    let store = data.open();
    store.commit(received("m-1")).unwrap();
    drop(store);
    let recovery = data.path("recovery.key");
    watari::store::sealing::MasterKey::create(&recovery).unwrap();
    data.config.backup.recovery_key_file = Some(recovery.clone());
    let file = data.backup("b");
    // The old host is gone, with all its keys.
    std::fs::remove_dir_all(&data.config.store.data).unwrap();
    let mut here = Config::default();
    here.store.data = data.path("new");
    let key = MasterSource::File { path: recovery, may_create: false };
    let restored = restore::restore(&here, &SystemClock, &file, &key, &here.store.data).unwrap();
    assert!(restored.has_master_key);
    let store = Handle::new(Arc::new(SqliteStore::open(&here.store.database()).unwrap()));
    let found = store.view(|view| view.message("m-1")).unwrap().unwrap();
    assert!(String::from_utf8(found.raw).unwrap().contains(SECRET));
    let again = restore::restore(&here, &SystemClock, &file, &key, &here.store.data);
    assert!(matches!(again, Err(KeepingError::NotEmpty(_))), "never over what is there");
}

#[test]
fn without_a_second_key_the_master_key_is_not_in_the_backup() {
    let data = Data::new();
    drop(data.open());
    let made = {
        let to = data.path("b");
        backup::create(&data.config, &data.open(), &SystemClock, &to, true, &mut |_, _| true).unwrap()
    };
    assert!(made.header.parts.iter().all(|part| part.name != "keys/master.key"), "{:?}", made.header.parts);
    assert_eq!(made.header.keys.len(), 1);
}

/// Two hospitals that are paired; the sender knows a patient.
struct Pair {
    sender: Site,
    receiver: Site,
}

impl Pair {
    async fn new() -> (Self, RunningNode, RunningNode) {
        let (sender, receiver) = (Site::canada("bayview"), Site::japan("sumida"));
        let (sending, receiving) = tokio::join!(sender.serve(), receiver.serve());
        pair(&receiver, &sender);
        let mut feed = Feed::connect(sending.mllp()).await;
        assert_eq!(feed.send(&message(ARRIVAL)).await.code, "AA");
        (Self { sender, receiver }, sending, receiving)
    }

    async fn refer(&self, sending: &RunningNode) -> String {
        let patients = self.sender.read(watari::records::find::all_patients);
        let clinician = Clinician::sign_in(&self.sender, sending).await;
        clinician.refer(patients.first().unwrap(), "Lefebvre", "sumida").await
    }
}

#[tokio::test]
async fn db_08_after_a_restore_on_a_new_host_nothing_is_sent_twice_and_the_trail_goes_on() {
    let (pair, sending, receiving) = Pair::new().await;
    receiving.kill();
    let id = pair.refer(&sending).await;
    let message_id = pair.sender.read(|view| view.referral(&id)).unwrap().message_id;

    // A backup while the message waits; then it is sent, and received.
    let backups = tempfile::tempdir().unwrap();
    let file = backups.path().join("bayview.watari");
    let made = pair.sender.run(&["backup", "create", "--to", file.to_str().unwrap()]).good();
    let receiving = pair.receiver.serve().await;
    let receipt = until("the receipt", || pair.sender.read(|view| view.delivery(&message_id)).unwrap().receipt).await;
    assert_eq!(pair.receiver.audited("message.accept").len(), 1);
    let their = pair.receiver.run(&["backup", "create", "--to", backups.path().to_str().unwrap()]).good();
    let checked = pair.receiver.run(&["backup", "verify", their["file"].as_str().unwrap()]).good();
    assert_eq!(checked["received_messages"], 1, "signature and receipt hold: {checked}");

    // The sender's machine is lost; the hospital has the backup, and the master key in its safe.
    sending.kill();
    let safe = backups.path().join("master.key");
    std::fs::copy(pair.sender.path().join("keys/master.key"), &safe).unwrap();
    let (config, old_key) = (pair.sender.config.clone(), pair.sender.identity().public_key().clone());
    drop(pair.sender);
    let sender = Site { config, folder: tempfile::tempdir().unwrap() };
    let to = sender.path().to_str().unwrap();
    assert!(made["backup"]["chains"]["requests"]["entries"].as_u64().unwrap() > 0, "both trails are in it: {made}");
    let restored = super::process::watari([
        "--json",
        "restore",
        file.to_str().unwrap(),
        "--to",
        to,
        "--key",
        safe.to_str().unwrap(),
    ])
    .good();
    assert_eq!(restored["held"]["deliveries"], 1, "{restored}");
    assert_eq!(restored["sha256"], made["sha256"]);
    let told = sender.run(&["doctor"]).json();
    let outbox = told["checks"].as_array().unwrap().iter().find(|check| check["check"] == "outbox").unwrap();
    assert!(outbox["detail"].as_str().unwrap().starts_with("1 messages are held"), "{outbox}");

    // It starts on the new host, and sends nothing of it by itself.
    let node = sender.serve().await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let delivery = sender.read(|view| view.delivery(&message_id)).unwrap();
    assert_eq!((delivery.status.as_str(), delivery.receipt), ("held", None));
    assert_eq!(sender.run(&["outbox", "list"]).good()[0]["id"], message_id.as_str());

    // An operator lets it go: the partner gives the receipt of the first time, and has one referral as before.
    sender.run(&["outbox", "release", "nothing"]).refused(1, "nothing was changed");
    assert_eq!(sender.run(&["outbox", "release", &message_id]).good()["released"], 1);
    let again = until("the receipt", || sender.read(|view| view.delivery(&message_id)).unwrap().receipt).await;
    assert_eq!(again, receipt);
    assert_eq!(pair.receiver.audited("message.accept").len(), 1, "accepted once");
    assert_eq!(pair.receiver.read(|view| view.referrals("received", 100)).len(), 1);

    // The trail holds over the restoring, and the entry is the node's word.
    assert_eq!(sender.run(&["audit", "verify"]).good()["ok"], true);
    let entries = sender.audited("backup.restore");
    assert_eq!(entries.len(), 1);
    let detail: serde_json::Value = serde_json::from_str(&entries[0].detail).unwrap();
    let claims: RestoredClaims = jws::verify(&old_key, restore::TYPE, detail["signature"].as_str().unwrap()).unwrap();
    assert_eq!(claims.sha256, made["sha256"].as_str().unwrap());
    let chain = &made["backup"]["chains"]["acts"];
    assert_eq!(
        (claims.entries, claims.head.as_str()),
        (chain["entries"].as_u64().unwrap(), chain["hash"].as_str().unwrap())
    );
    drop((node, receiving));
}

#[tokio::test]
async fn a_receipt_that_proves_nothing_is_found_by_the_check() {
    let (pair, sending, _receiving) = Pair::new().await;
    let id = pair.refer(&sending).await;
    let message_id = pair.sender.read(|view| view.referral(&id)).unwrap().message_id;
    until("the message", || pair.receiver.read(|view| view.seen("bayview", &message_id))).await;
    let database = rusqlite::Connection::open(pair.receiver.path().join("watari.db")).unwrap();
    let file = pair.receiver.path().join("b");
    for (name, sql) in [
        ("signature for receipt", "UPDATE seen_message SET receipt = signature"),
        ("the receipt of other bytes", "UPDATE seen_message SET body_sha256 = receipt"),
    ] {
        database
            .execute_batch(&format!("BEGIN; CREATE TABLE kept AS SELECT * FROM seen_message; {sql}; COMMIT"))
            .unwrap();
        pair.receiver.run(&["backup", "create", "--to", file.to_str().unwrap()]).good();
        let refused = pair.receiver.run(&["backup", "verify", file.to_str().unwrap()]);
        assert_eq!(refused.code, 1, "{name}: {refused:?}");
        std::fs::remove_file(&file).unwrap();
        database
            .execute_batch(
                "BEGIN; DELETE FROM seen_message; INSERT INTO seen_message SELECT * FROM kept; DROP TABLE kept; COMMIT",
            )
            .unwrap();
    }
    pair.receiver.run(&["backup", "create", "--to", file.to_str().unwrap()]).good();
    pair.receiver.run(&["backup", "verify", file.to_str().unwrap()]).good();
}

#[test]
fn a_shared_database_is_copied_by_its_own_tools() {
    super::store_contract::for_each_store(|name, folder, open| {
        let copied = open(folder).copy_to(&folder.join("copy"), &mut |_, _| true);
        match name {
            "sqlite" => copied.unwrap(),
            _ => assert!(matches!(copied, Err(StoreError::NotCopied)), "{copied:?}"),
        }
    });
}
