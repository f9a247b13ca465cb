//! Counting a question on the own record. [`plan`] turns criteria into questions to the store and refuses what this
//! release cannot count; [`count`] asks them of one snapshot.
//!
//! Every accepted result carries its value in both unit systems, rounded as laboratories report it, so a threshold is
//! compared in the unit it is asked in: HbA1c of 48 mmol/mol is 6.5 %, here as in the chart.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use octofhir_ucum::Number;

use super::CohortError;
use super::question::{Checked, Comparator, Context, Criterion, FilterKind, Select, UnitPolicy, ValueFilter};
use crate::harmonise::units::{Reading, factor};
use crate::harmonise::{Catalog, fitted_unit};
use crate::store::records::{FactQuery, QuantityRange};
use crate::store::{StoreError, View};
use crate::terminology::analytes::Analyte;
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

/// Turns a question into a plan, or says what cannot be counted. Ages without a day are reckoned at `now`.
pub fn plan(catalog: &Catalog, question: &Checked, now: Timestamp) -> Result<Plan, CohortError> {
    let question = question.question();
    if question.unit_policy == UnitPolicy::Exact {
        return refuse("unitPolicy exact is not counted by this release; leave it out");
    }
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
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
        Test::Born { from, to } => view.patients_born(from.as_deref(), to.as_deref()),
        Test::Facts(queries) => {
            let mut found = BTreeSet::new();
            for query in queries {
                found.append(&mut view.patients_with(query)?);
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
        return age(criterion, today);
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
        all.extend(queries(criterion.context, &codes, &ranges(catalog, analyte, filter)?));
    }
    Ok(all)
}

/// The ranges a filter allows, in a unit that every harmonised result of the analyte carries.
fn ranges(
    catalog: &Catalog,
    analyte: Option<&Analyte>,
    filter: &ValueFilter,
) -> Result<Vec<QuantityRange>, CohortError> {
    let asked = filter.unit.as_ref().map(|unit| unit.code.as_str()).unwrap_or_default();
    let Reading::Ucum(asked) = catalog.units.read(asked, true) else {
        return refuse("a quantity needs a unit in UCUM");
    };
    let (unit, step) = match analyte {
        None => (asked, Number::ONE),
        Some(analyte) => carried(analyte, &asked).ok_or_else(|| {
            CohortError::Question(format!(
                "{} is not reported in {asked}; ask in {} or {}",
                analyte.name_en, analyte.conventional.unit, analyte.si.unit
            ))
        })?,
    };
    let limit = |number: &serde_json::Number| -> Result<f64, CohortError> {
        Number::parse(&number.to_string())
            .and_then(|number| number.checked_mul(step))
            .map(Number::to_f64)
            .filter(|limit| limit.is_finite())
            .ok_or_else(|| CohortError::Question(format!("{number} is out of range")))
    };
    let range = |low: Option<(f64, bool)>, high: Option<(f64, bool)>| QuantityRange {
        unit: unit.clone(),
        low: low.map(|(low, _)| low),
        low_exclusive: low.is_some_and(|(_, exclusive)| exclusive),
        high: high.map(|(high, _)| high),
        high_exclusive: high.is_some_and(|(_, exclusive)| exclusive),
    };
    Ok(match bounds(filter)? {
        Bounds::Compared(comparator, value) => {
            let value = limit(value)?;
            match comparator {
                Comparator::Eq => vec![range(Some((value, false)), Some((value, false)))],
                Comparator::Ne => vec![range(None, Some((value, true))), range(Some((value, true)), None)],
                Comparator::Lt => vec![range(None, Some((value, true)))],
                Comparator::Le => vec![range(None, Some((value, false)))],
                Comparator::Gt => vec![range(Some((value, true)), None)],
                Comparator::Ge => vec![range(Some((value, false)), None)],
            }
        }
        Bounds::Between(low, high) => {
            let low = low.map(&limit).transpose()?.map(|low| (low, false));
            let high = high.map(&limit).transpose()?.map(|high| (high, false));
            vec![range(low, high)]
        }
    })
}

/// The unit in which results carry the analyte, and the step from the asked unit to it. Only units of the same kind are
/// stepped between, which needs no rounding; amounts and masses both stand in every harmonised result.
fn carried(analyte: &Analyte, asked: &str) -> Option<(String, Number)> {
    let asked = fitted_unit(analyte, asked);
    let sides = [&analyte.conventional.unit, &analyte.si.unit];
    if let Some(unit) = sides.iter().find(|unit| ***unit == asked) {
        return Some(((*unit).clone(), Number::ONE));
    }
    sides.into_iter().find_map(|unit| Some((unit.clone(), factor(&asked, unit)?)))
}

enum Bounds<'a> {
    Compared(Comparator, &'a serde_json::Number),
    Between(Option<&'a serde_json::Number>, Option<&'a serde_json::Number>),
}

/// The numbers of a filter, if it has those of its kind and no others.
fn bounds(filter: &ValueFilter) -> Result<Bounds<'_>, CohortError> {
    let (low, high) = (filter.min_value.as_ref(), filter.max_value.as_ref());
    if filter.kind == FilterKind::Concept {
        return refuse("a concept filter is not counted by this release");
    }
    if !filter.selected_concepts.is_empty() {
        return refuse("selectedConcepts belong to a concept filter");
    }
    match (filter.kind, filter.comparator, &filter.value, low.or(high)) {
        (FilterKind::QuantityComparator, Some(comparator), Some(value), None) => {
            Ok(Bounds::Compared(comparator, value))
        }
        (FilterKind::QuantityComparator, ..) => refuse("quantity-comparator needs comparator and value, and no range"),
        (_, None, None, Some(_)) => Ok(Bounds::Between(low, high)),
        _ => refuse("quantity-range needs minValue or maxValue, and no comparator"),
    }
}

