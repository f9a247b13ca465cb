//! What tells the things of a message apart: the fields of `identity`, and where they do not, those of `tell`. Never the
//! place in the message: a later message that corrects one of them has other places, and would correct the wrong one.

use std::collections::HashSet;

use super::context::{Context, Work};
use super::ledger::NOWHERE;
use crate::fhir::tree::Text;
use crate::translate::rows::file::ResourceRow;
use crate::translate::rows::reference::FieldRefs;

/// A place that a resource is made for.
pub(crate) struct Place {
    pub group: usize,
    pub segment: Option<usize>,
    /// What tells it from others of its kind and patient.
    pub identity: Vec<Text>,
}

/// The groups and segments that a resource is made for, each with its identity.
pub(crate) fn places(work: &Work<'_>, row: &ResourceRow) -> Vec<Place> {
    let mut places = Vec::new();
    for (group, segment) in candidates(work, row) {
        let context = Context::new(work, group, segment, &NOWHERE);
        if !row.when.iter().all(|condition| context.holds(condition)) {
            continue;
        }
        if row.identity_required && row.identity.first().is_none_or(|fields| context.first_text(fields).is_none()) {
            continue;
        }
        places.push(Place { group, segment, identity: texts(&context, &row.identity) });
    }
    tell_apart(work, row, &mut places);
    places
}

fn candidates(work: &Work<'_>, row: &ResourceRow) -> Vec<(usize, Option<usize>)> {
    let mut places = Vec::new();
    for per in &row.per {
        for (group, content) in work.groups.iter().enumerate() {
            if content.name == per {
                places.push((group, None));
            }
            places.extend(work.own(group, per).map(|segment| (group, Some(segment))));
        }
    }
    places
}

fn texts(context: &Context<'_>, fields: &[FieldRefs]) -> Vec<Text> {
    fields.iter().map(|fields| context.first_text(fields).map_or_else(Text::default, Text::from)).collect()
}

/// Things with the same identity get the fields of `tell` added to it, all of them, where these make a difference.
fn tell_apart(work: &Work<'_>, row: &ResourceRow, places: &mut [Place]) {
    if row.tell.is_empty() || places.len() < 2 {
        return;
    }
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|one, other| places[*one].identity.cmp(&places[*other].identity));
    let alike: Vec<Vec<usize>> = order
        .chunk_by(|one, other| places[*one].identity == places[*other].identity)
        .filter(|members| members.len() > 1)
        .map(<[usize]>::to_vec)
        .collect();
    for members in alike {
        let told: Vec<Vec<Text>> = members
            .iter()
            .map(|at| texts(&Context::new(work, places[*at].group, places[*at].segment, &NOWHERE), &row.tell))
            .collect();
        if told.iter().collect::<HashSet<_>>().len() < 2 {
            continue;
        }
        for (at, told) in members.into_iter().zip(told) {
            places[at].identity.extend(told);
        }
    }
}
