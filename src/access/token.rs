//! Bearer tokens for scripts and local systems. A token is shown once, when made; the store holds its digest.

use jiff::SignedDuration;

use super::limits::Limits;
use super::scope::Scopes;
use super::{AccessError, Role, Staff};
use crate::clock::{Clock, instant};
use crate::config::AccessConfig;
use crate::ids;
use crate::store::access::{ApiToken, Client};
use crate::store::audit::AuditEntry;
use crate::store::{Change, Changes, Handle, View};

/// No token lives longer than this, whatever was asked for (90 days).
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Makes a token for `role`, good for `ttl` but not longer than [`LONGEST`]. Blocks.
pub fn create(store: &Handle, clock: &dyn Clock, role: Role, ttl: SignedDuration) -> Result<String, AccessError> {
    let now = clock.now();
    let secret = ids::secret();
    let digest = ids::sha256_hex(secret.as_bytes());
    let expires = now.checked_add(ttl.min(LONGEST)).unwrap_or(now);
    let audit = AuditEntry {
        at: instant(now),
        actor: "node".to_owned(),
        action: "access.token".to_owned(),
        target: name(&digest),
        detail: serde_json::json!({"role": role.as_str(), "expires_at": instant(expires)}).to_string(),
    };
    let token = ApiToken {
        secret_sha256: digest,
        role: role.as_str().to_owned(),
        expires_at: instant(expires),
        client: None,
        scope: None,
    };
    store.commit(Changes::new().with(Change::PutToken(token)).with(Change::Audit(audit)))?;
    Ok(secret)
}

/// Who comes with this token at `now` (RFC 3339).
pub fn check(view: &dyn View, now: &str, bearer: &str) -> Result<Staff, AccessError> {
    let token = found(view, now, bearer)?;
    Ok(Staff { user: user(&token), role: token.role })
}

/// Somebody with a token, and what it may do at the FHIR API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub staff: Staff,
    /// What.
    pub scopes: Scopes,
    /// What is withheld from them.
    pub limits: Limits,
    /// The token ends, RFC 3339.
    pub expires_at: String,
}

/// Who comes with this token at `now`, with its scopes: those it was made with, or those of its role.
pub fn holder(view: &dyn View, config: &AccessConfig, now: &str, bearer: &str) -> Result<Holder, AccessError> {
    let token = found(view, now, bearer)?;
    let scopes = token.scope.as_deref().unwrap_or(scopes_of(token.role));
    let scopes = Scopes::parse(scopes).map_err(|_| AccessError::NoToken)?;
    let limits = match &token.client {
        Some(client) => Limits::of_client(config, client)?,
        None => Limits::of_role(config, token.role),
    };
    Ok(Holder { staff: Staff { user: user(&token), role: token.role }, scopes, limits, expires_at: token.expires_at })
}

/// A token that is good.
struct Found {
    digest: String,
    role: Role,
    client: Option<Client>,
    scope: Option<String>,
    expires_at: String,
}

fn found(view: &dyn View, now: &str, bearer: &str) -> Result<Found, AccessError> {
    let digest = ids::sha256_hex(bearer.as_bytes());
    let token = view.api_token(&digest)?.ok_or(AccessError::NoToken)?;
    if token.expires_at.as_str() <= now {
        return Err(AccessError::NoToken);
    }
    let role = Role::parse(&token.role).ok_or(AccessError::NoToken)?;
    let client = match token.client {
        // A token does not outlive its client's registration.
        Some(client) => Some(view.client(&client)?.ok_or(AccessError::NoToken)?),
        None => None,
    };
    Ok(Found { digest, role, client, scope: token.scope, expires_at: token.expires_at })
}

fn user(token: &Found) -> String {
    token.client.as_ref().map_or_else(|| name(&token.digest), |client| format!("client:{}", client.id))
}

/// What a role may do at the FHIR API, in scopes.
fn scopes_of(role: Role) -> &'static str {
    match role {
        Role::Clinician => "user/*.rs",
        Role::System => "system/*.cruds",
        Role::It => "system/AuditEvent.rs",
        Role::Researcher => "",
    }
}

/// The token of an `Authorization` header (RFC 6750 2.1; the scheme's case does not matter).
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// What a token is called in the audit trail: a piece of its digest, which cannot be used to come in.
fn name(digest: &str) -> String {
    format!("token:{}", digest.get(..12).unwrap_or(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_is_read() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer "), None);
        assert_eq!(bearer("abc"), None);
    }
}
