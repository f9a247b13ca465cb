//! The one place where a failure becomes an answer: a status, an OperationOutcome for programs, and, where
//! `web::frame` sees the [`Shown`] mark on a page's response, a page for people. Internal causes are logged here, once, under a
//! reference that the answer carries; they are never shown.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::fault::{Classified, Fault, Kind};
use crate::fhir::outcome::{self, Issue};

/// FHIR JSON, <https://hl7.org/fhir/R4/http.html#mime-type>.
pub const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

/// A failure on its way out. Made from any classified error by `?`.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    diagnostics: String,
    expression: Option<String>,
    issues: Vec<Issue>,
}

/// What of a problem may be shown; rides on the response so that pages can say it in the reader's language.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The kind.
    pub kind: Kind,
    /// The explanation, if the caller can do something about it.
    pub diagnostics: Option<String>,
    /// Names the log line, if the cause is kept back.
    pub reference: Option<String>,
}

impl Problem {
    /// A failure described by hand. `diagnostics` says what, where and what to do, without PHI.
    pub fn new(kind: Kind, diagnostics: impl Into<String>) -> Self {
        Self { kind, diagnostics: diagnostics.into(), expression: None, issues: Vec::new() }
    }

    /// Names the element to blame by its FHIRPath.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        self.expression = Some(expression.into());
        self
    }

    /// Tells each thing that is wrong with the resource, instead of all in one.
    #[must_use]
    pub fn of(mut self, issues: Vec<Issue>) -> Self {
        self.issues = issues;
        self
    }

    /// What went wrong; may hold what is for the log only, see [`Kind::fault`].
    pub fn diagnostics(&self) -> &str {
        &self.diagnostics
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Logs what must be logged, and gives what may be shown.
    fn shown(&self) -> Shown {
        match self.kind.fault() {
            Fault::Caller => Shown { kind: self.kind, diagnostics: Some(self.diagnostics.clone()), reference: None },
            Fault::Peer => {
                tracing::warn!(kind = ?self.kind, cause = %self.diagnostics, "a partner institution did not answer as it should");
                Shown { kind: self.kind, diagnostics: Some(self.diagnostics.clone()), reference: None }
            }
            Fault::Operator if self.kind == Kind::NotSupported => {
                Shown { kind: self.kind, diagnostics: Some(self.diagnostics.clone()), reference: None }
            }
            Fault::Operator | Fault::Ours => {
                let reference = crate::ids::fresh();
                tracing::error!(kind = ?self.kind, cause = %self.diagnostics, %reference, "a request failed here");
                Shown { kind: self.kind, diagnostics: None, reference: Some(reference) }
            }
        }
    }
}

impl<E: Classified> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let shown = self.shown();
        let text = match (&shown.diagnostics, &shown.reference) {
            (Some(text), _) => text.clone(),
            (None, Some(reference)) => format!("the node could not do this; its log tells more under {reference}"),
            (None, None) => "the node could not do this".to_owned(),
        };
        let body = if self.issues.is_empty() || shown.diagnostics.is_none() {
            outcome::error(issue_type(self.kind), &text, self.expression.as_deref())
        } else {
            outcome::errors(&self.issues)
        };
        let body = body.to_string();
        let mut response = (status(self.kind), [(header::CONTENT_TYPE, FHIR_JSON)], body).into_response();
        if self.kind == Kind::Unauthenticated {
            // RFC 9110 15.5.2: a 401 names a scheme.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(shown);
        response
    }
}

/// The HTTP status of a kind.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::NotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Gone => StatusCode::GONE,
        Kind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::NotSupported => StatusCode::NOT_IMPLEMENTED,
        Kind::PeerFailed => StatusCode::BAD_GATEWAY,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Configuration | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The issue code of a kind, from the required value set <https://hl7.org/fhir/R4/valueset-issue-type.html>.
pub fn issue_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Malformed => "structure",
        Kind::Unauthenticated => "login",
        Kind::Forbidden => "forbidden",
        Kind::NotFound => "not-found",
        Kind::Conflict | Kind::PreconditionFailed => "conflict",
        Kind::Gone => "deleted",
        Kind::TooLarge => "too-long",
        Kind::UnsupportedMediaType | Kind::NotSupported | Kind::NotAllowed | Kind::NotAcceptable => "not-supported",
        Kind::Unprocessable => "business-rule",
        Kind::TooMany => "throttled",
        Kind::PeerFailed | Kind::Unavailable => "transient",
        Kind::Configuration | Kind::Internal => "exception",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("disk /secret/path is full")]
    struct Broken(Kind);

    impl Classified for Broken {
        fn kind(&self) -> Kind {
            self.0
        }
    }

    async fn body(problem: Problem) -> String {
        let bytes = axum::body::to_bytes(problem.into_response().into_body(), 65_536).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn internal_causes_stay_inside() {
        for kind in [Kind::Internal, Kind::Unavailable, Kind::Configuration] {
            let text = body(Broken(kind).into()).await;
            assert!(!text.contains("secret"), "{text}");
            assert!(text.contains("its log tells more under"), "{text}");
        }
    }

    #[tokio::test]
    async fn callers_learn_what_to_change() {
        let problem = Problem::new(Kind::Unprocessable, "birthDate must be a date").at("Patient.birthDate");
        let outcome: serde_json::Value = serde_json::from_str(&body(problem).await).unwrap();
        assert_eq!(outcome["issue"][0]["code"], "business-rule");
        assert_eq!(outcome["issue"][0]["diagnostics"], "birthDate must be a date");
        assert_eq!(outcome["issue"][0]["expression"][0], "Patient.birthDate");
    }

    #[tokio::test]
    async fn each_issue_is_told_with_its_element() {
        let issue = |code, expression: &str| {
            let diagnostics = format!("{expression} is required");
            Issue { code, diagnostics, expression: expression.to_owned() }
        };
        let issues = vec![issue("required", "Patient.link[0].other"), issue("structure", "Patient.name")];
        let problem = Problem::new(Kind::Unprocessable, "two things").of(issues.clone());
        let outcome: serde_json::Value = serde_json::from_str(&body(problem).await).unwrap();
        assert_eq!(outcome["issue"].as_array().map(Vec::len), Some(2));
        assert_eq!(outcome["issue"][0]["code"], "required");
        assert_eq!(outcome["issue"][1]["expression"][0], "Patient.name");
        let kept_back = body(Problem::new(Kind::Internal, "x").of(issues)).await;
        assert!(!kept_back.contains("Patient"), "{kept_back}");
    }

    #[test]
    fn a_refused_stranger_is_told_the_scheme() {
        let response = Problem::new(Kind::Unauthenticated, "sign in").into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
