//! Age in completed years: a person is 75 until the day before the 76th birthday.

use jiff::Span;
use jiff::civil::Date;

use super::CohortError;
use super::count::refuse;
use super::quantity::{Bounds, bounds};
use super::question::{Comparator, Criterion};

/// From (inclusive, open if absent) and to (exclusive), `YYYY-MM-DD`.
pub(super) type Born = (Option<String>, String);

/// The birth dates, first day and the day after the last, of those who have the asked age; `None` if nobody can.
pub(super) fn born(criterion: &Criterion, today: Date) -> Result<Option<Born>, CohortError> {
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
        return Ok(None);
    }
    // Nobody is counted before being born.
    let latest = before(at, least.unwrap_or(0))?.tomorrow().map_err(|_| out_of_range())?;
    let earliest = match most {
        Some(most) => Some(before(at, most + 1)?.tomorrow().map_err(|_| out_of_range())?),
        None => None,
    };
    Ok(Some((earliest.map(|day| day.to_string()), latest.to_string())))
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
