//! Before a resource becomes part of the record: the profiles that it declares, and those that its type must meet. What is
//! wrong refuses it; warnings do not.

use serde_json::Value;

use super::{Asked, Issue, Library, Severity, validate};
use crate::fhir::structure;
use crate::fhir::{self, bundle};

/// What a resource must not be written with; none for one that has no profile, or is not R4 to begin with, which the record
/// itself refuses.
pub fn check_written(library: &Library, resource: &Value, now: &str) -> Vec<Issue> {
    if library.is_empty() || !is_profiled(library, resource) || structure::check(resource).is_err() {
        return Vec::new();
    }
    let mut issues = validate(library, resource, &[], Asked { warnings: false, now });
    issues.retain(|issue| issue.severity == Severity::Error);
    issues
}

/// The first entry of a transaction that must not be written, and why.
pub fn check_transaction(library: &Library, transaction: &Value, now: &str) -> Option<(usize, Vec<Issue>)> {
    if library.is_empty() {
        return None;
    }
    bundle::entries(transaction).enumerate().find_map(|(at, entry)| {
        let issues = check_written(library, entry.get("resource")?, now);
        (!issues.is_empty()).then_some((at, issues))
    })
}

/// Whether a resource, or one within it, declares a profile that is loaded, or is of a type that must meet one.
fn is_profiled(library: &Library, resource: &Value) -> bool {
    let kind = fhir::resource_type(resource).unwrap_or("");
    let declared = resource.get("meta").and_then(|meta| meta.get("profile")).and_then(Value::as_array);
    let is_declared =
        declared.into_iter().flatten().filter_map(Value::as_str).any(|url| library.profile(url).is_some());
    let within = resource.get("contained").and_then(Value::as_array).into_iter().flatten();
    is_declared
        || library.required.contains_key(kind)
        || within
            .chain(bundle::entries(resource).filter_map(|entry| entry.get("resource")))
            .any(|one| is_profiled(library, one))
}
