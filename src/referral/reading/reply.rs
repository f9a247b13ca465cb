//! The document returned at completion, as text.

use serde_json::Value;

use crate::fhir::bundle;

/// A returned document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Its title.
    pub title: Option<String>,
    /// When it was written.
    pub at: Option<String>,
    /// Language it says it is in.
    pub language: Option<String>,
    /// Its sections: heading, text.
    pub sections: Vec<(String, String)>,
}

/// Reads a document bundle. Bytes that are not one give a reply without sections.
pub fn reply(bytes: &[u8]) -> Reply {
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let Some(composition) = bundle::first(&document, "Composition") else { return Reply::default() };
    let text_at = |path: &str| Some(composition.pointer(path)?.as_str()?.to_owned());
    let listed = composition.get("section").and_then(Value::as_array).into_iter().flatten();
    let sections = listed
        .map(|section| {
            let title = section.get("title").and_then(Value::as_str).unwrap_or("").to_owned();
            (title, section.pointer("/text/div").and_then(Value::as_str).map(plain).unwrap_or_default())
        })
        .collect();
    Reply { title: text_at("/title"), at: text_at("/date"), language: text_at("/language"), sections }
}

/// The text of a narrative (XHTML) without its markup. It is shown escaped; no foreign markup reaches a page.
fn plain(div: &str) -> String {
    let mut out = String::new();
    let mut rest = div;
    while let Some(open) = rest.find('<') {
        out.push_str(&entities(&rest[..open]));
        let Some(close) = rest[open..].find('>') else { return out.trim().to_owned() };
        let tag = rest[open + 1..open + close].trim_start_matches('/').trim_end_matches('/');
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
        if matches!(name, "p" | "br" | "div" | "tr" | "li" | "table" | "h1" | "h2" | "h3") && !out.ends_with('\n') {
            out.push('\n');
        } else if matches!(name, "td" | "th") {
            out.push(' ');
        }
        rest = &rest[open + close + 1..];
    }
    out.push_str(&entities(rest));
    out.trim().to_owned()
}

fn entities(text: &str) -> String {
    // `&amp;` last: what it uncovers is not an entity.
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&#160;", " ")];
    let plain = named.iter().fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c));
    plain.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrative_becomes_text() {
        let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>経過良好 &lt;EF 55 %&gt;</p><p>A &amp;amp; B<br/>次回 6 か月</p></div>";
        assert_eq!(plain(div), "経過良好 <EF 55 %>\nA &amp; B\n次回 6 か月");
        assert_eq!(plain("<p"), "");
        assert_eq!(plain("no markup"), "no markup");
    }

    #[test]
    fn a_document_without_composition_is_empty() {
        assert_eq!(reply(b"{}"), Reply::default());
        assert_eq!(reply(b"\xff"), Reply::default());
    }
}
