//! Clients of SMART Backend Services: registered by IT with scopes and public keys, given short-lived tokens for a signed
//! assertion. A token is opaque; the store holds its digest, and it ends with its client's registration.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::assertion::{self, AssertionError, KeySetError};
use super::scope::{ScopeError, Scopes};
use super::{AccessError, Role};
use crate::clock::{Clock, instant};
use crate::config::AccessConfig;
use crate::fault::{Classified, Kind};
use crate::ids;
use crate::store::access::{ApiToken, Client};
use crate::store::audit::AuditEntry;
use crate::store::{Change, Changes, CommitError, Expect, Handle, StoreError};

/// Why a client cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// Its name.
    #[error("a client's name has 1 to 64 lower-case letters, digits and hyphens")]
    Name,
    /// Its scopes.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// No scope at all.
    #[error("name at least one scope")]
    NoScope,
    /// Its keys.
    #[error(transparent)]
    Keys(#[from] KeySetError),
    /// The commit.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Classified for RegistrationError {
    fn kind(&self) -> Kind {
        match self {
            Self::Commit(error) => error.kind(),
            _ => Kind::Malformed,
        }
    }
}

/// Registers a client, in place of one of this name, whose tokens end. Blocks.
pub fn register(
    store: &Handle,
    clock: &dyn Clock,
    id: &str,
    scope: &str,
    keys: &str,
) -> Result<Client, RegistrationError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
        return Err(RegistrationError::Name);
    }
    let scopes = Scopes::parse(scope)?;
    if scopes.is_empty() {
        return Err(RegistrationError::NoScope);
    }
    assertion::check_keys(keys)?;
    let at = instant(clock.now());
    let client = Client {
        id: id.to_owned(),
        scope: scopes.to_string(),
        keys: keys.to_owned(),
        registered_at: at.clone(),
        ..Client::default()
    };
    let detail = json!({"scope": client.scope, "keys_sha256": ids::sha256_hex(keys.as_bytes())});
    let audit = entry(at, "node", "access.client", id, &detail);
    store.commit(Changes::new().with(Change::PutClient(client.clone())).with(Change::Audit(audit)))?;
    Ok(client)
}

/// Removes a client; its tokens end. Blocks.
pub fn remove(store: &Handle, clock: &dyn Clock, id: &str) -> Result<(), AccessError> {
    let audit = entry(instant(clock.now()), "node", "access.client-removed", id, &json!({}));
    let gone = Change::RemoveClient { id: id.to_owned() };
    store.commit(Changes::new().with(gone).with(Change::Audit(audit)))?;
    Ok(())
}

/// What a client asks for, RFC 6749 section 4.4 and RFC 7523 section 2.2.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// The signed assertion.
    pub assertion: String,
    /// Scopes, separated by spaces.
    pub scope: String,
}

/// What it is given.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The token.
    pub token: String,
    /// Good for this many seconds.
    pub seconds: u64,
    /// Scopes granted.
    pub scope: String,
}

/// Why it is given nothing.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The assertion.
    #[error("the client assertion is not accepted")]
    Client(#[source] AssertionError),
    /// The scopes.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// None of the scopes is registered.
    #[error("none of these scopes is registered for this client")]
    NoScope,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a token for an assertion meant for the token address `audience`. Of two uses of one assertion, one succeeds. Blocks.
pub fn grant(
    store: &Handle,
    clock: &dyn Clock,
    config: &AccessConfig,
    audience: &str,
    request: &TokenRequest,
) -> Result<Granted, GrantError> {
    let now = clock.now();
    let skew = i64::try_from(config.clock_skew_seconds).unwrap_or(i64::MAX);
    let asserted = store
        .view(|view| assertion::verify(view, now.as_second(), skew, audience, &request.assertion))
        .map_err(|error| match error {
            AssertionError::Store(error) => GrantError::Store(error),
            error => GrantError::Client(error),
        })?;
    let client = asserted.client;
    let scope = Scopes::parse(&client.scope)?.grant(&Scopes::parse(&request.scope)?)?;
    if scope.is_empty() {
        return Err(GrantError::NoScope);
    }
    let life = SignedDuration::from_secs(i64::try_from(config.token_seconds).unwrap_or(0));
    let secret = ids::secret();
    let token = ApiToken {
        secret_sha256: ids::sha256_hex(secret.as_bytes()),
        role: Role::System.as_str().to_owned(),
        expires_at: instant(now.checked_add(life).unwrap_or(now)),
        client: Some(client.id.clone()),
        scope: Some(scope.to_string()),
    };
    let ends = Timestamp::from_second(asserted.exp.saturating_add(skew)).unwrap_or(now);
    let holder = format!("client:{}", client.id);
    let audit = entry(instant(now), &holder, "access.token", &client.id, &json!({"scope": token.scope}));
    let changes = Changes::new()
        .expecting(Expect::TokenUnused { peer: holder.clone(), jti: asserted.jti.clone() })
        .with(Change::UseToken { peer: holder, jti: asserted.jti, expires_at: instant(ends) })
        .with(Change::PutToken(token))
        .with(Change::Audit(audit));
    match store.commit(changes) {
        Ok(()) => Ok(Granted { token: secret, seconds: config.token_seconds, scope: scope.to_string() }),
        Err(CommitError::Unexpected(_)) => Err(GrantError::Client(AssertionError::Replayed)),
        Err(CommitError::Store(error)) => Err(error.into()),
    }
}

fn entry(at: String, actor: &str, action: &str, client: &str, detail: &serde_json::Value) -> AuditEntry {
    AuditEntry {
        at,
        actor: actor.to_owned(),
        action: action.to_owned(),
        target: format!("client:{client}"),
        detail: detail.to_string(),
    }
}
