//! FHIRPath (<http://hl7.org/fhirpath/N1/>, with what R4 adds: <https://hl7.org/fhir/R4/fhirpath.html>) over a JSON tree of
//! FHIR, with the types of R4's structure.
//!
//! An expression comes with a profile, and so from a stranger: its length and depth are limited when it is read, its steps when
//! it is evaluated, and neither panics. What it needs from outside (value sets, profiles, the time) is asked of [`Surroundings`].
//! Texts of errors never repeat a value of the resource.

mod boundary;
mod convert;
mod decimal;
mod equal;
mod evaluate;
mod expression;
mod functions;
mod item;
mod moment;
mod numbers;
mod parse;
mod quantity;
mod resolve;
mod texts;
mod token;
mod types;

pub use decimal::Decimal;
pub use item::{Element, Item};
pub use moment::{Moment, MomentKind};
pub use quantity::Quantity;
pub use resolve::find;

use crate::fhir::structure::Node;

/// Steps of one evaluation: items looked at, and characters of texts in hundreds.
const MOST_STEPS: usize = 1_000_000;

/// An expression that was read.
#[derive(Debug, Clone)]
pub struct Path {
    root: expression::Expression,
}

/// Why an expression gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is not FHIRPath, or more than is taken.
    #[error("not FHIRPath at byte {at}: {what}")]
    Syntax {
        /// The byte at which it stops to make sense.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// It asks for what the values do not allow.
    #[error("cannot be evaluated: {0}")]
    Evaluation(String),
    /// It takes more steps than are given.
    #[error("takes too many steps")]
    TooCostly,
}

/// An error of evaluation.
fn evaluation(what: impl Into<String>) -> PathError {
    PathError::Evaluation(what.into())
}

/// What an expression may ask beyond the resource. Nothing is known by default.
pub trait Surroundings<N: Node> {
    /// Whether one of the codings (system, code) is in a value set; `None` where that is not known.
    fn member_of(&self, value_set: &str, codings: &[(Option<&str>, &str)]) -> Option<bool> {
        let _ = (value_set, codings);
        None
    }

    /// Whether an element conforms to a profile by its address; `None` where the profile is not known.
    fn conforms_to(&self, element: &Element<'_, N>, profile: &str) -> Option<bool> {
        let _ = (element, profile);
        None
    }
}

/// Knows nothing.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl<N: Node> Surroundings<N> for Nothing {}

/// Where an expression is evaluated.
pub struct Environment<'a, N: Node> {
    /// `%resource`
    pub resource: &'a N,
    /// `%rootResource`: the resource that contains it, or itself.
    pub root: &'a N,
    /// The bundle it stands in, where references are looked up.
    pub bundle: Option<&'a N>,
    /// Now, RFC 3339 with a zone; empty where no expression may ask.
    pub now: &'a str,
    /// What else may be asked.
    pub surroundings: &'a dyn Surroundings<N>,
    /// Whether a name that R4 does not have is an error, instead of nothing.
    pub is_strict: bool,
}

impl<'a, N: Node> Environment<'a, N> {
    /// Of a resource that stands by itself.
    pub fn of(resource: &'a N) -> Self {
        Self { resource, root: resource, bundle: None, now: "", surroundings: &Nothing, is_strict: false }
    }
}

impl Path {
    /// Reads an expression.
    pub fn read(text: &str) -> Result<Self, PathError> {
        parse::parse(text).map(|root| Self { root })
    }

    /// What it gives of an item.
    pub fn evaluate<'a, N: Node>(
        &'a self,
        environment: &Environment<'a, N>,
        focus: Item<'a, N>,
    ) -> Result<Vec<Item<'a, N>>, PathError> {
        evaluate::evaluate(&self.root, environment, focus)
    }

    /// Whether it holds of an item as an invariant: nothing is undecided, one item that is no truth value is true.
    pub fn holds<'a, N: Node>(
        &'a self,
        environment: &Environment<'a, N>,
        focus: Item<'a, N>,
    ) -> Result<Option<bool>, PathError> {
        evaluate::truth(&self.evaluate(environment, focus)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Element, Environment, Item, Path, PathError};

    fn say(resource: &Value, expression: &str) -> Result<Vec<String>, PathError> {
        let path = Path::read(expression)?;
        let environment = Environment { now: "2026-01-02T03:04:05Z", ..Environment::of(resource) };
        let given = path.evaluate(&environment, Item::Element(Element::resource(resource)))?;
        Ok(given.iter().map(|item| item.shown().unwrap_or_else(|| format!("<{}>", item.type_name()))).collect())
    }

    fn observation() -> Value {
        json!({
            "resourceType": "Observation",
            "contained": [{"resourceType": "Patient", "id": "p", "birthDate": "1950-03"}],
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}], "text": "Glucose"},
            "subject": {"reference": "#p"},
            "effectiveDateTime": "2024-05-06T07:08:09+09:00",
            "valueQuantity": serde_json::from_str::<Value>(
                r#"{"value": 1.50, "unit": "g/L", "system": "http://unitsofmeasure.org", "code": "g/L"}"#).unwrap(),
            "_status": {"extension": [{"url": "http://example.org/why", "valueCode": "x"}]},
            "note": [{"text": "a"}, {"text": "b"}],
        })
    }

    #[test]
    fn elements_are_found_by_name_type_and_reference() {
        for (expression, given) in [
            ("Observation.value.value", &["1.50"][..]),
            ("value.ofType(Quantity).unit", &["g/L"]),
            ("(value as Quantity) = 150 'mg/dL'", &["true"]),
            ("status.extension('http://example.org/why').value", &["x"]),
            ("subject.resolve().birthDate", &["1950-03"]),
            ("subject.resolve() is Patient", &["true"]),
            ("Patient.name", &[]),
            ("note.text", &["a", "b"]),
            ("note.where(text = 'b').text", &["b"]),
            ("effective < now() and effective.toDate() = @2024-05-06", &["true"]),
            ("code.coding.exists(system = %loinc)", &["true"]),
            ("%resource.descendants().ofType(Coding).code", &["2345-7"]),
            ("note.text.aggregate($total & $this, '')", &["ab"]),
        ] {
            assert_eq!(say(&observation(), expression).unwrap(), given, "{expression}");
        }
    }

    #[test]
    fn what_takes_too_long_is_stopped() {
        let many: Vec<Value> = (0..3_000).map(|at| json!({"text": at.to_string()})).collect();
        let resource = json!({"resourceType": "Observation", "note": many});
        assert_eq!(say(&resource, "note.text.isDistinct()"), Err(PathError::TooCostly));
        assert_eq!(say(&resource, "note.select(%resource.note.select(%resource.note))"), Err(PathError::TooCostly));
        assert_eq!(say(&resource, "'a'.repeat($this + $this)"), Err(PathError::TooCostly));
        assert_eq!(say(&resource, "note.count()").unwrap(), ["3000"]);
    }

    #[test]
    fn errors_do_not_repeat_values() {
        let resource = json!({"resourceType": "Patient", "name": [{"family": "Secret"}, {"family": "Hidden"}]});
        for expression in
            ["name.family + 1", "name.single()", "name.first().family > 1", "name.first().family.matches('(')"]
        {
            let error = say(&resource, expression).unwrap_err().to_string();
            assert!(!error.contains("Secret") && !error.contains("Hidden"), "{error}");
        }
    }
}
