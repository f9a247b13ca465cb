//! Every address and who answers it.
//!
//! | door | address | who answers |
//! |---|---|---|
//! | inside | `/`, `/sign-in/…`, `/assets/…` | `web` |
//! | inside | `/messages…` | `intake::pages` |
//! | inside | `/referrals…` | `referral::pages` |
//! | inside | `/cohorts…` | `cohort::pages` |
//! | inside | `/fhir…` | `fhir_api` |
//! | inside | `/health`, `/ready` | `server::health` |
//! | inside | `/openapi.json` | `routes::openapi` |
//! | inside | `/oauth/token`, `/.well-known/smart-configuration` | `access::endpoints` |
//! | inside | `/metrics` | not built: 501 |
//! | outside | `/peer/v1/pairing`, `/peer/v1/directory` | `exchange::endpoints` |
//! | outside | `/peer/v1/fhir/$process-message` | `referral::endpoints` |
//! | outside | `/peer/v1/cohort-question` | `cohort::endpoints` |

mod openapi;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

use crate::access::endpoints::SmartState;
use crate::cohort::answer::CohortPolicy;
use crate::config::FhirConfig;
use crate::exchange::Institution;
use crate::exchange::endpoints::{ExchangeState, OutsideUrl};
use crate::fault::Kind;
use crate::server::health;
use crate::server::problem::Problem;
use crate::web::PageState;
use crate::web::frame::not_found;
use crate::web::trail;

/// The inside door: people and local systems, who may by the FHIR API what `fhir` allows, and come in as `smart` says.
pub fn inside(pages: PageState, fhir: FhirConfig, smart: SmartState) -> Router {
    let all = Router::new()
        .merge(crate::web::router(pages.clone()))
        .merge(crate::intake::pages::router(pages.clone()))
        .merge(crate::referral::pages::router(pages.clone()))
        .merge(crate::cohort::pages::router(pages.clone()))
        .merge(crate::fhir_api::router(pages.here.clone(), fhir, smart.config.clone()))
        .route("/health", get(health::live))
        .route("/ready", get(health::ready).with_state(pages.here.clone()))
        .route("/metrics", any(not_built))
        .route("/openapi.json", get(openapi::openapi))
        .merge(crate::access::endpoints::router(smart))
        .fallback_service(any(unknown_inside).with_state(pages.here.clone()));
    trail::around(all, &pages.here)
}

/// The outside door: paired institutions only.
pub fn outside(here: Institution, url: OutsideUrl, policy: CohortPolicy) -> Router {
    Router::new()
        .merge(crate::exchange::endpoints::router(ExchangeState { here: here.clone(), outside_url: url }))
        .merge(crate::referral::endpoints::router(here.clone()))
        .merge(crate::cohort::endpoints::router(here, policy))
        .fallback(unknown)
}

async fn not_built() -> Problem {
    Problem::new(Kind::NotSupported, "this address is not built in this release; see CHANGELOG.md for what is")
}

/// People get a page, programs an OperationOutcome.
async fn unknown_inside(State(here): State<Institution>, request: Request) -> Response {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    if accept.contains("text/html") {
        return not_found(State(here), request).await;
    }
    unknown().await.into_response()
}

async fn unknown() -> Problem {
    Problem::new(Kind::NotFound, "nothing answers at this address")
}
