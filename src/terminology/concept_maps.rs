//! The tables as ConceptMap resources (R4), and a hospital's own ConceptMaps beside them.
//!
//! Equivalence is that of R4: seen from the source, so a `wider` target means more than the source. What a table says by
//! rule and not by code (the three method digits of JLAC10, the beginnings of drug codes, ICD-10 below its fourth
//! character) is said in the description and not spelled out code by code.

use serde_json::{Map, Value, json};

use super::analytes::{Analyte, Rule, Side};
use super::site::Equivalence;
use super::{ATC, TableError, Terminology};
use crate::fhir::systems;

/// Base of the maps' canonical addresses.
const BASE: &str = "https://watari.dev/fhir/ConceptMap";
/// What a target depends on: the UCUM unit in which the result is reported.
const REPORTED_UNIT: &str = "https://watari.dev/fhir/reported-unit";

/// The maps that come with the program. Their `id` is stable.
pub fn builtin(terminology: &Terminology) -> Vec<Value> {
    vec![jlac10_to_loinc(terminology), loinc_to_jlac10(terminology), drugs_to_atc(terminology), icd10()]
}

fn jlac10_to_loinc(terminology: &Terminology) -> Value {
    let elements = crossing(terminology).filter_map(|analyte| {
        let targets: Vec<Value> = sides(analyte)
            .iter()
            .map(|side| target(side.loinc.as_deref().unwrap_or_default(), Equivalence::Wider, &side.unit))
            .collect();
        (!targets.is_empty()).then(|| element(analyte.jlac10.as_deref().unwrap_or_default(), targets))
    });
    map(
        "jlac10-to-loinc",
        "Laboratory analytes: JLAC10 to LOINC",
        "The three method digits (13 to 15) of a JLAC10 code do not count: any method of the same analyte, identification, \
         material and result is mapped alike. Which of two LOINC codes holds is decided by the unit of the result.",
        &[group(systems::JLAC10, systems::LOINC, elements.collect())],
    )
}

fn loinc_to_jlac10(terminology: &Terminology) -> Value {
    let mut elements = Vec::new();
    for analyte in crossing(terminology) {
        for side in sides(analyte) {
            // One scale of HbA1c has a code of its own in JLAC10; the IFCC scale has none.
            if analyte.rule == Rule::HbA1c && side.unit == "mmol/mol" {
                continue;
            }
            let code = analyte.jlac10.as_deref().unwrap_or_default();
            let targets = vec![target(code, Equivalence::Narrower, &side.unit)];
            elements.push(element(side.loinc.as_deref().unwrap_or_default(), targets));
        }
    }
    map(
        "loinc-to-jlac10",
        "Laboratory analytes: LOINC to JLAC10",
        "The three method digits of the JLAC10 code are an example: they claim more than LOINC says.",
        &[group(systems::LOINC, systems::JLAC10, elements)],
    )
}

fn drugs_to_atc(terminology: &Terminology) -> Value {
    let mut groups: Vec<(String, Vec<Value>)> = Vec::new();
    for (system, code, atc) in terminology.ingredients.whole_codes() {
        let found = element(code, vec![json!({"code": atc, "equivalence": "wider"})]);
        match groups.iter_mut().find(|(known, _)| known == system) {
            Some((_, elements)) => elements.push(found),
            None => groups.push((system.to_owned(), vec![found])),
        }
    }
    let groups: Vec<Value> = groups.into_iter().map(|(system, elements)| group(&system, ATC, elements)).collect();
    map(
        "drugs-to-atc",
        "Drugs: product to the ATC code of the ingredient",
        "Same ingredient is never same product. YJ codes are mapped by their first seven digits and not listed here.",
        &groups,
    )
}

fn icd10() -> Value {
    let groups: Vec<Value> = [systems::ICD10_JP, systems::ICD10_CA]
        .into_iter()
        .map(|edition| {
            let own = element("E11", vec![json!({"code": "E11", "equivalence": "equal"})]);
            let mut group = group(edition, systems::ICD10, vec![own]);
            group["unmapped"] = json!({"mode": "provided"});
            group
        })
        .collect();
    map(
        "icd-10-editions-to-icd-10",
        "Diagnoses: national editions to ICD-10",
        "Categories of three characters and their fourth character are ICD-10's in every edition (K297 is K29.7); what an \
         edition adds behind them is mapped to its category, which is wider. E11 stands as the example.",
        &groups,
    )
}

