//! `OperationOutcome`: <https://hl7.org/fhir/R4/operationoutcome.html>.

use serde_json::{Value, json};

/// One thing that is wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Code from the required value set <https://hl7.org/fhir/R4/valueset-issue-type.html>.
    pub code: &'static str,
    /// What, where and what to do.
    pub diagnostics: String,
    /// FHIRPath of the element.
    pub expression: String,
}

/// One issue of severity `error`.
///
/// `code` is from the required value set `issue-type`; `diagnostics` says what, where and what to do;
/// `expression` is the FHIRPath of the element, when one is to blame.
pub fn error(code: &str, diagnostics: &str, expression: Option<&str>) -> Value {
    json!({"resourceType": "OperationOutcome", "issue": [issue(code, diagnostics, expression)]})
}

/// An outcome that tells that all went well.
pub fn information(diagnostics: &str) -> Value {
    let issue = json!({"severity": "information", "code": "informational", "diagnostics": diagnostics});
    json!({"resourceType": "OperationOutcome", "issue": [issue]})
}

/// An outcome of several issues, each of severity `error`.
pub fn errors(issues: &[Issue]) -> Value {
    let issues = issues.iter().map(|one| issue(one.code, &one.diagnostics, Some(&one.expression)));
    json!({"resourceType": "OperationOutcome", "issue": issues.collect::<Vec<_>>()})
}

fn issue(code: &str, diagnostics: &str, expression: Option<&str>) -> Value {
    let mut issue = json!({"severity": "error", "code": code, "diagnostics": diagnostics});
    if let Some(path) = expression {
        issue["expression"] = json!([path]);
    }
    issue
}
