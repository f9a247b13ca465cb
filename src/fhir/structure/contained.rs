//! Contained resources: invariants dom-2 to dom-5 of <https://hl7.org/fhir/R4/domainresource.html#invs>.

use std::collections::HashSet;

use super::Entries;
use super::node::{Members, Node, View};
use super::walk::{Place, Walk};

/// How deep references are looked for.
const DEEPEST: usize = 64;

/// The types of what a resource contains by their ids, if it contains anything.
pub(super) fn types<N: Node>(resource: &N) -> Option<Entries<'_>> {
    let contained = resource.member("contained").and_then(Node::items)?.iter();
    let named = contained.filter_map(|one| {
        let kind = one.member("resourceType").and_then(Node::text).unwrap_or("");
        Some((one.member("id").and_then(Node::text)?, kind))
    });
    Some(named.collect())
}

/// Checks what a resource contains.
pub(super) fn check<N: Node>(walk: &mut Walk, resource: &N, place: &Place<'_>) {
    let Some(contained) = resource.member("contained").and_then(Node::items) else { return };
    let mut addresses = HashSet::new();
    local(resource, DEEPEST, &mut addresses);
    for (at, one) in contained.iter().enumerate() {
        let place = place.of("contained", Some(at));
        if one.member("contained").is_some() {
            walk.tell(&place, "invariant", "must not contain resources itself (dom-2)");
        }
        let meta = |name: &str| one.member("meta").and_then(|meta| meta.member(name)).is_some();
        if meta("versionId") || meta("lastUpdated") {
            walk.tell(&place, "invariant", "must have neither version nor time of update (dom-4)");
        }
        if meta("security") {
            walk.tell(&place, "invariant", "must have no security label of its own (dom-5)");
        }
        let is_named = one.member("id").and_then(Node::text).is_some_and(|id| addresses.contains(id));
        if !is_named && !leads_back(one, DEEPEST) {
            walk.tell(&place, "invariant", "is referred to from nowhere in the resource (dom-3)");
        }
    }
}

/// The ids that `#…` leads to, of references and other addresses.
fn local<'a, N: Node>(node: &'a N, depth: usize, found: &mut HashSet<&'a str>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match node.view() {
        View::Text(text) => found.extend(text.strip_prefix('#')),
        View::Items(items) => items.iter().for_each(|item| local(item, depth, found)),
        View::Members(members) => members.each().for_each(|(_, member)| local(member, depth, found)),
        _ => {}
    }
}

/// Whether a contained resource refers to the one that contains it.
fn leads_back<N: Node>(node: &N, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match node.view() {
        View::Text(text) => text == "#",
        View::Items(items) => items.iter().any(|item| leads_back(item, depth)),
        View::Members(members) => members.each().any(|(_, member)| leads_back(member, depth)),
        _ => false,
    }
}
