//! Proof that a request of a program came with a good bearer token.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;

use super::trail::Caller;
use crate::access::{AccessError, Staff, token};
use crate::exchange::Institution;
use crate::server::problem::Problem;

/// A system or person behind a bearer token. A handler that takes this cannot be reached without one.
#[derive(Debug, Clone)]
pub struct Bearer(pub Staff);

impl<S> FromRequestParts<S> for Bearer
where
    S: Send + Sync,
    Institution: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let here = Institution::from_ref(state);
        // Whoever was let in by the guard of the FHIR API is not looked up again.
        if let Some(staff) = parts.extensions.get::<Staff>() {
            return Ok(Self(staff.clone()));
        }
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let secret = header.and_then(token::bearer).ok_or(AccessError::NoCredentials)?.to_owned();
        let now = here.now();
        let staff = here.store.look_up(move |view| token::check(view, &now, &secret)).await?;
        Caller::is(&parts.extensions, &staff.user, &staff);
        Ok(Self(staff))
    }
}
