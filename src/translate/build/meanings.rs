//! What the codes and words of a source say together, which no single row can see: a diagnosis with its modifiers, and an
//! allergy entry that says there is none.

use crate::fhir::tree::{Map, Value, json};
use base64::Engine as _;

use super::context::Work;
use super::resources::Instance;
use crate::fhir::systems;
use crate::translate::datatypes::attachment;

const PREFIX: &str = "http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_Condition_DiseasePrefixModifier";
const POSTFIX: &str = "http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_Condition_DiseasePostfixModifier";
/// の疑い in the list of modifiers for claims.
const SUSPECTED: &str = "8002";

/// Brings out what a resource means.
pub(crate) fn read(work: &Work<'_>, instance: &mut Instance<'_>) {
    match instance.row.resource_type.as_str() {
        "Condition" => condition(&mut instance.body),
        "AllergyIntolerance" => allergy(work, instance.number, &mut instance.body),
        "Appointment" => appointment(&mut instance.body),
        "DocumentReference" => document(&mut instance.body),
        _ => {}
    }
}

/// The name with its modifiers, and a suspicion that is never taken for a diagnosis.
fn condition(body: &mut Map) {
    let Some(Value::Object(code)) = body.get_mut("code") else { return };
    if let Some(Value::Array(codings)) = code.get_mut("coding") {
        once(codings);
    }
    if let Some(Value::Array(modifiers)) = code.get_mut("extension") {
        one_for_each(modifiers);
    }
    let (before, after) = (modifiers(code, PREFIX), modifiers(code, POSTFIX));
    if !(before.is_empty() && after.is_empty())
        && let Some(name) = name(code)
    {
        code.insert("text", json!(modified(&name, &before, &after)));
    }
    if is_suspected(code) {
        let told = body.get("verificationStatus").and_then(|status| status.pointer("/coding/0/code")?.as_str());
        if !matches!(told, Some("entered-in-error" | "refuted" | "provisional" | "differential" | "unconfirmed")) {
            let system = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
            let provisional = json!({"coding": [{"system": system, "code": "provisional"}]});
            body.insert("verificationStatus", provisional);
        }
    }
}

/// The same code from two fields is one coding.
fn once(codings: &mut Vec<Value>) {
    let mut seen = Vec::new();
    codings.retain(|coding| {
        let key = (coding.get("system").cloned(), coding.get("code").cloned());
        let is_new = !seen.contains(&key);
        seen.push(key);
        is_new
    });
}

/// A modifier that stands there by its number and by its exchange code is one modifier.
fn one_for_each(modifiers: &mut Vec<Value>) {
    let mut kept: Vec<Value> = Vec::new();
    for modifier in modifiers.drain(..) {
        let same = kept.iter_mut().find(|other| other["url"] == modifier["url"] && words(other) == words(&modifier));
        let codings = modifier.pointer("/valueCodeableConcept/coding").and_then(Value::as_array).cloned();
        match same.and_then(|other| other.pointer_mut("/valueCodeableConcept/coding")?.as_array_mut()) {
            Some(present) => {
                present.extend(codings.unwrap_or_default());
                once(present);
            }
            None => kept.push(modifier),
        }
    }
    *modifiers = kept;
}

fn words(modifier: &Value) -> Option<&str> {
    let concept = modifier.get("valueCodeableConcept")?;
    concept.pointer("/coding/0/display").or_else(|| concept.get("text"))?.as_str()
}

fn modifiers(code: &Map, url: &str) -> Vec<String> {
    let all = code.get("extension").and_then(Value::as_array).into_iter().flatten();
    all.filter(|modifier| modifier["url"] == url).filter_map(words).map(str::to_owned).collect()
}

fn name(code: &Map) -> Option<String> {
    let display = |code: &Map| {
        code.get("coding")?.as_array()?.iter().find_map(|coding| coding.get("display")?.as_str().map(str::to_owned))
    };
    code.get("text").and_then(Value::as_str).map(str::to_owned).or_else(|| display(code))
}

/// 左 + 前腕骨折, 胃癌 + の疑い; what the name says already is not said twice.
fn modified(name: &str, before: &[String], after: &[String]) -> String {
    let (before, after) = (before.concat(), after.concat());
    let before = if name.starts_with(&before) { "" } else { &before };
    let after = if name.ends_with(&after) { "" } else { &after };
    format!("{before}{name}{after}")
}

fn is_suspected(code: &Map) -> bool {
    let by_code = |modifier: &Value| {
        let codings = modifier.pointer("/valueCodeableConcept/coding").and_then(Value::as_array);
        codings.into_iter().flatten().any(|coding| coding["code"] == SUSPECTED)
    };
    let modifiers = code.get("extension").and_then(Value::as_array);
    let codings = code.get("coding").and_then(Value::as_array);
    let displays = codings.into_iter().flatten().filter_map(|coding| coding.get("display"));
    let mut texts = displays.chain(code.get("text")).filter_map(Value::as_str);
    modifiers.into_iter().flatten().any(by_code)
        || texts.any(|text| text.trim().trim_end_matches('）').ends_with("疑い"))
}

