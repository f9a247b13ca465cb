//! Proof that a person is signed in, with the frame of the page that will answer.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;

use super::frame::Frame;
use super::language;
use super::trail::Caller;
use crate::access::permit::{self, Permission};
use crate::access::{AccessError, Staff, session};
use crate::exchange::Institution;
use crate::server::problem::Problem;
use crate::store::access::Session;

/// A person with a living session. A handler that takes this cannot be reached without one.
pub struct SignedIn {
    /// Who.
    pub staff: Staff,
    /// Their session.
    pub session: Session,
    /// The frame of the answering page.
    pub frame: Frame,
}

impl SignedIn {
    /// Refuses what the person's role may not do.
    pub fn may(&self, permission: Permission) -> Result<(), AccessError> {
        permit::check(&self.staff, permission)
    }
}

impl<S> FromRequestParts<S> for SignedIn
where
    S: Send + Sync,
    Institution: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let here = Institution::from_ref(state);
        let secret = language::cookie(&parts.headers, session::COOKIE).ok_or(AccessError::NoCredentials)?;
        let now = here.now();
        let (staff, session) = here.store.read(move |view| session::find(view, &now, &secret)).await?;
        Caller::is(&parts.extensions, &format!("user:{}", staff.user), &staff);
        let frame = Frame::new(&here, &parts.headers, &parts.uri).signed_in(&staff, &session);
        Ok(Self { staff, session, frame })
    }
}
