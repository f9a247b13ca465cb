//! Clients of SMART Backend Services: registered by IT with scopes and public keys, given short-lived tokens for a signed
//! assertion. A token is opaque; the store holds its digest, and it ends with its client's registration.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::assertion::{self, AssertionError, KeySetError};
use super::labels::{Clearance, UnknownLabel};
use super::scope::{ScopeError, Scopes};
use super::{AccessError, Role, purpose};
use crate::clock::{Clock, instant};
use crate::config::AccessConfig;
use crate::fault::{Classified, Kind};
use crate::fhir::reference;
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
    /// Its clearance.
    #[error(transparent)]
    Clearance(#[from] UnknownLabel),
    /// Its purpose.
    #[error("{0:?} is no v3-PurposeOfUse, such as TREAT, HRESCH, PUBHLTH")]
    Purpose(String),
    /// What a Consent calls it.
    #[error("{0:?} is no reference such as Organization/lab")]
    Actor(String),
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

/// A client to be registered.
#[derive(Debug, Clone, Default)]
pub struct Registration {
    /// Its `client_id`.
    pub id: String,
    /// SMART scopes that it may ask for.
    pub scope: String,
    /// Its public keys.
    pub keys: Keys,
    /// Security labels that it is cleared for.
    pub clearance: Vec<String>,
    /// What it uses the record for (v3-PurposeOfUse).
    pub purpose: Option<String>,
    /// What a Consent calls it, `Type/id`.
    pub actors: Vec<String>,
}

/// Public keys of a client.
#[derive(Debug, Clone)]
pub enum Keys {
    /// A JSON Web Key Set.
    Set(String),
    /// Where it is to be had, `https://…`.
    At(String),
}

impl Default for Keys {
    fn default() -> Self {
        Self::Set(String::new())
    }
}

/// Registers a client, in place of one of this name, whose tokens end. Blocks.
pub fn register(store: &Handle, clock: &dyn Clock, wanted: &Registration) -> Result<Client, RegistrationError> {
    let client = checked(wanted, instant(clock.now()))?;
    let detail = json!({
        "scope": client.scope,
        "keys_sha256": ids::sha256_hex(client.keys.as_bytes()),
        "keys_url": client.keys_url,
        "clearance": client.clearance,
        "purpose": client.purpose,
        "actors": client.actors,
    });
    let audit = entry(client.registered_at.clone(), "node", "access.client", &client.id, &detail);
    store.commit(Changes::new().with(Change::PutClient(client.clone())).with(Change::Audit(audit)))?;
    Ok(client)
}

fn checked(wanted: &Registration, registered_at: String) -> Result<Client, RegistrationError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if wanted.id.is_empty() || wanted.id.len() > 64 || !wanted.id.bytes().all(plain) {
        return Err(RegistrationError::Name);
    }
    let scopes = Scopes::parse(&wanted.scope)?;
    if scopes.is_empty() {
        return Err(RegistrationError::NoScope);
    }
    let (keys, keys_url) = match &wanted.keys {
        Keys::Set(set) => {
            assertion::check_keys(set)?;
            (set.clone(), None)
        }
        Keys::At(url) => (String::new(), Some(assertion::check_address(url)?)),
    };
    let clearance = Clearance::parse(wanted.clearance.iter().map(String::as_str))?.to_string();
    if let Some(unknown) = wanted.purpose.as_deref().filter(|purpose| !purpose::is_known(purpose)) {
        return Err(RegistrationError::Purpose(unknown.chars().take(40).collect()));
    }
    if let Some(actor) = wanted.actors.iter().find(|actor| reference::split(actor).is_none()) {
        return Err(RegistrationError::Actor(actor.chars().take(100).collect()));
    }
    let given = |text: String| (!text.is_empty()).then_some(text);
    Ok(Client {
        id: wanted.id.clone(),
        scope: scopes.to_string(),
        keys,
        keys_url,
        clearance: given(clearance),
        purpose: wanted.purpose.clone(),
        actors: given(wanted.actors.join(" ")),
        registered_at,
    })
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

/// Gives a token for an assertion meant for the token address `audience`; `keys` is what was found at the client's own address
/// of keys, if it has one. Of two uses of one assertion, one succeeds. Blocks.
pub fn grant(
    store: &Handle,
    clock: &dyn Clock,
    config: &AccessConfig,
    audience: &str,
    keys: Option<&str>,
    request: &TokenRequest,
) -> Result<Granted, GrantError> {
    let now = clock.now();
    let skew = i64::try_from(config.clock_skew_seconds).unwrap_or(i64::MAX);
    let asserted = store
        .view(|view| assertion::verify(view, keys, now.as_second(), skew, audience, &request.assertion))
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
