//! Reads files of rows. Every row is read by itself, so that one wrong row hides no other, and keeps the line it stands on.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::MappingError;
use super::file::{
    DefaultRow, DisplayRow, IdentifierRow, LinkRow, MessageRow, Overlay, ResourceRow, Row, RowsFile, SegmentRows,
    StorageRow, SystemRow, TableRow,
};
use super::origin::{Lines, Origin};
use super::profile::ProfileRow;
use crate::translate::ccda::rows::{ElementRow, StatementRow};

/// A file's rows as far as they can be read, and what is wrong with the others.
pub(crate) fn read(name: &str, text: &str, file: u16) -> (RowsFile, Vec<MappingError>) {
    let mut reader = Reader::new(name, text, file);
    let mut rows = RowsFile::default();
    for (key, value) in reader.document(text) {
        match key.as_str() {
            "overlay" => rows.overlay = reader.one::<Overlay>(value, "overlay"),
            "message" => rows.message = reader.list(value, "message"),
            "resource" => rows.resource = reader.resources(value),
            "segment" => rows.segment = reader.segments(value),
            "table" => rows.table = reader.list(value, "table"),
            "display" => rows.display = reader.list(value, "display"),
            "system" => rows.system = reader.list(value, "system"),
            "identifier" => rows.identifier = reader.list(value, "identifier"),
            "profile" => rows.profile = reader.list(value, "profile"),
            "storage" => rows.storage = reader.list(value, "storage"),
            "statement" => rows.statement = reader.statements(value),
            _ => reader.wrong(value.span().start, format!("there is nothing called {key:?} in a file of rows")),
        }
    }
    (rows, reader.into_errors())
}

/// Reads one file.
pub(crate) struct Reader<'a> {
    name: &'a str,
    file: u16,
    lines: Lines,
    errors: Vec<MappingError>,
}

/// A table's keys and values.
pub(crate) type Fields<'i> = Vec<(String, Spanned<DeValue<'i>>)>;

impl<'a> Reader<'a> {
    pub(crate) fn new(name: &'a str, text: &str, file: u16) -> Self {
        Self { name, file, lines: Lines::of(text), errors: Vec::new() }
    }

    /// What stands at the top of the file, as far as it is TOML.
    pub(crate) fn document<'i>(&mut self, text: &'i str) -> Fields<'i> {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            self.wrong(error.span().map_or(0, |span| span.start), error.message().to_owned());
        }
        fields(table.into_inner())
    }

    fn wrong(&mut self, offset: usize, message: String) {
        self.wrong_at(self.lines.at(offset), message);
    }

    pub(crate) fn wrong_at(&mut self, line: u32, message: String) {
        self.errors.push(MappingError::Invalid { file: self.name.to_owned(), line: line as usize, message });
    }

    /// What is wrong, in the order of the lines.
    pub(crate) fn into_errors(mut self) -> Vec<MappingError> {
        self.errors.sort_by_key(MappingError::line);
        self.errors
    }

    /// A single value.
    fn one<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'_>>, what: &str) -> Option<T> {
        let start = value.span().start;
        match T::deserialize(value.into_deserializer()) {
            Ok(read) => Some(read),
            Err(error) => {
                let at = error.span().map_or(start, |span| span.start);
                self.wrong(at, format!("{what}: {}", error.message()));
                None
            }
        }
    }

    /// The tables of a list, each with the offset it begins at.
    pub(crate) fn tables<'i>(&mut self, value: Spanned<DeValue<'i>>, what: &str) -> Vec<(usize, Fields<'i>)> {
        let start = value.span().start;
        let DeValue::Array(items) = value.into_inner() else {
            self.wrong(start, format!("{what} is a list; write [[{what}]]"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            let start = item.span().start;
            match item.into_inner() {
                DeValue::Table(table) => tables.push((start, fields(table))),
                _ => self.wrong(start, format!("every {what} is a table")),
            }
        }
        tables
    }

    /// The readable rows of a list.
    pub(crate) fn list<T: DeserializeOwned + Placed>(&mut self, value: Spanned<DeValue<'_>>, what: &str) -> Vec<T> {
        let tables = self.tables(value, what);
        tables.into_iter().filter_map(|(start, fields)| self.row(start, fields, what)).collect()
    }

    /// A row of these fields.
    pub(crate) fn row<T: DeserializeOwned + Placed>(
        &mut self,
        start: usize,
        fields: Fields<'_>,
        what: &str,
    ) -> Option<T> {
        let what = named(what, &fields);
        let mut row: T = self.one(table(start, fields), &what)?;
        row.place(Origin { file: self.file, line: self.lines.at(start) });
        Some(row)
    }

    fn segments(&mut self, value: Spanned<DeValue<'_>>) -> Vec<SegmentRows> {
        /// What a segment says beside its rows.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Head {
            name: String,
            to: String,
            #[serde(default)]
            read_by: Vec<String>,
        }
        let mut segments = Vec::new();
        for (start, mut fields) in self.tables(value, "segment") {
            let rows = take(&mut fields, "rows");
            if rows.is_none() {
                self.wrong(start, format!("{}: it has no rows", named("segment", &fields)));
            }
            let what = named("segment", &fields);
            let head: Option<Head> = self.one(table(start, fields), &what);
            let Some(head) = head else { continue };
            let what = format!("a row of {} to {}", head.name, head.to);
            let rows: Vec<Row> = rows.map_or_else(Vec::new, |rows| self.list(rows, &what));
            let origin = Origin { file: self.file, line: self.lines.at(start) };
            segments.push(SegmentRows { name: head.name, to: head.to, read_by: head.read_by, rows, origin });
        }
        segments
    }

    fn resources(&mut self, value: Spanned<DeValue<'_>>) -> Vec<ResourceRow> {
        let mut resources = Vec::new();
        for (start, mut fields) in self.tables(value, "resource") {
            let (default, link) = self.defaults_and_links(&mut fields);
            let what = named("an always of resource", &fields);
            let always = take(&mut fields, "always").map_or_else(Vec::new, |value| self.list(value, &what));
            if let Some(row) = self.row::<ResourceRow>(start, fields, "resource") {
                resources.push(ResourceRow { always, default, link, ..row });
            }
        }
        resources
    }

    fn statements(&mut self, value: Spanned<DeValue<'_>>) -> Vec<StatementRow> {
        let mut statements = Vec::new();
        for (start, mut fields) in self.tables(value, "statement") {
            let what = named("a row of statement", &fields);
            let rows = take(&mut fields, "rows").map_or_else(Vec::new, |value| self.list::<ElementRow>(value, &what));
            if let Some(row) = self.row::<StatementRow>(start, fields, "statement") {
                statements.push(StatementRow { rows, ..row });
            }
        }
        statements
    }

    /// Takes the defaults and links out of a resource's fields.
    pub(crate) fn defaults_and_links(&mut self, fields: &mut Fields<'_>) -> (Vec<DefaultRow>, Vec<LinkRow>) {
        let what = |list: &str| named(&format!("a {list} of resource"), fields);
        let (a_default, a_link) = (what("default"), what("link"));
        let default = take(fields, "default").map_or_else(Vec::new, |value| self.list(value, &a_default));
        let link = take(fields, "link").map_or_else(Vec::new, |value| self.list(value, &a_link));
        (default, link)
    }
}

