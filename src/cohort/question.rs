//! The cohort question: closed data, never a program. Shaped like CCDL 2.0: inclusion is an AND of ORs, exclusion an OR
//! of ANDs. Whatever is not described here is refused, so that a question cannot mean one thing at one node and
//! another elsewhere.
//!
//! The canonical form has sorted members, no white space and shortest decimals; its SHA-256 is the question's id.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::CohortError;
use super::canonical::{same_shape, shortest, sorted};
use crate::ids;

/// Largest question read, bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// Most criteria in one question.
pub const MOST_CRITERIA: usize = 50;
/// Most codes in one criterion.
pub const MOST_CODES: usize = 50;
/// Longest text in a question, characters.
const LONGEST_TEXT: usize = 200;

/// A question about how many patients meet criteria.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Question {
    /// Version of this language.
    pub version: Version,
    /// Name for people. Part of the question's identity.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub display: String,
    /// Every group must hold; in a group any criterion may.
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 50)))]
    pub inclusion: Vec<Vec<Criterion>>,
    /// No group may hold; a group holds when all its criteria do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 50)))]
    pub exclusion: Vec<Vec<Criterion>>,
    /// How quantities in other units are treated.
    #[serde(default, skip_serializing_if = "UnitPolicy::is_default")]
    pub unit_policy: UnitPolicy,
}

/// Versions of this language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Version {
    /// The first.
    #[serde(rename = "watari-cohort/1")]
    V1,
}

/// One thing that is true of a patient or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Criterion {
    /// Which part of the record.
    pub context: Context,
    /// Any of these codes. None for `age`, at least one otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub term_codes: Vec<TermCode>,
    /// Condition on the value; required for `age`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_filter: Option<ValueFilter>,
    /// `age` only: the day on which the age is reckoned, `YYYY-MM-DD`; the day of answering if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub at_date: Option<String>,
    /// When. Not counted by this release: a question that has it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_restriction: Option<TimeRestriction>,
    /// How often. This release counts 1 only and refuses more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub min_occurs: Option<u32>,
    /// Which of several values must meet the filter. This release counts `any` only and refuses the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<Select>,
}

/// Parts of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// Diagnoses and problems that are not merely suspected.
    Condition,
    /// Laboratory results and other observations.
    Observation,
    /// Drugs ordered, taken or given.
    Medication,
    /// Completed years of life.
    Age,
}

/// A code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TermCode {
    /// Code system.
    #[schemars(length(min = 1, max = 200))]
    pub system: String,
    /// Code.
    #[schemars(length(min = 1, max = 200))]
    pub code: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub display: String,
}

/// Condition on a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ValueFilter {
    /// Kind of filter.
    #[serde(rename = "type")]
    pub kind: FilterKind,
    /// `quantity-comparator`: how the value compares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparator: Option<Comparator>,
    /// `quantity-comparator`: to what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Number>,
    /// `quantity-range`: low end, counted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_value: Option<Number>,
    /// `quantity-range`: high end, counted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_value: Option<Number>,
    /// Unit of the numbers; required. `a` for `age`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// `concept`: any of these. Not counted by this release: a question that has it is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub selected_concepts: Vec<TermCode>,
}

/// Kinds of filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FilterKind {
    /// One comparison.
    QuantityComparator,
    /// Between two numbers, both counted in.
    QuantityRange,
    /// A coded value.
    Concept,
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Comparator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

/// A unit of measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// UCUM code.
    #[schemars(length(min = 1, max = 200))]
    pub code: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub display: String,
}

/// A window of days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TimeRestriction {
    /// On or after, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_date: Option<String>,
    /// On or before, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_date: Option<String>,
}

/// Which of several values must meet a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// Any.
    Any,
    /// The first.
    First,
    /// The latest.
    Latest,
}

/// How quantities in other units are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnitPolicy {
    /// A value counts in whichever unit it was reported, converted by the rule of its analyte.
    #[default]
    Convert,
    /// Only values reported in the question's unit. Not counted by this release: refused.
    Exact,
}

