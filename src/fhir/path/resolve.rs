//! `resolve()`: <https://hl7.org/fhir/R4/fhirpath.html#functions>. Within the resource and the bundle it stands in; nothing is
//! fetched.

use super::Environment;
use super::item::Element;
use crate::fhir::structure::{Node, View};

/// The resource that a reference, a canonical or a uri leads to.
pub(super) fn resolve<'a, N: Node>(
    environment: &Environment<'a, N>,
    element: &Element<'a, N>,
) -> Option<Element<'a, N>> {
    let node = element.value?;
    let text = match node.view() {
        View::Text(text) => text,
        View::Members(_) => node.member("reference").and_then(Node::text)?,
        _ => return None,
    };
    find(environment.root, environment.bundle, text).map(Element::resource)
}

/// The resource of an address: contained in `root`, or an entry of the bundle.
pub fn find<'a, N: Node>(root: &'a N, bundle: Option<&'a N>, address: &str) -> Option<&'a N> {
    if let Some(id) = address.strip_prefix('#') {
        if id.is_empty() {
            return Some(root);
        }
        let contained = root.member("contained").and_then(Node::items)?;
        return contained.iter().find(|one| one.member("id").and_then(Node::text) == Some(id));
    }
    let address = address.split_once("/_history/").map_or(address, |(current, _)| current);
    for entry in bundle?.member("entry").and_then(Node::items)? {
        let Some(resource) = entry.member("resource") else { continue };
        let text = |name| resource.member(name).and_then(Node::text);
        let full = entry.member("fullUrl").and_then(Node::text).unwrap_or("");
        let is_relative = || {
            let (kind, id) = (text("resourceType")?, text("id")?);
            let is_named = address.strip_prefix(kind)?.strip_prefix('/')? == id;
            Some(is_named || full.strip_suffix(address).is_some_and(|before| before.ends_with('/')))
        };
        if full == address || (!address.contains(':') && is_relative() == Some(true)) {
            return Some(resource);
        }
    }
    None
}
