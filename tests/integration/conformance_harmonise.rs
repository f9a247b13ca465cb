//! Units, analytes, code systems and identifiers against published tables, which are not part of this source. Set
//! `WATARI_CONFORMANCE` to a folder that holds `suites/ucum` and `facts/domain`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use octofhir_ucum::Number;
use serde_json::Value;
use watari::harmonise::units::Reading;
use watari::harmonise::{Conversion, builtin, convert, ucum};

fn shared() -> Option<PathBuf> {
    match std::env::var_os("WATARI_CONFORMANCE") {
        Some(root) => Some(PathBuf::from(root)),
        None => {
            eprintln!("WATARI_CONFORMANCE is not set; skipped");
            None
        }
    }
}

fn rows(name: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let path = shared()?.join("facts/domain").join(name);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(&path).unwrap();
    let heads = reader.headers().unwrap().clone();
    let row =
        |record: csv::StringRecord| heads.iter().zip(&record).map(|(h, v)| (h.to_owned(), v.to_owned())).collect();
    Some(reader.records().map(|record| row(record.unwrap())).collect())
}

/// A number with as many significant digits as another was written with.
fn as_written(number: Number, like: &str) -> String {
    let mantissa = like.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    // Zeros behind a whole number say nothing of its precision.
    let digits = if mantissa.contains('.') { digits } else { digits.trim_end_matches('0').to_owned() };
    let significant = digits.trim_start_matches('0').len().max(1);
    let (whole, exponent) = number.to_integer_and_exponent();
    let text = whole.unsigned_abs().to_string();
    let magnitude = exponent + text.len() as i32 - 1;
    let kept = if text.len() > significant {
        let divisor = 10_u128.pow((text.len() - significant) as u32);
        ((whole.unsigned_abs() + divisor / 2) / divisor).to_string()
    } else {
        text
    };
    // Rounding 9.99 up gives one digit more.
    let magnitude = magnitude + i32::from(kept.len() > significant);
    format!("{}e{magnitude}", kept.trim_end_matches('0'))
}

fn outcome(case: &Value) -> Result<(), String> {
    let text = |name: &str| case[name].as_str().unwrap_or_default();
    let number = |name: &str| Number::parse(text(name)).ok_or(format!("{name} is no number"));
    let same = |found: Option<Number>, wanted: &str| {
        let found = found.ok_or("no result")?;
        let (found, wanted) = (as_written(found, wanted), as_written(Number::parse(wanted).unwrap(), wanted));
        if found == wanted { Ok(()) } else { Err(format!("{found}, not {wanted}")) }
    };
    let product = |found: Option<(Number, String)>| {
        let (value, unit) = found.ok_or("no result")?;
        // One is written with an empty code in the suite.
        let unit = if unit == "1" { String::new() } else { unit };
        same(Some(value), text("vRes"))?;
        if unit == text("uRes") { Ok(()) } else { Err(format!("in {unit}")) }
    };
    match text("kind") {
        "validation" => match (ucum::validate(text("unit")), text("valid") == "true") {
            (Ok(()), true) | (Err(_), false) => Ok(()),
            (found, _) => Err(format!("{found:?}")),
        },
        "displayNameGeneration" => match ucum::name(text("unit")) {
            Some(name) if name == text("display") => Ok(()),
            found => Err(format!("{found:?}")),
        },
        "conversion" => same(ucum::convert(number("value")?, text("srcUnit"), text("dstUnit")), text("outcome")),
        "multiplication" => product(ucum::multiply((number("v1")?, text("u1")), (number("v2")?, text("u2")))),
        "division" => product(ucum::divide((number("v1")?, text("u1")), (number("v2")?, text("u2")))),
        other => Err(format!("a case of kind {other}")),
    }
}

