//! Accepting TLS connections, for both doors: a bounded number at once, a deadline for the handshake and for every
//! header, one bad connection never harming another, and an orderly end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

/// At shutdown a connection without an open request may take leave of its caller for this long; a caller that has fallen
/// asleep must not hold up the whole node.
const FAREWELL: Duration = Duration::from_secs(1);
/// Wait after the system refused a connection (out of file descriptors), so as not to spin.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);
/// Interval and patience of HTTP/2 pings, which find dead connections.
const PING: Duration = Duration::from_secs(20);
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
    /// A request must be answered within; also the patience at shutdown.
    pub(super) request: Duration,
}

impl Limits {
    /// Unfinished handshakes of one address at once: one caller may not take all the places.
    fn handshakes_of_one_address(&self) -> usize {
        (self.connections / 4).max(8)
    }
}

/// What a door does with a connection.
pub(super) trait Door: Send + Sync + 'static {
    /// What is known of the other end after the handshake; rides on every request. `None` ends the connection.
    type Caller: Clone + Send + Sync + 'static;

    /// Reads the caller from the finished handshake.
    fn caller(&self, tls: &rustls::ServerConnection) -> Option<Self::Caller>;

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
    let shared = Arc::new(Shared { acceptor: TlsAcceptor::from(Arc::new(tls)), door, app, limits });
    let places = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let handshakes = Handshakes::default();
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
        let Some(handshake) = handshakes.enter(address, limits.handshakes_of_one_address()) else { continue };
        let (shared, shutdown) = (shared.clone(), shutdown.clone());
        open.spawn(async move {
            shared.serve_one(stream, handshake, shutdown).await;
            drop(place);
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
}

impl<D: Door> Shared<D> {
    async fn serve_one(&self, stream: TcpStream, handshake: Handshake, mut shutdown: watch::Receiver<bool>) {
        let accepting = tokio::time::timeout(self.limits.handshake, self.acceptor.accept(stream).into_fallible());
        let finished = tokio::select! {
            finished = accepting => finished,
            // Nothing has been asked yet, so nothing is lost.
            _ = shutdown.wait_for(|stop| *stop) => return,
        };
        drop(handshake);
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
        let app = self.app.clone();
        let must_end = self.door.must_end(&caller);
        let open = OpenRequests::default();
        let counted = open.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(caller.clone());
            let (app, request_is_open) = (app.clone(), counted.enter());
            async move {
                let response = app.oneshot(request.map(Body::new)).await?;
                Ok::<_, Infallible>(response.map(|body| CountedBody { body, _open: request_is_open }))
            }
        });
        let http = self.http();
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let mut must_end = pin!(must_end);
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
                _ = shutdown.wait_for(|stop| *stop), if !closing => {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                    patience.as_mut().reset(tokio::time::Instant::now() + self.limits.request);
                }
                () = open.none_for(FAREWELL), if closing => return,
                () = patience.as_mut(), if closing => return,
            }
        }
    }

    fn http(&self) -> Builder<TokioExecutor> {
        let mut http = Builder::new(TokioExecutor::new());
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

/// The requests of a connection whose answers have not gone out whole.
#[derive(Clone, Default)]
struct OpenRequests(Arc<watch::Sender<usize>>);

/// One of them; counted until dropped.
struct OpenRequest(OpenRequests);

impl OpenRequests {
    fn enter(&self) -> OpenRequest {
        self.0.send_modify(|count| *count += 1);
        OpenRequest(self.clone())
    }

    /// Returns when there has been none for this long.
    async fn none_for(&self, quiet: Duration) {
        let mut count = self.0.subscribe();
        loop {
            // The sender lives in `self`.
            let _ = count.wait_for(|count| *count == 0).await;
            if tokio::time::timeout(quiet, count.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// The body of an answer; its request is open until it is gone.
struct CountedBody {
    body: Body,
    _open: OpenRequest,
}

impl hyper::body::Body for CountedBody {
    type Data = <Body as hyper::body::Body>::Data;
    type Error = <Body as hyper::body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Handshakes in progress, by address.
#[derive(Clone, Default)]
struct Handshakes(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One handshake in progress; counted until dropped.
struct Handshake {
    all: Handshakes,
    address: IpAddr,
}

impl Handshakes {
    fn enter(&self, address: IpAddr, most: usize) -> Option<Handshake> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most {
            tracing::warn!(%address, "too many unfinished handshakes from one address; one was closed");
            return None;
        }
        *count += 1;
        Some(Handshake { all: self.clone(), address })
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut counts = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_of_one_address_are_bounded_and_forgotten() {
        let handshakes = Handshakes::default();
        let (one, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let held: Vec<_> = (0..3).map(|_| handshakes.enter(one, 3)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(handshakes.enter(one, 3).is_none());
        assert!(handshakes.enter(other, 3).is_some());
        drop(held);
        assert!(handshakes.0.lock().unwrap().is_empty());
        assert!(handshakes.enter(one, 3).is_some());
    }
}
