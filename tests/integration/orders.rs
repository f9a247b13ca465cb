//! An order and what follows it: its result, its change, its cancellation, and the same again in another order.

use serde_json::{Value, json};
use watari::config::Country;
use watari::translate::{Refused, RefusedCode, Setting, hl7v2};

use super::one_record::{OneRecord, only};

struct Record(OneRecord);

/// A message of the day: its type, and the segments behind PID.
struct Message<'a>(u8, &'a str, &'a [&'a str]);

impl Record {
    fn new() -> Self {
        Self(OneRecord::new())
    }

    fn take(&mut self, Message(day, kind, segments): &Message<'_>) -> Result<(), Refused> {
        let text = format!(
            "MSH|^~\\&|A|TGH|||202603{day:02}||{kind}|{day}|P|2.5\rPID|1||31^^^TGH^MR||Haddad^Rim\r{}\r",
            segments.join("\r")
        );
        self.0.enter(hl7v2::translate(&self.0.mappings, &Setting::anonymous(Country::Ca), text.as_bytes())?);
        Ok(())
    }

    fn all(&self, kind: &str) -> Vec<Value> {
        self.0.under(&format!("{}/identifier/TGH", Setting::anonymous(Country::Ca).namespace), "31", kind)
    }

    fn one(&self, kind: &str) -> Value {
        only(self.all(kind))
    }
}

const ORDER: &[&str] =
    &["ORC|NW|P55^OE|||IP||||20260301|||9^Okafor^Ada", "TQ1|1||||||20260302", "OBR|1|P55^OE||24323-8^Panel^LN"];
const RESULT: &[&str] = &[
    "ORC|RE|P55^OE|F55^LAB||CM",
    "OBR|1|P55^OE|F55^LAB|24323-8^Panel^LN|||20260302||||||||||||||||||F",
    "OBX|1|NM|14749-6^Glucose^LN||5.1|mmol/L|||||F|||20260302",
];

#[test]
fn a_result_completes_its_order_and_keeps_what_the_order_said() {
    let mut record = Record::new();
    record.take(&Message(1, "OML^O21", ORDER)).unwrap();
    let ordered = record.one("ServiceRequest");
    assert_eq!((&ordered["status"], &ordered["authoredOn"]), (&json!("active"), &json!("2026-03-01")));
    record.take(&Message(3, "ORU^R01", RESULT)).unwrap();
    let done = record.one("ServiceRequest");
    assert_eq!(done["status"], "completed");
    for element in ["authoredOn", "requester", "occurrenceDateTime"] {
        assert_eq!(done[element], ordered[element], "{element}");
        assert!(!ordered[element].is_null(), "{element}");
    }
    let reference = json!(format!("ServiceRequest/{}", done["id"].as_str().unwrap()));
    assert_eq!(record.one("DiagnosticReport")["basedOn"][0]["reference"], reference);
    assert_eq!(record.one("Observation")["basedOn"][0]["reference"], reference);
}

#[test]
fn the_later_word_on_an_order_counts_in_any_order_of_arrival() {
    let cancelled: Vec<String> =
        ORDER.iter().map(|segment| segment.replace("ORC|NW", "ORC|CA").replace("|IP|", "||")).collect();
    let cancelled: Vec<&str> = cancelled.iter().map(String::as_str).collect();
    let messages = [Message(1, "OML^O21", ORDER), Message(2, "OML^O21", &cancelled)];
    for sequence in [[0, 1, 0], [1, 0, 1]] {
        let mut record = Record::new();
        for at in sequence {
            record.take(&messages[at]).unwrap();
        }
        assert_eq!(record.one("ServiceRequest")["status"], "revoked", "{sequence:?}");
    }
}

