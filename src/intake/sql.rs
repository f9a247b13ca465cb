//! A database extract by mapping file: the mapping holds the query, and each row it gives is a message of its own, kept as a
//! table of one row that the same mapping reads.

use std::path::Path;
use std::time::Duration;

use super::receive::{Incoming, receive};
use super::{Intake, IntakeError, Summary};
use crate::extracts::{self, Ended, ExtractError, Query, Rows};
use crate::translate::csv::{CsvMapping, SqlSource, Table};

/// Takes in what the mapping's query finds in the SQLite file at `path`. `only_new`: rows that were taken in before as they
/// are now are passed over.
pub fn import(
    intake: &Intake,
    path: &Path,
    mapping: &CsvMapping,
    source: &SqlSource,
    only_new: bool,
) -> Result<Summary, IntakeError> {
    let name = super::folder::below(path, path);
    let mut taker =
        Taker { intake, mapping, only_new, name: &name, table: None, head: String::new(), summary: Summary::default() };
    let query =
        Query { sql: source.query.clone(), max_rows: source.max_rows, within: Duration::from_secs(source.seconds) };
    let ended = extracts::sqlite::read(path, &query, &mut taker);
    let mut summary = taker.summary;
    match ended {
        Ok(Ended::Whole) => {}
        Ok(Ended::AtLimit) => {
            let cause = format!(
                "the query gives more than {} rows; the first of them are taken in; narrow it or allow more \
                 (source.max_rows)",
                query.max_rows
            );
            super::cannot_be_read(intake, "csv", &name, &cause, &mut summary)?;
        }
        Err(ExtractError::Taker(error)) => return Err(error),
        Err(error @ ExtractError::TooSlow(_)) => {
            super::cannot_be_read(intake, "csv", &name, &error.to_string(), &mut summary)?;
        }
        Err(error) => {
            return Err(IntakeError::Unreadable { path: path.display().to_string(), cause: error.to_string() });
        }
    }
    Ok(summary)
}

struct Taker<'a> {
    intake: &'a Intake,
    mapping: &'a CsvMapping,
    only_new: bool,
    name: &'a str,
    table: Option<Table>,
    head: String,
    summary: Summary,
}

impl Rows<IntakeError> for Taker<'_> {
    fn columns(&mut self, names: Vec<String>) -> Result<(), IntakeError> {
        self.head = line(&names);
        let table = self.mapping.table(&self.intake.setting, names);
        self.table = Some(table.map_err(|refused| IntakeError::Unreadable {
            path: self.name.to_owned(),
            cause: format!("the query does not fit the mapping: {}", refused.reason),
        })?);
        Ok(())
    }

    fn row(&mut self, cells: Vec<String>) -> Result<(), IntakeError> {
        let Some(table) = &self.table else { return Ok(()) };
        let raw = format!("{}{}", self.head, line(&cells)).into_bytes();
        if self.only_new && super::is_known(self.intake, "csv", self.name, &raw)? {
            self.summary.unchanged += 1;
            return Ok(());
        }
        let translation = table.translate(self.mapping, &self.intake.setting, &cells);
        let incoming = Incoming { channel: "csv", source: self.name, raw: &raw };
        self.summary.count(&receive(self.intake, incoming, translation)?);
        Ok(())
    }
}

/// A line of a table, every cell in quotes.
fn line(cells: &[String]) -> String {
    let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
    quoted.join(",") + "\r\n"
}
