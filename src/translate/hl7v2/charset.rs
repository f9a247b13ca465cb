//! MSH-18 (table 0211): which characters the bytes are, decided and decoded before anything is split.
//!
//! In ISO-2022-JP the second byte of a kanji may be any of the delimiters, so a message is text first and segments
//! second. What cannot be decoded is refused; U+FFFD is never put where a character was. Chinese and Korean sets (GB, BIG-5,
//! KS X 1001) are not read.

mod iso2022;
mod sets;

use crate::config::Country;
use crate::translate::{Refused, RefusedCode};

pub use sets::Charset;
pub(in crate::translate::hl7v2) use sets::named;

const ESC: u8 = 0x1b;

/// Text of a message, and what was odd about its encoding.
pub struct Decoded {
    /// The characters, without a byte order mark.
    pub text: String,
    /// The character set that was used.
    pub charset: Charset,
    /// What a person should know.
    pub warning: Option<String>,
}

/// Decodes a whole message by its MSH-18, or by the bytes and the country where MSH-18 is empty.
///
/// `unnamed` is the agreed set of a feed that leaves MSH-18 empty. `binding`: bytes that contradict MSH-18 are refused, which
/// is right for a live feed whose sender can mend it. Files were often converted to UTF-8 on their way; they are read as what
/// their bytes prove them to be, with a warning.
pub fn decode(bytes: &[u8], country: Country, unnamed: Option<Charset>, binding: bool) -> Result<Decoded, Refused> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let declared = declared(bytes);
    let charset = match named(&declared) {
        Some(Ok(charset)) => charset,
        Some(Err(name)) => {
            let reason = format!(
                "MSH-18 names the character set {name:?}, which this release does not read; send UNICODE UTF-8, ISO IR87, \
                 ISO IR159, ISO IR13, 8859/1 to 8859/15, ASCII or CP932"
            );
            return Err(refused(reason));
        }
        None => match unnamed {
            Some(charset) => charset,
            None => undeclared(bytes, country)?,
        },
    };
    let (text, charset, mut warnings) = if !declared.is_empty() && looks_utf8(bytes, charset) {
        if binding {
            return Err(refused(format!(
                "the message is {} by MSH-18, but its bytes are UTF-8; correct MSH-18 or the sender's conversion",
                charset.name()
            )));
        }
        let warning = format!("MSH-18 says {} but the bytes are UTF-8; read as UTF-8", charset.name());
        (String::from_utf8_lossy(bytes).into_owned(), Charset::Utf8, vec![warning])
    } else {
        let text = sets::decode(bytes, charset, &delimiters(bytes)).map_err(|(at, why)| {
            let source = if declared.is_empty() { "by its bytes" } else { "by MSH-18" };
            refused(format!(
                "the message is {} {source}, but byte {at} is not valid there ({why}); correct MSH-18 or the sender's \
                 conversion",
                charset.name()
            ))
        })?;
        (text, charset, Vec::new())
    };
    warnings.extend(unsafe_characters(&text));
    Ok(Decoded { text, charset, warning: (!warnings.is_empty()).then(|| warnings.join("; ")) })
}

/// Encodes; a character the set lacks becomes `?`, half-width kana where only JIS X 0208 was agreed full-width.
pub fn encode(text: &str, charset: Charset) -> Vec<u8> {
    encode_exactly(text, charset).unwrap_or_else(|_| {
        let one = |letter: char| match encode_exactly(letter.encode_utf8(&mut [0; 4]), charset) {
            Ok(_) => letter,
            Err(_) if charset == Charset::Iso2022Jp => iso2022::full_width(letter).unwrap_or('?'),
            Err(_) => '?',
        };
        let kept: String = text.chars().map(one).collect();
        encode_exactly(&kept, charset).unwrap_or_default()
    })
}

/// Encodes; the error is the first character the set lacks. [`decode`] gives back the same text.
pub fn encode_exactly(text: &str, charset: Charset) -> Result<Vec<u8>, char> {
    sets::encode(text, charset)
}

/// Text of the bytes of a `\Xhh..\` escape, in the character set of the message.
pub(super) fn of_hexadecimal(bytes: &[u8], charset: Charset) -> Option<String> {
    sets::decode(bytes, charset, b"").or_else(|_| sets::decode(bytes, Charset::Utf8, b"")).ok()
}

