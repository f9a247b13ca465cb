//! Which resources to look at: those that the rarest criteria lead to. A superset of the matches, in no order.

use super::FindError;
use super::wanted::{One, Wanted};
use crate::fhir::search::{DateRange, Prefix};
use crate::store::View;
use crate::store::records::Posting;

/// Resources of one criterion that are looked at without asking what the others lead to.
const FEW: usize = 2_000;
/// Targets of a reference that are asked for one by one.
const MOST_TARGETS: usize = 500;

/// Positions of all that may match.
pub(super) fn gather(view: &dyn View, kind: i64, criteria: &[Wanted<'_>]) -> Result<Vec<i64>, FindError> {
    let leading: Vec<Vec<Lead<'_>>> = criteria.iter().filter_map(leads).collect();
    let mut best: Option<Vec<i64>> = None;
    for leads in &leading {
        let found = owners(view, leads, FEW)?;
        if found.len() <= FEW {
            best = Some(both(best, found));
        }
    }
    if let Some(best) = best {
        return Ok(best);
    }
    for leads in &leading {
        let found = owners(view, leads, usize::MAX)?;
        best = Some(both(best, found));
    }
    match best {
        Some(best) => Ok(best),
        None => Ok(view.owners(&Posting::Kind(kind), usize::MAX)?),
    }
}

/// What leads to the resources of a value.
enum Lead<'a> {
    Positions(&'a [i64]),
    Posting(Posting<'a>),
}

/// None if the index does not lead to all that meet the criterion.
fn leads<'a>(wanted: &'a Wanted<'_>) -> Option<Vec<Lead<'a>>> {
    if wanted.is_not {
        return None;
    }
    let mut all = Vec::new();
    for one in &wanted.any {
        match one {
            One::Among(positions) => all.push(Lead::Positions(positions)),
            One::References { targets, .. } if targets.len() > MOST_TARGETS => return None,
            One::References { path, targets } => {
                let posting = |target: &i64| Lead::Posting(Posting::Reference { path: *path, target: *target });
                all.extend(targets.iter().map(posting));
            }
            One::Token { path, system, code } => {
                let code = (!code.is_empty()).then_some(*code);
                all.push(Lead::Posting(Posting::Token { path: *path, system: *system, code }));
            }
            One::TokenStart { path, start } => all.push(Lead::Posting(Posting::TokenStart { path: *path, start })),
            One::Text { path, start } | One::TextExact { path, folded: start, .. } => {
                all.push(Lead::Posting(Posting::TextStart { path: *path, start }));
            }
            One::TextPart { path, part } => all.push(Lead::Posting(Posting::TextPart { path: *path, part })),
            One::Date { path, range } => all.extend(spans(*path, range)?.into_iter().map(Lead::Posting)),
            One::Updated(_) | One::Present { .. } | One::Quantity { .. } | One::Shown { .. } => return None,
        }
    }
    Some(all)
}

/// The spans that meet a range; none if they are nearly all.
fn spans<'a>(path: i64, range: &DateRange) -> Option<Vec<Posting<'a>>> {
    let any = (i64::MIN, i64::MAX);
    let spans = |from, to| Posting::Dates { path, from, to };
    let within = spans((range.from, range.to), (range.from, range.to));
    let (before, after) = (range.from.saturating_sub(1), range.to.saturating_add(1));
    Some(match range.prefix {
        Prefix::Eq => vec![within],
        Prefix::Ne => return None,
        Prefix::Lt => vec![spans((i64::MIN, before), any)],
        Prefix::Le => vec![spans((i64::MIN, before), any), within],
        Prefix::Gt => vec![spans(any, (after, i64::MAX))],
        Prefix::Ge => vec![spans(any, (after, i64::MAX)), within],
        Prefix::Sa => vec![spans((range.to, i64::MAX), any)],
        Prefix::Eb => vec![spans((i64::MIN, before), (i64::MIN, range.from))],
        Prefix::Ap => vec![spans((i64::MIN, range.to.saturating_sub(1)), (range.from.saturating_add(1), i64::MAX))],
    })
}

fn owners(view: &dyn View, leads: &[Lead<'_>], at_most: usize) -> Result<Vec<i64>, FindError> {
    let mut found = Vec::new();
    for lead in leads {
        match lead {
            Lead::Positions(positions) => found.extend_from_slice(positions),
            Lead::Posting(posting) => {
                let more = view.owners(posting, at_most)?;
                if found.is_empty() {
                    found = more;
                } else {
                    found.extend(more);
                }
            }
        }
        if found.len() > at_most {
            break;
        }
    }
    Ok(found)
}

/// What is in both, once each.
fn both(one: Option<Vec<i64>>, mut other: Vec<i64>) -> Vec<i64> {
    other.sort_unstable();
    other.dedup();
    if let Some(one) = one {
        other.retain(|position| one.binary_search(position).is_ok());
    }
    other
}
