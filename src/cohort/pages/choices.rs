//! What the form offers to choose from. Everything else can be asked as JSON.

use crate::fhir::systems::{ICD10, LOINC};

/// WHO's drug classification; the harmonised code of ingredients.
pub const ATC: &str = "http://www.whocc.no/atc";

/// A group of choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Laboratory results.
    Laboratory,
    /// Diagnoses.
    Diagnosis,
    /// Medications.
    Medication,
}

impl Group {
    /// All, in the order of the form.
    pub const ALL: [Self; 3] = [Self::Laboratory, Self::Diagnosis, Self::Medication];

    /// `context` of the criterion.
    pub fn context(self) -> &'static str {
        match self {
            Self::Laboratory => "observation",
            Self::Diagnosis => "condition",
            Self::Medication => "medication",
        }
    }
}

/// Something to choose.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Form value; its words are `choice-{key}`.
    pub key: &'static str,
    /// Where it is listed.
    pub group: Group,
    /// Code system.
    pub system: &'static str,
    /// Codes, any of which counts. The first is shown.
    pub codes: &'static [&'static str],
}

const fn lab(key: &'static str, codes: &'static [&'static str]) -> Choice {
    Choice { key, group: Group::Laboratory, system: LOINC, codes }
}

const fn diagnosis(key: &'static str, codes: &'static [&'static str]) -> Choice {
    Choice { key, group: Group::Diagnosis, system: ICD10, codes }
}

/// The choices. A LOINC code stands for its analyte: nodes add the codes that say the same.
pub const CHOICES: [Choice; 16] = [
    lab("hba1c", &["4548-4"]),
    lab("glucose", &["2345-7"]),
    lab("glucose-fasting", &["1558-6"]),
    lab("creatinine", &["2160-0"]),
    lab("cholesterol", &["2093-3"]),
    lab("cholesterol-hdl", &["2085-9"]),
    lab("cholesterol-ldl", &["2089-1"]),
    lab("triglyceride", &["2571-8"]),
    lab("haemoglobin", &["718-7"]),
    diagnosis(
        "diabetes-2",
        &["E11", "E11.0", "E11.1", "E11.2", "E11.3", "E11.4", "E11.5", "E11.6", "E11.7", "E11.8", "E11.9"],
    ),
    diagnosis(
        "diabetes-1",
        &["E10", "E10.0", "E10.1", "E10.2", "E10.3", "E10.4", "E10.5", "E10.6", "E10.7", "E10.8", "E10.9"],
    ),
    diagnosis("hypertension", &["I10"]),
    diagnosis("heart-failure", &["I50", "I50.0", "I50.1", "I50.9"]),
    diagnosis("kidney-disease", &["N18", "N18.0", "N18.1", "N18.2", "N18.3", "N18.4", "N18.5", "N18.8", "N18.9"]),
    diagnosis("knee-arthrosis", &["M17", "M17.0", "M17.1", "M17.2", "M17.3", "M17.4", "M17.5", "M17.9"]),
    Choice { key: "metformin", group: Group::Medication, system: ATC, codes: &["A10BA02"] },
];

/// Units offered, as UCUM codes.
pub const UNITS: [&str; 7] = ["%", "mmol/mol", "mg/dL", "mmol/L", "umol/L", "g/dL", "g/L"];

/// Comparators: code in the question, sign for people.
pub const COMPARATORS: [(&str, &str); 5] = [("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"), ("eq", "=")];

/// The choice with this form value.
pub fn by_key(key: &str) -> Option<&'static Choice> {
    CHOICES.iter().find(|choice| choice.key == key)
}

/// The choice that a code of a question belongs to.
pub fn by_code(system: &str, code: &str) -> Option<&'static Choice> {
    CHOICES.iter().find(|choice| choice.system == system && choice.codes.contains(&code))
}
