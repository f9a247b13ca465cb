//! What messages do to what earlier ones made: merges, cancellations, replacements; in any order the record is the same.

use serde_json::{Value, json};
use watari::config::Country;
use watari::translate::{Setting, hl7v2};

use super::one_record::{OneRecord, only};

struct Record(OneRecord);

impl Record {
    fn new() -> Self {
        Self(OneRecord::new())
    }

    /// Takes in messages in this order, whenever they were written.
    fn of(messages: &[String]) -> Self {
        let mut record = Self::new();
        messages.iter().for_each(|message| record.take(message));
        record
    }

    fn take(&mut self, text: &str) {
        self.0.enter(hl7v2::translate(&self.0.mappings, &setting(), text.as_bytes()).unwrap());
    }

    fn patient(&self, number: &str) -> Value {
        self.0.patient(&system(), number)
    }

    /// What stands under a patient, by type.
    fn under(&self, number: &str, kind: &str) -> Vec<Value> {
        self.0.under(&system(), number, kind)
    }

    fn one(&self, number: &str, kind: &str) -> Value {
        only(self.under(number, kind))
    }

    /// The whole record of these patients without versions and times of storage.
    fn state(&self, numbers: &[&str]) -> Vec<Value> {
        let mut all = Vec::new();
        for number in numbers {
            let id = self.patient(number)["id"].as_str().unwrap().to_owned();
            for stored in self.0.store.view(|view| view.compartment(&id)).unwrap() {
                let mut resource: Value = serde_json::from_str(&stored.json).unwrap();
                let meta = resource["meta"].as_object_mut().unwrap();
                meta.remove("versionId");
                meta.remove("lastUpdated");
                all.push(resource);
            }
        }
        all.sort_by_key(|resource| format!("{} {}", resource["resourceType"], resource["id"]));
        all
    }
}

fn system() -> String {
    format!("{}/identifier/YYZ", setting().namespace)
}

fn setting() -> Setting {
    Setting::anonymous(Country::Ca)
}

/// A message of a day of January 2026.
fn message(day: u32, kind: &str, segments: &[&str]) -> String {
    let trigger = kind.split('^').nth(1).unwrap();
    let head = format!(
        "MSH|^~\\&|ADT|YYZ|||202601{day:02}0900||{kind}|{trigger}{day}|P|2.5\rEVN|{trigger}|202601{day:02}0900"
    );
    format!("{head}\r{}\r", segments.join("\r"))
}

/// A segment by the numbers of its fields.
fn segment(name: &str, fields: &[(usize, &str)]) -> String {
    let last = fields.iter().map(|(number, _)| *number).max().unwrap_or(0);
    let text = |number: usize| fields.iter().find(|(at, _)| *at == number).map_or("", |(_, text)| text);
    let texts: Vec<&str> = (1..=last).map(text).collect();
    format!("{name}|{}", texts.join("|"))
}

fn admitted() -> String {
    visit(&[(3, "4N^1^A"), (10, "CAR"), (44, "20260101")])
}

/// The visit V1, and what else is said of it.
fn visit(more: &[(usize, &str)]) -> String {
    segment("PV1", &[&[(1, "1"), (2, "I"), (19, "V1")], more].concat())
}

/// All orders of a few messages.
fn orders(messages: &[String]) -> Vec<Vec<String>> {
    match messages {
        [] => vec![Vec::new()],
        _ => (0..messages.len())
            .flat_map(|first| {
                let mut rest = messages.to_vec();
                let one = rest.remove(first);
                orders(&rest).into_iter().map(move |mut order| {
                    order.insert(0, one.clone());
                    order
                })
            })
            .collect(),
    }
}

const LUC: &str = "PID|1||7^^^YYZ^MR||Roy^Luc||19700101|M|||1 Main St^^Toronto^ON||5550100|5550199";
const TWIN: &str = "PID|1||8^^^YYZ^MR||Roy^Luc||19700101|M";
const GLUCOSE: &str = "OBX|1|NM|14749-6^Glucose^LN||5.0|mmol/L|||||F|||20260102";

