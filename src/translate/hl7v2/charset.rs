//! MSH-18 (table 0211): which characters the bytes are, decided and decoded before anything is split.
//!
//! In ISO-2022-JP the second byte of a kanji may be any of the delimiters, so a message is text first and segments
//! second. What cannot be decoded is refused; U+FFFD is never put where a character was.

use crate::config::Country;
use crate::translate::{Refused, RefusedCode};

const ESC: u8 = 0x1b;

/// A character set a message can come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Seven-bit ASCII.
    Ascii,
    /// UTF-8.
    Utf8,
    /// ISO 8859-1, read as its superset Windows-1252, which is what senders mean by it.
    Latin1,
    /// ISO-2022-JP: ASCII and JIS X 0208 by escape sequences (`ISO IR87`).
    Iso2022Jp,
    /// Shift_JIS with the Windows extensions (CP932).
    ShiftJis,
}

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
/// `unnamed` is the agreed set of a feed that leaves MSH-18 empty. `binding`: bytes that contradict MSH-18 are refused, which is right for a live feed whose sender can mend it. Files
/// were often converted to UTF-8 on their way; they are read as what their bytes prove them to be, with a warning.
pub fn decode(bytes: &[u8], country: Country, unnamed: Option<Charset>, binding: bool) -> Result<Decoded, Refused> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let declared = declared(bytes);
    let charset = match named(&declared) {
        Some(Ok(charset)) => charset,
        Some(Err(name)) => {
            let reason = format!(
                "MSH-18 names the character set {name:?}, which this release does not read; send UNICODE UTF-8, ISO IR87, \
                 8859/1, ASCII or CP932"
            );
            return Err(refused(reason));
        }
        None => match unnamed {
            Some(charset) => charset,
            None => undeclared(bytes, country)?,
        },
    };
    if !declared.is_empty() && looks_utf8(bytes, charset) {
        if binding {
            return Err(refused(format!(
                "the message is {} by MSH-18, but its bytes are UTF-8; correct MSH-18 or the sender's conversion",
                charset.name()
            )));
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            let warning = format!("MSH-18 says {} but the bytes are UTF-8; read as UTF-8", charset.name());
            return Ok(Decoded { text: text.to_owned(), charset: Charset::Utf8, warning: Some(warning) });
        }
    }
    decode_as(bytes, charset).map(|text| Decoded { text, charset, warning: None }).map_err(|at| {
        let source = if declared.is_empty() { "by its bytes" } else { "by MSH-18" };
        refused(format!(
            "the message is {} {source}, but byte {at} is not valid there; correct MSH-18 or the sender's conversion",
            charset.name()
        ))
    })
}

/// Encodes a reply; a character the set lacks becomes `?` (a reply carries no clinical text).
pub fn encode(text: &str, charset: Charset) -> Vec<u8> {
    match charset {
        Charset::Utf8 => text.as_bytes().to_vec(),
        Charset::Ascii => text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }).collect(),
        Charset::Latin1 => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
        Charset::Iso2022Jp => encoding_rs::ISO_2022_JP.encode(text).0.into_owned(),
        Charset::ShiftJis => encoding_rs::SHIFT_JIS.encode(text).0.into_owned(),
    }
}

impl Charset {
    /// By a name of table 0211 (`ISO IR87`, `8859/1`, `UNICODE UTF-8`), or a usual one.
    pub fn from_name(name: &str) -> Option<Self> {
        named(&[name.to_owned()])?.ok()
    }

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ASCII",
            Self::Utf8 => "UTF-8",
            Self::Latin1 => "ISO 8859-1",
            Self::Iso2022Jp => "ISO-2022-JP",
            Self::ShiftJis => "CP932",
        }
    }
}

/// The repetitions of MSH-18 as written, from bytes not yet decoded. MSH-1 to MSH-18 are ASCII but for names that may
/// hold ISO-2022-JP, so the line is decoded leniently for this look only.
pub fn declared(bytes: &[u8]) -> Vec<String> {
    let line = bytes.split(|b| *b == b'\r' || *b == b'\n').find(|line| line.starts_with(b"MSH")).unwrap_or(bytes);
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

/// The character set that MSH-18 names; `None` if it names none.
fn named(declared: &[String]) -> Option<Result<Charset, String>> {
    let mut found = None;
    for name in declared {
        let folded: String =
            name.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_uppercase();
        let charset = match folded.as_str() {
            "ISOIR87" | "ISOIR159" | "ISOIR13" | "ISOIR14" | "ISO2022JP" => Charset::Iso2022Jp,
            "ASCII" | "ISOIR6" => Charset::Ascii,
            "UNICODEUTF8" | "UTF8" => Charset::Utf8,
            "88591" | "ISO88591" | "LATIN1" | "ISOIR100" | "WINDOWS1252" | "CP1252" => Charset::Latin1,
            "CP932" | "MS932" | "SHIFTJIS" | "SJIS" | "WINDOWS31J" => Charset::ShiftJis,
            _ => return Some(Err(name.clone())),
        };
        // `~ISO IR87` and `ASCII~ISO IR87` both mean ISO-2022-JP: the later set is reached by escape from the first.
        if found.is_none() || found == Some(Charset::Ascii) {
            found = Some(charset);
        }
    }
    found.map(Ok)
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

/// Decodes strictly; the error is the offset of the first bad byte, or the length if the set does not tell.
fn decode_as(bytes: &[u8], charset: Charset) -> Result<String, usize> {
    match charset {
        Charset::Ascii => match bytes.iter().position(|b| !b.is_ascii()) {
            Some(at) => Err(at),
            None => Ok(bytes.iter().map(|b| char::from(*b)).collect()),
        },
        Charset::Utf8 => std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| error.valid_up_to()),
        Charset::Latin1 => Ok(encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()),
        Charset::Iso2022Jp => strict(encoding_rs::ISO_2022_JP, &without_idle_escapes(bytes)),
        Charset::ShiftJis => strict(encoding_rs::SHIFT_JIS, bytes),
    }
}

fn strict(encoding: &'static encoding_rs::Encoding, bytes: &[u8]) -> Result<String, usize> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(0));
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (encoding_rs::DecoderResult::InputEmpty, _) => Ok(text),
        (_, read) => Err(read),
    }
}

/// Drops an escape sequence that another one follows at once. Writers that switch per field leave them; the decoder,
/// made for web pages, takes them for an attack.
fn without_idle_escapes(bytes: &[u8]) -> Vec<u8> {
    let is_escape = |at: usize| bytes.get(at) == Some(&ESC) && matches!(bytes.get(at + 1), Some(b'(' | b'$'));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if is_escape(at) && is_escape(at + 3) {
            at += 3;
            continue;
        }
        out.push(bytes[at]);
        at += 1;
    }
    out
}

/// Bytes that are multi-byte UTF-8 under another name: seven-bit sets cannot hold such bytes, and Latin-1 text that makes
/// sense is not valid UTF-8 by accident. CP932 may be (half-width kana before kanji), so it is believed if it decodes.
fn looks_utf8(bytes: &[u8], charset: Charset) -> bool {
    let other = match charset {
        Charset::Utf8 => false,
        Charset::ShiftJis => decode_as(bytes, charset).is_err(),
        Charset::Ascii | Charset::Iso2022Jp | Charset::Latin1 => true,
    };
    other && !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok()
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
}