#[test]
fn the_functional_tests_of_ucum_pass() {
    let Some(root) = shared() else { return };
    let text = std::fs::read_to_string(root.join("suites/ucum/ucum-functional.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 500);
    let wrong: Vec<String> =
        cases.iter().filter_map(|case| outcome(case).err().map(|why| format!("{}: {why}", case["id"]))).collect();
    eprintln!("UCUM: {} of {} pass", cases.len() - wrong.len(), cases.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every unit the tables of national hospitals prescribe is UCUM, or the alias table says why it is none.
#[test]
fn every_unit_of_the_hospitals_table_is_accounted_for() {
    let Some(rows) = rows("jlac10-units-nho.csv") else { return };
    let catalog = builtin().unwrap();
    let (mut read, mut refused, mut unknown) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for row in &rows {
        let unit = row["unit"].as_str();
        let seen = match catalog.units.read(unit, false) {
            Reading::Ucum(_) => &mut read,
            Reading::Refused(_) => &mut refused,
            Reading::Unknown => &mut unknown,
        };
        *seen.entry(unit).or_insert(0) += 1;
    }
    eprintln!("units of {} codes: {} read {read:?}; argued {refused:?}", rows.len(), read.len());
    assert!(rows.len() > 1000);
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(refused.keys().all(|unit| [".", "(end_u)/mL"].contains(unit)), "{refused:?}");
}

/// Published factors, both ways. What is not converted is so for a reason.
#[test]
fn analytes_convert_by_the_published_factors() {
    let Some(rows) = rows("analytes.csv") else { return };
    let catalog = builtin().unwrap();
    let mut checked = 0;
    for row in &rows {
        let factor =
            [&row["published_factor"], &row["factor_conv_to_si"]].into_iter().find_map(|text| text.parse::<f64>().ok());
        let (Some(factor), [one, other]) = (factor, [&row["unit_conventional_ucum"], &row["unit_si_ucum"]]) else {
            continue;
        };
        let codes: Vec<(&str, &str)> =
            [("http://loinc.org", &row["loinc_conventional"]), ("http://loinc.org", &row["loinc_si"])]
                .into_iter()
                .filter(|(_, code)| !code.is_empty() && !code.ends_with('?'))
                .map(|(system, code)| (system, code.as_str()))
                .collect();
        let Some(code) = codes.first() else { panic!("{} has no code", row["analyte"]) };
        let (forth, back) =
            (convert(catalog, &[*code], "100000", one, other), convert(catalog, &[*code], "100000", other, one));
        if row["analyte"] == "Insulin" {
            assert!(matches!((&forth, &back), (Conversion::NotConvertible { .. }, Conversion::NotConvertible { .. })));
            continue;
        }
        for (conversion, wanted) in [(forth, factor), (back, 1.0 / factor)] {
            let Conversion::Converted { value, .. } = conversion else { panic!("{}: {conversion:?}", row["analyte"]) };
            let found = value.parse::<f64>().unwrap() / 100_000.0;
            assert!((found / wanted - 1.0).abs() < 0.006, "{}: {found}, published {wanted}", row["analyte"]);
        }
        checked += 1;
    }
    eprintln!("{checked} analytes within 0.6 % both ways");
    assert!(checked > 60);
}

/// Published numbers that are right and wrong by their check digits.
#[test]
fn check_digits_agree_with_published_numbers() {
    let Some(rows) = rows("check-digit-vectors.csv") else { return };
    let known = &builtin().unwrap().terminology.identifiers;
    for row in &rows {
        let name = match row["jurisdiction"].as_str() {
            "ON" => "ca-on-patient-hcn".to_owned(),
            other => format!("ca-{}-patient-healthcare-id", other.to_lowercase()),
        };
        let system = format!("https://fhir.infoway-inforoute.ca/NamingSystem/{name}");
        let doubts = known.doubts(&system, &row["number"]);
        assert_eq!(doubts.is_empty(), row["valid"] == "1", "{}: {doubts:?}", row["number"]);
    }
    assert!(rows.len() > 20);
}

/// Every Canadian identifier system is known by its address; the federal ones have no published form.
#[test]
fn canadian_identifier_systems_are_known() {
    let Some(rows) = rows("ca-identifier-systems.csv") else { return };
    let known = &builtin().unwrap().terminology.identifiers;
    for row in &rows {
        let federal = ["VAC", "CSC", "RCMP", "CAF"].contains(&row["jurisdiction"].as_str());
        assert_eq!(known.name(&row["system"]).is_none(), federal, "{}", row["system"]);
    }
}
