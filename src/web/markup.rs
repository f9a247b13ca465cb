//! Small pieces of HTML that templates may insert as they are, because only the functions here make them and each escapes.

use std::fmt;

use askama::filters::HtmlSafe;

use super::language::Language;

/// Finished HTML.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markup(String);

impl HtmlSafe for Markup {}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Markup {
    /// Words that came from a record. Japanese on a page in another language is marked, so that the browser takes
    /// Japanese letter forms and a screen reader a Japanese voice.
    pub fn words(text: &str, page: Language) -> Self {
        if page != Language::Ja && text.chars().any(is_japanese) {
            Self(format!("<span lang=\"ja\">{}</span>", escape(text)))
        } else {
            Self(escape(text))
        }
    }

    /// A moment: machine-readable and as a person reads it.
    pub fn time(machine: &str, shown: &str) -> Self {
        Self(format!("<time datetime=\"{}\">{}</time>", escape(machine), escape(shown)))
    }

    /// A status. `tone` is a class of the style sheet; the word carries the meaning, colour only repeats it.
    pub fn chip(tone: &'static str, text: &str) -> Self {
        Self(format!("<span class=\"chip {tone}\">{}</span>", escape(text)))
    }

    /// One piece after the other.
    #[must_use]
    pub fn then(mut self, separator: &str, next: &Self) -> Self {
        self.0.push_str(&escape(separator));
        self.0.push_str(&next.0);
        self
    }

    /// Nothing to show.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Kana, kanji and their compatibility forms.
fn is_japanese(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_through() {
        let hostile = "<script>\"'&渡邉";
        assert_eq!(
            Markup::words(hostile, Language::En).to_string(),
            "<span lang=\"ja\">&lt;script&gt;&quot;&#39;&amp;渡邉</span>"
        );
        assert!(!Markup::time(hostile, hostile).to_string().contains("<script"));
        assert!(!Markup::chip("wait", hostile).to_string().contains("<script"));
    }

    #[test]
    fn latin_is_not_marked() {
        assert_eq!(Markup::words("Tremblay, Éloïse", Language::En).to_string(), "Tremblay, Éloïse");
        assert_eq!(Markup::words("渡邉", Language::Ja).to_string(), "渡邉");
    }
}
