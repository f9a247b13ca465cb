//! References between the resources of a message: to the nearest in the groups, or to those that a field names.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::context::{Context, Work};
use super::ledger::Target;
use super::resources::{self, Instance, Site};
use crate::translate::rows::file::LinkRow;
use crate::translate::rows::path::{Path, Slots};
use crate::translate::rows::reference::FieldRefs;
use crate::translate::trace::{self, By, Maker};

/// Sets the references between resources. Where one is wanted and several are as near, none is taken.
pub(crate) fn link(work: &Work<'_>, instances: &mut [Instance<'_>]) {
    let mut known: Known = HashMap::new();
    let mut places = HashMap::new();
    for instance in instances.iter() {
        let made = known.entry(instance.row.name.clone()).or_default();
        made.all.push(instance.full_url.clone());
        made.by_group.entry(instance.group).or_default().push(instance.full_url.clone());
        places.insert(instance.full_url.clone(), (instance.group, instance.segment));
    }
    let named = named(work, instances);
    for (at, instance) in instances.iter_mut().enumerate() {
        for (row, link) in instance.row.link.iter().enumerate() {
            if !holds(work, instance, link) {
                continue;
            }
            let found = match named.get(&(at, row)) {
                Some(found) => found.clone(),
                None if link.same.is_empty() => nearest(work, instance.group, &known, &link.to),
                None => Vec::new(),
            };
            let wanted: &[String] = if link.path.grows() || found.len() == 1 { &found } else { &[] };
            for url in wanted.iter().filter(|url| **url != instance.full_url) {
                let beside = beside(work, link, instance, places.get(url).copied());
                let maker = || Maker::of(By::Link, link.origin);
                trace::step(work.order.trace, instance.number, &mut instance.body, maker, |body| {
                    set_reference(&link.path, url, beside.as_ref(), body);
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

fn holds(work: &Work<'_>, instance: &Instance<'_>, link: &LinkRow) -> bool {
    let target = Target { resource: instance.number, path: link.path.plain() };
    let context = Context::new(work, instance.group, instance.segment, &target);
    link.when.iter().all(|condition| context.holds(condition))
}

/// What stands beside a reference: what the row says, and what its own rows read from the other resource's segment.
fn beside(
    work: &Work<'_>,
    link: &LinkRow,
    instance: &Instance<'_>,
    place: Option<(usize, Option<usize>)>,
) -> Option<Value> {
    let mut beside = link.with.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some((group, Some(segment))) = place {
        let kind = format!("{}.{}", instance.row.resource_type, link.path.first());
        let site = Site { work, kind: &kind, number: instance.number, group, segment };
        let mut slots = Slots::new();
        for row in &link.rows {
            resources::apply(&site, row, &mut beside, &mut slots);
        }
    }
    (!beside.is_empty()).then_some(Value::Object(beside))
}

fn set_reference(path: &Path, url: &str, beside: Option<&Value>, body: &mut Map<String, Value>) {
    path.place(body, json!({"reference": url}), beside, &mut Slots::new());
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
    let of_name = |name: &String| -> Vec<&Made> {
        match name.strip_suffix('*') {
            None => known.get(name).into_iter().collect(),
            Some(beginning) => {
                let mut made: Vec<_> = known.iter().filter(|(name, _)| name.starts_with(beginning)).collect();
                made.sort_by_key(|(name, _)| name.as_str());
                made.into_iter().map(|(_, made)| made).collect()
            }
        }
    };
    let made: Vec<&Made> = names.iter().flat_map(of_name).collect();
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
    // A visit is the message's wherever it stands: `encounter*` asks for it, whatever the message makes of it.
    let is_anywhere = names.iter().any(|name| name.ends_with('*'));
    match group {
        _ if is_anywhere => made.iter().flat_map(|made| made.all.iter().cloned()).collect(),
        0 => made.iter().flat_map(|made| made.all.iter().cloned()).collect(),
        _ => made.iter().flat_map(of_message).collect(),
    }
}
