//! What a resource is found by, in numbers, and its form beside the resource (`resource.keys`). Search rows stand in the
//! order of their values; this is the other way round, and tells what a new version takes away.

use rusqlite::Connection;

use super::numbers::{self, Numbers};
use crate::store::records::{IndexRow, IndexValue};

/// One search row of a resource.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Key<'a> {
    Token { parameter: i64, system: i64, code: &'a str },
    Text { parameter: i64, value: &'a str },
    Reference { parameter: i64, target: i64 },
    Date { parameter: i64, from: i64, to: i64 },
    Quantity { parameter: i64, unit: i64, value: f64 },
}

/// The key of a row. None for a time that is none.
pub(super) fn key<'a>(
    connection: &Connection,
    numbers: &mut Numbers,
    kind: &str,
    row: &'a IndexRow,
) -> rusqlite::Result<Option<Key<'a>>> {
    let parameter = numbers.parameter(connection, kind, &row.parameter)?;
    Ok(Some(match &row.value {
        IndexValue::Token { system, code } => Key::Token { parameter, system: numbers.word(connection, system)?, code },
        IndexValue::Text(value) => Key::Text { parameter, value },
        IndexValue::Reference(target) => Key::Reference { parameter, target: numbers.address(connection, target)? },
        IndexValue::Date { from, to } => match (numbers::milliseconds(from), numbers::milliseconds(to)) {
            (Some(from), Some(to)) => Key::Date { parameter, from, to },
            _ => return Ok(None),
        },
        IndexValue::Quantity { value, unit } => {
            Key::Quantity { parameter, unit: numbers.word(connection, unit)?, value: *value }
        }
    }))
}

/// The form in which keys are kept: a byte for the sort, then numbers of seven bits a byte, low first; texts behind their
/// length; floating-point numbers as eight bytes, little-endian.
pub(super) fn encode(keys: &[Key<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(keys.len() * 24);
    for key in keys {
        match *key {
            Key::Token { parameter, system, code } => {
                out.push(b't');
                numbers_out(&mut out, &[parameter, system]);
                text_out(&mut out, code);
            }
            Key::Text { parameter, value } => {
                out.push(b's');
                numbers_out(&mut out, &[parameter]);
                text_out(&mut out, value);
            }
            Key::Reference { parameter, target } => {
                out.push(b'r');
                numbers_out(&mut out, &[parameter, target]);
            }
            Key::Date { parameter, from, to } => {
                out.push(b'd');
                numbers_out(&mut out, &[parameter, from, to.wrapping_sub(from)]);
            }
            Key::Quantity { parameter, unit, value } => {
                out.push(b'q');
                numbers_out(&mut out, &[parameter, unit]);
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    out
}

/// Reads [`encode`] back. None if the bytes are not of this form.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<Key<'_>>> {
    let mut keys = Vec::new();
    while let Some((sort, rest)) = bytes.split_first() {
        bytes = rest;
        let parameter = number_in(&mut bytes)?;
        keys.push(match sort {
            b't' => {
                let system = number_in(&mut bytes)?;
                Key::Token { parameter, system, code: text_in(&mut bytes)? }
            }
            b's' => Key::Text { parameter, value: text_in(&mut bytes)? },
            b'r' => Key::Reference { parameter, target: number_in(&mut bytes)? },
            b'd' => {
                let from = number_in(&mut bytes)?;
                Key::Date { parameter, from, to: from.wrapping_add(number_in(&mut bytes)?) }
            }
            b'q' => {
                let unit = number_in(&mut bytes)?;
                let (value, rest) = bytes.split_first_chunk::<8>()?;
                bytes = rest;
                Key::Quantity { parameter, unit, value: f64::from_le_bytes(*value) }
            }
            _ => return None,
        });
    }
    Some(keys)
}

fn numbers_out(out: &mut Vec<u8>, numbers: &[i64]) {
    for number in numbers {
        // Small numbers of either sign become small unsigned ones.
        put_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
    }
}

/// Appends an unsigned number, seven bits a byte, low first.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn text_out(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn number_in(bytes: &mut &[u8]) -> Option<i64> {
    let number = take_number(bytes)?;
    Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
}

/// Reads [`put_number`] back, and moves `bytes` behind it.
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn text_in<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_number(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_as_they_were_and_what_is_cut_off_is_told() {
        let keys = [
            Key::Token { parameter: 1, system: 0, code: "" },
            Key::Token { parameter: 300, system: 70_000, code: "髙橋|1" },
            Key::Text { parameter: 2, value: "takahashi" },
            Key::Reference { parameter: 3, target: i64::MAX },
            Key::Date { parameter: 4, from: -62_135_596_800_000, to: 253_402_300_799_999 },
            Key::Quantity { parameter: 5, unit: 6, value: -0.015 },
        ];
        let bytes = encode(&keys);
        assert_eq!(decode(&bytes).unwrap(), keys);
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode(b"x\x01"), None);
        assert_eq!(decode(b""), Some(Vec::new()));
    }

    #[test]
    fn a_number_that_never_ends_is_none() {
        assert_eq!(take_number(&mut &[0xff; 11][..]), None);
        let mut bytes = Vec::new();
        put_number(&mut bytes, u64::MAX);
        assert_eq!(take_number(&mut &bytes[..]), Some(u64::MAX));
    }
}
