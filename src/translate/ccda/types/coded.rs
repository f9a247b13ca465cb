//! CD, CE, CV, CS → CodeableConcept, Coding, code.

use crate::fhir::tree::{Map, Text, Value, json};
use roxmltree::Node;

use super::children;
use super::text::{plain, referenced};
use crate::fhir::systems;
use crate::translate::ccda::query::Hit;
use crate::translate::ccda::rows::ElementRow;
use crate::translate::ccda::work::Work;

/// → CodeableConcept: the code, its translations, and the original text.
pub(crate) fn concept<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let mut codings = Vec::new();
    gather(work, node, &mut codings);
    let mut concept = Map::new();
    let text = original_text(work, node).or_else(|| {
        // A display name without a code is a text.
        let uncoded = codings.is_empty() && node.attribute("displayName").is_some();
        if uncoded { work.attribute(node, "displayName").and_then(plain) } else { None }
    });
    if !codings.is_empty() {
        concept.insert("coding", Value::Array(codings));
    }
    if let Some(text) = text {
        concept.insert("text", Value::from(text));
    }
    (!concept.is_empty()).then_some(Value::Object(concept))
}

/// The same code in the same system is one coding, however often it is written.
fn gather<'a>(work: &mut Work<'a>, node: Node<'a, 'a>, codings: &mut Vec<Value>) {
    if let Some(coding) = one(work, node) {
        let same = |other: &Value| other["code"] == coding["code"] && other["system"] == coding["system"];
        if !codings.iter().any(same) {
            codings.push(coding);
        }
    }
    for translation in children(node, "translation") {
        gather(work, translation, codings);
    }
}

/// → the first Coding, a translation where the code itself is missing.
pub(crate) fn coding<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    one(work, node).or_else(|| children(node, "translation").find_map(|translation| one(work, translation)))
}

fn one<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let code = plain(work.attribute(node, "code")?)?;
    let mut coding = Map::new();
    let oid = work.attribute(node, "codeSystem");
    let name = work.attribute(node, "codeSystemName");
    if let Some(system) = work.system(oid, name, &code) {
        coding.insert("system", Value::from(system));
    }
    if let Some(version) = work.attribute(node, "codeSystemVersion").and_then(plain) {
        coding.insert("version", Value::from(version));
    }
    coding.insert("code", Value::from(code));
    if let Some(display) = work.attribute(node, "displayName").and_then(plain) {
        coding.insert("display", Value::from(display));
    }
    Some(Value::Object(coding))
}

fn original_text<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<String> {
    let text = super::child(node, "originalText")?;
    referenced(work, text)
}

/// The raw code a hit points at.
fn code_of<'a>(work: &mut Work<'a>, hit: &Hit<'a>) -> Option<&'a str> {
    match &hit.attribute {
        Some(attribute) => {
            work.book(hit.node, attribute);
            Some(attribute.value().trim()).filter(|text| !text.is_empty())
        }
        None => {
            work.attribute(hit.node, "codeSystem");
            work.attribute(hit.node, "codeSystemName");
            work.attribute(hit.node, "displayName");
            let code = work.attribute(hit.node, "code").or_else(|| work.attribute(hit.node, "value"));
            code.or_else(|| hit.node.text().map(str::trim).filter(|text| !text.is_empty()))
        }
    }
}

/// What the row's table makes of a code; `None`, and booked, if it does not know it.
fn looked_up<'a>(work: &mut Work<'a>, row: &'a ElementRow, hit: &Hit<'a>) -> Option<(String, Option<String>)> {
    let code = code_of(work, hit)?;
    let Some(name) = &row.table else { return plain(code).map(|code| (code, None)) };
    let table = work.rules.table(name)?;
    let Some(found) = table.codes.get(code).or_else(|| table.codes.get("*")) else {
        work.dropped(hit, &format!("table {} does not know the code", name));
        return None;
    };
    Some((found.to_string(), table.system.as_ref().map(Text::to_string)))
}

/// → code.
pub(crate) fn code<'a>(work: &mut Work<'a>, row: &'a ElementRow, hit: &Hit<'a>) -> Option<Value> {
    looked_up(work, row, hit).map(|(code, _)| Value::from(code))
}

/// → CodeableConcept of the table's system.
pub(crate) fn table_concept<'a>(work: &mut Work<'a>, row: &'a ElementRow, hit: &Hit<'a>) -> Option<Value> {
    let (code, system) = looked_up(work, row, hit)?;
    let coding = match system {
        Some(system) => json!({"system": system, "code": code}),
        None => json!({"code": code}),
    };
    Some(json!({"coding": [coding]}))
}

/// → CodeableConcept of BCP 47. ISO 639-2 names with three letters what BCP 47 wants with two; those we do not know stay.
pub(crate) fn language<'a>(work: &mut Work<'a>, hit: &Hit<'a>) -> Option<Value> {
    let code = code_of(work, hit)?;
    let known = work.rules.table("ccda-languages").and_then(|table| table.codes.get(code));
    let code = known.map(Text::to_string).or_else(|| plain(code))?;
    Some(json!({"coding": [{"system": "urn:ietf:bcp:47", "code": code}]}))
}

/// The address of a code system by OID, and by name where there is no OID.
pub(crate) fn address(oid: Option<&str>, name: Option<&str>, known: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let Some(oid) = oid else { return name.and_then(known) };
    if let Some(address) = known(oid) {
        return Some(address);
    }
    if let Some(table) = oid.strip_prefix("2.16.840.1.113883.12.").and_then(|number| number.parse::<u16>().ok()) {
        return Some(format!("{}{table:04}", systems::V2));
    }
    if crate::translate::datatypes::coded::is_oid(oid) {
        return Some(format!("urn:oid:{oid}"));
    }
    name.and_then(known)
}
