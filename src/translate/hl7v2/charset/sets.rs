//! The character sets a message can come in: their names in MSH-18, decoding and encoding without replacement.

use encoding_rs::{DecoderResult, EncoderResult, Encoding};

use super::iso2022;

/// A character set a message can come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Seven-bit ASCII.
    Ascii,
    /// UTF-8.
    Utf8,
    /// ISO 8859-1, read as its superset Windows-1252, which is what senders mean by it.
    Latin1,
    /// Another part of ISO 8859: 2 to 9, 13 or 15.
    Latin(u8),
    /// ISO 2022 with the Japanese sets (`ISO IR87`, `ISO IR159`, `ISO IR14`) by escape sequences.
    Iso2022Jp,
    /// The same, with half-width katakana in the upper half (`ISO IR13`).
    Kana,
    /// Shift_JIS with the Windows extensions (CP932).
    ShiftJis,
    /// EUC-JP.
    EucJp,
}

impl Charset {
    /// By a name of table 0211 (`ISO IR87`, `8859/1`, `UNICODE UTF-8`), or a usual one.
    pub fn from_name(name: &str) -> Option<Self> {
        one(name)
    }

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ASCII",
            Self::Utf8 => "UTF-8",
            Self::Iso2022Jp => "ISO-2022-JP",
            Self::Kana => "ISO-2022-JP with JIS X 0201 katakana",
            Self::Latin1 => "ISO 8859-1",
            Self::ShiftJis => "CP932",
            Self::EucJp | Self::Latin(_) => self.encoding().map_or("?", Encoding::name),
        }
    }

    fn encoding(self) -> Option<&'static Encoding> {
        Some(match self {
            Self::Latin1 | Self::Latin(1) => encoding_rs::WINDOWS_1252,
            Self::Latin(2) => encoding_rs::ISO_8859_2,
            Self::Latin(3) => encoding_rs::ISO_8859_3,
            Self::Latin(4) => encoding_rs::ISO_8859_4,
            Self::Latin(5) => encoding_rs::ISO_8859_5,
            Self::Latin(6) => encoding_rs::ISO_8859_6,
            Self::Latin(7) => encoding_rs::ISO_8859_7,
            Self::Latin(8) => encoding_rs::ISO_8859_8,
            Self::Latin(9) => encoding_rs::WINDOWS_1254,
            Self::Latin(13) => encoding_rs::ISO_8859_13,
            Self::Latin(15) => encoding_rs::ISO_8859_15,
            Self::ShiftJis => encoding_rs::SHIFT_JIS,
            Self::EucJp => encoding_rs::EUC_JP,
            _ => return None,
        })
    }
}

/// The character set that MSH-18 names; `None` if it names none, an error with the name that is not known.
pub(in crate::translate::hl7v2) fn named(declared: &[String]) -> Option<Result<Charset, String>> {
    let mut found: Option<Charset> = None;
    for name in declared {
        let Some(charset) = one(name) else { return Some(Err(name.clone())) };
        // `~ISO IR87` and `ASCII~ISO IR87` both mean ISO 2022: the later set is reached by escape from the first.
        found = Some(match (found, charset) {
            (None | Some(Charset::Ascii), charset) => charset,
            (Some(Charset::Iso2022Jp), Charset::Kana) => Charset::Kana,
            (Some(first), _) => first,
        });
    }
    found.map(Ok)
}

fn one(name: &str) -> Option<Charset> {
    let folded: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let folded = folded.strip_prefix("ISO").filter(|rest| rest.starts_with("8859")).unwrap_or(&folded);
    Some(match folded {
        "ISOIR87" | "ISOIR42" | "ISOIR159" | "ISOIR14" | "ISO2022JP" | "JISX0208" | "JISX0212" => Charset::Iso2022Jp,
        "ISOIR13" | "JISX0201" => Charset::Kana,
        "ASCII" | "USASCII" | "ISOIR6" => Charset::Ascii,
        "UNICODEUTF8" | "UTF8" | "UNICODE" | "ISOIR192" => Charset::Utf8,
        "88591" | "LATIN1" | "ISOIR100" | "WINDOWS1252" | "CP1252" => Charset::Latin1,
        "CP932" | "MS932" | "SHIFTJIS" | "SJIS" | "WINDOWS31J" => Charset::ShiftJis,
        "EUCJP" => Charset::EucJp,
        "ISOIR101" => Charset::Latin(2),
        "ISOIR109" => Charset::Latin(3),
        "ISOIR110" => Charset::Latin(4),
        "ISOIR144" => Charset::Latin(5),
        "ISOIR127" => Charset::Latin(6),
        "ISOIR126" => Charset::Latin(7),
        "ISOIR138" => Charset::Latin(8),
        "ISOIR148" => Charset::Latin(9),
        other => {
            let part: u8 = other.strip_prefix("8859")?.parse().ok()?;
            Charset::Latin(part).encoding().map(|_| Charset::Latin(part))?
        }
    })
}

