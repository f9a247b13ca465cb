//! Translation by cases: every folder under `tests/fixtures/translate` is an input and what must come of it.
//! `UPDATE_FIXTURES=1` writes the expected files; read the difference before committing it.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use watari::config::Country;
use watari::translate::csv::CsvMapping;
use watari::translate::losses::{Entry, Outcome};
use watari::translate::{Mappings, Refused, RefusedCode, Setting, Translated, csv, hl7v2, ssmix2};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/translate")
}

fn toronto() -> Setting {
    Setting {
        country: Country::Ca,
        zone: jiff::tz::TimeZone::get("America/Toronto").unwrap(),
        namespace: "https://toronto.example/fhir".to_owned(),
        institution: "toronto".to_owned(),
        institution_code: None,
        province: Some("ON".to_owned()),
        charset_binds: false,
        charset_unnamed: None,
    }
}

fn kyoto() -> Setting {
    Setting {
        country: Country::Jp,
        zone: jiff::tz::TimeZone::get("Asia/Tokyo").unwrap(),
        namespace: "https://kyoto.example/fhir".to_owned(),
        institution: "kyoto".to_owned(),
        institution_code: Some("2619900012".to_owned()),
        province: None,
        charset_binds: false,
        charset_unnamed: None,
    }
}

fn mappings() -> Mappings {
    Mappings::builtin().unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A result as the expected files hold it. Losses that went well are only counted: the file shows what did not.
fn shown(result: &Result<Translated, Refused>) -> Value {
    shown_with(result, |entry| format!("{} #{}", entry.source, entry.occurrence))
}

/// The same; `place` says where a lost value stood.
pub fn shown_with(result: &Result<Translated, Refused>, place: impl Fn(&Entry) -> String) -> Value {
    match result {
        Ok(translated) => {
            let line = |entry: &Entry| {
                format!("{} {:?}: {}", place(entry), entry.outcome, entry.reason.as_deref().unwrap_or(""))
            };
            let entries = translated.losses.entries.iter();
            let lost: Vec<String> = entries.filter(|entry| entry.outcome != Outcome::Mapped).map(line).collect();
            json!({
                "kind": translated.kind,
                "control_id": translated.control_id,
                "event_time": translated.event_time.map(|time| time.to_string()),
                "warnings": translated.warnings,
                "mapped": translated.losses.totals.mapped,
                "lost": lost,
                "bundle": translated.bundle,
            })
        }
        Err(refused) => {
            json!({"refused": refused.code, "kind": refused.kind, "place": refused.place, "reason": refused.reason})
        }
    }
}

/// Holds a result against an expected file, or writes it under `UPDATE_FIXTURES=1`.
pub fn check(expected: &Path, actual: &Value) {
    let text = format!("{}\n", serde_json::to_string_pretty(actual).unwrap());
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::create_dir_all(expected.parent().unwrap()).unwrap();
        std::fs::write(expected, &text).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(expected).unwrap_or_else(|_| panic!("{} is missing", expected.display()));
    assert!(wanted == text, "{} differs; UPDATE_FIXTURES=1 shows how:\n{text}", expected.display());
}

#[test]
fn hl7v2_cases() {
    let folder = fixtures().join("hl7v2");
    let mut count = 0;
    for path in files(&folder).into_iter().filter(|path| path.ends_with("input.hl7")) {
        let bytes = std::fs::read(&path).unwrap();
        let result = hl7v2::translate(&mappings(), &toronto(), &bytes);
        check(&path.with_file_name("expected.json"), &shown(&result));
        count += 1;
    }
    assert!(count >= 4, "only {count} cases");
}

#[test]
fn ssmix2_cases() {
    let root = fixtures().join("ssmix2/tree");
    let mut kinds = BTreeSet::new();
    for path in files(&root) {
        let relative = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let result =
            ssmix2::parse_path(relative).and_then(|place| ssmix2::translate(&mappings(), &kyoto(), &place, &bytes));
        if let Ok(translated) = &result {
            kinds.insert(translated.kind.clone());
        }
        let name = format!("{}.json", path.file_name().unwrap().to_str().unwrap());
        let folder = if relative.starts_with("555") { "expected/misplaced" } else { "expected" };
        check(&fixtures().join("ssmix2").join(folder).join(name), &shown(&result));
    }
    let all = ["ADT^A08", "ADT^A60", "OUL^R22", "PPR^ZD1", "RDE^O11"];
    assert!(all.iter().all(|kind| kinds.contains(*kind)), "{kinds:?}");
}

#[test]
fn csv_cases() {
    let mut names: Vec<String> = std::fs::read_dir(fixtures().join("csv"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 15, "{names:?}");
    for name in &names {
        let setting = if name == "labs" || name.ends_with("-ja") { kyoto() } else { toronto() };
        let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("config/mappings/csv/{name}.toml"));
        let mapping = CsvMapping::load(&std::fs::read_to_string(mapping).unwrap(), name).unwrap();
        let folder = fixtures().join("csv").join(name);
        let rows = csv::translate(&mapping, &setting, &std::fs::read(folder.join("input.csv")).unwrap());
        let rows: Vec<Value> = rows.iter().map(|row| json!({"line": row.line, "result": shown(&row.result)})).collect();
        check(&folder.join("expected.json"), &Value::Array(rows));
    }
}

fn resources<'a>(bundle: &'a Value, kind: &'a str) -> Vec<&'a Value> {
    watari::fhir::bundle::resources(bundle).filter(|resource| resource["resourceType"] == kind).collect()
}

fn oru(result: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|LAB|YYZ|||20260210||ORU^R01|1|P|2.5\rPID|1||7^^^YYZ^MR\rOBR|1|P1|F1|24323-8^Panel^LN|||20260210||||||||||||||||||F\r{result}\r"
    )
    .into_bytes()
}