/// Analytes whose LOINC and JLAC10 codes may stand beside each other.
fn crossing(terminology: &Terminology) -> impl Iterator<Item = &Analyte> {
    terminology.analytes.all().iter().filter(|analyte| analyte.crosses_codes() && analyte.jlac10.is_some())
}

/// The two ways of reporting, or one where both share a LOINC code.
fn sides(analyte: &Analyte) -> Vec<&Side> {
    let mut sides: Vec<&Side> = Vec::new();
    for side in [&analyte.conventional, &analyte.si] {
        if side.loinc.is_some() && !sides.iter().any(|known| known.loinc == side.loinc) {
            sides.push(side);
        }
    }
    sides
}

fn target(code: &str, equivalence: Equivalence, unit: &str) -> Value {
    let mut target = json!({
        "code": code,
        "equivalence": equivalence.as_str(),
        "dependsOn": [{"property": REPORTED_UNIT, "value": unit}],
    });
    // FHIR wants a word about every narrower target (cmd-1).
    if equivalence == Equivalence::Narrower {
        target["comment"] = json!("The three digits of the method are an example.");
    }
    target
}

fn element(code: &str, targets: Vec<Value>) -> Value {
    json!({"code": code, "target": targets})
}

fn group(source: &str, target: &str, elements: Vec<Value>) -> Value {
    json!({"source": source, "target": target, "element": elements})
}

fn map(id: &str, title: &str, description: &str, groups: &[Value]) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("resourceType", json!("ConceptMap"));
    put("id", json!(id));
    put("url", json!(format!("{BASE}/{id}")));
    put("version", json!(env!("CARGO_PKG_VERSION")));
    put("name", json!(name_of(id)));
    put("title", json!(title));
    put("status", json!("active"));
    put("experimental", json!(false));
    put("description", json!(description));
    if groups.iter().any(|group| group["source"] == systems::LOINC || group["target"] == systems::LOINC) {
        put(
            "copyright",
            json!(
                "This material contains content from LOINC (http://loinc.org). LOINC is copyright © Regenstrief Institute, \
                   Inc. and the LOINC Committee and is available at no cost under the license at http://loinc.org/license."
            ),
        );
    }
    put("group", json!(groups));
    Value::Object(map)
}

/// A machine name: `jlac10-to-loinc` is `Jlac10ToLoinc`.
fn name_of(id: &str) -> String {
    id.split('-')
        .flat_map(|word| word[..1].to_uppercase().chars().chain(word[1..].chars()).collect::<Vec<_>>())
        .collect()
}

/// One mapping of a hospital's ConceptMap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Source system.
    pub system: String,
    /// Source code.
    pub code: String,
    /// Target system.
    pub target_system: String,
    /// Target code; none where the map says that nothing fits (`unmatched`, `disjoint`).
    pub target: Option<(String, Equivalence)>,
}

/// A hospital's table as a ConceptMap, its `id` made of the table's name; none of an empty table.
pub fn of_table(name: &str, mapped: &[Mapped]) -> Option<Value> {
    let mut groups: Vec<Value> = Vec::new();
    for Mapped { system, code, target_system, target } in mapped {
        let Some((target, equivalence)) = target else { continue };
        let mut target = json!({"code": target, "equivalence": equivalence.as_str()});
        if *equivalence == Equivalence::Narrower {
            target["comment"] = json!("The hospital's table says no more."); // cmd-1
        }
        let found = element(code, vec![target]);
        let same = |group: &&mut Value| group["source"] == *system && group["target"] == *target_system;
        match groups.iter_mut().find(same).and_then(|group| group["element"].as_array_mut()) {
            Some(elements) => elements.push(found),
            None => groups.push(group(system, target_system, vec![found])),
        }
    }
    let id: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).take(64).collect();
    (!groups.is_empty()).then(|| {
        json!({
            "resourceType": "ConceptMap", "id": id, "title": name, "status": "active",
            "description": "A table of this hospital.", "group": groups,
        })
    })
}

