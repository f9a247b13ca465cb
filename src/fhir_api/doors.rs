//! The doors of the FHIR API: everybody whom the guard lets in sees the record through a store that withholds what they may
//! not see ([`crate::access::limits`]). No interaction can forget it, because it is given no other store.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tower::ServiceExt as _;

use super::Api;
use super::guard::Guard;
use crate::access::limits::{self, Limits};
use crate::access::token::Holder;

/// Doors kept open at most.
const MOST_DOORS: usize = 256;

/// Who comes, and through which limits.
type Comer = (String, Limits);

/// The guard, and what is behind each door.
#[derive(Clone)]
pub(super) struct Doors {
    guard: Guard,
    api: Api,
    /// For those from whom something is withheld.
    narrow: Arc<Mutex<HashMap<Comer, Router>>>,
}

impl Doors {
    pub(super) fn new(guard: Guard, api: Api) -> Self {
        Self { guard, api, narrow: Arc::default() }
    }

    /// All of the FHIR API, behind the guard.
    pub(super) fn guarded(self) -> Router {
        let open = super::whole(self.api.clone(), &self.guard);
        open.layer(axum::middleware::from_fn_with_state(self, admit))
    }

    /// The door of somebody from whom something is withheld.
    fn narrow(&self, holder: &Holder) -> Router {
        let comer = (holder.staff.user.clone(), holder.limits.clone());
        let mut doors = self.narrow.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = doors.get(&comer) {
            return door.clone();
        }
        let here = &self.api.here;
        let store = limits::permitted(&here.store, Arc::clone(&here.clock), &holder.staff, &holder.limits);
        let mut api = self.api.clone();
        api.here.store = store;
        let door = super::whole(api, &self.guard);
        if doors.len() >= MOST_DOORS {
            doors.clear();
        }
        doors.insert(comer, door.clone());
        door
    }
}

/// Lets a request through as far as its token reaches, by its door.
async fn admit(State(doors): State<Doors>, request: Request, next: Next) -> Response {
    if request.method() == Method::GET && request.uri().path().trim_end_matches('/') == "/metadata" {
        return next.run(request).await;
    }
    match doors.guard.enter(request).await {
        Ok((request, holder)) if holder.limits.is_none() => next.run(request).await,
        Ok((request, holder)) => {
            doors.narrow(&holder).oneshot(request).await.unwrap_or_else(|never: Infallible| match never {})
        }
        Err(problem) => problem.into_response(),
    }
}
