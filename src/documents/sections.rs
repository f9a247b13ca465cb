//! The sections of the International Patient Summary 2.0.0, as rows: code, what belongs in, whether it must be there.
//! <https://hl7.org/fhir/uv/ips/>

use serde_json::Value;

use super::gather::Reason;

/// One section.
pub(super) struct Section {
    /// Key of headings in `labels`.
    pub key: &'static str,
    /// LOINC code.
    pub code: &'static str,
    /// LOINC display.
    pub display: &'static str,
    /// Written even when empty: then it says that there is no information.
    pub always: bool,
}

/// In the order of the document.
pub(super) const SECTIONS: &[Section] = &[
    Section { key: "problems", code: "11450-4", display: "Problem list - Reported", always: true },
    Section { key: "allergies", code: "48765-2", display: "Allergies and adverse reactions Document", always: true },
    Section { key: "medications", code: "10160-0", display: "History of Medication use Narrative", always: true },
    Section {
        key: "results",
        code: "30954-2",
        display: "Relevant diagnostic tests/laboratory data note",
        always: true,
    },
    Section { key: "immunizations", code: "11369-6", display: "History of Immunization note", always: false },
    Section { key: "procedures", code: "47519-4", display: "History of Procedures Document", always: false },
    Section { key: "vitals", code: "8716-3", display: "Vital signs note", always: false },
    Section { key: "past-problems", code: "11348-0", display: "History of Past illness note", always: false },
];

/// The section of a record, or why it stays out.
pub(super) fn of(kind: &str, resource: &Value) -> Result<&'static str, Reason> {
    let status = resource.get("status").and_then(Value::as_str).unwrap_or("");
    let verification = code_of(resource, "verificationStatus");
    if status == "entered-in-error" || verification == "entered-in-error" {
        return Err(Reason::EnteredInError);
    }
    if verification == "refuted" || resource.get("doNotPerform").and_then(Value::as_bool) == Some(true) {
        return Err(Reason::Refuted);
    }
    match (kind, status) {
        ("Condition", _) => Ok(match code_of(resource, "clinicalStatus") {
            "resolved" | "inactive" | "remission" => "past-problems",
            _ => "problems",
        }),
        ("AllergyIntolerance", _) => Ok("allergies"),
        ("MedicationRequest", "draft" | "cancelled") => Err(Reason::NotFinal),
        ("MedicationRequest", _) => Ok("medications"),
        ("MedicationStatement", "intended" | "not-taken") => Err(Reason::NotFinal),
        ("MedicationStatement", _) => Ok("medications"),
        ("Observation", "registered" | "cancelled") => Err(Reason::NotFinal),
        ("Observation", _) => observation(resource),
        ("Immunization", "not-done") | ("Procedure", "not-done" | "preparation") => Err(Reason::NotFinal),
        ("Immunization", _) => Ok("immunizations"),
        ("Procedure", _) => Ok("procedures"),
        _ => Err(Reason::NoSection),
    }
}

/// Laboratory, imaging and procedure results, and those whose sender gave no category, are results.
fn observation(resource: &Value) -> Result<&'static str, Reason> {
    let mut categories = resource
        .get("category")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .flat_map(crate::fhir::codings)
        .map(|(_, code)| code)
        .peekable();
    if categories.peek().is_none() {
        return Ok("results");
    }
    for code in categories {
        match code {
            "laboratory" | "imaging" | "procedure" | "exam" => return Ok("results"),
            "vital-signs" => return Ok("vitals"),
            _ => {}
        }
    }
    Err(Reason::NoSection)
}

fn code_of<'a>(resource: &'a Value, element: &str) -> &'a str {
    resource.get(element).and_then(|concept| crate::fhir::codings(concept).next()).map_or("", |(_, code)| code)
}
