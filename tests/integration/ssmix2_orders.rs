//! Files of one SS-MIX2 order that follow each other: each is the whole of the order, whatever the order they come in.

use serde_json::Value;
use watari::config::Country;
use watari::translate::{Refused, Setting, Translated, ssmix2};

use super::one_record::OneRecord;

struct Record(OneRecord);

fn setting() -> Setting {
    Setting::anonymous(Country::Jp)
}

/// A file: its data type, the hour it was written at, its flag, and the segments behind PID.
struct File<'a>(&'a str, u8, u8, &'a [&'a str]);

impl Record {
    fn new() -> Self {
        Self(OneRecord::new())
    }

    fn translate(&self, &File(kind, hour, flag, segments): &File<'_>) -> Result<Translated, Refused> {
        let event = match kind {
            "OML-11" => "OUL^R22",
            "OMP-01" => "RDE^O11",
            "OMG-01" => "OMG^O19",
            _ => "PPR^ZD1",
        };
        let date = if kind == "PPR-01" { "-" } else { "20260105" };
        let path = format!(
            "200/300/2003004/{date}/{kind}/2003004_{date}_{kind}_000000000000077_202601050{hour}0000000_01_{flag}"
        );
        let text = format!(
            "MSH|^~\\&|HIS|H|||202601050{hour}0000||{event}|{hour}|P|2.5\rPID|1||2003004^^^^PI||Tamura^Ken^^^^^L^A\r{}\r",
            segments.join("\r")
        );
        ssmix2::translate(&self.0.mappings, &setting(), &ssmix2::parse_path(&path)?, text.as_bytes())
    }

    fn take(&mut self, file: &File<'_>) {
        let translated = self.translate(file).unwrap();
        self.0.enter(translated);
    }

    /// Code and status of the resources of a type, by code.
    fn all(&self, kind: &str) -> Vec<(String, String)> {
        let of_kind = self.0.under(&setting().patient_system(), "2003004", kind);
        let mut all: Vec<(String, String)> = of_kind
            .iter()
            .map(|resource| {
                let text = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
                let code = text("/code/coding/0/code").or_else(|| text("/medicationCodeableConcept/coding/0/code"));
                let status = text("/status").or_else(|| text("/clinicalStatus/coding/0/code"));
                (code.unwrap_or_default(), status.unwrap_or_default())
            })
            .collect();
        all.sort();
        all
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(code, status)| ((*code).to_owned(), (*status).to_owned())).collect()
}

const ORDER: &str = "OBR|1|000000000000077|L1|E01^Panel^99A|||20260105";
const ALBUMIN: &str = "OBX|1|NM|3A015000002327101^Alb^JC10||4.1|g/dL|||||F";
const PROTEIN: &str = "OBX|2|NM|3A010000002327101^TP^JC10||7.0|g/dL|||||F";
const SPECIMEN: &str = "SPM|1|S1||023^serum^JC10";

#[test]
fn a_newer_file_withdraws_the_result_that_it_lacks() {
    let files =
        [File("OML-11", 1, 1, &[SPECIMEN, ORDER, ALBUMIN, PROTEIN]), File("OML-11", 2, 1, &[SPECIMEN, ORDER, ALBUMIN])];
    let expected = pairs(&[("3A010000002327101", "entered-in-error"), ("3A015000002327101", "final")]);
    let mut forward = Record::new();
    files.iter().for_each(|file| forward.take(file));
    assert_eq!(forward.all("Observation"), expected);
    assert_eq!(forward.all("DiagnosticReport").len(), 1);
    // The older file again changes nothing, and the other way round the record is the same.
    forward.take(&files[0]);
    assert_eq!(forward.all("Observation"), expected);
    let mut backward = Record::new();
    files.iter().rev().for_each(|file| backward.take(file));
    assert_eq!(backward.all("Observation"), expected);
}

#[test]
fn a_result_that_comes_back_counts_again() {
    let mut record = Record::new();
    record.take(&File("OML-11", 1, 1, &[SPECIMEN, ORDER, ALBUMIN, PROTEIN]));
    record.take(&File("OML-11", 2, 1, &[SPECIMEN, ORDER, ALBUMIN]));
    record.take(&File("OML-11", 3, 1, &[SPECIMEN, ORDER, ALBUMIN, PROTEIN]));
    let expected = pairs(&[("3A010000002327101", "final"), ("3A015000002327101", "final")]);
    assert_eq!(record.all("Observation"), expected);
}

#[test]
fn a_medicine_that_leaves_the_prescription_is_cancelled() {
    let line = |code: &str, rp: &str| {
        [format!("ORC|NW|000000000000077||{rp}|||||20260105"), format!("RXE||{code}^x^HOT9|1||TAB^t^MR9P")]
    };
    let (first, second) = (line("100000001", "1"), line("100000002", "2"));
    let both: Vec<&str> = first.iter().chain(&second).map(String::as_str).collect();
    let one: Vec<&str> = first.iter().map(String::as_str).collect();
    let mut record = Record::new();
    record.take(&File("OMP-01", 1, 1, &both));
    record.take(&File("OMP-01", 2, 1, &one));
    assert_eq!(record.all("MedicationRequest"), pairs(&[("100000001", "active"), ("100000002", "cancelled")]));
    // The order is called off.
    let cancelled: Vec<String> = one.iter().map(|segment| segment.replace("ORC|NW", "ORC|CA")).collect();
    let cancelled: Vec<&str> = cancelled.iter().map(String::as_str).collect();
    record.take(&File("OMP-01", 3, 1, &cancelled));
    assert_eq!(record.all("MedicationRequest"), pairs(&[("100000001", "cancelled"), ("100000002", "cancelled")]));
}

#[test]
fn a_problem_that_leaves_the_list_is_not_active() {
    let mut record = Record::new();
    let (gastritis, asthma) = ("PRB|AD|20260101|20054174^x^MDCDX2|P1", "PRB|AD|20260101|20052111^y^MDCDX2|P2");
    record.take(&File("PPR-01", 1, 1, &[gastritis, asthma]));
    record.take(&File("PPR-01", 2, 1, &[asthma]));
    assert_eq!(record.all("Condition"), pairs(&[("20052111", "active"), ("20054174", "inactive")]));
}

#[test]
fn a_deleted_order_is_entered_in_error_and_a_past_one_is_not_taken() {
    let mut record = Record::new();
    let segments = ["ORC|NW|000000000000077|||||||20260105", "OBR||000000000000077||1000^X-ray^JJ1017"];
    record.take(&File("OMG-01", 1, 1, &segments));
    assert_eq!(record.all("ServiceRequest"), pairs(&[("1000", "active")]));
    record.take(&File("OMG-01", 2, 0, &segments));
    assert_eq!(record.all("ServiceRequest"), pairs(&[("1000", "entered-in-error")]));
    assert!(record.translate(&File("OMG-01", 1, 2, &segments)).is_err());
}
