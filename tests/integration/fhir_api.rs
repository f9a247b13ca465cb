//! The FHIR API of local systems.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use tokio::time::Instant;
use tower::ServiceExt as _;
use watari::access::{Role, token};
use watari::clock::TestClock;
use watari::config::Country;

use super::referral_pair::Side;

/// On one thread, somebody who only counts is not held up while a large body is read.
#[tokio::test]
async fn a_large_body_holds_up_nobody() {
    let clock = TestClock::new("2026-11-24T12:00:00Z".parse().unwrap());
    let side = Side::new("toronto", Country::Ca, &clock);
    let bearer = token::create(&side.here.store, side.here.clock.as_ref(), Role::System, token::LONGEST).unwrap();
    // Read to its end before it turns out to be broken.
    let body = format!("[{}", "{\"a\":\"b\"},".repeat(400_000));
    let request = Request::post("/fhir")
        .header(header::AUTHORIZATION, format!("Bearer {bearer}"))
        .header(header::CONTENT_TYPE, "application/fhir+json")
        .body(Body::from(body))
        .unwrap();
    let app = watari::fhir_api::router(side.here.clone()).layer(axum::extract::DefaultBodyLimit::max(16 * 1024 * 1024));
    let start = Instant::now();
    let mut answer = std::pin::pin!(app.oneshot(request));
    let mut longest = Duration::ZERO;
    let answer = loop {
        let before = Instant::now();
        tokio::select! {
            biased;
            answer = answer.as_mut() => {
                longest = longest.max(before.elapsed());
                break answer.unwrap();
            }
            () = tokio::time::sleep(Duration::from_millis(1)) => longest = longest.max(before.elapsed()),
        }
    };
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let whole = start.elapsed();
    assert!(longest < whole / 2, "of {whole:?} nothing else went on for {longest:?}");
}
