//! Bundles: what their entries are, and the invariant bdl-7 (<https://hl7.org/fhir/R4/bundle.html#invs>).

use std::collections::HashSet;

use super::Entries;
use super::node::Node;
use super::walk::{Place, Walk};

/// The types of the entries by their `fullUrl`.
pub(super) fn entries<N: Node>(bundle: &N) -> Entries<'_> {
    let entries = bundle.member("entry").and_then(Node::items).unwrap_or(&[]).iter();
    entries
        .filter_map(|entry| {
            let kind = entry.member("resource").and_then(|resource| resource.member("resourceType")?.text());
            Some((entry.member("fullUrl")?.text()?, kind.unwrap_or("")))
        })
        .collect()
}

/// Addresses of entries: absolute, and each once (in a history once for each version).
pub(super) fn check<N: Node>(walk: &mut Walk, bundle: &N, place: &Place<'_>) {
    let is_history = bundle.member("type").and_then(Node::text) == Some("history");
    let mut seen = HashSet::new();
    for (at, entry) in bundle.member("entry").and_then(Node::items).unwrap_or(&[]).iter().enumerate() {
        let Some(address) = entry.member("fullUrl").and_then(Node::text) else { continue };
        let entry_place = place.of("entry", Some(at));
        let place = entry_place.of("fullUrl", None);
        if !is_absolute(address) {
            walk.tell(&place, "value", "must be an absolute URI: http:, https: or urn:uuid:");
        }
        let version =
            entry.member("resource").and_then(|resource| resource.member("meta")?.member("versionId")?.text());
        if !seen.insert((address, version)) && !is_history {
            walk.tell(&place, "invariant", "is that of an entry before it (bdl-7)");
        }
    }
}

fn is_absolute(address: &str) -> bool {
    address.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}
