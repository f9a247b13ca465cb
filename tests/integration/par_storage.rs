//! PAR-16, PAR-18: SS-MIX2 storages with something missing, misplaced or dangerous in them; the extended storage; a storage
//! that is being written.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::Site;
use super::process::running::RunningNode;

const ADT_00: &str = include_str!("../fixtures/process/ssmix2/adt-00.hl7");
const PATIENT: &str = "0077700011";
const LETTER: &str = "^紹介状^^57133-1^紹介状^LN";

const CDA: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
  <code code="57133-1" codeSystem="2.16.840.1.113883.6.1" displayName="紹介状"/>
  <title>診療情報提供書</title>
  <recordTarget><patientRole><id root="1.2.392.100495.20.3.51.1" extension="0077700011"/></patientRole></recordTarget>
</ClinicalDocument>"#;

fn folder(root: &Path, kind: &str, order: &str, flag: &str) -> PathBuf {
    let name = format!("{PATIENT}_20261105_{kind}_{order}_20261105120000000_01_{flag}");
    root.join(&PATIENT[..3]).join(&PATIENT[3..6]).join(PATIENT).join("20261105").join(kind).join(name)
}

fn put(root: &Path, kind: &str, order: &str, flag: &str, file: &str, bytes: &[u8]) {
    let folder = folder(root, kind, order, flag);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(file), bytes).unwrap();
}

fn put_adt(root: &Path) -> PathBuf {
    let folder = root.join(&PATIENT[..3]).join(&PATIENT[3..6]).join(PATIENT).join("-/ADT-00");
    std::fs::create_dir_all(&folder).unwrap();
    let text = ADT_00.replace('\n', "\r");
    let (bytes, ..) = encoding_rs::ISO_2022_JP.encode(&text);
    let path = folder.join(format!("{PATIENT}_-_ADT-00_999999999999999_20261105120000000_-_1"));
    std::fs::write(&path, &bytes).unwrap();
    path
}

fn documents(site: &Site) -> Vec<Value> {
    let Some(patient) = site.read(watari::records::find::all_patients).pop_first() else { return Vec::new() };
    let all = site.read(|view| view.compartment(&patient));
    all.iter()
        .filter(|one| one.kind == "DocumentReference")
        .map(|one| serde_json::from_str(&one.json).unwrap())
        .collect()
}

fn reasons(site: &Site) -> Vec<(String, String)> {
    site.quarantined().into_iter().map(|message| (message.source, message.reason.unwrap_or_default())).collect()
}

#[test]
fn documents_of_the_extended_storage_are_filed_under_their_patient() {
    let site = Site::japan("kamogawa");
    let root = site.path().join("storage");
    put_adt(&root);
    put(&root, LETTER, "000000000000101", "1", "main_document.xml", CDA.as_bytes());
    put(&root, LETTER, "000000000000101", "1", "image.jpg", b"\xff\xd8\xff\xe0rest");
    put(&root, "L-VITALS^VITALS^99ZL01", "000000000000102", "1", "chart.pdf", b"%PDF-1.7 chart");
    put(&root, "L-VITALS^VITALS^99ZL01", "000000000000103", "1", "device.dat", b"\x00\x01\x02device");
    let done = site.run(&["import", "ssmix2", root.to_str().unwrap()]);
    assert_eq!(done.code, 0, "{done:?} {:?}", reasons(&site));
    assert_eq!(site.count("Patient"), 1, "the storage and the documents speak of one patient");
    let documents = documents(&site);
    assert_eq!(documents.len(), 4);
    let of = |title: &str| documents.iter().find(|one| one["content"][0]["attachment"]["title"] == title).unwrap();
    let letter = of("main_document.xml");
    assert_eq!(letter["status"], "current");
    assert_eq!(letter["description"], "診療情報提供書");
    let codings = letter["type"]["coding"].as_array().unwrap();
    assert!(codings.iter().any(|one| one["system"] == "http://loinc.org" && one["code"] == "57133-1"), "{letter}");
    assert_eq!(letter["content"][0]["attachment"]["contentType"], "text/xml");
    assert_eq!(letter["date"], "2026-11-05T12:00:00.000+09:00");
    assert_eq!(of("image.jpg")["content"][0]["attachment"]["contentType"], "image/jpeg");
    assert_eq!(of("chart.pdf")["content"][0]["attachment"]["contentType"], "application/pdf");
    let unknown = of("device.dat");
    assert_eq!(unknown["content"][0]["attachment"]["contentType"], "application/octet-stream");
    assert_eq!(unknown["content"][0]["attachment"]["data"], "AAECZGV2aWNl", "kept as it is");
    let report = site.messages().into_iter().find(|message| message.source.ends_with("device.dat")).unwrap();
    assert!(report.losses.unwrap().contains("not known"), "and told");

    // Taken back: the same document, entered in error.
    put(&root, LETTER, "000000000000101", "0", "main_document.xml", CDA.as_bytes());
    site.run(&["import", "ssmix2", root.to_str().unwrap(), "--incremental"]).good();
    let documents = self::documents(&site);
    assert_eq!(documents.len(), 4);
    let taken_back = documents.iter().find(|one| one["description"] == "診療情報提供書").unwrap();
    assert_eq!(taken_back["status"], "entered-in-error");
}

