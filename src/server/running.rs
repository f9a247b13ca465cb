//! Requests under way on one connection, so that a connection without any can be told from a busy one. Pings and other
//! signs of life of the protocol do not count: somebody who only answers pings must not keep a place.

use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::watch;

/// Number of requests under way on a connection.
#[derive(Clone)]
pub(super) struct Running(watch::Sender<usize>);

/// One request under way, until its answer has been handed over.
pub(super) struct Request(Running);

impl Running {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(watch::channel(0).0)
    }

    /// One more.
    pub(super) fn begin(&self) -> Request {
        self.0.send_modify(|count| *count += 1);
        Request(self.clone())
    }

    /// Returns when there was no request for `limit`.
    pub(super) async fn idle_for(&self, limit: Duration) {
        let mut count = self.0.subscribe();
        loop {
            if count.wait_for(|count| *count == 0).await.is_err() {
                return pending().await;
            }
            // A request that came and went in between is a change too.
            if tokio::time::timeout(limit, count.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// The body of an answer; its request is under way as long as there is more of it.
pub(super) struct AnswerBody {
    body: Body,
    _request: Request,
}

impl Request {
    /// Goes on until `body` is at its end.
    pub(super) fn until_end_of(self, body: Body) -> AnswerBody {
        AnswerBody { body, _request: self }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn idle_is_counted_from_the_end_of_the_last_request() {
        let running = Running::new();
        let limit = Duration::from_millis(200);
        let idle = || running.idle_for(limit);
        let busy = running.begin();
        assert!(tokio::time::timeout(limit * 2, idle()).await.is_err(), "a request is under way");
        drop(busy);
        let since = tokio::time::Instant::now();
        let (elapsed, ()) = tokio::join!(
            async {
                idle().await;
                since.elapsed()
            },
            async {
                tokio::time::sleep(limit / 2).await;
                drop(running.begin());
            }
        );
        assert!(elapsed >= limit * 3 / 2, "{elapsed:?}");
    }
}