fn one(result: &str) -> Value {
    let translated = hl7v2::translate(&mappings(), &toronto(), &oru(result)).unwrap();
    resources(&translated.bundle.into(), "Observation")[0].clone()
}

#[test]
fn the_same_result_corrected_is_the_same_resource() {
    let url = |status: &str, value: &str| {
        let result = oru(&format!("OBX|1|NM|14749-6^Glucose^LN||{value}|mmol/L|||||{status}"));
        let bundle = Value::from(hl7v2::translate(&mappings(), &toronto(), &result).unwrap().bundle);
        let entry = watari::fhir::bundle::entries(&bundle)
            .find(|entry| entry["resource"]["resourceType"] == "Observation")
            .unwrap()
            .clone();
        (entry["request"]["url"].clone(), entry["fullUrl"].clone())
    };
    assert_eq!(url("F", "6.50"), url("C", "5.60"));
    assert_eq!(url("F", "6.50"), url("W", "6.50"));
}

#[test]
fn result_status_follows_table_0085() {
    for (code, status) in [
        ("P", "preliminary"),
        ("F", "final"),
        ("C", "corrected"),
        ("A", "amended"),
        ("D", "entered-in-error"),
        ("W", "entered-in-error"),
        ("X", "cancelled"),
        ("I", "registered"),
        ("", "unknown"),
        ("?", "unknown"),
    ] {
        assert_eq!(one(&format!("OBX|1|NM|718-7^Hb^LN||140|g/L|||||{code}"))["status"], status, "{code:?}");
    }
}

#[test]
fn digits_travel_as_they_were_written() {
    for digits in ["1.50", "7.0", "0.10", "140", "-0.0"] {
        let quantity = one(&format!("OBX|1|NM|718-7^Hb^LN||{digits}|g/L|||||F"))["valueQuantity"].clone();
        assert_eq!(quantity["value"].to_string(), digits);
        assert!(quantity.to_string().contains(&format!("\"value\":{digits},")), "{quantity}");
    }
}

#[test]
fn units_are_ucum_only_when_they_are() {
    let unit = |unit: &str| one(&format!("OBX|1|NM|718-7^Hb^LN||1|{unit}|||||F"))["valueQuantity"].clone();
    assert_eq!(unit("mmol/L")["code"], "mmol/L");
    assert_eq!(unit("mmHg")["code"], "mm[Hg]");
    assert_eq!(unit("ML^Milli litre^UCUM"), json!({"value": 1, "unit": "Milli litre"}));
    assert_eq!(unit("g/dl^g/dl^99XYZ")["unit"], "g/dl");
    assert_eq!(unit("furlong"), json!({"value": 1, "unit": "furlong"}));
}

#[test]
fn no_allergy_segment_says_nothing_about_allergies() {
    let message = b"MSH|^~\\&|A|B|||20260101||ADT^A08|1|P|2.5\rEVN|A08|20260101\rPID|1||7^^^B^MR||Roy^Luc\r";
    let bundle = Value::from(hl7v2::translate(&mappings(), &toronto(), message).unwrap().bundle);
    assert!(resources(&bundle, "AllergyIntolerance").is_empty());
    let kinds: Vec<&str> = watari::fhir::bundle::resources(&bundle).filter_map(watari::fhir::resource_type).collect();
    assert_eq!(kinds, ["Patient", "MessageHeader", "Device", "Organization", "Provenance"]);
}

