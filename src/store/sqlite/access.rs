//! Sign-in links, sessions and API tokens.

use rusqlite::{Connection, OptionalExtension, params};

use super::Snapshot;
use crate::store::StoreError;
use crate::store::access::{AccessView, ApiToken, Client, Session, SignInLink};

pub(super) fn put_link(connection: &Connection, link: &SignInLink) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO sign_in_link (secret_sha256, user, role, expires_at, used) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![link.secret_sha256, link.user, link.role, link.expires_at, link.used])?;
    Ok(())
}

pub(super) fn link_unused(connection: &Connection, secret_sha256: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sign_in_link WHERE secret_sha256 = ?1 AND used = 0)")?
        .query_row([secret_sha256], |row| row.get(0))
}

pub(super) fn use_link(connection: &Connection, secret_sha256: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE sign_in_link SET used = 1 WHERE secret_sha256 = ?1")?.execute([secret_sha256])?;
    Ok(())
}

pub(super) fn put_session(connection: &Connection, session: &Session) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO session (secret_sha256, user, role, form_token, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute([&session.secret_sha256, &session.user, &session.role, &session.form_token, &session.expires_at])?;
    Ok(())
}

pub(super) fn end_session(connection: &Connection, secret_sha256: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM session WHERE secret_sha256 = ?1")?.execute([secret_sha256])?;
    Ok(())
}

pub(super) fn end_all_sessions(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM session", [])?;
    connection.execute("DELETE FROM sign_in_link", [])?;
    Ok(())
}

pub(super) fn put_token(connection: &Connection, token: &ApiToken) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM api_token
             WHERE client IS NOT NULL AND expires_at < strftime('%Y-%m-%dT%H:%M:%fZ', ?1, '-1 hour')",
        )?
        .execute([&token.expires_at])?;
    connection
        .prepare_cached(
            "INSERT INTO api_token (secret_sha256, role, expires_at, client, scope) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![token.secret_sha256, token.role, token.expires_at, token.client, token.scope])?;
    Ok(())
}

pub(super) fn put_client(connection: &Connection, client: &Client) -> rusqlite::Result<()> {
    remove_client(connection, &client.id)?;
    connection
        .prepare_cached(
            "INSERT INTO client (id, scope, keys, keys_url, clearance, purpose, actors, registered_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            client.id,
            client.scope,
            client.keys,
            client.keys_url,
            client.clearance,
            client.purpose,
            client.actors,
            client.registered_at
        ])?;
    Ok(())
}

pub(super) fn remove_client(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM api_token WHERE client = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM client WHERE id = ?1")?.execute([id])?;
    Ok(())
}

fn read_client(row: &rusqlite::Row<'_>) -> rusqlite::Result<Client> {
    Ok(Client {
        id: row.get(0)?,
        scope: row.get(1)?,
        keys: row.get(2)?,
        keys_url: row.get(3)?,
        clearance: row.get(4)?,
        purpose: row.get(5)?,
        actors: row.get(6)?,
        registered_at: row.get(7)?,
    })
}

impl AccessView for Snapshot<'_> {
    fn sign_in_link(&self, secret_sha256: &str) -> Result<Option<SignInLink>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT secret_sha256, user, role, expires_at, used FROM sign_in_link WHERE secret_sha256 = ?1",
            )?
            .query_row([secret_sha256], |row| {
                Ok(SignInLink {
                    secret_sha256: row.get(0)?,
                    user: row.get(1)?,
                    role: row.get(2)?,
                    expires_at: row.get(3)?,
                    used: row.get(4)?,
                })
            })
            .optional()?)
    }

    fn session(&self, secret_sha256: &str) -> Result<Option<Session>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT secret_sha256, user, role, form_token, expires_at FROM session WHERE secret_sha256 = ?1",
            )?
            .query_row([secret_sha256], |row| {
                Ok(Session {
                    secret_sha256: row.get(0)?,
                    user: row.get(1)?,
                    role: row.get(2)?,
                    form_token: row.get(3)?,
                    expires_at: row.get(4)?,
                })
            })
            .optional()?)
    }

    fn api_token(&self, secret_sha256: &str) -> Result<Option<ApiToken>, StoreError> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT secret_sha256, role, expires_at, client, scope FROM api_token WHERE secret_sha256 = ?1",
            )?
            .query_row([secret_sha256], |row| {
                Ok(ApiToken {
                    secret_sha256: row.get(0)?,
                    role: row.get(1)?,
                    expires_at: row.get(2)?,
                    client: row.get(3)?,
                    scope: row.get(4)?,
                })
            })
            .optional()?)
    }

    fn client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        let sql =
            "SELECT id, scope, keys, keys_url, clearance, purpose, actors, registered_at FROM client WHERE id = ?1";
        Ok(self.connection.prepare_cached(sql)?.query_row([id], read_client).optional()?)
    }

    fn clients(&self) -> Result<Vec<Client>, StoreError> {
        let sql = "SELECT id, scope, keys, keys_url, clearance, purpose, actors, registered_at FROM client ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map([], read_client)?.collect::<Result<_, _>>()?)
    }
}
