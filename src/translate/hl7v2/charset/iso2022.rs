//! ISO 2022 as Japanese systems write it (HL7 v2.5.1, 2.9.2 and table 0211): ASCII, JIS X 0201, JIS X 0208 and JIS X 0212
//! by escape sequences. Own code: the decoder made for web pages knows no JIS X 0212, no shifted or eight-bit kana, and takes
//! two escapes in a row for an attack.

use std::collections::HashMap;
use std::sync::LazyLock;

const ESC: u8 = 0x1b;
const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;
/// First and last half-width katakana of JIS X 0201, seven-bit; U+FF61 is the first.
const KANA: std::ops::RangeInclusive<u8> = 0x21..=0x5f;

/// What a byte means until the next escape sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// ISO IR6.
    Ascii,
    /// ISO IR14: ASCII but for the yen sign and the overline.
    Roman,
    /// ISO IR13: half-width katakana.
    Kana,
    /// ISO IR87 and its predecessor IR42: JIS X 0208.
    Kanji,
    /// ISO IR159: JIS X 0212.
    Supplement,
}

/// Where decoding failed and why, for a person.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// Offset of the byte.
    pub at: usize,
    /// Why.
    pub why: &'static str,
}

/// Decodes strictly. `delimiters` are the bytes of MSH-1 and MSH-2: they stay delimiters in JIS X 0201, where the backslash
/// would be a yen sign. `eight_bit_kana`: MSH-18 names ISO IR13, so bytes above 0xA0 are half-width katakana.
pub(super) fn decode(bytes: &[u8], delimiters: &[u8], eight_bit_kana: bool) -> Result<String, Bad> {
    let mut text = String::with_capacity(bytes.len());
    let (mut set, mut upper_kana, mut shifted) = (Set::Ascii, eight_bit_kana, false);
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        let bad = |why| Err(Bad { at, why });
        match byte {
            ESC => match escape(bytes.get(at..).unwrap_or_default()) {
                Escape::Lower(new, length) => (set, at) = (new, at + length),
                Escape::UpperKana(length) => (upper_kana, at) = (true, at + length),
                Escape::Nothing(length) => at += length,
                Escape::Foreign => return bad("an escape sequence leads to a character set that is not read"),
                Escape::Half => return bad("an escape sequence is cut off"),
            },
            SHIFT_OUT | SHIFT_IN => {
                shifted = byte == SHIFT_OUT;
                at += 1;
            }
            0x00..=0x20 | 0x7f if matches!(set, Set::Kanji | Set::Supplement) && !matches!(byte, b' ') => {
                return bad("the line ends inside kanji: the escape back to ASCII is missing");
            }
            0x00..=0x20 | 0x7f => {
                text.push(char::from(byte));
                at += 1;
            }
            0xa1..=0xdf if upper_kana => {
                text.extend(kana(byte & 0x7f));
                at += 1;
            }
            0x80.. => return bad("a byte above 127 in a seven-bit character set"),
            _ if shifted || set == Set::Kana => match kana(byte) {
                Some(letter) => {
                    text.push(letter);
                    at += 1;
                }
                None => return bad("no half-width katakana"),
            },
            _ if set == Set::Ascii || (set == Set::Roman && delimiters.contains(&byte)) => {
                text.push(char::from(byte));
                at += 1;
            }
            _ if set == Set::Roman => {
                text.push(match byte {
                    0x5c => '¥',
                    0x7e => '‾',
                    other => char::from(other),
                });
                at += 1;
            }
            lead => {
                let Some(letter) = bytes.get(at + 1).and_then(|trail| double(set, lead, *trail)) else {
                    return bad("no character of JIS X 0208 or JIS X 0212");
                };
                text.push(letter);
                at += 2;
            }
        }
    }
    match set {
        Set::Kanji | Set::Supplement => Err(Bad { at, why: "the text ends inside kanji" }),
        _ => Ok(text),
    }
}

