//! Value filters as ranges the store can look for.

use octofhir_ucum::Number;

use super::CohortError;
use super::count::refuse;
use super::question::{Comparator, FilterKind, ValueFilter};
use crate::harmonise::units::{Reading, factor};
use crate::harmonise::{Catalog, fitted_unit};
use crate::records::find::QuantityRange;
use crate::terminology::analytes::Analyte;

/// The ranges a filter allows, in a unit that every harmonised result of the analyte carries.
pub(super) fn ranges(
    catalog: &Catalog,
    analyte: Option<&Analyte>,
    filter: &ValueFilter,
) -> Result<Vec<QuantityRange>, CohortError> {
    let asked = filter.unit.as_ref().map(|unit| unit.code.as_str()).unwrap_or_default();
    let Reading::Ucum(asked) = catalog.units.read(asked, true) else {
        return refuse("a quantity needs a unit in UCUM");
    };
    let (unit, step) = match analyte {
        None => (asked.to_string(), Number::ONE),
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

/// The numbers of a filter.
pub(super) enum Bounds<'a> {
    Compared(Comparator, &'a serde_json::Number),
    Between(Option<&'a serde_json::Number>, Option<&'a serde_json::Number>),
}

/// The numbers of a filter, if it has those of its kind and no others.
pub(super) fn bounds(filter: &ValueFilter) -> Result<Bounds<'_>, CohortError> {
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
