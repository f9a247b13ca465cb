//! Reading JSON from strangers: bounded depth (serde_json's 128) and number of parts, numbers kept digit by digit, and no
//! name twice in an object — the usual reader silently keeps the last, so that two systems may see two different
//! resources.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Most parts (members, items, objects, arrays) of a text. A part takes up to a hundred bytes of memory as a value, but may
/// take two in the text: a few megabytes of `[0,0,…` would be hundreds.
pub const MOST_PARTS: usize = 1_000_000;

/// Parses a JSON text as a value, or says where it is wrong.
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    if parts(bytes) > MOST_PARTS {
        return Err(Error::custom(format_args!("more than {MOST_PARTS} members and items in one text")));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    UniqueNames.deserialize(&mut reader)?;
    reader.end()?;
    serde_json::from_slice(bytes)
}

/// The commas and opening brackets outside strings; of a text that is no JSON, some number.
fn parts(bytes: &[u8]) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (0, false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b',' | b'[' | b'{' if !is_text => count += 1,
            _ => {}
        }
    }
    count
}

/// Walks a JSON text and fails on a repeated name.
struct UniqueNames;

impl<'de> DeserializeSeed<'de> for UniqueNames {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueNames {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(UniqueNames)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value_seed(UniqueNames)?;
            if !names.insert(name) {
                return Err(A::Error::custom("a name occurs twice in one object"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_PARTS, parse, parts};

    #[test]
    fn digits_are_kept() {
        let text = r#"{"a":1.50,"b":[1e2,-0.0,12345678901234567890123]}"#;
        assert_eq!(parse(text.as_bytes()).unwrap().to_string().replace("1e+2", "1e2"), text);
    }

    #[test]
    fn a_name_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"c":2,"a":1}}]"#] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn too_many_parts_are_refused_before_they_become_values() {
        let items = |n: usize| format!("[{}0]", "0,".repeat(n));
        assert!(parse(items(MOST_PARTS - 1).as_bytes()).is_ok());
        let error = parse(items(MOST_PARTS).as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "more than 1000000 members and items in one text");
        assert_eq!(parts(br#"{"a":"[,{\",","b":[{"c":1}]}"#), 4, "what stands in strings is text");
    }

    #[test]
    fn depth_bombs_and_trailing_text_are_refused() {
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        assert!(parse(b"{} {}").is_err());
    }
}