#[test]
fn par_16_every_file_of_a_damaged_storage_has_its_own_report_and_the_rest_is_taken_in() {
    let site = Site::japan("kamogawa");
    let root = site.path().join("storage");
    let good = put_adt(&root);
    let bytes = std::fs::read(&good).unwrap();
    let other = root.join("007/770/0077700022/-/ADT-00");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("0077700022_-_ADT-00_999999999999999_20261105120000000_-_1"), &bytes).unwrap();
    let wrong = root.join("999/770/0077700011/-/ADT-00");
    std::fs::create_dir_all(&wrong).unwrap();
    std::fs::write(wrong.join(good.file_name().unwrap()), &bytes).unwrap();
    let beside =
        |order: &str, flag: &str| good.with_file_name(format!("{PATIENT}_-_ADT-00_{order}_20261105120000000_-_{flag}"));
    std::fs::write(beside("000000000000001", "1"), b"").unwrap();
    std::fs::write(beside("000000000000002", "1"), &bytes[..40]).unwrap();
    std::fs::write(beside("000000000000003", "0"), &bytes).unwrap();
    std::fs::write(beside("000000000000004", "9"), &bytes).unwrap();
    // Nested beyond all measure: it cannot be looked into, and does not hold up the rest.
    std::fs::create_dir_all((0..20).fold(root.join("nested"), |path, _| path.join("d"))).unwrap();

    let done = site.run(&["import", "ssmix2", root.to_str().unwrap()]);
    assert_eq!(done.code, 3, "{done:?}");
    assert_eq!(done.json()["translated"], 1);
    let reasons = reasons(&site);
    let reason = |part: &str| {
        let found: Vec<_> = reasons.iter().filter(|(source, _)| source.contains(part)).collect();
        assert_eq!(found.len(), 1, "{part}: {reasons:?}");
        found[0].1.clone()
    };
    assert!(reason("0077700022").contains("another patient"));
    assert!(reason("999/770").contains("first six characters"));
    assert!(reason("000000000000001").contains("empty"));
    assert!(reason("000000000000003").contains("condition flag 0"));
    assert!(reason("000000000000004").contains("condition flag"));
    assert!(reason("nested").contains("too deeply"));
    assert!(!reason("000000000000002").is_empty());
    assert_eq!(site.count("Patient"), 1, "no patient in part, none of a misplaced file");
}

#[test]
fn par_18_a_document_that_is_not_what_it_says_or_holds_a_program_is_quarantined() {
    let site = Site::japan("kamogawa");
    let root = site.path().join("storage");
    let virus = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat();
    for (order, file, bytes) in [
        ("000000000000201", "letter.pdf", &b"MZ\x90\0program"[..]),
        ("000000000000202", "letter.pdf", b"\x89PNG\r\n\x1a\n"),
        ("000000000000203", "note.txt", virus.as_bytes()),
        ("000000000000204", "figure.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("000000000000205", "empty.pdf", b""),
        ("000000000000206", "cda.xml", CDA.replace("0077700011", "0077700099").as_bytes()),
    ] {
        put(&root, LETTER, order, "1", file, bytes);
    }
    let done = site.run(&["import", "ssmix2", root.to_str().unwrap()]);
    assert_eq!((done.code, &done.json()["quarantined"]), (3, &6.into()), "{done:?}");
    let reasons = reasons(&site);
    for (part, said) in [
        ("201", "program"),
        ("202", "image/png"),
        ("203", "virus"),
        ("204", "script"),
        ("205", "empty"),
        ("206", "another patient"),
    ] {
        let order = format!("_000000000000{part}_");
        assert!(
            reasons.iter().any(|(source, reason)| source.contains(&order) && reason.contains(said)),
            "{part}: {reasons:?}"
        );
    }
    assert_eq!(site.count("Patient"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_takes_in_what_is_written_into_a_watched_storage_once_it_is_whole() {
    let site = Site::japan("kamogawa");
    let root = site.path().join("storage");
    std::fs::create_dir_all(&root).unwrap();
    let site = site.with(|config| {
        config.intake.ssmix2 = vec![watari::config::Ssmix2Config { path: root.clone(), watch: true }];
        config.intake.settle_seconds = 1;
        config.intake.rescan_seconds = 3600;
    });
    let node = RunningNode::start(&site, &[]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let path = put_adt(&root);
    let whole = std::fs::read(&path).unwrap();
    // Written in two halves, the second within the time a file must stand still.
    std::fs::write(&path, &whole[..30]).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    std::fs::write(&path, &whole).unwrap();
    let since = Instant::now();
    while site.count("Patient") == 0 {
        assert!(since.elapsed() < Duration::from_secs(20), "nothing was taken in: {:?}", reasons(&site));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(site.messages().len(), 1, "{:?}", reasons(&site));
    let (status, _) = node.terminate();
    assert!(status.success());
}
