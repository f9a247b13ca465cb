//! The search parameters the node serves: name, type and where the values stand. One table for indexing, for parsing
//! a query and for the CapabilityStatement (<https://hl7.org/fhir/R4/searchparameter-registry.html>).

use crate::fhir::structure;

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
const CLINICAL_STATUS: Parameter = parameter("clinical-status", Token, &["clinicalStatus"]);
const CERTAINTY: Parameter = parameter("status", Token, &["verificationStatus"]);
const MEDICATION: Parameter = parameter("code", Token, &["medicationCodeableConcept"]);
const AUTHORED: Parameter = parameter("authoredon", Date, &["authoredOn"]);
const EFFECTIVE: &[&str] = &["effectiveDateTime", "effectivePeriod", "effectiveInstant"];

/// The parameters of each type that has more than its identifier.
#[rustfmt::skip]
const TABLE: &[(&str, &[Parameter])] = &[
    ("Patient", &[
        IDENTIFIER,
        parameter("name", Text, &["name.family", "name.given", "name.text"]),
        parameter("family", Text, &["name.family"]),
        parameter("given", Text, &["name.given"]),
        parameter("birthdate", Date, &["birthDate"]),
        parameter("gender", Token, &["gender"]),
    ]),
    ("Observation", &[
        IDENTIFIER, STATUS, CODE, SUBJECT,
        parameter("category", Token, &["category"]),
        parameter("date", Date, EFFECTIVE),
        parameter("value-quantity", Quantity, &["valueQuantity"]),
    ]),
    ("Condition", &[
        IDENTIFIER, CODE, SUBJECT, CLINICAL_STATUS, CERTAINTY,
        parameter("verification-status", Token, &["verificationStatus"]),
        parameter("onset-date", Date, &["onsetDateTime", "onsetPeriod"]),
    ]),
    ("AllergyIntolerance", &[IDENTIFIER, CODE, SUBJECT, CLINICAL_STATUS, CERTAINTY]),
    ("MedicationRequest", &[IDENTIFIER, STATUS, SUBJECT, MEDICATION, AUTHORED]),
    ("MedicationStatement", &[IDENTIFIER, STATUS, SUBJECT, MEDICATION, AUTHORED]),
    ("Encounter", &[
        IDENTIFIER, STATUS, SUBJECT,
        parameter("class", Token, &["class"]),
        parameter("date", Date, &["period"]),
    ]),
    ("DiagnosticReport", &[
        IDENTIFIER, STATUS, CODE, SUBJECT,
        parameter("date", Date, &["effectiveDateTime", "effectivePeriod"]),
    ]),
    ("Procedure", &[IDENTIFIER, STATUS, CODE, SUBJECT]),
    ("Specimen", &[IDENTIFIER, STATUS, CODE, SUBJECT]),
    ("Immunization", &[IDENTIFIER, STATUS, CODE, SUBJECT]),
    ("ServiceRequest", &[IDENTIFIER, STATUS, CODE, SUBJECT]),
    ("DocumentReference", &[IDENTIFIER, STATUS, CODE, SUBJECT]),
    ("Task", &[
        IDENTIFIER, STATUS, CODE,
        parameter("patient", Reference, &["for"]),
        parameter("focus", Reference, &["focus"]),
    ]),
    ("Consent", &[IDENTIFIER, STATUS, SUBJECT]),
    ("Provenance", &[parameter("target", Reference, &["target"])]),
];

/// The parameters of a resource type; one that the table does not name has `identifier`, if R4 gives it one.
pub fn of(resource_type: &str) -> &'static [Parameter] {
    let row = TABLE.iter().find(|(name, _)| *name == resource_type);
    match row {
        Some((_, parameters)) => parameters,
        None if structure::has_element(resource_type, "identifier") => &[IDENTIFIER],
        None => &[],
    }
}

/// One parameter by name.
pub fn find(resource_type: &str, name: &str) -> Option<&'static Parameter> {
    of(resource_type).iter().find(|parameter| parameter.name == name)
}