#[test]
fn only_registration_messages_overwrite_demographics() {
    let request = |kind: &str| {
        let message = format!("MSH|^~\\&|A|B|||20260101||{kind}|1|P|2.5\rPID|1||7^^^B^MR||Roy^Luc\rOBR|1|1|1|a^b^LN\r");
        let bundle = Value::from(hl7v2::translate(&mappings(), &toronto(), message.as_bytes()).unwrap().bundle);
        bundle["entry"][0]["request"].clone()
    };
    let query = "identifier=https://toronto.example/fhir/identifier/B|7";
    assert_eq!(request("ADT^A08"), json!({"method": "PUT", "url": format!("Patient?{query}")}));
    assert_eq!(request("ORU^R01"), json!({"method": "POST", "url": "Patient", "ifNoneExist": query}));
}

#[test]
fn refusals_have_their_codes() {
    let code = |bytes: &[u8]| hl7v2::translate(&mappings(), &toronto(), bytes).unwrap_err();
    let refused = code(b"MSH|^~\\&|A|B|||20260101||QBP^Q11|77|P|2.5\rPID|1||7\r");
    assert_eq!(
        (refused.code, refused.kind.as_str(), refused.control_id.as_deref()),
        (RefusedCode::UnsupportedType, "QBP^Q11", Some("77"))
    );
    assert!(refused.reason.contains("is not translated by this release; the message is kept"), "{}", refused.reason);
    assert_eq!(code(b"MSH|^~\\&|A|B|||20260101||ADT^A01|1|P|2.5\rEVN|A01\r").code, RefusedCode::MissingPatient);
    assert_eq!(
        code(b"MSH|^~\\&|A|B|||20260101||ADT^A01|1|P|2.5\rPID|1||\"\"||Roy\r").code,
        RefusedCode::MissingPatient
    );
    assert_eq!(code(b"MSH|^~\\&|A|B|||20260101||ADT^A01|1|P|2.5\rPID|1||7\rPV").code, RefusedCode::Truncated);
    assert_eq!(code(b"MSH|^~\\&|A|B|||2026").code, RefusedCode::Truncated);
    assert_eq!(code(b"").code, RefusedCode::Truncated);
    assert_eq!(code(b"{\"resourceType\":\"Patient\"}").code, RefusedCode::Unreadable);
    let utf8 = b"MSH|^~\\&|A|B|||20260101||ADT^A01|1|P|2.5||||||UNICODE UTF-8\rPID|1||7||R\xe9my\r";
    assert_eq!(code(utf8).code, RefusedCode::Encoding);
}

#[test]
fn a_hospitals_rows_replace_and_add() {
    let mappings = Mappings::with_folders(&[fixtures().join("mappings/site")]).unwrap();
    let message =
        b"MSH|^~\\&|A|B|||20260101||ADT^A01|1|P|2.5\rPID|1||7^^^B^MR||Roy^Luc||19700101|1\rPV1|1|I|||||||||||||||||V1\rZPV|1|Ward 4N\r";
    let bundle = Value::from(hl7v2::translate(&mappings, &toronto(), message).unwrap().bundle);
    assert_eq!(resources(&bundle, "Patient")[0]["gender"], "male");
    assert_eq!(resources(&bundle, "Patient")[0]["birthDate"], "1970-01-01");
    assert_eq!(resources(&bundle, "Encounter")[0]["location"][0]["location"]["display"], "Ward 4N");
}

#[test]
fn wrong_rows_are_named_by_file_and_line() {
    for (folder, line, word) in [("wrong-path", 6, "name[x]"), ("unknown-table", 5, "9999"), ("unknown-type", 5, "sex")]
    {
        let error = Mappings::with_folders(&[fixtures().join("mappings").join(folder)]).unwrap_err().to_string();
        assert!(
            error.contains("rows.toml") && error.contains(&format!("line {line}:")) && error.contains(word),
            "{error}"
        );
    }
    assert!(Mappings::with_folders(&[fixtures().join("mappings/none")]).unwrap_err().to_string().contains("none"));
}

