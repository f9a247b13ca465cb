//! FHIRPath against HL7's test suite for R4, which is not part of this source. Set `WATARI_CONFORMANCE` to a folder that holds
//! `suites/fhirpath`. What is missed, and why, stands in `docs/decisions/fhirpath.md`.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;
use std::path::{Path as File, PathBuf};

use serde_json::{Map, Value, json};
use watari::fhir::path::{Element, Environment, Item, Path, Surroundings};
use watari::fhir::structure::Kind;

/// Cases that may be missed: five of a hundred.
const MOST_MISSED: usize = 46;

fn suite() -> Option<PathBuf> {
    match std::env::var_os("WATARI_CONFORMANCE") {
        Some(root) => Some(PathBuf::from(root).join("suites/fhirpath")),
        None => {
            eprintln!("WATARI_CONFORMANCE is not set; skipped");
            None
        }
    }
}

/// A resource of the suite, from JSON where it has that, else from XML.
fn input(folder: &File, name: &str) -> Value {
    if name.ends_with(".json") {
        return serde_json::from_slice(&std::fs::read(folder.join("input").join(name)).unwrap()).unwrap();
    }
    let text = std::fs::read_to_string(folder.join("input").join(name)).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    let kind = root.tag_name().name();
    let mut value = element(root, Kind::named(kind).unwrap());
    value["resourceType"] = json!(kind);
    value
}

/// An element of XML as JSON: <https://hl7.org/fhir/R4/json.html>.
fn element(node: roxmltree::Node, kind: Kind) -> Value {
    let mut members = Map::new();
    for name in ["id", "url"] {
        if let Some(text) = node.attribute(name) {
            members.insert(name.to_owned(), json!(text));
        }
    }
    for child in node.children().filter(roxmltree::Node::is_element) {
        let name = child.tag_name().name();
        let Some(found) = kind.child(name) else { continue };
        if name == "div" {
            members.insert(name.to_owned(), json!("<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"));
            continue;
        }
        let value = if found.kind.is_primitive() { primitive(&child, found.kind) } else { element(child, found.kind) };
        if found.is_list {
            members.entry(name).or_insert_with(|| json!([])).as_array_mut().unwrap().push(value);
        } else {
            members.insert(name.to_owned(), value);
        }
        if found.kind.is_primitive() && child.children().any(|one| one.is_element()) && !found.is_list {
            members.insert(format!("_{name}"), element(child, Kind::named("Element").unwrap()));
        }
    }
    Value::Object(members)
}

fn primitive(node: &roxmltree::Node, kind: Kind) -> Value {
    let Some(text) = node.attribute("value") else { return Value::Null };
    match kind.name() {
        "boolean" | "decimal" | "integer" | "positiveInt" | "unsignedInt" => serde_json::from_str(text).unwrap(),
        _ => json!(text),
    }
}

struct Nothing;

impl Surroundings<Value> for Nothing {}

fn outcome(case: &Value, input: &Value) -> Result<(), String> {
    let text = case["expression"].as_str().unwrap();
    let is_invalid = case["invalid"].is_string();
    let path = match Path::read(text) {
        Ok(path) => path,
        Err(_) if is_invalid => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let environment = Environment {
        now: "2026-11-24T10:00:00.000Z",
        is_strict: case["mode"] == "strict",
        surroundings: &Nothing,
        ..Environment::of(input)
    };
    let given = match path.evaluate(&environment, Item::Element(Element::resource(input))) {
        Ok(given) => given,
        Err(_) if is_invalid => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if is_invalid {
        return Err(format!("gives {} items instead of an error", given.len()));
    }
    let mut found: Vec<(String, String)> =
        given.iter().map(|item| (item.type_name().to_owned(), item.shown().unwrap_or_default())).collect();
    if case["predicate"] == "true" {
        found = vec![("boolean".to_owned(), (!found.is_empty()).to_string())];
    }
    let wanted = case["outputs"].as_array().unwrap();
    if found.len() != wanted.len() {
        return Err(format!("gives {found:?}"));
    }
    for ((kind, value), wanted) in found.iter().zip(wanted) {
        let wanted_value = wanted["value"].as_str().unwrap_or_default();
        let wanted_value = wanted_value.strip_prefix('@').unwrap_or(wanted_value);
        let wanted_value = if kind == "time" { wanted_value.trim_start_matches('T') } else { wanted_value };
        let is_value = value == wanted_value
            || (kind == "decimal"
                && wanted["type"] == "decimal"
                && value.parse::<f64>() == wanted_value.parse::<f64>());
        let is_type = wanted["type"].as_str().is_none_or(|wanted| wanted == kind);
        if !is_value || !is_type {
            return Err(format!("gives {kind} {value}"));
        }
    }
    Ok(())
}

#[test]
fn fhirpath_of_the_suite_is_understood() {
    let Some(folder) = suite() else { return };
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(folder.join("tests-fhir-r4.json")).unwrap()).unwrap();
    let mut inputs: HashMap<String, Value> = HashMap::new();
    let mut missed = Vec::new();
    for case in &cases {
        let name = case["inputfile"].as_str().unwrap_or("patient-example.xml");
        let input = inputs.entry(name.to_owned()).or_insert_with(|| input(&folder, name));
        if let Err(why) = outcome(case, input) {
            missed.push(format!("{} {}: {why}", case["name"].as_str().unwrap(), case["expression"]));
        }
    }
    println!("{} of {} cases\n{}", cases.len() - missed.len(), cases.len(), missed.join("\n"));
    assert!(cases.len() >= 900 && missed.len() <= MOST_MISSED, "{} missed", missed.len());
}
