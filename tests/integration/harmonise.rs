//! Harmonising, case by case: `tests/fixtures/harmonise/<country>-<case>/` holds `input.json`, and what must come of it
//! in `expected.json` (the resource) and `notes.json`. `UPDATE_FIXTURES=1` writes the latter two, to be read before they
//! are committed.

use std::path::{Path, PathBuf};

use serde_json::Value;
use watari::config::Country;
use watari::fhir::systems::JLAC10;
use watari::harmonise::{Catalog, Conversion, HarmoniseSetting, convert, harmonise_bundle, harmonise_resource};

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/harmonise");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn setting(case: &Path) -> HarmoniseSetting {
    let name = case.file_name().unwrap().to_str().unwrap();
    let (country, namespace) = match name.split_once('-').unwrap().0 {
        "ca" => (Country::Ca, "https://toronto.example/fhir"),
        "jp" => (Country::Jp, "https://tokyo.example/fhir"),
        other => panic!("{name}: country {other}?"),
    };
    HarmoniseSetting { country, namespace: namespace.to_owned() }
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn compare(path: &Path, found: &Value) {
    let text = serde_json::to_string_pretty(found).unwrap() + "\n";
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let expected = serde_json::to_string_pretty(&read(path)).unwrap() + "\n";
    assert!(expected == text, "{} differs, found:\n{text}", path.display());
}

#[test]
fn every_case_comes_out_as_written() {
    let catalog = Catalog::builtin().unwrap();
    let cases = cases();
    assert!(cases.len() > 40);
    for case in cases {
        let mut resource = read(&case.join("input.json"));
        let notes = harmonise_resource(&catalog, &setting(&case), &mut resource);
        compare(&case.join("expected.json"), &resource);
        compare(&case.join("notes.json"), &serde_json::to_value(&notes).unwrap());
    }
}

/// The original is what is left when everything added is taken away again: same members, same order, same digits.
#[test]
fn the_original_stands_untouched_and_a_second_pass_changes_nothing() {
    let catalog = Catalog::builtin().unwrap();
    for case in cases() {
        let original = read(&case.join("input.json"));
        let mut resource = original.clone();
        harmonise_resource(&catalog, &setting(&case), &mut resource);
        for element in ["valueQuantity", "birthDate", "effectiveDateTime", "subject"] {
            assert_eq!(original[element].to_string(), resource[element].to_string(), "{}", case.display());
        }
        for concept in ["code", "medicationCodeableConcept"] {
            for (place, coding) in original[concept]["coding"].as_array().into_iter().flatten().enumerate() {
                assert_eq!(coding, &resource[concept]["coding"][place], "{}", case.display());
            }
        }
        for (place, name) in original["name"].as_array().into_iter().flatten().enumerate() {
            assert_eq!(name, &resource["name"][place], "{}", case.display());
        }
        let mut again = resource.clone();
        harmonise_resource(&catalog, &setting(&case), &mut again);
        assert_eq!(resource.to_string(), again.to_string(), "{}", case.display());
    }
}

#[test]
fn a_bundle_is_harmonised_entry_by_entry() {
    let catalog = Catalog::builtin().unwrap();
    let case = cases().into_iter().find(|case| case.ends_with("jp-creatinine")).unwrap();
    let mut bundle = serde_json::json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": "urn:uuid:0c8e3b9e-9d0f-4a45-8f39-5a3b6fd2a001", "resource": read(&case.join("input.json"))},
        {"fullUrl": "urn:uuid:0c8e3b9e-9d0f-4a45-8f39-5a3b6fd2a002"},
        7,
    ]});
    let notes = harmonise_bundle(&catalog, &setting(&case), &mut bundle);
    assert_eq!(bundle["entry"][0]["resource"], read(&case.join("expected.json")));
    assert!(!notes.is_empty());
    assert!(notes.iter().all(|note| note.resource == "urn:uuid:0c8e3b9e-9d0f-4a45-8f39-5a3b6fd2a001"));
}

