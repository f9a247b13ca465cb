//! Rows that never apply: no message names the resource, or no resource reads the segment.

use std::collections::HashSet;

use super::Doubt;
use crate::config::Country;
use crate::translate::Mappings;
use crate::translate::rows::Rules;
use crate::translate::rows::file::{Overlay, RowsFile};

/// Rows of a file that do nothing in any country they count in.
pub(super) fn doubts(mappings: &Mappings, rows: &RowsFile, doubt: Doubt<'_>) {
    let countries: &[Country] = match rows.overlay {
        Some(Overlay::Jahis) => &[Country::Jp],
        Some(Overlay::Ca) => &[Country::Ca],
        None => &[Country::Ca, Country::Jp],
    };
    let rules: Vec<(&Rules, HashSet<&str>)> =
        countries.iter().map(|country| mappings.rules(*country)).map(|rules| (rules, named(rules))).collect();
    for resource in &rows.resource {
        if !rules.iter().any(|(_, named)| named.contains(resource.name.as_str())) {
            doubt(resource.origin, format!("resource {}: no message names it", resource.name));
        }
    }
    // A segment without rows only says that its fields are taken by code.
    for segment in rows.segment.iter().filter(|segment| !segment.rows.is_empty()) {
        if !rules.iter().any(|(rules, named)| is_read(rules, named, &segment.name, &segment.to)) {
            let place = format!("segment {} to {}", segment.name, segment.to);
            doubt(segment.origin, format!("{place}: no resource row reads it; name it in `from` of a [[resource]]"));
        }
    }
}

/// Resource rows that some message makes.
fn named(rules: &Rules) -> HashSet<&str> {
    rules.messages.values().flat_map(|message| &message.resources).map(String::as_str).collect()
}

/// Whether a resource of the type that some message makes is filled from the segment. Every message has its Provenance.
fn is_read(rules: &Rules, named: &HashSet<&str>, segment: &str, to: &str) -> bool {
    to == "Provenance"
        || rules.resources.values().any(|resource| {
            resource.resource_type == to
                && named.contains(resource.name.as_str())
                && resource.from.iter().any(|from| from.trim_start_matches(['^', '>', '*']) == segment)
        })
}
