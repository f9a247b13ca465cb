//! Who takes part in orders and results, where and with what; the organizations and charges that messages tell of.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use watari::config::Country;
use watari::translate::{Mappings, Setting, hl7v2};

/// The entries of the bundle that a message becomes.
struct Bundle(Vec<Value>);

impl Bundle {
    fn of(kind: &str, segments: &[&str]) -> Self {
        let text = format!(
            "MSH|^~\\&|A|TGH|||20260303||{kind}|1|P|2.8\rPID|1||31^^^TGH^MR||Haddad^Rim\r{}\r",
            segments.join("\r")
        );
        let setting = Setting::anonymous(Country::Ca);
        let translated = hl7v2::translate(&Mappings::builtin().unwrap(), &setting, text.as_bytes()).unwrap();
        Self(Value::from(&translated.bundle)["entry"].as_array().unwrap().clone())
    }

    /// The resource of a type that a test holds for, and its address.
    fn find(&self, kind: &str, is_meant: impl Fn(&Value) -> bool) -> (Value, Value) {
        let of_kind = self.0.iter().filter(|entry| entry["resource"]["resourceType"] == kind);
        let found: Vec<_> = of_kind.filter(|entry| is_meant(&entry["resource"])).collect();
        assert_eq!(found.len(), 1, "{kind}: {found:?}");
        (found[0]["resource"].clone(), found[0]["fullUrl"].clone())
    }

    fn coded(&self, kind: &str, pointer: &str, code: &str) -> (Value, Value) {
        self.find(kind, |one| one.pointer(pointer).is_some_and(|found| found == code))
    }
}

const ORDER: [&str; 2] =
    ["ORC|RE|P8^OE|F8^LAB||CM", "OBR|1|P8^OE|F8^LAB|24323-8^Panel^LN|||20260302||||||||||||||||||F"];

/// Who took part in one result took no part in its neighbour, nor did who took part in the order.
#[test]
fn a_participant_performs_the_result_that_names_them() {
    let bundle = Bundle::of(
        "ORU^R01",
        &[
            ORDER[0],
            ORDER[1],
            "PRT||AD||OP^Ordering Provider^HL70912|77^Ito^Aya",
            "OBX|1|NM|14749-6^Glucose^LN||5.1|mmol/L|||||F|||20260302",
            "PRT||AD||PO^Performer^HL70912|||||LAB2^^^TGH|SC-9^LAB",
            "OBX|2|NM|2093-3^Cholesterol^LN||4.9|mmol/L|||||F|||20260302",
        ],
    );
    let code = "/code/coding/0/code";
    let (glucose, _) = bundle.coded("Observation", code, "14749-6");
    let (cholesterol, _) = bundle.coded("Observation", code, "2093-3");
    let (performer, performer_url) = bundle.coded("PractitionerRole", "/code/0/coding/0/code", "PO");
    let (_, orderer_url) = bundle.coded("PractitionerRole", "/code/0/coding/0/code", "OP");
    let (_, analyser_url) = bundle.coded("Device", "/identifier/1/value", "SC-9");
    assert_eq!(glucose["performer"], json!([{ "reference": performer_url }]));
    assert_eq!(glucose["device"]["reference"], analyser_url);
    assert!(performer["practitioner"].is_null() && performer["location"][0]["reference"].is_string());
    assert!(cholesterol["performer"].is_null() && cholesterol["device"].is_null());
    let (order, _) = bundle.find("ServiceRequest", |_| true);
    assert_eq!(order["supportingInfo"], json!([{ "reference": orderer_url }]));
}

