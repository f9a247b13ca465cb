//! How the text of a table is written: declared in the mapping file, or shown by a byte order mark.

use std::io::{self, BufRead, Read};

use encoding_rs::{DecoderResult, Encoding};
use serde::Deserialize;

/// Encoding of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CsvEncoding {
    /// UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// CP932, the Shift_JIS of Windows.
    #[serde(alias = "shift_jis", alias = "shift-jis")]
    Cp932,
    /// EUC-JP.
    EucJp,
    /// UTF-16 with a byte order mark, as Excel's "Unicode text".
    #[serde(rename = "utf-16")]
    Utf16,
    /// ISO 8859-1, read as Windows-1252.
    #[serde(rename = "latin-1", alias = "iso-8859-1", alias = "windows-1252")]
    Latin1,
}

impl CsvEncoding {
    /// Its name in a mapping file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Cp932 => "cp932",
            Self::EucJp => "euc-jp",
            Self::Utf16 => "utf-16",
            Self::Latin1 => "latin-1",
        }
    }

    /// Decodes a record. UTF-16 is UTF-8 by then (see [`opened`]).
    pub(super) fn decode(self, bytes: &[u8]) -> Option<String> {
        let encoding = match self {
            Self::Utf8 | Self::Utf16 => return std::str::from_utf8(bytes).ok().map(str::to_owned),
            Self::Cp932 => encoding_rs::SHIFT_JIS,
            Self::EucJp => encoding_rs::EUC_JP,
            Self::Latin1 => encoding_rs::WINDOWS_1252,
        };
        let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
        // Bytes that Windows-1252 leaves open decode as control characters.
        let is_open = |c: char| ('\u{80}'..='\u{9f}').contains(&c);
        (!text.contains(is_open)).then(|| text.into_owned())
    }

    /// Whether a byte begins a character of two whose second may look like a delimiter.
    pub(super) fn is_lead(self, byte: u8) -> bool {
        self == Self::Cp932 && matches!(byte, 0x81..=0x9f | 0xe0..=0xfc)
    }
}

/// A reader behind its byte order mark and in bytes that lines can be told in, the encoding of these, and whether there was
/// a mark of UTF-8. A byte order mark counts more than the mapping file: Excel writes it when it writes something else than
/// was agreed.
pub(super) fn opened<'a>(
    mut reader: impl BufRead + 'a,
    declared: CsvEncoding,
) -> io::Result<(Box<dyn BufRead + 'a>, CsvEncoding, bool)> {
    let mut head = Vec::new();
    reader.by_ref().take(3).read_to_end(&mut head)?;
    let (mark, encoding, utf16) = match &head[..] {
        [0xef, 0xbb, 0xbf] => (3, CsvEncoding::Utf8, None),
        [0xff, 0xfe, ..] => (2, CsvEncoding::Utf16, Some(encoding_rs::UTF_16LE)),
        [0xfe, 0xff, ..] => (2, CsvEncoding::Utf16, Some(encoding_rs::UTF_16BE)),
        _ => (0, declared, (declared == CsvEncoding::Utf16).then_some(encoding_rs::UTF_16LE)),
    };
    head.drain(..mark);
    let whole = io::Cursor::new(head).chain(reader);
    Ok(match utf16 {
        Some(from) => (Box::new(io::BufReader::new(Transcoded::new(whole, from))), encoding, false),
        None => (Box::new(whole), encoding, mark > 0),
    })
}

/// Reads as UTF-8 what is written otherwise. A character that is none is an error of the whole stream: where the next one
/// begins is not known.
struct Transcoded<R> {
    reader: R,
    decoder: encoding_rs::Decoder,
    source: Vec<u8>,
    ready: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: BufRead> Transcoded<R> {
    fn new(reader: R, from: &'static Encoding) -> Self {
        let decoder = from.new_decoder_without_bom_handling();
        Self { reader, decoder, source: Vec::new(), ready: Vec::new(), at: 0, ended: false }
    }

    fn more(&mut self) -> io::Result<()> {
        self.source.clear();
        self.reader.by_ref().take(32 * 1024).read_to_end(&mut self.source)?;
        self.ended = self.source.is_empty();
        let room = self.decoder.max_utf8_buffer_length_without_replacement(self.source.len()).unwrap_or(0);
        self.ready.clear();
        self.ready.resize(room, 0);
        self.at = 0;
        let (result, _, written) =
            self.decoder.decode_to_utf8_without_replacement(&self.source, &mut self.ready, self.ended);
        self.ready.truncate(written);
        match result {
            DecoderResult::InputEmpty => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-16 throughout")),
        }
    }
}

impl<R: BufRead> Read for Transcoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.ready.len() && !self.ended {
            self.more()?;
        }
        let rest = self.ready.get(self.at..).unwrap_or_default();
        let length = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..length), rest.get(..length)) {
            to.copy_from_slice(from);
        }
        self.at += length;
        Ok(length)
    }
}
