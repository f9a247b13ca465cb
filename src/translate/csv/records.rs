//! The records of a table (RFC 4180), one at a time, so that a file need not fit into memory. A quote that is never closed
//! costs the line it stands on, not the rest of the file.

use std::io::{self, BufRead};

use super::encoding::CsvEncoding;

/// A record longer than this is refused.
const LONGEST: usize = 4 << 20;
/// How much of such a record is kept, bytes.
const KEPT_OF_LONG: usize = 64 << 10;

/// A record as it stands in the file, with its line break.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The line it begins on, from 1.
    pub line: u64,
    /// Its bytes; the beginning of it where it is too long.
    pub bytes: Vec<u8>,
    /// Why it cannot be read.
    pub wrong: Option<Wrong>,
}

/// Why a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A quote without its other.
    Quote,
    /// Longer than [`LONGEST`].
    TooLong,
}

/// Reads records.
pub(super) struct Records<'a> {
    reader: Box<dyn BufRead + 'a>,
    encoding: CsvEncoding,
    delimiter: u8,
    /// Read and not given out yet.
    held: Vec<u8>,
    line: u64,
    ended: bool,
}

/// Where in a field a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Plain,
    Quoted,
    /// Behind a quote inside a quoted field: the end of it, or the first of two.
    Closed,
}

/// What the bytes held amount to.
enum Found {
    /// A record of this length.
    Record(usize),
    /// A quote that does not fit.
    Misquoted,
    /// More bytes are needed.
    Open(At),
}

impl<'a> Records<'a> {
    pub(super) fn new(reader: Box<dyn BufRead + 'a>, encoding: CsvEncoding, delimiter: u8) -> Self {
        Self { reader, encoding, delimiter, held: Vec::new(), line: 1, ended: false }
    }

    /// The delimiter, which an Excel file may name in its first line.
    pub(super) fn delimiter(&mut self) -> &mut u8 {
        &mut self.delimiter
    }

    /// The next record that is not blank; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let Some(record) = self.any()? else { return Ok(None) };
            if record.wrong.is_some() || !record.bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                return Ok(Some(record));
            }
        }
    }

    fn any(&mut self) -> io::Result<Option<Record>> {
        // Doubling what is looked at keeps a long record from being looked through once for every chunk of it.
        let mut enough = 0;
        loop {
            if self.held.len() < enough && !self.ended {
                self.fill()?;
                continue;
            }
            if self.held.is_empty() && self.ended {
                return Ok(None);
            }
            match self.look() {
                Found::Record(length) if length > LONGEST => {
                    let mut record = self.give(length, Some(Wrong::TooLong));
                    shorten(&mut record);
                    return Ok(Some(record));
                }
                Found::Record(length) => return Ok(Some(self.give(length, None))),
                Found::Misquoted => return Ok(Some(self.first_line(Wrong::Quote))),
                Found::Open(At::Quoted) if self.ended || self.held.len() > LONGEST => {
                    return Ok(Some(self.first_line(Wrong::Quote)));
                }
                Found::Open(_) if self.ended => return Ok(Some(self.give(self.held.len(), None))),
                Found::Open(_) if self.held.len() > LONGEST => return self.too_long().map(Some),
                Found::Open(_) => {
                    enough = (self.held.len() * 2).max(1);
                    self.fill()?;
                }
            }
        }
    }

    fn look(&self) -> Found {
        let mut at = At::Start;
        let mut place = 0;
        while let Some(byte) = self.held.get(place).copied() {
            at = match (at, byte) {
                (At::Start, b'"') => At::Quoted,
                (At::Quoted, b'"') => At::Closed,
                (At::Closed, b'"') | (At::Quoted, _) => At::Quoted,
                (_, byte) if byte == self.delimiter => At::Start,
                (_, b'\n') => return Found::Record(place + 1),
                (_, b'\r') => match self.held.get(place + 1) {
                    Some(b'\n') => return Found::Record(place + 2),
                    None if !self.ended => return Found::Open(at),
                    _ => return Found::Record(place + 1),
                },
                (At::Closed, _) => return Found::Misquoted,
                _ => At::Plain,
            };
            place += if self.encoding.is_lead(byte) { 2 } else { 1 };
        }
        Found::Open(at)
    }

    fn fill(&mut self) -> io::Result<()> {
        let bytes = self.reader.fill_buf()?;
        let length = bytes.len();
        self.held.extend_from_slice(bytes);
        self.reader.consume(length);
        self.ended = length == 0;
        Ok(())
    }

    fn give(&mut self, length: usize, wrong: Option<Wrong>) -> Record {
        let rest = self.held.split_off(length.min(self.held.len()));
        let bytes = std::mem::replace(&mut self.held, rest);
        let line = self.line;
        let breaks = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.line += match breaks {
            0 => bytes.iter().filter(|byte| **byte == b'\r').count() as u64,
            breaks => breaks as u64,
        };
        Record { line, bytes, wrong }
    }

    /// Gives up the first line alone; reading goes on behind it.
    fn first_line(&mut self, wrong: Wrong) -> Record {
        let end = memchr::memchr2(b'\r', b'\n', &self.held).unwrap_or(self.held.len());
        let length = if self.held.get(end..end + 2) == Some(b"\r\n") { end + 2 } else { end + 1 };
        self.give(length, Some(wrong))
    }

    /// Keeps the beginning of a line without end and passes over the rest of it.
    fn too_long(&mut self) -> io::Result<Record> {
        let mut record = self.give(self.held.len(), Some(Wrong::TooLong));
        shorten(&mut record);
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.held) {
                self.give(end + 1, None);
                return Ok(record);
            }
            self.held.clear();
            self.fill()?;
            if self.ended {
                return Ok(record);
            }
        }
    }
}

