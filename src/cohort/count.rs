//! Counting a question on the own record. [`plan`] turns criteria into questions to the store and refuses what this
//! release cannot count; [`count`] asks them of one snapshot.
//!
//! Every accepted result carries its value in both unit systems, rounded as laboratories report it, so a threshold is
//! compared in the unit it is asked in: HbA1c of 48 mmol/mol is 6.5 %, here as in the chart.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::question::{Checked, Context, Criterion, Select, UnitPolicy, ValueFilter};
use super::{CohortError, age, quantity};
use crate::harmonise::Catalog;
use crate::records::find::{self, FactQuery, QuantityRange};
use crate::store::{StoreError, View};
use crate::terminology::equivalence::expand;

/// What to ask the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    inclusion: Vec<Vec<Test>>,
    exclusion: Vec<Vec<Test>>,
}

/// One criterion.
#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// Any of these queries.
    Facts(Vec<FactQuery>),
    /// Born in `[from, to)`.
    Born { from: Option<String>, to: Option<String> },
    /// Nobody.
    Never,
}

/// Turns a question into a plan, or says what cannot be counted. Ages without a day are reckoned on `today`.
pub fn plan(catalog: &Catalog, question: &Checked, today: Date) -> Result<Plan, CohortError> {
    let question = question.question();
    if question.unit_policy == UnitPolicy::Exact {
        return refuse("unitPolicy exact is not counted by this release; leave it out");
    }
    let tests = |groups: &[Vec<Criterion>]| -> Result<Vec<Vec<Test>>, CohortError> {
        groups.iter().map(|group| group.iter().map(|one| test(catalog, one, today)).collect()).collect()
    };
    Ok(Plan { inclusion: tests(&question.inclusion)?, exclusion: tests(&question.exclusion)? })
}

/// How many patients meet the plan. The exact number: it may not leave the node without [`super::disclosure::protect`].
pub fn count(view: &dyn View, plan: &Plan) -> Result<u64, StoreError> {
    let mut cohort: Option<BTreeSet<String>> = None;
    for group in &plan.inclusion {
        let mut any = BTreeSet::new();
        for test in group {
            any.append(&mut patients(view, test)?);
        }
        cohort = Some(match cohort {
            Some(cohort) => cohort.intersection(&any).cloned().collect(),
            None => any,
        });
        if cohort.as_ref().is_some_and(BTreeSet::is_empty) {
            return Ok(0);
        }
    }
    let mut cohort = cohort.unwrap_or_default();
    for group in &plan.exclusion {
        let mut all = cohort.clone();
        for test in group {
            let these = patients(view, test)?;
            all.retain(|patient| these.contains(patient));
        }
        cohort.retain(|patient| !all.contains(patient));
    }
    Ok(cohort.len() as u64)
}

fn patients(view: &dyn View, test: &Test) -> Result<BTreeSet<String>, StoreError> {
    match test {
        Test::Never => Ok(BTreeSet::new()),
        Test::Born { from, to } => find::patients_born(view, from.as_deref(), to.as_deref()),
        Test::Facts(queries) => {
            let mut found = BTreeSet::new();
            for query in queries {
                found.append(&mut find::patients_with(view, query)?);
            }
            Ok(found)
        }
    }
}

fn test(catalog: &Catalog, criterion: &Criterion, today: Date) -> Result<Test, CohortError> {
    if criterion.time_restriction.is_some() {
        return refuse("timeRestriction is not counted by this release; leave it out");
    }
    if criterion.min_occurs.is_some_and(|least| least != 1) {
        return refuse("minOccurs other than 1 is not counted by this release; leave it out");
    }
    if criterion.select.is_some_and(|select| select != Select::Any) {
        return refuse("select other than any is not counted by this release; leave it out");
    }
    if criterion.context == Context::Age {
        let Some((from, to)) = age::born(criterion, today)? else { return Ok(Test::Never) };
        return Ok(Test::Born { from, to: Some(to) });
    }
    if criterion.term_codes.is_empty() {
        return refuse("a criterion other than age needs termCodes");
    }
    if criterion.at_date.is_some() {
        return refuse("atDate belongs to age");
    }
    match (&criterion.value_filter, criterion.context) {
        (None, _) => Ok(Test::Facts(facts(catalog, criterion))),
        (Some(filter), Context::Observation) => measured(catalog, criterion, filter).map(Test::Facts),
        (Some(_), _) => refuse("a valueFilter belongs to an observation or to age"),
    }
}

/// Kinds of resource of a context, and the statuses under which they do not count. A suspected diagnosis is not a
/// diagnosis; `refuted` and `entered-in-error` never were.
fn kinds(context: Context) -> &'static [(&'static str, &'static [&'static str])] {
    const NEVER: &[&str] = &["entered-in-error", "cancelled"];
    match context {
        Context::Condition => {
            &[("Condition", &["entered-in-error", "refuted", "unconfirmed", "provisional", "differential"])]
        }
        Context::Observation => &[("Observation", NEVER)],
        Context::Medication => &[
            ("MedicationRequest", &["entered-in-error", "cancelled", "draft"]),
            ("MedicationStatement", &["entered-in-error", "not-taken", "intended"]),
            ("MedicationAdministration", &["entered-in-error", "not-done"]),
        ],
        Context::Age => &[],
    }
}

fn queries(context: Context, codes: &[(String, String)], quantities: &[QuantityRange]) -> Vec<FactQuery> {
    let query = |(kind, statuses): &(&str, &[&str])| FactQuery {
        kind: (*kind).to_owned(),
        codes: codes.to_vec(),
        quantities: quantities.to_vec(),
        excluded_statuses: statuses.iter().map(|status| (*status).to_owned()).collect(),
    };
    kinds(context).iter().map(query).collect()
}

fn facts(catalog: &Catalog, criterion: &Criterion) -> Vec<FactQuery> {
    let mut codes: Vec<(String, String)> = Vec::new();
    for term in &criterion.term_codes {
        codes.extend(expand(&catalog.terminology, &term.system, &term.code));
    }
    codes.sort();
    codes.dedup();
    queries(criterion.context, &codes, &[])
}

/// One query per analyte, because each has units and rules of its own.
fn measured(catalog: &Catalog, criterion: &Criterion, filter: &ValueFilter) -> Result<Vec<FactQuery>, CohortError> {
    let mut all = Vec::new();
    let mut done: Vec<&str> = Vec::new();
    for term in &criterion.term_codes {
        let analyte = catalog.analyte(&[(&term.system, &term.code)]);
        let crossing = analyte.filter(|analyte| analyte.crosses_codes());
        if let Some(analyte) = crossing {
            if done.contains(&analyte.id.as_str()) {
                continue;
            }
            done.push(&analyte.id);
        }
        let codes = expand(&catalog.terminology, &term.system, &term.code);
        all.extend(queries(criterion.context, &codes, &quantity::ranges(catalog, analyte, filter)?));
    }
    Ok(all)
}

pub(super) fn refuse<T>(message: &str) -> Result<T, CohortError> {
    Err(CohortError::Question(message.to_owned()))
}
