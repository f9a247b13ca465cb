//! Names in three scripts: kanji (`IDE`), kana (`SYL`), letters (`ABC`), each a HumanName of its own. Letters are
//! proposed from kana only where nobody has given them, and are marked as a proposal until a person confirms them.

use crate::fhir::tree::{Map, Value, json};

use super::{Notes, Outcome, romaji};
use crate::fhir::systems::{EN_REPRESENTATION, PROPOSED_NAME, PROPOSED_SPELLING};

/// Proposes letters for a person whose name is known in kana.
pub(super) fn person(resource: &mut Value, notes: &mut Notes<'_>) {
    let Some(names) = resource.get_mut("name").and_then(Value::as_array_mut) else { return };
    if names.iter().any(is_alphabetic) {
        return;
    }
    let Some(kana) = names.iter().find(|name| representation(name) == Some("SYL") || is_kana(name)) else { return };
    match propose(kana) {
        Some(name) => {
            names.push(name);
            notes.add("name", "kana to passport Hepburn", Outcome::Added, "letters proposed, not confirmed");
        }
        None => notes.add("name", "kana to passport Hepburn", Outcome::Unmapped, "the kana name holds other letters"),
    }
}

fn propose(kana: &Value) -> Option<Value> {
    let letters = |text: &str| romaji::passport(text);
    let family = match kana["family"].as_str() {
        Some(family) => Some(letters(family)?),
        None => None,
    };
    let given = kana["given"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let given: Vec<String> = given.map(letters).collect::<Option<_>>()?;
    let text = match (&family, given.is_empty()) {
        (None, true) => letters(kana["text"].as_str()?)?,
        _ => family.iter().chain(&given).map(String::as_str).collect::<Vec<_>>().join(" "),
    };
    let mut extensions = vec![
        json!({"url": EN_REPRESENTATION, "valueCode": "ABC"}),
        json!({"url": PROPOSED_NAME, "valueString": "kana to passport Hepburn"}),
    ];
    if let Some(other) = romaji::passport_with_oh(&whole(kana)) {
        extensions.push(json!({"url": PROPOSED_SPELLING, "valueString": other}));
    }
    let mut name = Map::new();
    name.insert("extension", Value::Array(extensions));
    if let Some(usage) = kana.get("use") {
        name.insert("use", usage.clone());
    }
    name.insert("text", text.into());
    if let Some(family) = family {
        name.insert("family", family.into());
    }
    if !given.is_empty() {
        name.insert("given", given.into());
    }
    Some(Value::Object(name))
}

/// Family and given names, or the text where there are none.
fn whole(name: &Value) -> String {
    let given = name["given"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let parts: Vec<&str> = name["family"].as_str().into_iter().chain(given).collect();
    if parts.is_empty() { name["text"].as_str().unwrap_or_default().to_owned() } else { parts.join(" ") }
}

fn representation(name: &Value) -> Option<&str> {
    let extensions = name["extension"].as_array()?;
    extensions.iter().find(|extension| extension["url"] == EN_REPRESENTATION)?["valueCode"].as_str()
}

/// Marked `ABC`, or unmarked and written in Latin letters.
fn is_alphabetic(name: &Value) -> bool {
    match representation(name) {
        Some(code) => code == "ABC",
        None => parts(name).any(|part| part.chars().any(|c| c.is_alphabetic() && (c as u32) < 0x250)),
    }
}

/// Unmarked and all in kana.
fn is_kana(name: &Value) -> bool {
    representation(name).is_none()
        && parts(name).next().is_some()
        && parts(name)
            .all(|part| super::fold(part).chars().all(|c| matches!(c, '\u{30A1}'..='\u{30FC}') || c.is_whitespace()))
}

fn parts(name: &Value) -> impl Iterator<Item = &str> {
    let given = name["given"].as_array().into_iter().flatten().filter_map(Value::as_str);
    name["family"].as_str().into_iter().chain(given).chain(name["text"].as_str())
}
