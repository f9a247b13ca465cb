//! References between the resources of a message: to the nearest in the groups, or to those that a field names.

use rustc_hash::FxHashMap;
use std::borrow::Cow;

use super::apply::{self, Site};
use super::context::{Context, Work};
use super::ledger::NOWHERE;
use super::resources::Instance;
use crate::fhir::tree::{Map, Text, Value};
use crate::translate::rows::file::{LinkRow, ResourceRow};
use crate::translate::rows::path::{Path, Slots};
use crate::translate::rows::reference::FieldRefs;
use crate::translate::trace::{self, By, Maker};

/// Sets the references between resources. Where one is wanted and several are as near, none is taken.
pub(crate) fn link(work: &Work<'_>, instances: &mut [Instance<'_>]) {
    let places: Vec<Place<'_>> = instances.iter().map(Place::of).collect();
    let mut found: Vec<&Place<'_>> = Vec::with_capacity(places.len());
    let mut known: Known<'_> = FxHashMap::default();
    for place in &places {
        known.entry(&place.row.name).or_default().push(place);
    }
    for (instance, here) in instances.iter_mut().zip(&places) {
        for link in here.row.link.iter().filter(|link| holds(work, here, link)) {
            found.clear();
            if link.same.is_empty() {
                nearest(work, here.group, &known, &link.to, &mut found);
            } else {
                found.extend(same(work, here, &known, link));
            }
            found.dedup_by(|one, other| one.url == other.url);
            if !link.path.grows() && found.len() != 1 {
                continue;
            }
            for other in found.iter().copied().filter(|other| other.url != here.url) {
                let beside = beside(work, link, here, other);
                let maker = || Maker::of(By::Link, link.origin);
                trace::step(work.order.trace, here.number, &mut instance.body, maker, |body| {
                    set_reference(&link.path, &other.url, beside.as_ref(), body);
                });
            }
        }
    }
}

/// A resource as others refer to it.
struct Place<'a> {
    row: &'a ResourceRow,
    number: usize,
    group: usize,
    segment: Option<usize>,
    url: Text,
}

impl<'a> Place<'a> {
    fn of(instance: &Instance<'a>) -> Self {
        let Instance { row, number, group, segment, .. } = *instance;
        Self { row, number, group, segment, url: instance.full_url.clone() }
    }
}

/// What each row made, in the order of the message.
type Known<'k> = FxHashMap<&'k str, Vec<&'k Place<'k>>>;

/// Those whose fields hold the same as fields here.
fn same<'k>(work: &Work<'_>, here: &Place<'_>, known: &Known<'k>, link: &LinkRow) -> Vec<&'k Place<'k>> {
    let ours: Option<Vec<_>> = link.same.iter().map(|(_, ours)| text(work, here, ours)).collect();
    let Some(ours) = ours else { return Vec::new() };
    let is_meant = |other: &&&Place<'_>| {
        let mut fields = link.same.iter().zip(&ours);
        fields.all(|((theirs, _), ours)| text(work, other, theirs).as_ref() == Some(ours))
    };
    let made = link.to.iter().filter_map(|name| known.get(name.as_str())).flatten();
    made.filter(is_meant).copied().collect()
}

fn text<'w>(work: &'w Work<'w>, place: &Place<'_>, fields: &FieldRefs) -> Option<Cow<'w, str>> {
    Context::new(work, place.group, place.segment, &NOWHERE).first_text(fields)
}

fn holds(work: &Work<'_>, here: &Place<'_>, link: &LinkRow) -> bool {
    let context = Context::new(work, here.group, here.segment, &NOWHERE);
    link.when.iter().all(|condition| context.holds(condition))
}

/// What stands beside a reference: what its own rows read from the other resource's segment, and what the row says of the
/// rest.
fn beside(work: &Work<'_>, link: &LinkRow, here: &Place<'_>, other: &Place<'_>) -> Option<Value> {
    if link.with.is_none() && link.rows.is_empty() {
        return None;
    }
    let mut beside = Map::new();
    if let Some(segment) = other.segment {
        let site = Site { work, number: here.number, group: other.group, segment };
        let mut slots = Slots::new();
        for row in &link.rows {
            apply::apply(&site, row, &mut beside, &mut slots);
        }
    }
    for (element, value) in link.with.as_ref().and_then(Value::as_object).into_iter().flatten() {
        beside.entry(element.clone()).or_insert_with(|| value.clone());
    }
    (!beside.is_empty()).then_some(Value::Object(beside))
}

fn set_reference(path: &Path, url: &Text, beside: Option<&Value>, body: &mut Map) {
    let mut reference = Map::with_capacity(1);
    reference.push("reference", Value::from(url));
    path.place(body, Value::Object(reference), beside, &mut Slots::new());
}

/// Whether a group stands in a neighbour of `group`: another group of its name.
fn is_a_neighbours(work: &Work<'_>, group: usize, other: usize) -> bool {
    let around = |group: usize| std::iter::successors(Some(group), |at| work.groups[*at].parent);
    let mut not_shared = around(other).take_while(|at| around(group).all(|shared| shared != *at));
    group != 0 && not_shared.any(|at| work.groups[at].name == work.groups[group].name)
}

/// Those in the smallest group around `group` that has any. The first group is the message, and everything is within it:
/// what a neighbour has is not the nearest.
fn nearest<'k>(work: &Work<'_>, group: usize, known: &Known<'k>, names: &[String], made: &mut Vec<&'k Place<'k>>) {
    for name in names {
        match name.strip_suffix('*') {
            None => made.extend(known.get(name.as_str()).into_iter().flatten()),
            Some(beginning) => {
                let mut of_beginning: Vec<_> = known.iter().filter(|(name, _)| name.starts_with(beginning)).collect();
                of_beginning.sort_by_key(|(name, _)| **name);
                made.extend(of_beginning.into_iter().flat_map(|(_, places)| places));
            }
        }
    }
    made.retain(|place| !is_a_neighbours(work, group, place.group));
    let shared = |place: &&Place<'_>| work.shared_depth(group, place.group);
    let deepest = made.iter().map(shared).max().unwrap_or(0);
    // A visit is the message's wherever it stands: `encounter*` asks for it, whatever the message makes of it.
    let is_anywhere = group == 0 || names.iter().any(|name| name.ends_with('*'));
    made.retain(|place| match deepest {
        0 => is_anywhere || place.group == 0,
        _ => shared(place) == deepest,
    });
}
