//! A record comes in: bytes are kept, translated, harmonised and accepted — or kept aside with the reason.
//!
//! [`receive::receive`] is the whole path. The other files are doors: MLLP, SS-MIX2 folders, CSV files, C-CDA documents, FHIR bundles.

pub mod ccda;
pub mod csv;
pub mod fhir;
pub mod folder;
pub mod hl7v2;
pub mod mllp;
pub mod pages;
mod provenance;
pub mod ranking;
pub mod receive;
pub mod ssmix2;

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
            let reason = format!("the file cannot be read ({cause}); mend it and import it again");
            let refused =
                Refused { kind: "?".to_owned(), control_id: None, reason, place: None, code: RefusedCode::Unreadable };
            let incoming = receive::Incoming { channel, source, raw: &[] };
            summary.count(&receive::receive(intake, incoming, Err(refused))?);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Says whether these bytes of this source are to be passed over.
type Known<'a> = dyn Fn(&str, &[u8]) -> Result<bool, IntakeError> + 'a;

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

    /// Adds another summary.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.translated += other.translated;
        self.quarantined += other.quarantined;
        self.resources += other.resources;
        self.skipped += other.skipped;
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
