//! Who may come in: one-time links, browser sessions, API tokens. Only digests of secrets are kept.

use super::StoreError;

/// A one-time sign-in link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInLink {
    /// SHA-256 of the secret, hexadecimal.
    pub secret_sha256: String,
    /// Person signed in by it.
    pub user: String,
    /// `clinician`, `researcher`, `it`.
    pub role: String,
    /// RFC 3339.
    pub expires_at: String,
    /// Already used.
    pub used: bool,
}

/// A browser session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie's secret, hexadecimal.
    pub secret_sha256: String,
    /// Person.
    pub user: String,
    /// Role.
    pub role: String,
    /// Token that every form must carry.
    pub form_token: String,
    /// RFC 3339.
    pub expires_at: String,
}

/// A bearer token for scripts and local systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// SHA-256 of the token, hexadecimal.
    pub secret_sha256: String,
    /// Role: `system`, `clinician`, `researcher`, `it`.
    pub role: String,
    /// RFC 3339.
    pub expires_at: String,
    /// The registered client it was given to; `None`: made by `watari token`.
    pub client: Option<String>,
    /// SMART scopes, separated by spaces; `None`: all that the role may.
    pub scope: Option<String>,
}

/// A system that comes in by SMART Backend Services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// Its `client_id`: lower-case letters, digits, `-`.
    pub id: String,
    /// SMART scopes it may ask for, separated by spaces.
    pub scope: String,
    /// Its public keys, a JSON Web Key Set; empty if they are to be had at `keys_url`.
    pub keys: String,
    /// Where its keys are to be had, `https://…`.
    pub keys_url: Option<String>,
    /// Security labels that it is cleared for, separated by spaces.
    pub clearance: Option<String>,
    /// What it uses the record for (v3-PurposeOfUse).
    pub purpose: Option<String>,
    /// What a Consent calls it, `Type/id` separated by spaces.
    pub actors: Option<String>,
    /// RFC 3339.
    pub registered_at: String,
}

/// Reading credentials.
pub trait AccessView {
    /// By digest.
    fn sign_in_link(&self, secret_sha256: &str) -> Result<Option<SignInLink>, StoreError>;
    /// By digest.
    fn session(&self, secret_sha256: &str) -> Result<Option<Session>, StoreError>;
    /// By digest.
    fn api_token(&self, secret_sha256: &str) -> Result<Option<ApiToken>, StoreError>;
    /// A registered client.
    fn client(&self, id: &str) -> Result<Option<Client>, StoreError>;
    /// All registered clients, by id.
    fn clients(&self) -> Result<Vec<Client>, StoreError>;
}