/// Decodes strictly; the error is the offset of the first bad byte and what is wrong with it. `delimiters`: bytes that keep
/// their ASCII meaning in JIS X 0201.
pub(super) fn decode(bytes: &[u8], charset: Charset, delimiters: &[u8]) -> Result<String, (usize, &'static str)> {
    match charset {
        Charset::Ascii => match bytes.iter().position(|b| !b.is_ascii()) {
            Some(at) => Err((at, "a byte above 127")),
            None => Ok(bytes.iter().map(|b| char::from(*b)).collect()),
        },
        Charset::Utf8 => std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|error| (error.valid_up_to(), "no character of UTF-8 begins there")),
        Charset::Iso2022Jp | Charset::Kana => {
            iso2022::decode(bytes, delimiters, charset == Charset::Kana).map_err(|bad| (bad.at, bad.why))
        }
        Charset::Latin1 => match bytes.iter().position(|b| matches!(b, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d)) {
            Some(at) => Err((at, "no character")),
            None => strict(encoding_rs::WINDOWS_1252, bytes),
        },
        _ => strict(charset.encoding().ok_or((0, "not read"))?, bytes),
    }
}

fn strict(encoding: &'static Encoding, bytes: &[u8]) -> Result<String, (usize, &'static str)> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(0));
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (DecoderResult::InputEmpty, _) => Ok(text),
        // `read` is behind the bad sequence.
        (DecoderResult::Malformed(length, after), read) => {
            Err((read.saturating_sub(usize::from(length) + usize::from(after)), "no character"))
        }
        (DecoderResult::OutputFull, read) => Err((read, "no character")),
    }
}

/// Encodes; the error is the first character the set lacks.
pub(super) fn encode(text: &str, charset: Charset) -> Result<Vec<u8>, char> {
    match charset {
        Charset::Utf8 => Ok(text.as_bytes().to_vec()),
        Charset::Ascii => text.chars().map(|c| if c.is_ascii() { Ok(c as u8) } else { Err(c) }).collect(),
        Charset::Iso2022Jp | Charset::Kana => iso2022::encode(text, charset == Charset::Kana),
        // In earnest ISO 8859-1, not its Windows superset: the receiver may take MSH-18 at its word.
        Charset::Latin1 => {
            let is_control = |c: &char| ('\u{80}'..='\u{9f}').contains(c);
            text.chars().map(|c| u8::try_from(c).ok().filter(|_| !is_control(&c)).ok_or(c)).collect()
        }
        _ => by_table(text, charset),
    }
}

fn by_table(text: &str, charset: Charset) -> Result<Vec<u8>, char> {
    let Some(encoding) = charset.encoding() else { return Err('?') };
    let mut encoder = encoding.new_encoder();
    let room = encoder.max_buffer_length_from_utf8_without_replacement(text.len()).unwrap_or(0);
    let mut out = Vec::with_capacity(room);
    match encoder.encode_from_utf8_to_vec_without_replacement(text, &mut out, true).0 {
        // The encoder folds some characters (¥ to the backslash, full-width forms): what would not come back is lacking.
        EncoderResult::InputEmpty => {
            let back = strict(encoding, &out).unwrap_or_default();
            match text.chars().zip(back.chars().chain(std::iter::repeat('\0'))).find(|(a, b)| a != b) {
                Some((letter, _)) => Err(letter),
                None => Ok(out),
            }
        }
        EncoderResult::Unmappable(letter) => Err(letter),
        EncoderResult::OutputFull => Err('?'),
    }
}
