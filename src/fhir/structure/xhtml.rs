//! The narrative, <https://hl7.org/fhir/R4/narrative.html>: one well-formed XHTML `div` of text and its formatting, without
//! anything active, and not empty (invariants txt-1 and txt-2).

/// How deep elements may stand in each other.
const DEEPEST: usize = 64;

/// Elements of chapters 7 to 11 (without section 4 of chapter 9) and 15 of HTML 4.0, `a`, `img` and `style`.
const ELEMENTS: [&str; 57] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "map",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
];
/// Elements of text that ELEMENTS has no room for in its order.
const MORE_ELEMENTS: [&str; 3] = ["bdo", "center", "var"];

const NOT_WELL_FORMED: &str = "must be well-formed XHTML (txt-1)";
const NOT_ALLOWED: &str = "has an XHTML element that a narrative must not have (txt-1)";
const ACTIVE: &str = "has active content (txt-1)";
const DEEP: &str = "has elements nested too deep";
const NO_DIV: &str = "must be one div (txt-1)";
const EMPTY: &str = "has neither text nor image (txt-2)";

/// Checks the text of `Narrative.div`.
pub fn check(text: &str) -> Result<(), &'static str> {
    let mut open: [&str; DEEPEST] = [""; DEEPEST];
    let (mut depth, mut has_content, mut is_closed) = (0_usize, false, false);
    let mut rest = text;
    while !rest.is_empty() {
        let Some(start) = rest.find('<') else {
            plain(rest)?;
            return if depth == 0 && is_closed && rest.trim().is_empty() {
                finish(has_content)
            } else {
                Err(NOT_WELL_FORMED)
            };
        };
        let (before, tag) = rest.split_at(start);
        plain(before)?;
        if !before.trim().is_empty() {
            if depth == 0 {
                return Err(NO_DIV);
            }
            has_content = true;
        }
        if let Some(comment) = tag.strip_prefix("<!--") {
            let end = comment.find("-->").ok_or(NOT_WELL_FORMED)?;
            rest = comment.get(end + 3..).unwrap_or("");
        } else if let Some(closing) = tag.strip_prefix("</") {
            let (name, after) = closing.split_once('>').ok_or(NOT_WELL_FORMED)?;
            depth = depth.checked_sub(1).ok_or(NOT_WELL_FORMED)?;
            if open.get(depth).copied() != Some(name.trim_ascii_end()) {
                return Err(NOT_WELL_FORMED);
            }
            is_closed = depth == 0;
            rest = after;
        } else {
            let opening = Opening::read(tag.get(1..).unwrap_or(""))?;
            if depth == 0 && (is_closed || local(opening.name) != "div") {
                return Err(NO_DIV);
            }
            has_content |= local(opening.name) == "img";
            if opening.is_empty {
                is_closed |= depth == 0;
            } else {
                *open.get_mut(depth).ok_or(DEEP)? = opening.name;
                depth += 1;
            }
            rest = opening.after;
        }
    }
    if depth == 0 && is_closed { finish(has_content) } else { Err(NOT_WELL_FORMED) }
}

fn finish(has_content: bool) -> Result<(), &'static str> {
    if has_content { Ok(()) } else { Err(EMPTY) }
}

/// The name without a prefix.
fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, name)| name)
}

/// A start tag, read and allowed.
struct Opening<'a> {
    name: &'a str,
    is_empty: bool,
    after: &'a str,
}

impl<'a> Opening<'a> {
    fn read(tag: &'a str) -> Result<Self, &'static str> {
        let end = tag.find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/').ok_or(NOT_WELL_FORMED)?;
        let (name, mut rest) = tag.split_at(end);
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':') {
            return Err(NOT_WELL_FORMED);
        }
        let own = local(name);
        if ELEMENTS.binary_search(&own).is_err() && !MORE_ELEMENTS.contains(&own) {
            return Err(NOT_ALLOWED);
        }
        loop {
            let trimmed = rest.trim_ascii_start();
            if let Some(after) = trimmed.strip_prefix("/>") {
                return Ok(Self { name, is_empty: true, after });
            }
            if let Some(after) = trimmed.strip_prefix('>') {
                return Ok(Self { name, is_empty: false, after });
            }
            if trimmed.len() == rest.len() {
                return Err(NOT_WELL_FORMED);
            }
            rest = attribute(trimmed)?;
        }
    }
}

