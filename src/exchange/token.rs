//! The request token: a short-lived JWT that lets one request in. It is bound to the TLS certificate (RFC 8705
//! `x5t#S256`), to the address and to the exact body, lives at most five minutes, and its `jti` counts once.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Institution;
use super::jws::{self, JwsError, PublicKey};
use super::tls::TlsPeer;
use crate::fault::{Classified, Kind};
use crate::ids;
use crate::store::peers::Peer;

/// `typ` of a request token.
pub const TYPE: &str = "watari-request+jwt";

/// Longest life a token may claim.
pub const LONGEST_LIFE: i64 = 300;
/// Life of the tokens we make: enough for a slow upload, little for a thief.
const LIFE: i64 = 120;
/// Longest `jti` kept.
const LONGEST_JTI: usize = 64;

/// The claims of a request token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestClaims {
    /// Institution that asks.
    pub iss: String,
    /// Institution that is asked.
    pub aud: String,
    /// Made at, seconds since 1970.
    pub iat: i64,
    /// Ends at, seconds since 1970.
    pub exp: i64,
    /// Unique id.
    pub jti: String,
    /// The certificate it may be used over.
    pub cnf: Confirmation,
    /// SHA-256 of the body, hexadecimal.
    pub body_sha256: String,
    /// Purpose of use.
    pub purpose: String,
    /// Path asked for.
    pub htu: String,
}

/// RFC 8705 section 3.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// SHA-256 of the certificate, base64url.
    #[serde(rename = "x5t#S256")]
    pub x5t_s256: String,
}

/// A fresh token for one request to `peer`.
pub fn issue(
    here: &Institution,
    peer: &Peer,
    path: &str,
    purpose: &str,
    body_sha256: &str,
) -> Result<String, JwsError> {
    let now = here.clock.now().as_second();
    let claims = RequestClaims {
        iss: here.config.id.clone(),
        aud: peer.id.clone(),
        iat: now,
        exp: now + LIFE,
        jti: ids::fresh(),
        cnf: Confirmation { x5t_s256: thumbprint(here.identity.certificate_sha256())? },
        body_sha256: body_sha256.to_owned(),
        purpose: purpose.to_owned(),
        htu: path.to_owned(),
    };
    here.identity.sign(TYPE, &claims)
}

/// The claims of a token that `peer` may use for this request, now. Whether its `jti` is fresh is the store's to say,
/// in the same commit as the effect.
pub fn check(
    here: &Institution,
    peer: &Peer,
    tls: &TlsPeer,
    path: &str,
    body_sha256: &str,
    token: &str,
) -> Result<RequestClaims, TokenError> {
    let key = PublicKey::parse(&peer.signing_key)?;
    let claims: RequestClaims = jws::verify(&key, TYPE, token)?;
    if claims.iss != peer.id {
        return Err(TokenError::WrongIssuer);
    }
    if claims.aud != here.config.id {
        return Err(TokenError::WrongAudience);
    }
    check_time(&claims, here.clock.now(), here.exchange.clock_skew_seconds)?;
    if claims.cnf.x5t_s256 != thumbprint(&tls.certificate_sha256)? {
        return Err(TokenError::NotBound);
    }
    if claims.htu != path {
        return Err(TokenError::OtherAddress);
    }
    if claims.body_sha256 != body_sha256 {
        return Err(TokenError::BodyDiffers);
    }
    let usable = !claims.jti.is_empty() && claims.jti.len() <= LONGEST_JTI && claims.jti.is_ascii();
    usable.then_some(claims).ok_or(TokenError::Invalid(JwsError::Malformed))
}

/// Until when a used token must be remembered: its end, and the tolerated difference between the clocks.
pub fn remember_until(claims: &RequestClaims, skew_seconds: u64) -> Timestamp {
    let skew = i64::try_from(skew_seconds).unwrap_or(i64::MAX);
    Timestamp::from_second(claims.exp.saturating_add(skew)).unwrap_or(Timestamp::MAX)
}

