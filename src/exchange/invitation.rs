//! The invitation code of [`super::pairing`], and the addresses it may hold.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Serialize};

use super::pairing::PairingError;

/// What every invitation code starts with.
const PREFIX: &str = "watari1.";
/// Longest code read, characters.
const LONGEST_CODE: usize = 2048;

/// What an invitation code holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InvitationCode {
    /// Where the inviter is reached.
    pub(super) url: String,
    /// The inviter.
    pub(super) institution: String,
    /// The inviter's certificate.
    pub(super) certificate_sha256: String,
    /// Known to inviter and bearer alone.
    pub(super) secret: String,
    /// RFC 3339.
    pub(super) expires_at: String,
}

impl InvitationCode {
    /// The code as it is copied and pasted.
    pub(super) fn encode(&self) -> Result<String, PairingError> {
        let json = serde_json::to_vec(self).map_err(|_| PairingError::Code)?;
        Ok(format!("{PREFIX}{}", BASE64URL.encode(json)))
    }

    /// Reads a code that somebody pasted.
    pub(super) fn parse(code: &str) -> Result<Self, PairingError> {
        let encoded = code.trim().strip_prefix(PREFIX).ok_or(PairingError::Code)?;
        if encoded.len() > LONGEST_CODE {
            return Err(PairingError::Code);
        }
        let json = BASE64URL.decode(encoded).map_err(|_| PairingError::Code)?;
        let parsed: Self = serde_json::from_slice(&json).map_err(|_| PairingError::Code)?;
        checked_url(&parsed.url)?;
        Ok(parsed)
    }
}

/// An `https` URL of a host and port alone.
pub(super) fn checked_url(url: &str) -> Result<String, PairingError> {
    let parsed = reqwest::Url::parse(url).map_err(|_| PairingError::Address)?;
    let bare = parsed.scheme() == "https"
        && parsed.has_host()
        && parsed.username().is_empty()
        && parsed.password().is_none()
        && parsed.path() == "/"
        && parsed.query().is_none()
        && parsed.fragment().is_none()
        && url.len() <= 300;
    bare.then(|| url.trim_end_matches('/').to_owned()).ok_or(PairingError::Address)
}
