//! HL7 v2 as this node writes it is read back, by this node, to the same.

use proptest::prelude::*;
use serde_json::{Value, json};
use watari::config::Country;
use watari::fhir::bundle;
use watari::translate::hl7v2::write::{
    Cover, Document, Letter, Written, document_message, referral_message, results_message,
};
use watari::translate::hl7v2::{self, Charset};
use watari::translate::{Mappings, Setting};

const NAMESPACE: &str = "https://kyoto.example/fhir";

fn setting(country: Country) -> Setting {
    Setting { namespace: NAMESPACE.to_owned(), ..Setting::anonymous(country) }
}

fn cover(country: Country, charset: Charset) -> Cover {
    let setting = setting(country);
    Cover {
        sending_facility: "kyoto".to_owned(),
        receiving_application: "HIS".to_owned(),
        receiving_facility: "H".to_owned(),
        control_id: "c0ffee".to_owned(),
        at: "2026-11-24T03:04:05Z".parse().unwrap(),
        zone: setting.zone.clone(),
        country,
        charset,
        namespace: NAMESPACE.to_owned(),
        patient_system: setting.patient_system(),
    }
}

fn representation(code: &str) -> Value {
    json!([{"url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation", "valueCode": code}])
}

fn hanako(cover: &Cover) -> Value {
    json!({
        "resourceType": "Patient", "id": "p",
        "identifier": [
            {"system": "urn:oid:1.2.3.4", "value": "FOREIGN-1"},
            {"system": cover.patient_system, "value": "0012345"}
        ],
        "name": [
            {"use": "official", "extension": representation("IDE"), "text": "渡邉 花子", "family": "渡邉", "given": ["花子"]},
            {"use": "official", "extension": representation("SYL"), "text": "ワタナベ ハナコ", "family": "ワタナベ", "given": ["ハナコ"]},
            {"use": "official", "extension": representation("ABC"), "text": "Watanabe Hanako", "family": "Watanabe", "given": ["Hanako"]}
        ],
        "gender": "female", "birthDate": "1960-01-31",
        "address": [{"use": "home", "text": "京都府京都市左京区１－２", "postalCode": "606-8507", "country": "JPN"}],
        "telecom": [{"system": "phone", "use": "home", "value": "075-000-0000"}]
    })
}

fn observation(code: &str, value: (&str, Value)) -> Value {
    let mut one = json!({
        "resourceType": "Observation", "id": code, "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": "d & x"}]},
        "effectiveDateTime": "2026-11-05T09:00:00-05:00"
    });
    one[value.0] = value.1;
    one
}

fn read_back(written: &Written, country: Country) -> Value {
    let setting = Setting { charset_binds: true, ..setting(country) };
    hl7v2::translate(&Mappings::builtin().unwrap(), &setting, &written.bytes).unwrap().bundle.into()
}

