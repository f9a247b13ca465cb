//! What a resource is found by, as bytes: its keys beside it (`search_entry.keys`), and the resources of a value (`owners`).
//! Both stores keep the same bytes. Words and addresses are numbers here.

/// One value that a resource is found by. `path` is the number of `Observation?code`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Key<'a> {
    /// A code with its system (the number of `""`: none).
    Token {
        /// Element.
        path: i64,
        /// Word.
        system: i64,
        /// Code.
        code: &'a str,
    },
    /// Folded text.
    Text {
        /// Element.
        path: i64,
        /// Text.
        value: &'a str,
    },
    /// The text as written, where folding changed it.
    Exact {
        /// Element.
        path: i64,
        /// Text.
        value: &'a str,
    },
    /// What it refers to.
    Reference {
        /// Element.
        path: i64,
        /// Word of the target's type (of `""`: an address elsewhere).
        kind: i64,
        /// Position of the target's address.
        target: i64,
    },
    /// A span of time, milliseconds since 1970 UTC.
    Date {
        /// Element.
        path: i64,
        /// Inclusive.
        from: i64,
        /// Exclusive.
        to: i64,
    },
    /// A number or a range of numbers; both ends inclusive. Not a number: something is there that cannot be compared.
    Quantity {
        /// Element.
        path: i64,
        /// Word of the unit (of `""`: none).
        unit: i64,
        /// Low end.
        low: f64,
        /// High end.
        high: f64,
    },
}

impl Key<'_> {
    /// The element.
    pub fn path(&self) -> i64 {
        match *self {
            Self::Token { path, .. }
            | Self::Text { path, .. }
            | Self::Exact { path, .. }
            | Self::Reference { path, .. }
            | Self::Date { path, .. }
            | Self::Quantity { path, .. } => path,
        }
    }
}

/// The form in which keys are kept: a byte for the sort, then numbers of seven bits a byte, low first; texts behind their
/// length; floating-point numbers as eight bytes, little-endian.
pub fn encode(keys: &[Key<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(keys.len() * 16);
    for key in keys {
        match *key {
            Key::Token { path, system, code } => {
                out.push(b't');
                numbers_out(&mut out, &[path, system]);
                text_out(&mut out, code);
            }
            Key::Text { path, value } => {
                out.push(b's');
                numbers_out(&mut out, &[path]);
                text_out(&mut out, value);
            }
            Key::Exact { path, value } => {
                out.push(b'x');
                numbers_out(&mut out, &[path]);
                text_out(&mut out, value);
            }
            Key::Reference { path, kind, target } => {
                out.push(b'r');
                numbers_out(&mut out, &[path, kind, target]);
            }
            Key::Date { path, from, to } => {
                out.push(b'd');
                numbers_out(&mut out, &[path, from, to.wrapping_sub(from)]);
            }
            Key::Quantity { path, unit, low, high } => {
                let is_one = low.to_bits() == high.to_bits();
                out.push(if is_one { b'q' } else { b'Q' });
                numbers_out(&mut out, &[path, unit]);
                out.extend_from_slice(&low.to_le_bytes());
                if !is_one {
                    out.extend_from_slice(&high.to_le_bytes());
                }
            }
        }
    }
    out
}

/// Keys as they are kept, read one by one. Reading ends at bytes that are not of this form.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a>(pub &'a [u8]);

impl<'a> Iterator for Keys<'a> {
    type Item = Key<'a>;

    fn next(&mut self) -> Option<Key<'a>> {
        let found = next(&mut self.0);
        if found.is_none() {
            self.0 = &[];
        }
        found
    }
}

