//! Cohort questions on one store: the same people written by a Canadian and by a Japanese hospital give the same counts.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use watari::cohort::question::{Checked, check, schema};
use watari::cohort::{CohortError, count};
use watari::config::Country;
use watari::fhir::systems;
use watari::harmonise::{HarmoniseSetting, builtin, harmonise_resource};
use watari::store::records::{ResourceWrite, StoredResource};
use watari::store::{Change, Changes, Handle, sqlite::SqliteStore};

/// A hospital's store with `people` in it, written in the manner of `country`.
pub struct Hospital {
    pub store: Handle,
    country: Country,
    _folder: tempfile::TempDir,
}

impl Hospital {
    pub fn new(country: Country) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Handle::new(Arc::new(SqliteStore::open(&folder.path().join("watari.db")).unwrap()));
        Self { store, country, _folder: folder }
    }

    fn put(&self, kind: &str, id: &str, patient: &str, mut resource: Value) {
        put(&self.store, self.country, kind, id, patient, &mut resource);
    }

    fn person(&self, id: &str, born: &str) {
        self.put("Patient", id, id, json!({"resourceType": "Patient", "birthDate": born}));
    }

    fn count(&self, question: Value) -> u64 {
        let checked = check(question.to_string().as_bytes()).unwrap();
        let plan = count::plan(builtin().unwrap(), &checked, jiff::civil::date(2026, 11, 24)).unwrap();
        self.store.view(|view| count::count(view, &plan)).unwrap()
    }
}

/// Harmonises, indexes and stores a resource as an accepted record is.
pub fn put(store: &Handle, country: Country, kind: &str, id: &str, patient: &str, resource: &mut Value) {
    let setting = HarmoniseSetting { country, namespace: "https://example.org/fhir".to_owned() };
    harmonise_resource(builtin().unwrap(), &setting, resource);
    let write = ResourceWrite {
        resource: StoredResource {
            kind: kind.to_owned(),
            id: id.to_owned(),
            version: 1,
            last_updated: "2026-01-01T00:00:00.000Z".to_owned(),
            event_time: None,
            json: resource.to_string(),
        },
        patient: Some(patient.to_owned()),
        index: watari::records::index::rows(resource),
        message_id: None,
    };
    store.commit(Changes::new().with(Change::PutResource(write))).unwrap();
}

fn observation(system: &str, code: &str, value: &str, unit: &str, status: &str) -> Value {
    let number: serde_json::Number = serde_json::from_str(value).unwrap();
    json!({
        "resourceType": "Observation", "status": status, "effectiveDateTime": "2025-05-06",
        "code": {"coding": [{"system": system, "code": code}]},
        "valueQuantity": {"value": number, "unit": unit, "system": systems::UCUM, "code": unit},
    })
}

