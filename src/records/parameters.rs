//! The search parameters the node serves: name, type and where the values stand. One table for indexing, for parsing
//! a query and for the CapabilityStatement (<https://hl7.org/fhir/R4/searchparameter-registry.html>).

/// Type of a search parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// Code, Coding, CodeableConcept, Identifier, boolean.
    Token,
    /// Text, matched by its start after folding.
    Text,
    /// Date, dateTime, instant, Period.
    Date,
    /// Reference.
    Reference,
    /// Quantity; found by cohort questions, not yet by the search API.
    Quantity,
}

impl ParameterType {
    /// The word of the CapabilityStatement (value set `search-param-type`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Text => "string",
            Self::Date => "date",
            Self::Reference => "reference",
            Self::Quantity => "quantity",
        }
    }
}

/// A search parameter of one resource type.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Name in a query.
    pub name: &'static str,
    /// Type.
    pub kind: ParameterType,
    /// Element paths below the resource; arrays are walked through.
    pub paths: &'static [&'static str],
}

use ParameterType::{Date, Quantity, Reference, Text, Token};

const fn parameter(name: &'static str, kind: ParameterType, paths: &'static [&'static str]) -> Parameter {
    Parameter { name, kind, paths }
}

const IDENTIFIER: Parameter = parameter("identifier", Token, &["identifier"]);
const STATUS: Parameter = parameter("status", Token, &["status"]);
const CODE: Parameter = parameter("code", Token, &["code"]);
const SUBJECT: Parameter = parameter("patient", Reference, &["subject", "patient"]);

/// The parameters of a resource type; every type has `identifier`.
pub fn of(resource_type: &str) -> &'static [Parameter] {
    match resource_type {
        "Patient" => {
            const {
                &[
                    IDENTIFIER,
                    parameter("name", Text, &["name.family", "name.given", "name.text"]),
                    parameter("family", Text, &["name.family"]),
                    parameter("given", Text, &["name.given"]),
                    parameter("birthdate", Date, &["birthDate"]),
                    parameter("gender", Token, &["gender"]),
                ]
            }
        }
        "Observation" => {
            const {
                &[
                    IDENTIFIER,
                    STATUS,
                    CODE,
                    SUBJECT,
                    parameter("category", Token, &["category"]),
                    parameter("date", Date, &["effectiveDateTime", "effectivePeriod", "effectiveInstant"]),
                    parameter("value-quantity", Quantity, &["valueQuantity"]),
                ]
            }
        }
        "Condition" => {
            const {
                &[
                    IDENTIFIER,
                    CODE,
                    SUBJECT,
                    parameter("clinical-status", Token, &["clinicalStatus"]),
                    parameter("status", Token, &["verificationStatus"]),
                    parameter("verification-status", Token, &["verificationStatus"]),
                    parameter("onset-date", Date, &["onsetDateTime", "onsetPeriod"]),
                ]
            }
        }
        "AllergyIntolerance" => {
            const {
                &[
                    IDENTIFIER,
                    CODE,
                    SUBJECT,
                    parameter("clinical-status", Token, &["clinicalStatus"]),
                    parameter("status", Token, &["verificationStatus"]),
                ]
            }
        }
        "MedicationRequest" | "MedicationStatement" => {
            const {
                &[
                    IDENTIFIER,
                    STATUS,
                    SUBJECT,
                    parameter("code", Token, &["medicationCodeableConcept"]),
                    parameter("authoredon", Date, &["authoredOn"]),
                ]
            }
        }
        "Encounter" => {
            const {
                &[
                    IDENTIFIER,
                    STATUS,
                    SUBJECT,
                    parameter("class", Token, &["class"]),
                    parameter("date", Date, &["period"]),
                ]
            }
        }
        "DiagnosticReport" => {
            const { &[IDENTIFIER, STATUS, CODE, SUBJECT, parameter("date", Date, &["effectiveDateTime", "effectivePeriod"])] }
        }
        "Procedure" | "Specimen" | "Immunization" => const { &[IDENTIFIER, STATUS, CODE, SUBJECT] },
        "ServiceRequest" | "DocumentReference" => const { &[IDENTIFIER, STATUS, CODE, SUBJECT] },
        "Task" => {
            const {
                &[
                    IDENTIFIER,
                    STATUS,
                    CODE,
                    parameter("patient", Reference, &["for"]),
                    parameter("focus", Reference, &["focus"]),
                ]
            }
        }
        "Consent" => const { &[IDENTIFIER, STATUS, SUBJECT] },
        "Provenance" => const { &[parameter("target", Reference, &["target"])] },
        _ => const { &[IDENTIFIER] },
    }
}

/// One parameter by name.
pub fn find(resource_type: &str, name: &str) -> Option<&'static Parameter> {
    of(resource_type).iter().find(|parameter| parameter.name == name)
}
