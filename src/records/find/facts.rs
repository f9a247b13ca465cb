//! Which patients carry a fact: what cohort questions are counted from.

use std::collections::BTreeSet;

use super::FindError;
use crate::fhir::dates;
use crate::records::index::COMPARABLE;
use crate::records::parameters;
use crate::store::keys::Key;
use crate::store::records::{Entry, Posting};
use crate::store::{StoreError, View};

/// Patients for whom a resource exists that carries one of these codes, and, if asked, a quantity in a range.
#[derive(Debug, Clone, PartialEq)]
pub struct FactQuery {
    /// Resource type: `Condition`, `Observation`, `MedicationRequest` …
    pub kind: String,
    /// Acceptable (system, code) pairs of parameter `code`.
    pub codes: Vec<(String, String)>,
    /// Acceptable ranges, one per unit: any of them may hold.
    pub quantities: Vec<QuantityRange>,
    /// Statuses (parameter `status`) that do not count, e.g. `entered-in-error`.
    pub excluded_statuses: Vec<String>,
}

/// An interval of numbers in one unit. An absent end is open; ends are inclusive unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantityRange {
    /// UCUM code.
    pub unit: String,
    /// Low end.
    pub low: Option<f64>,
    /// The low end itself does not count.
    pub low_exclusive: bool,
    /// High end.
    pub high: Option<f64>,
    /// The high end itself does not count.
    pub high_exclusive: bool,
}

/// Patients with a current resource that carries one of the codes and, if asked, a quantity in one of the ranges, by
/// logical id.
pub fn patients_with(view: &dyn View, query: &FactQuery) -> Result<BTreeSet<String>, StoreError> {
    let codes = paths(view, &query.kind, &["code"])?;
    // A diagnosis has the status of its verification.
    let statuses = paths(view, &query.kind, &["verification-status", "status"])?;
    let mut wanted = Vec::with_capacity(query.codes.len());
    for (system, code) in &query.codes {
        wanted.extend(view.word(system)?.map(|system| (system, code.as_str())));
    }
    let mut ranges = Vec::with_capacity(query.quantities.len());
    for range in &query.quantities {
        ranges.extend(view.word(&range.unit)?.map(|unit| (unit, range)));
    }
    let comparable = view.word(&format!("{}?{COMPARABLE}", query.kind))?;
    let mut owners = Vec::new();
    for path in &codes {
        for (system, code) in &wanted {
            let posting = Posting::Token { path: *path, system: Some(*system), code: Some(code) };
            owners.extend(view.owners(&posting, usize::MAX)?);
        }
    }
    owners.sort_unstable();
    owners.dedup();
    let mut patients = BTreeSet::new();
    view.entries(&owners, &mut |entry| {
        let has = |test: &dyn Fn(Key<'_>) -> bool| {
            let mut keys = entry.keys;
            keys.any(test)
        };
        let is_coded = has(&|key| {
            matches!(key, Key::Token { path, system, code } if codes.contains(&path) && wanted.contains(&(system, code)))
        });
        let is_excluded = has(&|key| {
            matches!(key, Key::Token { path, code, .. }
                if statuses.contains(&path) && query.excluded_statuses.iter().any(|status| status == code))
        });
        let is_measured = query.quantities.is_empty()
            || has(&|key| {
                matches!(key, Key::Quantity { path, unit, low, .. } if Some(path) == comparable
                    && ranges.iter().any(|(wanted, range)| *wanted == unit && range.holds(low)))
            });
        if is_coded && is_measured && !is_excluded {
            patients.extend(entry.patient);
        }
        true
    })?;
    ids(view, patients)
}

impl QuantityRange {
    fn holds(&self, value: f64) -> bool {
        let is_above = self.low.is_none_or(|low| if self.low_exclusive { value > low } else { value >= low });
        let is_below = self.high.is_none_or(|high| if self.high_exclusive { value < high } else { value <= high });
        is_above && is_below
    }
}

/// Patients whose birth date lies in `[from, to)`, both `YYYY-MM-DD` or open, by logical id.
pub fn patients_born(view: &dyn View, from: Option<&str>, to: Option<&str>) -> Result<BTreeSet<String>, StoreError> {
    let day = |text: Option<&str>, open: i64| text.map_or(Some(open), |text| dates::span(text).map(|(from, _)| from));
    // A day that is none bounds nothing that could be counted.
    let (Some(from), Some(to)) = (day(from, i64::MIN), day(to, i64::MAX)) else { return Ok(BTreeSet::new()) };
    let mut born = BTreeSet::new();
    for path in paths(view, "Patient", &["birthdate"])? {
        let span = Posting::Dates { path, from: (from, to.saturating_sub(1)), to: (i64::MIN, i64::MAX) };
        let mut owners = view.owners(&span, usize::MAX)?;
        owners.sort_unstable();
        let is_within =
            |key: Key<'_>| matches!(key, Key::Date { path: p, from: at, .. } if p == path && at >= from && at < to);
        view.entries(&owners, &mut |mut entry: Entry<'_>| {
            if entry.keys.any(is_within) {
                born.insert(entry.position);
            }
            true
        })?;
    }
    ids(view, born)
}

/// All patients, by logical id.
pub fn all_patients(view: &dyn View) -> Result<BTreeSet<String>, StoreError> {
    let all = super::positions(view, "Patient", &[]).map_err(|error: FindError| StoreError::from(error))?;
    ids(view, all.into_iter().collect())
}

/// Paths of the first of these parameters that the type has.
fn paths(view: &dyn View, kind: &str, names: &[&str]) -> Result<Vec<i64>, StoreError> {
    let Some(parameter) = names.iter().find_map(|name| parameters::find(kind, name)) else { return Ok(Vec::new()) };
    let mut numbers = Vec::with_capacity(parameter.places.len());
    for place in &parameter.places {
        numbers.extend(view.word(&format!("{kind}?{}", place.path))?);
    }
    Ok(numbers)
}

fn ids(view: &dyn View, positions: BTreeSet<i64>) -> Result<BTreeSet<String>, StoreError> {
    let mut ids = BTreeSet::new();
    for position in positions {
        ids.extend(view.address_at(position)?.map(|(_, id)| id));
    }
    Ok(ids)
}
