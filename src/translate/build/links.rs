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
        known.entry(instance.row.name.clone()).or_default().push((instance.group, instance.full_url.clone()));
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

/// Group and address of the resources made by each row.
type Known = HashMap<String, Vec<(usize, String)>>;

fn nearest(work: &Work<'_>, group: usize, known: &Known, names: &[String]) -> Vec<String> {
    let mut level = Some(group);
    while let Some(outer) = level {
        let mut found: Vec<String> = names
            .iter()
            .filter_map(|name| known.get(name))
            .flatten()
            .filter(|(at, _)| work.is_within(*at, outer))
            .map(|(_, url)| url.clone())
            .collect();
        found.dedup();
        if !found.is_empty() {
            return found;
        }
        level = work.groups[outer].parent;
    }
    Vec::new()
}