/// Reads one attribute and gives what follows it.
fn attribute(text: &str) -> Result<&str, &'static str> {
    let (name, rest) = text.split_once('=').ok_or(NOT_WELL_FORMED)?;
    let name = name.trim_ascii_end();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.')) {
        return Err(NOT_WELL_FORMED);
    }
    let rest = rest.trim_ascii_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or(NOT_WELL_FORMED)?;
    let (value, after) = rest.get(1..).and_then(|rest| rest.split_once(quote)).ok_or(NOT_WELL_FORMED)?;
    if value.contains('<') {
        return Err(NOT_WELL_FORMED);
    }
    plain(value)?;
    let is_address = matches!(local(name), "href" | "src");
    if starts_with(name, "on") || (is_address && is_script(value)) {
        return Err(ACTIVE);
    }
    Ok(after)
}

fn starts_with(text: &str, start: &str) -> bool {
    text.as_bytes().get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
}

/// An address that runs. Browsers leave out white space and control characters within its scheme, and a reference may
/// hide a letter of it.
fn is_script(address: &str) -> bool {
    let letters = address.bytes().filter(|byte| *byte > b' ').map(|byte| byte.to_ascii_lowercase());
    ["javascript:", "vbscript:", "data:text/html"]
        .iter()
        .any(|scheme| letters.clone().take(scheme.len()).eq(scheme.bytes()))
        || address.trim_ascii_start().starts_with("&#")
}

/// Text between tags: an `&` begins a reference.
fn plain(text: &str) -> Result<(), &'static str> {
    if text.contains("]]>") {
        return Err(NOT_WELL_FORMED);
    }
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let reference = rest.get(at + 1..).unwrap_or("");
        let (name, after) = reference.split_once(';').ok_or(NOT_WELL_FORMED)?;
        let name = name.strip_prefix('#').unwrap_or(name);
        if name.is_empty() || name.len() > 32 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(NOT_WELL_FORMED);
        }
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ACTIVE, DEEP, EMPTY, NO_DIV, NOT_ALLOWED, NOT_WELL_FORMED, check};

    #[test]
    fn the_names_of_elements_are_sorted() {
        assert!(super::ELEMENTS.is_sorted());
    }

    #[test]
    fn formatted_text_is_taken() {
        for text in [
            r#"<div xmlns="http://www.w3.org/1999/xhtml">渡り</div>"#,
            "<div><p class='a'>a &lt; b &#160; &nbsp;</p><br/><hr /></div>",
            r##"<div><a href="#x" title="a > b">x</a><table border="1"><tr><td>1</td></tr></table></div>"##,
            r#"<div><img src="data:image/png;base64,AA==" alt=""/></div>"#,
            " <div><!-- <script> -->x</div >\n",
            r#"<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:b>x</h:b></h:div>"#,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for (text, why) in [
            ("text", NOT_WELL_FORMED),
            ("x<div>x</div>", NO_DIV),
            ("<p>x</p>", NO_DIV),
            ("<div>x</div><div>y</div>", NO_DIV),
            ("<div>x", NOT_WELL_FORMED),
            ("<div><b>x</div></b>", NOT_WELL_FORMED),
            ("<div>x</div>y", NOT_WELL_FORMED),
            ("<div>a & b</div>", NOT_WELL_FORMED),
            ("<div a=b>x</div>", NOT_WELL_FORMED),
            ("<div a='1'b='2'>x</div>", NOT_WELL_FORMED),
            ("<div>x<!-- </div>", NOT_WELL_FORMED),
            ("<div>x<![CDATA[y]]></div>", NOT_WELL_FORMED),
            ("<div></div>", EMPTY),
            ("<div> <p>\n</p></div>", EMPTY),
            ("<div/>", EMPTY),
            ("<div><script>x</script></div>", NOT_ALLOWED),
            ("<div><SCRIPT>x</SCRIPT></div>", NOT_ALLOWED),
            ("<div><iframe src='x'/>x</div>", NOT_ALLOWED),
            ("<div><form><input/></form>x</div>", NOT_ALLOWED),
            ("<div onclick='x'>x</div>", ACTIVE),
            ("<div><a OnMouseOver = 'x'>x</a></div>", ACTIVE),
            ("<div><a href='javascript:x'>x</a></div>", ACTIVE),
            ("<div><a href=' java\nscript:x'>x</a></div>", ACTIVE),
            ("<div><a href='&#106;avascript:x'>x</a></div>", ACTIVE),
        ] {
            assert_eq!(check(text), Err(why), "{text}");
        }
        assert_eq!(check(&"<div>".repeat(100)), Err(DEEP));
    }
}