#[test]
fn the_loss_report_holds_no_values() {
    let bytes = std::fs::read(fixtures().join("hl7v2/adt-a01-quebec/input.hl7")).unwrap();
    let translated = hl7v2::translate(&mappings(), &toronto(), &bytes).unwrap();
    let text = translated.losses.ndjson("input.hl7") + &translated.losses.readable() + &translated.warnings.join("\n");
    for value in ["Tremblay", "Adèle", "884411", "TREA80511512", "5550142", "chambre", "19800115", "1980-01-15"] {
        assert!(!text.contains(value), "{value}");
    }
    assert!(text.contains("ZPV-2") && text.contains("site-defined segment"));
}

/// A Japanese message with these segments, as Kyoto reads it.
fn of_kyoto(kind: &str, segments: &[&str]) -> Value {
    let text = format!(
        "MSH|^~\\&|HIS|KYOTO|||20260105||{kind}|1|P|2.5||||||UNICODE UTF-8\rPID|1||7^^^^PI||渡邉^花子\r{}\r",
        segments.join("\r")
    );
    hl7v2::translate(&mappings(), &kyoto(), text.as_bytes()).unwrap().bundle.into()
}

fn toronto_adt(segments: &str) -> Value {
    let text = format!("MSH|^~\\&|A|YYZ|||20260101||ADT^A08|1|P|2.5\rPID|1||7^^^YYZ^MR||Roy^Luc\r{segments}\r");
    hl7v2::translate(&mappings(), &toronto(), text.as_bytes()).unwrap().bundle.into()
}

#[test]
fn a_modified_disease_keeps_its_modifiers_and_a_suspected_one_is_never_definite() {
    let zpr = "ZPR||20057634^胃癌^MDCDX2|27000358^左^MDCDX2~27000001^の疑い^MDCDX2||FPNC^胃癌^MDCDX2|AAAA^左^MDCDX2~8002^の疑い^MDCDX2";
    let bundle = of_kyoto("PPR^ZD1", &["PRB|AD|20260105|20057634^胃癌^MDCDX2|7||||||C169^^I10", zpr]);
    let condition = resources(&bundle, "Condition")[0];
    assert_eq!(condition["code"]["text"], "胃癌左の疑い");
    assert_eq!(condition["verificationStatus"]["coding"][0]["code"], "provisional");
    let modifiers = condition["code"]["extension"].as_array().unwrap();
    assert_eq!(modifiers.len(), 2);
    let codings: Vec<(&str, &str)> = watari::fhir::codings(&modifiers[1]["valueCodeableConcept"]).collect();
    let medis = "http://medis.or.jp/CodeSystem/master-disease";
    let (number, exchange) = (format!("{medis}-modKeyNumber"), format!("{medis}-modExCode"));
    assert_eq!(codings, [(number.as_str(), "27000001"), (exchange.as_str(), "8002")]);
    let codes: Vec<&str> = watari::fhir::codings(&condition["code"]).map(|(_, code)| code).collect();
    assert_eq!(codes.iter().filter(|code| **code == "20057634").count(), 1, "{codes:?}");
    let flagged = of_kyoto("PPR^ZD1", &["PRB|AD|20260105|20054174^胃炎^MDCDX2|8|||||||||1"]);
    assert_eq!(resources(&flagged, "Condition")[0]["verificationStatus"]["coding"][0]["code"], "provisional");
    let plain = of_kyoto("PPR^ZD1", &["PRB|AD|20260105|20054174^胃炎^MDCDX2|8"]);
    assert!(resources(&plain, "Condition")[0].get("verificationStatus").is_none());
}

#[test]
fn a_working_and_a_final_diagnosis_are_one_and_the_later_counts() {
    let status = |segments: &str| {
        let bundle = toronto_adt(segments);
        let conditions = resources(&bundle, "Condition");
        assert_eq!(conditions.len(), 1);
        conditions[0].pointer("/verificationStatus/coding/0/code").and_then(Value::as_str).map(str::to_owned)
    };
    let line = |kind: &str| format!("DG1|1||I21.9^^I10CA||20260101|{kind}");
    assert_eq!(status(&line("A")).as_deref(), Some("provisional"));
    assert_eq!(status(&line("")), None);
    assert_eq!(status(&format!("{}\r{}", line("W"), line("F"))).as_deref(), Some("confirmed"));
}