/// A token that does not let the request in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The body is not the one the token was made for.
    #[error("the body differs from the one the request token was made for")]
    BodyDiffers,
    /// Its time is over.
    #[error("the request token has expired; check both clocks")]
    Expired,
    /// Unreadable, of another type, or not signed by the caller's pinned key.
    #[error("the request token is not valid: {0}")]
    Invalid(#[from] JwsError),
    /// Made for another certificate than the one of this connection.
    #[error("the request token belongs to another certificate")]
    NotBound,
    /// Made in the future.
    #[error("the request token is not valid yet; check both clocks")]
    NotYetValid,
    /// Made for another path.
    #[error("the request token was made for another address")]
    OtherAddress,
    /// It claims more than five minutes.
    #[error("the request token claims a longer life than five minutes")]
    TooLong,
    /// Made for another institution.
    #[error("the request token was made for another institution")]
    WrongAudience,
    /// Made by another institution than the caller.
    #[error("the request token was made by another institution than the caller")]
    WrongIssuer,
}

impl Classified for TokenError {
    fn kind(&self) -> Kind {
        match self {
            Self::BodyDiffers | Self::NotBound | Self::WrongIssuer => Kind::Forbidden,
            _ => Kind::Unauthenticated,
        }
    }
}

fn check_time(claims: &RequestClaims, now: Timestamp, skew_seconds: u64) -> Result<(), TokenError> {
    let life = claims.exp.checked_sub(claims.iat).ok_or(TokenError::TooLong)?;
    if life <= 0 {
        return Err(TokenError::Expired);
    }
    if life > LONGEST_LIFE {
        return Err(TokenError::TooLong);
    }
    let skew = SignedDuration::from_secs(i64::try_from(skew_seconds).unwrap_or(i64::MAX));
    let at = |seconds| Timestamp::from_second(seconds).map_err(|_| TokenError::Expired);
    if at(claims.iat)?.duration_since(now) > skew {
        return Err(TokenError::NotYetValid);
    }
    if now.duration_since(at(claims.exp)?) >= skew {
        return Err(TokenError::Expired);
    }
    Ok(())
}

/// Base64url of a digest given in hexadecimal.
fn thumbprint(sha256_hex: &str) -> Result<String, JwsError> {
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = sha256_hex
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect();
    bytes.map(|bytes| BASE64URL.encode(bytes)).ok_or(JwsError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(iat: i64, exp: i64) -> RequestClaims {
        RequestClaims {
            iss: String::new(),
            aud: String::new(),
            iat,
            exp,
            jti: String::new(),
            cnf: Confirmation { x5t_s256: String::new() },
            body_sha256: String::new(),
            purpose: String::new(),
            htu: String::new(),
        }
    }

    fn at(iat: i64, exp: i64, now: i64) -> Result<(), TokenError> {
        check_time(&claims(iat, exp), Timestamp::from_second(now).unwrap(), 30)
    }

    #[test]
    fn the_tolerated_clock_difference_is_exact_to_the_second() {
        assert_eq!(at(1000, 1120, 1149), Ok(()));
        assert_eq!(at(1000, 1120, 1150), Err(TokenError::Expired));
        assert_eq!(at(1000, 1120, 970), Ok(()));
        assert_eq!(at(1000, 1120, 969), Err(TokenError::NotYetValid));
    }

    #[test]
    fn a_token_may_not_claim_more_than_five_minutes() {
        assert_eq!(at(1000, 1300, 1000), Ok(()));
        assert_eq!(at(1000, 1301, 1000), Err(TokenError::TooLong));
        assert_eq!(at(i64::MIN, i64::MAX, 1000), Err(TokenError::TooLong));
        assert_eq!(at(1000, 1000, 1000), Err(TokenError::Expired));
        assert_eq!(at(i64::MAX - 10, i64::MAX, 1000), Err(TokenError::Expired));
    }

    #[test]
    fn thumbprints_are_base64url_of_the_digest() {
        assert_eq!(thumbprint("00ff10").unwrap(), "AP8Q");
        assert_eq!(thumbprint("0"), Err(JwsError::Malformed));
        assert_eq!(thumbprint("zz"), Err(JwsError::Malformed));
    }
}
