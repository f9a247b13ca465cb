//! Messages that follow each other: what a later one leaves of an earlier one's word.

use serde_json::{Value, json};
use watari::config::Country;
use watari::translate::{Refused, Setting, hl7v2};

use super::one_record::{OneRecord, only};

struct Record(OneRecord);

impl Record {
    fn new() -> Self {
        Self(OneRecord::new())
    }

    /// Takes a message in, each later than the one before.
    fn take(&mut self, kind: &str, segments: &[&str]) -> Result<(), Refused> {
        let day = self.0.taken + 1;
        let text = format!("MSH|^~\\&|A|YYZ|||202601{day:02}||{kind}|1|P|2.5\r{}\r", segments.join("\r"));
        self.0.enter(hl7v2::translate(&self.0.mappings, &Setting::anonymous(Country::Ca), text.as_bytes())?);
        Ok(())
    }

    fn all(&self, kind: &str) -> Vec<Value> {
        self.0.under(&system(), "7", kind)
    }

    fn one(&self, kind: &str) -> Value {
        only(self.all(kind))
    }
}

fn system() -> String {
    format!("{}/identifier/YYZ", Setting::anonymous(Country::Ca).namespace)
}

const PID: &str = "PID|1||7^^^YYZ^MR||Roy^Luc";
const FULL: &str =
    "PID|1||7^^^YYZ^MR~1234567890^^^^JHN^^^^ON||Roy^Luc||19700101|M|||1 Main St^^Toronto^ON||5550100|5550199||M";

#[test]
fn a_sparse_registration_deletes_nothing() {
    let mut record = Record::new();
    record.take("ADT^A28", &[FULL]).unwrap();
    let full = record.one("Patient");
    record.take("ADT^A08", &[PID]).unwrap();
    let sparse = record.one("Patient");
    for element in ["identifier", "name", "birthDate", "gender", "address", "telecom", "maritalStatus"] {
        assert_eq!(sparse[element], full[element], "{element}");
        assert!(!full[element].is_null(), "{element}");
    }
    record.take("ADT^A08", &["PID|1||7^^^YYZ^MR||Roy^Luc|||F|||\"\"||\"\"|||"]).unwrap();
    let nulled = record.one("Patient");
    assert_eq!(nulled["gender"], "female");
    assert_eq!(nulled.get("address"), None);
    assert_eq!(nulled["telecom"], json!([{"system": "phone", "value": "5550199", "use": "work"}]));
    assert_eq!(nulled["birthDate"], "1970-01-01");
}

#[test]
fn a_result_that_mentions_a_visit_leaves_it_alone() {
    let mut record = Record::new();
    let visit = "PV1|1|I|4N^1^A|||||||CAR|||||||||V1|||||||||||||||||||||||||20260101";
    record.take("ADT^A01", &[PID, visit]).unwrap();
    let admitted = record.one("Encounter");
    record.take("ORU^R01", &[PID, "PV1|1|I|||||||||||||||||V1", "OBR|1|P|F|24323-8^Panel^LN"]).unwrap();
    assert_eq!(record.one("Encounter"), admitted);
    record.take("ADT^A08", &[PID, "PV1|1|I|||||||||||||||||V1"]).unwrap();
    let updated = record.one("Encounter");
    assert_eq!((&updated["status"], &updated["location"]), (&admitted["status"], &admitted["location"]));
    let gone = "PV1|1|I|||||||||||||||||V1||||||||||||||||||||||||||20260104";
    record.take("ADT^A03", &[PID, gone]).unwrap();
    let discharged = record.one("Encounter");
    assert_eq!(discharged["status"], "finished");
    assert_eq!(discharged["period"], json!({"end": "2026-01-04", "start": "2026-01-01"}));
    record.take("ADT^A08", &[PID, "PV1|1|I|||||||||||||||||V1"]).unwrap();
    assert_eq!(record.one("Encounter")["status"], "finished");
}

#[test]
fn a_visit_that_is_only_mentioned_is_made_where_it_is_missing() {
    let mut record = Record::new();
    record.take("ORU^R01", &[PID, "PV1|1|I|||||||||||||||||V1", "OBR|1|P|F|24323-8^Panel^LN"]).unwrap();
    assert_eq!(record.one("Encounter")["status"], "unknown");
    record.take("ADT^A01", &[PID, "PV1|1|I|||||||||||||||||V1"]).unwrap();
    assert_eq!(record.one("Encounter")["status"], "in-progress");
}

fn glucose(sets: &[(&str, &str, &str)]) -> Vec<String> {
    let order = "OBR|1|P1|F1|24323-8^Panel^LN|||20260101||||||||||||||||||F".to_owned();
    let result = |(time, value, status): &(&str, &str, &str)| {
        format!("OBX|1|NM|14749-6^Glucose^LN||{value}|mmol/L|||||{status}|||{time}")
    };
    [PID.to_owned(), order].into_iter().chain(sets.iter().map(result)).collect()
}

fn values(record: &Record) -> Vec<String> {
    let value = |result: &Value| {
        format!(
            "{} {} {}",
            result["effectiveDateTime"].as_str().unwrap(),
            result["valueQuantity"]["value"],
            result["status"]
        )
    };
    let mut values: Vec<String> = record.all("Observation").iter().map(value).collect();
    values.sort();
    values
}

#[test]
fn a_correction_of_the_second_result_corrects_the_second() {
    let mut record = Record::new();
    let lines = |sets: &[(&str, &str, &str)], record: &mut Record| {
        let segments = glucose(sets);
        record.take("ORU^R01", &segments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    lines(&[("20260101", "5.0", "F"), ("20260102", "6.0", "F"), ("20260103", "7.0", "F")], &mut record).unwrap();
    lines(&[("20260102", "6.6", "C")], &mut record).unwrap();
    assert_eq!(
        values(&record),
        ["2026-01-01 5.0 \"final\"", "2026-01-02 6.6 \"corrected\"", "2026-01-03 7.0 \"final\""]
    );
    let results = record.one("DiagnosticReport")["result"].as_array().unwrap().len();
    assert_eq!(results, 3, "a partial correction does not shorten the report");
}

#[test]
fn results_that_nothing_tells_apart_are_refused() {
    let mut record = Record::new();
    let segments = glucose(&[("20260101", "5.0", "F"), ("20260101", "6.0", "F")]);
    let refused = record.take("ORU^R01", &segments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_err();
    assert_eq!(refused.place.as_deref(), Some("OBX-4"));
    assert!(refused.reason.contains("number them in OBX-4") && !refused.reason.contains("5.0"), "{}", refused.reason);
}

#[test]
fn a_bare_allergy_line_keeps_what_was_known_of_it() {
    let mut record = Record::new();
    record.take("ADT^A08", &[PID, "AL1|1|DA|7980^Penicillin G^RXNORM|SV|Urticaria|20110301"]).unwrap();
    record.take("ADT^A08", &[PID, "AL1|1||7980^Penicillin G^RXNORM"]).unwrap();
    let allergy = record.one("AllergyIntolerance");
    assert_eq!(allergy["onsetDateTime"], "2011-03-01");
    assert_eq!(allergy["reaction"][0]["severity"], "severe");
    assert_eq!(allergy["category"], json!(["medication"]));
}
