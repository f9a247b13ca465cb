//! The program as people stop it: by a signal, whatever it is doing.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use watari::clock::{Clock as _, SystemClock};
use watari::config::Config;
use watari::exchange::identity::{self, Identity};

fn watari() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watari"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn signal(name: &str, child: &Child) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Waits until `is_so`; ends the child and fails if it does not come to that.
#[track_caller]
fn until(child: &mut Child, what: &str, mut is_so: impl FnMut(&mut Child) -> bool) {
    let start = Instant::now();
    while !is_so(child) {
        if start.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it took too long until {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ended(child: &mut Child, what: &str) -> (ExitStatus, Duration) {
    let start = Instant::now();
    until(child, what, |child| child.try_wait().unwrap().is_some());
    (child.wait().unwrap(), start.elapsed())
}

/// A configured node with keys in `folder`, on free ports; `more` is added to its configuration.
fn node(folder: &Path, more: &str) -> Command {
    let text = format!(
        "[store]\ndata = \"data\"\n[inside]\nlisten = \"127.0.0.1:0\"\n[outside]\nlisten = \"127.0.0.1:0\"\n\
         [mllp]\nlisten = \"127.0.0.1:0\"\n{more}"
    );
    let path = folder.join("watari.toml");
    std::fs::write(&path, text).unwrap();
    let config = Config::load(&path).unwrap();
    Identity::create(&config.store.keys(), &config.institution.id, &[], SystemClock.now()).unwrap();
    let mut command = watari();
    command.arg("serve").arg("--config").arg(path);
    command
}

#[test]
fn a_folder_that_is_still_read_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody ever writes into this pipe: reading the mapping takes for ever.
    let pipe = folder.path().join("mapping.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let feed = "[[intake.csv]]\npath = \"feed.csv\"\nmapping = \"mapping.toml\"\n";
    let opened = folder.path().join("opened");
    let mut child = node(folder.path(), feed).stdout(std::fs::File::create(&opened).unwrap()).spawn().unwrap();
    until(&mut child, "the node is open", |_| std::fs::metadata(&opened).unwrap().len() > 0);
    std::thread::sleep(Duration::from_millis(300));
    signal("-TERM", &child);
    let (status, took) = ended(&mut child, "SIGTERM ends it");
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn keys_that_do_not_fit_are_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = node(folder.path(), "");
    let other = folder.path().join("other");
    Identity::create(&other, "other", &[], SystemClock.now()).unwrap();
    let keys = folder.path().join("data/keys");
    std::fs::copy(other.join(identity::TLS_KEY), keys.join(identity::TLS_KEY)).unwrap();
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let (status, _) = ended(&mut child, "it refuses to start");
    assert_eq!(status.code(), Some(2));
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(said.contains("not the private key of the certificate"), "{said}");
}

#[test]
fn a_demo_that_is_broken_off_leaves_no_keys_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = watari().args(["demo", "--exit"]).env("TMPDIR", folder.path()).spawn().unwrap();
    let left = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    until(&mut child, "there are keys", |_| left().iter().any(|path| path.join("tokyo/keys/tls.pem").exists()));
    std::thread::sleep(Duration::from_millis(100));
    signal("-INT", &child);
    let (status, _) = ended(&mut child, "Ctrl-C ends it");
    assert_eq!(status.code(), Some(1));
    assert_eq!(left(), Vec::<std::path::PathBuf>::new());
}
