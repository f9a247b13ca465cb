//! Paired institutions, signing keys and invitations.

use tokio_postgres::Row;

use super::Snapshot;
use super::connection::{Batch, Connection, Failure};
use super::value::{get, values};
use crate::store::peers::{Invite, Peer, PeerView, SigningKey};
use crate::store::{PeerState, StoreError};

const COLUMNS: &str = "id, names, country, url, certificate_sha256, signing_key, status, paired_at, services";

fn read(row: &Row) -> Result<Peer, Failure> {
    Ok(Peer {
        id: get(row, 0)?,
        names: get(row, 1)?,
        country: get(row, 2)?,
        url: get(row, 3)?,
        certificate_sha256: get(row, 4)?,
        signing_key: get(row, 5)?,
        status: get(row, 6)?,
        paired_at: get(row, 7)?,
        services: get(row, 8)?,
    })
}

pub(super) fn put<'a>(batch: &mut Batch<'a>, peer: &'a Peer) {
    batch.add(
        "INSERT INTO peer (id, names, country, url, certificate_sha256, signing_key, status, paired_at, services)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET names = $2, country = $3, url = $4, certificate_sha256 = $5,
            signing_key = $6, status = $7, paired_at = $8, services = $9",
        values![
            &peer.id,
            &peer.names,
            &peer.country,
            &peer.url,
            &peer.certificate_sha256,
            &peer.signing_key,
            &peer.status,
            &peer.paired_at,
            &peer.services
        ],
    );
    put_key(batch, &peer.id, &peer.signing_key, &peer.paired_at);
}

/// A key that is kept already stays as it is.
pub(super) fn keep_key<'a>(batch: &mut Batch<'a>, key: &'a SigningKey) {
    put_key(batch, &key.institution, &key.jwk, &key.since);
}

fn put_key<'a>(batch: &mut Batch<'a>, institution: &'a str, jwk: &'a str, since: &'a str) {
    batch.add(
        "INSERT INTO signing_key (institution, jwk, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        values![institution, jwk, since],
    );
}

pub(super) fn put_services<'a>(batch: &mut Batch<'a>, peer: &'a str, services: &'a str) {
    batch.add("UPDATE peer SET services = $2 WHERE id = $1", values![peer, services]);
}

pub(super) fn peer_is(connection: &mut Connection, id: &str, state: Option<&PeerState>) -> Result<bool, Failure> {
    let row = connection.optional("SELECT status, certificate_sha256 FROM peer WHERE id = $1", &values![id])?;
    let found = match &row {
        Some(row) => Some(PeerState { status: get(row, 0)?, certificate_sha256: get(row, 1)? }),
        None => None,
    };
    Ok(found.as_ref() == state)
}

pub(super) fn open_invite<'a>(batch: &mut Batch<'a>, invite: &'a Invite) {
    batch.add(
        "INSERT INTO invite (secret_sha256, expires_at, used) VALUES ($1, $2, $3)",
        values![&invite.secret_sha256, &invite.expires_at, invite.used],
    );
}

pub(super) fn invite_open(connection: &mut Connection, secret_sha256: &str) -> Result<bool, Failure> {
    let sql = "SELECT EXISTS (SELECT 1 FROM invite WHERE secret_sha256 = $1 AND NOT used)";
    connection.is(sql, &values![secret_sha256])
}

pub(super) fn use_invite<'a>(batch: &mut Batch<'a>, secret_sha256: &'a str) {
    batch.add("UPDATE invite SET used = true WHERE secret_sha256 = $1", values![secret_sha256]);
}

impl PeerView for Snapshot<'_> {
    fn peer(&self, id: &str) -> Result<Option<Peer>, StoreError> {
        self.optional(&format!("SELECT {COLUMNS} FROM peer WHERE id = $1"), &values![id], read)
    }

    fn peer_by_certificate(&self, sha256: &str) -> Result<Option<Peer>, StoreError> {
        self.optional(&format!("SELECT {COLUMNS} FROM peer WHERE certificate_sha256 = $1"), &values![sha256], read)
    }

    fn peers(&self) -> Result<Vec<Peer>, StoreError> {
        self.rows(&format!("SELECT {COLUMNS} FROM peer ORDER BY id"), &[], read)
    }

    fn signing_keys(&self, institution: &str) -> Result<Vec<SigningKey>, StoreError> {
        let sql = "SELECT institution, jwk, since FROM signing_key WHERE institution = $1 ORDER BY since, place";
        self.rows(sql, &values![institution], |row| {
            Ok(SigningKey { institution: get(row, 0)?, jwk: get(row, 1)?, since: get(row, 2)? })
        })
    }

    fn any_open_invite(&self, now: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM invite WHERE NOT used AND expires_at > $1)";
        Ok(self.optional(sql, &values![now], |row| get(row, 0))?.unwrap_or(false))
    }

    fn invite(&self, secret_sha256: &str) -> Result<Option<Invite>, StoreError> {
        let sql = "SELECT secret_sha256, expires_at, used FROM invite WHERE secret_sha256 = $1";
        self.optional(sql, &values![secret_sha256], |row| {
            Ok(Invite { secret_sha256: get(row, 0)?, expires_at: get(row, 1)?, used: get(row, 2)? })
        })
    }
}
