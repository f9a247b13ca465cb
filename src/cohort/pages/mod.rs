//! `/cohorts`: asking how many patients meet criteria, and reading the protected answers.

mod ask;
mod builder;
mod choices;
mod explain;
mod result;

use axum::Router;
use axum::routing::get;

use crate::web::PageState;
use crate::web::frame::around;

/// The pages of cohort questions.
pub fn router(state: PageState) -> Router {
    let pages = Router::new()
        .route("/cohorts", get(ask::list).post(ask::submitted))
        .route("/cohorts/{sha256}", get(result::show))
        .with_state(state.clone());
    around(pages, &state)
}
