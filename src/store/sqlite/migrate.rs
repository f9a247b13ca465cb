//! Brings the schema up to date, one numbered file at a time, each in a transaction.

use rusqlite::Connection;

use crate::store::StoreError;

/// A step of the schema: statements, and what no statement can do.
struct Migration {
    sql: &'static str,
    then: Option<Then>,
}

type Then = fn(&Connection) -> Result<(), StoreError>;

const fn sql(sql: &'static str) -> Migration {
    Migration { sql, then: None }
}

/// The migrations in order; position + 1 is the schema version they lead to.
const MIGRATIONS: &[Migration] = &[
    sql(include_str!("../../../schemas/sqlite/0001_initial.sql")),
    sql(include_str!("../../../schemas/sqlite/0002_filing.sql")),
    sql(include_str!("../../../schemas/sqlite/0003_positions.sql")),
    sql(include_str!("../../../schemas/sqlite/0004_losses.sql")),
    sql(include_str!("../../../schemas/sqlite/0005_seen_files.sql")),
    Migration { sql: include_str!("../../../schemas/sqlite/0006_numbers.sql"), then: Some(super::renumber::run) },
    sql(include_str!("../../../schemas/sqlite/0007_sealing.sql")),
    sql(include_str!("../../../schemas/sqlite/0008_postings.sql")),
    sql(include_str!("../../../schemas/sqlite/0009_clients.sql")),
    sql(include_str!("../../../schemas/sqlite/0010_exports.sql")),
];

/// The schema version of the file (`PRAGMA user_version`).
pub(super) fn version(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// The schema version this release writes.
pub(super) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Applies what is missing. A file written by a newer release is refused.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = known();
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for (step, migration) in (1u32..).zip(MIGRATIONS).skip(found as usize) {
        transaction.execute_batch(migration.sql)?;
        if let Some(then) = migration.then {
            then(&transaction)?;
        }
        transaction.pragma_update(None, "user_version", step)?;
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the first schema, with a resource of two versions and its search rows, is found again by the present code.
    #[test]
    fn a_file_of_the_first_schema_keeps_what_it_holds() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0].sql).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute_batch(
                "INSERT INTO resource VALUES ('Patient', 'p', 2, 'p', '2', NULL, '{\"v\":2}', NULL);
                 INSERT INTO resource_history VALUES ('Patient', 'p', 1, '1', NULL, '{\"v\":1}', NULL);
                 INSERT INTO resource_history VALUES ('Patient', 'p', 2, '2', NULL, '{\"v\":2}', NULL);
                 INSERT INTO search_token VALUES ('Patient', 'p', 'p', 'identifier', 's', 'c');
                 INSERT INTO search_text VALUES ('Patient', 'p', 'name', 'n');
                 INSERT INTO search_reference VALUES ('Patient', 'p', 'organization', 'Organization/o');
                 INSERT INTO search_date VALUES ('Patient', 'p', 'p', 'birthdate', '2000-01-01T00:00:00.000Z', '2001-01-01T00:00:00.000Z');
                 INSERT INTO search_quantity VALUES ('Patient', 'p', 'p', 'value-quantity', 'kg', 1.5);",
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        assert_eq!(version(&connection).unwrap() as usize, MIGRATIONS.len());
        let snapshot = crate::store::sqlite::Snapshot {
            connection: &connection,
            words: &Default::default(),
            ring: &crate::store::sqlite::readers::tests::ring(),
        };
        use crate::store::records::{IndexView as _, RecordView as _};
        for number in [1, 2] {
            let found = snapshot.resource_version("Patient", "p", number).unwrap().unwrap();
            assert_eq!(found.json, format!("{{\"v\":{number}}}"));
        }
        // What it was found by comes anew, from what it says.
        let state = snapshot.index_state().unwrap();
        assert_eq!((state.edition, state.reached), (0, 0));
        let behind = snapshot.resources_behind(0, 10).unwrap();
        assert_eq!(behind.len(), 1);
        assert_eq!((behind[0].1.kind.as_str(), behind[0].1.id.as_str()), ("Patient", "p"));
        let gone = ["old_resource", "old_search_token", "old_search_quantity"];
        for table in gone {
            assert!(connection.prepare(&format!("SELECT * FROM {table}")).is_err(), "{table}");
        }
    }
}