#[test]
fn results_without_a_sub_id_are_told_apart_or_joined_or_refused() {
    let order = "OBR|1|P1|F1|600-7^Culture^LN|||20260301";
    let taken = |results: &[&str]| {
        let mut record = Record::new();
        let segments: Vec<&str> = [order].into_iter().chain(results.iter().copied()).collect();
        record.take(&Message(1, "ORU^R01", &segments)).map(|()| record.all("Observation"))
    };
    let by_method = taken(&[
        "OBX|1|NM|2345-7^Glucose^LN||5.0|mmol/L|||||F||||||A^strip",
        "OBX|2|NM|2345-7^Glucose^LN||5.4|mmol/L|||||F||||||B^analyser",
    ]);
    assert_eq!(by_method.unwrap().len(), 2);
    let several = taken(&[
        "OBX|1|CWE|600-7^Organism^LN||112283007^E. coli^SCT||||||F",
        "OBX|2|CWE|600-7^Organism^LN||40886007^K. oxytoca^SCT||||||F",
    ])
    .unwrap();
    assert_eq!(several.len(), 1);
    assert_eq!(several[0]["component"].as_array().map(Vec::len), Some(2));
    let unclear =
        taken(&["OBX|1|NM|2345-7^Glucose^LN||5.0|mmol/L|||||F", "OBX|2|NM|2345-7^Glucose^LN||5.4|mmol/L|||||F"]);
    assert_eq!(unclear.unwrap_err().code, RefusedCode::Invalid);
}

#[test]
fn the_same_medicine_twice_in_an_order_is_told_by_its_times() {
    let line = |time: &str, dose: u8| {
        [
            "ORC|NW|RX9|||||||20260301".to_owned(),
            format!("RXE||02248973^Metformin^DIN|{dose}||TAB"),
            format!("TQ1|1||{time}|||||"),
        ]
    };
    let taken = |lines: &[[String; 3]], day: u8, record: &mut Record| {
        let segments: Vec<&str> = lines.iter().flatten().map(String::as_str).collect();
        record.take(&Message(day, "RDE^O11", &segments)).unwrap();
    };
    let mut record = Record::new();
    taken(&[line("QAM", 1), line("QPM", 2)], 1, &mut record);
    let first = record.all("MedicationRequest");
    assert_eq!(first.len(), 2);
    // The lines in another order are the same lines.
    taken(&[line("QPM", 2), line("QAM", 1)], 2, &mut record);
    let second = record.all("MedicationRequest");
    let doses = |requests: &[Value]| {
        let dose = |request: &Value| {
            let dosage = &request["dosageInstruction"][0];
            (request["id"].clone(), dosage["doseAndRate"][0]["doseQuantity"]["value"].clone())
        };
        requests.iter().map(dose).collect::<Vec<_>>()
    };
    assert_eq!(doses(&first), doses(&second));
}

#[test]
fn a_susceptibility_is_about_the_organism_it_names() {
    let mut record = Record::new();
    let segments = [
        "OBR|1|P7|F7|630-4^Culture^LN|||20260301||||||||||||||||||F",
        "OBX|1|CWE|630-4^Organism^LN|1|112283007^E. coli^SCT||||||F",
        "OBX|2|CWE|630-4^Organism^LN|2|40886007^K. oxytoca^SCT||||||F",
        "OBR|2|P8|F8|50545-3^Susceptibility^LN|||20260301||||||||||||||||||F|630-4&Organism&LN^2|||P7^F7",
        "OBX|1|ST|18864-9^Ampicillin^LN||R||||||F",
    ];
    record.take(&Message(2, "ORU^R01", &segments)).unwrap();
    let results = record.all("Observation");
    let with = |pointer: &str, text: &str| {
        let found = results.iter().find(|result| result.pointer(pointer) == Some(&json!(text)));
        found.cloned().unwrap()
    };
    let organism = with("/valueCodeableConcept/coding/0/code", "40886007");
    let drug = with("/code/coding/0/code", "18864-9");
    let about = format!("Observation/{}", organism["id"].as_str().unwrap());
    assert_eq!(drug["derivedFrom"], json!([{"reference": about}]));
}