/// Encodes; the error is the first character that neither ASCII, JIS X 0208 nor JIS X 0212 has, nor JIS X 0201 where
/// half-width katakana (`kana`) were agreed. The
/// vendors' rows (circled digits, roman numerals) are not in them and are refused: what leaves must be read everywhere.
pub(super) fn encode(text: &str, kana: bool) -> Result<Vec<u8>, char> {
    let mut out = Vec::with_capacity(text.len());
    let mut set = Set::Ascii;
    for letter in text.chars() {
        let (wanted, bytes) = place(letter).filter(|(set, _)| kana || *set != Set::Kana).ok_or(letter)?;
        if wanted != set {
            out.extend_from_slice(match wanted {
                Set::Ascii | Set::Roman => b"\x1b(B".as_slice(),
                Set::Kana => b"\x1b(I",
                Set::Kanji => b"\x1b$B",
                Set::Supplement => b"\x1b$(D",
            });
            set = wanted;
        }
        out.extend(bytes.iter().filter(|byte| **byte != 0));
    }
    if set != Set::Ascii {
        out.extend_from_slice(b"\x1b(B");
    }
    Ok(out)
}

/// The full-width form of a half-width katakana.
pub(super) fn full_width(letter: char) -> Option<char> {
    if !('\u{ff61}'..='\u{ff9f}').contains(&letter) {
        return None;
    }
    let mut buffer = [0; 4];
    let (bytes, _, failed) = encoding_rs::ISO_2022_JP.encode(letter.encode_utf8(&mut buffer));
    let text = encoding_rs::ISO_2022_JP.decode_without_bom_handling(&bytes).0.into_owned();
    text.chars().next().filter(|_| !failed)
}

/// What an escape sequence does, and how long it is.
enum Escape {
    Lower(Set, usize),
    UpperKana(usize),
    Nothing(usize),
    Foreign,
    Half,
}

fn escape(from: &[u8]) -> Escape {
    let known: &[(&[u8], Escape)] = &[
        (b"\x1b(B", Escape::Lower(Set::Ascii, 3)),
        (b"\x1b(J", Escape::Lower(Set::Roman, 3)),
        // An old slip for JIS X 0201 that printers and laboratory systems still make.
        (b"\x1b(H", Escape::Lower(Set::Roman, 3)),
        (b"\x1b(I", Escape::Lower(Set::Kana, 3)),
        (b"\x1b$@", Escape::Lower(Set::Kanji, 3)),
        (b"\x1b$B", Escape::Lower(Set::Kanji, 3)),
        (b"\x1b$(@", Escape::Lower(Set::Kanji, 4)),
        (b"\x1b$(B", Escape::Lower(Set::Kanji, 4)),
        (b"\x1b$(D", Escape::Lower(Set::Supplement, 4)),
        (b"\x1b)I", Escape::UpperKana(3)),
        // "The 1990 edition follows."
        (b"\x1b&@", Escape::Nothing(3)),
    ];
    for (sequence, what) in known {
        if from.starts_with(sequence) {
            return match what {
                Escape::Lower(set, length) => Escape::Lower(*set, *length),
                Escape::UpperKana(length) => Escape::UpperKana(*length),
                _ => Escape::Nothing(sequence.len()),
            };
        }
    }
    if known.iter().any(|(sequence, _)| sequence.starts_with(from)) { Escape::Half } else { Escape::Foreign }
}

fn kana(byte: u8) -> Option<char> {
    KANA.contains(&byte).then(|| char::from_u32(0xff61 + u32::from(byte - 0x21))).flatten()
}

/// A character of two bytes. EUC-JP holds the same tables with the upper bit set.
fn double(set: Set, lead: u8, trail: u8) -> Option<char> {
    if !(0x21..=0x7e).contains(&trail) {
        return None;
    }
    let bytes = [0x8f, lead | 0x80, trail | 0x80];
    let bytes = if set == Set::Supplement { bytes.as_slice() } else { &bytes[1..] };
    let text = encoding_rs::EUC_JP.decode_without_bom_handling_and_without_replacement(bytes)?;
    let mut letters = text.chars();
    letters.next().filter(|_| letters.next().is_none())
}