#[test]
fn a_merge_brings_everything_to_the_record_that_goes_on() {
    let before = [
        message(1, "ADT^A01", &[TWIN, &admitted(), "AL1|1|DA|7980^Penicillin G^RXNORM|SV|Urticaria"]),
        message(2, "ORU^R01", &[TWIN, "OBR|1|P|F|24323-8^Panel^LN", GLUCOSE]),
        message(3, "ADT^A28", &[LUC]),
    ];
    for trigger in ["A34", "A40"] {
        let mut record = Record::of(&before);
        assert_eq!(record.under("7", "Observation").len(), 0);
        let merge = message(4, &format!("ADT^{trigger}"), &[LUC, "MRG|8^^^YYZ^MR"]);
        record.take(&merge);
        let (goes_on, ended) = (record.patient("7"), record.patient("8"));
        assert_eq!(ended["active"], false);
        assert_eq!(ended["link"][0]["type"], "replaced-by");
        assert_eq!(ended["link"][0]["other"]["reference"], format!("Patient/{}", goes_on["id"].as_str().unwrap()));
        assert_eq!(ended["name"][0]["family"], "Roy", "what was known of it stays");
        assert_eq!(goes_on["link"][0]["type"], "replaces");
        assert_ne!(goes_on["active"], false);
        for kind in ["Encounter", "Observation", "DiagnosticReport", "AllergyIntolerance"] {
            assert_eq!(record.under("7", kind).len(), 1, "{kind}");
            assert_eq!(record.under("8", kind).len(), 0, "{kind}");
        }
        let moved = record.one("7", "Observation");
        let id = moved["id"].as_str().unwrap();
        let first = record.0.store.view(|view| view.resource_version("Observation", id, 1)).unwrap().unwrap();
        assert!(first.json.contains(ended["id"].as_str().unwrap()), "the history says where it was");

        // Later messages under the old number, and the merge once more.
        let state = record.state(&["7", "8"]);
        record.take(&merge);
        assert_eq!(record.state(&["7", "8"]), state, "again");
        record.take(&message(5, "ORU^R01", &[TWIN, "OBR|1|P|F2|24323-8^Panel^LN", GLUCOSE]));
        assert_eq!((record.under("7", "Observation").len(), record.under("8", "Observation").len()), (2, 0));
    }
}

#[test]
fn merges_and_registrations_come_to_the_same_in_any_order() {
    let messages = [
        message(1, "ADT^A28", &[TWIN]),
        message(2, "ADT^A28", &[LUC]),
        message(3, "ORU^R01", &[TWIN, "OBR|1|P|F|24323-8^Panel^LN", GLUCOSE]),
        message(4, "ADT^A40", &["PID|1||7^^^YYZ^MR||Roy^Luc", "MRG|8^^^YYZ^MR"]),
    ];
    let expected = Record::of(&messages).state(&["7", "8"]);
    for order in orders(&messages) {
        assert_eq!(Record::of(&order).state(&["7", "8"]), expected);
    }
}

#[test]
fn a_visit_comes_to_the_same_in_any_order() {
    let gone = visit(&[(45, "20260104")]);
    let messages = [
        message(1, "ADT^A01", &[LUC, &admitted()]),
        message(2, "ADT^A02", &["PID|1||7^^^YYZ^MR||Roy^Luc", &visit(&[(3, "5S^2^B")])]),
        message(4, "ADT^A03", &["PID|1||7^^^YYZ^MR||Roy^Luc", &gone]),
        message(5, "ADT^A08", &["PID|1||7^^^YYZ^MR||Roy^Luc|||F|||\"\"||\"\"", &visit(&[])]),
    ];
    let record = Record::of(&messages);
    let (patient, visit) = (record.patient("7"), record.one("7", "Encounter"));
    assert_eq!(visit["status"], "finished");
    assert_eq!(visit["period"]["end"], "2026-01-04");
    assert_eq!(visit["location"][0]["location"]["display"], "5S 2 B");
    assert_eq!((patient.get("address"), patient["gender"].as_str()), (None, Some("female")));
    assert_eq!(patient["telecom"], json!([{"system": "phone", "value": "5550199", "use": "work"}]));
    let expected = record.state(&["7"]);
    for order in orders(&messages) {
        assert_eq!(Record::of(&order).state(&["7"]), expected);
    }
}

