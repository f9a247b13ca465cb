//! Finding events in both trails and all chains, the latest first.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::event::{Event, Known, of_act, of_request, place};
use crate::store::requests::{self, RequestFilter};
use crate::store::{StoreError, View};

/// Acts read at a time.
const PAGE: u64 = 1000;
/// Referrals of each role that are looked through for those of a patient.
const REFERRALS: usize = 100_000;
/// Rows of one chain are in the order of their time but for this, milliseconds: they wait for each other, and clocks are set.
const DISORDER: i64 = 300_000;

/// Where a page of events ended: time and id of its last.
pub type Mark = (i64, String);

/// Which events are asked for.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// About this patient.
    pub patient: Option<String>,
    /// Not before, milliseconds since 1970 UTC.
    pub from: Option<i64>,
    /// Before this.
    pub to: Option<i64>,
}

/// A page of events, the latest first, and whether there are more.
pub fn page(
    view: &dyn View,
    filter: &EventFilter,
    after: Option<&Mark>,
    count: usize,
    is_met: &dyn Fn(&Event) -> bool,
) -> Result<(Vec<Event>, bool), StoreError> {
    // By time and id, at most one more than the page takes.
    let mut kept: BTreeMap<Mark, Event> = BTreeMap::new();
    each(view, filter, &mut |event| {
        let mark = (event.at, event.id.clone());
        let is_full = kept.len() > count;
        let least = kept.first_key_value().map_or(i64::MIN, |((at, _), _)| *at);
        if is_full && event.at < least.saturating_sub(DISORDER) {
            return ControlFlow::Break(());
        }
        if after.is_none_or(|after| mark < *after) && is_met(&event) {
            kept.insert(mark, event);
            if kept.len() > count + 1 {
                kept.pop_first();
            }
        }
        ControlFlow::Continue(())
    })?;
    let has_more = kept.len() > count;
    Ok((kept.into_values().rev().take(count).collect(), has_more))
}

/// All events about a patient, the earliest first.
pub fn of_patient(view: &dyn View, patient: &str) -> Result<Vec<Event>, StoreError> {
    let filter = EventFilter { patient: Some(patient.to_owned()), ..EventFilter::default() };
    let mut events = Vec::new();
    each(view, &filter, &mut |event| {
        events.push(event);
        ControlFlow::Continue(())
    })?;
    events.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    Ok(events)
}

/// The event with this id.
pub fn one(view: &dyn View, id: &str) -> Result<Option<Event>, StoreError> {
    let Some((chain, trail, position)) = place(id) else { return Ok(None) };
    let events = match trail {
        'a' => match view.audit_entries(&chain, position, 1)?.into_iter().next() {
            Some(entry) => of_act(view, &mut Known::default(), &entry)?,
            None => Vec::new(),
        },
        _ => match view.requests(&chain, position, 1)?.into_iter().next() {
            Some(row) => of_request(view, &mut Known::default(), &row)?,
            None => Vec::new(),
        },
    };
    Ok(events.into_iter().find(|event| event.id == id))
}

/// Shows the events that meet a filter to `visit`, chain by chain, the latest first, until it breaks off a chain.
fn each(
    view: &dyn View,
    filter: &EventFilter,
    visit: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let is_met = |event: &Event| {
        filter.patient.as_ref().is_none_or(|patient| event.patient.as_ref() == Some(patient))
            && filter.from.is_none_or(|from| event.at >= from)
            && filter.to.is_none_or(|to| event.at < to)
    };
    let mut shown = |events: Vec<Event>| {
        for event in events.into_iter().filter(is_met) {
            visit(event)?;
        }
        ControlFlow::Continue(())
    };
    let mut subjects = Vec::new();
    if let Some(patient) = &filter.patient {
        subjects.push(format!("Patient/{patient}"));
        for role in ["sent", "received"] {
            let referrals = view.referrals(role, REFERRALS)?.into_iter();
            let of_patient = referrals.filter(|referral| referral.patient.as_ref() == Some(patient));
            subjects.extend(of_patient.map(|referral| format!("referral/{}", referral.id)));
        }
    }
    let rows = RequestFilter { subjects, from: filter.from, to: filter.to };
    let mut known = Known::default();
    let mut failed = None;
    requests::find(view, &rows, &mut |row| match of_request(view, &mut known, &row) {
        Ok(events) => shown(events),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    'chains: for chain in view.audit_chains()? {
        let mut before = view.audit_head(&chain)?.map_or(1, |(last, _)| last + 1);
        while before > 1 {
            let from = before.saturating_sub(PAGE).max(1);
            let entries = view.audit_entries(&chain, from, usize::try_from(before - from).unwrap_or(usize::MAX))?;
            for entry in entries.iter().rev() {
                if shown(of_act(view, &mut known, entry)?).is_break() {
                    continue 'chains;
                }
            }
            before = from;
        }
    }
    Ok(())
}