/// Where a character stands; a second byte of zero is none.
fn place(letter: char) -> Option<(Set, [u8; 2])> {
    static TABLE: LazyLock<HashMap<char, (Set, [u8; 2])>> = LazyLock::new(|| {
        let mut table = HashMap::new();
        for set in [Set::Supplement, Set::Kanji] {
            for lead in 0x21..=0x7eu8 {
                // Rows 9 to 15 and above 84 of JIS X 0208 are vendors' own.
                let is_vendor = set == Set::Kanji && (matches!(lead, 0x29..=0x2f) || lead > 0x74);
                for trail in (0x21..=0x7eu8).filter(|_| !is_vendor) {
                    if let Some(letter) = double(set, lead, trail) {
                        table.insert(letter, (set, [lead, trail]));
                    }
                }
            }
        }
        table
    });
    match letter {
        '\u{0}'..='\u{7f}' if letter != '\u{1b}' => Some((Set::Ascii, [u8::try_from(letter).ok()?, 0])),
        '\u{ff61}'..='\u{ff9f}' => {
            Some((Set::Kana, [u8::try_from(u32::from(letter) - 0xff61).ok()?.checked_add(0x21)?, 0]))
        }
        _ => TABLE.get(&letter).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: &[u8] = b"|^~\\&";

    fn read(bytes: &[u8]) -> Result<String, Bad> {
        decode(bytes, BY, false)
    }

    #[test]
    fn every_set_is_reached_by_its_escape() {
        assert_eq!(read(b"a\x1b$BEO\x1b(Bb").unwrap(), "a渡b");
        assert_eq!(read(b"\x1b$@EO\x1b(J").unwrap(), "渡");
        assert_eq!(read(b"\x1b(I6E\x1b(B").unwrap(), "ｶﾅ");
        assert_eq!(read(b"\x1b$(D0!\x1b(B").unwrap(), "丂");
        assert_eq!(read(b"\x1b&@\x1b$BEO\x1b(B").unwrap(), "渡");
        assert_eq!(read(b"\x1b)I\xb6\xc5").unwrap(), "ｶﾅ");
        assert_eq!(read(b"\x0e6E\x0fA").unwrap(), "ｶﾅA");
        assert_eq!(decode(b"\xb6\xc5A", BY, true).unwrap(), "ｶﾅA");
        assert!(read(b"\xb6\xc5").is_err(), "only where MSH-18 says so");
    }

    #[test]
    fn delimiters_stay_delimiters_in_roman() {
        assert_eq!(read(b"\x1b(JA\\F\\B~C").unwrap(), "A\\F\\B~C");
        assert_eq!(decode(b"\x1b(J\\100~", b"|^#", false).unwrap(), "¥100‾");
    }

    #[test]
    fn what_is_cut_or_foreign_is_refused_with_its_place() {
        for (bytes, at) in [
            (&b"ab\x1b"[..], 2),
            (b"ab\x1b$", 2),
            (b"ab\x1b$(", 2),
            (b"\x1b$BEO", 5),
            (b"\x1b$BE", 3),
            (b"\x1b$BEO\rPID", 5),
            (b"\x1b$Aab\x1b(B", 0),
            (b"\x1b$(Cab\x1b(B", 0),
            (b"\x1b$B)!\x1b(B", 3),
        ] {
            assert_eq!(read(bytes).unwrap_err().at, at, "{bytes:?}");
        }
    }

    #[test]
    fn vendor_characters_are_read_and_not_written() {
        assert_eq!(read(b"\x1b$B-!\x1b(B").unwrap(), "①");
        assert_eq!(encode("①", true), Err('①'));
        assert_eq!(encode("𠮟", true), Err('𠮟'));
        assert_eq!((encode("ｶ", false), full_width('ｶ')), (Err('ｶ'), Some('カ')));
    }
}