#[test]
fn results_come_to_the_same_in_any_order() {
    let result =
        |value: &str, status: &str| format!("OBX|1|NM|14749-6^Glucose^LN||{value}|mmol/L|||||{status}|||20260102");
    let oru = |day: u32, value: &str, status: &str| {
        message(day, "ORU^R01", &[LUC, "OBR|1|P|F|24323-8^Panel^LN", &result(value, status)])
    };
    // The same value again after a correction that was itself corrected.
    let messages = [oru(3, "5.0", "F"), oru(4, "6.0", "C"), oru(5, "5.0", "F")];
    let expected = Record::of(&messages).state(&["7"]);
    let value = Record::of(&messages).one("7", "Observation")["valueQuantity"]["value"].to_string();
    assert_eq!(value, "5.0");
    for order in orders(&messages) {
        assert_eq!(Record::of(&order).state(&["7"]), expected);
    }
}

#[test]
fn cancellations_change_the_visit_and_keep_its_history() {
    let status = |record: &Record| record.one("7", "Encounter")["status"].as_str().unwrap().to_owned();
    let gone = visit(&[(36, "01"), (45, "20260104")]);
    let mut record = Record::of(&[message(1, "ADT^A01", &[LUC, &admitted()]), message(4, "ADT^A03", &[LUC, &gone])]);
    assert_eq!(status(&record), "finished");
    record.take(&message(5, "ADT^A13", &[LUC, &visit(&[])]));
    assert_eq!(status(&record), "in-progress");
    assert_eq!(record.one("7", "Encounter")["period"].get("end"), None);
    record.take(&message(6, "ADT^A21", &[LUC, &visit(&[])]));
    assert_eq!(status(&record), "onleave");
    record.take(&message(7, "ADT^A22", &[LUC, &visit(&[])]));
    record.take(&message(8, "ADT^A11", &[LUC, &visit(&[])]));
    assert_eq!(status(&record), "cancelled");
    let id = record.one("7", "Encounter")["id"].as_str().unwrap().to_owned();
    let first = record.0.store.view(|view| view.resource_version("Encounter", &id, 1)).unwrap().unwrap();
    assert!(first.json.contains("in-progress"));
    record.take(&message(9, "ADT^A14", &[LUC, "PV1|1|I|||||||||||||||||V2"]));
    record.take(&message(10, "ADT^A27", &[LUC, "PV1|1|I|||||||||||||||||V2"]));
    let mut statuses: Vec<String> =
        record.under("7", "Encounter").iter().map(|visit| visit["status"].to_string()).collect();
    statuses.sort();
    assert_eq!(statuses, ["\"cancelled\"", "\"cancelled\""]);
    record.take(&message(11, "ADT^A23", &[LUC, &visit(&[])]));
    record.take(&message(12, "ADT^A29", &[LUC]));
    assert_eq!(record.patient("7")["active"], false, "deleted is inactive: nothing is taken out");
    assert_eq!(record.under("7", "Encounter").len(), 2);
}

#[test]
fn documents_are_added_to_replaced_and_cancelled() {
    let mdm = |day: u32, trigger: &str, number: &str, parent: &str, text: &str| {
        let at = format!("202601{day:02}0800");
        let document = segment(
            "TXA",
            &[
                (1, "1"),
                (2, "CN"),
                (3, "TX"),
                (4, &at),
                (6, &at),
                (9, "9^Ito^Ken"),
                (12, number),
                (13, parent),
                (17, "AU"),
                (19, "AV"),
            ],
        );
        message(
            day,
            &format!("MDM^{trigger}"),
            &[
                LUC,
                &admitted(),
                &document,
                &format!("OBX|1|TX|1^Text||{text}||||||F"),
                "OBX|2|TX|1^Text||second line||||||F",
            ],
        )
    };
    let messages = [
        mdm(1, "T02", "D1", "", "first"),
        mdm(2, "T06", "D2", "D1", "more"),
        mdm(3, "T10", "D3", "D1", "better"),
        mdm(4, "T08", "D2", "", "more, edited"),
    ];
    let mut record = Record::of(&messages);
    let content = |value: &Value| value["content"][0]["attachment"]["data"].as_str().unwrap().to_owned();
    let (first, more, better) =
        (document_numbered(&record, "D1"), document_numbered(&record, "D2"), document_numbered(&record, "D3"));
    assert_eq!((first["status"].as_str(), better["status"].as_str()), (Some("superseded"), Some("current")));
    assert_eq!(content(&first), "Zmlyc3QKc2Vjb25kIGxpbmU=", "the old words stay");
    assert_eq!(content(&more), "bW9yZSwgZWRpdGVkCnNlY29uZCBsaW5l");
    assert_eq!((more["docStatus"].as_str(), more["relatesTo"][0]["code"].as_str()), (Some("final"), Some("appends")));
    assert_eq!(better["relatesTo"][0]["code"], "replaces");
    assert_eq!(better["relatesTo"][0]["target"]["identifier"]["value"], "D1");
    let expected = record.state(&["7"]);
    for order in orders(&messages) {
        assert_eq!(Record::of(&order).state(&["7"]), expected);
    }
    record.take(&message(5, "MDM^T11", &[LUC, &segment("TXA", &[(1, "1"), (2, "CN"), (12, "D3")])]));
    assert_eq!(document_numbered(&record, "D3")["status"], "entered-in-error");
    assert_eq!(content(&document_numbered(&record, "D3")), content(&better));
}

