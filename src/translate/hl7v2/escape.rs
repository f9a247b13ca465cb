//! Escape sequences of text (HL7 v2.5.1, 2.7): delimiters, line breaks, hexadecimal bytes, highlighting.

use compact_str::CompactString;

use super::charset::{self, Charset};
use super::message::Delimiters;

/// Replaces the escape sequences that have a meaning in text. One that has none here stays as it was written.
pub fn unescape(text: &str, by: &Delimiters, charset: Charset) -> CompactString {
    let Some(escape) = by.escape else { return text.into() };
    if !text.contains(escape) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(escape) {
        out.push_str(&rest[..start]);
        let after = &rest[start + escape.len_utf8()..];
        match after.find(escape) {
            Some(end) if let Some(meaning) = meaning(&after[..end], by, charset) => {
                out.push_str(&meaning);
                rest = &after[end + escape.len_utf8()..];
            }
            _ => {
                out.push(escape);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out.into()
}

/// Writes text so that no delimiter of `by` is left in it.
pub fn escape(text: &str, by: &Delimiters) -> String {
    let Some(escape) = by.escape else {
        return text.chars().map(|c| if is_delimiter(c, by) || c.is_control() { ' ' } else { c }).collect();
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let letter = if c == by.field {
            'F'
        } else if c == by.component {
            'S'
        } else if c == by.repetition {
            'R'
        } else if Some(c) == by.subcomponent {
            'T'
        } else if c == escape {
            'E'
        } else {
            out.push(if c.is_control() { ' ' } else { c });
            continue;
        };
        out.extend([escape, letter, escape]);
    }
    out
}

fn is_delimiter(c: char, by: &Delimiters) -> bool {
    c == by.field || c == by.component || c == by.repetition || Some(c) == by.subcomponent
}

fn meaning(code: &str, by: &Delimiters, charset: Charset) -> Option<String> {
    let single = |c: char| Some(c.to_string());
    match code {
        "F" => single(by.field),
        "S" => single(by.component),
        "R" => single(by.repetition),
        "T" => by.subcomponent.map(String::from),
        "E" => by.escape.map(String::from),
        // Highlighting has no meaning in FHIR text.
        "H" | "N" => Some(String::new()),
        ".br" | ".BR" => single('\n'),
        _ => code.strip_prefix('X').and_then(|hex| hexadecimal(hex, charset)),
    }
}

/// `Xhh..`: bytes in the character set of the message.
fn hexadecimal(hex: &str, charset: Charset) -> Option<String> {
    if hex.is_empty() || !hex.len().is_multiple_of(2) || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect();
    let bytes = bytes?;
    let text = charset::of_hexadecimal(&bytes, charset)?;
    // CR and LF written as \X0D\ \X0A\ are line breaks.
    Some(text.replace("\r\n", "\n").replace('\r', "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: Delimiters =
        Delimiters { field: '|', component: '^', repetition: '~', escape: Some('\\'), subcomponent: Some('&') };

    #[test]
    fn sequences_become_characters_and_unknown_ones_stay() {
        let read = |text: &str| unescape(text, &BY, Charset::Utf8);
        assert_eq!(read(r"A\T\E \F\ \S\ \R\ \E\"), r"A&E | ^ ~ \");
        assert_eq!(read(r"one\.br\two\X0A\three"), "one\ntwo\nthree");
        assert_eq!(read(r"\H\bold\N\"), "bold");
        assert_eq!(read(r"5\Zlocal\ C:\temp"), r"5\Zlocal\ C:\temp");
        assert_eq!(unescape(r"caf\XE9\", &BY, Charset::Latin1), "café");
    }

    #[test]
    fn escaping_is_undone_by_unescaping() {
        let text = r"a|b^c~d&e\f";
        assert_eq!(unescape(&escape(text, &BY), &BY, Charset::Utf8), text);
    }
}
