//! Names in three scripts: kanji (`IDE`), kana (`SYL`), letters (`ABC`), each a HumanName of its own. Letters are
//! proposed from kana only where nobody has given them, and are marked as a proposal until a person confirms them.

use serde_json::{Map, Value, json};

use super::{Notes, Outcome, romaji};
use crate::fhir::systems::{EN_REPRESENTATION, PROPOSED_NAME};

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
    let family = kana["family"].as_str().map(romaji::passport);
    let given: Vec<Option<String>> =
        kana["given"].as_array().into_iter().flatten().filter_map(Value::as_str).map(romaji::passport).collect();
    let family = match family {
        Some(family) => Some(family?),
        None => None,
    };
    let given: Vec<String> = given.into_iter().collect::<Option<_>>()?;
    let text = match (&family, given.is_empty()) {
        (None, true) => romaji::passport(kana["text"].as_str()?)?,
        _ => family.iter().chain(&given).map(String::as_str).collect::<Vec<_>>().join(" "),
    };
    let mut name = Map::new();
    name.insert(
        "extension".to_owned(),
        json!([
            {"url": EN_REPRESENTATION, "valueCode": "ABC"},
            {"url": PROPOSED_NAME, "valueString": "kana to passport Hepburn"},
        ]),
    );
    if let Some(usage) = kana.get("use") {
        name.insert("use".to_owned(), usage.clone());
    }
    name.insert("text".to_owned(), text.into());
    if let Some(family) = family {
        name.insert("family".to_owned(), family.into());
    }
    if !given.is_empty() {
        name.insert("given".to_owned(), given.into());
    }
    Some(Value::Object(name))
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