#[test]
fn no_known_allergy_is_no_allergy_to_something_called_nka() {
    for (said, code) in [
        ("NKA^^L", "716186003"),
        ("^No known  allergies.", "716186003"),
        ("NKDA^No known drug allergies^99ALG", "409137002"),
        ("^アレルギーなし", "716186003"),
    ] {
        let text = format!("AL1|1|DA|{said}|SV|none");
        let bundle = of_kyoto("ADT^A08", &[&text]);
        let allergy = resources(&bundle, "AllergyIntolerance")[0];
        let first = watari::fhir::codings(&allergy["code"]).next();
        assert_eq!(first, Some(("http://snomed.info/sct", code)), "{said}");
        assert!(allergy.get("category").is_none() && allergy.get("reaction").is_none(), "{allergy}");
    }
    let bundle = toronto_adt("AL1|1|DA|^Nka root|SV|hives");
    assert_eq!(resources(&bundle, "AllergyIntolerance")[0]["code"], json!({"text": "Nka root"}));
}

#[test]
fn codes_of_national_lists_are_told_by_their_length() {
    let system = |code: &str| {
        let result = format!("OBX|1|NM|{code}||1|g/L|||||F");
        let bundle = of_kyoto("ORU^R01", &["OBR|1|P|F|1^a^99X", &result]);
        let observation = resources(&bundle, "Observation")[0].clone();
        observation["code"]["coding"][0]["system"].as_str().unwrap().to_owned()
    };
    assert_eq!(system("3D010000002327101^^JC10"), "http://medis.or.jp/CodeSystem/master-JLAC10-17digits");
    assert_eq!(system("3D0100000023271^^JC10"), "https://kyoto.example/fhir/CodeSystem/JC10");
    assert_eq!(system("1068245^^HOT9"), "http://medis.or.jp/CodeSystem/master-HOT7");
    assert_eq!(system("106824501^^HOT"), "http://medis.or.jp/CodeSystem/master-HOT9");
    assert_eq!(system("1068245010101^^HOT"), "http://medis.or.jp/CodeSystem/master-HOT13");
    assert_eq!(system("O^^jhsd0004"), "https://watari.dev/fhir/CodeSystem/JHSD0004");
}

#[test]
fn languages_are_bcp_47() {
    for (sent, code) in [("fra^French^HL70296", "fr"), ("EN^^ISO639", "en"), ("jpn", "ja")] {
        let message =
            format!("MSH|^~\\&|A|YYZ|||20260101||ADT^A08|1|P|2.5\rPID|1||7^^^YYZ^MR||Roy||||||||||{sent}\rPV1|1|N\r");
        let bundle = Value::from(hl7v2::translate(&mappings(), &toronto(), message.as_bytes()).unwrap().bundle);
        let language = resources(&bundle, "Patient")[0]["communication"][0]["language"].clone();
        assert_eq!(watari::fhir::codings(&language).collect::<Vec<_>>(), [("urn:ietf:bcp:47", code)], "{sent}");
    }
}

#[test]
fn days_that_do_not_follow_each_other_are_no_span_of_time() {
    let dosage = |usage: &str| {
        let tq1 = format!("TQ1|1||{usage}|||14^D&日&ISO+|20260105");
        let rxe = "RXE||103835401^メトホルミン^HOT9|1||TAB^錠^MR9P||||||||||||||||OHP^外来処方^MR9P";
        let bundle = of_kyoto("RDE^O11", &["ORC|NW|1", rxe, &tq1]);
        resources(&bundle, "MedicationRequest")[0].clone()
    };
    let daily = dosage("1012040400000000&１日２回&JAMISDP01");
    assert_eq!(daily["dosageInstruction"][0]["timing"]["repeat"]["boundsDuration"]["value"], 14);
    assert_eq!(
        daily["category"][0]["coding"][0]["system"],
        "http://jpfhir.jp/fhir/core/CodeSystem/JP_MedicationCategoryMERIT9_CS"
    );
    for usage in
        ["1012040400000000&１日２回&JAMISDP01~I1100000&１日おき&JAMISDP01", "1050610000000000&発熱時&JAMISDP01"]
    {
        let dosage = dosage(usage)["dosageInstruction"][0].clone();
        assert!(dosage.pointer("/timing/repeat/boundsDuration").is_none(), "{dosage}");
        let extensions = dosage["extension"].as_array().unwrap();
        let days = extensions.iter().find(|extension| extension.get("valueDuration").is_some()).unwrap();
        assert!(days["url"].as_str().unwrap().ends_with("JP_MedicationDosage_UsageDuration"));
        assert_eq!(dosage.get("asNeededBoolean").is_some(), usage.starts_with("1050"));
    }
}
