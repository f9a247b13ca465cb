//! Whether a resource of our own translation is FHIR: read with its types once for each shape, then by the shape alone.
//!
//! The typed reading is most of what taking in a message costs, and a feed sends few shapes. A shape is everything the typed
//! reading looks at: names, nesting, kinds of value, and every text but those an element may fill freely; digits count as
//! digits. What a wrong mapping row does (an element in the wrong place, a code the element is not bound to) changes the
//! shape. What does not, is a day that no month has: the translation makes its dates from days that exist.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, OnceLock, PoisonError};

use fhir_json::StructureError;
use serde_json::{Number, Value};

/// Shapes remembered; beyond, all are forgotten and learnt again.
const MOST_SHAPES: usize = 4096;
/// Texts an element may fill as it likes, by its name.
const FREE: [&str; 24] = [
    "authorString",
    "city",
    "comment",
    "data",
    "description",
    "display",
    "district",
    "div",
    "family",
    "fullUrl",
    "given",
    "id",
    "line",
    "patientInstruction",
    "postalCode",
    "prefix",
    "reference",
    "state",
    "suffix",
    "text",
    "title",
    "unit",
    "value",
    "valueString",
];

type Shape = (u64, u64);

/// [`fhir_json::check`], unless a resource of this shape has passed it before.
pub(super) fn check(resource: &Value) -> Result<(), StructureError> {
    static KNOWN: OnceLock<Mutex<HashSet<Shape>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    let shape = shape(resource);
    if known.lock().unwrap_or_else(PoisonError::into_inner).contains(&shape) {
        return Ok(());
    }
    fhir_json::check(resource)?;
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MOST_SHAPES {
        known.clear();
    }
    known.insert(shape);
    Ok(())
}

/// Two keyed digests: nobody can look for a second text with the same.
fn shape(resource: &Value) -> Shape {
    static KEYS: OnceLock<(RandomState, RandomState)> = OnceLock::new();
    let (one, two) = KEYS.get_or_init(Default::default);
    let mut text = Vec::with_capacity(1024);
    write(resource, "", &mut text);
    let digest = |keys: &RandomState| {
        let mut hasher = keys.build_hasher();
        hasher.write(&text);
        hasher.finish()
    };
    (digest(one), digest(two))
}

fn write(value: &Value, name: &str, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'0'),
        Value::Bool(true) => out.push(b't'),
        Value::Bool(false) => out.push(b'f'),
        Value::Number(number) => out.extend_from_slice(kind_of(number).as_bytes()),
        Value::String(text) => {
            out.push(b'"');
            if text.is_empty() || !FREE.contains(&name) {
                out.extend(text.bytes().map(|byte| if byte.is_ascii_digit() { b'9' } else { byte }));
            } else {
                out.push(b'*');
            }
            out.push(b'"');
        }
        Value::Array(items) => {
            out.push(b'[');
            items.iter().for_each(|item| write(item, name, out));
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (name, member) in members {
                out.extend_from_slice(name.as_bytes());
                out.push(b':');
                write(member, name, out);
            }
            out.push(b'}');
        }
    }
}

/// What integers and positive integers of FHIR are told apart by.
fn kind_of(number: &Number) -> &'static str {
    match number.as_i64() {
        Some(0) => "z",
        Some(1..=2_147_483_647) => "p",
        Some(-2_147_483_648..=-1) => "n",
        Some(_) => "l",
        None => "d",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn observation(code: &str, status: &str, value: Value) -> Value {
        json!({"resourceType": "Observation", "id": "x", "status": status,
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueQuantity": {"value": value, "unit": "g"}})
    }

    #[test]
    fn only_what_the_reading_does_not_look_at_makes_no_other_shape() {
        let base = shape(&observation("718-7", "final", json!(1.5)));
        assert_eq!(base, shape(&observation("123-4", "final", json!(2.25))), "digits and free texts");
        for other in [
            observation("718-7", "finale", json!(1.5)),
            observation("718-7", "final", json!("1.5")),
            observation("718-7", "final", json!(1)),
            observation("718-7-8", "final", json!(1.5)),
            json!({"resourceType": "Observation"}),
        ] {
            assert_ne!(base, shape(&other), "{other}");
        }
        let mut more = observation("718-7", "final", json!(1.5));
        more["unknown"] = json!(1);
        assert_ne!(base, shape(&more));
    }

    #[test]
    fn what_is_wrong_is_refused_each_time() {
        let right = observation("718-7", "final", json!(1.5));
        let wrong = observation("718-7", "finale", json!(1.5));
        for _ in 0..2 {
            assert!(check(&right).is_ok());
            assert!(check(&wrong).is_err());
        }
    }
}
