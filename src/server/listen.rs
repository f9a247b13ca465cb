//! The inside door: HTTPS for people and local systems, who show no certificate. Who they are is the business of
//! `access`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use super::body::BodyRoom;
use super::connections::{Door, Limits, serve};
use crate::config::InsideConfig;
use crate::exchange::identity::Identity;
use crate::exchange::tls::{self, TlsError};

/// A handshake of the inside door must be done within.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves `app` until `shutdown` becomes true. Keys that cannot be used are told at once, not by the future.
pub fn serve_inside(
    listener: TcpListener,
    identity: &Identity,
    config: InsideConfig,
    app: Router,
    shutdown: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + Send + use<>, TlsError> {
    let tls = tls::inside(identity)?;
    let limits = Limits {
        connections: config.max_connections,
        handshake: HANDSHAKE,
        request: Duration::from_secs(config.request_seconds),
    };
    let app = app
        .layer(axum::Extension(BodyRoom::default()))
        .layer(DefaultBodyLimit::max(config.max_body_bytes))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, limits.request))
        .layer(CatchPanicLayer::new());
    Ok(serve(listener, tls, OpenDoor, app, limits, shutdown))
}

struct OpenDoor;

impl Door for OpenDoor {
    type Caller = ();

    fn caller(&self, _tls: &rustls::ServerConnection) -> Option<()> {
        Some(())
    }

    fn holder(&self, _caller: &()) -> Option<String> {
        None
    }

    fn must_end(&self, _caller: &()) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}