/// Six people, each written as both countries write them.
/// - `a` diabetic on metformin, HbA1c 53 mmol/mol = 7.0 %, glucose 7.0 mmol/L = 126 mg/dL, born 1960-11-24
/// - `b` diabetic, HbA1c 47 mmol/mol = 6.5 %, creatinine 115 umol/L = 1.30 mg/dL, kidney disease, born 1986-11-24
/// - `c` HbA1c 42 mmol/mol = 6.0 %, born 1986-11-25 (still 39)
/// - `d` diabetes only suspected; HbA1c entered in error; born 1950
/// - `e` born 2020, nothing known
/// - `f` on metformin by a cancelled order, born 1970
fn hospitals() -> [Hospital; 2] {
    let both = [Hospital::new(Country::Ca), Hospital::new(Country::Jp)];
    for hospital in &both {
        let canada = hospital.country == Country::Ca;
        for (id, born) in [
            ("a", "1960-11-24"),
            ("b", "1986-11-24"),
            ("c", "1986-11-25"),
            ("d", "1950-01-01"),
            ("e", "2020-02-29"),
            ("f", "1970-07-07"),
        ] {
            hospital.person(id, born);
        }
        let lab = |id: &str, patient: &str, ca: (&str, &str, &str), jp: (&str, &str, &str), status: &str| {
            let (system, (code, value, unit)) = if canada { (systems::LOINC, ca) } else { (systems::JLAC10, jp) };
            hospital.put("Observation", id, patient, observation(system, code, value, unit, status));
        };
        let hba1c = "3D046000001906202";
        lab("a1", "a", ("59261-8", "53", "mmol/mol"), (hba1c, "7.0", "%"), "final");
        lab("a2", "a", ("14749-6", "7.0", "mmol/L"), ("3D010000002226101", "126", "mg/dL"), "final");
        lab("b1", "b", ("4548-4", "47", "mmol/mol"), (hba1c, "6.5", "%"), "corrected");
        lab("b2", "b", ("14682-9", "115", "umol/L"), ("3C015000002327101", "1.30", "mg/dL"), "final");
        lab("c1", "c", ("4548-4", "6.0", "%"), (hba1c, "6.0", "%"), "final");
        lab("d1", "d", ("59261-8", "80", "mmol/mol"), (hba1c, "9.5", "%"), "entered-in-error");
        let condition = |id: &str, patient: &str, ca: &str, jp: &str, verification: &str| {
            let (system, code) = if canada { (systems::ICD10_CA, ca) } else { (systems::ICD10_JP, jp) };
            hospital.put(
                "Condition",
                id,
                patient,
                json!({
                    "resourceType": "Condition", "code": {"coding": [{"system": system, "code": code}]},
                    "verificationStatus": {"coding": [{"code": verification}]},
                }),
            );
        };
        condition("a3", "a", "E11.9", "E119", "confirmed");
        condition("b3", "b", "E11.23", "E112", "confirmed");
        condition("b4", "b", "N18.3", "N183", "confirmed");
        condition("d3", "d", "E11", "E11", "provisional");
        let metformin = |id: &str, patient: &str, status: &str| {
            let (system, code) = if canada { (systems::DIN, "02099233") } else { (systems::YJ, "3962002F2027") };
            hospital.put(
                "MedicationRequest",
                id,
                patient,
                json!({
                    "resourceType": "MedicationRequest", "status": status,
                    "medicationCodeableConcept": {"coding": [{"system": system, "code": code}]},
                }),
            );
        };
        metformin("a4", "a", "active");
        metformin("f4", "f", "cancelled");
    }
    both
}

fn code(system: &str, code: &str) -> Value {
    json!([{"system": system, "code": code}])
}

fn lab(loinc: &str, comparator: &str, value: Value, unit: &str) -> Value {
    json!({"context": "observation", "termCodes": code(systems::LOINC, loinc), "valueFilter":
        {"type": "quantity-comparator", "comparator": comparator, "value": value, "unit": {"code": unit}}})
}

fn diagnosis(category: &str) -> Value {
    json!({"context": "condition", "termCodes": code(systems::ICD10, category)})
}

fn aged(from: u32, to: u32) -> Value {
    json!({"context": "age", "valueFilter":
        {"type": "quantity-range", "minValue": from, "maxValue": to, "unit": {"code": "a"}}})
}

fn metformin() -> Value {
    json!({"context": "medication", "termCodes": code("http://www.whocc.no/atc", "A10BA02")})
}

fn asked(inclusion: Value, exclusion: Value) -> Value {
    json!({"version": "watari-cohort/1", "inclusion": inclusion, "exclusion": exclusion})
}

