//! Whose data an answer shows, read from the answer itself, so that no interaction can forget to tell.

use std::collections::HashSet;

use memchr::memmem;

use crate::fhir;
use crate::store::requests::MOST_PATIENTS;

/// What stands before the id.
const PATIENT: &[u8] = b"Patient/";

/// Patients of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patients {
    ids: Vec<String>,
    known: HashSet<String>,
}

impl Patients {
    /// Adds one.
    pub fn add(&mut self, id: &str) {
        if fhir::is_valid_id(id) && self.known.insert(id.to_owned()) && self.ids.len() < MOST_PATIENTS {
            self.ids.push(id.to_owned());
        }
    }

    /// Adds the patients that FHIR JSON speaks of: those whose own address stands in it, and those that something in it refers to,
    /// relatively or below one of `bases`. A patient of another server is none of ours.
    pub fn of_json(&mut self, json: &[u8], bases: &[&str]) {
        for at in memmem::find_iter(json, PATIENT) {
            let (before, rest) =
                (json.get(..at).unwrap_or_default(), json.get(at + PATIENT.len()..).unwrap_or_default());
            let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte)).count();
            let (id, behind) = rest.split_at(length);
            let ends =
                behind.first() == Some(&b'"') || behind.starts_with(b"/_history/") || behind.first() == Some(&b'#');
            if !ends || !is_own(before, bases) {
                continue;
            }
            if let Ok(id) = std::str::from_utf8(id) {
                self.add(id);
            }
        }
    }

    /// Their ids with spaces between, as many as a row takes; and how many there are in all.
    pub fn told(self) -> (String, u32) {
        (self.ids.join(" "), u32::try_from(self.known.len()).unwrap_or(u32::MAX))
    }
}

/// Whether a text that begins before `Patient/` is a relative reference, or an address below one of `bases`.
fn is_own(before: &[u8], bases: &[&str]) -> bool {
    before.last() == Some(&b'"')
        || bases.iter().filter(|base| !base.is_empty()).any(|base| {
            let rest = before.strip_suffix(b"/").and_then(|rest| rest.strip_suffix(base.as_bytes()));
            rest.is_some_and(|rest| rest.last() == Some(&b'"'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> (String, u32) {
        let mut patients = Patients::default();
        patients.of_json(json.as_bytes(), &["https://here.example/fhir", "urn:x"]);
        patients.told()
    }

    #[test]
    fn those_whom_an_answer_names_are_shown() {
        assert_eq!(
            of(r#"{"fullUrl":"https://here.example/fhir/Patient/1","subject":{"reference":"Patient/2"}}"#).0,
            "1 2"
        );
        assert_eq!(of(r#"{"reference":"Patient/1/_history/3"},{"reference":"Patient/1"}"#), ("1".to_owned(), 1));
        assert_eq!(of(r#"{"reference":"urn:x/Patient/1"}"#).0, "1");
        for none in [
            r#"{"reference":"https://elsewhere.example/fhir/Patient/1"}"#,
            r#"{"reference":"https://evil.example/?https://here.example/fhir/Patient/1"}"#,
            r#"{"text":"see Patient/1"}"#,
            r#"{"url":"Patient?name=x"}"#,
            r#"{"code":"Patient/$everything"}"#,
            r#"{"reference":"RelatedPatient/1"}"#,
        ] {
            assert_eq!(of(none).1, 0, "{none}");
        }
    }

    #[test]
    fn of_many_the_first_are_named_and_all_are_counted() {
        let json: String = (0..250).map(|n| format!(r#"{{"reference":"Patient/{n}"}}"#)).collect();
        let (named, all) = of(&json);
        assert_eq!((named.split(' ').count(), all), (MOST_PATIENTS, 250));
    }
}
