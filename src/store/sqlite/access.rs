//! Sign-in links, sessions and API tokens.

use rusqlite::{Connection, OptionalExtension, params};

use super::Snapshot;
use crate::store::StoreError;
use crate::store::access::{AccessView, ApiToken, Session, SignInLink};

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

pub(super) fn put_token(connection: &Connection, token: &ApiToken) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO api_token (secret_sha256, role, expires_at) VALUES (?1, ?2, ?3)")?
        .execute([&token.secret_sha256, &token.role, &token.expires_at])?;
    Ok(())
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
            .prepare_cached("SELECT secret_sha256, role, expires_at FROM api_token WHERE secret_sha256 = ?1")?
            .query_row([secret_sha256], |row| {
                Ok(ApiToken { secret_sha256: row.get(0)?, role: row.get(1)?, expires_at: row.get(2)? })
            })
            .optional()?)
    }
}