/// Reads a ConceptMap of R4. `name` is what an error calls the file. Targets that are only related or inexact are passed
/// over: they may not stand beside a code as its meaning. `line` of an error is 0, JSON has none that helps.
pub fn read(name: &str, resource: &Value) -> Result<Vec<Mapped>, TableError> {
    let error = |message: String| TableError { table: name.to_owned(), line: 0, message };
    if resource["resourceType"] != "ConceptMap" {
        return Err(error("is not a ConceptMap".to_owned()));
    }
    if resource["status"] == "retired" {
        return Ok(Vec::new());
    }
    let mut mapped = Vec::new();
    for (number, group) in array(&resource["group"]).enumerate() {
        let (Some(system), Some(target_system)) = (group["source"].as_str(), group["target"].as_str()) else {
            return Err(error(format!("group {}: source and target are needed", number + 1)));
        };
        for element in array(&group["element"]) {
            let Some(code) = element["code"].as_str() else {
                return Err(error(format!("group {}: an element without a code", number + 1)));
            };
            for target in array(&element["target"]) {
                let place = || format!("group {}, {code}", number + 1);
                let said =
                    target["equivalence"].as_str().ok_or_else(|| error(format!("{}: no equivalence", place())))?;
                let target = match said {
                    "unmatched" | "disjoint" => None,
                    "relatedto" | "inexact" => continue,
                    _ => {
                        let relation = Equivalence::of_code(said)
                            .ok_or_else(|| error(format!("{}: {said} is no equivalence", place())))?;
                        let code = target["code"].as_str().ok_or_else(|| error(format!("{}: no code", place())))?;
                        Some((code.to_owned(), relation))
                    }
                };
                mapped.push(Mapped {
                    system: system.to_owned(),
                    code: code.to_owned(),
                    target_system: target_system.to_owned(),
                    target,
                });
            }
        }
    }
    Ok(mapped)
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hospitals_table_reads_back_from_the_map_it_is_written_as() {
        let row = |code: &str, target_system: &str, target: &str, equivalence| Mapped {
            system: "https://h.example/LAB".to_owned(),
            code: code.to_owned(),
            target_system: target_system.to_owned(),
            target: Some((target.to_owned(), equivalence)),
        };
        let rows = [
            row("GLU", systems::LOINC, "14749-6", Equivalence::Equivalent),
            row("CHOL", systems::LOINC, "2093-3", Equivalence::Narrower),
            row("GLU", systems::JLAC10, "3D010000002226101", Equivalence::Wider),
        ];
        let map = of_table("検査 lab_1", &rows).unwrap();
        assert_eq!(map["id"], "---lab-1");
        assert_eq!(map["group"].as_array().unwrap().len(), 2);
        assert!(map["group"][0]["element"][1]["target"][0]["comment"].is_string());
        assert_eq!(read("t", &map).unwrap(), rows);
        assert_eq!(of_table("empty", &[]), None);
    }

    #[test]
    fn the_tables_are_written_as_concept_maps() {
        let maps = builtin(&Terminology::builtin().unwrap());
        let text = serde_json::to_string(&maps[0]).unwrap();
        let wanted = r#"{"code":"3C015000002327101","target":[{"code":"2160-0","equivalence":"wider","dependsOn":[{"property":"https://watari.dev/fhir/reported-unit","value":"mg/dL"}]},{"code":"14682-9""#;
        assert!(text.contains(wanted), "{text}");
        assert!(!text.contains("3B070"), "alkaline phosphatase is kept apart");
        assert_eq!(maps[1]["name"], "LoincToJlac10");
        for map in &maps {
            assert!(array(&map["group"]).count() > 0, "{}", map["id"]);
            assert!(!read("own", map).unwrap().is_empty());
        }
    }

    #[test]
    fn a_hospitals_map_is_read_and_its_mistakes_are_named() {
        let map = |equivalence: &str, code: Value| {
            json!({"resourceType": "ConceptMap", "group": [{"source": "urn:a", "target": "urn:b", "element": [
                {"code": "1", "target": [{"code": code, "equivalence": equivalence}]}]}]})
        };
        assert_eq!(
            read("m", &map("subsumes", json!("2"))).unwrap()[0].target,
            Some(("2".to_owned(), Equivalence::Wider))
        );
        assert_eq!(read("m", &map("unmatched", Value::Null)).unwrap()[0].target, None);
        assert_eq!(read("m", &map("relatedto", json!("2"))).unwrap(), []);
        for (broken, said) in [
            (map("same", json!("2")), "same is no equivalence"),
            (map("equal", Value::Null), "no code"),
            (json!({"resourceType": "Patient"}), "is not a ConceptMap"),
            (json!({"resourceType": "ConceptMap", "group": [{}]}), "source and target"),
        ] {
            let error = read("m.json", &broken).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
