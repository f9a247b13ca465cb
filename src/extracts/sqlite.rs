//! An extract as an SQLite file.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::{Ended, ExtractError, Query, Rows};

/// A cell larger than this is refused, bytes.
const LARGEST_CELL: usize = 1 << 20;

/// Reads the file at `path`, which is not written to.
pub fn read<E>(path: &Path, query: &Query, rows: &mut dyn Rows<E>) -> Result<Ended, ExtractError<E>> {
    // Without the URI flag the name is a name and no more.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| database(&error))?;
    connection.pragma_update(None, "query_only", true).map_err(|error| database(&error))?;
    let interrupt = connection.get_interrupt_handle();
    let (done, waiting) = channel::<()>();
    std::thread::scope(|threads| {
        let clock = threads.spawn(move || {
            let is_over = matches!(waiting.recv_timeout(query.within), Err(RecvTimeoutError::Timeout));
            if is_over {
                interrupt.interrupt();
            }
            is_over
        });
        let result = ask(&connection, query, rows);
        drop(done);
        match (result, clock.join().unwrap_or(false)) {
            (Err(ExtractError::Database(_)), true) => Err(ExtractError::TooSlow(query.within)),
            (result, _) => result,
        }
    })
}

fn ask<E>(connection: &Connection, query: &Query, rows: &mut dyn Rows<E>) -> Result<Ended, ExtractError<E>> {
    let mut statement = connection.prepare(query.sql.trim()).map_err(|error| match error {
        rusqlite::Error::MultipleStatement => ExtractError::NotReading,
        error => database(&error),
    })?;
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(ExtractError::NotReading);
    }
    let width = statement.column_count();
    rows.columns(statement.column_names().into_iter().map(str::to_owned).collect()).map_err(ExtractError::Taker)?;
    let mut found = statement.query([]).map_err(|error| database(&error))?;
    let mut count = 0;
    while let Some(row) = found.next().map_err(|error| database(&error))? {
        if count == query.max_rows {
            return Ok(Ended::AtLimit);
        }
        count += 1;
        let cells =
            (0..width).map(|at| cell(row.get_ref(at).map_err(|error| database(&error))?)).collect::<Result<_, _>>()?;
        rows.row(cells).map_err(ExtractError::Taker)?;
    }
    Ok(Ended::Whole)
}

fn cell<E>(value: ValueRef<'_>) -> Result<String, ExtractError<E>> {
    let not_text = || ExtractError::Database("a cell holds bytes that are no text; cast it in the query".to_owned());
    match value {
        ValueRef::Null => Ok(String::new()),
        ValueRef::Integer(number) => Ok(number.to_string()),
        ValueRef::Real(number) => Ok(number.to_string()),
        ValueRef::Text(text) if text.len() > LARGEST_CELL => {
            Err(ExtractError::Database("a cell is longer than a megabyte".to_owned()))
        }
        ValueRef::Text(text) => std::str::from_utf8(text).map(str::to_owned).map_err(|_| not_text()),
        ValueRef::Blob(_) => Err(not_text()),
    }
}

/// What SQLite says about a statement or a file holds no values of rows.
fn database<E>(error: &rusqlite::Error) -> ExtractError<E> {
    ExtractError::Database(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Default)]
    struct Kept(Vec<Vec<String>>);

    impl Rows<()> for Kept {
        fn columns(&mut self, names: Vec<String>) -> Result<(), ()> {
            self.0.push(names);
            Ok(())
        }

        fn row(&mut self, cells: Vec<String>) -> Result<(), ()> {
            self.0.push(cells);
            Ok(())
        }
    }

    fn ask_file(sql: &str, max_rows: u64, within: Duration) -> (Result<Ended, ExtractError<()>>, Vec<Vec<String>>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("extract.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("CREATE TABLE lab (id TEXT, value TEXT, n INTEGER); INSERT INTO lab VALUES ('1', '1.50', 7), ('2', NULL, 8);")
            .unwrap();
        drop(connection);
        let mut kept = Kept::default();
        let query = Query { sql: sql.to_owned(), max_rows, within };
        let ended = read(&path, &query, &mut kept);
        (ended, kept.0)
    }

    #[test]
    fn rows_come_as_text_with_their_digits() {
        let (ended, rows) = ask_file("SELECT id, value, n AS number FROM lab ORDER BY id", 10, Duration::from_secs(5));
        assert_eq!(ended.unwrap(), Ended::Whole);
        assert_eq!(rows, [["id", "value", "number"], ["1", "1.50", "7"], ["2", "", "8"]]);
    }

    #[test]
    fn rows_and_time_are_limited() {
        let (ended, rows) = ask_file("SELECT id FROM lab", 1, Duration::from_secs(5));
        assert_eq!((ended.unwrap(), rows.len()), (Ended::AtLimit, 2));
        let endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c";
        let (ended, _) = ask_file(endless, 10, Duration::from_millis(100));
        assert!(matches!(ended, Err(ExtractError::TooSlow(_))), "{ended:?}");
    }

    #[test]
    fn what_writes_or_is_two_statements_is_refused() {
        for sql in
            ["DELETE FROM lab", "SELECT 1; DELETE FROM lab", "CREATE TABLE x (y)", "SELECT x'00ff'", "SELECT nonsense"]
        {
            assert!(ask_file(sql, 10, Duration::from_secs(5)).0.is_err(), "{sql}");
        }
    }
}