impl UnitPolicy {
    fn is_default(&self) -> bool {
        *self == Self::Convert
    }
}

/// A question that was read and found within bounds. Only [`check`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    question: Question,
    canonical: String,
    sha256: String,
}

impl Checked {
    /// What is asked.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The canonical form.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// SHA-256 of the canonical form, hexadecimal: the question's id.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// Reads a question from outside and checks its bounds. Whether it can be counted is for [`super::count::plan`].
pub fn check(bytes: &[u8]) -> Result<Checked, CohortError> {
    let refuse = |message: String| Err(CohortError::Question(message));
    if bytes.len() > MAX_BYTES {
        return refuse(format!("it is larger than {MAX_BYTES} bytes"));
    }
    let (mut question, written): (Question, Value) =
        match serde_json::from_slice(bytes).and_then(|question| Ok((question, serde_json::from_slice(bytes)?))) {
            Ok(read) => read,
            Err(error) => return refuse(error.to_string()),
        };
    check_bounds(&question)?;
    for criterion in question.inclusion.iter_mut().chain(&mut question.exclusion).flatten() {
        if let Some(filter) = &mut criterion.value_filter {
            for number in [&mut filter.value, &mut filter.min_value, &mut filter.max_value].into_iter().flatten() {
                *number = shortest(number)?;
            }
        }
    }
    let value = match serde_json::to_value(&question) {
        Ok(value) => value,
        Err(error) => return refuse(error.to_string()),
    };
    if !same_shape(&written, &value) {
        return refuse("objects may not be written as arrays".to_owned());
    }
    let canonical = sorted(value).to_string();
    Ok(Checked { sha256: ids::sha256_hex(canonical.as_bytes()), question, canonical })
}

/// The JSON Schema of a question, as kept in `schemas/cohort-question.schema.json`.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Question).to_value();
    schema["$id"] = "https://watari.dev/schemas/cohort-question.schema.json".into();
    schema
}

fn check_bounds(question: &Question) -> Result<(), CohortError> {
    let refuse = |message: String| Err(CohortError::Question(message));
    if question.inclusion.is_empty() {
        return refuse("inclusion has no group".to_owned());
    }
    let groups = || question.inclusion.iter().chain(&question.exclusion);
    if groups().any(Vec::is_empty) {
        return refuse("a group has no criterion".to_owned());
    }
    let criteria: usize = groups().map(Vec::len).sum();
    if criteria > MOST_CRITERIA {
        return refuse(format!("{criteria} criteria; at most {MOST_CRITERIA} are counted"));
    }
    let mut texts = vec![&question.display];
    for criterion in groups().flatten() {
        let concepts = criterion.value_filter.as_ref().map_or(&[][..], |filter| &filter.selected_concepts);
        if criterion.term_codes.len().max(concepts.len()) > MOST_CODES {
            return refuse(format!("a criterion has more than {MOST_CODES} codes"));
        }
        for code in criterion.term_codes.iter().chain(concepts) {
            if code.system.is_empty() || code.code.is_empty() {
                return refuse("a code needs a system and a code".to_owned());
            }
            texts.extend([&code.system, &code.code, &code.display]);
        }
        let unit = criterion.value_filter.as_ref().and_then(|filter| filter.unit.as_ref());
        texts.extend(unit.into_iter().flat_map(|unit| [&unit.code, &unit.display]));
        texts.extend(&criterion.at_date);
        let window = criterion.time_restriction.as_ref();
        texts.extend(window.into_iter().flat_map(|window| window.after_date.iter().chain(&window.before_date)));
    }
    if texts.iter().any(|text| text.chars().count() > LONGEST_TEXT || text.chars().any(char::is_control)) {
        return refuse(format!("a text is longer than {LONGEST_TEXT} characters or holds control characters"));
    }
    Ok(())
}
