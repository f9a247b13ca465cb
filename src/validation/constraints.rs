//! Invariants that profiles add: <https://hl7.org/fhir/R4/conformance-rules.html#constraints>.

use serde_json::Value;

use super::check::{Check, Node, Place};
use super::rules::Constraint;
use super::{Asked, Library, Severity};
use crate::fhir::path::{Element, Environment, Item, PathError, Surroundings};

/// Holds an element to an invariant.
pub(super) fn check<'c>(check: &mut Check<'c>, constraint: &'c Constraint, element: Node<'c>, place: &Place<'_>) {
    if !constraint.is_error && !check.asked.warnings {
        return;
    }
    let severity = if constraint.is_error { Severity::Error } else { Severity::Warning };
    let Some(path) = &constraint.path else {
        let text = format!("was not held to {}, whose expression is not understood", constraint.key);
        return check.tell(Severity::Warning, "not-supported", place, text);
    };
    let known = Known { library: check.library, asked: check.asked };
    let environment = Environment {
        resource: check.resource,
        root: check.root,
        bundle: check.bundle,
        now: check.asked.now,
        surroundings: &known,
        is_strict: false,
    };
    match path.holds(&environment, Item::Element(element)) {
        Ok(Some(true)) => {}
        Ok(_) => check.tell(severity, "invariant", place, format!("breaks {}: {}", constraint.key, constraint.human)),
        Err(PathError::TooCostly) => {
            check.tell(severity, "too-costly", place, format!("is too large for {} to be checked", constraint.key));
        }
        Err(error) => {
            let text = format!("was not held to {}: {error}", constraint.key);
            check.tell(Severity::Warning, "incomplete", place, text);
        }
    }
}

/// What expressions may ask of the packages.
struct Known<'c> {
    library: &'c Library,
    asked: Asked<'c>,
}

impl Surroundings<Value> for Known<'_> {
    fn member_of(&self, value_set: &str, codings: &[(Option<&str>, &str)]) -> Option<bool> {
        let mut found = Some(false);
        for (system, code) in codings {
            match self.library.value_set_has(value_set, *system, code) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => found = None,
            }
        }
        found
    }

    fn conforms_to(&self, element: &Element<'_, Value>, profile: &str) -> Option<bool> {
        self.library.profile(profile)?;
        let asked = Asked { warnings: false, ..self.asked };
        Some(super::validate(self.library, element.value?, &[profile], asked).is_empty())
    }
}
