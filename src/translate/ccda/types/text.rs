//! ST, ED, BL → string, Attachment, boolean. A reference into the narrative is followed.

use crate::fhir::tree::{Value, json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;

use super::name;
use crate::translate::ccda::query::Hit;
use crate::translate::ccda::work::Work;

/// The text in one line, as FHIR strings may hold it; `None` if nothing is left.
pub(crate) fn plain(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    (!out.is_empty()).then_some(out)
}

/// → string: the attribute, the text (in the narrative, if it is there), the parts of a name, or what a code is called.
pub(crate) fn string<'a>(work: &mut Work<'a>, hit: &Hit<'a>) -> Option<Value> {
    if let Some(attribute) = &hit.attribute {
        work.book(hit.node, attribute);
        return plain(attribute.value()).map(Value::from);
    }
    let text = referenced(work, hit.node)
        .or_else(|| work.attribute(hit.node, "value").and_then(plain))
        .or_else(|| name::line(work, hit.node))
        .or_else(|| work.attribute(hit.node, "displayName").and_then(plain));
    text.map(Value::from)
}

/// The text of an ED: its own, and else what it refers to in the narrative.
pub(crate) fn referenced<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<String> {
    if let Some(own) = work.text(node) {
        return Some(own);
    }
    let reference = super::child(node, "reference")?;
    let target = reference.attribute("value")?.trim().strip_prefix('#')?;
    let text = work.narrative_text(target)?;
    work.attribute(reference, "value");
    Some(text)
}

/// → boolean.
pub(crate) fn boolean<'a>(work: &mut Work<'a>, hit: &Hit<'a>) -> Option<Value> {
    let value = match &hit.attribute {
        Some(attribute) => {
            work.book(hit.node, attribute);
            attribute.value().trim()
        }
        None => work.attribute(hit.node, "value")?,
    };
    match value {
        "true" | "1" => Some(json!(true)),
        "false" | "0" => Some(json!(false)),
        _ => None,
    }
}

/// → Attachment: content in base64 as it is, text as UTF-8, and an address elsewhere only as an address.
pub(crate) fn attachment<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let kind = work.attribute(node, "mediaType").and_then(plain);
    let mut attachment = json!({});
    let text: String = node.children().filter(Node::is_text).filter_map(|text| text.text()).collect();
    if !text.trim().is_empty() {
        let encoded = work.attribute(node, "representation") == Some("B64");
        let data = if encoded {
            let compact: String = text.split_ascii_whitespace().collect();
            STANDARD.decode(&compact).ok().map(|_| compact)
        } else {
            Some(STANDARD.encode(text.trim()))
        };
        match data {
            Some(data) => {
                work.book_text(node);
                attachment["data"] = json!(data);
            }
            None => work.dropped(&Hit { node, attribute: None }, "it says it is base64, and it is not"),
        }
        attachment["contentType"] = json!(kind.clone().unwrap_or_else(|| "text/plain".to_owned()));
    } else if let Some(url) = super::child(node, "reference").and_then(|reference| work.attribute(reference, "value")) {
        attachment["url"] = json!(url);
        if let Some(kind) = kind {
            attachment["contentType"] = json!(kind);
        }
    }
    (attachment.get("data").is_some() || attachment.get("url").is_some()).then_some(attachment)
}
