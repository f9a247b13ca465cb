//! The signed assertion by which a registered client says who it is (SMART Backend Services, `private_key_jwt`): ES384 or
//! RS384, five minutes at most, each `jti` once. Keys come from the registration alone: a header that brings a key or an
//! address of one is refused unread, and nothing is ever fetched for a stranger.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::access::Client;
use crate::store::{StoreError, View};

/// Longest assertion read, bytes.
const LONGEST: usize = 8192;
/// Longest life an assertion may claim, seconds.
pub const LONGEST_LIFE: i64 = 300;
/// Longest `jti`, bytes.
const LONGEST_JTI: usize = 128;
/// Keys of one client at most.
const MOST_KEYS: usize = 16;

/// An assertion that holds, but for its `jti`, which the store must not have seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asserted {
    /// The client.
    pub client: Client,
    /// Its id of this assertion.
    pub jti: String,
    /// When it ends, seconds since 1970.
    pub exp: i64,
}

/// Why an assertion is not accepted: for the log, never for the caller.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// Not three base64url parts, or other header members than `alg`, `kid`, `typ`, `jku`.
    #[error("it cannot be read, or its header brings a key or more than agreed")]
    Malformed,
    /// Signed otherwise than agreed.
    #[error("it is not signed with ES384 or RS384")]
    Algorithm,
    /// A token made for something else.
    #[error("it is a token of another type")]
    Type,
    /// Not the registered address of keys.
    #[error("its jku is not the registered address")]
    KeyAddress,
    /// `iss`, `sub` and the registration do not agree.
    #[error("iss and sub are not one registered client")]
    Client,
    /// No key of the client has this `kid` and algorithm.
    #[error("the client has no such key")]
    Key,
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
    /// Meant for somebody else.
    #[error("its audience is not this node's token address")]
    Audience,
    /// Over, not begun, or longer than five minutes.
    #[error("it has expired, is not valid yet, or claims more than five minutes")]
    Time,
    /// No `jti`, or one too long.
    #[error("it has no usable jti")]
    Id,
    /// Used before.
    #[error("its jti was used before")]
    Replayed,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A public key of a client, RFC 7517.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// Present in a private key or a shared secret, which nobody should send us.
    d: Option<Value>,
    k: Option<Value>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

/// A key set that cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not a JSON Web Key Set.
    #[error("this is not a JSON Web Key Set ({{\"keys\": [...]}})")]
    Malformed,
    /// It holds what must stay with its owner.
    #[error("the key set holds a private key or a shared secret: send the public keys only, and make new ones")]
    Secret,
    /// A key that does not serve.
    #[error("key {0}: each needs its own kid, and is EC on P-384 (ES384) or RSA of 2048 to 8192 bits (RS384)")]
    Key(usize),
    /// None or too many.
    #[error("the key set must hold 1 to 16 keys")]
    Count,
    /// Not an address of keys.
    #[error("the address of keys must be https://host/path, without a name or password, a query or a fragment")]
    Address,
}

/// Checks a key set before it is registered.
pub fn check_keys(json: &str) -> Result<(), KeySetError> {
    let set: KeySet = serde_json::from_str(json).map_err(|_| KeySetError::Malformed)?;
    if set.keys.is_empty() || set.keys.len() > MOST_KEYS {
        return Err(KeySetError::Count);
    }
    if set.keys.iter().any(|key| key.d.is_some() || key.k.is_some()) {
        return Err(KeySetError::Secret);
    }
    for (position, key) in set.keys.iter().enumerate() {
        let has_id = key.kid.as_deref().is_some_and(|kid| !kid.is_empty());
        let alone = set.keys.iter().filter(|other| other.kid == key.kid).count() == 1;
        let algorithm = key.algorithm();
        if !has_id || !alone || algorithm.and_then(|algorithm| key.decoding(algorithm)).is_none() {
            return Err(KeySetError::Key(position + 1));
        }
    }
    Ok(())
}

