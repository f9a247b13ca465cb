//! A disk that is full, or takes no writes: refused by name, nothing acknowledged is lost, and the node goes on by itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::fhir_client::{System, patient};
use super::process::mllp::{Feed, message};
use super::process::running::serve_to_the_end;
use super::process::{Site, until};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");

/// A disk of some megabytes in memory; gone when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this machine does not let a process mount one; the reason is printed.
    fn at(path: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "tmpfs"])
            .arg(path)
            .stderr(Stdio::null())
            .status();
        match mounted {
            Ok(status) if status.success() => Some(Self(path.to_path_buf())),
            other => {
                eprintln!("not run: this machine mounts no small disk ({other:?})");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status().unwrap();
        assert!(done.success());
    }

    /// Takes all room that is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        let block = vec![0u8; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }

    /// Takes all but a megabyte: a database opens, and is not copied.
    fn nearly_fill(&self) {
        self.fill();
        let filler = std::fs::OpenOptions::new().write(true).open(self.0.join("filler")).unwrap();
        let size = filler.metadata().unwrap().len();
        filler.set_len(size - (1 << 20)).unwrap();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}

/// A hospital whose database lies on a disk of its own; the keys do not.
fn hospital(size: &str) -> Option<(Site, SmallDisk)> {
    let site = Site::canada("bayview").with(|config| {
        config.store.data = PathBuf::from("data");
        config.store.keys = Some(PathBuf::from("keys"));
    });
    let disk = SmallDisk::at(&site.path().join("data"), size)?;
    Some((site, disk))
}

fn finding(site: &Site, name: &str) -> Value {
    let report = site.run(&["doctor"]).json();
    report["checks"].as_array().unwrap().iter().find(|check| check["check"] == name).unwrap().clone()
}

#[tokio::test]
async fn a_full_disk_refuses_loses_nothing_and_is_gone_on_from() {
    let Some((site, disk)) = hospital("32m") else { return };
    let node = site.serve().await;
    let system = System::new(&site, &node, "system");
    let mut feed = Feed::connect(node.mllp()).await;
    let mut kept = vec![system.create(&patient("Lefebvre", "0")).await];
    assert_eq!(feed.send(&message(ARRIVAL)).await.code, "AA");
    disk.fill();
    assert_eq!(finding(&site, "disk")["state"], "error", "the doctor says which");

    // The log has some room of its own; then it is over.
    let mut large = patient("Tremblay", "");
    large["text"] = serde_json::json!({"status": "generated",
        "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", "x".repeat(400_000))});
    let mut refusal = None;
    for number in 1..200 {
        large["identifier"][0]["value"] = serde_json::json!(number.to_string());
        let answer = system.post("/fhir/Patient", &large).await;
        if answer.status == 201 {
            kept.push(answer.json()["id"].as_str().unwrap().to_owned());
            continue;
        }
        refusal = Some(answer);
        break;
    }
    let refusal = refusal.expect("the disk is full and nothing is refused");
    assert!([503, 507].contains(&refusal.status.as_u16()), "{} {}", refusal.status, refusal.text);
    assert_eq!(refusal.json()["resourceType"], "OperationOutcome");
    let mut told = Vec::new();
    let mut arrived = Vec::new();
    for number in 0..50 {
        let name = format!("BV-FULL-{number}");
        let padded = format!("{}\nNTE|1||{}", ARRIVAL.trim_end().replace("BV-1001", &name), "y".repeat(300_000));
        let code = feed.send(&message(&padded)).await.code;
        if code == "AA" {
            arrived.push(name);
        }
        told.push(code);
    }
    assert!(told.iter().any(|code| ["AE", "AR"].contains(&code.as_str())), "{told:?}");

    disk.make_room();
    large["identifier"][0]["value"] = serde_json::json!("after");
    for attempt in 0.. {
        let answer = system.post("/fhir/Patient", &large).await;
        if answer.status == 201 {
            break;
        }
        assert!(attempt < 20, "there is room again, and still: {}", answer.text);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let again = ARRIVAL.replace("BV-1001", "BV-AFTER");
    assert_eq!(feed.send(&message(&again)).await.code, "AA", "the same process, on the same connection");
    for id in &kept {
        system.get(&format!("/fhir/Patient/{id}")).await.is(200);
    }
    let messages = site.messages();
    for name in &arrived {
        assert!(messages.iter().any(|message| message.control_id.as_deref() == Some(name)), "{name} was acknowledged");
    }
    assert_eq!(finding(&site, "disk")["state"], "ok");
    assert_eq!(site.run(&["audit", "verify"]).code, 0);
    drop(node);
}

#[tokio::test]
async fn a_disk_that_takes_no_writes_is_told_by_name() {
    let Some((site, disk)) = hospital("32m") else { return };
    drop(site.store());
    disk.remount("ro");
    let done = serve_to_the_end(&site, &[]);
    assert_ne!(done.code, 0);
    assert!(done.stderr.contains("read-only"), "{}", done.stderr);
    assert_eq!(finding(&site, "disk")["state"], "error");
    let database = finding(&site, "database");
    assert!(database["detail"].as_str().unwrap().contains("read-only"), "{database}");
    disk.remount("rw");
    let node = site.serve().await;
    System::new(&site, &node, "system").create(&patient("Lefebvre", "0")).await;
    until("well again", || (finding(&site, "disk")["state"] == "ok").then_some(())).await;
    drop(node);
}

#[test]
fn a_backup_and_a_migration_without_room_change_nothing() {
    let Some((site, disk)) = hospital("24m") else { return };
    {
        let store = site.store();
        for number in 0..8 {
            let entry = watari::store::audit::AuditEntry {
                at: "2026-11-01T00:00:00.000Z".into(),
                actor: "node".into(),
                action: "test".into(),
                target: number.to_string(),
                detail: "x".repeat(1 << 20),
            };
            store.commit(watari::store::Changes::new().with(watari::store::Change::Audit(entry))).unwrap();
        }
    }
    disk.nearly_fill();
    let to = site.path().join("b");
    let done = site.run(&["backup", "create", "--to", to.to_str().unwrap()]);
    assert_ne!(done.code, 0);
    assert!(done.stderr.contains("full"), "{}", done.stderr);
    assert!(!to.exists());
    // A database of an earlier release: it stays what it is.
    let database = site.path().join("data/watari.db");
    let version = || -> u32 {
        let connection = rusqlite::Connection::open(&database).unwrap();
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    };
    let known = version();
    disk.make_room();
    rusqlite::Connection::open(&database).unwrap().pragma_update(None, "user_version", known - 1).unwrap();
    disk.nearly_fill();
    let done = site.run(&["audit", "verify"]);
    assert_ne!(done.code, 0);
    assert!(done.stderr.contains("full"), "{}", done.stderr);
    assert_eq!(version(), known - 1, "nothing is changed before there is a copy");
    disk.make_room();
    let left = std::fs::read_dir(site.path().join("data")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.map(|name| name.to_string_lossy().into_owned()).collect();
    assert!(left.iter().all(|name| !name.contains("draft") && !name.starts_with(".keeping")), "{left:?}");
}
