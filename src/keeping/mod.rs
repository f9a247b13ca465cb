//! What keeps the node's data beyond its database: backups, their check and their restoring (docs/KEEPING.md).

mod archive;
pub mod backup;
pub mod restore;
pub mod schedule;
pub mod verify;

use std::path::{Path, PathBuf};

use crate::audit::AuditError;
use crate::exchange::evidence::EvidenceError;
use crate::exchange::identity::IdentityError;
use crate::exchange::jws::JwsError;
use crate::fault::{Classified, Kind};
use crate::store::sealing::SealError;
use crate::store::{CommitError, StoreError};

pub use archive::{Header, Part};

/// Something of a backup does not work. Tells of files and keys, never of contents.
#[derive(Debug, thiserror::Error)]
pub enum KeepingError {
    /// A file or folder.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Not of the form of a backup, changed, or cut off.
    #[error("{}: {why}", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It opens under none of the keys at hand.
    #[error(
        "the backup opens with the key of id {}; the one at hand has id {found}. Name the right one with --key FILE", needed.join(" or ")
    )]
    OtherKey {
        /// Ids of the keys that open it.
        needed: Vec<String>,
        /// Id of the key at hand.
        found: String,
    },
    /// Nothing is put over what is there.
    #[error("{} is not empty; a backup is restored into a new or empty folder. Nothing was changed", .0.display())]
    NotEmpty(PathBuf),
    /// What was received does not prove what it should.
    #[error("message {message_id} of {peer}: {why}")]
    Evidence {
        /// Sending institution.
        peer: String,
        /// Message id.
        message_id: String,
        /// Why.
        why: EvidenceError,
    },
    /// The audit trail is not the one that the backup was made of.
    #[error("the audit trail in the backup does not end where its header says")]
    OtherTrail,
    /// The audit trail does not hold.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The node's keys.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Signing.
    #[error(transparent)]
    Signing(#[from] JwsError),
    /// A key.
    #[error(transparent)]
    Sealing(#[from] SealError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Classified for KeepingError {
    fn kind(&self) -> Kind {
        match self {
            Self::File { .. } => Kind::Unavailable,
            Self::NotABackup { .. } | Self::Evidence { .. } | Self::OtherTrail => Kind::Unprocessable,
            Self::OtherKey { .. } | Self::NotEmpty(_) => Kind::Configuration,
            Self::Audit(error) => error.kind(),
            Self::Identity(error) => error.kind(),
            Self::Signing(error) => error.kind(),
            Self::Sealing(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Commit(error) => error.kind(),
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> KeepingError {
    let path = path.to_path_buf();
    |cause| KeepingError::File { path, cause }
}

/// A folder of its own for work on plain data, for the node's user only; it goes when this does.
struct Workshop(PathBuf);

/// How the folders of [`Workshop`] are called.
const WORKSHOP: &str = ".keeping-";

impl Workshop {
    /// In `folder`, which is made if it is missing.
    fn within(folder: &Path) -> Result<Self, KeepingError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = folder.join(format!("{WORKSHOP}{}", uuid::Uuid::new_v4().simple()));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
