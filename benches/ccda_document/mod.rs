//! A C-CDA document of a wanted size for measuring: our own fixture with its entries repeated under new identifiers.

const FIXTURE: &str = include_str!("../../tests/fixtures/translate/ccda/ccd/input.xml");
/// Identifiers of the fixture begin so; the four digits after the last hyphen of it tell the copies apart.
const IDENTIFIER: &str = "00000000-0000-4000-8000-";

/// A document of at least `bytes` bytes.
pub fn document(bytes: usize) -> String {
    let copies = 1 + bytes.saturating_sub(FIXTURE.len()) / entries(FIXTURE).map(str::len).sum::<usize>().max(1) + 1;
    let mut out = String::with_capacity(bytes + FIXTURE.len());
    let mut rest = FIXTURE;
    while let Some(at) = rest.find("<entry ") {
        let length = rest[at..].find("</entry>").map_or(rest.len() - at, |end| end + "</entry>".len());
        out.push_str(&rest[..at]);
        let entry = &rest[at..at + length];
        for copy in 0..copies {
            out.push_str(&entry.replace(IDENTIFIER, &format!("{copy:08x}-0000-4000-8000-")));
            out.push('\n');
        }
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split("<entry ").skip(1).filter_map(|part| part.split("</entry>").next())
}
