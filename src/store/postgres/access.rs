//! Sign-in links, sessions and API tokens.

use super::Snapshot;
use super::connection::{Batch, Connection, Failure};
use super::value::{get, values};
use crate::store::StoreError;
use crate::store::access::{AccessView, ApiToken, Client, Session, SignInLink};

pub(super) fn put_link<'a>(batch: &mut Batch<'a>, link: &'a SignInLink) {
    batch.add(
        "INSERT INTO sign_in_link (secret_sha256, person, role, expires_at, used) VALUES ($1, $2, $3, $4, $5)",
        values![&link.secret_sha256, &link.user, &link.role, &link.expires_at, link.used],
    );
}

pub(super) fn link_unused(connection: &mut Connection, secret_sha256: &str) -> Result<bool, Failure> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sign_in_link WHERE secret_sha256 = $1 AND NOT used)";
    connection.is(sql, &values![secret_sha256])
}

pub(super) fn use_link<'a>(batch: &mut Batch<'a>, secret_sha256: &'a str) {
    batch.add("UPDATE sign_in_link SET used = true WHERE secret_sha256 = $1", values![secret_sha256]);
}

pub(super) fn put_session<'a>(batch: &mut Batch<'a>, session: &'a Session) {
    batch.add(
        "INSERT INTO session (secret_sha256, person, role, form_token, expires_at) VALUES ($1, $2, $3, $4, $5)",
        values![&session.secret_sha256, &session.user, &session.role, &session.form_token, &session.expires_at],
    );
}

pub(super) fn end_session<'a>(batch: &mut Batch<'a>, secret_sha256: &'a str) {
    batch.add("DELETE FROM session WHERE secret_sha256 = $1", values![secret_sha256]);
}

pub(super) fn end_all_sessions(batch: &mut Batch<'_>) {
    batch.add("DELETE FROM session", values![]);
    batch.add("DELETE FROM sign_in_link", values![]);
}

pub(super) fn put_token<'a>(batch: &mut Batch<'a>, token: &'a ApiToken) {
    batch.add(
        "DELETE FROM api_token WHERE client IS NOT NULL AND expires_at <
             to_char(($1::text::timestamptz - interval '1 hour') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
        values![&token.expires_at],
    );
    batch.add(
        "INSERT INTO api_token (secret_sha256, role, expires_at, client, scope) VALUES ($1, $2, $3, $4, $5)",
        values![&token.secret_sha256, &token.role, &token.expires_at, token.client.as_deref(), token.scope.as_deref()],
    );
}

pub(super) fn put_client<'a>(batch: &mut Batch<'a>, client: &'a Client) {
    remove_client(batch, &client.id);
    batch.add(
        "INSERT INTO client (id, scope, keys, keys_url, clearance, purpose, actors, registered_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        values![
            &client.id,
            &client.scope,
            &client.keys,
            client.keys_url.as_deref(),
            client.clearance.as_deref(),
            client.purpose.as_deref(),
            client.actors.as_deref(),
            &client.registered_at
        ],
    );
}

pub(super) fn remove_client<'a>(batch: &mut Batch<'a>, id: &'a str) {
    batch.add("DELETE FROM api_token WHERE client = $1", values![id]);
    batch.add("DELETE FROM client WHERE id = $1", values![id]);
}

fn read_client(row: &tokio_postgres::Row) -> Result<Client, Failure> {
    Ok(Client {
        id: get(row, 0)?,
        scope: get(row, 1)?,
        keys: get(row, 2)?,
        keys_url: get(row, 3)?,
        clearance: get(row, 4)?,
        purpose: get(row, 5)?,
        actors: get(row, 6)?,
        registered_at: get(row, 7)?,
    })
}

impl AccessView for Snapshot<'_> {
    fn sign_in_link(&self, secret_sha256: &str) -> Result<Option<SignInLink>, StoreError> {
        let sql = "SELECT secret_sha256, person, role, expires_at, used FROM sign_in_link WHERE secret_sha256 = $1";
        self.optional(sql, &values![secret_sha256], |row| {
            Ok(SignInLink {
                secret_sha256: get(row, 0)?,
                user: get(row, 1)?,
                role: get(row, 2)?,
                expires_at: get(row, 3)?,
                used: get(row, 4)?,
            })
        })
    }

    fn session(&self, secret_sha256: &str) -> Result<Option<Session>, StoreError> {
        let sql = "SELECT secret_sha256, person, role, form_token, expires_at FROM session WHERE secret_sha256 = $1";
        self.optional(sql, &values![secret_sha256], |row| {
            Ok(Session {
                secret_sha256: get(row, 0)?,
                user: get(row, 1)?,
                role: get(row, 2)?,
                form_token: get(row, 3)?,
                expires_at: get(row, 4)?,
            })
        })
    }

    fn api_token(&self, secret_sha256: &str) -> Result<Option<ApiToken>, StoreError> {
        let sql = "SELECT secret_sha256, role, expires_at, client, scope FROM api_token WHERE secret_sha256 = $1";
        self.optional(sql, &values![secret_sha256], |row| {
            Ok(ApiToken {
                secret_sha256: get(row, 0)?,
                role: get(row, 1)?,
                expires_at: get(row, 2)?,
                client: get(row, 3)?,
                scope: get(row, 4)?,
            })
        })
    }

    fn client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        let sql =
            "SELECT id, scope, keys, keys_url, clearance, purpose, actors, registered_at FROM client WHERE id = $1";
        self.optional(sql, &values![id], read_client)
    }

    fn clients(&self) -> Result<Vec<Client>, StoreError> {
        self.rows(
            "SELECT id, scope, keys, keys_url, clearance, purpose, actors, registered_at FROM client ORDER BY id",
            &[],
            read_client,
        )
    }
}
