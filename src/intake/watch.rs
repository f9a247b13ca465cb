//! A live folder: what is written into it is taken in once it stands still. The system's own notices make it quick; a
//! rescan behind them makes it sure, because network shares lose notices and some give none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::feed::{self, Feed};
use super::ledger::Ledger;
use super::{Intake, IntakeError, Summary, Tell, folder};

/// How long a stop may go unnoticed.
const NAP: Duration = Duration::from_millis(100);

/// How a folder is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// A file is taken in when it looked the same for so long.
    pub settle: Duration,
    /// The whole folder is looked through at least so often.
    pub rescan: Duration,
}

/// Takes in what is new at `root`, and goes on doing so until `stop` is true.
pub fn watch(
    intake: &Intake,
    feed: &Feed,
    root: &Path,
    pace: Pace,
    stop: &AtomicBool,
    tell: &mut Tell<'_>,
) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    let mut waiting = Waiting { feed, root, files: BTreeMap::new() };
    let mut ledger = Ledger::new(intake, feed.channel(), root.display().to_string());
    let (watcher, notices) = notices(root);
    if watcher.is_none() {
        tracing::warn!(
            channel = feed.channel(),
            "the system gives no notices of this folder; it is looked through by rescan"
        );
    }
    let turns = (pace.rescan.as_millis() / pace.settle.as_millis().max(1)).max(1);
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        if turn % turns == 0 {
            match feed::changed(feed, &ledger, root) {
                Ok(paths) => waiting.add(paths),
                // A share that is away comes back; what was in it is found then.
                Err(IntakeError::Unreadable { cause, .. }) => {
                    tracing::warn!(channel = feed.channel(), %cause, "a watched folder cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        turn += 1;
        waiting.add(notices.try_iter().flatten());
        for path in waiting.settled() {
            let name = folder::below(root, &path);
            let taken = feed::take_new(intake, feed, &mut ledger, &name, &path, tell)?;
            // A file written again without a change is no event of the feed.
            summary.add(&Summary { unchanged: 0, ..taken });
        }
        ledger.write()?;
        nap(pace.settle, stop);
    }
    Ok(summary)
}

/// Files that were seen to change and may still be written.
struct Waiting<'a> {
    feed: &'a Feed,
    root: &'a Path,
    files: BTreeMap<PathBuf, Option<String>>,
}

impl Waiting<'_> {
    /// A folder that appeared may have got files before it was watched.
    fn add(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        for path in paths {
            if path != self.root && std::fs::symlink_metadata(&path).is_ok_and(|kind| kind.is_dir()) {
                let below = folder::list(&path).map(|listing| listing.files).unwrap_or_default();
                self.files.extend(below.into_iter().map(|path| (path, None)));
            } else {
                self.files.entry(path).or_insert(None);
            }
        }
        let (feed, root) = (self.feed, self.root);
        self.files.retain(|path, _| feed::concerns(feed, root, path));
    }

    /// Those that look as they did a turn ago, in the order they are taken in. The others wait on.
    fn settled(&mut self) -> Vec<PathBuf> {
        let mut settled = Vec::new();
        let mut gone = Vec::new();
        for (path, before) in &mut self.files {
            match folder::fingerprint(path) {
                None => gone.push(path.clone()),
                now if now == *before => settled.push(path.clone()),
                now => *before = now,
            }
        }
        for path in gone.iter().chain(&settled) {
            self.files.remove(path);
        }
        feed::in_order(self.feed, self.root, &mut settled);
        settled
    }
}

/// The system's notices of what changed below `root`; none where it gives none.
fn notices(root: &Path) -> (Option<RecommendedWatcher>, Receiver<Vec<PathBuf>>) {
    let (sender, receiver) = channel();
    let tell = move |event: notify::Result<notify::Event>| {
        if let Ok(event) = event
            && !event.kind.is_access()
        {
            let _ = sender.send(event.paths);
        }
    };
    let watcher = notify::recommended_watcher(tell).and_then(|mut watcher| {
        watcher.watch(root, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    (watcher.ok(), receiver)
}

fn nap(time: Duration, stop: &AtomicBool) {
    let mut left = time;
    while !left.is_zero() && !stop.load(Ordering::Relaxed) {
        let now = left.min(NAP);
        std::thread::sleep(now);
        left -= now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_still_being_written_waits() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.hl7");
        std::fs::write(&path, "MSH").unwrap();
        let mut waiting = Waiting { feed: &Feed::Hl7v2, root: root.path(), files: BTreeMap::new() };
        waiting.add([path.clone(), root.path().join("other.txt")]);
        assert!(waiting.settled().is_empty(), "seen for the first time");
        std::fs::write(&path, "MSH|^~\\&|more").unwrap();
        assert!(waiting.settled().is_empty(), "it has grown");
        assert_eq!(waiting.settled(), std::slice::from_ref(&path));
        assert!(waiting.settled().is_empty(), "taken once");
        waiting.add([path.clone()]);
        std::fs::remove_file(&path).unwrap();
        assert!(waiting.settled().is_empty() && waiting.files.is_empty(), "gone");
    }
}
