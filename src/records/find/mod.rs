//! Finding resources: what a search means, from the few questions that a store answers (`store::records::IndexView`).
//!
//! A search begins with the criterion that fewest resources meet, or with several where all are met by many, and looks at
//! each resource they lead to: what is found is decided by the keys that stand with it, never by a posting alone. In the
//! order of positions a page ends when it is full; sorted otherwise, all matches are looked at and a page of them is kept.

mod candidates;
mod facts;
mod include;
mod meets;
mod order;
mod wanted;

use serde_json::Value;

use crate::fault::{Classified, Kind};
use crate::fhir::search::{Criterion, Mark, Search, Total};
use crate::store::records::{Entry, StoredResource};
use crate::store::{StoreError, View};
use order::Ranked;
use wanted::{Verdict, Wanted};

pub use facts::{FactQuery, QuantityRange, all_patients, patients_born, patients_with};

/// Candidates looked at beyond a page for an exact total that nobody has asked for.
const CHEAP: usize = 10_000;
/// Resources whose JSON is read in one search, for what only their text can tell.
const MOST_READ: usize = 20_000;

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// How many match in all, if that is known; as an estimate, never fewer than there are.
    pub total: Option<u64>,
    /// This page.
    pub resources: Vec<StoredResource>,
    /// What comes along with it.
    pub included: Vec<StoredResource>,
    /// Where the page ends, if there is more.
    pub next: Option<Mark>,
}

/// Why a search gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// It would take too long or too much.
    #[error("this search is too costly: {0}")]
    TooCostly(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for FindError {
    fn kind(&self) -> Kind {
        match self {
            Self::TooCostly(_) => Kind::Unprocessable,
            Self::Store(error) => error.kind(),
        }
    }
}

impl From<FindError> for StoreError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Store(error) => error,
            costly @ FindError::TooCostly(_) => Self::Database(costly.to_string()),
        }
    }
}

/// Runs a search.
pub fn search(view: &dyn View, search: &Search) -> Result<Found, FindError> {
    let Some(finding) = Finding::of(view, &search.kind, &search.criteria)? else {
        return Ok(Found { total: Some(0), ..Found::default() });
    };
    let mut candidates = candidates::gather(view, finding.kind, &finding.criteria)?;
    candidates.sort_unstable_by(|one, other| other.cmp(one));
    candidates.dedup();
    let page = if search.sort.is_empty() {
        by_position(&finding, search, &candidates)?
    } else {
        by_value(&finding, search, &candidates)?
    };
    let mut found = Found { total: page.total, next: page.next, ..Found::default() };
    if search.count > 0 {
        found.resources = view.resources_at(&page.positions)?;
        found.included = include::included(view, &search.includes, &page.positions)?;
    }
    Ok(found)
}

/// Positions of all resources of a type that meet the criteria, ascending.
pub fn positions(view: &dyn View, kind: &str, criteria: &[Criterion]) -> Result<Vec<i64>, FindError> {
    let Some(finding) = Finding::of(view, kind, criteria)? else { return Ok(Vec::new()) };
    let mut candidates = candidates::gather(view, finding.kind, &finding.criteria)?;
    candidates.sort_unstable();
    candidates.dedup();
    let mut met = Vec::new();
    finding.each(&candidates, &mut |entry| {
        met.push(entry.position);
        true
    })?;
    Ok(met)
}

/// A search in the numbers of the store.
struct Finding<'a> {
    view: &'a dyn View,
    kind: i64,
    criteria: Vec<Wanted<'a>>,
}

/// A page of positions.
struct Page {
    positions: Vec<i64>,
    total: Option<u64>,
    next: Option<Mark>,
}

impl<'a> Finding<'a> {
    /// None if there is no resource of the type.
    fn of(view: &'a dyn View, kind: &str, criteria: &'a [Criterion]) -> Result<Option<Self>, FindError> {
        let Some(number) = view.word(kind)? else { return Ok(None) };
        let criteria = criteria.iter().map(|one| Wanted::of(view, kind, one)).collect::<Result<_, _>>()?;
        Ok(Some(Self { view, kind: number, criteria }))
    }

