//! A damaged file, a disk that fails, a database that another process holds: nothing is acknowledged that is not kept.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use watari::store::audit::AuditEntry;
use watari::store::{Change, Changes, CommitError, Condition, Handle, StoreError, sqlite::SqliteStore};

use super::process::Site;
use super::process::mllp::{Feed, framed, message};
use super::process::running::serve_to_the_end;

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");

fn entry() -> Changes {
    Changes::new().with(Change::Audit(AuditEntry {
        at: "2026-11-01T00:00:00.000Z".into(),
        actor: "node".into(),
        action: "test".into(),
        target: String::new(),
        detail: "x".repeat(2000),
    }))
}

fn filled(site: &Site) {
    let store = site.store();
    for _ in 0..50 {
        store.commit(entry()).unwrap();
    }
}

/// A page in the middle of the file, behind those that opening it reads.
fn damage(site: &Site) {
    let path = site.path().join("watari.db");
    let root: u64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'audit'", [], |row| row.get(0))
        .unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let page = usize::try_from((root - 1) * 4096).unwrap();
    bytes[page..page + 200].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn db_01_a_damaged_file_is_told_at_start_and_not_written() {
    let site = Site::canada("bayview");
    filled(&site);
    damage(&site);
    let done = serve_to_the_end(&site, &[]);
    assert_ne!(done.code, 0);
    assert!(done.stderr.contains("the database is damaged"), "{}", done.stderr);
    assert!(done.stderr.contains("put a backup in its place"), "{}", done.stderr);
}

#[test]
fn db_01_an_audit_trail_that_was_changed_is_damage_too() {
    let site = Site::canada("bayview");
    filled(&site);
    assert!(site.store().check().is_ok());
    Connection::open(site.path().join("watari.db"))
        .unwrap()
        .execute("UPDATE audit SET actor = 'nobody' WHERE position = 7", [])
        .unwrap();
    let store = site.store();
    assert!(matches!(store.check(), Err(StoreError::Damaged(why)) if why.contains("entry 7")));
    assert!(matches!(&*store.condition().borrow(), Condition::Broken(StoreError::Damaged(_))));
    assert!(matches!(store.commit(entry()), Err(CommitError::Store(StoreError::Damaged(_)))), "writes are refused");
    assert_eq!(store.view(|view| view.audit_entries("", 1, 100)).unwrap().len(), 50, "and what is there is read");
}

#[tokio::test]
async fn db_02_a_failed_fsync_ends_the_node_without_an_acknowledgement() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        eprintln!("not run: strace is missing");
        return;
    }
    let site = Site::canada("bayview");
    let mut node = site.serve().await;
    let mut feed = Feed::connect(node.mllp()).await;
    assert_eq!(feed.send(&message(ARRIVAL)).await.code, "AA");
    let before = site.messages().len();
    let inject = "inject=fsync,fdatasync:error=EIO";
    let mut strace = Command::new("strace")
        .args([
            "-f",
            "-q",
            "-e",
            "trace=fsync,fdatasync",
            "-e",
            inject,
            "-o",
            "/dev/null",
            "-p",
            &node.id().to_string(),
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let second = ARRIVAL.replace("ADT^A01", "ADT^A08");
    // Told to be wrong, or closed without a word; never accepted.
    feed.write(&framed(&message(&second))).await;
    let answer = tokio::time::timeout(Duration::from_secs(20), feed.answer()).await;
    assert!(!matches!(&answer, Ok(Some(answer)) if answer.code == "AA"), "acknowledged");
    let began = Instant::now();
    while node.is_alive() {
        assert!(began.elapsed() < Duration::from_secs(20), "the node lives on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(node.code(), Some(1), "it must not look like an orderly end");
    let _ = strace.kill();
    let _ = strace.wait();
    assert!(site.messages().len() >= before, "what was acknowledged is there");
}

#[test]
fn db_03_a_database_that_another_process_holds_is_waited_for_and_then_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watari.db");
    let store = Handle::new(Arc::new(SqliteStore::open(&path).unwrap()));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert!(matches!(store.commit(entry()), Err(CommitError::Store(StoreError::Locked))));
            });
        }
    });
    assert!(began.elapsed() < Duration::from_secs(45), "all of a group wait once, not one after the other");
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(entry()).unwrap();
}