/// Completed years: a person is 75 until the day before the 76th birthday.
fn age(criterion: &Criterion, today: Date) -> Result<Test, CohortError> {
    let Some(filter) = &criterion.value_filter else { return refuse("age needs a valueFilter") };
    if !criterion.term_codes.is_empty() {
        return refuse("age takes no termCodes");
    }
    if filter.unit.as_ref().is_none_or(|unit| unit.code != "a") {
        return refuse("age is asked in years, UCUM a");
    }
    let at = match &criterion.at_date {
        Some(text) => day(text)?,
        None => today,
    };
    let (least, most) = match bounds(filter)? {
        Bounds::Between(low, high) => (low.map(years).transpose()?, high.map(years).transpose()?),
        Bounds::Compared(comparator, value) => {
            let years = years(value)?;
            match comparator {
                Comparator::Eq => (Some(years), Some(years)),
                Comparator::Lt => (None, Some(years - 1)),
                Comparator::Le => (None, Some(years)),
                Comparator::Gt => (Some(years + 1), None),
                Comparator::Ge => (Some(years), None),
                Comparator::Ne => return refuse("age does not take the comparator ne"),
            }
        }
    };
    if most.is_some_and(|most| most < 0 || least.is_some_and(|least| least > most)) {
        return Ok(Test::Never);
    }
    // Nobody is counted before being born.
    let latest = before(at, least.unwrap_or(0))?.tomorrow().map_err(|_| out_of_range())?;
    let earliest = match most {
        Some(most) => Some(before(at, most + 1)?.tomorrow().map_err(|_| out_of_range())?),
        None => None,
    };
    Ok(Test::Born { from: earliest.map(|day| day.to_string()), to: Some(latest.to_string()) })
}

fn day(text: &str) -> Result<Date, CohortError> {
    let shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date = if shaped { text.parse::<Date>().ok() } else { None };
    date.ok_or_else(|| CohortError::Question("atDate is a day, YYYY-MM-DD".to_owned()))
}

fn years(number: &serde_json::Number) -> Result<i64, CohortError> {
    let years = number.to_string().parse::<i64>().ok().filter(|years| (0..=150).contains(years));
    years.ok_or_else(|| CohortError::Question("an age is a whole number of years from 0 to 150".to_owned()))
}

/// The same day `years` ago; 28 February for 29 February.
fn before(at: Date, years: i64) -> Result<Date, CohortError> {
    let span = Span::new().try_years(years).map_err(|_| out_of_range())?;
    at.checked_sub(span).map_err(|_| out_of_range())
}

fn out_of_range() -> CohortError {
    CohortError::Question("the age is out of range".to_owned())
}

fn refuse<T>(message: &str) -> Result<T, CohortError> {
    Err(CohortError::Question(message.to_owned()))
}
