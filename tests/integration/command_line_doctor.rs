//! `watari doctor`: each check, good and bad.

use jiff::SignedDuration;
use serde_json::Value;
use watari::clock::{Clock, SystemClock};
use watari::exchange::identity::Identity;

use super::process::Site;

const CHECKS: [&str; 8] =
    ["configuration", "certificate", "clock", "port inside", "port outside", "port mllp", "disk", "database"];

/// Runs the doctor; gives the exit code and the report.
fn examined(site: &Site) -> (i32, Value) {
    let done = site.run(&["doctor"]);
    let report = done.json();
    let any_error = report["checks"].as_array().unwrap().iter().any(|check| check["state"] == "error");
    assert_eq!((report["ok"] == false, done.code), (any_error, i32::from(any_error)), "{report}");
    (done.code, report)
}

/// State and explanation of one check.
fn check(report: &Value, name: &str) -> (String, String) {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("{name}: {report}"));
    (found["state"].as_str().unwrap().to_owned(), found["detail"].as_str().unwrap().to_owned())
}

/// Exactly one check has this state; its explanation holds `part`, and the node is otherwise well.
fn only(site: &Site, name: &str, state: &str, part: &str) {
    let (code, report) = examined(site);
    assert_eq!(code, i32::from(state == "error"), "{report}");
    let (found, detail) = check(&report, name);
    assert_eq!(found, state, "{report}");
    assert!(detail.contains(part), "{part:?} is not in {detail:?}");
    // That no backups are configured is told of every one of these hospitals.
    let others = report["checks"].as_array().unwrap().iter();
    let others = others.filter(|other| other["check"] != name && other["check"] != "backup");
    assert!(others.into_iter().all(|other| other["state"] == "ok"), "{report}");
}

/// A hospital whose database was made.
fn hospital() -> Site {
    let site = Site::canada("bayview");
    drop(site.store());
    site
}

/// New keys, made at another time.
fn keys_made_days_ago(site: &Site, days: i64) {
    let keys = site.path().join("keys");
    let master = std::fs::read(keys.join("master.key")).unwrap();
    std::fs::remove_dir_all(&keys).unwrap();
    let then = SystemClock.now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap();
    Identity::create(&keys, "bayview", &["localhost".to_owned()], then).unwrap();
    site.write("keys/master.key", &master);
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(keys.join("master.key"), owner_only).unwrap();
}

#[test]
fn a_healthy_node() {
    let site = hospital();
    let (code, report) = examined(&site);
    assert_eq!(code, 0);
    assert_eq!(report["ok"], true);
    for name in CHECKS.into_iter().chain(["mappings"]) {
        assert_eq!(check(&report, name).0, "ok", "{report}");
    }
    let (state, detail) = check(&report, "backup");
    assert_eq!((state.as_str(), detail.contains("[backup] folder")), ("warning", true), "{report}");
    let fingerprint = site.identity().certificate_sha256().to_owned();
    assert!(check(&report, "certificate").1.contains(&fingerprint));
    let text = super::process::watari(["doctor", "--config", site.configuration().to_str().unwrap()]);
    assert_eq!(text.stdout.lines().count(), CHECKS.len() + 2, "a line each for people: {text:?}");
}

#[test]
fn certificates() {
    let site = hospital();
    // Two years from when they were made.
    keys_made_days_ago(&site, 2 * 365 - 10);
    only(&site, "certificate", "warning", "days");
    keys_made_days_ago(&site, 2 * 365 + 10);
    only(&site, "certificate", "error", "ends in -");
    // Without its keys a node has no certificate, and its database cannot be opened.
    std::fs::remove_dir_all(site.path().join("keys")).unwrap();
    let (code, report) = examined(&site);
    assert_eq!(code, 1, "{report}");
    for (name, part) in [("certificate", "watari init"), ("database", "master key")] {
        let (state, detail) = check(&report, name);
        assert_eq!(state, "error", "{report}");
        assert!(detail.contains(part), "{part:?} is not in {detail:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = hospital();
    let key = site.path().join("keys/signing.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    only(&site, "keys", "warning", "signing.key");
}

#[test]
fn example_keys() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("certs-example/toronto");
    let site = hospital();
    for name in ["tls.pem", "tls.key", "signing.key"] {
        std::fs::copy(examples.join(name), site.path().join("keys").join(name)).unwrap();
    }
    let (_, report) = examined(&site);
    let (state, detail) = check(&report, "keys");
    assert_eq!(state, "warning");
    assert!(detail.contains("example"), "{detail}");
}

#[test]
fn ports() {
    let site = hospital();
    let taken = std::net::TcpListener::bind(&site.config.outside.listen).unwrap();
    only(&site, "port outside", "warning", "in use");
    drop(taken);
    // An address of nobody here (TEST-NET-1, RFC 5737).
    let elsewhere = site.with(|config| "192.0.2.1:8443".clone_into(&mut config.inside.listen));
    only(&elsewhere, "port inside", "error", "192.0.2.1:8443");
}

#[test]
fn database_and_disk() {
    let site = hospital();
    for name in ["watari.db", "watari.db-wal", "watari.db-shm"] {
        let _ = std::fs::remove_file(site.path().join(name));
    }
    only(&site, "database", "error", "watari init");
    site.write("watari.db", &[b'x'; 8192]);
    only(&site, "database", "error", "database is damaged");
    // The data folder is a file: nothing can be written into it.
    let file = site.write("a-file", b"");
    let keys = site.path().join("keys");
    let nowhere = site.with(|config| {
        config.store.data = file;
        config.store.keys = Some(keys);
    });
    let (code, report) = examined(&nowhere);
    assert_eq!(code, 1);
    assert_eq!(check(&report, "disk").0, "error");
}

#[test]
fn mappings_and_configuration() {
    let site = hospital();
    let rows =
        site.write("rows/wrong.toml", b"[[segment]]\nname = \"PID\"\nto = \"Patient\"\nrows = [{ field = 3 }]\n");
    let site = site.with(|config| config.intake.mappings.push(rows.parent().unwrap().to_path_buf()));
    only(&site, "mappings", "error", "wrong.toml");

    let path = site.write("other.toml", b"[inside]\nlisten = 8443\n");
    let done = super::process::watari(["doctor", "--json", "--config", path.to_str().unwrap()]);
    assert_eq!(done.code, 1);
    let (state, detail) = check(&done.json(), "configuration");
    assert_eq!(state, "error");
    assert!(detail.contains("listen"), "{detail}");
}
