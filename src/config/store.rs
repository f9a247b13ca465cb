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
    /// File of the master key; absent: `master.key` in the keys folder, made with a new database.
    pub master_key_file: Option<PathBuf>,
    /// Program and arguments that print the master key, instead of a file.
    pub master_key_command: Vec<String>,
    /// A PostgreSQL database shared by several replicas; absent: the SQLite file in the data folder.
    pub postgres: Option<PostgresConfig>,
}

/// `[store.postgres]`: the shared database, and which replica this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresConfig {
    /// `postgresql://USER@HOST:PORT/DATABASE`, several hosts with commas. Without the password: it stands in
    /// `password_file` or in the environment (`WATARI_POSTGRES_PASSWORD`).
    pub url: String,
    /// File whose first line is the password; readable by the node's user only.
    pub password_file: Option<PathBuf>,
    /// PEM file of the authority that made the server's certificate. Required for a server on another machine: the
    /// connection is TLS, and the server's name must stand in its certificate.
    pub authority: Option<PathBuf>,
    /// Name of this replica: it has a chain of its own in the audit trail. Letters, digits, `-`; each replica another.
    pub replica: String,
    /// Readers connected at once at most; one more connection writes and one listens.
    pub readers: usize,
    /// Received bytes, messages and documents are not sealed on PostgreSQL yet, as they are in the SQLite file. Without this word
    /// of yours that they may stand there plain, the node does not use the database.
    pub unsealed: bool,
}

impl PostgresConfig {
    /// The password, if one is given: from its file, else from the environment.
    pub fn password(&self) -> std::io::Result<Option<String>> {
        match &self.password_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
                Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
            }
            None => Ok(std::env::var("WATARI_POSTGRES_PASSWORD").ok()),
        }
    }
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            password_file: None,
            authority: None,
            replica: String::new(),
            readers: 8,
            unsealed: false,
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            data: PathBuf::from("var"),
            keys: None,
            master_key_file: None,
            master_key_command: Vec::new(),
            postgres: None,
        }
    }
}

impl StoreConfig {
    /// One source of the master key at most.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.master_key_file.is_some() && !self.master_key_command.is_empty() {
            true => Err("[store] has both master_key_file and master_key_command; name one".to_owned()),
            false => Ok(()),
        }
    }

    /// The SQLite file.
    pub fn database(&self) -> PathBuf {
        self.data.join("watari.db")
    }

    /// The folder of private keys and certificates.
    pub fn keys(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.data.join("keys"))
    }
}
