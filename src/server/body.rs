//! A request's whole body, within the limit of its door. What is larger, compressed, or breaks off, is refused like everything
//! else: by a [`Problem`].

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_ENCODING;

use super::problem::Problem;
use crate::fault::Kind;

/// The bytes. The last of a handler's arguments: everything that needs no body has been checked before it is read.
pub struct WholeBody(pub Bytes);

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
        let read = Bytes::from_request(request, state).await;
        read.map(Self).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(Kind::TooLarge, "the body is larger than this node takes; send it in parts")
            }
            _ => Problem::new(Kind::Malformed, rejection.body_text()),
        })
    }
}