/// "No known allergies" is no allergy to something of that name: SNOMED CT has codes for it, as the IPS writes it.
fn allergy(work: &Work<'_>, number: usize, body: &mut Map) {
    let Some(table) = work.order.rules.table("no-known-allergy") else { return };
    let Some(code) = body.get("code") else { return };
    let codings = code.get("coding").and_then(Value::as_array).cloned().unwrap_or_default();
    let said = codings.iter().flat_map(|coding| [coding.get("code"), coding.get("display")]).chain([code.get("text")]);
    let known = said.flatten().filter_map(Value::as_str).find_map(|text| table.codes.get(&plain(text)));
    let (Some(known), Some(system)) = (known.cloned(), &table.system) else { return };
    let absent = json!({"system": system, "code": &known});
    let mut all = vec![absent];
    all.extend(codings.into_iter().filter(|coding| coding["code"] != known.as_str()));
    let mut concept = Map::new();
    concept.insert("coding", Value::Array(all));
    concept.extend(code.get("text").map(|text| ("text".to_owned(), text.clone())));
    body.insert("code", Value::Object(concept));
    for element in ["category", "type", "criticality", "reaction"] {
        if body.remove(element).is_some() {
            work.ledger.withdraw(
                number,
                &format!("AllergyIntolerance.{element}"),
                "the entry says that no allergy is known",
            );
        }
    }
}

/// An appointment that tells when it begins and how long it takes tells when it ends. Where it does not, the end is absent
/// and says so: R4 wants both or neither (app-2).
fn appointment(body: &mut Map) {
    let time = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let (start, end) = (time("start"), time("end"));
    let absent = || json!({"extension": [{"url": systems::DATA_ABSENT_REASON, "valueCode": "unknown"}]});
    match (start, end) {
        (Some(start), None) => match body.get("minutesDuration").and_then(Value::as_i64).and_then(|m| after(&start, m))
        {
            Some(end) => drop(body.insert("end", json!(end))),
            None => drop(body.insert("_end", absent())),
        },
        (None, Some(_)) => drop(body.insert("_start", absent())),
        _ => {}
    }
}

/// The same offset, `minutes` later.
fn after(start: &str, minutes: i64) -> Option<String> {
    let at: jiff::Timestamp = start.parse().ok()?;
    let later = at.checked_add(jiff::SignedDuration::from_mins(minutes)).ok()?;
    let offset = start.get(start.len().checked_sub(6)?..)?;
    let (hours, rest): (i32, i32) = (offset.get(1..3)?.parse().ok()?, offset.get(4..6)?.parse().ok()?);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let zone = jiff::tz::Offset::from_seconds(sign * (hours * 3600 + rest * 60)).ok()?;
    Some(format!("{}{offset}", zone.to_datetime(later).strftime("%Y-%m-%dT%H:%M:%S")))
}

/// The lines of a text are one text.
fn document(body: &mut Map) {
    let Some(Value::Array(contents)) = body.get_mut("content") else { return };
    let engine = base64::engine::general_purpose::STANDARD;
    let plain = |content: &Value| {
        let attachment = content.get("attachment")?;
        let is_plain = attachment.get("contentType").and_then(Value::as_str) == Some(attachment::PLAIN);
        engine.decode(attachment.get("data")?.as_str().filter(|_| is_plain)?).ok()
    };
    let mut joined: Vec<Value> = Vec::new();
    for content in contents.drain(..) {
        match (joined.last().and_then(plain), plain(&content)) {
            (Some(mut text), Some(line)) => {
                text.push(b'\n');
                text.extend(line);
                if let Some(last) = joined.last_mut() {
                    last["attachment"]["data"] = json!(engine.encode(text));
                }
            }
            _ => joined.push(content),
        }
    }
    *contents = joined;
}

/// Capitals, single spaces, no full stop.
fn plain(text: &str) -> String {
    let words: Vec<String> = text.trim_end_matches('.').split_whitespace().map(str::to_uppercase).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_modified_once() {
        let modify = |name: &str| modified(name, &["左".to_owned()], &["の疑い".to_owned()]);
        assert_eq!(modify("前腕骨折"), "左前腕骨折の疑い");
        assert_eq!(modify("左前腕骨折の疑い"), "左前腕骨折の疑い");
        assert_eq!(modified("胃癌", &[], &[]), "胃癌");
    }

    #[test]
    fn a_suspicion_is_provisional_even_where_the_sender_says_otherwise() {
        let status = |code: &Value, told: Option<&str>| {
            let mut body = json!({"code": code}).as_object().cloned().unwrap();
            if let Some(told) = told {
                body.insert("verificationStatus", json!({"coding": [{"code": told}]}));
            }
            condition(&mut body);
            body.get("verificationStatus")
                .and_then(|status| status.pointer("/coding/0/code")?.as_str().map(str::to_owned))
        };
        let suspected = json!({"text": "胃癌の疑い"});
        assert_eq!(status(&suspected, None).as_deref(), Some("provisional"));
        assert_eq!(status(&suspected, Some("confirmed")).as_deref(), Some("provisional"));
        assert_eq!(status(&suspected, Some("refuted")).as_deref(), Some("refuted"));
        assert_eq!(status(&json!({"text": "胃癌"}), None), None);
        let by_code = json!({"text": "胃癌", "extension": [{"url": POSTFIX,
            "valueCodeableConcept": {"coding": [{"code": "8002"}]}}]});
        assert_eq!(status(&by_code, None).as_deref(), Some("provisional"));
    }
}
