//! Paired institutions, signing keys and invitations.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Snapshot;
use crate::store::PeerState;
use crate::store::StoreError;
use crate::store::peers::{Invite, Peer, PeerView, SigningKey};

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
            // Not REPLACE, which would delete another institution that has the same certificate.
            "INSERT INTO peer (id, names, country, url, certificate_sha256, signing_key, status, paired_at, services)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET names = ?2, country = ?3, url = ?4, certificate_sha256 = ?5,
                signing_key = ?6, status = ?7, paired_at = ?8, services = ?9",
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
    let key = SigningKey { institution: peer.id.clone(), jwk: peer.signing_key.clone(), since: peer.paired_at.clone() };
    keep_key(connection, &key)
}

/// A key that is kept already stays as it is.
pub(super) fn keep_key(connection: &Connection, key: &SigningKey) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO signing_key (institution, jwk, since) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute([&key.institution, &key.jwk, &key.since])?;
    Ok(())
}

pub(super) fn put_services(connection: &Connection, peer: &str, services: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE peer SET services = ?2 WHERE id = ?1")?.execute([peer, services])?;
    Ok(())
}

pub(super) fn peer_is(connection: &Connection, id: &str, state: Option<&PeerState>) -> rusqlite::Result<bool> {
    let found = connection
        .prepare_cached("SELECT status, certificate_sha256 FROM peer WHERE id = ?1")?
        .query_row([id], |row| Ok(PeerState { status: row.get(0)?, certificate_sha256: row.get(1)? }))
        .optional()?;
    Ok(found.as_ref() == state)
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

    fn signing_keys(&self, institution: &str) -> Result<Vec<SigningKey>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT institution, jwk, since FROM signing_key WHERE institution = ?1 ORDER BY since, rowid",
        )?;
        let rows = statement.query_map([institution], |row| {
            Ok(SigningKey { institution: row.get(0)?, jwk: row.get(1)?, since: row.get(2)? })
        })?;
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