    /// Visits the candidates that meet all criteria, in their order, until `visit` says false.
    fn each(&self, candidates: &[i64], visit: &mut dyn FnMut(&Entry<'_>) -> bool) -> Result<(), FindError> {
        let (mut failed, mut read) = (None, 0);
        self.view.entries(candidates, &mut |entry| match self.meets(&entry, &mut read) {
            Ok(true) => visit(&entry),
            Ok(false) => true,
            Err(error) => {
                failed = Some(error);
                false
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn meets(&self, entry: &Entry<'_>, read: &mut usize) -> Result<bool, FindError> {
        if entry.kind != self.kind {
            return Ok(false);
        }
        let mut unsure = Vec::new();
        for wanted in &self.criteria {
            match wanted.verdict(self.view, entry)? {
                Verdict::Met => {}
                Verdict::NotMet => return Ok(false),
                Verdict::ByText => unsure.push(wanted),
            }
        }
        if unsure.is_empty() {
            return Ok(true);
        }
        *read += 1;
        if *read > MOST_READ {
            return Err(FindError::TooCostly(format!(
                "the texts of more than {MOST_READ} resources would have to be read; add another criterion"
            )));
        }
        let resource = self.view.resources_at(&[entry.position])?.pop();
        let Some(json) = resource.and_then(|one| serde_json::from_str::<Value>(&one.json).ok()) else {
            return Ok(false);
        };
        Ok(unsure.iter().all(|wanted| wanted.is_met_by_text(&json)))
    }
}

/// A page in the order of positions, newest first.
fn by_position(finding: &Finding<'_>, search: &Search, candidates: &[i64]) -> Result<Page, FindError> {
    let counts_all = match search.total {
        Total::Accurate => true,
        Total::Estimate if finding.view.withholds() => true,
        Total::Cheap => candidates.len() <= CHEAP || search.count == 0,
        Total::None | Total::Estimate => false,
    };
    let after = search.after.as_ref().map_or(i64::MAX, |mark| mark.position);
    let looked_at = match counts_all {
        true => candidates,
        false => &candidates[candidates.partition_point(|position| *position >= after)..],
    };
    let (mut page, mut total, mut has_more) = (Vec::new(), 0, false);
    finding.each(looked_at, &mut |entry| {
        total += 1;
        if entry.position < after {
            if page.len() < search.count {
                page.push(entry.position);
            } else {
                has_more = true;
            }
        }
        counts_all || !has_more
    })?;
    let next = page.last().filter(|_| has_more).map(|last| Mark { values: Vec::new(), position: *last });
    let total = match search.total {
        _ if counts_all => Some(total),
        // Looked through to the end from the beginning.
        Total::Estimate if !has_more && search.after.is_none() => Some(total),
        Total::Estimate => Some(candidates.len() as u64),
        _ => None,
    };
    Ok(Page { positions: page, total, next })
}

/// A page in the order of values: all matches are looked at.
fn by_value(finding: &Finding<'_>, search: &Search, candidates: &[i64]) -> Result<Page, FindError> {
    let order = order::Order::of(finding.view, &search.kind, &search.sort)?;
    let wanted = search.count + 1;
    let (mut kept, mut total) = (Vec::<Ranked>::new(), 0);
    finding.each(candidates, &mut |entry| {
        total += 1;
        let ranked = order.rank(entry);
        if search.after.as_ref().is_none_or(|mark| order.is_behind(&ranked, mark)) {
            kept.push(ranked);
            if kept.len() >= 4 * wanted + 1024 {
                order.keep(&mut kept, wanted);
            }
        }
        true
    })?;
    order.keep(&mut kept, wanted);
    let has_more = kept.len() > search.count;
    kept.truncate(search.count);
    let next = kept.last().filter(|_| has_more).map(Ranked::mark);
    let positions = kept.iter().map(|one| one.position).collect();
    let total = (search.total != Total::None).then_some(total);
    Ok(Page { positions, total, next })
}