/// A hospital maps its own codes; what it maps is then harmonised like any other.
#[test]
fn a_site_map_opens_local_codes() {
    let map = "system,code,target_system,target_code,equivalence\n\
               https://toronto.example/fhir/CodeSystem/LAB,GLU,http://loinc.org,14749-6,equivalent\n";
    let catalog = Catalog::builtin().unwrap().with_site_map("lab.csv", map).unwrap();
    let case = cases().into_iter().find(|case| case.ends_with("ca-local-code")).unwrap();
    let mut resource = read(&case.join("input.json"));
    harmonise_resource(&catalog, &setting(&case), &mut resource);
    let codes: Vec<_> = resource["code"]["coding"].as_array().unwrap().iter().map(|coding| &coding["code"]).collect();
    assert_eq!(codes, ["GLU", "14749-6", "3D010000002327101"]);
    let quantities = watari::harmonise::comparable_quantities(&resource);
    let texts: Vec<_> = quantities.iter().map(|(value, unit)| format!("{value} {unit}")).collect();
    assert_eq!(texts, ["5.5 mmol/L", "99 mg/dL"]);
    for (broken, line) in
        [("system,code\na,b\n", 2), ("system,code,target_system,target_code,equivalence\na,b,c,,equal", 2)]
    {
        let error = Catalog::builtin().unwrap().with_site_map("lab.csv", broken).unwrap_err();
        assert_eq!((error.table.as_str(), error.line), ("lab.csv", line), "{error}");
    }
}

/// A hospital's ConceptMap goes before what the program knows, also where it says that nothing fits.
#[test]
fn concept_maps_of_a_hospital_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let map = serde_json::json!({"resourceType": "ConceptMap", "id": "lab", "status": "active", "group": [
        {"source": "https://toronto.example/fhir/CodeSystem/LAB", "target": "http://loinc.org", "element": [
            {"code": "GLU", "target": [{"code": "15074-8", "equivalence": "equivalent"}]},
        ]},
        {"source": "https://toronto.example/fhir/CodeSystem/LAB", "target": JLAC10, "element": [
            {"code": "GLU", "target": [{"equivalence": "unmatched"}]},
        ]},
    ]});
    std::fs::write(folder.path().join("lab.json"), map.to_string()).unwrap();
    let catalog = Catalog::with_folders(&[folder.path().to_path_buf()]).unwrap();
    let case = cases().into_iter().find(|case| case.ends_with("ca-local-code")).unwrap();
    let mut resource = read(&case.join("input.json"));
    harmonise_resource(catalog, &setting(&case), &mut resource);
    let codes: Vec<_> = resource["code"]["coding"].as_array().unwrap().iter().map(|coding| &coding["code"]).collect();
    assert_eq!(codes, ["GLU", "15074-8"]);
    assert_eq!(catalog.concept_maps().last().unwrap()["id"], "lab");
    std::fs::write(folder.path().join("bad.json"), "{").unwrap();
    let error = Catalog::with_folders(&[folder.path().to_path_buf()]).unwrap_err();
    assert!(error.to_string().contains("bad.json"), "{error}");
}

/// What no table knows is counted, in the order in which a hospital should map it; doubts become warnings.
#[test]
fn unmapped_codes_are_ranked_and_doubts_are_warnings() {
    let catalog = Catalog::builtin().unwrap();
    let setting = HarmoniseSetting { country: Country::Ca, namespace: "https://toronto.example/fhir".to_owned() };
    let result = |code: &str| {
        serde_json::json!({"resource": {"resourceType": "Observation", "status": "final",
        "code": {"coding": [{"system": "https://toronto.example/fhir/CodeSystem/LAB", "code": code}]}, "valueString": "x"}})
    };
    let card = serde_json::json!({"resource": {"resourceType": "Patient", "identifier": [
        {"system": "https://fhir.infoway-inforoute.ca/NamingSystem/ca-on-patient-hcn", "value": "9876543210"}]}});
    let mut bundle =
        serde_json::json!({"resourceType": "Bundle", "entry": [result("A"), result("B"), result("B"), card]});
    let notes = harmonise_bundle(&catalog, &setting, &mut bundle);
    let mut unmapped = watari::harmonise::Unmapped::default();
    unmapped.add(&notes);
    let ranked: Vec<_> = unmapped.ranked().into_iter().map(|one| (one.what, one.count)).collect();
    let local = "local code https://toronto.example/fhir/CodeSystem/LAB";
    assert_eq!(ranked, [(format!("{local}|B"), 2), (format!("{local}|A"), 1)]);
    let warnings = watari::harmonise::warnings(&notes);
    assert_eq!(warnings, ["identifier: Ontario health card: the check digit does not fit the number"]);
    assert!(!serde_json::to_string(&notes).unwrap().contains("9876543210"));
}

