//! Backups that the running node makes by itself, and what there is of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::backup::{self, Made};
use super::{KeepingError, failed};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::Handle;

/// How the files of a node end.
pub const SUFFIX: &str = ".watari";
/// Between two looks whether one is due.
const LOOK: Duration = Duration::from_secs(60);
/// The time in a file's name.
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// The name of a backup that is made now.
pub fn file_name(config: &Config, now: Timestamp) -> String {
    format!("{}-{}{SUFFIX}", config.institution.id, now.strftime(STAMP))
}

/// The node's backups in a folder, oldest first, by the times in their names.
pub fn list(folder: &Path, institution: &str) -> Result<Vec<(Timestamp, PathBuf)>, KeepingError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let stamp = name.strip_prefix(institution).and_then(|rest| rest.strip_prefix('-'));
        let stamp = stamp.and_then(|rest| rest.strip_suffix(SUFFIX)).and_then(|stamp| stamp.strip_suffix('Z'));
        let at = stamp.and_then(|stamp| jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", stamp).ok());
        if let Some(at) = at.and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok()) {
            found.push((at.timestamp(), path));
        }
    }
    found.sort();
    Ok(found)
}

/// Makes a backup when the last one is `[backup] every_hours` old, and removes the oldest beyond `keep`. Runs until `stop`;
/// at once over where no folder is configured.
pub async fn run(config: Arc<Config>, store: Handle, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
    let stopping = Arc::new(AtomicBool::new(false));
    while config.backup.folder.is_some() && !*stop.borrow() {
        let (of, with, at, halt) = (config.clone(), store.clone(), clock.clone(), stopping.clone());
        let mut work = tokio::task::spawn_blocking(move || step(&of, &with, at.as_ref(), &halt));
        let done = tokio::select! {
            done = &mut work => done,
            _ = stop.changed() => {
                stopping.store(true, Ordering::Relaxed);
                let _ = work.await;
                return;
            }
        };
        match done {
            Ok(Ok(Some(made))) => {
                let (file, sha256) = (made.path.display(), &made.sha256);
                tracing::info!(%file, bytes = made.bytes, %sha256, "a backup was made");
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::error!(%error, "a backup that is due cannot be made; it is tried again"),
            Err(error) => tracing::error!(%error, "the making of a backup did not end"),
        }
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    let _ = stop.wait_for(|stopped| *stopped).await;
}

fn step(
    config: &Config,
    store: &Handle,
    clock: &dyn Clock,
    stopping: &AtomicBool,
) -> Result<Option<Made>, KeepingError> {
    let Some(folder) = &config.backup.folder else { return Ok(None) };
    let now = clock.now();
    let every = SignedDuration::from_hours(i64::try_from(config.backup.every_hours.max(1)).unwrap_or(i64::MAX / 3600));
    let there = list(folder, &config.institution.id)?;
    if there.last().is_some_and(|(at, _)| now.duration_since(*at) < every) {
        return Ok(None);
    }
    let to = folder.join(file_name(config, now));
    let mut goes_on = |_, _| !stopping.load(Ordering::Relaxed);
    let made = backup::create(config, store, clock, &to, config.backup.keys, &mut goes_on)?;
    let beyond = (there.len() + 1).saturating_sub(config.backup.keep.max(1));
    for (_, path) in there.into_iter().take(beyond) {
        std::fs::remove_file(&path).map_err(failed(&path))?;
    }
    Ok(Some(made))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::store::sqlite::SqliteStore;

    #[test]
    fn one_is_made_when_it_is_due_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let backups = folder.path().join("backups");
        std::fs::create_dir(&backups).unwrap();
        std::fs::write(backups.join("other-20260101T000000Z.watari"), "another node's").unwrap();
        std::fs::write(backups.join("unnamed-notes.txt"), "somebody's").unwrap();
        let mut config = Config::default();
        config.store.data = folder.path().join("data");
        config.backup.folder = Some(backups.clone());
        config.backup.keep = 2;
        let store = Handle::new(Arc::new(SqliteStore::open(&config.store.database()).unwrap()));
        let clock = TestClock::new("2026-11-01T00:00:00Z".parse().unwrap());
        let halt = AtomicBool::new(false);
        for day in 1..=3 {
            let made = step(&config, &store, &clock, &halt).unwrap().unwrap();
            assert_eq!(made.path, backups.join(format!("unnamed-2026110{day}T000000Z.watari")));
            assert_eq!(step(&config, &store, &clock, &halt).unwrap(), None, "not due");
            clock.advance(SignedDuration::from_hours(24));
        }
        let left = list(&backups, "unnamed").unwrap();
        let days: Vec<_> = left.iter().map(|(at, _)| at.strftime("%d").to_string()).collect();
        assert_eq!(days, ["02", "03"]);
        assert_eq!(std::fs::read_dir(&backups).unwrap().count(), 4, "what is not this node's stays");
        let halted = step(&config, &store, &clock, &AtomicBool::new(true));
        let data = std::fs::read_dir(&config.store.data).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(data.into_iter().all(|name| !name.to_string_lossy().starts_with(".keeping")), "no plain copy stays");
        assert!(halted.is_err() || left.len() == 2, "a small database may be done before it is asked");
    }
}
