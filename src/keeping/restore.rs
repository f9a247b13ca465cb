//! Putting a backup into a new folder. Nothing that waits in it leaves again by itself: what was sent since the backup was
//! made is not known there, so it is held until an operator lets it go. The audit trail goes on with an entry, signed by the
//! node's key, that says which backup it goes on from.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::archive::Header;
use super::verify::{self, Verified};
use super::{KeepingError, Workshop, failed};
use crate::clock::{Clock, instant};
use crate::config::Config;
use crate::exchange::identity::Identity;
use crate::store::audit::AuditEntry;
use crate::store::sealing::{MASTER_KEY, MasterKey, MasterSource};
use crate::store::{Change, Changes, Handle};

/// `typ` of what the node signs when it is restored.
pub const TYPE: &str = "watari-restored+jwt";

/// What the node signs in the entry `backup.restore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoredClaims {
    /// Institution.
    pub node: String,
    /// The backup's id.
    pub backup: String,
    /// SHA-256 of the backup file, hexadecimal.
    pub sha256: String,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// When it was restored, RFC 3339.
    pub restored_at: String,
    /// Entries of the trail of acts in it, before this one.
    pub entries: u64,
    /// Hash of the last of these.
    pub head: String,
}

/// A node that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What was checked.
    pub verified: Verified,
    /// Messages for partners that are held.
    pub held: usize,
    /// Messages for local systems that are held.
    pub held_filings: usize,
    /// Whether the entry in the audit trail is signed: the node's keys were there.
    pub is_signed: bool,
    /// Whether the master key stands in the folder.
    pub has_master_key: bool,
    /// Whether the node's own keys do.
    pub has_keys: bool,
}

/// Checks the backup `file`, which `key` opens, and puts it into the new or empty folder `to`. Blocks.
pub fn restore(
    config: &Config,
    clock: &dyn Clock,
    file: &Path,
    key: &MasterSource,
    to: &Path,
) -> Result<Restored, KeepingError> {
    if to.exists() && std::fs::read_dir(to).map_err(failed(to))?.next().is_some() {
        return Err(KeepingError::NotEmpty(to.to_path_buf()));
    }
    let workshop = Workshop::within(to)?;
    let folder = &workshop.0;
    let unpacked = verify::unpack(file, key, folder)?;
    let store = verify::open(config, &unpacked.header, key, folder)?;
    let verified = verify::check(config, &unpacked, &store, folder)?;
    let identity = verify::identity(config, &verified.header, folder);
    let (held, held_filings) = hold(&store, clock, &verified, identity.as_ref())?;
    drop(store);
    enclose_master_key(&verified.header, key, folder)?;
    // Each part is on the disk; now they get their places.
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        names.push(entry.map_err(failed(folder))?.file_name());
    }
    for name in names {
        std::fs::rename(folder.join(&name), to.join(&name)).map_err(failed(to))?;
    }
    std::fs::File::open(to).and_then(|folder| folder.sync_all()).map_err(failed(to))?;
    let keys = to.join("keys");
    Ok(Restored {
        held,
        held_filings,
        is_signed: identity.is_some(),
        has_master_key: keys.join(MASTER_KEY).exists(),
        has_keys: Identity::load(&keys).is_ok(),
        verified,
    })
}

/// In one commit: what waits is held, nobody is signed in any more, and the trail says so.
fn hold(
    store: &Handle,
    clock: &dyn Clock,
    verified: &Verified,
    identity: Option<&Identity>,
) -> Result<(usize, usize), KeepingError> {
    let Verified { header, sha256, .. } = verified;
    let end = header.chains.get("acts").cloned();
    let (entries, head) = end.map_or((0, String::new()), |end| (end.entries, end.hash));
    let claims = RestoredClaims {
        node: header.node.clone(),
        backup: header.id.clone(),
        sha256: sha256.clone(),
        made_at: header.made_at.clone(),
        restored_at: instant(clock.now()),
        entries,
        head,
    };
    let signature = identity.map(|identity| identity.sign(TYPE, &claims)).transpose()?;
    let detail = serde_json::json!({
        "sha256": sha256, "made_at": header.made_at, "entries": claims.entries, "head": claims.head, "signature": signature,
    });
    let entry = AuditEntry {
        at: claims.restored_at,
        actor: "system".to_owned(),
        action: "backup.restore".to_owned(),
        target: format!("backup/{}", header.id),
        detail: detail.to_string(),
    };
    let changes = Changes::new().with(Change::HoldWaiting).with(Change::EndAllSessions).with(Change::Audit(entry));
    store.commit(changes)?;
    store.view(|view| {
        let (held, filings) = (view.deliveries("held", usize::MAX)?, view.filings("held", usize::MAX)?);
        Ok((held.len(), filings.len()))
    })
}

/// The key that opened the backup is the master key of the database: the node finds it where it looks.
fn enclose_master_key(header: &Header, key: &MasterSource, folder: &Path) -> Result<(), KeepingError> {
    let enclosed = folder.join("keys").join(MASTER_KEY);
    let MasterSource::File { path, .. } = key else { return Ok(()) };
    if enclosed.exists() || MasterKey::load(key, false)?.id() != header.master_key {
        return Ok(());
    }
    use std::os::unix::fs::DirBuilderExt as _;
    let keys = folder.join("keys");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&keys).map_err(failed(&keys))?;
    // With the permissions of the file, which are its owner's alone: else it would not have been read.
    std::fs::copy(path, &enclosed).map_err(failed(&enclosed))?;
    std::fs::File::open(&enclosed).and_then(|file| file.sync_all()).map_err(failed(&enclosed))
}