#[test]
fn a_question_means_the_same_in_both_countries() {
    let none = || json!([]);
    let cases: Vec<(&str, Value, u64)> = vec![
        ("HbA1c in percent", asked(json!([[lab("4548-4", "ge", json!(6.5), "%")]]), none()), 2),
        ("HbA1c in mmol/mol", asked(json!([[lab("59261-8", "ge", json!(53), "mmol/mol")]]), none()), 1),
        ("HbA1c under", asked(json!([[lab("4548-4", "lt", json!(6.5), "%")]]), none()), 1),
        ("HbA1c not 6.0", asked(json!([[lab("4548-4", "ne", json!(6.0), "%")]]), none()), 2),
        ("HbA1c exactly", asked(json!([[lab("4548-4", "eq", json!(7), "%")]]), none()), 1),
        ("glucose in mg/dL", asked(json!([[lab("2345-7", "ge", json!(126), "mg/dL")]]), none()), 1),
        ("glucose in g/L", asked(json!([[lab("2345-7", "ge", json!(1.26), "g/L")]]), none()), 1),
        ("glucose in mmol/L", asked(json!([[lab("2345-7", "ge", json!(7.0), "mmol/L")]]), none()), 1),
        ("fasting glucose is another", asked(json!([[lab("1558-6", "gt", json!(0), "mg/dL")]]), none()), 0),
        ("creatinine as reported", asked(json!([[lab("2160-0", "gt", json!(1.3), "mg/dL")]]), none()), 0),
        ("creatinine from 1.3", asked(json!([[lab("2160-0", "ge", json!(1.3), "mg/dL")]]), none()), 1),
        ("diabetes, suspicion not counted", asked(json!([[diagnosis("E11")]]), none()), 2),
        ("metformin, cancelled not counted", asked(json!([[metformin()]]), none()), 1),
        ("aged 40 to 66", asked(json!([[aged(40, 66)]]), none()), 3),
        ("aged 0 to 39", asked(json!([[aged(0, 39)]]), none()), 2),
        ("either", asked(json!([[metformin(), diagnosis("N18")]]), none()), 2),
        ("both", asked(json!([[metformin()], [diagnosis("E11")]]), none()), 1),
        ("nobody is both", asked(json!([[metformin()], [diagnosis("N18")]]), none()), 0),
        ("not with kidney disease", asked(json!([[diagnosis("E11")]]), json!([[diagnosis("N18")]])), 1),
        (
            "exclusion needs all of its group",
            asked(json!([[diagnosis("E11")]]), json!([[diagnosis("N18"), metformin()]])),
            2,
        ),
        (
            "the whole trial",
            asked(
                json!([[lab("4548-4", "ge", json!(7), "%")], [metformin()], [aged(40, 75)]]),
                json!([[diagnosis("N18")]]),
            ),
            1,
        ),
    ];
    for hospital in hospitals() {
        for (name, question, expected) in &cases {
            assert_eq!(hospital.count(question.clone()), *expected, "{name} in {}", hospital.country.as_str());
        }
    }
}

/// Every entry of the catalogue makes a question that can be counted, in each of its units.
#[test]
fn the_catalogue_can_be_asked() {
    let entries = watari::cohort::catalog::entries(builtin().unwrap());
    assert!(entries.len() > 50);
    let hospital = Hospital::new(Country::Ca);
    for entry in entries {
        for unit in entry["units"].as_array().unwrap() {
            let question = json!({"context": entry["context"], "termCodes": entry["termCodes"], "valueFilter":
                {"type": "quantity-range", "minValue": 1, "unit": {"code": unit}}});
            assert_eq!(hospital.count(asked(json!([[question]]), json!([]))), 0, "{entry}");
        }
    }
}

#[test]
fn urea_in_canada_is_asked_as_urea_nitrogen_in_japan() {
    let [canada, japan] = [Hospital::new(Country::Ca), Hospital::new(Country::Jp)];
    canada.put("Observation", "o", "p", observation(systems::LOINC, "22664-7", "7.5", "mmol/L", "final"));
    japan.put("Observation", "o", "p", observation(systems::JLAC10, "3C025000002327201", "21.0", "mg/dL", "final"));
    for (code, value, unit) in [("3094-0", 20.5, "mg/dL"), ("22664-7", 7.4, "mmol/L")] {
        for hospital in [&canada, &japan] {
            assert_eq!(hospital.count(asked(json!([[lab(code, "ge", json!(value), unit)]]), json!([]))), 1, "{code}");
        }
    }
}

#[test]
fn japanese_codes_ask_canadian_records() {
    let [canada, japan] = hospitals();
    let question = asked(
        json!([[{"context": "observation", "termCodes": code(systems::JLAC10, "3D046000001927102"), "valueFilter":
            {"type": "quantity-range", "minValue": 6.5, "maxValue": 7, "unit": {"code": "%"}}}]]),
        json!([]),
    );
    assert_eq!((canada.count(question.clone()), japan.count(question)), (2, 2));
}

