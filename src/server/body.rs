//! A request's whole body, within the limit of its door. What is larger, compressed, or breaks off, is refused like everything
//! else: by a [`Problem`]. What all requests together may hold in bodies is limited, too: a body becomes many times its size
//! in trees and rows before it is committed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::fault::Kind;

/// Bytes of bodies at once, in KiB. One that is larger by itself has all of it.
const ROOM: u32 = 4 * 1024;
/// What a body that does not tell its length is counted as, in KiB.
const UNTOLD: u32 = ROOM / 4;
/// How long a request waits for room.
const PATIENCE: Duration = Duration::from_secs(20);

/// The room for the bodies of all requests of local systems, given to each request as an extension by their door. Partners
/// have none: one of them that sends slowly would hold up the others; their connections are counted instead.
#[derive(Debug, Clone)]
pub struct BodyRoom(Arc<Semaphore>);

impl Default for BodyRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM as usize)))
    }
}

/// The bytes, and the room they take until the handler is done. The last of a handler's arguments: everything that needs no
/// body has been checked before it is read.
pub struct WholeBody(pub Bytes, pub Option<OwnedSemaphorePermit>);

impl<S: Send + Sync> FromRequest<S> for WholeBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // Nothing is inflated, so nothing can grow beyond the limit behind it.
        if request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(Problem::new(
                Kind::UnsupportedMediaType,
                "compressed bodies are not taken; send the body as it is",
            ));
        }
        let held = match request.extensions().get::<BodyRoom>().cloned() {
            Some(room) => Some(room.hold(size(&request), PATIENCE).await?),
            // The entries of a batch: the batch holds room for them.
            None => None,
        };
        let read = Bytes::from_request(request, state).await;
        read.map(|bytes| Self(bytes, held)).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(Kind::TooLarge, "the body is larger than this node takes; send it in parts")
            }
            _ => Problem::new(Kind::Malformed, rejection.body_text()),
        })
    }
}

impl BodyRoom {
    /// Waits for room, but not longer than `patience`.
    async fn hold(self, size: u32, patience: Duration) -> Result<OwnedSemaphorePermit, Problem> {
        match tokio::time::timeout(patience, self.0.acquire_many_owned(size)).await {
            Ok(Ok(held)) => Ok(held),
            _ => Err(Problem::new(
                Kind::Unavailable,
                "the node is working on as many and as large requests as it can hold; try again later",
            )),
        }
    }
}

/// What the body counts as, in KiB.
fn size(request: &Request) -> u32 {
    let told = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    told.map_or(UNTOLD, |bytes| u32::try_from(bytes / 1024 + 1).unwrap_or(ROOM).min(ROOM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_no_room_is_told_and_who_waits_gets_what_is_given_back() {
        let room = BodyRoom::default();
        let all = room.clone().hold(ROOM, PATIENCE).await.unwrap();
        assert_eq!(room.clone().hold(1, Duration::ZERO).await.unwrap_err().kind(), Kind::Unavailable);
        let waiting = tokio::spawn(room.clone().hold(1, PATIENCE));
        tokio::task::yield_now().await;
        drop(all);
        assert!(waiting.await.unwrap().is_ok());
    }

    #[test]
    fn a_body_counts_as_it_tells() {
        let of = |length: Option<&str>| {
            let request = axum::http::Request::builder();
            let request = match length {
                Some(length) => request.header(CONTENT_LENGTH, length),
                None => request,
            };
            size(&request.body(axum::body::Body::empty()).unwrap())
        };
        assert_eq!((of(None), of(Some("1023")), of(Some("1048576"))), (UNTOLD, 1, 1025));
        assert_eq!((of(Some("99999999999999")), of(Some("x"))), (ROOM, UNTOLD));
    }
}
