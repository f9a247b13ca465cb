//! Pages for people: the frame every page shares, the three languages, sign-in, and the proofs that handlers ask for.
//! Everything works without script. A page's own content lives beside its domain (`intake::pages`, `referral::pages`,
//! `cohort::pages`).

pub mod assets;
pub mod bearer;
pub mod clock_face;
pub mod form;
pub mod frame;
pub mod home;
pub mod language;
pub mod markup;
pub mod sign_in;
pub mod signed_in;
pub mod texts;
pub mod trail;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use tokio::sync::Notify;

use crate::config::{AccessConfig, CohortConfig, Config};
use crate::exchange::Institution;

/// What the pages are given.
#[derive(Clone)]
pub struct PageState {
    /// This institution.
    pub here: Institution,
    /// Wakes the delivery of messages, so that what a person just sent leaves at once.
    pub wake: Arc<Notify>,
    /// How counts are protected, from the own researchers too.
    pub cohort: CohortConfig,
    /// `[access]`.
    pub access: AccessConfig,
    /// A page must be answered within.
    pub within: Duration,
}

impl PageState {
    /// Pages of `here`, as `config` says; `wake` is the bell of the delivery worker.
    pub fn new(here: Institution, wake: Arc<Notify>, config: &Config) -> Self {
        let within = Duration::from_secs(config.inside.request_seconds);
        Self { here, wake, cohort: config.cohort.clone(), access: config.access.clone(), within }
    }
}

impl FromRef<PageState> for Institution {
    fn from_ref(state: &PageState) -> Self {
        state.here.clone()
    }
}

/// Home, sign-in and the style sheet.
pub fn router(state: PageState) -> Router {
    let pages = Router::new().merge(home::routes()).merge(sign_in::routes()).with_state(state.clone());
    frame::around(pages, &state).merge(assets::routes())
}
