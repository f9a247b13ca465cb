//! `watari demo --exit --json` with folders of one's own: the report keeps its shape, every check passes, and every
//! message is accounted for.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use watari::store::messages::{MessageFilter, MessageRecord, MessageStatus};
use watari::store::{Handle, StoreError, sqlite::SqliteStore};

use super::process::watari;

const ARRIVAL: &str = include_str!("../fixtures/process/mllp/arrival.hl7");
const RESULTS: &str = include_str!("../fixtures/process/mllp/results.hl7");

/// Received messages of a node of the demo that came by a channel.
fn messages(data: &Path, node: &str, channel: &str) -> Vec<MessageRecord> {
    let store = Handle::new(Arc::new(SqliteStore::open(&data.join(node).join("watari.db")).unwrap()));
    let filter = MessageFilter { channel: Some(channel.to_owned()), limit: 10_000, ..MessageFilter::default() };
    store.view(|view| view.messages(&filter)).map_err(|error: StoreError| error).unwrap()
}

#[test]
fn the_story_with_folders_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    put("hl7/good.hl7", ARRIVAL.replace('\n', "\r").as_bytes());
    put("hl7/broken.hl7", b"MSH|^~\\&|BAYVIEW-ADT\rPI");
    put("hl7/batch.hl7", format!("FHS|^~\\&|X\n{ARRIVAL}{RESULTS}FTS|2\n").replace('\n', "\r").as_bytes());
    put("hl7/good.hl7.expected.json", b"{}");
    put("hl7/notes.txt", b"nothing");
    put("csv/people.csv", "mrn,family_name,given_name,sex,birth_date\nC-1,Roy,Luce,F,1961-02-03\n".as_bytes());
    put("csv/other.csv", b"colour,shape\nblue,round\n");
    let data = folder.path().join("data");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let done = watari([
        "--json".to_owned(),
        "demo".to_owned(),
        "--exit".to_owned(),
        "--data".to_owned(),
        text(&data),
        "--toronto-hl7v2".to_owned(),
        text(&folder.path().join("hl7")),
        "--toronto-csv".to_owned(),
        text(&folder.path().join("csv")),
    ]);
    assert_eq!(done.code, 0, "{done:?}");
    let report = done.json();
    let failed: Vec<_> = report["checks"].as_array().unwrap().iter().filter(|check| check["ok"] != true).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(report["checks"].as_array().unwrap().len() > 20);
    assert_eq!(report["ok"], true);
    shape(&report);

    let node = |number: usize| &report["nodes"][number];
    for number in [0, 1] {
        let counts = &node(number)["messages"];
        let count = |name: &str| counts[name].as_u64().unwrap();
        assert_eq!(count("received"), count("translated") + count("quarantined"), "{counts}");
    }
    assert_eq!(node(0)["skipped"], 2, "the text and the expected JSON");

    // Four messages of three files: of them the broken one is aside, with a reason.
    let mine = messages(&data, "toronto", "hl7v2");
    let mut by_file: Vec<_> = mine.iter().map(|one| (one.source.as_str(), one.status.as_str())).collect();
    by_file.sort_unstable();
    let expected = [
        ("batch.hl7", "translated"),
        ("batch.hl7", "translated"),
        ("broken.hl7", "quarantined"),
        ("good.hl7", "translated"),
    ];
    assert_eq!(by_file, expected);
    let reason = |messages: &[MessageRecord], source: &str| {
        let found = messages.iter().find(|one| one.source == source).unwrap();
        assert_eq!(found.status, MessageStatus::Quarantined);
        found.reason.clone().unwrap()
    };
    assert!(reason(&mine, "broken.hl7").contains("cut off"), "{}", reason(&mine, "broken.hl7"));
    let tables = messages(&data, "toronto", "csv");
    assert!(tables.iter().any(|one| one.source == "people.csv:2" && one.status == MessageStatus::Translated));
    assert!(reason(&tables, "other.csv").contains("mapping"));
    // The story's own transfer, the broken file and the unknown table.
    assert_eq!(node(0)["messages"]["quarantined"], 3);

    // The data is kept; the same folder is not told over.
    let again = watari(["--json", "demo", "--exit", "--data", data.to_str().unwrap()]);
    assert!(again.code != 0 && again.stderr.contains("earlier demo"), "{again:?}");
}

/// What docs and scripts rely on.
fn shape(report: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned();
    let nodes = report["nodes"].as_array().unwrap();
    assert_eq!(
        nodes.iter().map(|node| (text(&node["id"]), text(&node["country"]))).collect::<Vec<_>>(),
        [("toronto".to_owned(), "ca".to_owned()), ("tokyo".to_owned(), "jp".to_owned())]
    );
    for node in nodes {
        assert!(text(&node["inside"]).starts_with("https://127.0.0.1:"));
        assert!(text(&node["outside"]).starts_with("https://127.0.0.1:"));
        for role in ["clinician", "researcher", "it"] {
            assert!(text(&node["sign_in"][role]).starts_with(&format!("{}/sign-in/", text(&node["inside"]))));
        }
        assert!(node["patients"].as_u64().unwrap() > 100, "{node}");
        assert!(node["resources"].as_u64() > node["patients"].as_u64(), "{node}");
    }
    let referral = &report["referral"];
    assert!(!text(&referral["id"]).is_empty() && !text(&referral["message_id"]).is_empty());
    assert_eq!(text(&referral["body_sha256"]).len(), 64);
    assert_eq!(referral["receipt_verified"], true);
    let states: Vec<_> = referral["states"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(states, ["draft", "requested", "received", "accepted", "in-progress", "completed"]);
    assert!(referral["delivered_ms"].is_u64());
    let cohort = &report["cohort"];
    assert_eq!(text(&cohort["question_sha256"]).len(), 64);
    for site in cohort["sites"].as_array().unwrap() {
        match text(&site["status"]).as_str() {
            "ok" => assert!(site["count"].as_u64().is_some_and(|count| count >= 10 && count % 10 == 0), "{site}"),
            "too-few" => assert!(site.get("count").is_none(), "{site}"),
            other => panic!("{other}: {site}"),
        }
    }
    assert_eq!(cohort["sites"].as_array().unwrap().len(), 2);
    for check in report["checks"].as_array().unwrap() {
        assert!(!text(&check["name"]).is_empty() && check["ok"].is_boolean());
    }
    assert!(report["elapsed_ms"].as_u64().unwrap() > 0);
}
