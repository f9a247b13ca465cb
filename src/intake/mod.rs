//! A record comes in: bytes are kept, translated, harmonised and accepted — or kept aside with the reason.
//!
//! [`receive::receive`] is the whole path. The other files are doors: MLLP, and feeds of SS-MIX2 folders, CSV files, HL7 v2,
//! C-CDA and FHIR files ([`feed`]), also while they are being filled ([`watch`]).

pub mod batch;
pub mod ccda;
pub mod csv;
pub mod feed;
pub mod fhir;
pub mod folder;
pub mod hl7v2;
pub mod ledger;
pub mod mllp;
pub mod pages;
mod provenance;
pub mod ranking;
pub mod receive;
pub mod sql;
pub mod ssmix2;
pub mod watch;

use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::harmonise::Catalog;
use crate::store::Handle;
use crate::translate::{Mappings, Refused, RefusedCode, Setting};

/// What every door of the intake needs. Compiled once at start.
#[derive(Clone)]
pub struct Intake {
    /// The record and the received messages.
    pub store: Handle,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Mapping rows.
    pub mappings: Arc<Mappings>,
    /// Units, analytes, code maps.
    pub catalog: &'static Catalog,
    /// Country, zone and namespaces of the institution.
    pub setting: Arc<Setting>,
}

/// What a feed tells while it is taken in. Names are below the feed's root; they may hold patient numbers, so they are
/// shown to the person who runs the import and not logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<'a> {
    /// So many more files are there to be looked at.
    Found(u64),
    /// This file was looked at.
    Done(&'a str),
    /// This file is none of the feed's.
    Skipped(&'a str),
    /// Something about this file that a person should know.
    Warning {
        /// The file.
        source: &'a str,
        /// What.
        text: &'a str,
    },
}

/// Who is told.
pub type Tell<'a> = dyn FnMut(Told<'_>) + 'a;

/// Reads a file of a feed. One that cannot be read is quarantined by name, and the feed goes on: one locked file must not
/// hold up a storage.
fn read_file(
    intake: &Intake,
    channel: &str,
    source: &str,
    path: &Path,
    summary: &mut Summary,
) -> Result<Option<Vec<u8>>, IntakeError> {
    match folder::read(path) {
        Ok(raw) => Ok(Some(raw)),
        Err(IntakeError::Unreadable { cause, .. }) => {
            cannot_be_read(intake, channel, source, &cause, summary)?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Quarantines a file or folder by name.
fn cannot_be_read(
    intake: &Intake,
    channel: &str,
    source: &str,
    cause: &str,
    summary: &mut Summary,
) -> Result<(), IntakeError> {
    let reason = format!("the file cannot be read ({cause}); mend it and import it again");
    let refused =
        Refused { kind: "?".to_owned(), control_id: None, reason, place: None, code: RefusedCode::Unreadable };
    let incoming = receive::Incoming { channel, source, raw: &[] };
    summary.count(&receive::receive(intake, incoming, Err(refused))?);
    Ok(())
}

/// Whether these bytes were taken in before from this source.
fn is_known(intake: &Intake, channel: &str, source: &str, raw: &[u8]) -> Result<bool, IntakeError> {
    let sha256 = crate::ids::sha256_hex(raw);
    Ok(intake.store.view(|view| view.is_known(channel, source, &sha256))?)
}

/// What became of a batch of inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Messages taken up: each is translated or quarantined.
    pub received: u64,
    /// In the record.
    pub translated: u64,
    /// Kept aside with a reason.
    pub quarantined: u64,
    /// Resources written (new versions).
    pub resources: u64,
    /// Files that are no messages: listed, not taken in.
    pub skipped: u64,
    /// Files and messages that were taken in before and are as they were.
    pub unchanged: u64,
    /// What a person should know about files as a whole, such as a batch whose trailer counts otherwise.
    pub warnings: u64,
}

impl Summary {
    /// Adds one outcome.
    pub fn count(&mut self, received: &receive::Received) {
        self.received += 1;
        if received.quarantined.is_none() {
            self.translated += 1;
        } else {
            self.quarantined += 1;
        }
        self.resources += received.written;
    }

    /// Counts a warning about a file and tells it.
    fn warn(&mut self, source: &str, text: &str, tell: &mut Tell<'_>) {
        self.warnings += 1;
        tell(Told::Warning { source, text });
    }

    /// Adds another summary.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.translated += other.translated;
        self.quarantined += other.quarantined;
        self.resources += other.resources;
        self.skipped += other.skipped;
        self.unchanged += other.unchanged;
        self.warnings += other.warnings;
    }
}

/// Taking in stopped: the input cannot be read or the store failed. What was taken in before stands.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// A file or folder cannot be read.
    #[error("{path}: {cause}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        cause: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl crate::fault::Classified for IntakeError {
    fn kind(&self) -> crate::fault::Kind {
        match self {
            Self::Unreadable { .. } => crate::fault::Kind::Configuration,
            Self::Store(error) => error.kind(),
        }
    }
}