/// The repetitions of MSH-18 as written, from bytes not yet decoded. MSH-1 to MSH-18 are ASCII but for names that may
/// hold ISO-2022-JP, so the line is decoded leniently for this look only.
pub fn declared(bytes: &[u8]) -> Vec<String> {
    let line = header_line(bytes);
    let line = if line.contains(&ESC) {
        encoding_rs::ISO_2022_JP.decode_without_bom_handling(line).0.into_owned()
    } else {
        line.iter().map(|b| char::from(*b)).collect()
    };
    let Some(separator) = line.chars().nth(3) else { return Vec::new() };
    let repetition = line.chars().nth(5).unwrap_or('~');
    line.split(separator)
        .nth(17)
        .unwrap_or("")
        .split(repetition)
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn header_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == b'\r' || *b == b'\n').find(|line| line.starts_with(b"MSH")).unwrap_or(bytes)
}

/// The bytes of MSH-1 and MSH-2.
fn delimiters(bytes: &[u8]) -> Vec<u8> {
    let declared = header_line(bytes).get(3..).unwrap_or_default();
    let Some(field) = declared.first() else { return Vec::new() };
    let others = declared.iter().skip(1).take(5).take_while(|byte| *byte != field);
    std::iter::once(field).chain(others).copied().collect()
}

/// The character set of a message that does not say.
fn undeclared(bytes: &[u8], country: Country) -> Result<Charset, Refused> {
    let escapes = bytes.windows(2).any(|pair| pair == b"\x1b$" || pair == b"\x1b(");
    if escapes && bytes.is_ascii() {
        return Ok(Charset::Iso2022Jp);
    }
    if std::str::from_utf8(bytes).is_ok() {
        return Ok(Charset::Utf8);
    }
    match country {
        Country::Ca => Ok(Charset::Latin1),
        Country::Jp => Err(refused(
            "MSH-18 is empty and the bytes are neither UTF-8 nor ISO-2022-JP; have the sender name its character set in \
             MSH-18 (~ISO IR87, CP932)"
                .to_owned(),
        )),
    }
}

/// Bytes that are multi-byte UTF-8 under another name: seven-bit sets cannot hold such bytes, and Latin text that makes
/// sense is not valid UTF-8 by accident. Sets in which half-width kana or Cyrillic fill the upper half may be (CP932 before
/// kanji), so these are believed if they decode.
fn looks_utf8(bytes: &[u8], charset: Charset) -> bool {
    let other = match charset {
        Charset::Utf8 => false,
        Charset::Ascii | Charset::Iso2022Jp | Charset::Latin1 => true,
        Charset::ShiftJis | Charset::Kana | Charset::EucJp | Charset::Latin(_) => {
            sets::decode(bytes, charset, b"").is_err()
        }
    };
    other && !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok()
}

/// Characters that another system may show otherwise or not at all. They are kept as they are.
fn unsafe_characters(text: &str) -> Vec<String> {
    if text.is_ascii() {
        return Vec::new();
    }
    let count = |is: fn(&char) -> bool| text.chars().filter(is).count();
    let private = count(
        |letter| matches!(letter, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}'),
    );
    let lost = count(|letter| *letter == '\u{fffd}');
    let mut warnings = Vec::new();
    if private > 0 {
        warnings.push(format!(
            "{private} characters are the sender's own (外字, private use): kept, but other systems cannot show them; have \
             the text checked"
        ));
    }
    if lost > 0 {
        warnings.push(format!("{lost} characters were lost before the message was sent (U+FFFD); compare the source"));
    }
    warnings
}

