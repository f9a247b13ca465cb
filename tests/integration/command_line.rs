//! The command line as a person or a script uses it: what it prints, and its exit codes.

use serde_json::Value;

use super::process::{Site, watari};

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");
const RESULTS: &str = include_str!("../fixtures/process/mllp/results.hl7");
const TRANSFER: &str = include_str!("../fixtures/process/mllp/transfer.hl7");

#[test]
fn init_writes_a_node_that_serves() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("node");
    let arguments = ["--json", "init", "--institution", "Hôpital du Lac", "--country", "ca", "--data"];
    let init = || watari(arguments.iter().map(std::ffi::OsStr::new).chain([data.as_os_str()]));
    let made = init().good();
    for (name, file) in [("config", "watari.toml"), ("keys", "keys"), ("database", "watari.db")] {
        let path = std::path::Path::new(made[name].as_str().unwrap());
        assert_eq!(path, data.join(file), "{made}");
        assert!(path.exists());
    }
    let fingerprint = made["fingerprint"].as_str().unwrap();
    assert!(fingerprint.len() == 64 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
    assert_eq!(made["institution"], "h-pital-du-lac");

    let config = data.join("watari.toml");
    let before = (std::fs::read(&config).unwrap(), std::fs::read(data.join("keys/tls.key")).unwrap());
    init().refused(2, "already holds a node");
    let after = (std::fs::read(&config).unwrap(), std::fs::read(data.join("keys/tls.key")).unwrap());
    assert_eq!(before, after, "nothing was changed");

    assert_eq!(watari(["--json", "serve", "--check", "--config", config.to_str().unwrap()]).good()["ok"], true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077;
        assert_eq!(mode(&data), 0, "the folder is the node's own");
        assert_eq!(mode(&data.join("keys/tls.key")), 0);
        assert_eq!(mode(&data.join("keys/signing.key")), 0);
    }
}

#[test]
fn init_refuses_what_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("node");
    let init = |name: &str, country: &str| {
        watari(["init", "--institution", name, "--country", country, "--data", data.to_str().unwrap()])
    };
    init("東京病院", "jp").refused(2, "--id");
    init("Lac", "fr").refused(2, "fr");
    assert!(!data.exists(), "nothing was made");
}

#[test]
fn verbs_that_are_not_built_or_do_not_exist_say_so() {
    for verb in ["study", "consent", "validate", "directory"] {
        watari([verb, "list"]).refused(2, &format!("`watari {verb}` is not built"));
    }
    watari(["dance"]).refused(2, "there is no command \"dance\"");
    watari(["serve", "--sideways"]).refused(2, "--sideways");
    assert_eq!(watari([""; 0]).code, 2, "no verb at all");
    for arguments in [vec!["--help"], vec!["--version"], vec!["serve", "--help"], vec!["peer", "--help"]] {
        let done = watari(&arguments);
        assert!(done.code == 0 && !done.stdout.is_empty() && done.stderr.is_empty(), "{arguments:?}: {done:?}");
    }
}

#[test]
fn commands_without_a_node_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("watari.toml");
    std::fs::write(&config, "[store]\ndata = \"nowhere\"\n").unwrap();
    let config = config.to_str().unwrap();
    for arguments in [vec!["peer", "list"], vec!["token", "--role", "system"], vec!["import", "hl7v2", "x"]] {
        watari(arguments.iter().chain(&["--config", config])).refused(2, "watari init");
    }
    let site = Site::canada("bayview");
    site.run(&["token", "--role", "king"]).refused(2, "king");
    site.run(&["token", "--role", "system", "--ttl", "0"]).refused(2, "ttl");
    let made = site.run(&["token", "--role", "system", "--ttl", "60"]).good();
    assert_eq!((&made["role"], &made["ttl"]), (&"system".into(), &60.into()));
    let text = watari(["token", "--role", "system", "--config", site.configuration().to_str().unwrap()]);
    assert_eq!((text.code, text.stdout.lines().count()), (0, 1), "nothing but the token, for scripts");
}

#[test]
fn translate_needs_no_node_and_tells_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join("in").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text.replace('\n', "\r")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (arrival, results) = (put("arrival.hl7", ARRIVAL), put("deep/results.hl7", RESULTS));
    let translate = |arguments: &[&str]| watari(["translate", "--from", "hl7v2"].iter().chain(arguments));

    let good = translate(&[&arrival, &results]);
    assert_eq!((good.code, good.stderr.as_str()), (0, ""));
    let bundles: Vec<Value> = good.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(bundles.len(), 2, "a line each");
    assert!(bundles.iter().all(|bundle| bundle["resourceType"] == "Bundle" && bundle["type"] == "transaction"));
    assert!(good.stdout.contains("\"value\":1.50"));

    // One of three cannot be translated: the others are, and it is named with its reason.
    let transfer = put("transfer.hl7", TRANSFER);
    let (out, losses) = (folder.path().join("out"), folder.path().join("losses.ndjson"));
    put("notes.txt", "no message");
    let input = folder.path().join("in");
    let some =
        translate(&["--out", out.to_str().unwrap(), "--losses", losses.to_str().unwrap(), input.to_str().unwrap()]);
    assert_eq!((some.code, some.stdout.as_str()), (3, ""), "{some:?}");
    let told: Vec<Value> = some.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused: Vec<_> = told.iter().filter(|line| line.get("reason").is_some()).collect();
    assert_eq!(refused.len(), 1, "{told:?}");
    assert_eq!(refused[0]["input"], transfer.as_str());
    assert!(refused[0]["reason"].as_str().unwrap().contains("ADT^A17"));
    assert_eq!(told.iter().filter(|line| line.get("skipped").is_some()).count(), 1);
    for (file, written) in [("arrival.hl7.json", true), ("deep/results.hl7.json", true), ("transfer.hl7.json", false)] {
        assert_eq!(out.join(file).exists(), written, "{file}");
    }
    let losses = std::fs::read_to_string(losses).unwrap();
    assert!(losses.lines().count() > 10 && losses.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));

    // Nothing of the input's character set is guessed: not a message at all.
    let noise = put("noise.hl7", "this is no message");
    translate(&[&noise]).refused(3, "MSH");
    translate(&["/nowhere.hl7"]).refused(2, "/nowhere.hl7");
    translate(&[]).refused(2, "PATH");
    watari(["translate", "--from", "csv", &arrival]).refused(2, "--mapping");
    watari(["translate", "--from", "morse", &arrival]).refused(2, "morse");
}
