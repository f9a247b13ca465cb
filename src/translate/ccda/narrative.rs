//! The narrative of a section → XHTML. Only what is named here comes through, written anew and escaped: no script, no
//! style, no address but of the web, mail or the document itself (FHIR R4, Narrative, txt-1).

use std::fmt::Write as _;

use roxmltree::Node;

/// The text of a section as a `div`; `None` if there is nothing to read in it.
pub(crate) fn div(text: Node<'_, '_>) -> Option<String> {
    let readable =
        text.descendants().any(|node| node.is_text() && node.text().is_some_and(|text| !text.trim().is_empty()));
    if !readable {
        return None;
    }
    let mut out = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\">");
    for child in text.children() {
        write(child, &mut out, "text");
    }
    out.push_str("</div>");
    Some(out)
}

fn write(node: Node<'_, '_>, out: &mut String, around: &str) {
    if let Some(text) = node.text().filter(|_| node.is_text()) {
        // Between the rows of a table only blanks may stand.
        if !matches!(around, "table" | "thead" | "tbody" | "tfoot" | "tr" | "list" | "colgroup")
            || !text.trim().is_empty()
        {
            escape(text, out);
        }
        return;
    }
    if !node.is_element() {
        return;
    }
    let name = node.tag_name().name();
    let tag = match name {
        "paragraph" => "p",
        "list" if node.attribute("listType") == Some("ordered") => "ol",
        "list" => "ul",
        "item" => "li",
        "table" | "thead" | "tbody" | "tfoot" | "tr" | "th" | "td" | "sub" | "sup" | "colgroup" | "col" | "br" => name,
        "caption" if around == "table" => "caption",
        "caption" if around == "list" => "li",
        "caption" => "b",
        "linkHtml" => "a",
        "content" | "footnote" | "footnoteRef" | "renderMultiMedia" => "span",
        // Elements that the narrative of CDA does not have: their text would be code.
        "script" | "style" | "object" | "iframe" | "embed" => return,
        _ => "span",
    };
    // A paragraph holds no blocks; CDA lets lists and tables stand in one.
    let tag = if tag == "p"
        && node.descendants().skip(1).any(|inner| matches!(inner.tag_name().name(), "list" | "table" | "paragraph"))
    {
        "div"
    } else {
        tag
    };
    out.push('<');
    out.push_str(tag);
    attributes(node, tag, out);
    if matches!(tag, "br" | "col") {
        out.push_str("/>");
        return;
    }
    out.push('>');
    for child in node.children() {
        write(child, out, name);
    }
    let _ = write!(out, "</{tag}>");
}

fn attributes(node: Node<'_, '_>, tag: &str, out: &mut String) {
    let mut put = |name: &str, value: &str| {
        let _ = write!(out, " {name}=\"");
        escape(value, out);
        out.push('"');
    };
    for attribute in node.attributes() {
        let value = attribute.value().trim();
        match attribute.name() {
            "ID" if !value.is_empty() && !value.contains(char::is_whitespace) => put("id", value),
            "colspan" | "rowspan" if matches!(tag, "td" | "th") && value.bytes().all(|b| b.is_ascii_digit()) => {
                put(attribute.name(), value);
            }
            "href" if tag == "a" && is_safe(value) => put("href", value),
            "styleCode" => {
                if let Some(style) = style(value) {
                    put("style", style);
                }
            }
            _ => {}
        }
    }
}

/// Styles of the CDA specification that FHIR can show; table rules and those of a sender are left out.
fn style(code: &str) -> Option<&'static str> {
    code.split_ascii_whitespace().find_map(|word| match word {
        "Bold" => Some("font-weight: bold"),
        "Italics" => Some("font-style: italic"),
        "Underline" => Some("text-decoration: underline"),
        "Emphasis" => Some("font-style: italic"),
        _ => None,
    })
}

fn is_safe(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    ["http://", "https://", "mailto:", "tel:", "#"].iter().any(|start| address.starts_with(start))
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::div;

    fn of(xml: &str) -> Option<String> {
        let document = roxmltree::Document::parse(xml).unwrap();
        div(document.root_element())
    }

    #[test]
    fn what_is_not_known_as_harmless_does_not_come_through() {
        let html =
            of("<text><paragraph onclick=\"x()\" ID=\"p1\">A &lt;b&gt; &amp; c</paragraph><script>alert(1)</script>\
                       <linkHtml href=\"javascript:x\">L</linkHtml><img src='http://trap.example/a'/></text>");
        assert_eq!(
            html.as_deref(),
            Some(
                "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p id=\"p1\">A &lt;b&gt; &amp; c</p><a>L</a><span></span></div>"
            )
        );
    }

    #[test]
    fn tables_and_lists_stay() {
        let html = of(
            "<text><list listType='ordered'><item>one</item></list><table border='1'><tbody>\n<tr>\n<td colspan='2' \
                       styleCode='Bold'>x</td></tr></tbody></table></text>",
        );
        assert_eq!(
            html.as_deref(),
            Some(
                "<div xmlns=\"http://www.w3.org/1999/xhtml\"><ol><li>one</li></ol><table><tbody><tr><td colspan=\"2\" \
                  style=\"font-weight: bold\">x</td></tr></tbody></table></div>"
            )
        );
        assert_eq!(of("<text><paragraph> </paragraph></text>"), None);
    }
}
