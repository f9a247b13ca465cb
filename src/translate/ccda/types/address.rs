//! AD → Address, TEL → ContactPoint.

use crate::fhir::tree::{Map, Value, json};
use roxmltree::Node;

use super::text::plain;
use super::time;
use crate::translate::ccda::work::Work;

/// → Address. Parts without an element of their own are lines, in the order they stand in.
pub(crate) fn postal<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let mut address = Map::new();
    let mut lines: Vec<String> = Vec::new();
    for part in node.children().filter(Node::is_element) {
        let element = match part.tag_name().name() {
            "city" => "city",
            "county" => "district",
            "state" => "state",
            "postalCode" => "postalCode",
            "country" => "country",
            "useablePeriod" => {
                if let Some(period) = time::period(work, part) {
                    address.insert("period", period);
                }
                continue;
            }
            _ => "line",
        };
        let Some(text) = work.text(part) else { continue };
        if element == "line" {
            lines.push(text);
        } else if !address.contains_key(element) {
            address.insert(element.to_owned(), json!(text));
        } else {
            work.unbook(part);
        }
    }
    if !lines.is_empty() {
        address.insert("line", json!(lines));
    }
    if address.keys().all(|key| key == "period") {
        address.insert("text", json!(work.text(node)?));
    }
    for usage in work.attribute(node, "use").unwrap_or("").split_ascii_whitespace() {
        if let Some(kind) = work.rules.table("ccda-address-use").and_then(|table| table.codes.get(usage)) {
            address.entry("use").or_insert_with(|| json!(kind));
        }
        if usage == "PST" || usage == "PHYS" {
            address.insert("type", json!(if usage == "PST" { "postal" } else { "physical" }));
        }
    }
    Some(Value::Object(address))
}

/// → ContactPoint by the scheme of its URL.
pub(crate) fn telecom<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) -> Option<Value> {
    let url = plain(work.attribute(node, "value")?)?;
    let (scheme, rest) = url.split_once(':').unwrap_or(("", &url));
    let rest = rest.trim().trim_start_matches("//");
    let (system, value) = match scheme.to_ascii_lowercase().as_str() {
        "tel" => ("phone", rest),
        "fax" | "x-text-fax" => ("fax", rest),
        "mailto" => ("email", rest),
        "sms" => ("sms", rest),
        "http" | "https" | "ftp" => ("url", url.as_str()),
        "" if url.contains('@') => ("email", url.as_str()),
        "" if url.bytes().any(|b| b.is_ascii_digit()) => ("phone", url.as_str()),
        _ => ("other", url.as_str()),
    };
    if value.is_empty() {
        return None;
    }
    let mut point = json!({"system": system, "value": value});
    for usage in work.attribute(node, "use").unwrap_or("").split_ascii_whitespace() {
        if let Some(kind) = work.rules.table("ccda-telecom-use").and_then(|table| table.codes.get(usage)) {
            point["use"] = json!(kind);
        }
        if usage == "PG" {
            point["system"] = json!("pager");
        }
    }
    if let Some(period) = super::child(node, "useablePeriod").and_then(|period| time::period(work, period)) {
        point["period"] = period;
    }
    Some(point)
}
