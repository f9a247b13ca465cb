//! `watari import ssmix2`: a storage as hospitals have it, with what is misplaced, invalid, past or not built.

use std::path::{Path, PathBuf};

use serde_json::Value;
use watari::store::messages::MessageRecord;
use watari::store::records::StoredResource;

use super::process::Site;

const ADT_00: &str = include_str!("../fixtures/process/ssmix2/adt-00.hl7");
const ADT_61: &str = include_str!("../fixtures/process/ssmix2/adt-61.hl7");
const OML_11: &str = include_str!("../fixtures/process/ssmix2/oml-11.hl7");
const PPR_01: &str = include_str!("../fixtures/process/ssmix2/ppr-01.hl7");
const OMD: &str = include_str!("../fixtures/process/ssmix2/omd.hl7");

const PATIENT: &str = "0077700011";
const OTHER: &str = "0077700022";

/// A storage below a folder.
struct Storage(PathBuf);

/// Where a file stands and whether it counts.
struct Place<'a> {
    patient: &'a str,
    day: &'a str,
    kind: &'a str,
    order: &'a str,
    flag: &'a str,
}

impl Storage {
    fn new(site: &Site) -> Self {
        Self(site.path().join("storage"))
    }

    /// Writes a file as ISO-2022-JP with carriage returns; `ORDERNUMBER` in the text becomes the order's number.
    fn put(&self, place: &Place<'_>, text: &str) {
        let Place { patient, day, kind, order, flag } = place;
        let folder = self.0.join(&patient[..3]).join(&patient[3..6]).join(patient).join(day).join(kind);
        std::fs::create_dir_all(&folder).unwrap();
        let text = text.replace('\n', "\r").replace("ORDERNUMBER", order);
        let (bytes, _, lossy) = encoding_rs::ISO_2022_JP.encode(&text);
        assert!(!lossy && bytes.contains(&0x1b), "a fixture in ISO-2022-JP");
        std::fs::write(folder.join(format!("{patient}_{day}_{kind}_{order}_20261105120000000_01_{flag}")), bytes)
            .unwrap();
    }

    /// Three files of one patient that are as they should be.
    fn put_good(&self) {
        self.put(&Place { patient: PATIENT, day: "-", kind: "ADT-00", order: "999999999999999", flag: "1" }, ADT_00);
        self.put(&Place { patient: PATIENT, day: "-", kind: "ADT-61", order: "999999999999999", flag: "1" }, ADT_61);
        self.put(
            &Place { patient: PATIENT, day: "20261105", kind: "OML-11", order: "000000000700001", flag: "1" },
            OML_11,
        );
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

fn resources(site: &Site, kind: &str) -> Vec<(StoredResource, Value)> {
    let patient = site.read(watari::records::find::all_patients).pop_first().unwrap();
    let all = site.read(|view| view.compartment(&patient));
    let kept = all.into_iter().filter(|one| one.kind == kind);
    kept.map(|one| {
        let json = serde_json::from_str(&one.json).unwrap();
        (one, json)
    })
    .collect()
}

fn reason<'a>(quarantined: &'a [MessageRecord], part: &str) -> &'a str {
    let found: Vec<_> = quarantined.iter().filter(|message| message.source.contains(part)).collect();
    assert_eq!(found.len(), 1, "{part}: {quarantined:#?}");
    found[0].reason.as_deref().unwrap()
}

#[test]
fn a_good_storage_is_taken_in_and_a_repeat_changes_nothing() {
    let site = Site::japan("kamogawa");
    let storage = Storage::new(&site);
    storage.put_good();
    let root = storage.path().to_str().unwrap();
    let first = site.run(&["import", "ssmix2", root]).good();
    assert_eq!((&first["received"], &first["translated"], &first["quarantined"]), (&3.into(), &3.into(), &0.into()));
    assert!(first["resources"].as_u64().unwrap() >= 5 && first["seconds"].is_number(), "{first}");

    let (_, patient) = resources(&site, "Patient").remove(0);
    let written: Vec<_> =
        patient["name"].as_array().unwrap().iter().map(|name| name["family"].as_str().unwrap()).collect();
    assert!(
        written.contains(&"本橋") && written.contains(&"モトハシ"),
        "delimiters inside kanji are letters: {written:?}"
    );
    let results = resources(&site, "Observation");
    assert_eq!(results.len(), 2);
    assert!(results.iter().any(|(one, _)| one.json.contains("\"value\":0.90")), "0.90 stays 0.90");
    assert!(results.iter().all(|(_, json)| json["status"] == "final"));

    let again = site.run(&["import", "ssmix2", root]).good();
    assert_eq!((&again["received"], &again["resources"]), (&3.into(), &0.into()));
}