/// `segment PID`, `resource patient`, `row of field 5`: what an error is about, as far as the fields tell.
fn named(what: &str, fields: &Fields<'_>) -> String {
    let said = ["name", "field", "column", "type", "path"].iter().find_map(|wanted| {
        let (key, value) = fields.iter().find(|(key, _)| key == wanted)?;
        let said = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => format!("{key} {}", number.as_str()),
            _ => return None,
        };
        Some(said)
    });
    said.map_or_else(|| what.to_owned(), |said| format!("{what} ({said})"))
}

/// Takes a field out.
pub(crate) fn take<'i>(fields: &mut Fields<'i>, key: &str) -> Option<Spanned<DeValue<'i>>> {
    let at = fields.iter().position(|(known, _)| known == key)?;
    Some(fields.swap_remove(at).1)
}

fn fields<'i>(table: DeTable<'i>) -> Fields<'i> {
    table.into_iter().map(|(key, value)| (key.into_inner().into_owned(), value)).collect()
}

fn table<'i>(start: usize, fields: Fields<'i>) -> Spanned<DeValue<'i>> {
    let key = |key: String| Spanned::new(start..start, key.into());
    let table: DeTable<'i> = fields.into_iter().map(|(name, value)| (key(name), value)).collect();
    Spanned::new(start..start, DeValue::Table(table))
}

/// A row that knows where it is written.
pub(crate) trait Placed {
    /// Notes the place.
    fn place(&mut self, origin: Origin);
}

macro_rules! placed {
    ($($row:ty),*) => {$(
        impl Placed for $row {
            fn place(&mut self, origin: Origin) {
                self.origin = origin;
            }
        }
    )*};
}

placed!(
    MessageRow,
    ResourceRow,
    DefaultRow,
    LinkRow,
    Row,
    TableRow,
    SystemRow,
    IdentifierRow,
    StorageRow,
    ProfileRow,
    StatementRow,
    DisplayRow,
    ElementRow
);

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[[segment]]
name = "PID"
to = "Patient"
rows = [
  { field = 5, path = "name[]", type = "XPN" },
  { field = 7, path = "birth..Date", type = "date" },
  { field = 8, path = "gender", type = "gender" },
  { feld = 9, path = "name[]", type = "XPN" },
]

[[table]]
name = "0001"
codes = { M = 1 }

[[tabel]]
"#;

    #[test]
    fn every_wrong_row_is_told_with_its_line_and_the_others_are_read() {
        let (rows, errors) = read("site.toml", TEXT, 3);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let lines: Vec<&str> = told.iter().map(|error| error.split(':').next().unwrap()).collect();
        assert_eq!(
            lines,
            ["site.toml, line 7", "site.toml, line 8", "site.toml, line 9", "site.toml, line 14", "site.toml, line 16"],
            "{told:#?}"
        );
        assert!(
            told[0].contains("a row of PID to Patient (field 7)") && told[0].contains("no element name"),
            "{told:#?}"
        );
        assert_eq!(rows.segment[0].rows.len(), 1);
        assert_eq!(rows.segment[0].rows[0].origin, Origin { file: 3, line: 6 });
        assert_eq!(rows.segment[0].origin.line, 2);
    }

    #[test]
    fn text_that_is_no_toml_is_told_with_its_line() {
        let (_, errors) = read("site.toml", "overlay = \"ca\"\n[[segment]\nname = \"PID\n", 0);
        assert!(errors.len() > 1, "{errors:?}");
        assert!(errors[0].to_string().starts_with("site.toml, line 2"), "{errors:?}");
    }
}
