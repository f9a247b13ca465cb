//! Trees as JSON text, without a step in between.

use std::fmt;

use super::{Map, Value};

/// Room for a usual bundle.
const USUAL: usize = 16 * 1024;

impl Value {
    /// JSON text.
    pub fn to_json_text(&self) -> String {
        let mut out = String::with_capacity(USUAL);
        self.write_to(&mut out);
        out
    }

    /// Writes JSON text behind what is there.
    pub fn write_to(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(number) => out.push_str(number.as_str()),
            Self::String(text) => write_text(text, out),
            Self::Array(items) => {
                let mut before = '[';
                for item in items {
                    out.push(before);
                    item.write_to(out);
                    before = ',';
                }
                out.push_str(if before == '[' { "[]" } else { "]" });
            }
            Self::Object(map) => map.write_to(out),
        }
    }
}

impl Map {
    /// Writes JSON text behind what is there.
    pub(super) fn write_to(&self, out: &mut String) {
        if let Some(text) = self.frozen_text() {
            return out.push_str(text);
        }
        let mut before = '{';
        for (name, value) in self {
            out.push(before);
            write_text(name, out);
            out.push(':');
            value.write_to(out);
            before = ',';
        }
        out.push_str(if before == '{' { "{}" } else { "}" });
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json_text())
    }
}

/// A text in quotes. Most hold nothing that JSON escapes and are copied whole.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    if holds_escaped(text.as_bytes()) {
        text.chars().for_each(|letter| write_letter(letter, out));
    } else {
        out.push_str(text);
    }
    out.push('"');
}

/// Whether a byte is there that JSON escapes. Looks at eight at once; the last eight may overlap those before.
fn holds_escaped(text: &[u8]) -> bool {
    match text.last_chunk() {
        None => text.iter().any(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\'),
        Some(last) => {
            let (eights, _) = text.as_chunks();
            eights.iter().any(|eight| escaped_of_eight(*eight)) || escaped_of_eight(*last)
        }
    }
}

/// Whether one of eight bytes is below 0x20, a quotation mark or a backslash, by the sign that borrowing leaves in a byte.
fn escaped_of_eight(bytes: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const SIGNS: u64 = ONES << 7;
    let word = u64::from_ne_bytes(bytes);
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & SIGNS != 0
}

fn write_letter(letter: char, out: &mut String) {
    match letter {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
        other => out.push(other),
    }
}
