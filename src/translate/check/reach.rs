//! Rows that never apply: nobody reads the segment, names the resource, or the row was replaced.

use std::collections::HashSet;

use super::Doubt;
use crate::config::Country;
use crate::translate::Mappings;
use crate::translate::rows::Rules;
use crate::translate::rows::file::{Overlay, RowsFile};

/// Rows of a file that do nothing.
pub(super) fn doubts(mappings: &Mappings, rows: &RowsFile, doubt: Doubt<'_>) {
    let country = match rows.overlay {
        Some(Overlay::Jahis) => Country::Jp,
        Some(Overlay::Ca) => Country::Ca,
        None => Country::Ca,
    };
    let rules = mappings.rules(country);
    let named: HashSet<&str> =
        rules.messages.values().flat_map(|message| &message.resources).map(String::as_str).collect();
    for resource in rows.resource.iter().filter(|resource| !named.contains(resource.name.as_str())) {
        doubt(resource.origin, format!("resource {}: no message names it", resource.name));
    }
    // A segment without rows only says that its fields are taken by code.
    for segment in rows.segment.iter().filter(|segment| !segment.rows.is_empty()) {
        if !is_read(rules, &named, &segment.name, &segment.to) {
            let place = format!("segment {} to {}", segment.name, segment.to);
            doubt(segment.origin, format!("{place}: no resource row reads it; name it in `from` of a [[resource]]"));
        }
    }
}

/// Whether a resource of the type that some message makes is filled from the segment.
fn is_read(rules: &Rules, named: &HashSet<&str>, segment: &str, to: &str) -> bool {
    rules.resources.values().any(|resource| {
        resource.resource_type == to
            && named.contains(resource.name.as_str())
            && resource.from.iter().any(|from| from.trim_start_matches(['^', '>']) == segment)
    })
}
