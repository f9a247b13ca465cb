//! PAR-15: tables as spreadsheets and exports write them, and as nobody should.

use std::io::{BufReader, Read};

use serde_json::Value;
use watari::config::Country;
use watari::translate::csv::{CsvMapping, CsvRow, Rows, translate};
use watari::translate::{RefusedCode, Setting};

const MAPPING: &str = r#"
name = "notes"
required = ["id"]
[[resource]]
name = "patient"
type = "Patient"
rows = [
  { column = "id", path = "identifier[]", type = "CX" },
  { column = "name", path = "name[0].text", type = "string" },
]
"#;

fn mapping(change: &str) -> CsvMapping {
    CsvMapping::load(&MAPPING.replacen("name =", &format!("{change}\nname ="), 1), "test").unwrap()
}

fn read(change: &str, bytes: &[u8]) -> Vec<CsvRow> {
    translate(&mapping(change), &Setting::anonymous(Country::Ca), bytes)
}

fn name(row: &CsvRow) -> String {
    let translated = row.result.as_ref().unwrap_or_else(|refused| panic!("{refused:?}"));
    let bundle = Value::from(&translated.bundle);
    let patient = watari::fhir::bundle::resources(&bundle).next().unwrap();
    patient["name"][0]["text"].as_str().unwrap_or("").to_owned()
}

fn code(row: &CsvRow) -> RefusedCode {
    row.result.as_ref().unwrap_err().code
}

#[test]
fn par_15_a_formula_is_text() {
    let rows = read("", b"id,name\r\n1,=cmd|' /C calc'!A0\r\n2,\"=HYPERLINK(\"\"http://x\"\")\"\r\n3,@SUM(A1)\r\n");
    assert_eq!(
        rows.iter().map(name).collect::<Vec<_>>(),
        ["=cmd|' /C calc'!A0", "=HYPERLINK(\"http://x\")", "@SUM(A1)"]
    );
}

#[test]
fn par_15_an_unbalanced_quote_costs_its_own_line() {
    let rows = read("", b"id,name\n1,fine\n2,\"open\n3,also fine\n4,fine too\n");
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
    assert_eq!(code(&rows[1]), RefusedCode::Unreadable);
    assert_eq!(rows[1].raw, b"id,name\n2,\"open\n");
    assert_eq!([name(&rows[0]), name(&rows[2]), name(&rows[3])], ["fine", "also fine", "fine too"]);
}

#[test]
fn par_15_a_quoted_line_break_is_one_cell() {
    let rows = read("", b"id,name\r\n1,\"two\r\nlines\"\r\n2,one\r\n");
    assert_eq!((rows[0].line, rows[1].line), (2, 4));
    assert!(name(&rows[0]).starts_with("two") && name(&rows[0]).ends_with("lines"));
}

#[test]
fn par_15_nul_is_refused_in_its_row_alone() {
    let rows = read("", b"id,name\n1,a\0b\n2,c\n");
    assert_eq!(code(&rows[0]), RefusedCode::Invalid);
    assert_eq!(name(&rows[1]), "c");
}

#[test]
fn par_15_a_hundred_thousand_columns_are_refused_at_once() {
    let header: String = (0..100_000).map(|n| format!("c{n},")).collect();
    let rows = read("", format!("id,name,{header}x\n1,a\n").as_bytes());
    assert_eq!((rows.len(), code(&rows[0]), rows[0].is_whole), (1, RefusedCode::Invalid, true));
}

#[test]
fn par_15_encodings_as_declared_or_as_marked() {
    let text = "id,name\r\n1,髙橋①\r\n";
    let utf16: Vec<u8> = [0xfeffu16].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let utf16_be: Vec<u8> = [0xfeffu16].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    let marked = [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat();
    for (change, bytes) in [
        ("", text.as_bytes().to_vec()),
        ("", marked.clone()),
        ("encoding = \"cp932\"", marked),
        ("encoding = \"cp932\"", encoding_rs::SHIFT_JIS.encode(text).0.into_owned()),
        ("encoding = \"euc-jp\"", encoding_rs::EUC_JP.encode(text).0.into_owned()),
        ("encoding = \"utf-16\"", utf16.clone()),
        ("", utf16),
        ("", utf16_be),
    ] {
        let rows = read(change, &bytes);
        assert_eq!(rows.iter().map(name).collect::<Vec<_>>(), ["髙橋①"], "{change}");
        // What is kept of a row is a file that the same mapping reads to the same end.
        let again = read(change, &rows[0].raw);
        assert_eq!(name(&again[0]), "髙橋①", "{change}");
    }
    assert_eq!(name(&read("encoding = \"latin-1\"", b"id,name\n1,Ad\xe8le\n")[0]), "Adèle");
}

#[test]
fn par_15_a_row_in_another_encoding_is_refused_and_the_next_is_read() {
    let rows = read("", b"id,name\n1,Ad\xe8le\n2,Zo\xc3\xab\n");
    assert_eq!(code(&rows[0]), RefusedCode::Encoding);
    assert_eq!(name(&rows[1]), "Zoë");
}

#[test]
fn par_15_the_delimiter_is_the_mappings_or_excels_own_word() {
    assert_eq!(name(&read("delimiter = \"\\t\"", b"id\tname\n1\ta,b\n")[0]), "a,b");
    let rows = read("", b"\xef\xbb\xbfsep=;\r\nid;name\r\n1;a,b\r\n");
    assert_eq!((name(&rows[0]), rows[0].line), ("a,b".to_owned(), 3));
}

/// A file of any size that is made while it is read.
struct Endless {
    rows: u64,
    ready: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.ready.is_empty() && self.rows > 0 {
            self.rows -= 1;
            self.ready = format!("{},{}\n", self.rows, "x".repeat(100_000)).into_bytes();
        }
        let length = out.len().min(self.ready.len());
        out[..length].copy_from_slice(&self.ready[..length]);
        self.ready.drain(..length);
        Ok(length)
    }
}

#[test]
fn par_15_a_large_file_is_read_row_by_row() {
    let (mapping, setting) = (mapping(""), Setting::anonymous(Country::Ca));
    let file = Endless { rows: 300, ready: b"id,name\n".to_vec() };
    let mut rows = Rows::new(&mapping, &setting, BufReader::new(file));
    let mut count = 0;
    while let Some(row) = rows.next().unwrap() {
        assert!(row.raw.len() < 200_000);
        count += 1;
    }
    assert_eq!(count, 300);
}
