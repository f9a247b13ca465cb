//! Brings the schema up to date, one numbered file at a time, all of them in one transaction. A file that holds something is
//! copied first.

use std::path::{Path, PathBuf};

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

/// Where the database file stays as it was before it was brought to a schema newer than `schema`.
pub(super) fn kept_before(path: &Path, schema: u32) -> PathBuf {
    path.with_extension(format!("before-schema-{}.db", schema + 1))
}

/// Applies what is missing to the file at `path` (none: it is in memory). A file written by a newer release is refused.
pub(super) fn migrate(connection: &mut Connection, path: Option<&Path>) -> Result<(), StoreError> {
    let known = known();
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    if let Some(path) = path
        && (1..known).contains(&found)
    {
        // Nobody writes meanwhile: the write lock is held.
        keep(path, &kept_before(path, found))?;
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

/// A file that was not finished, and what SQLite has beside it.
fn remove(draft: &Path) {
    for beside in ["", "-journal", "-wal", "-shm"] {
        let mut name = draft.to_path_buf().into_os_string();
        name.push(beside);
        let _ = std::fs::remove_file(name);
    }
}

/// Copies the file under another name first: a copy that has its name is whole. Whoever holds the write lock is alone with that
/// name, and takes away what was left of an attempt that was cut off.
fn keep(path: &Path, kept: &Path) -> Result<(), StoreError> {
    let draft = path.with_extension("before.draft");
    remove(&draft);
    super::copy::copy(path, &draft, &mut |_, _| true).inspect_err(|_| remove(&draft))?;
    std::fs::rename(&draft, kept)
        .and_then(|()| std::fs::File::open(kept.parent().unwrap_or(Path::new(".")))?.sync_all())
        .map_err(|error| StoreError::Disk(format!("{}: {error}", kept.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::process::{Command, Stdio};

    use crate::store::audit::AuditView as _;
    use crate::store::records::{IndexView as _, RecordView as _};

    /// What a node of the first schema has.
    const FIRST: &str = "INSERT INTO resource VALUES ('Patient', 'p', 2, 'p', '2', NULL, '{\"v\":2}', NULL);
         INSERT INTO resource_history VALUES ('Patient', 'p', 1, '1', NULL, '{\"v\":1}', NULL);
         INSERT INTO resource_history VALUES ('Patient', 'p', 2, '2', NULL, '{\"v\":2}', NULL);
         INSERT INTO search_token VALUES ('Patient', 'p', 'p', 'identifier', 's', 'c');
         INSERT INTO search_text VALUES ('Patient', 'p', 'name', 'n');
         INSERT INTO search_reference VALUES ('Patient', 'p', 'organization', 'Organization/o');
         INSERT INTO search_date VALUES ('Patient', 'p', 'p', 'birthdate', '2000-01-01T00:00:00.000Z', '2001-01-01T00:00:00.000Z');
         INSERT INTO search_quantity VALUES ('Patient', 'p', 'p', 'value-quantity', 'kg', 1.5);
         INSERT INTO message (id, channel, source, kind, received_at, raw, sha256, status, resources)
             VALUES ('m', 'mllp', 'LAB', 'ADT^A01', '2026-01-01T00:00:00.000Z', x'4d5348', '', 'translated', '[]');
         INSERT INTO audit VALUES (1, '2026-01-01T00:00:00.000Z', 'node', 'test', '', '', 'h');";

    /// A file as a release of schema `schema` left it.
    fn file_of(schema: usize, path: &Path) {
        let connection = crate::store::sqlite::connect(path).unwrap();
        for (step, migration) in (1..).zip(&MIGRATIONS[..schema]) {
            connection.execute_batch(migration.sql).unwrap();
            if let Some(then) = migration.then {
                then(&connection).unwrap();
            }
            connection.pragma_update(None, "user_version", step).unwrap();
            if step == 1 {
                connection.execute_batch(FIRST).unwrap();
            }
        }
    }

    fn version_of_whole(path: &Path) -> usize {
        let connection = Connection::open(path).unwrap();
        let told: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).unwrap();
        assert_eq!(told, "ok", "{}", path.display());
        version(&connection).unwrap() as usize
    }

    fn keeps_what_it_held(connection: &Connection) {
        let (words, ring) = (Default::default(), crate::store::sqlite::readers::tests::ring());
        let snapshot = crate::store::sqlite::Snapshot { connection, words: &words, ring: &ring };
        for number in [1, 2] {
            let found = snapshot.resource_version("Patient", "p", number).unwrap().unwrap();
            assert_eq!(found.json, format!("{{\"v\":{number}}}"));
        }
        assert_eq!(snapshot.audit_entries("", 1, 10).unwrap().len(), 1);
    }

    /// The process that is killed: see below.
    #[test]
    #[ignore = "only as the child of db_04"]
    fn child() {
        let path = std::env::var_os("WATARI_TEST_MIGRATE").unwrap();
        let path = Path::new(&path);
        migrate(&mut crate::store::sqlite::connect(path).unwrap(), Some(path)).unwrap();
    }

    /// Runs it under strace, which kills it at the call of this number, and gives whether it was.
    fn killed(path: &Path, call: &str, number: usize) -> bool {
        let me = std::env::current_exe().unwrap();
        let inject = format!("inject={call}:signal=SIGKILL:when={number}");
        let status = Command::new("strace")
            .args(["-f", "-q", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject])
            .arg(me)
            .args(["--exact", "store::sqlite::migrate::tests::child", "--ignored"])
            .env("WATARI_TEST_MIGRATE", path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        !status.success()
    }

    /// Killed at this call of a migration from `from`, a file is whole, of the old schema or the new; the next start brings it
    /// to the new one, and the copy of before is there. Gives whether there was such a call.
    fn is_unharmed(from: usize, call: &str, number: usize) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watari.db");
        file_of(from, &path);
        let was_killed = killed(&path, call, number);
        let kept = kept_before(&path, u32::try_from(from).unwrap());
        let found = version_of_whole(&path);
        assert!(found == from || found == MIGRATIONS.len(), "from {from}, {call} {number}: {found}");
        assert!(kept.exists() || found == from, "from {from}, {call} {number}: changed before there is a copy");
        let mut connection = crate::store::sqlite::connect(&path).unwrap();
        migrate(&mut connection, Some(&path)).unwrap();
        keeps_what_it_held(&connection);
        assert_eq!(version(&connection).unwrap() as usize, MIGRATIONS.len());
        assert_eq!(version_of_whole(&kept), from, "{call} {number}");
        let held: i64 = Connection::open(&kept)
            .unwrap()
            .query_row("SELECT COUNT(*) FROM message WHERE id = 'm' AND raw = x'4d5348'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(held, 1, "the copy is of before");
        assert!(!path.with_extension("before.draft").exists(), "no draft stays");
        was_killed
    }

    #[test]
    fn db_04_a_migration_killed_anywhere_is_undone_or_done_and_a_copy_of_before_is_there() {
        if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
            eprintln!("not run: strace is missing");
            return;
        }
        for from in 1..MIGRATIONS.len() {
            let mut kills = 0;
            for call in ["pwrite64", "fdatasync,fsync", "rename"] {
                let mut number = 1;
                while is_unharmed(from, call, number) {
                    kills += 1;
                    number = 2 * number + 1;
                }
            }
            assert!(kills >= 8, "from {from}: killed {kills} times only");
        }
    }

    /// A file of the first schema, with a resource of two versions and its search rows, is found again by the present code.
    #[test]
    fn a_file_of_the_first_schema_keeps_what_it_holds() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0].sql).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection.execute_batch(FIRST).unwrap();
        migrate(&mut connection, None).unwrap();
        assert_eq!(version(&connection).unwrap() as usize, MIGRATIONS.len());
        let snapshot = crate::store::sqlite::Snapshot {
            connection: &connection,
            words: &Default::default(),
            ring: &crate::store::sqlite::readers::tests::ring(),
        };
        keeps_what_it_held(&connection);
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