fn digits(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn results_come_back_with_their_digits_names_and_numbers() {
    let cover = cover(Country::Jp, Charset::Iso2022Jp);
    let patient = hanako(&cover);
    let glucose = observation(
        "2345-7",
        (
            "valueQuantity",
            json!({"value": digits("1.50"), "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"}),
        ),
    );
    let crp = observation(
        "1988-5",
        (
            "valueQuantity",
            json!({"value": digits("0.30"), "comparator": "<", "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}),
        ),
    );
    let words = observation("8251-1", ("valueString", json!("安定 | 経過^観察 & \\ ~ 要")));
    let author = json!({"resourceType": "Organization", "name": "Bay View", "identifier": [{"value": "bayview"}]});
    let written = results_message(&cover, "r-1", &patient, &author, &[&glucose, &crp, &words]).unwrap();
    assert_eq!((written.kind, written.replaced), ("ORU^R01", 0));
    let back = read_back(&written, Country::Jp);

    let found = bundle::first(&back, "Patient").unwrap();
    assert_eq!(found["name"], patient["name"]);
    assert_eq!(found["birthDate"], patient["birthDate"]);
    assert_eq!(found["gender"], "female");
    let address = &found["address"][0];
    assert_eq!((&address["text"], &address["postalCode"]), (&patient["address"][0]["text"], &json!("606-8507")));
    assert_eq!(found["telecom"][0]["value"], "075-000-0000");
    // Our own number first, and the other hospital's stays its own.
    assert_eq!(found["identifier"][0], patient["identifier"][1]);
    assert_eq!(found["identifier"][1], patient["identifier"][0]);

    let of = |code: &str| {
        bundle::resources(&back)
            .find(|one| one.pointer("/code/coding/0/code") == Some(&json!(code)))
            .unwrap_or_else(|| panic!("{code} in {back}"))
    };
    assert_eq!(of("2345-7")["valueQuantity"]["value"], digits("1.50"));
    assert_eq!(of("2345-7")["valueQuantity"]["code"], "mmol/L");
    assert_eq!(of("2345-7")["code"]["coding"][0], glucose["code"]["coding"][0]);
    assert_eq!(of("1988-5")["valueQuantity"]["comparator"], "<");
    assert_eq!(of("1988-5")["valueQuantity"]["value"], digits("0.30"));
    assert_eq!(of("8251-1")["valueString"], words["valueString"]);
    assert_eq!(of("8251-1")["status"], "final");
}

/// `tests/fixtures/hl7v2_out/CASE.hl7` is what the package of the referral case of the same name becomes.
fn referral_case(case: &str, cover: &Cover) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let text = std::fs::read_to_string(root.join("referral").join(case).join("expected.json")).unwrap();
    let package: Value = serde_json::from_str(&text).unwrap();
    let document = bundle::first(&package, "Bundle").unwrap();
    let organizations: Vec<&Value> =
        bundle::resources(&package).filter(|one| one["resourceType"] == "Organization").collect();
    let request = bundle::first(&package, "ServiceRequest").unwrap();
    let clinical: Vec<&Value> = bundle::resources(document).collect();
    let letter = Letter {
        referral: "5b0c2d5e-8a52-4a0c-9a53-0d7a4bb7a001",
        status: "received",
        request,
        patient: bundle::first(&package, "Patient").unwrap(),
        referring: organizations[0],
        referred_to: organizations[1],
        clinical: &clinical,
        notes: &["Since 2019.\nSee enclosure.".to_owned()],
    };
    let written = referral_message(cover, &letter);
    let found = String::from_utf8(written.bytes).unwrap().replace('\r', "\n");
    let path = root.join("hl7v2_out").join(format!("{case}.hl7"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(path).unwrap(), "UPDATE_FIXTURES=1 writes it");
}

#[test]
fn a_package_becomes_the_expected_referral_message() {
    referral_case("toronto-to-tokyo", &cover(Country::Jp, Charset::Utf8));
    referral_case("tokyo-to-toronto", &cover(Country::Ca, Charset::Utf8));
}

#[test]
fn results_without_a_status_v2_knows_are_no_message() {
    let cover = cover(Country::Ca, Charset::Utf8);
    let mut odd = observation("2345-7", ("valueString", json!("x")));
    odd["status"] = json!("unknown");
    assert!(results_message(&cover, "r", &hanako(&cover), &Value::Null, &[&odd]).is_none());
}

#[test]
fn a_document_carries_its_pdf_and_its_text() {
    let cover = cover(Country::Ca, Charset::Utf8);
    let composition = json!({"resourceType": "Composition", "status": "final", "title": "Consult note", "date": "2026-11-24",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4", "display": "Consult note"}]}});
    let patient = hanako(&cover);
    let document = Document {
        id: "doc-1",
        referral: "r-1",
        patient: &patient,
        author: &json!({"name": "Bay View"}),
        composition: &composition,
        pdf: Some(b"%PDF-1.7 bytes"),
        plain: "line | one\nline two",
    };
    let text = String::from_utf8(document_message(&cover, &document).bytes).unwrap();
    assert!(text.contains("\rEVN|T02|20261123220405-0500\r"), "{text}");
    assert!(
        text.contains("\rTXA|1|11488-4|AP|20261124||20261124|||^Bay View|||doc-1||r-1||Consult note|AU||AV\r"),
        "{text}"
    );
    assert!(
        text.contains("\rOBX|1|ED|11488-4^Consult note^LN||^application^pdf^Base64^JVBERi0xLjcgYnl0ZXM=||||||F\r"),
        "{text}"
    );
    assert!(text.contains("\rOBX|2|TX|11488-4^Consult note^LN||line \\F\\ one\\.br\\line two||||||F\r"), "{text}");
    let without = Document { pdf: None, ..document };
    let text = String::from_utf8(document_message(&cover, &without).bytes).unwrap();
    assert!(text.contains("TXA|1|11488-4|TX|") && !text.contains("|ED|"), "{text}");
}

proptest! {
    /// Whatever stands in a name or a reason: the message stays one message of the same segments, and says the same.
    #[test]
    fn any_text_survives(family in "\\PC{1,20}", reason in "\\PC{0,60}") {
        let cover = cover(Country::Ca, Charset::Utf8);
        let patient = json!({"resourceType": "Patient", "identifier": [{"system": cover.patient_system, "value": "1"}],
            "name": [{"use": "official", "family": family, "given": ["G"]}]});
        let request = json!({"resourceType": "ServiceRequest", "reasonCode": [{"text": reason}]});
        let notes = vec![reason.clone()];
        let letter = Letter {
            referral: "r", status: "received", request: &request, patient: &patient,
            referring: &Value::Null, referred_to: &Value::Null, clinical: &[], notes: &notes,
        };
        let written = referral_message(&cover, &letter);
        prop_assert_eq!(written.replaced, 0);
        let text = String::from_utf8(written.bytes).unwrap();
        let names: Vec<&str> = text.split('\r').filter(|line| !line.is_empty()).map(|line| &line[..3]).collect();
        let mut expected = vec!["MSH", "RF1", "PRD", "PRD", "PID"];
        if !reason.trim().is_empty() {
            expected.push("NTE");
        }
        prop_assert_eq!(names, expected);
        let results = results_message(&cover, "r", &patient, &Value::Null, &[&observation("1-8", ("valueInteger", json!(1)))]).unwrap();
        let back = read_back(&results, Country::Ca);
        let found = bundle::first(&back, "Patient").unwrap();
        let wanted = family.trim();
        if wanted != "\"\"" && !wanted.is_empty() {
            prop_assert_eq!(found["name"][0]["family"].as_str().map(str::trim), Some(wanted));
        }
    }
}
