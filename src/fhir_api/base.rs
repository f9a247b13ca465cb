//! The address by which a client reached the API: links that it is to follow begin with it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

/// `https://host:port/fhir`. Relative (`/fhir`) for a client that does not say whom it called.
#[derive(Debug, Clone)]
pub(super) struct Base(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let of_header = || parts.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let host = parts.uri.authority().map(|authority| authority.as_str()).or_else(of_header);
        // A host and a port, and nothing that would end up as something else in a link.
        let is_host = |host: &&str| {
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte))
        };
        Ok(Self(match host.filter(is_host) {
            Some(host) => format!("https://{host}/fhir"),
            None => "/fhir".to_owned(),
        }))
    }
}
