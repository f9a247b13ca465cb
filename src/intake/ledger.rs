//! Which files of a feed were taken in, by how they looked and what they held. A scan that dies is taken up where it
//! stopped: what was taken in without being noted is known by its message.

use super::{Intake, IntakeError};
use crate::ids;
use crate::store::messages::SeenFile;
use crate::store::{Change, Changes, CommitError, StoreError};

/// Notes kept back until they are written in one commit.
const MOST_WAITING: usize = 256;

/// The notes on one feed.
pub struct Ledger<'a> {
    intake: &'a Intake,
    channel: &'a str,
    feed: String,
    waiting: Vec<SeenFile>,
}

impl<'a> Ledger<'a> {
    /// Opens the notes on the feed of `channel` at `feed`, its path.
    pub fn new(intake: &'a Intake, channel: &'a str, feed: String) -> Self {
        Self { intake, channel, feed, waiting: Vec::new() }
    }

    /// How the file looked and what it held when it was last taken in.
    pub fn last(&self, source: &str) -> Result<Option<SeenFile>, IntakeError> {
        Ok(self.intake.store.view(|view| view.seen_file(self.channel, &self.feed, source))?)
    }

    /// Whether the file held these bytes when it was last taken in. One that came back to what it held before has changed.
    pub fn holds(&self, last: Option<&SeenFile>, source: &str, raw: &[u8]) -> Result<bool, IntakeError> {
        match last {
            Some(last) if !last.sha256.is_empty() => Ok(last.sha256 == ids::sha256_hex(raw)),
            _ => super::is_known(self.intake, self.channel, source, raw),
        }
    }

    /// Notes a file; `raw` is `None` where it was read as a stream.
    pub fn note(&mut self, source: &str, fingerprint: String, raw: Option<&[u8]>) -> Result<(), IntakeError> {
        self.waiting.push(SeenFile {
            channel: self.channel.to_owned(),
            feed: self.feed.clone(),
            source: source.to_owned(),
            fingerprint,
            sha256: raw.map(ids::sha256_hex).unwrap_or_default(),
        });
        if self.waiting.len() >= MOST_WAITING { self.write() } else { Ok(()) }
    }

    /// Writes the notes kept back.
    pub fn write(&mut self) -> Result<(), IntakeError> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let changes = Changes { changes: waiting.into_iter().map(Change::SawFile).collect(), ..Changes::new() };
        self.intake.store.commit(changes).map_err(|error| match error {
            CommitError::Store(error) => error.into(),
            CommitError::Unexpected(_) => StoreError::Database(error.to_string()).into(),
        })
    }
}
