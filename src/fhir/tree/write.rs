//! Trees as JSON text, without a step in between.

use std::fmt;

use super::Value;

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
            Self::Object(map) => {
                let mut before = '{';
                for (name, value) in map {
                    out.push(before);
                    write_text(name, out);
                    out.push(':');
                    value.write_to(out);
                    before = ',';
                }
                out.push_str(if before == '{' { "{}" } else { "}" });
            }
        }
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
    // Looking at every byte is quicker than stopping at the first: the processor looks at many at once.
    if text.bytes().fold(false, |found, byte| found | is_escaped(byte)) {
        text.chars().for_each(|letter| write_letter(letter, out));
    } else {
        out.push_str(text);
    }
    out.push('"');
}

fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
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