#[test]
fn what_does_not_belong_into_the_record_is_kept_aside_and_the_counts_add_up() {
    let site = Site::japan("kamogawa");
    let storage = Storage::new(&site);
    storage.put_good();
    let day = "20261105";
    // Flag 0 takes back, flag 2 is history.
    storage.put(&Place { patient: PATIENT, day, kind: "OML-11", order: "000000000700002", flag: "0" }, OML_11);
    storage.put(&Place { patient: PATIENT, day, kind: "OML-11", order: "000000000700001", flag: "2" }, OML_11);
    storage.put(&Place { patient: PATIENT, day: "-", kind: "PPR-01", order: "900000000000009", flag: "2" }, PPR_01);
    storage.put(&Place { patient: PATIENT, day: "-", kind: "ADT-00", order: "999999999999999", flag: "0" }, ADT_00);
    // Another patient's folder, named in agreement with itself.
    storage.put(&Place { patient: OTHER, day, kind: "OML-11", order: "000000000700003", flag: "1" }, OML_11);
    storage.put(&Place { patient: PATIENT, day, kind: "OMX-09", order: "000000000700004", flag: "1" }, OMD);
    site.write("storage/index.txt", b"made by the HIS");

    let done = site.run(&["import", "ssmix2", storage.path().to_str().unwrap()]);
    assert_eq!(done.code, 3, "done, with some input quarantined: {done:?}");
    let counts = done.json();
    for (name, expected) in [("received", 9), ("translated", 5), ("quarantined", 4), ("skipped", 1)] {
        assert_eq!(counts[name], expected, "{name} in {counts}");
    }
    assert!(done.stderr.contains("index.txt"), "{done:?}");
    assert_eq!(site.messages().len(), 9);

    let quarantined = site.quarantined();
    assert_eq!(quarantined.len(), 4);
    let misplaced = reason(&quarantined, OTHER);
    assert!(misplaced.contains("PID-3") && misplaced.contains("another patient"), "{misplaced}");
    assert!(reason(&quarantined, "000000000700001_20261105120000000_01_2").contains("condition flag 2"));
    assert!(reason(&quarantined, "ADT-00_999999999999999_20261105120000000_01_0").contains("condition flag 0"));
    assert!(reason(&quarantined, "/OMX-09/").contains("OMX-09"));

    assert_eq!(site.count("Patient"), 1, "nobody is made of a misplaced file");
    let results = resources(&site, "Observation");
    let with = |status: &str| results.iter().filter(|(_, json)| json["status"] == status).count();
    assert_eq!((with("final"), with("entered-in-error"), results.len()), (2, 2, 4));
    let (_, problem) = resources(&site, "Condition").remove(0);
    assert_eq!(problem["clinicalStatus"]["coding"][0]["code"], "inactive");
    let misplaced = quarantined.iter().find(|message| message.source.contains(OTHER)).unwrap();
    let kept = site.read(|view| view.message(&misplaced.id)).unwrap();
    assert!(kept.raw.windows(PATIENT.len()).any(|window| window == PATIENT.as_bytes()), "kept as received");
}

#[test]
fn an_incremental_scan_takes_in_what_is_new_changed_or_replaced_and_nothing_else() {
    let site = Site::japan("kamogawa");
    let storage = Storage::new(&site);
    storage.put_good();
    let root = storage.path().to_str().unwrap();
    let scan = || site.run(&["import", "--from", "ssmix2", root, "--incremental"]).good();
    let counts = |done: &Value| (done["received"].as_u64().unwrap(), done["unchanged"].as_u64().unwrap());
    assert_eq!(counts(&scan()), (3, 0));
    assert_eq!(counts(&scan()), (0, 3), "nothing is new");

    // Another time on the same content is no change, whatever clock it was set by.
    let day = "20261105";
    let order = Place { patient: PATIENT, day, kind: "OML-11", order: "000000000700001", flag: "1" };
    let path = storage
        .path()
        .join(format!("007/770/{PATIENT}/{day}/OML-11/{PATIENT}_{day}_OML-11_000000000700001_20261105120000000_01_1"));
    let at = |seconds| std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(at(86_400)).unwrap();
    assert_eq!(counts(&scan()), (0, 3), "touched");

    // A file replaced under its name, of the same size and time.
    let first = std::fs::read(&path).unwrap();
    storage.put(&order, &OML_11.replace("0.90", "0.91"));
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(at(86_400)).unwrap();
    assert_eq!(std::fs::read(&path).unwrap().len(), first.len());
    assert_eq!(counts(&scan()), (1, 2), "replaced");
    assert!(resources(&site, "Observation").iter().any(|(one, _)| one.json.contains("\"value\":0.91")));
    std::fs::write(&path, &first).unwrap();
    assert_eq!(counts(&scan()), (1, 2), "replaced by what it was before");

    storage.put(&Place { order: "000000000700009", ..order }, OML_11);
    assert_eq!(counts(&scan()), (1, 3), "new");
}

