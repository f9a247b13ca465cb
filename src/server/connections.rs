//! Accepting TLS connections, for both doors: a bounded number at once and of one caller, a deadline for the handshake and
//! for every header, an end for connections nobody uses, one bad connection never harming another, and an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use super::origin::Origin;
use super::places::Places;
use super::running::Running;

/// At shutdown a connection without an open request may take leave of its caller for this long; a caller that has fallen
/// asleep must not hold up the whole node.
const FAREWELL: Duration = Duration::from_secs(1);
/// Wait after the system refused a connection (out of file descriptors), so as not to spin.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);
/// Interval and patience of HTTP/2 pings, which find dead connections.
const PING: Duration = Duration::from_secs(20);
/// No connection lives longer, however busy: who reads an answer drop by drop gives its place back too.
const LONGEST: Duration = Duration::from_secs(3600);
/// Most requests at once on one HTTP/2 connection.
const MOST_STREAMS: u32 = 64;
/// Largest header list, bytes.
const MOST_HEADER_BYTES: u32 = 32 * 1024;

/// Limits of a door.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once; more wait in the kernel's queue.
    pub(super) connections: usize,
    /// A handshake must be done within.
    pub(super) handshake: Duration,
    /// A request must be answered within; also the patience at shutdown, and how long a connection may stay open without
    /// a request.
    pub(super) request: Duration,
}

impl Limits {
    /// Connections of one address or certificate at once: one caller may not take all the places. A proxy on the machine
    /// itself is no exception, for anybody on the machine could be it.
    fn of_one_holder(&self) -> usize {
        (self.connections / 4).max(8)
    }
}

/// What a door does with a connection.
pub(super) trait Door: Send + Sync + 'static {
    /// What is known of the other end after the handshake; rides on every request. `None` ends the connection.
    type Caller: Clone + Send + Sync + 'static;

    /// Reads the caller from the finished handshake.
    fn caller(&self, tls: &rustls::ServerConnection) -> Option<Self::Caller>;

    /// Whose places a connection of this caller takes, beside those of its address.
    fn holder(&self, caller: &Self::Caller) -> Option<String>;

    /// Returns when the connection must end though nothing is wrong with it.
    fn must_end(&self, caller: &Self::Caller) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Accepts and serves until `shutdown` becomes true; then open requests are finished, for as long as one may take.
pub(super) async fn serve<D: Door>(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    door: D,
    app: Router,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
    let held = Places::default();
    let shared = Arc::new(Shared { acceptor: TlsAcceptor::from(Arc::new(tls)), door, app, limits, held: held.clone() });
    let places = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut open = JoinSet::new();
    while !*shutdown.borrow() {
        let accepted = tokio::select! {
            changed = shutdown.changed() => if changed.is_err() { break } else { continue },
            accepted = accept(&listener, &places) => accepted,
        };
        while open.try_join_next().is_some() {}
        let (stream, address, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
                continue;
            }
        };
        let Some(of_address) = held.take(address.to_string(), limits.of_one_holder()) else { continue };
        let (shared, shutdown) = (shared.clone(), shutdown.clone());
        open.spawn(async move {
            shared.serve_one(stream, shutdown).await;
            drop((place, of_address));
        });
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, address.ip(), place))
}

struct Shared<D> {
    acceptor: TlsAcceptor,
    door: D,
    app: Router,
    limits: Limits,
    held: Places,
}

impl<D: Door> Shared<D> {
    async fn serve_one(&self, stream: TcpStream, mut shutdown: watch::Receiver<bool>) {
        let accepting = tokio::time::timeout(self.limits.handshake, self.acceptor.accept(stream).into_fallible());
        let finished = tokio::select! {
            finished = accepting => finished,
            // Nothing has been asked yet, so nothing is lost.
            _ = shutdown.wait_for(|stop| *stop) => return,
        };
        match finished {
            Ok(Ok(stream)) => {
                if let Some(caller) = self.door.caller(stream.get_ref().1) {
                    self.answer(stream, caller, shutdown).await;
                }
            }
            Ok(Err((error, stream))) => {
                tracing::info!(%error, "a TLS handshake failed");
                let _ = tokio::time::timeout(FAREWELL, hear_out(stream)).await;
            }
            Err(_) => tracing::info!("a TLS handshake took too long"),
        }
    }

    async fn answer(&self, stream: TlsStream<TcpStream>, caller: D::Caller, mut shutdown: watch::Receiver<bool>) {
        let holder = self.door.holder(&caller).map(|holder| self.held.take(holder, self.limits.of_one_holder()));
        if matches!(holder, Some(None)) {
            return;
        }
        let mut must_end = pin!(self.door.must_end(&caller));
        let running = Running::new();
        let mut unused = pin!(running.idle_for(self.limits.request));
        let mut quiet = pin!(running.idle_for(FAREWELL));
        let mut old = pin!(tokio::time::sleep(LONGEST));
        let http = self.http(stream.get_ref().1.alpn_protocol());
        let (app, all) = (self.app.clone(), running.clone());
        let origin = stream.get_ref().0.peer_addr().ok().map(|address| Origin(address.ip()));
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(caller.clone());
            if let Some(origin) = origin {
                request.extensions_mut().insert(origin);
            }
            let under_way = all.begin();
            let answer = app.clone().oneshot(request.map(Body::new));
            async move { Ok::<_, Infallible>(answer.await?.map(|body| under_way.until_end_of(body))) }
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let mut patience = pin!(tokio::time::sleep(Duration::MAX));
        let mut closing = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                () = must_end.as_mut() => return,
                () = patience.as_mut(), if closing => return,
                () = quiet.as_mut(), if closing => return,
                _ = shutdown.wait_for(|stop| *stop), if !closing => {}
                () = unused.as_mut(), if !closing => {}
                () = old.as_mut(), if !closing => {}
            }
            closing = true;
            connection.as_mut().graceful_shutdown();
            patience.as_mut().reset(tokio::time::Instant::now() + self.limits.request);
        }
    }

    /// The protocol is the one agreed in the handshake: guessing it from the first bytes would wait for them for ever.
    fn http(&self, agreed: Option<&[u8]>) -> Builder<TokioExecutor> {
        let http = Builder::new(TokioExecutor::new());
        let mut http = if agreed == Some(b"h2") { http.http2_only() } else { http.http1_only() };
        http.http1().timer(TokioTimer::new()).header_read_timeout(self.limits.request).max_buf_size(64 * 1024);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(MOST_HEADER_BYTES);
        http
    }
}

/// Ends a refused connection so that the caller learns why: closed over bytes that nobody read it would be reset, and the
/// alert lost.
async fn hear_out(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut block = [0u8; 4096];
    while matches!(stream.read(&mut block).await, Ok(size) if size > 0) {}
}
