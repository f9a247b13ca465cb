//! The form of a backup file: one line that says what it is, a header that is plain and cannot be changed, and the parts,
//! sealed as one stream.
//!
//! The header names the keys that open the file. The key of the stream is random and stands in the header, wrapped under each
//! of them. The stream is bound to the header's digest.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{KeepingError, failed};
use crate::store::sealing::{MasterKey, OpeningReader, SealingWriter, StreamKey};

/// How every backup begins.
const MAGIC: &[u8; 16] = b"WATARI-BACKUP-1\n";
/// A header that is longer is not one.
const LONGEST_HEADER: u32 = 1 << 20;

/// What stands plain in a backup file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Tells the file from every other.
    pub id: String,
    /// Release that wrote it.
    pub release: String,
    /// Institution.
    pub node: String,
    /// RFC 3339.
    pub made_at: String,
    /// Schema version of the database.
    pub schema: u32,
    /// Id of the master key that the database needs.
    pub master_key: String,
    /// The audit chains as they ended: entries and last hash, by trail (`acts`, `requests`) and replica (`acts/a`).
    pub chains: BTreeMap<String, Head>,
    /// What is in the file, in this order.
    pub parts: Vec<Part>,
    /// The key of the stream, base64, by the id of the key that it is wrapped under.
    pub keys: BTreeMap<String, String>,
}

/// The end of an audit chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Entries.
    pub entries: u64,
    /// Hash of the last.
    pub hash: String,
}

/// One file in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Path below the data folder: `watari.db`, `watari.requests.db`, `watari.toml`, `keys/…`, `packages/…`.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
}

impl Part {
    /// Whether it may be written where its name says: one of the files that backups are made of, and nothing that leads out.
    fn is_known(&self) -> bool {
        let plain = |name: &str| {
            let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed)
        };
        match self.name.split_once('/') {
            None => matches!(
                self.name.as_str(),
                super::backup::DATABASE | super::backup::REQUESTS | super::backup::SETTINGS
            ),
            Some((folder, name)) => matches!(folder, "keys" | "packages") && plain(name),
        }
    }
}

/// Writes a backup: `header` without its keys, which are made here, one wrapping for each of `masters`, and for each part what
/// `open` gives. Nothing is durable yet.
pub(super) fn write<W: Write>(
    mut out: W,
    header: &mut Header,
    masters: &[&MasterKey],
    mut open: impl FnMut(&Part) -> Result<Box<dyn Read>, KeepingError>,
    path: &Path,
) -> Result<W, KeepingError> {
    let key = StreamKey::fresh()?;
    for master in masters {
        header.keys.insert(master.id().to_owned(), BASE64.encode(key.wrap(master, header.id.as_bytes())?));
    }
    let text = serde_json::to_vec(&header)
        .map_err(|error| KeepingError::File { path: path.to_path_buf(), cause: error.into() })?;
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
    let plain = [MAGIC.as_slice(), &length, &text].concat();
    out.write_all(&plain).map_err(failed(path))?;
    let mut sealed = SealingWriter::new(out, &key, &Sha256::digest(&plain))?;
    for part in &header.parts {
        let copied = std::io::copy(&mut open(part)?.take(part.bytes), &mut sealed).map_err(failed(path))?;
        if copied != part.bytes {
            let cause = std::io::Error::other(format!("{} became shorter meanwhile", part.name));
            return Err(KeepingError::File { path: path.to_path_buf(), cause });
        }
    }
    sealed.finish().map_err(failed(path))
}

/// Reads the header, and gives the digest that the stream is bound to.
pub(super) fn read_header(from: &mut impl Read, path: &Path) -> Result<(Header, Vec<u8>), KeepingError> {
    let no = |why: &str| KeepingError::NotABackup { path: path.to_path_buf(), why: why.to_owned() };
    let mut start = [0u8; MAGIC.len() + 4];
    from.read_exact(&mut start).map_err(|_| no("this is not a backup of Watari"))?;
    let (magic, length) = start.split_at(MAGIC.len());
    let length = length.try_into().map(u32::from_be_bytes).unwrap_or(u32::MAX);
    if magic != MAGIC || length > LONGEST_HEADER {
        return Err(no("this is not a backup of Watari, or one of a newer release"));
    }
    let mut text = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut text).map_err(failed(path))?;
    let header: Header = serde_json::from_slice(&text).map_err(|_| no("its header cannot be read"))?;
    if let Some(part) = header.parts.iter().find(|part| !part.is_known()) {
        return Err(no(&format!("it holds {:?}, which no backup holds", part.name)));
    }
    let digest = Sha256::new().chain_update(start).chain_update(&text).finalize().to_vec();
    Ok((header, digest))
}

/// Opens the stream behind the header and gives each part to `take`, which must read all of it. The end is checked, too.
pub(super) fn read_parts(
    from: impl Read,
    header: &Header,
    bound_to: &[u8],
    master: &MasterKey,
    path: &Path,
    mut take: impl FnMut(&Part, &mut dyn Read) -> Result<(), KeepingError>,
) -> Result<(), KeepingError> {
    let no = |why: &str| KeepingError::NotABackup { path: path.to_path_buf(), why: why.to_owned() };
    let wrapped = header.keys.get(master.id()).ok_or_else(|| KeepingError::OtherKey {
        needed: header.keys.keys().cloned().collect(),
        found: master.id().to_owned(),
    })?;
    let wrapped = BASE64.decode(wrapped).map_err(|_| no("its header was changed"))?;
    let key = StreamKey::unwrap(master, header.id.as_bytes(), &wrapped).ok_or_else(|| no("its header was changed"))?;
    let mut opened = OpeningReader::new(from, &key, bound_to)?;
    for part in &header.parts {
        let mut bytes = (&mut opened).take(part.bytes);
        take(part, &mut bytes)?;
        if bytes.limit() > 0 {
            return Err(no("it is cut off"));
        }
    }
    let behind = opened.read(&mut [0u8; 1]).map_err(|error| no(&error.to_string()))?;
    if behind > 0 { Err(no("there is more in it than its header says")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_leads_out_of_the_folder() {
        let part = |name: &str| Part { name: name.to_owned(), bytes: 0 };
        for good in ["watari.db", "watari.requests.db", "watari.toml", "keys/tls.pem", "packages/hl7.fhir.r4.core.tgz"]
        {
            assert!(part(good).is_known(), "{good}");
        }
        for bad in ["", "/etc/passwd", "keys/../x", "keys/..", "keys/", "keys/a/b", "..", "watari.db-wal", "other/x"] {
            assert!(!part(bad).is_known(), "{bad}");
        }
    }
}