/// OBR-32 and OBR-34: a person, a place, a time. Of one of whom only the name is known, and nothing else, there is no role.
#[test]
fn who_read_a_result_where_is_a_role_with_its_place() {
    let order = "OBR|1|P8^OE|F8^LAB|24323-8^Panel^LN|||20260302||||||||||||||||||F\
                 |||||||641&Roy&Ana^^^R2^12^^TGH|&Moss&Lee|77&Lund&Per^20260302^20260303";
    let bundle = Bundle::of("ORU^R01", &[ORDER[0], order]);
    let (report, _) = bundle.find("DiagnosticReport", |_| true);
    let (technician, technician_url) = bundle.coded("PractitionerRole", "/code/0/coding/0/code", "TN");
    let (reader, reader_url) = bundle.find("PractitionerRole", |role| role["location"].is_array());
    let readers = json!([{ "display": "Ana Roy", "reference": reader_url }, { "display": "Lee Moss" }]);
    assert_eq!(report["resultsInterpreter"], readers);
    assert_eq!(report["performer"][0]["reference"], technician_url);
    assert_eq!(technician["period"], json!({ "start": "2026-03-02", "end": "2026-03-03" }));
    let (room, room_url) = bundle.find("Location", |place| place["name"] == "12");
    assert_eq!(reader["location"][0]["reference"], room_url);
    assert_eq!(room["physicalType"]["coding"][0]["code"], "ro");
}

/// A laboratory told once with its address and once without is one organization, whichever comes first.
#[test]
fn an_organization_with_and_without_an_address_is_one() {
    let plain = "OBX|1|NM|14749-6^Glucose^LN||5.1|mmol/L|||||F|||20260302|||||||||River Laboratory";
    let full =
        "OBX|2|NM|2093-3^Cholesterol^LN||4.9|mmol/L|||||F|||20260302|||||||||River Laboratory|12 Dock St^^Guelph";
    for results in [[plain, full], [full, plain]] {
        let bundle = Bundle::of("ORU^R01", &[ORDER[0], ORDER[1], results[0], results[1]]);
        let (laboratory, url) = bundle.find("Organization", |one| one["name"] == "River Laboratory");
        assert_eq!(laboratory["address"], json!([{ "line": ["12 Dock St"], "city": "Guelph" }]));
        for code in ["14749-6", "2093-3"] {
            let (result, _) = bundle.coded("Observation", "/code/coding/0/code", code);
            assert_eq!(result["performer"][0]["reference"], url);
        }
    }
}

/// A charge is what was done and what it costs, digit by digit; a payment is none.
#[test]
fn a_charge_becomes_an_item_and_a_payment_does_not() {
    let bundle = Bundle::of(
        "DFT^P03",
        &[
            "FT1|1|T-1||20260301|20260302|CG|CT1^CT of the chest^L|||2|100.50&CAD",
            "FT1|2|T-2||20260301|20260302|PY|PAY^Payment^L|||1|100.50&CAD",
        ],
    );
    let (charge, _) = bundle.find("ChargeItem", |_| true);
    assert_eq!(charge["priceOverride"].to_string(), r#"{"value":100.50,"currency":"CAD"}"#);
    assert_eq!((&charge["status"], &charge["quantity"]["value"]), (&json!("unknown"), &json!(2)));
}

/// BAR^P02 tells of several people; what is the one's is not the other's.
#[test]
fn people_of_one_message_keep_their_own_accounts_and_visits() {
    let bundle = Bundle::of(
        "BAR^P02",
        &[
            "PV1|1|O|CLIN2^^^TGH|||||||||||||VIP|||V-300^^^TGH^VN",
            "PID|2||32^^^TGH^MR||Roy^Luc|||||||||||||AC-2^^^TGH^AN",
            "PV1|1|O|CLIN3^^^TGH||||||||||||||||V-301^^^TGH^VN",
        ],
    );
    let named = |name: &'static str| bundle.find("Patient", move |one| one["name"][0]["family"] == name);
    let ((first, _), (second, second_url)) = (named("Haddad"), named("Roy"));
    assert!(first.to_string().contains("patient-importance") && !second.to_string().contains("patient-importance"));
    let (account, _) = bundle.find("Account", |_| true);
    assert_eq!(account["subject"], json!([{ "reference": second_url }]));
    let (visit, _) = bundle.coded("Encounter", "/identifier/1/value", "V-301");
    assert_eq!(visit["subject"]["reference"], second_url);
}
