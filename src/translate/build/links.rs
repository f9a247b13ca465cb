//! References between the resources of a message: to the nearest in the groups, or to those that a field names.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::context::{Context, Work};
use super::ledger::Target;
use super::resources::Instance;
use crate::translate::rows::file::LinkRow;
use crate::translate::rows::path::{Path, Slots};
use crate::translate::rows::reference::FieldRefs;
use crate::translate::trace::{self, By, Maker};

/// Sets the references between resources. Where one is wanted and several are as near, none is taken.
pub(crate) fn link(work: &Work<'_>, instances: &mut [Instance<'_>]) {
    let mut known: Known = HashMap::new();
    for instance in instances.iter() {
        let made = known.entry(instance.row.name.clone()).or_default();
        made.all.push(instance.full_url.clone());
        made.by_group.entry(instance.group).or_default().push(instance.full_url.clone());
    }
    let named = named(work, instances);
    for (at, instance) in instances.iter_mut().enumerate() {
        for (row, link) in instance.row.link.iter().enumerate() {
            let found = match named.get(&(at, row)) {
                Some(found) => found.clone(),
                None if link.same.is_empty() => nearest(work, instance.group, &known, &link.to),
                None => Vec::new(),
            };
            let wanted: &[String] = if link.path.grows() || found.len() == 1 { &found } else { &[] };
            for url in wanted.iter().filter(|url| **url != instance.full_url) {
                let maker = || Maker::of(By::Link, link.origin);
                trace::step(work.order.trace, instance.number, &mut instance.body, maker, |body| {
                    set_reference(&link.path, url, body);
                });
            }
        }
    }
}

/// What the links find that go by fields: by number of the resource and of its link.
fn named(work: &Work<'_>, instances: &[Instance<'_>]) -> HashMap<(usize, usize), Vec<String>> {
    let mut named = HashMap::new();
    for (at, instance) in instances.iter().enumerate() {
        for (row, link) in instance.row.link.iter().enumerate().filter(|(_, link)| !link.same.is_empty()) {
            let ours: Vec<Option<String>> = link.same.iter().map(|(_, ours)| text(work, instance, ours)).collect();
            if ours.iter().all(Option::is_some) {
                named.insert((at, row), found(work, instances, link, &ours));
            }
        }
    }
    named
}

fn found(work: &Work<'_>, instances: &[Instance<'_>], link: &LinkRow, ours: &[Option<String>]) -> Vec<String> {
    let is_meant = |other: &&Instance<'_>| {
        let mut fields = link.same.iter().zip(ours);
        link.to.contains(&other.row.name) && fields.all(|((theirs, _), ours)| text(work, other, theirs) == *ours)
    };
    let mut urls: Vec<String> = instances.iter().filter(is_meant).map(|other| other.full_url.clone()).collect();
    urls.dedup();
    urls
}

fn text(work: &Work<'_>, instance: &Instance<'_>, fields: &FieldRefs) -> Option<String> {
    let target = Target::default();
    Context::new(work, instance.group, instance.segment, &target).first_text(fields)
}

fn set_reference(path: &Path, url: &str, body: &mut Map<String, Value>) {
    path.place(body, json!({"reference": url}), None, &mut Slots::new());
}

/// What each row made.
type Known = HashMap<String, Made>;

/// Addresses of resources, and the groups they are in.
#[derive(Default)]
struct Made {
    all: Vec<String>,
    by_group: HashMap<usize, Vec<String>>,
}

fn nearest(work: &Work<'_>, group: usize, known: &Known, names: &[String]) -> Vec<String> {
    let made: Vec<&Made> = names.iter().filter_map(|name| known.get(name)).collect();
    if made.is_empty() {
        return Vec::new();
    }
    let mut level = group;
    // The first group is the message, and everything is within it: what a neighbour has is not the nearest.
    while let Some(parent) = work.groups[level].parent {
        let groups = work.within(level);
        let at = |made: &&Made| {
            groups.iter().filter_map(|group| made.by_group.get(group)).flatten().cloned().collect::<Vec<_>>()
        };
        let mut found: Vec<String> = made.iter().flat_map(at).collect();
        found.dedup();
        if !found.is_empty() {
            return found;
        }
        level = parent;
    }
    let of_message = |made: &&Made| made.by_group.get(&0).cloned().unwrap_or_default();
    match group {
        0 => made.iter().flat_map(|made| made.all.iter().cloned()).collect(),
        _ => made.iter().flat_map(of_message).collect(),
    }
}
