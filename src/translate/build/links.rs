//! References between the resources of a message: to the nearest in the groups.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::context::Work;
use super::resources::Instance;
use crate::translate::rows::path::{Path, Slots};

/// Sets the references between resources: to the nearest in the groups. Where one is wanted and several are as near, none
/// is taken.
pub(crate) fn link(work: &Work<'_>, instances: &mut [Instance<'_>]) {
    let mut known: Known = HashMap::new();
    for instance in instances.iter() {
        let made = known.entry(instance.row.name.clone()).or_default();
        made.all.push(instance.full_url.clone());
        made.by_group.entry(instance.group).or_default().push(instance.full_url.clone());
    }
    for instance in instances.iter_mut() {
        for link in &instance.row.link {
            let found = nearest(work, instance.group, &known, &link.to);
            let wanted: &[String] = if link.path.grows() || found.len() == 1 { &found } else { &[] };
            for url in wanted.iter().filter(|url| **url != instance.full_url) {
                set_reference(&link.path, url, &mut instance.body);
            }
        }
    }
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
    // The first group is the message, and everything is within it.
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
    made.iter().flat_map(|made| made.all.iter().cloned()).collect()
}
