//! `OperationOutcome`: <https://hl7.org/fhir/R4/operationoutcome.html>.

use serde_json::{Value, json};

/// One issue of severity `error`.
///
/// `code` is from the required value set `issue-type`; `diagnostics` says what, where and what to do;
/// `expression` is the FHIRPath of the element, when one is to blame.
pub fn error(code: &str, diagnostics: &str, expression: Option<&str>) -> Value {
    let mut issue = json!({"severity": "error", "code": code, "diagnostics": diagnostics});
    if let Some(path) = expression {
        issue["expression"] = json!([path]);
    }
    json!({"resourceType": "OperationOutcome", "issue": [issue]})
}