fn document_numbered(record: &Record, number: &str) -> Value {
    let all = record.under("7", "DocumentReference");
    let named = |document: &&Value| document["masterIdentifier"]["value"] == number;
    all.iter().find(named).cloned().unwrap_or_else(|| panic!("no document {number}"))
}

#[test]
fn appointments_are_moved_and_called_off() {
    let siu = |day: u32, trigger: &str, start: &str| {
        let resources = format!("AIP|1||9^Ito^Ken|D^Doctor||{start}|||30|min||Booked");
        let schedule = segment(
            "SCH",
            &[
                (1, "P1"),
                (2, "F1"),
                (7, "CHECKUP"),
                (9, "30"),
                (10, "min"),
                (16, "9^Ito^Ken"),
                (20, "9^Ito^Ken"),
                (25, "Booked"),
            ],
        );
        message(
            day,
            &format!("SIU^{trigger}"),
            &[&schedule, LUC, "RGS|1", &format!("AIS|1||1^Visit^L|{start}|||30|min||Booked"), &resources],
        )
    };
    let messages = [
        siu(1, "S12", "20260210090000-0500"),
        siu(2, "S13", "20260211100000-0500"),
        siu(3, "S15", "20260211100000-0500"),
    ];
    let mut record = Record::of(&messages[..1]);
    let booked = record.one("7", "Appointment");
    assert_eq!((booked["status"].as_str(), booked["minutesDuration"].as_i64()), (Some("booked"), Some(30)));
    assert_eq!(booked["end"], "2026-02-10T09:30:00-05:00");
    record.take(&messages[1]);
    let moved = record.one("7", "Appointment");
    assert_eq!(moved["start"], "2026-02-11T10:00:00-05:00");
    assert_eq!(moved["id"], booked["id"]);
    record.take(&messages[2]);
    assert_eq!(record.one("7", "Appointment")["status"], "cancelled");
    let expected = record.state(&["7"]);
    for order in orders(&messages) {
        assert_eq!(Record::of(&order).state(&["7"]), expected);
    }
    let noshow = Record::of(&[messages[0].clone(), siu(12, "S26", "20260210090000-0500")]);
    assert_eq!(noshow.one("7", "Appointment")["status"], "noshow");
    let deleted = Record::of(&[messages[0].clone(), siu(12, "S17", "20260210090000-0500")]);
    assert_eq!(deleted.one("7", "Appointment")["status"], "entered-in-error");
}

#[test]
fn a_diagnosis_is_told_by_its_code_and_an_allergy_grows() {
    let first = message(1, "ADT^A08", &[LUC, "DG1|1||I10^Hypertension^I10||20260101|W"]);
    let record = Record::of(&[first, message(2, "ADT^A08", &[LUC, "DG1|1||I10^Hypertension^I10||20260105|F"])]);
    assert_eq!(record.one("7", "Condition")["verificationStatus"]["coding"][0]["code"], "confirmed");
    let full = message(1, "ADT^A60", &[LUC, "IAM|1|DA|7980^Penicillin G^RXNORM|SV|Urticaria|A"]);
    let bare = message(2, "ADT^A60", &[LUC, "IAM|1||7980^Penicillin G^RXNORM|||A"]);
    let record = Record::of(&[full, bare]);
    let allergy = record.one("7", "AllergyIntolerance");
    assert_eq!(allergy["reaction"][0]["severity"], "severe");
    assert_eq!(allergy["category"], json!(["medication"]));
}
