//! Security labels of resources (<https://hl7.org/fhir/R4/security-labels.html>): which of them hold a resource back, and who is
//! cleared for them.

use std::collections::BTreeSet;

use serde::Deserialize;

/// Confidentiality above normal. Who is cleared for `V` is for `R`, too.
const CONFIDENTIALITY: [&str; 2] = ["R", "V"];
/// Kinds of sensitive information (HL7 v3 ActCode, `ActInformationSensitivityPolicy`).
const SENSITIVITY: [&str; 34] = [
    "ABORTION", "ADOL", "BH", "CEL", "COGN", "DIA", "DRGIS", "DVD", "EMOTDIS", "EMP", "ETH", "ETHUD", "GDIS", "HIV",
    "IDS", "MH", "MST", "OPIOIDUD", "PDS", "PHY", "PREGNANT", "PRS", "PSY", "PSYTHPN", "SCA", "SDV", "SEX", "SICKLE",
    "SPI", "STD", "SUD", "TBOO", "VIO", "VIP",
];
/// Code systems of these labels: by address, of earlier releases, by OID. A label without a system counts, too.
const SYSTEMS: [&str; 7] = [
    "",
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "http://hl7.org/fhir/v3/Confidentiality",
    "http://hl7.org/fhir/v3/ActCode",
    "urn:oid:2.16.840.1.113883.5.25",
    "urn:oid:2.16.840.1.113883.5.4",
];
/// Stands for every label.
const ALL: &str = "*";

/// What a label of this system and code is called where it holds a resource back; none, if everybody may see it.
fn holding(system: &str, code: &str) -> Option<&'static str> {
    if !SYSTEMS.contains(&system) {
        return None;
    }
    CONFIDENTIALITY.iter().chain(&SENSITIVITY).copied().find(|held| held.eq_ignore_ascii_case(code))
}

/// The labels that somebody is cleared for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Clearance(BTreeSet<String>);

/// A label that holds nothing back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no security label that holds anything back; there are *, R, V, and kinds of sensitive information such as PSY, HIV, SUD"
)]
pub struct UnknownLabel(String);

impl Clearance {
    /// Reads labels (`R`, `PSY`, …; `*` for all).
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownLabel> {
        let mut cleared = BTreeSet::new();
        for word in words {
            let known = if word == ALL { Some(ALL) } else { holding("", word) };
            cleared.insert(known.ok_or_else(|| UnknownLabel(word.chars().take(40).collect()))?.to_owned());
        }
        if cleared.contains("V") {
            cleared.insert("R".to_owned());
        }
        Ok(Self(cleared))
    }

    /// Cleared for every label.
    pub fn all() -> Self {
        Self(BTreeSet::from([ALL.to_owned()]))
    }

    /// Whether nothing is held back.
    pub fn is_all(&self) -> bool {
        self.0.contains(ALL)
    }

    /// Whether a resource with this label may be seen, as far as it goes.
    pub fn covers(&self, system: &str, code: &str) -> bool {
        self.is_all() || holding(system, code).is_none_or(|label| self.0.contains(label))
    }
}

/// The words of the registration, separated by spaces.
impl std::fmt::Display for Clearance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    }
}

/// A label of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Label {
    /// System; empty: none.
    #[serde(default)]
    pub system: String,
    /// Code; empty: none.
    #[serde(default)]
    pub code: String,
}

#[derive(Deserialize)]
struct Labelled {
    #[serde(default)]
    meta: Meta,
}

#[derive(Deserialize, Default)]
struct Meta {
    #[serde(default)]
    security: Vec<Label>,
}

/// The labels of a resource, from its JSON; none, if they cannot be read.
pub fn of(json: &str) -> Option<Vec<Label>> {
    // Most resources have none, and need not be read for that.
    if !json.contains("\"security\"") {
        return Some(Vec::new());
    }
    serde_json::from_str::<Labelled>(json).ok().map(|read| read.meta.security)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIDENTIALITY_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

    #[test]
    fn labels_hold_back_from_who_is_not_cleared_for_them() {
        let of = |words: &str| Clearance::parse(words.split_whitespace()).unwrap();
        let sees = |words: &str, code: &str| of(words).covers(CONFIDENTIALITY_SYSTEM, code);
        assert!(sees("", "N") && sees("", "M") && !sees("", "R") && !sees("", "V"));
        assert!(sees("R", "R") && !sees("R", "V") && sees("V", "R") && sees("V", "V") && !sees("R V", "PSY"));
        assert!(sees("*", "V") && sees("PSY", "PSY") && !sees("PSY", "HIV") && !sees("", "r"));
        assert!(!of("").covers("", "psy"), "whatever the case, and without a system");
        assert!(of("").covers("https://hospital.example/labels", "R"), "another system's R");
        assert!(Clearance::parse(["N"]).is_err() && Clearance::parse(["everything"]).is_err());
        assert_eq!(of("V PSY").to_string(), "PSY R V");
    }

    #[test]
    fn labels_are_read_from_the_resource_and_what_cannot_be_read_is_told() {
        let json =
            r#"{"resourceType":"Patient","meta":{"security":[{"system":"s","code":"R","display":"x"},{}]},"x":1.50}"#;
        let found = of(json).unwrap();
        assert_eq!((found[0].system.as_str(), found[0].code.as_str(), found.len()), ("s", "R", 2));
        assert_eq!(of(r#"{"resourceType":"Patient"}"#), Some(Vec::new()));
        assert_eq!(of(r#"{"meta":{"security":{"code":"R"}}}"#), None);
        assert_eq!(of(r#"{"meta":{"security":["#), None);
    }
}
