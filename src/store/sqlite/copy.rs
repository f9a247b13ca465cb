//! A copy of the file as it is at one moment, while others read and write it.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::store::StoreError;

/// Pages copied between two looks at whether it goes on: 1 MiB.
const STEP: i32 = 256;
/// Until the target, which nobody else knows, is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// Copies the database `from` into the file `to`, which nobody else knows. Writers go on: in WAL mode a reading
/// transaction, which gives the copy its one moment, only keeps the log from being emptied.
pub(super) fn copy(from: &Path, to: &Path, goes_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<(), StoreError> {
    super::create_private(to)?;
    let source = super::connect(from)?;
    let mut target = Connection::open(to)?;
    // Made durable once, at the end.
    target.pragma_update(None, "synchronous", "OFF")?;
    source.execute_batch("BEGIN")?;
    // The moment.
    source.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let copied = pages(&source, &mut target, goes_on);
    source.execute_batch("COMMIT")?;
    copied?;
    // One file, without a log beside it.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    target.close().map_err(|(_, error)| error)?;
    std::fs::File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(|error| StoreError::Disk(format!("{}: {error}", to.display())))
}

fn pages(
    source: &Connection,
    target: &mut Connection,
    goes_on: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<(), StoreError> {
    let backup = Backup::new(source, target)?;
    loop {
        match backup.step(STEP)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => std::thread::sleep(PAUSE),
        }
        let progress = backup.progress();
        let (all, left) = (progress.pagecount.max(0).cast_unsigned(), progress.remaining.max(0).cast_unsigned());
        if !goes_on(u64::from(all.saturating_sub(left)), u64::from(all)) {
            return Err(StoreError::Closed);
        }
    }
}
