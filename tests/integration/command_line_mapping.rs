//! `watari mapping`: rows are checked with file and line, elements and fields explained, losses totalled over a feed.

use std::path::Path;

use super::process::{Done, Site, watari};

const MESSAGE: &str = "MSH|^~\\&|REG|TGH|WATARI|TGH|20261124093000||ADT^A08|E0001|P|2.5.1\r\
    EVN|A08|20261124093000\r\
    PID|1||8001^^^TGH^MR||Doe^Jane~Roe^Jane||19800214|F\r\
    ZBT|1|A+|20261120\r";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

fn lines(done: &Done) -> Vec<&str> {
    done.stdout.lines().collect()
}

#[test]
fn the_rows_in_the_binary_and_the_examples_have_nothing_wrong_or_doubtful() {
    let examples = format!("{}/config/mappings/csv", env!("CARGO_MANIFEST_DIR"));
    let done = watari(["mapping", "check", "--strict", &examples]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "0 errors, 0 warnings\n"), "{done:?}");
    let done = watari(["mapping", "check", "--strict"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "0 errors, 0 warnings\n"), "{done:?}");
}

#[test]
fn all_that_is_wrong_is_told_with_file_and_line_and_the_exit_code_says_so() {
    let rows = "[[segment]]\nname = \"PID\"\nto = \"Patient\"\nrows = [\n  { field = 8, path = \"gender\", type = \"code\", table = \"9999\" },\n  { field = 12, path = \"county\", type = \"string\" },\n  { field = 13, pathh = \"telecom[]\", type = \"XTN\" },\n]\n";
    let csv = "name = \"list\"\n[[resource]]\nname = \"patient\"\ntype = \"Patient\"\nrows = [\n  { column = \"mrn\", path = \"identifier[]\", type = \"CX\" },\n  { column = \"born\", path = \"birthday\", type = \"date\" },\n  { column = \"sex\", path = \"gender\", type = \"code\" },\n]\n";
    let folder = folder(&[("a-rows.toml", rows), ("b-list.toml", csv)]);
    let done = watari(["--json", "mapping", "check", folder.path().to_str().unwrap()]);
    assert_eq!(done.code, 1, "{done:?}");
    let told = done.json();
    assert_eq!((&told["errors"], &told["warnings"]), (&3.into(), &2.into()), "{told:#}");
    let place = |finding: &serde_json::Value| {
        let file = Path::new(finding["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned();
        format!("{file}:{} {}", finding["line"], finding["severity"].as_str().unwrap())
    };
    let places: Vec<String> = told["findings"].as_array().unwrap().iter().map(place).collect();
    let expected = [
        "a-rows.toml:5 error",
        "a-rows.toml:6 warning",
        "a-rows.toml:7 error",
        "b-list.toml:7 warning",
        "b-list.toml:8 error",
    ];
    assert_eq!(places, expected, "{told:#}");
    // A node does not start on them, and says where to look.
    let started = watari(["translate", "--from", "hl7v2", "--mapping", folder.path().to_str().unwrap(), "x.hl7"]);
    started.refused(2, "line 7");
    // Doubts alone stop nobody, unless that is asked for.
    let doubtful = path(folder.path(), "doubtful.toml");
    std::fs::write(&doubtful, rows.replace(", table = \"9999\"", ", table = \"0001\"").replace("pathh", "path"))
        .unwrap();
    assert_eq!(watari(["mapping", "check", &doubtful]).code, 0);
    assert_eq!(watari(["mapping", "check", "--strict", &doubtful]).code, 1);
    watari(["mapping", "check", "no/such/folder"]).refused(2, "no/such/folder");
}

#[test]
fn an_element_is_explained_by_field_row_and_file() {
    let own = "[[segment]]\nname = \"PID\"\nto = \"Patient\"\nrows = [\n  { field = 8, path = \"gender\", type = \"code\", table = \"0001\" },\n]\n";
    let folder = folder(&[("message.hl7", MESSAGE), ("own.toml", own)]);
    let (message, own) = (path(folder.path(), "message.hl7"), path(folder.path(), "own.toml"));
    let explain = |what: &[&str]| {
        let mut words = vec!["mapping", "explain", "--from", "hl7v2", "--mapping", &own, &message];
        words.extend(what);
        watari(words)
    };
    let done = explain(&["Patient.gender"]);
    let told = lines(&done);
    assert_eq!(told[0], "1 Patient.gender <- PID-8", "{done:?}");
    assert!(told[1].contains("own.toml:5, instead of built-in hl7v2/patient.toml:"), "{done:?}");
    let done = explain(&["Patient.name[1].family"]);
    assert_eq!(lines(&done)[0], "1 Patient.name[1].family <- PID-5", "{done:?}");
    let done = explain(&["PID-7"]);
    assert!(done.stdout.starts_with("1 Patient.birthDate <- PID-7\n    built-in hl7v2/patient.toml:"), "{done:?}");
    // Every element has a maker: nothing of a translation comes from nowhere.
    let all = watari(["--json", "mapping", "explain", "--from", "hl7v2", &message]).good();
    let all = all.as_array().unwrap();
    assert!(all.len() > 20, "{all:#?}");
    assert!(all.iter().all(|element| element["by"] != "code"), "{all:#?}");
    let second = watari(["--json", "mapping", "explain", "--from", "hl7v2", "--resource", "1", &message]).good();
    assert!(second.as_array().unwrap().iter().all(|element| element["resource"] == 1));
    explain(&["Patient.photo"]).refused(1, "nothing of the translation");
}

#[test]
fn a_field_and_an_element_are_explained_without_a_message() {
    let done = watari(["mapping", "explain", "PID-8"]);
    assert!(
        done.stdout.starts_with("PID-8 -> Patient.gender  code (table 0001)\n    built-in hl7v2/patient.toml:"),
        "{done:?}"
    );
    let done = watari(["mapping", "explain", "Patient.birthDate"]);
    assert!(done.stdout.starts_with("PID-7 -> Patient.birthDate"), "{done:?}");
    // What Japan fills differently, and what it takes the place of.
    let done = watari(["mapping", "explain", "--country", "jp", "RXE-27"]);
    assert!(
        done.stdout.contains("hl7v2/jahis.toml:") && done.stdout.contains("instead of built-in hl7v2/medication.toml:"),
        "{done:?}"
    );
    watari(["mapping", "explain", "PID-99"]).refused(1, "no row reads or writes PID-99");
}

#[test]
fn a_table_is_explained_by_its_columns() {
    let mapping = "name = \"list\"\n[[resource]]\nname = \"patient\"\ntype = \"Patient\"\nrows = [\n  { column = \"mrn\", path = \"identifier[]\", type = \"CX\" },\n  { column = \"born\", path = \"birthDate\", type = \"date\" },\n]\n";
    let folder = folder(&[("list.toml", mapping), ("list.csv", "mrn,born\n1,1980-02-14\n2,1990-01-01\n")]);
    let (mapping, table) = (path(folder.path(), "list.toml"), path(folder.path(), "list.csv"));
    let done = watari([
        "mapping",
        "explain",
        "--from",
        "csv",
        "--mapping",
        &mapping,
        "--message",
        "2",
        &table,
        "Patient.birthDate",
    ]);
    let told = lines(&done);
    assert_eq!(told[0], "1 Patient.birthDate <- column born", "{done:?}");
    assert!(told[1].ends_with("list.toml:7"), "{done:?}");
}

#[test]
fn losses_are_totalled_over_a_feed() {
    let site = Site::canada("st-marys");
    let other = MESSAGE.replace("E0001", "E0002").replace("8001", "8002").replace("ZBT|1|A+|20261120\r", "");
    site.write("feed/1.hl7", MESSAGE.as_bytes());
    site.write("feed/2.hl7", other.as_bytes());
    site.run(&["import", "hl7v2", site.path().join("feed").to_str().unwrap()]).good();
    let listed = site.run(&["messages", "list"]).good();
    let newest = listed[0].clone();
    assert_eq!((&newest["kind"], &newest["status"]), (&"ADT^A08".into(), &"translated".into()), "{listed}");
    let shown = site.run(&["messages", "show", newest["id"].as_str().unwrap()]).good();
    let fields = shown["losses"]["entries"].as_array().unwrap();
    assert!(fields.iter().any(|field| field["source"] == "PID-7" && field["targets"][0] == "Patient.birthDate"));
    let quarantined = site.run(&["messages", "list", "--quarantined"]).good();
    assert_eq!(quarantined, serde_json::json!([]));
    site.run(&["messages", "show", "nothing"]).refused(1, "no message has the id");
    let ranked = site.run(&["mapping", "losses", "--all", "--top", "500"]).good();
    let of = |field: &str| ranked.as_array().unwrap().iter().find(|one| one["field"] == field).cloned().unwrap();
    let lost = of("ZBT-2");
    assert_eq!((&lost["seen"], &lost["kept_raw"], &lost["mapped"]), (&1.into(), &1.into(), &0.into()), "{lost}");
    assert!(lost["reasons"][0]["reason"].as_str().unwrap().contains("site-defined"), "{lost}");
    // Two messages with two names each.
    assert_eq!(of("PID-5")["mapped"], 4);
    let first = &ranked[0];
    assert!(
        first["kept_raw"].as_u64().unwrap() + first["dropped"].as_u64().unwrap() > 0,
        "the lost ones first: {first}"
    );
    let none = site.run(&["mapping", "losses", "--feed", "mllp"]).good();
    assert_eq!(none, serde_json::json!([]));
    let future = site.run(&["mapping", "losses", "--since", "2999-01-01"]).good();
    assert_eq!(future, serde_json::json!([]));
}

#[test]
fn losses_are_totalled_over_files_too() {
    let folder = folder(&[("1.hl7", MESSAGE), ("2.hl7", MESSAGE)]);
    let (first, second) = (path(folder.path(), "1.hl7"), path(folder.path(), "2.hl7"));
    let total = path(folder.path(), "total.json");
    let done = watari(["translate", "--from", "hl7v2", "--losses-total", &total, &first, &second]);
    assert_eq!(done.code, 0, "{done:?}");
    let ranked: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(total).unwrap()).unwrap();
    let lost = ranked.as_array().unwrap().iter().find(|one| one["field"] == "ZBT-2").unwrap();
    assert_eq!((&lost["seen"], &lost["kept_raw"]), (&2.into(), &2.into()), "{lost}");
}
