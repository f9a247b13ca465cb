//! The outside door: paired institutions only, by mutual TLS 1.3. Trust is asked for at the handshake, again at every
//! request (an open connection outlives a revocation otherwise), and every few seconds while a connection is open.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use super::connections::{Door, Limits, serve};
use super::problem::Problem;
use crate::config::OutsideConfig;
use crate::exchange::Institution;
use crate::exchange::envelope::OpenError;
use crate::exchange::tls::{self, Standing, TlsError, TlsPeer};
use crate::wire::pairing;

/// How often an open connection's caller is looked up again.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// How long somebody who is invited but not yet paired may stay connected.
const INVITED_FOR: Duration = Duration::from_secs(60);

/// Serves `app` to paired institutions until `shutdown` becomes true. Handlers find a [`TlsPeer`] in the request's
/// extensions; [`super::peer`] turns it into a verified message. Keys that cannot be used are told at once, not by the
/// future.
pub fn serve_outside(
    listener: TcpListener,
    here: Institution,
    config: OutsideConfig,
    app: Router,
    shutdown: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + Send + use<>, TlsError> {
    let tls = tls::outside(&here)?;
    let limits = Limits {
        connections: config.max_connections,
        handshake: Duration::from_secs(config.handshake_seconds),
        request: Duration::from_secs(config.request_seconds),
    };
    let app = app
        .layer(DefaultBodyLimit::max(config.max_body_bytes))
        .layer(from_fn_with_state(here.clone(), trusted_only))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, limits.request))
        .layer(CatchPanicLayer::new());
    Ok(serve(listener, tls, PeerDoor { here }, app, limits, shutdown))
}

struct PeerDoor {
    here: Institution,
}

impl Door for PeerDoor {
    type Caller = TlsPeer;

    fn caller(&self, tls: &rustls::ServerConnection) -> Option<TlsPeer> {
        TlsPeer::from_certificate(tls.peer_certificates()?.first()?).ok()
    }

    fn holder(&self, caller: &TlsPeer) -> Option<String> {
        Some(caller.certificate_sha256.clone())
    }

    fn must_end(&self, caller: &TlsPeer) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(until_untrusted(self.here.clone(), caller.clone()))
    }
}

async fn until_untrusted(here: Institution, caller: TlsPeer) {
    let opened = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(CHECK_EVERY).await;
        match standing(&here, &caller).await {
            Ok(Standing::Active) => {}
            Ok(Standing::Invited) if opened.elapsed() < INVITED_FOR => {}
            // While the store cannot be read every request is refused anyway.
            Err(OpenError::Store(_)) => {}
            _ => return,
        }
    }
}

/// Refuses a request of anybody who is not an active peer now; the invited may only pair.
async fn trusted_only(State(here): State<Institution>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<TlsPeer>().cloned() else {
        return Problem::from(OpenError::UnknownCertificate).into_response();
    };
    let refusal = match standing(&here, &caller).await {
        Ok(Standing::Active) => return next.run(request).await,
        Ok(Standing::Invited) if request.uri().path() == pairing::PATH => return next.run(request).await,
        Ok(Standing::Revoked | Standing::Expired) => OpenError::Revoked,
        Ok(Standing::Invited | Standing::Unknown) => OpenError::UnknownCertificate,
        Err(error) => error,
    };
    tracing::warn!(certificate_sha256 = %caller.certificate_sha256, error = %refusal, "a request was refused");
    Problem::from(refusal).into_response()
}

async fn standing(here: &Institution, caller: &TlsPeer) -> Result<Standing, OpenError> {
    let (now, caller) = (here.clock.now(), caller.clone());
    here.store.read(move |view| Ok(tls::standing(view, &caller, now)?)).await
}
