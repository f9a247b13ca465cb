//! A patient's identity: every name in its own script, never merged; identifiers with who gave them.

use serde_json::Value;

use super::concept;
use crate::documents::concept::words;
use crate::fhir::systems::{EN_REPRESENTATION, PROPOSED_NAME};

/// A patient as shown at the head of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Logical id, if any.
    pub id: String,
    /// Names, current ones first.
    pub names: Vec<NameForm>,
    /// Birth date at its own precision.
    pub birth_date: Option<String>,
    /// Administrative gender code.
    pub gender: Option<String>,
    /// Identifiers: who or what gave it, value.
    pub identifiers: Vec<(String, String)>,
    /// Languages, preferred first.
    pub languages: Vec<String>,
    /// An interpreter is needed.
    pub interpreter: bool,
    /// Died.
    pub deceased: bool,
}

/// The script of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Ideographic (kanji).
    Kanji,
    /// Syllabic (kana).
    Kana,
    /// Alphabetic.
    Latin,
    /// Not said.
    Unstated,
}

/// A name as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameForm {
    /// Script, as recorded.
    pub script: Script,
    /// The name.
    pub text: String,
    /// Proposed by transliteration; nobody has confirmed it.
    pub proposed: bool,
}

/// Reads a Patient.
pub fn person(patient: &Value) -> Person {
    let list = |name: &str| patient.get(name).and_then(Value::as_array).into_iter().flatten();
    let text_of = |name: &str| patient.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut names: Vec<NameForm> = Vec::new();
    let current = list("name").filter(|name| name.get("use").and_then(Value::as_str) != Some("old"));
    for form in current.filter_map(name) {
        if !names.contains(&form) {
            names.push(form);
        }
    }
    let is_interpreter = |one: &&Value| {
        one.get("url").and_then(Value::as_str)
            == Some("http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired")
    };
    let mut languages: Vec<(bool, String)> = list("communication")
        .filter_map(|one| {
            let preferred = one.get("preferred").and_then(Value::as_bool).unwrap_or(false);
            let (_, code) = crate::fhir::codings(one.get("language")?).next()?;
            Some((!preferred, code.to_owned()))
        })
        .collect();
    languages.sort_by_key(|(later, _)| *later);
    Person {
        id: crate::fhir::id(patient).unwrap_or("").to_owned(),
        names,
        birth_date: text_of("birthDate"),
        gender: text_of("gender"),
        identifiers: list("identifier").filter_map(identifier).collect(),
        languages: languages.into_iter().map(|(_, code)| code).collect(),
        interpreter: list("extension")
            .find(is_interpreter)
            .is_some_and(|one| one.get("valueBoolean").and_then(Value::as_bool) == Some(true)),
        deceased: patient.get("deceasedBoolean").and_then(Value::as_bool) == Some(true)
            || patient.get("deceasedDateTime").is_some(),
    }
}

fn name(name: &Value) -> Option<NameForm> {
    let marks = || name.get("extension").and_then(Value::as_array).into_iter().flatten();
    let with = |url: &'static str| marks().find(move |mark| mark.get("url").and_then(Value::as_str) == Some(url));
    let script = match with(EN_REPRESENTATION).and_then(|mark| mark.get("valueCode")?.as_str()) {
        Some("IDE") => Script::Kanji,
        Some("SYL") => Script::Kana,
        Some("ABC") => Script::Latin,
        _ => Script::Unstated,
    };
    let own = name.get("text").and_then(Value::as_str).map(str::trim).unwrap_or("");
    let text = if own.is_empty() { joined(name, script) } else { own.to_owned() };
    let proposed = with(PROPOSED_NAME).is_some();
    (!text.is_empty()).then_some(NameForm { script, text, proposed })
}

/// Family name first in Japanese scripts; otherwise family name, comma, given names.
fn joined(name: &Value, script: Script) -> String {
    let family = name.get("family").and_then(Value::as_str).unwrap_or("").trim();
    let given: Vec<&str> =
        name.get("given").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let given = given.join(" ");
    let separator = match script {
        _ if family.is_empty() || given.is_empty() => "",
        Script::Kanji | Script::Kana => " ",
        Script::Latin | Script::Unstated if family.is_ascii() || !starts_in_kana_or_kanji(family) => ", ",
        Script::Latin | Script::Unstated => " ",
    };
    format!("{family}{separator}{given}")
}

fn starts_in_kana_or_kanji(text: &str) -> bool {
    text.chars().next().is_some_and(|c| ('\u{3040}'..='\u{9fff}').contains(&c))
}

fn identifier(identifier: &Value) -> Option<(String, String)> {
    let value = identifier.get("value")?.as_str()?.to_owned();
    let kind = identifier.get("type").and_then(words);
    let assigner = identifier.pointer("/assigner/display").and_then(Value::as_str).map(str::to_owned);
    let system = identifier.get("system").and_then(Value::as_str).map(concept::short);
    let label: Vec<String> = [kind, assigner.or(system)].into_iter().flatten().collect();
    Some((label.join(", "), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn three_scripts_stay_three_names() {
        let mark = |code: &str| json!([{"url": EN_REPRESENTATION, "valueCode": code}]);
        let patient = json!({"resourceType": "Patient", "id": "p", "birthDate": "1958-03-09", "name": [
            {"extension": mark("IDE"), "family": "渡邉", "given": ["花子"]},
            {"extension": mark("SYL"), "family": "ワタナベ", "given": ["ハナコ"]},
            {"extension": [{"url": EN_REPRESENTATION, "valueCode": "ABC"}, {"url": PROPOSED_NAME, "valueBoolean": true}],
             "family": "WATANABE", "given": ["HANAKO"]},
            {"use": "old", "family": "佐藤"}
        ]});
        let person = person(&patient);
        let texts: Vec<&str> = person.names.iter().map(|name| name.text.as_str()).collect();
        assert_eq!(texts, ["渡邉 花子", "ワタナベ ハナコ", "WATANABE, HANAKO"]);
        assert!(person.names[2].proposed && !person.names[0].proposed);
    }
}
