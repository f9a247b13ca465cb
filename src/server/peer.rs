//! What a handler of the outside door may see: messages and questions whose sender, body and token have been checked.
//! An unverified body has no extractor.

use axum::Json;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};

use super::body::WholeBody;
use super::problem::Problem;
use crate::exchange::envelope::{self, OpenError, RequestParts, VerifiedMessage};
use crate::exchange::tls::TlsPeer;
use crate::exchange::transport::ANSWER_HEADER;
use crate::exchange::{Institution, ask, receive};
use crate::fault::Kind;
use crate::store::StoreError;
use crate::wire::submit_message;

/// A message to be accepted by `exchange::receive::accept_once`, which spends its token together with the effect.
pub struct PeerMessage(pub VerifiedMessage);

impl<S> FromRequest<S> for PeerMessage
where
    S: Send + Sync,
    Institution: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        open(request, Institution::from_ref(state)).await.map(Self)
    }
}

/// A question to be answered at once with [`Answer`]. Its token is spent before the handler sees it: the answer is the
/// only effect, and a replayed question gets none.
pub struct PeerQuestion(pub VerifiedMessage);

impl<S> FromRequest<S> for PeerQuestion
where
    S: Send + Sync,
    Institution: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let here = Institution::from_ref(state);
        let message = open(request, here.clone()).await?;
        let spent = tokio::task::spawn_blocking(move || receive::spend(&here, &message).map(|()| message));
        Ok(Self(spent.await.unwrap_or(Err(StoreError::Closed.into()))?))
    }
}

/// The other end of the connection, for the one address open to the unpaired.
pub struct Caller(pub TlsPeer);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        caller(&parts.extensions).map(Self)
    }
}

/// The answer to an accepted message: its receipt.
pub struct Receipted(pub String);

impl IntoResponse for Receipted {
    fn into_response(self) -> Response {
        Json(submit_message::Response { receipt: self.0 }).into_response()
    }
}

/// The signed answer to a question.
pub struct Answer {
    body: Vec<u8>,
    signature: String,
}

impl Answer {
    /// Signs `body` (JSON) as the answer to `question`.
    pub fn new(here: &Institution, question: &VerifiedMessage, body: Vec<u8>) -> Result<Self, Problem> {
        let signature = ask::sign_answer(here, question, &body)?;
        Ok(Self { body, signature })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (HeaderName::from_static(ANSWER_HEADER), self.signature),
        ];
        (headers, self.body).into_response()
    }
}

async fn open(request: Request, here: Institution) -> Result<VerifiedMessage, Problem> {
    let (parts, body) = request.into_parts();
    let tls = caller(&parts.extensions)?;
    if parts.uri.query().is_some() {
        return Err(Problem::new(Kind::Malformed, "addresses between nodes have no query"));
    }
    let whole = Request::from_parts(parts.clone(), body);
    let WholeBody(body, _held) = WholeBody::from_request(whole, &()).await?;
    let opened = tokio::task::spawn_blocking(move || {
        let request = RequestParts {
            path: parts.uri.path(),
            content_type: text(&parts.headers, header::CONTENT_TYPE),
            authorization: text(&parts.headers, header::AUTHORIZATION),
            signature: text(&parts.headers, HeaderName::from_static(envelope::SIGNATURE_HEADER)),
        };
        envelope::open(&here, &tls, request, body).inspect_err(|error| {
            tracing::warn!(certificate_sha256 = %tls.certificate_sha256, %error, "a peer's request was refused");
            envelope::note_refusal(&here, &tls, error);
        })
    });
    Ok(opened.await.unwrap_or(Err(StoreError::Closed.into()))?)
}

fn caller(extensions: &axum::http::Extensions) -> Result<TlsPeer, Problem> {
    extensions.get::<TlsPeer>().cloned().ok_or_else(|| OpenError::UnknownCertificate.into())
}

/// A header that is there once and is text.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}
