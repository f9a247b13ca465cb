//! Loss reports in numbers. A report is some kilobytes of JSON, most of it the same from message to message: its entries,
//! without the segment they count, are words, and a message keeps numbers. What is not of that form is kept as it is.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension};

use super::numbers::Numbers;
use crate::store::keys::{put_number, take_number};

/// How a report begins, and where its entries stand.
const HEAD: &str = r#"{"entries":["#;
/// What is taken out of an entry: the digits behind it.
const COUNTED: &str = r#""occurrence":"#;

/// A report as it is kept.
pub(super) enum Report<'a> {
    /// How many entries; of each the number of its word, and what it counts + 1 (0: nothing); then the report without them.
    Numbers(Vec<u8>),
    Text(&'a str),
}

impl ToSql for Report<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Numbers(bytes) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// The form in which `report` is kept.
pub(super) fn compact<'a>(
    connection: &Connection,
    numbers: &mut Numbers,
    report: &'a str,
) -> rusqlite::Result<Report<'a>> {
    let Some((entries, behind)) = report.strip_prefix(HEAD).and_then(entries) else { return Ok(Report::Text(report)) };
    let mut bytes = Vec::with_capacity(entries.len() * 3 + behind.len() + 16);
    put_number(&mut bytes, entries.len() as u64);
    let mut word = String::new();
    for entry in entries {
        let (before, count, after) = counted(entry);
        word.clear();
        word.push_str(before);
        word.push_str(after);
        put_number(&mut bytes, numbers.word(connection, &word)?.cast_unsigned());
        put_number(&mut bytes, count.map_or(0, |count| u64::from(count) + 1));
    }
    bytes.extend_from_slice(behind.as_bytes());
    Ok(Report::Numbers(bytes))
}

/// The JSON of a report as [`compact`] got it.
pub(super) fn expand(connection: &Connection, kept: ValueRef<'_>) -> rusqlite::Result<Option<String>> {
    match kept {
        ValueRef::Blob(bytes) => {
            let mut bytes = bytes;
            joined(connection, &mut bytes)?.map(Some).ok_or(rusqlite::Error::InvalidQuery)
        }
        ValueRef::Text(text) => Ok(Some(String::from_utf8_lossy(text).into_owned())),
        _ => Ok(None),
    }
}

fn joined(connection: &Connection, bytes: &mut &[u8]) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT text FROM word WHERE number = ?1")?;
    let Some(entries) = take_number(bytes) else { return Ok(None) };
    let mut report = HEAD.to_owned();
    for at in 0..entries {
        let (Some(number), Some(count)) = (take_number(bytes), take_number(bytes)) else { return Ok(None) };
        let word: Option<String> = statement.query_row([number.cast_signed()], |row| row.get(0)).optional()?;
        let Some(word) = word else { return Ok(None) };
        if at > 0 {
            report.push(',');
        }
        match (count.checked_sub(1), word.find(COUNTED)) {
            (Some(count), Some(place)) => {
                let (before, after) = word.split_at(place + COUNTED.len());
                report.push_str(before);
                report.push_str(&count.to_string());
                report.push_str(after);
            }
            _ => report.push_str(&word),
        }
    }
    report.push_str(&String::from_utf8_lossy(bytes));
    Ok(Some(report))
}

/// The items of a JSON array whose `[` stands before `text`, and what follows them, `]` included. None if it does not end.
fn entries(text: &str) -> Option<(Vec<&str>, &str)> {
    let mut entries = Vec::new();
    let (mut depth, mut quoted, mut escaped, mut began) = (0_u32, false, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b']' if depth == 0 => {
                let last = text.get(began..at)?;
                if !last.is_empty() {
                    entries.push(last);
                }
                return Some((entries, text.get(at..)?));
            }
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                entries.push(text.get(began..at)?);
                began = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// An entry around the digits of what it counts, if they are digits that come back as they were.
fn counted(entry: &str) -> (&str, Option<u32>, &str) {
    let whole = (entry, None, "");
    let Some(place) = entry.find(COUNTED).map(|place| place + COUNTED.len()) else { return whole };
    let (before, rest) = entry.split_at(place);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, after) = rest.split_at(digits);
    match digits.parse::<u32>() {
        Ok(count) if !digits.starts_with('0') => (before, Some(count), after),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::migrate::migrate(&mut connection, None).unwrap();
        connection
    }

    fn kept(connection: &Connection, report: &str) -> (usize, String) {
        let kept = compact(connection, &mut Numbers::default(), report).unwrap();
        let value = match &kept {
            Report::Numbers(bytes) => ValueRef::Blob(bytes),
            Report::Text(text) => ValueRef::Text(text.as_bytes()),
        };
        let size = match value {
            ValueRef::Blob(bytes) => bytes.len(),
            _ => report.len(),
        };
        (size, expand(connection, value).unwrap().unwrap())
    }

    #[test]
    fn a_report_comes_back_byte_for_byte() {
        let connection = database();
        for report in [
            r#"{"entries":[],"totals":{"mapped":0,"kept_raw":0,"dropped":0}}"#,
            r#"{"entries":[{"source":"PID-5[2].7","occurrence":12,"outcome":"dropped","reason":"a \"]}\\, b"},{"source":"OBX-3","occurrence":1,"outcome":"mapped","targets":["Observation.code","Observation.value[x]"]}],"totals":{"mapped":1},"warnings":["w"]}"#,
            r#"{"entries":[{"source":"\"occurrence\":3","occurrence":007},{"source":"column x"},{"occurrence":99999999999}],"totals":{}}"#,
            r#"{"totals":{},"entries":[]}"#,
            r#"{"entries":[{"source":"cut"#,
            "",
        ] {
            assert_eq!(kept(&connection, report).1, report);
        }
    }

    #[test]
    fn a_segment_that_comes_again_costs_some_bytes() {
        let connection = database();
        let entries: Vec<String> = (1..=200)
            .map(|n| {
                format!(r#"{{"source":"OBX-3","occurrence":{n},"outcome":"mapped","targets":["Observation.code"]}}"#)
            })
            .collect();
        let report = format!(r#"{{"entries":[{}],"totals":{{}}}}"#, entries.join(","));
        let (size, back) = kept(&connection, &report);
        assert_eq!(back, report);
        assert!(size < 1000, "{size} of {}", report.len());
        let words: u32 = connection.query_row("SELECT COUNT(*) FROM word", [], |row| row.get(0)).unwrap();
        assert_eq!(words, 1);
    }
}
