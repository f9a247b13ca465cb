//! `[backup]`: copies of the database that the node makes by itself.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackupConfig {
    /// Folder they are written to; absent: none are made. It should be on another disk.
    pub folder: Option<PathBuf>,
    /// Hours from one to the next.
    pub every_hours: u64,
    /// How many stay; the oldest go.
    pub keep: usize,
    /// Whether the node's own keys are in them.
    pub keys: bool,
    /// File of a second key that opens them, beside the master key; then the master key is in them, too.
    pub recovery_key_file: Option<PathBuf>,
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self { folder: None, every_hours: 24, keep: 14, keys: true, recovery_key_file: None }
    }
}