/// Checks an address of keys before it is registered.
pub fn check_address(address: &str) -> Result<String, KeySetError> {
    let rest = address.strip_prefix("https://").ok_or(KeySetError::Address)?;
    let host = rest.split('/').next().unwrap_or_default();
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'@' | b'?' | b'#' | b'\\' | b'"' | b'<' | b'>');
    if host.is_empty() || address.len() > 500 || !address.bytes().all(plain) {
        return Err(KeySetError::Address);
    }
    Ok(address.to_owned())
}

/// The client that an unverified assertion names, if its keys are to be fetched: of the others, of strangers, and of those
/// who bring an address that is not the registered one, nothing ever is.
pub fn keys_address(view: &dyn View, assertion: &str) -> Result<Option<String>, StoreError> {
    let Ok((header, claims)) = unverified(assertion) else { return Ok(None) };
    let Some(client) = view.client(&claims.iss)? else { return Ok(None) };
    let jku = header.jku.as_ref().map(|jku| jku.as_str().unwrap_or_default());
    Ok(client.keys_url.filter(|registered| jku.is_none_or(|jku| jku == registered)))
}

/// The `kid` that an unverified assertion names.
pub fn kid(assertion: &str) -> Option<String> {
    unverified(assertion).ok().map(|(header, _)| header.kid)
}

/// Whether a key set has a key of this name.
pub fn has_key(set: &str, kid: &str) -> bool {
    let set = serde_json::from_str::<KeySet>(set);
    set.is_ok_and(|set| set.keys.iter().any(|key| key.kid.as_deref() == Some(kid)))
}

impl Key {
    fn algorithm(&self) -> Option<Algorithm> {
        let agreed = |name: &str| self.alg.as_deref().is_none_or(|alg| alg == name);
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        match self.kty.as_str() {
            "EC" if signs && self.crv.as_deref() == Some("P-384") && agreed("ES384") => Some(Algorithm::ES384),
            "RSA" if signs && agreed("RS384") => Some(Algorithm::RS384),
            _ => None,
        }
    }

    fn decoding(&self, algorithm: Algorithm) -> Option<DecodingKey> {
        let bytes = |text: &str| BASE64URL.decode(text).map_or(0, |bytes| bytes.len());
        if algorithm == Algorithm::ES384 {
            let (x, y) = (self.x.as_deref()?, self.y.as_deref()?);
            let whole = bytes(x) == 48 && bytes(y) == 48;
            return whole.then(|| DecodingKey::from_ec_components(x, y).ok())?;
        }
        let (n, e) = (self.n.as_deref()?, self.e.as_deref()?);
        let usual = (256..=1024).contains(&bytes(n)) && (1..=8).contains(&bytes(e));
        usual.then(|| DecodingKey::from_rsa_components(n, e).ok())?
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: Option<String>,
    jku: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    jti: String,
}

/// Checks an assertion at `now` (seconds since 1970) for the token address `audience`; clocks may differ by `skew` seconds.
/// `fetched` is what was found at [`keys_address`].
pub fn verify(
    view: &dyn View,
    fetched: Option<&str>,
    now: i64,
    skew: i64,
    audience: &str,
    assertion: &str,
) -> Result<Asserted, AssertionError> {
    let (header, unverified) = unverified(assertion)?;
    let algorithm = match header.alg.as_str() {
        "ES384" => Algorithm::ES384,
        "RS384" => Algorithm::RS384,
        _ => return Err(AssertionError::Algorithm),
    };
    if header.typ.as_deref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err(AssertionError::Type);
    }
    let client = view.client(&unverified.iss)?.ok_or(AssertionError::Client)?;
    // Where a client is registered with its keys, no address is the registered one.
    if header.jku.is_some_and(|jku| jku.as_str() != client.keys_url.as_deref() || jku.is_null()) {
        return Err(AssertionError::KeyAddress);
    }
    let keys = if client.keys_url.is_some() { fetched.ok_or(AssertionError::Key)? } else { &client.keys };
    let set: KeySet = serde_json::from_str(keys).map_err(|_| AssertionError::Key)?;
    // A published set may hold keys for other uses; one that is named twice, or with its secret, is nobody's.
    let mut named = set.keys.iter().filter(|key| key.kid.as_deref() == Some(header.kid.as_str()));
    let key = match (named.next(), named.next()) {
        (Some(key), None) if key.algorithm() == Some(algorithm) && key.d.is_none() => key,
        _ => return Err(AssertionError::Key),
    };
    let decoding = key.decoding(algorithm).ok_or(AssertionError::Key)?;
    let mut signature_only = Validation::new(algorithm);
    signature_only.required_spec_claims.clear();
    signature_only.validate_exp = false;
    signature_only.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(assertion, &decoding, &signature_only)
        .map_err(|_| AssertionError::Signature)?
        .claims;
    if claims.iss != client.id || claims.sub != client.id {
        return Err(AssertionError::Client);
    }
    if claims.aud.as_str() != Some(audience) {
        return Err(AssertionError::Audience);
    }
    if !is_in_time(&claims, now, skew) {
        return Err(AssertionError::Time);
    }
    if claims.jti.is_empty() || claims.jti.len() > LONGEST_JTI {
        return Err(AssertionError::Id);
    }
    Ok(Asserted { client, jti: claims.jti, exp: claims.exp })
}

