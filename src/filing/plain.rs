//! The text of a document as lines, for systems that show nothing else. Rendering as PDF comes in a later release.

use serde_json::Value;

/// Elements that end a line.
const BLOCKS: [&str; 8] = ["p", "div", "li", "tr", "br", "h1", "h2", "caption"];
/// Sections within sections followed at most.
const DEEPEST: usize = 6;

/// Title, then each section's heading and narrative.
pub(super) fn of_composition(composition: &Value) -> String {
    let mut lines = Vec::new();
    push(&mut lines, composition.get("title").and_then(Value::as_str).unwrap_or(""));
    sections(composition, 0, &mut lines);
    // A document whose words stand in its own narrative alone.
    if lines.len() <= 1 {
        narrative(composition, &mut lines);
    }
    lines.join("\n")
}

fn sections(of: &Value, depth: usize, lines: &mut Vec<String>) {
    if depth >= DEEPEST {
        return;
    }
    for section in of.get("section").and_then(Value::as_array).into_iter().flatten() {
        if let Some(title) = section.get("title").and_then(Value::as_str) {
            lines.push(String::new());
            push(lines, title);
        }
        narrative(section, lines);
        sections(section, depth + 1, lines);
    }
}

fn narrative(of: &Value, lines: &mut Vec<String>) {
    let Some(div) = of.pointer("/text/div").and_then(Value::as_str) else { return };
    // Document types are refused by the reader's default, and with them entities that grow.
    let Ok(parsed) = roxmltree::Document::parse(div) else { return };
    let mut text = String::new();
    collect(parsed.root_element(), 0, &mut text);
    text.lines().for_each(|line| push(lines, line));
}

fn collect(node: roxmltree::Node<'_, '_>, depth: usize, text: &mut String) {
    if let Some(words) = node.text().filter(|_| node.is_text()) {
        let joined = words.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.starts_with(char::is_whitespace) && !text.ends_with(['\n', ' ']) && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&joined);
        if words.ends_with(char::is_whitespace) && !joined.is_empty() {
            text.push(' ');
        }
    }
    // Deeper than any narrative; a stranger's XML may be.
    if depth > 200 {
        return;
    }
    for child in node.children() {
        collect(child, depth + 1, text);
    }
    let name = node.tag_name().name();
    if BLOCKS.contains(&name) {
        text.push('\n');
    } else if matches!(name, "td" | "th") {
        text.push_str("  ");
    }
}

fn push(lines: &mut Vec<String>, line: &str) {
    let line = line.trim();
    if !line.is_empty() {
        lines.push(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_read_line_by_line() {
        let composition = json!({"title": "Consult note", "section": [
            {"title": "Report", "text": {"div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>経過良好 &lt;1&gt;</p><p>See <b>us</b> again</p></div>"}},
            {"title": "Results", "text": {"div": "<div><table><tr><th>Hb</th><td>120 g/L</td></tr><tr><th>K</th><td>4.0</td></tr></table></div>"}}
        ]});
        let text = of_composition(&composition);
        assert_eq!(text, "Consult note\n\nReport\n経過良好 <1>\nSee us again\n\nResults\nHb  120 g/L\nK  4.0");
        let bomb = "<!DOCTYPE d [<!ENTITY a \"xxxx\">]><div>&a;</div>";
        assert_eq!(of_composition(&json!({"title": "t", "text": {"div": bomb}})), "t");
    }
}