#[test]
fn a_scan_that_died_before_it_noted_anything_repeats_nothing() {
    let site = Site::japan("kamogawa");
    let storage = Storage::new(&site);
    storage.put_good();
    let root = storage.path().to_str().unwrap();
    site.run(&["import", "ssmix2", root]).good();
    let next = site.run(&["import", "ssmix2", root, "--incremental"]).good();
    assert_eq!((&next["received"], &next["unchanged"]), (&0.into(), &3.into()));
    assert_eq!(site.messages().len(), 3);
}

#[test]
fn rows_of_a_database_extract_are_taken_in_by_the_query_of_their_mapping() {
    let site = Site::canada("ridgeway");
    let database = site.path().join("extract.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE registration (mrn TEXT, surname TEXT, forename TEXT, born TEXT, gone INTEGER);
             INSERT INTO registration VALUES ('880001', 'Lavoie', 'Zoé \"Zo\"', '1961-03-04', 0),
               ('880002', 'Okafor, Jr.', NULL, '1974-11-30', 0), (NULL, 'Nobody', 'X', NULL, 0), ('880004', 'Old', 'Y', NULL, 1);",
        )
        .unwrap();
    let mapping = |rows: u64| {
        let text = format!(
            r#"
name = "registration"
demographics = true
required = ["mrn"]
[source]
query = "SELECT mrn, surname, forename, born FROM registration WHERE gone = 0 ORDER BY rowid"
max_rows = {rows}
[[resource]]
name = "patient"
type = "Patient"
rows = [
  {{ column = "mrn", path = "identifier[]", type = "CX" }},
  {{ column = "surname", path = "name[0].family", type = "string" }},
  {{ column = "forename", path = "name[0].given[]", type = "string" }},
  {{ column = "born", path = "birthDate", type = "date" }},
]
"#
        );
        site.write("registration.toml", text.as_bytes()).to_str().unwrap().to_owned()
    };
    let database = database.to_str().unwrap();
    let done = site.run(&["import", "--from", "sql", "--mapping", &mapping(100), database]);
    assert_eq!(done.code, 3, "one row has no number: {done:?}");
    assert_eq!((&done.json()["translated"], &done.json()["quarantined"]), (&2.into(), &1.into()));
    assert_eq!(site.count("Patient"), 2);
    let kept = site.messages().into_iter().find(|message| message.patient.is_some()).unwrap();
    let raw = site.read(|view| view.message(&kept.id)).unwrap().raw;
    assert!(raw.starts_with(b"\"mrn\",\"surname\""), "{}", String::from_utf8_lossy(&raw));

    let again = site.run(&["import", "sql", "--mapping", &mapping(100), database, "--incremental"]).good();
    assert_eq!((&again["received"], &again["unchanged"]), (&0.into(), &3.into()));
    let cut = site.run(&["import", "sql", "--mapping", &mapping(1), database, "--incremental"]);
    assert_eq!(cut.json()["quarantined"], 1);
    let told =
        site.quarantined().into_iter().any(|message| message.reason.unwrap_or_default().contains("more than 1 rows"));
    assert!(told, "that there is more is told");
    site.run(&["import", "sql", "--mapping", "config/none.toml", database]).refused(2, "none.toml");
}

#[test]
fn wrong_usage_of_import_is_2() {
    let site = Site::japan("kamogawa");
    site.run(&["import", "ssmix2", "/nowhere"]).refused(2, "/nowhere");
    site.run(&["import", "csv", "x.csv"]).refused(2, "--mapping");
    site.run(&["import", "ssmix2", "/nowhere", "--watch"]).refused(2, "/nowhere");
    site.run(&["import", "--from", "ssmix2", "/nowhere"]).refused(2, "/nowhere");
    site.run(&["import", "ssmix2"]).refused(2, "name the files");
    site.run(&["import", "morse", "x"]).refused(2, "morse");
}