/// Factors published for laboratories, by every code of the analyte, both ways.
#[test]
fn values_cross_by_the_published_factors() {
    let catalog = Catalog::builtin().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/analytes/factors.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let mut checked = 0;
    for row in reader.records() {
        let row = row.unwrap();
        let factor: f64 = row[5].parse().unwrap();
        let codes = [("http://loinc.org", &row[1]), (JLAC10, &row[2])];
        for code in codes.into_iter().filter(|(_, code)| !code.is_empty()) {
            for (from, to, wanted) in [(&row[3], &row[4], factor), (&row[4], &row[3], 1.0 / factor)] {
                let found = convert(&catalog, &[code], "100000", from, to);
                let Conversion::Converted { value, unit, .. } = found else { panic!("{}: {found:?}", &row[0]) };
                let found = value.parse::<f64>().unwrap() / 100_000.0;
                assert!((found / wanted - 1.0).abs() < 0.006, "{} {from} to {to}: {found}, not {wanted}", &row[0]);
                assert_eq!(unit.replace("u[IU]", "uIU").replace("m[IU]", "mIU"), to.replace("mEq", "meq"));
                checked += 1;
            }
        }
    }
    assert!(checked > 180, "{checked}");
}

/// HbA1c is linear, not proportional, and what has no factor has none in any unit.
#[test]
fn values_that_follow_no_factor() {
    let catalog = Catalog::builtin().unwrap();
    let to = |code: &str, value: &str, from: &str, to: &str| {
        convert(&catalog, &[("http://loinc.org", code)], value, from, to)
    };
    for (percent, ifcc) in [("6.5", "48"), ("7.0", "53"), ("9.0", "75")] {
        let Conversion::Converted { value, .. } = to("4548-4", percent, "%", "mmol/mol") else { panic!() };
        assert_eq!(value, ifcc);
        let Conversion::Converted { value, .. } = to("59261-8", ifcc, "mmol/mol", "%") else { panic!() };
        assert_eq!(value, percent);
    }
    for (code, from, other) in [("20448-7", "uIU/mL", "pmol/L"), ("33914-3", "mL/min/{1.73_m2}", "mL/min")] {
        assert!(matches!(to(code, "10", from, other), Conversion::NotConvertible { .. }), "{code}");
    }
}

mod broken {
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
            Just(Value::from("http://loinc.org")),
            Just(Value::from("4548-4")),
            Just(Value::from("%")),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            let key = prop_oneof![
                Just("code".to_owned()),
                Just("coding".to_owned()),
                Just("system".to_owned()),
                Just("value".to_owned()),
                Just("valueQuantity".to_owned()),
                Just("unit".to_owned()),
                Just("name".to_owned()),
                Just("extension".to_owned()),
                Just("component".to_owned()),
                Just("family".to_owned()),
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever a stranger sends as a resource, harmonising neither panics nor changes what is there.
        #[test]
        fn resources_do_no_harm(kind in prop_oneof![Just("Observation"), Just("Patient"), Just("Condition"), Just("Medication")], body in json()) {
            let mut resource = body;
            if let Some(members) = resource.as_object_mut() {
                members.insert("resourceType".to_owned(), kind.into());
            }
            let catalog = catalog();
            let setting = HarmoniseSetting { country: Country::Jp, namespace: String::new() };
            harmonise_resource(catalog, &setting, &mut resource);
        }

        /// Any text where a decimal belongs converts to a decimal or is refused.
        #[test]
        fn any_value_converts_or_is_refused(value in prop_oneof![".{0,30}", "-?[0-9]{1,25}(\\.[0-9]{1,20})?([eE]-?[0-9]{1,3})?"], unit in prop_oneof![Just("mg/dL"), Just("mmol/L"), Just("%"), Just("K/uL")]) {
            let codes = [("http://loinc.org", "2345-7")];
            if let watari::harmonise::Conversion::Converted { value, .. } = watari::harmonise::convert(catalog(), &codes, &value, unit, "mmol/L") {
                prop_assert!(serde_json::from_str::<serde_json::Number>(&value).is_ok());
            }
        }
    }

    fn catalog() -> &'static Catalog {
        static CATALOG: std::sync::OnceLock<Catalog> = std::sync::OnceLock::new();
        CATALOG.get_or_init(|| Catalog::builtin().unwrap())
    }
}
