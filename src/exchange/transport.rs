//! Posting to a peer: pinned TLS, no redirects, no proxy, a deadline, and an answer of bounded size.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};

use super::tls::{self, TlsError};
use super::{Institution, envelope};
use crate::fault::{Classified, Kind};

/// Header that carries the signature of an answer.
pub const ANSWER_HEADER: &str = "watari-answer-signature";

/// Slowest line a message must still get through in time, bytes per second.
pub const BYTES_PER_SECOND: u64 = 64 * 1024;

/// Longest text of a peer's refusal that is kept, characters.
const LONGEST_TEXT: usize = 300;
/// Interval and patience of the pings that find dead connections.
const PING: Duration = Duration::from_secs(5);

/// One request, ready to go.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Base URL of the peer's outside door.
    pub url: String,
    /// The certificate it must show, hexadecimal SHA-256.
    pub certificate_sha256: String,
    /// Path.
    pub path: String,
    /// Media type.
    pub content_type: String,
    /// Request token; absent only when pairing.
    pub token: Option<String>,
    /// Message signature; absent only when pairing.
    pub signature: Option<String>,
    /// The exact bytes.
    pub body: Bytes,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Watari-Answer-Signature`.
    pub answer_signature: Option<String>,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// Whether the peer did as asked.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What the peer says about its refusal: the first issue of an OperationOutcome, without control characters and cut
    /// short. It is a stranger's text, to be shown as such.
    pub fn refusal_text(&self) -> String {
        let outcome: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let issue = outcome.get("issue").and_then(|issues| issues.get(0));
        let text = issue.and_then(|issue| issue.get("diagnostics")).and_then(serde_json::Value::as_str);
        text.unwrap_or_default().chars().filter(|c| !is_unprintable(*c)).take(LONGEST_TEXT).collect()
    }
}

/// Whoever can carry a request to a peer. Tests put one in between that loses answers.
pub trait Transport: Send + Sync {
    /// Posts and waits for the answer, within the configured deadline.
    fn post<'a>(
        &'a self,
        here: &'a Institution,
        outgoing: Outgoing,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, TransportError>> + Send + 'a>>;
}

/// The network. Connections are kept per pinned certificate.
#[derive(Debug, Default)]
pub struct Https {
    clients: Mutex<HashMap<String, reqwest::Client>>,
}

impl Https {
    /// No connection yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn client(&self, here: &Institution, certificate_sha256: &str) -> Result<reqwest::Client, TransportError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(certificate_sha256) {
            return Ok(client.clone());
        }
        let client = build_client(here, certificate_sha256)?;
        clients.insert(certificate_sha256.to_owned(), client.clone());
        Ok(client)
    }
}

impl Transport for Https {
    fn post<'a>(
        &'a self,
        here: &'a Institution,
        outgoing: Outgoing,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, TransportError>> + Send + 'a>> {
        Box::pin(async move {
            let client = self.client(here, &outgoing.certificate_sha256)?;
            let deadline = deadline(here.exchange.attempt_seconds, outgoing.body.len());
            send(&client, outgoing, deadline, here.exchange.max_answer_bytes).await
        })
    }
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The peer's address is not an `https` URL.
    #[error("the partner's address is not an https address")]
    Address,
    /// The answer is larger than allowed.
    #[error("the partner's answer is larger than {0} bytes")]
    AnswerTooLarge(usize),
    /// The connection stood and ended without an answer. A refusal of our certificate comes after the handshake (TLS 1.3),
    /// and its alert may be lost together with the connection.
    #[error(
        "the partner ended the connection without an answer: it is stopping, or does not accept this node's certificate"
    )]
    Ended,
    /// The node at that address has another certificate, or an expired one.
    #[error("the node at the partner's address does not have the certificate pinned at pairing, or it has expired")]
    PeerIdentity,
    /// The peer ended the TLS handshake: it does not accept our certificate.
    #[error("the partner does not accept this node's certificate ({0})")]
    RefusedByTls(String),
    /// Our TLS cannot be set up.
    #[error("{0}")]
    Setup(String),
    /// Nothing in time.
    #[error("the partner did not answer in time")]
    TimedOut,
    /// No connection.
    #[error("the partner cannot be reached")]
    Unreachable,
}

impl Classified for TransportError {
    fn kind(&self) -> Kind {
        match self {
            Self::Setup(_) => Kind::Configuration,
            _ => Kind::PeerFailed,
        }
    }
}

impl From<TlsError> for TransportError {
    fn from(error: TlsError) -> Self {
        Self::Setup(error.to_string())
    }
}

/// How long a request with a body of `bytes` may take, its answer included.
fn deadline(attempt_seconds: u64, bytes: usize) -> Duration {
    let sending = u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES_PER_SECOND;
    Duration::from_secs(attempt_seconds.saturating_add(sending))
}

fn build_client(here: &Institution, certificate_sha256: &str) -> Result<reqwest::Client, TransportError> {
    let tls = tls::client(&here.identity, here.clock.clone(), certificate_sha256)?;
    let attempt = Duration::from_secs(here.exchange.attempt_seconds);
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(attempt.min(Duration::from_secs(10)))
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(4)
        // A connection on which the answers vanish lets nothing more through once its window is used up, and is never
        // found broken by writing alone.
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING)
        .http2_keep_alive_while_idle(true)
        .build()
        .map_err(|error| TransportError::Setup(error.without_url().to_string()))
}

async fn send(
    client: &reqwest::Client,
    outgoing: Outgoing,
    deadline: Duration,
    limit: usize,
) -> Result<Reply, TransportError> {
    let base = reqwest::Url::parse(&outgoing.url).map_err(|_| TransportError::Address)?;
    let address = base.join(&outgoing.path).map_err(|_| TransportError::Address)?;
    if address.scheme() != "https" || address.host_str() != base.host_str() {
        return Err(TransportError::Address);
    }
    let mut request = client.post(address).timeout(deadline).header(CONTENT_TYPE, outgoing.content_type);
    if let Some(token) = outgoing.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(signature) = outgoing.signature {
        request = request.header(envelope::SIGNATURE_HEADER, signature);
    }
    let response = request.body(outgoing.body).send().await.map_err(why)?;
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (status, answer_signature) = (response.status().as_u16(), header(ANSWER_HEADER));
    let retry_after = header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
    let body = bounded_body(response, limit).await?;
    Ok(Reply { status, answer_signature, retry_after, body })
}

async fn bounded_body(mut response: reqwest::Response, limit: usize) -> Result<Bytes, TransportError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(why)? {
        if body.len() + chunk.len() > limit {
            return Err(TransportError::AnswerTooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Finds what TLS said below reqwest's error: a wrong certificate and a refusal need other remedies than a dead line.
fn why(error: reqwest::Error) -> TransportError {
    match tls_cause(&error) {
        Some(found) => found,
        None if error.is_timeout() => TransportError::TimedOut,
        None if error.is_connect() => TransportError::Unreachable,
        None => TransportError::Ended,
    }
}

fn tls_cause(error: &(dyn std::error::Error + 'static)) -> Option<TransportError> {
    match error.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(_)) => return Some(TransportError::PeerIdentity),
        Some(rustls::Error::AlertReceived(alert)) => return Some(TransportError::RefusedByTls(format!("{alert:?}"))),
        _ => {}
    }
    // HTTP/2 keeps only the text of what TLS said.
    if let Some(alert) = error.to_string().strip_prefix("received fatal alert: ") {
        return Some(TransportError::RefusedByTls(alert.to_owned()));
    }
    // `source` of an I/O error skips the error it wraps.
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => tls_cause(wrapped),
        None => error.source().and_then(tls_cause),
    }
}

/// Control characters and the marks that turn the direction of text.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Reply { status: 422, answer_signature: None, retry_after: None, body }.refusal_text()
    }

    #[test]
    fn a_large_message_has_more_time() {
        assert_eq!(deadline(30, 1000), Duration::from_secs(30));
        assert_eq!(deadline(30, 16 * 1024 * 1024), Duration::from_secs(30 + 256));
    }

    #[test]
    fn a_peers_refusal_is_cleaned_and_cut() {
        let outcome = crate::fhir::outcome::error("invalid", "a\u{1b}[31m\n\u{202e}b", None).to_string();
        assert_eq!(refusal(&outcome), "a[31mb");
        let long = crate::fhir::outcome::error("invalid", &"x".repeat(5000), None).to_string();
        assert_eq!(refusal(&long).len(), LONGEST_TEXT);
        assert_eq!(refusal("<html>"), "");
        assert_eq!(refusal(r#"{"issue":{}}"#), "");
    }
}