#[test]
fn values_that_may_not_be_compared_are_not_counted() {
    let hospital = Hospital::new(Country::Jp);
    hospital.person("a", "1950-01-01");
    let mut old = observation(systems::LOINC, "4548-4", "9.9", "%", "final");
    old["effectiveDateTime"] = json!("2010-01-01");
    hospital.put("Observation", "a1", "a", old);
    let mut jds = observation(systems::LOINC, "4548-4", "6.4", "%", "final");
    jds["code"]["text"] = json!("ＨｂＡ１ｃ（ＪＤＳ）");
    hospital.put("Observation", "a3", "a", jds);
    let alp = observation(systems::JLAC10, "3B070000002327101", "300", "U/L", "final");
    hospital.put("Observation", "a2", "a", alp);
    assert_eq!(hospital.count(asked(json!([[lab("4548-4", "ge", json!(6.9), "%")]]), json!([]))), 0);
    assert_eq!(hospital.count(asked(json!([[lab("4548-4", "eq", json!(6.8), "%")]]), json!([]))), 1, "JDS 6.4");
    assert_eq!(hospital.count(asked(json!([[lab("4548-4", "eq", json!(6.4), "%")]]), json!([]))), 0, "not NGSP");
    assert_eq!(hospital.count(asked(json!([[lab("6768-6", "ge", json!(100), "U/L")]]), json!([]))), 0);
}

#[test]
fn what_cannot_be_counted_is_refused_and_says_why() {
    let criterion = |more: Value| {
        let mut one = diagnosis("E11");
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked(json!([[one]]), json!([]))
    };
    let filter = |filter: Value| {
        asked(
            json!([[{"context": "observation", "termCodes": code(systems::LOINC, "2345-7"), "valueFilter": filter}]]),
            json!([]),
        )
    };
    let unit = json!({"code": "mg/dL"});
    let many = vec![diagnosis("E11"); 51];
    let codes: Vec<Value> = (0..51).map(|n| json!({"system": "s", "code": n.to_string()})).collect();
    let cases: Vec<(Value, &str)> = vec![
        (json!([]), "invalid length"),
        (json!(7), "invalid type"),
        (json!(["watari-cohort/1", "", [[diagnosis("E11")]], [], "convert"]), "written as arrays"),
        (asked(json!([[["condition", [["s", "c", ""]], null, null, null, null, null]]]), json!([])), "as arrays"),
        (json!({"version": "watari-cohort/2", "inclusion": [[diagnosis("E11")]]}), "unknown variant"),
        (asked(json!([]), json!([])), "inclusion has no group"),
        (asked(json!([[]]), json!([])), "a group has no criterion"),
        (asked(json!([many]), json!([])), "at most 50"),
        (criterion(json!({"termCodes": codes})), "more than 50 codes"),
        (criterion(json!({"script": "drop"})), "unknown field"),
        (criterion(json!({"termCodes": []})), "needs termCodes"),
        (criterion(json!({"termCodes": [{"system": "", "code": "x"}]})), "needs a system"),
        (criterion(json!({"termCodes": [{"system": "s", "code": "x".repeat(201)}]})), "longer than"),
        (criterion(json!({"timeRestriction": {"afterDate": "2020-01-01"}})), "timeRestriction"),
        (criterion(json!({"minOccurs": 2})), "minOccurs"),
        (criterion(json!({"select": "latest"})), "select"),
        (criterion(json!({"atDate": "2020-01-01"})), "atDate belongs to age"),
        (criterion(json!({"valueFilter": {"type": "concept"}})), "belongs to an observation"),
        (filter(json!({"type": "concept", "selectedConcepts": code("s", "x"), "unit": unit})), "concept filter"),
        (
            filter(json!({"type": "quantity-comparator", "comparator": "ge", "unit": unit})),
            "needs comparator and value",
        ),
        (filter(json!({"type": "quantity-range", "unit": unit})), "needs minValue or maxValue"),
        (filter(json!({"type": "quantity-range", "minValue": 1, "comparator": "ge", "unit": unit})), "no comparator"),
        (filter(json!({"type": "quantity-range", "minValue": 1})), "unit in UCUM"),
        (filter(json!({"type": "quantity-range", "minValue": 1, "unit": {"code": "kg"}})), "ask in mg/dL or mmol/L"),
        (filter(json!({"type": "quantity-range", "minValue": "1", "unit": unit})), "expected a JSON number"),
        (asked(json!([[{"context": "age"}]]), json!([])), "age needs a valueFilter"),
        (
            asked(
                json!([[{"context": "age", "valueFilter": {"type": "quantity-range", "minValue": 1.5,
            "unit": {"code": "a"}}}]]),
                json!([]),
            ),
            "whole number of years",
        ),
        (
            asked(
                json!([[{"context": "age", "atDate": "2020-02-30", "valueFilter": {"type": "quantity-range",
            "minValue": 1, "unit": {"code": "a"}}}]]),
                json!([]),
            ),
            "atDate is a day",
        ),
        (json!({"version": "watari-cohort/1", "inclusion": [[diagnosis("E11")]], "unitPolicy": "exact"}), "exact"),
    ];
    for (question, why) in cases {
        let refused = check(question.to_string().as_bytes())
            .and_then(|checked| count::plan(builtin().unwrap(), &checked, jiff::civil::date(2026, 11, 24)));
        match refused {
            Err(CohortError::Question(text)) => assert!(text.contains(why), "{text:?} does not say {why:?}"),
            other => panic!("{question} gave {other:?} instead of {why:?}"),
        }
    }
    let large = format!("{}{}", " ".repeat(64 * 1024), asked(json!([[diagnosis("E11")]]), json!([])));
    assert!(check(large.as_bytes()).is_err());
    assert!(check("[".repeat(5000).as_bytes()).is_err());
}