/// What the assertion says, unbelieved.
fn unverified(assertion: &str) -> Result<(Header, Claims), AssertionError> {
    let parts: Vec<&str> = assertion.split('.').collect();
    let (true, [header, claims, _]) = (assertion.len() <= LONGEST, parts.as_slice()) else {
        return Err(AssertionError::Malformed);
    };
    let json = |part: &str| BASE64URL.decode(part).map_err(|_| AssertionError::Malformed);
    let header = serde_json::from_slice(&json(header)?).map_err(|_| AssertionError::Malformed)?;
    let claims = serde_json::from_slice(&json(claims)?).map_err(|_| AssertionError::Malformed)?;
    Ok((header, claims))
}

fn is_in_time(claims: &Claims, now: i64, skew: i64) -> bool {
    let begun = |at: i64| at <= now.saturating_add(skew);
    // Without `iat` the life is counted from now.
    let life = claims.exp.checked_sub(claims.iat.unwrap_or(now));
    claims.exp.saturating_add(skew) > now
        && claims.iat.is_none_or(begun)
        && claims.nbf.is_none_or(begun)
        && life.is_some_and(|life| life <= LONGEST_LIFE)
        && claims.exp <= now.saturating_add(LONGEST_LIFE).saturating_add(skew)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(exp: i64, iat: Option<i64>, nbf: Option<i64>) -> bool {
        let text = String::new;
        is_in_time(&Claims { iss: text(), sub: text(), aud: Value::Null, exp, iat, nbf, jti: text() }, 1000, 5)
    }

    #[test]
    fn times_are_exact_to_the_second() {
        assert!(at(996, None, None) && !at(995, None, None));
        assert!(at(1300, None, None) && !at(1301, None, None));
        assert!(at(1200, Some(1005), None) && !at(1200, Some(1006), None));
        assert!(at(1200, None, Some(1005)) && !at(1200, None, Some(1006)));
        assert!(at(1299, Some(999), None) && !at(1300, Some(999), None));
        assert!(at(1305, Some(1005), None));
        assert!(!at(i64::MAX, Some(i64::MIN), None) && !at(i64::MIN, Some(i64::MAX), None));
    }

    #[test]
    fn key_sets_are_checked_before_they_are_registered() {
        assert_eq!(check_keys("{}"), Err(KeySetError::Malformed));
        assert_eq!(check_keys(r#"{"keys":[]}"#), Err(KeySetError::Count));
        let secret = r#"{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}"#;
        assert_eq!(check_keys(secret), Err(KeySetError::Secret));
        let small = r#"{"keys":[{"kty":"RSA","kid":"a","n":"AAAA","e":"AQAB"}]}"#;
        assert_eq!(check_keys(small), Err(KeySetError::Key(1)));
        let other_curve = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"AAAA","y":"AAAA"}]}"#;
        assert_eq!(check_keys(other_curve), Err(KeySetError::Key(1)));
    }
}
