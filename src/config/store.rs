//! `[store]`: where the node keeps its database and keys.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the node keeps what it owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Folder of the database (`watari.db`) and, unless said otherwise, the keys. Readable by the node's user only.
    pub data: PathBuf,
    /// Folder of private keys and certificate; absent: `keys` in the data folder.
    pub keys: Option<PathBuf>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { data: PathBuf::from("var"), keys: None }
    }
}

impl StoreConfig {
    /// The SQLite file.
    pub fn database(&self) -> PathBuf {
        self.data.join("watari.db")
    }

    /// The folder of private keys and certificates.
    pub fn keys(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.data.join("keys"))
    }
}
