//! Older addresses of code systems. JP Core moved from OIDs to URLs; records written before carry the OIDs.

use rustc_hash::FxHashMap;

use serde::Deserialize;

use super::TableError;

/// Present addresses by older ones.
#[derive(Debug)]
pub struct Systems(FxHashMap<String, String>);

#[derive(Deserialize)]
struct Row {
    written: String,
    system: String,
}

impl Systems {
    /// Reads the table.
    pub fn read(table: &str, text: &str) -> Result<Self, TableError> {
        let rows = super::rows::<Row>(table, text)?;
        Ok(Self(rows.into_iter().map(|(_, row)| (row.written, row.system)).collect()))
    }

    /// The present address of a code system.
    pub fn present<'a>(&'a self, written: &'a str) -> &'a str {
        self.0.get(written).map_or(written, String::as_str)
    }

    /// The present and all older addresses of a code system.
    pub fn all<'a>(&'a self, written: &'a str) -> Vec<&'a str> {
        let present = self.present(written);
        let mut all = vec![present];
        all.extend(self.0.iter().filter(|(_, system)| system.as_str() == present).map(|(old, _)| old.as_str()));
        all[1..].sort_unstable();
        all
    }
}
