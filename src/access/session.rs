//! One-time sign-in links and browser sessions. The store holds SHA-256 digests only: whoever reads the database cannot
//! sign in with what is found there. Secrets have 256 random bits, so a plain digest needs no salt.

use jiff::SignedDuration;

use super::{AccessError, Role, Staff};
use crate::clock::{Clock, instant};
use crate::ids;
use crate::store::access::{Session, SignInLink};
use crate::store::audit::AuditEntry;
use crate::store::{Change, Changes, CommitError, Expect, Handle, View};

/// Name of the session cookie.
pub const COOKIE: &str = "watari_session";
/// A link not used within this many hours is dead.
pub const LINK_HOURS: i64 = 24;
/// A session ends after this many hours, used or not.
pub const SESSION_HOURS: i64 = 12;

/// A session just opened: its secret goes into the cookie and nowhere else.
#[derive(Clone)]
pub struct Opened {
    /// The cookie's value.
    pub secret: String,
    /// The session as stored.
    pub session: Session,
}

/// Makes a one-time link for `user`; gives its secret, to be shown once as `/sign-in/{secret}`. Blocks.
pub fn create_link(store: &Handle, clock: &dyn Clock, user: &str, role: Role) -> Result<String, AccessError> {
    let now = clock.now();
    let secret = ids::secret();
    let link = SignInLink {
        secret_sha256: ids::sha256_hex(secret.as_bytes()),
        user: user.to_owned(),
        role: role.as_str().to_owned(),
        expires_at: instant(later(now, LINK_HOURS)),
        used: false,
    };
    let audit = entry(instant(now), "node", "access.link", user, role);
    store.commit(Changes::new().with(Change::PutLink(link)).with(Change::Audit(audit)))?;
    Ok(secret)
}

/// Who would be signed in by this link, if it is still good. Looking does not use it up.
pub fn peek(view: &dyn View, now: &str, secret: &str) -> Result<Staff, AccessError> {
    let link = view.sign_in_link(&ids::sha256_hex(secret.as_bytes()))?.ok_or(AccessError::SpentLink)?;
    if link.used || link.expires_at.as_str() <= now {
        return Err(AccessError::SpentLink);
    }
    let role = Role::parse(&link.role).ok_or(AccessError::SpentLink)?;
    Ok(Staff { user: link.user, role })
}

/// Uses the link up and opens a session with a new secret. Of two attempts at once, one succeeds. Blocks.
pub fn redeem(store: &Handle, clock: &dyn Clock, secret: &str) -> Result<Opened, AccessError> {
    let now = clock.now();
    let staff = store.view(|view| peek(view, &instant(now), secret))?;
    let link = ids::sha256_hex(secret.as_bytes());
    let cookie = ids::secret();
    let session = Session {
        secret_sha256: ids::sha256_hex(cookie.as_bytes()),
        user: staff.user.clone(),
        role: staff.role.as_str().to_owned(),
        form_token: ids::secret(),
        expires_at: instant(later(now, SESSION_HOURS)),
    };
    let audit = entry(instant(now), &format!("user:{}", staff.user), "access.sign-in", &staff.user, staff.role);
    let changes = Changes::new()
        .expecting(Expect::LinkUnused { secret_sha256: link.clone() })
        .with(Change::UseLink { secret_sha256: link })
        .with(Change::PutSession(session.clone()))
        .with(Change::Audit(audit));
    match store.commit(changes) {
        Ok(()) => Ok(Opened { secret: cookie, session }),
        Err(CommitError::Unexpected(_)) => Err(AccessError::SpentLink),
        Err(error) => Err(error.into()),
    }
}

/// The person behind a session cookie, if the session is alive at `now` (RFC 3339).
pub fn find(view: &dyn View, now: &str, secret: &str) -> Result<(Staff, Session), AccessError> {
    let session = view.session(&ids::sha256_hex(secret.as_bytes()))?.ok_or(AccessError::NoSession)?;
    if session.expires_at.as_str() <= now {
        return Err(AccessError::NoSession);
    }
    let role = Role::parse(&session.role).ok_or(AccessError::NoSession)?;
    Ok((Staff { user: session.user.clone(), role }, session))
}

/// Ends a session at once. Blocks.
pub fn end(store: &Handle, clock: &dyn Clock, staff: &Staff, session: &Session) -> Result<(), AccessError> {
    let at = instant(clock.now());
    let audit = entry(at, &format!("user:{}", staff.user), "access.sign-out", &staff.user, staff.role);
    let ended = Change::EndSession { secret_sha256: session.secret_sha256.clone() };
    store.commit(Changes::new().with(ended).with(Change::Audit(audit)))?;
    Ok(())
}

/// `Set-Cookie` of an opened session. `Strict`: no other site can send a request with it.
pub fn cookie(opened: &Opened) -> String {
    let seconds = SESSION_HOURS * 3600;
    format!("{COOKIE}={}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict", opened.secret)
}

/// `Set-Cookie` that removes the session cookie.
pub fn removed_cookie() -> String {
    format!("{COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict")
}

/// Equality that takes the same time wherever the first difference is.
pub fn same_secret(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn later(now: jiff::Timestamp, hours: i64) -> jiff::Timestamp {
    now.checked_add(SignedDuration::from_hours(hours)).unwrap_or(jiff::Timestamp::MAX)
}

fn entry(at: String, actor: &str, action: &str, user: &str, role: Role) -> AuditEntry {
    let detail = serde_json::json!({"role": role.as_str()}).to_string();
    AuditEntry { at, actor: actor.to_owned(), action: action.to_owned(), target: format!("user:{user}"), detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_compare_whole() {
        assert!(same_secret("abc", "abc"));
        assert!(!same_secret("abc", "abd"));
        assert!(!same_secret("abc", "ab"));
        assert!(!same_secret("", "a"));
    }

    #[test]
    fn cookie_cannot_leave() {
        let session = Session {
            secret_sha256: String::new(),
            user: String::new(),
            role: String::new(),
            form_token: String::new(),
            expires_at: String::new(),
        };
        let text = cookie(&Opened { secret: "s".to_owned(), session });
        for attribute in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
            assert!(text.contains(attribute), "{text} lacks {attribute}");
        }
    }
}
