//! PN, EN, ON → HumanName.

use crate::fhir::tree::{Map, Value, json};
use roxmltree::Node;

use super::text::plain;
use super::time;
use crate::fhir::systems;
use crate::translate::ccda::work::Work;

/// → HumanName. `IDE`, `SYL` and `ABC` of a Japanese name become representations.
pub(crate) fn person<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let mut name = Map::new();
    let mut lists: [(&str, Vec<String>); 3] = [("given", vec![]), ("prefix", vec![]), ("suffix", vec![])];
    let mut families: Vec<String> = Vec::new();
    for part in node.children().filter(Node::is_element) {
        let kind = part.tag_name().name();
        if kind == "validTime" {
            if let Some(period) = time::period(work, part) {
                name.insert("period", period);
            }
            continue;
        }
        let Some(text) = work.text(part) else { continue };
        work.attribute(part, "qualifier");
        match lists.iter_mut().find(|(list, _)| *list == kind) {
            Some((_, list)) => list.push(text),
            None if kind == "family" => families.push(text),
            None if kind == "delimiter" => {}
            None => work.unbook(part),
        }
    }
    if !families.is_empty() {
        name.insert("family", json!(families.join(" ")));
    }
    for (list, values) in lists {
        if !values.is_empty() {
            name.insert(list.to_owned(), json!(values));
        }
    }
    if name.keys().all(|key| key == "period")
        && let Some(text) = work.text(node)
    {
        name.insert("text", json!(text));
    }
    if name.is_empty() {
        return None;
    }
    for usage in work.attribute(node, "use").unwrap_or("").split_ascii_whitespace() {
        if let Some(kind) = work.rules.table("ccda-name-use").and_then(|table| table.codes.get(usage)) {
            name.entry("use").or_insert_with(|| json!(kind));
        }
        if matches!(usage, "IDE" | "SYL" | "ABC") {
            name.insert("extension", json!([{"url": systems::EN_REPRESENTATION, "valueCode": usage}]));
        }
    }
    Some(Value::Object(name))
}

/// A name in one line: of an organization, or of a person whose name is wanted as text.
pub(crate) fn line<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<String> {
    let parts: Vec<Node<'a, 'a>> = node.children().filter(Node::is_element).collect();
    if parts.is_empty() {
        return work.text(node);
    }
    let words: Vec<String> = parts.into_iter().filter_map(|part| work.text(part)).collect();
    plain(&words.join(" "))
}
