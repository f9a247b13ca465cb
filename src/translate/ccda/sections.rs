//! The body of a document → Composition.section, with the narrative, the entries and the reason why there are none.

use crate::fhir::tree::{Map, Value, json};
use roxmltree::Node;

use super::query::Hit;
use super::types::{self, Kind};
use super::work::Work;
use super::{make, narrative};

/// What the parts of the body become.
#[derive(Default)]
pub(crate) struct Body {
    pub sections: Vec<Value>,
    /// `nonXMLBody`: a document that is not structured.
    pub unstructured: bool,
}

/// Reads the body: sections with their entries, or one attached document.
pub(crate) fn read<'a>(work: &mut Work<'a>) -> Body {
    let mut body = Body::default();
    for component in types::children(work.root, "component") {
        body.unstructured |= types::child(component, "nonXMLBody").is_some();
        let Some(structured) = types::child(component, "structuredBody") else { continue };
        for inner in types::children(structured, "component") {
            body.sections.extend(types::children(inner, "section").filter_map(|node| section(work, node)));
        }
    }
    body
}

fn section<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let mut section = Map::new();
    put(work, node, "title", "title", Kind::String, &mut section);
    put(work, node, "code", "code", Kind::CodeableConcept, &mut section);
    let mut generated = true;
    let mut entries = Vec::new();
    for entry in types::children(node, "entry") {
        generated &= entry.attribute("typeCode") == Some("DRIV");
        for statement in entry.children().filter(Node::is_element) {
            make::visit(work, statement, &mut entries);
        }
    }
    if let Some(text) = types::child(node, "text") {
        work.mark = work.ledger.target("Composition.section.text");
        if let Some(div) = narrative::div(text) {
            work.ledger.rest(text, work.mark);
            // A narrative derived from entries (DRIV) is generated; any other may say more than they do.
            let status = if generated && !entries.is_empty() { "generated" } else { "additional" };
            section.insert("text", json!({"status": status, "div": div}));
        }
    }
    if let Some(author) =
        make::reference_to(work, types::child(node, "author").and_then(|author| types::child(author, "assignedAuthor")))
    {
        section.insert("author", json!([author]));
    }
    if entries.is_empty() {
        if let Some(reason) = empty_reason(work, node) {
            section.insert("emptyReason", reason);
        }
    } else {
        section.insert("mode", json!("snapshot"));
        let entries: Vec<Value> = entries.into_iter().map(|url| json!({"reference": url})).collect();
        section.insert("entry", Value::Array(entries));
    }
    let inner: Vec<Value> = types::children(node, "component")
        .flat_map(|component| types::children(component, "section"))
        .collect::<Vec<_>>()
        .into_iter()
        .filter_map(|inner| self::section(work, inner))
        .collect();
    if !inner.is_empty() {
        section.insert("section", Value::Array(inner));
        // cmp-2: a reason for being empty stands where nothing else does.
        section.remove("emptyReason");
    }
    // cmp-1: a section holds text, entries or sections.
    ["text", "entry", "section"].iter().any(|part| section.contains_key(part)).then_some(Value::Object(section))
}

fn put<'a>(work: &mut Work<'a>, section: Node<'a, 'a>, from: &str, element: &str, kind: Kind, into: &mut Map) {
    let Some(node) = types::child(section, from) else { return };
    work.mark = work.ledger.target(&format!("Composition.section.{element}"));
    if let Some(value) = types::convert_plain(work, kind, &Hit { node, attribute: None }) {
        into.insert(element.to_owned(), value);
    }
}

/// Why a section has no entries, where its null flavour says so.
fn empty_reason<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let flavour = node.attribute("nullFlavor")?;
    let table = work.rules.table("ccda-empty-reasons")?;
    let code = table.codes.get(flavour)?;
    work.mark = work.ledger.target("Composition.section.emptyReason");
    work.attribute(node, "nullFlavor");
    Some(json!({"coding": [{"system": table.system.as_deref(), "code": code}]}))
}
