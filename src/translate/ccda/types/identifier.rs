//! II → Identifier.

use crate::fhir::tree::{Value, json};
use roxmltree::Node;

use super::text::plain;
use crate::translate::ccda::work::Work;

/// → Identifier; `None` for one without a root.
pub(crate) fn identifier<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let (system, value) = system_and_value(work, node)?;
    work.attribute(node, "root");
    work.attribute(node, "extension");
    work.attribute(node, "displayable");
    let mut identifier = json!({"system": system, "value": value});
    if let Some(authority) = work.attribute(node, "assigningAuthorityName").and_then(plain) {
        identifier["assigner"] = json!({"display": authority});
    }
    Some(identifier)
}

/// What an II says, as FHIR writes it: the root as the system of the extension, or the root itself as a URI.
pub(crate) fn system_and_value<'a>(work: &Work<'a>, node: Node<'a, 'a>) -> Option<(String, String)> {
    let root = node.attribute("root").map(str::trim).filter(|root| !root.is_empty());
    let extension = node.attribute("extension").and_then(plain);
    match (root, extension) {
        (Some(root), Some(value)) => Some((system(work, root), value)),
        (Some(root), None) => uri(root).map(|uri| ("urn:ietf:rfc:3986".to_owned(), uri)),
        (None, Some(value)) => Some((work.setting.identifier_system("document"), value)),
        (None, None) => None,
    }
}

fn system(work: &Work<'_>, root: &str) -> String {
    if let Some(known) = work.rules.identifier_system("OID", &[root.to_owned()]) {
        return known.to_owned();
    }
    uri(root).unwrap_or_else(|| work.setting.identifier_system(root))
}

/// An OID or a UUID as a URI.
fn uri(root: &str) -> Option<String> {
    if crate::translate::datatypes::coded::is_oid(root) {
        return Some(format!("urn:oid:{root}"));
    }
    uuid::Uuid::try_parse(root).ok().map(|uuid| format!("urn:uuid:{uuid}"))
}