fn next<'a>(bytes: &mut &'a [u8]) -> Option<Key<'a>> {
    let (sort, rest) = bytes.split_first()?;
    *bytes = rest;
    let path = number_in(bytes)?;
    Some(match sort {
        b't' => {
            let system = number_in(bytes)?;
            Key::Token { path, system, code: text_in(bytes)? }
        }
        b's' => Key::Text { path, value: text_in(bytes)? },
        b'x' => Key::Exact { path, value: text_in(bytes)? },
        b'r' => {
            let kind = number_in(bytes)?;
            Key::Reference { path, kind, target: number_in(bytes)? }
        }
        b'd' => {
            let from = number_in(bytes)?;
            Key::Date { path, from, to: from.wrapping_add(number_in(bytes)?) }
        }
        b'q' | b'Q' => {
            let unit = number_in(bytes)?;
            let low = float_in(bytes)?;
            Key::Quantity { path, unit, low, high: if *sort == b'q' { low } else { float_in(bytes)? } }
        }
        _ => return None,
    })
}

/// The owners of a posting behind its first, ascending: how far each stands behind the one before.
pub fn encode_owners(first: i64, others: &[i64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(others.len() * 2);
    let mut before = first;
    for owner in others {
        put_number(&mut out, owner.wrapping_sub(before).cast_unsigned());
        before = *owner;
    }
    out
}

/// Adds the owners of a posting, `first` included, to `found`. False if the bytes are not of the form of
/// [`encode_owners`].
pub fn decode_owners(first: i64, mut bytes: &[u8], found: &mut Vec<i64>) -> bool {
    found.push(first);
    let mut owner = first;
    while !bytes.is_empty() {
        let Some(step) = take_number(&mut bytes) else { return false };
        owner = owner.wrapping_add(step.cast_signed());
        found.push(owner);
    }
    true
}

fn numbers_out(out: &mut Vec<u8>, numbers: &[i64]) {
    for number in numbers {
        // Small numbers of either sign become small unsigned ones.
        put_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
    }
}

/// Appends an unsigned number, seven bits a byte, low first.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
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

fn float_in(bytes: &mut &[u8]) -> Option<f64> {
    let (value, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(f64::from_le_bytes(*value))
}

fn number_in(bytes: &mut &[u8]) -> Option<i64> {
    let number = take_number(bytes)?;
    Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
}

/// Reads [`put_number`] back, and moves `bytes` behind it.
pub fn take_number(bytes: &mut &[u8]) -> Option<u64> {
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
    fn keys_are_read_back_as_they_were_and_what_is_cut_off_ends_there() {
        let keys = [
            Key::Token { path: 1, system: 0, code: "" },
            Key::Token { path: 300, system: 70_000, code: "髙橋|1" },
            Key::Text { path: 2, value: "takahashi" },
            Key::Exact { path: 2, value: "Takahashi" },
            Key::Reference { path: 3, kind: 9, target: i64::MAX },
            Key::Date { path: 4, from: -62_135_596_800_000, to: 253_402_300_799_999 },
            Key::Quantity { path: 5, unit: 6, low: f64::NEG_INFINITY, high: 7.5 },
            Key::Quantity { path: 5, unit: 6, low: -0.015, high: -0.015 },
        ];
        let bytes = encode(&keys);
        assert_eq!(Keys(&bytes).collect::<Vec<_>>(), keys);
        assert_eq!(Keys(&bytes[..bytes.len() - 1]).count(), keys.len() - 1);
        assert_eq!(Keys(b"?\x01").count(), 0);
    }

    #[test]
    fn owners_are_read_back_as_they_were() {
        let owners = [3, 4, 9, 1_000_000];
        let bytes = encode_owners(owners[0], &owners[1..]);
        let mut found = Vec::new();
        assert!(decode_owners(3, &bytes, &mut found));
        assert_eq!(found, owners);
        assert!(!decode_owners(3, &[0x80], &mut Vec::new()));
    }

    #[test]
    fn a_number_that_never_ends_is_none() {
        assert_eq!(take_number(&mut &[0xff; 11][..]), None);
        let mut bytes = Vec::new();
        put_number(&mut bytes, u64::MAX);
        assert_eq!(take_number(&mut &bytes[..]), Some(u64::MAX));
    }
}