fn refused(reason: String) -> Refused {
    Refused::new(RefusedCode::Encoding, reason).at("MSH-18")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(charset: &str, name: &[u8]) -> Vec<u8> {
        let mut bytes = format!("MSH|^~\\&|A|B|C|D|20260101||ADT^A08|1|P|2.5||||||{charset}\rPID|||1||").into_bytes();
        bytes.extend_from_slice(name);
        bytes
    }

    #[test]
    fn declared_sets_are_read_strictly() {
        let jis = encoding_rs::ISO_2022_JP.encode("渡邉^花子").0.into_owned();
        for name in ["~ISO IR87", "~ISOIR87", "ASCII~ISO IR87"] {
            let decoded = decode(&message(name, &jis), Country::Jp, None, true).unwrap();
            assert!(decoded.text.ends_with("渡邉^花子"), "{name}");
            assert_eq!(decoded.charset, Charset::Iso2022Jp);
        }
        assert!(
            decode(&message("8859/1", b"Tremblay^Ad\xe8le"), Country::Ca, None, true).unwrap().text.ends_with("Adèle")
        );
        let sjis = encoding_rs::SHIFT_JIS.encode("髙橋①").0.into_owned();
        assert!(decode(&message("CP932", &sjis), Country::Jp, None, true).unwrap().text.ends_with("髙橋①"));
    }

    #[test]
    fn a_kanji_whose_bytes_are_delimiters_survives() {
        // 0x7C and 0x5E are legal second bytes: 亜 to 瓦 hold several such characters.
        let jis = encoding_rs::ISO_2022_JP.encode("簿鍋縞喙").0.into_owned();
        assert!(decode(&message("~ISO IR87", &jis), Country::Jp, None, true).unwrap().text.ends_with("簿鍋縞喙"));
    }

    #[test]
    fn what_contradicts_its_declaration_is_refused() {
        for (charset, bytes) in
            [("UNICODE UTF-8", &b"\x8e\x52"[..]), ("ASCII", b"\xe8"), ("~ISO IR87", b"\x8e\x52"), ("KS X 1001", b"x")]
        {
            let refused = decode(&message(charset, bytes), Country::Jp, None, true).err().unwrap();
            assert_eq!(refused.code, RefusedCode::Encoding, "{charset}");
        }
        assert!(decode(&message("", b"\x8e\x52"), Country::Jp, None, true).is_err());
    }

    #[test]
    fn utf8_under_another_name_is_refused_on_a_feed_and_told_of_in_a_file() {
        let name = "Tremblay^Élodie".as_bytes();
        for declared in ["~ISO IR87", "ASCII", "8859/1"] {
            let refused = decode(&message(declared, name), Country::Ca, None, true).err().unwrap();
            assert_eq!(refused.code, RefusedCode::Encoding, "{declared}");
            let read = decode(&message(declared, name), Country::Ca, None, false).unwrap();
            assert!(read.text.ends_with("Élodie") && read.warning.is_some(), "{declared}");
        }
    }

    #[test]
    fn idle_escapes_are_no_error() {
        let name = b"\x1b$B\x1b(B\x1b$BEO\x1b(B";
        assert!(decode(&message("~ISO IR87", name), Country::Jp, None, true).unwrap().text.ends_with('渡'));
    }

    #[test]
    fn every_set_of_table_0211_in_use_is_read() {
        let read = |charset: &str, bytes: &[u8]| {
            let decoded = decode(&message(charset, bytes), Country::Jp, None, true).unwrap();
            decoded.text.rsplit('|').next().unwrap().to_owned()
        };
        assert_eq!(read("8859/2", b"\xa3\xf3d\xbc"), "Łódź");
        assert_eq!(read("8859/15", b"\xa4\xbd"), "€œ");
        assert_eq!(read("8859/5", b"\xb0\xd1"), "Аб");
        assert_eq!(read("ISO IR14~ISO IR87~ISO IR159", b"\x1b$(D0!\x1b(J"), "丂");
        assert_eq!(read("ISO IR13", b"\xb6\xc5"), "ｶﾅ");
        assert_eq!(read("~ISO IR13~ISO IR87", b"\x1b(I6E\x1b$BEO\x1b(B"), "ｶﾅ渡");
        assert_eq!(read("EUC-JP", b"\xc5\xcf"), "渡");
        assert_eq!(read("CP932", b"\x87\x40\xfa\x4a"), "①Ⅰ");
    }

    #[test]
    fn characters_nobody_else_has_are_told_of() {
        let private = decode(&message("CP932", b"\xf0\x40"), Country::Jp, None, true).unwrap();
        assert!(private.text.ends_with('\u{e000}') && private.warning.unwrap().contains("外字"));
        let lost = decode(&message("UNICODE UTF-8", "a\u{fffd}".as_bytes()), Country::Jp, None, true).unwrap();
        assert!(lost.warning.unwrap().contains("U+FFFD"));
        let variant = decode(&message("UNICODE UTF-8", "葛\u{e0100}城".as_bytes()), Country::Jp, None, true).unwrap();
        assert!(variant.text.ends_with("葛\u{e0100}城") && variant.warning.is_none());
    }

    #[test]
    fn a_reply_has_a_question_mark_for_what_its_set_lacks() {
        assert_eq!(encode("é渡", Charset::Latin1), b"\xe9?");
        assert_eq!(encode("渡①", Charset::Iso2022Jp), b"\x1b$BEO\x1b(B?");
        assert_eq!(encode("a渡", Charset::Ascii), b"a?");
        assert_eq!(encode_exactly("渡é", Charset::ShiftJis), Err('é'));
    }
}