#[test]
fn the_schema_in_the_repository_is_the_one_in_the_code() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/cohort-question.schema.json");
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "run with UPDATE_FIXTURES=1 and read the change");
}

fn example() -> Value {
    asked(json!([[lab("4548-4", "ge", json!(7), "%")], [metformin()], [aged(40, 75)]]), json!([[diagnosis("N18")]]))
}

fn checked(question: &Value) -> Checked {
    check(question.to_string().as_bytes()).unwrap()
}

#[test]
fn spelling_does_not_change_a_question_and_meaning_does() {
    let id = checked(&example()).sha256().to_owned();
    let again = checked(&serde_json::from_str(checked(&example()).canonical()).unwrap());
    assert_eq!(again.sha256(), id, "the canonical form is its own canonical form");
    for spelling in ["7", "7.0", "7.00", "70e-1", "0.7E1"] {
        let text = example().to_string().replacen("\"value\":7,", &format!("\"value\":{spelling},"), 1);
        assert!(text.contains(&format!("\"value\":{spelling},")));
        assert_eq!(check(text.as_bytes()).unwrap().sha256(), id, "{spelling}");
    }
    let mut explicit = example();
    explicit["unitPolicy"] = json!("convert");
    assert_eq!(checked(&explicit).sha256(), id, "a default that is written out");
    let other = example().to_string().replacen("\"value\":7,", "\"value\":7.1,", 1);
    assert_ne!(check(other.as_bytes()).unwrap().sha256(), id);
}

/// The members of every object in another order.
fn shuffled(value: &Value, seed: u64) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.iter().map(|(name, member)| (name.clone(), shuffled(member, seed))).collect();
            members.sort_by_key(|(name, _)| watari::ids::sha256_hex(format!("{seed}{name}").as_bytes()));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(|item| shuffled(item, seed)).collect(),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn the_order_of_members_does_not_change_the_id(seed: u64, pretty: bool) {
        let question = shuffled(&example(), seed);
        let text = if pretty { serde_json::to_string_pretty(&question).unwrap() } else { question.to_string() };
        let (one, other) = (check(text.as_bytes()).unwrap(), checked(&example()));
        prop_assert_eq!(one.canonical(), other.canonical());
        prop_assert_eq!(one.sha256(), other.sha256());
    }

    #[test]
    fn strangers_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _refused = check(&bytes);
    }
}
