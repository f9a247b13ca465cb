//! What tells the things of a message apart: the fields of `identity`, and where they do not, those of `tell`. Never the
//! place in the message: a later message that corrects one of them has other places, and would correct the wrong one.

use std::collections::{HashMap, HashSet};

use crate::fhir::tree::Text;

use super::context::{Context, Work};
use super::ledger::Target;
use crate::translate::rows::file::ResourceRow;
use crate::translate::rows::reference::FieldRefs;

/// A place that a resource is made for.
pub(crate) struct Place {
    pub group: usize,
    pub segment: Option<usize>,
    /// What tells it from others of its kind and patient.
    pub identity: Vec<String>,
}

/// The groups and segments that a resource is made for, each with its identity.
pub(crate) fn places(work: &Work<'_>, row: &ResourceRow) -> Vec<Place> {
    let anchor = Target { resource: 0, path: Text::Static("") };
    let mut places = Vec::new();
    for (group, segment) in candidates(work, row) {
        let context = Context::new(work, group, segment, &anchor);
        if !row.when.iter().all(|condition| context.holds(condition)) {
            continue;
        }
        if row.identity_required && row.identity.first().is_none_or(|fields| context.first_text(fields).is_none()) {
            continue;
        }
        places.push(Place { group, segment, identity: texts(&context, &row.identity) });
    }
    tell_apart(work, row, &anchor, &mut places);
    places
}

fn candidates(work: &Work<'_>, row: &ResourceRow) -> Vec<(usize, Option<usize>)> {
    let mut places = Vec::new();
    for per in &row.per {
        for (group, content) in work.groups.iter().enumerate() {
            if &content.name == per {
                places.push((group, None));
            }
            places.extend(work.own(group, per).map(|segment| (group, Some(segment))));
        }
    }
    places
}

fn texts(context: &Context<'_>, fields: &[FieldRefs]) -> Vec<String> {
    fields.iter().map(|fields| context.first_text(fields).unwrap_or_default()).collect()
}

/// Things with the same identity get the fields of `tell` added to it, all of them, where these make a difference.
fn tell_apart(work: &Work<'_>, row: &ResourceRow, anchor: &Target, places: &mut [Place]) {
    if row.tell.is_empty() || places.len() < 2 {
        return;
    }
    let mut alike: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
    for (at, place) in places.iter().enumerate() {
        alike.entry(place.identity.clone()).or_default().push(at);
    }
    for members in alike.into_values().filter(|members| members.len() > 1) {
        let told: Vec<Vec<String>> = members
            .iter()
            .map(|at| texts(&Context::new(work, places[*at].group, places[*at].segment, anchor), &row.tell))
            .collect();
        if told.iter().collect::<HashSet<_>>().len() < 2 {
            continue;
        }
        for (at, told) in members.into_iter().zip(told) {
            places[at].identity.extend(told);
        }
    }
}
