//! Paired institutions and invitations.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Snapshot;
use crate::store::StoreError;
use crate::store::peers::{Invite, Peer, PeerView};

const COLUMNS: &str = "id, names, country, url, certificate_sha256, signing_key, status, paired_at, services";

fn read(row: &Row<'_>) -> rusqlite::Result<Peer> {
    Ok(Peer {
        id: row.get(0)?,
        names: row.get(1)?,
        country: row.get(2)?,
        url: row.get(3)?,
        certificate_sha256: row.get(4)?,
        signing_key: row.get(5)?,
        status: row.get(6)?,
        paired_at: row.get(7)?,
        services: row.get(8)?,
    })
}

pub(super) fn put(connection: &Connection, peer: &Peer) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO peer (id, names, country, url, certificate_sha256, signing_key, status, paired_at,
             services) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            peer.id,
            peer.names,
            peer.country,
            peer.url,
            peer.certificate_sha256,
            peer.signing_key,
            peer.status,
            peer.paired_at,
            peer.services
        ])?;
    Ok(())
}

pub(super) fn open_invite(connection: &Connection, invite: &Invite) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO invite (secret_sha256, expires_at, used) VALUES (?1, ?2, ?3)")?
        .execute(params![invite.secret_sha256, invite.expires_at, invite.used])?;
    Ok(())
}

pub(super) fn invite_open(connection: &Connection, secret_sha256: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM invite WHERE secret_sha256 = ?1 AND used = 0)")?
        .query_row([secret_sha256], |row| row.get(0))
}

pub(super) fn use_invite(connection: &Connection, secret_sha256: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE invite SET used = 1 WHERE secret_sha256 = ?1")?.execute([secret_sha256])?;
    Ok(())
}

impl PeerView for Snapshot<'_> {
    fn peer(&self, id: &str) -> Result<Option<Peer>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM peer WHERE id = ?1");
        Ok(self.connection.prepare_cached(&sql)?.query_row([id], read).optional()?)
    }

    fn peer_by_certificate(&self, sha256: &str) -> Result<Option<Peer>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM peer WHERE certificate_sha256 = ?1");
        Ok(self.connection.prepare_cached(&sql)?.query_row([sha256], read).optional()?)
    }

    fn peers(&self) -> Result<Vec<Peer>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM peer ORDER BY id"))?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn any_open_invite(&self, now: &str) -> Result<bool, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM invite WHERE used = 0 AND expires_at > ?1)")?
            .query_row([now], |row| row.get(0))?)
    }

    fn invite(&self, secret_sha256: &str) -> Result<Option<Invite>, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT secret_sha256, expires_at, used FROM invite WHERE secret_sha256 = ?1")?
            .query_row([secret_sha256], |row| {
                Ok(Invite { secret_sha256: row.get(0)?, expires_at: row.get(1)?, used: row.get(2)? })
            })
            .optional()?)
    }
}