/// Keeps the beginning of a record that is too long, as a line.
fn shorten(record: &mut Record) {
    record.bytes.truncate(KEPT_OF_LONG);
    record.bytes.push(b'\n');
}

/// The cells of a record, without quotes.
pub(super) fn cells(record: &str, delimiter: u8) -> Vec<String> {
    let record = record.trim_end_matches(['\r', '\n']);
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut at = At::Start;
    for letter in record.chars() {
        at = match (at, letter) {
            (At::Start, '"') => At::Quoted,
            (At::Quoted, '"') => At::Closed,
            (At::Start | At::Plain | At::Closed, letter) if letter == char::from(delimiter) => {
                cells.push(std::mem::take(&mut cell));
                At::Start
            }
            (At::Closed | At::Quoted, letter) => {
                cell.push(letter);
                At::Quoted
            }
            (_, letter) => {
                cell.push(letter);
                At::Plain
            }
        };
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], encoding: CsvEncoding) -> Vec<(u64, Vec<String>, Option<Wrong>)> {
        let mut records = Records::new(Box::new(io::BufReader::with_capacity(5, text)), encoding, b',');
        let mut found = Vec::new();
        while let Some(record) = records.next().unwrap() {
            found.push((record.line, cells(&encoding.decode(&record.bytes).unwrap(), b','), record.wrong));
        }
        found
    }

    fn row(line: u64, cells: &[&str]) -> (u64, Vec<String>, Option<Wrong>) {
        (line, cells.iter().map(|cell| (*cell).to_owned()).collect(), None)
    }

    #[test]
    fn quotes_line_breaks_and_blank_lines() {
        let text = b"a,b\r\n\r\n\"x, \"\"y\"\"\nz\",2\r\n5\" pipe,\n=1+1,\"\"";
        assert_eq!(
            read(text, CsvEncoding::Utf8),
            [row(1, &["a", "b"]), row(3, &["x, \"y\"\nz", "2"]), row(5, &["5\" pipe", ""]), row(6, &["=1+1", ""])]
        );
        assert_eq!(read(b"a\rb", CsvEncoding::Utf8), [row(1, &["a"]), row(2, &["b"])]);
    }

    #[test]
    fn an_unbalanced_quote_costs_its_line_only() {
        let never = read(b"a,b\n\"open,1\nc,d\n", CsvEncoding::Utf8);
        assert_eq!((never[1].0, never[1].2), (2, Some(Wrong::Quote)));
        assert_eq!(never[2], row(3, &["c", "d"]));
        let by_accident = read(b"\"open,1\n\"x\"y\",2\nc,d\n", CsvEncoding::Utf8);
        assert_eq!(by_accident[0].2, Some(Wrong::Quote));
        assert_eq!(by_accident.last().unwrap(), &row(3, &["c", "d"]));
    }

    #[test]
    fn a_kanji_that_ends_like_a_delimiter_is_one_cell() {
        let (bytes, _, _) = encoding_rs::SHIFT_JIS.encode("表\"ー,能\n");
        assert_eq!(read(&bytes, CsvEncoding::Cp932), [row(1, &["表\"ー", "能"])]);
        let mut records = Records::new(Box::new(&b"\x83\x7c|x\n"[..]), CsvEncoding::Cp932, b'|');
        let record = records.next().unwrap().unwrap();
        assert_eq!(cells(&CsvEncoding::Cp932.decode(&record.bytes).unwrap(), b'|'), ["ポ", "x"]);
    }

    #[test]
    fn a_line_without_end_is_passed_over() {
        let text = [b"a\n".as_slice(), &vec![b'x'; LONGEST + 100], b"\nb\n"].concat();
        let mut records = Records::new(Box::new(&text[..]), CsvEncoding::Utf8, b',');
        records.next().unwrap();
        assert_eq!(records.next().unwrap().unwrap().wrong, Some(Wrong::TooLong));
        assert_eq!(records.next().unwrap().unwrap().bytes, b"b\n");
    }
}
