//! SMART Backend Services at the inside door: what the node supports, and the token address.
//! <https://hl7.org/fhir/smart-app-launch/backend-services.html>

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::assertion;
use super::client::{self, GrantError, TokenRequest};
use crate::config::AccessConfig;
use crate::exchange::Institution;
use crate::exchange::key_sets::{KeySetSettings, KeySets};
use crate::server::body::WholeBody;
use crate::server::problem::Problem;
use crate::store::StoreError;

/// Path of the token address.
pub const TOKEN: &str = "/oauth/token";
/// Largest form read, bytes.
const LARGEST: usize = 16 * 1024;
/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// State of these endpoints.
#[derive(Clone)]
pub struct SmartState {
    /// This institution.
    pub here: Institution,
    /// Address of the inside door, `https://host:port`, as clients write it in `aud`.
    pub base: Arc<str>,
    /// `[access]`.
    pub config: AccessConfig,
    /// Keys that clients publish.
    keys: Arc<KeySets>,
}

impl SmartState {
    /// These endpoints at the door `base`.
    pub fn new(here: Institution, base: Arc<str>, config: AccessConfig) -> Self {
        let settings = KeySetSettings {
            authority: config.keys_authority.clone(),
            private_addresses: config.keys_from_private_addresses,
        };
        Self { here, base, config, keys: Arc::new(KeySets::new(&settings)) }
    }

    /// The keys of the client that an assertion names, if it publishes them.
    async fn published(&self, assertion: &str) -> Result<Option<String>, StoreError> {
        let told = assertion.to_owned();
        let Some(url) = self.here.store.read(move |view| assertion::keys_address(view, &told)).await? else {
            return Ok(None);
        };
        let kid = assertion::kid(assertion);
        let enough = |set: &str| kid.as_deref().is_some_and(|kid| assertion::has_key(set, kid));
        match self.keys.get(&url, self.here.clock.now(), enough).await {
            Ok(set) => Ok(Some(set)),
            Err(cause) => {
                tracing::warn!(%cause, "the keys of a client cannot be had");
                Ok(None)
            }
        }
    }
}

/// The two addresses; the first also below `/fhir`.
pub fn router(state: SmartState) -> Router {
    Router::new()
        .route("/.well-known/smart-configuration", get(configuration))
        .route("/fhir/.well-known/smart-configuration", get(configuration))
        .route("/oauth/token", post(token))
        .with_state(state)
}

/// `GET …/.well-known/smart-configuration`, open to everybody inside.
async fn configuration(State(state): State<SmartState>) -> Response {
    let told = json!({
        "issuer": state.base.as_ref(),
        "token_endpoint": format!("{}{TOKEN}", state.base),
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
        "scopes_supported": ["system/*.cruds", "system/*.rs", "user/*.cruds", "user/*.rs"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    });
    answer(StatusCode::OK, &told)
}

/// `POST /oauth/token`. Whatever is wrong with an assertion, the answer is the same; the log knows more.
async fn token(State(state): State<SmartState>, WholeBody(body, _held): WholeBody) -> Response {
    let request = match read(&body) {
        Ok(request) => request,
        Err((error, text)) => return refusal(StatusCode::BAD_REQUEST, error, text),
    };
    let keys = match state.published(&request.assertion).await {
        Ok(keys) => keys,
        Err(error) => return Problem::from(error).into_response(),
    };
    let work = tokio::task::spawn_blocking(move || {
        let audience = format!("{}{TOKEN}", state.base);
        client::grant(&state.here.store, state.here.clock.as_ref(), &state.config, &audience, keys.as_deref(), &request)
    });
    match work.await.unwrap_or(Err(GrantError::Store(StoreError::Closed))) {
        Ok(granted) => answer(
            StatusCode::OK,
            &json!({
                "access_token": granted.token,
                "token_type": "bearer",
                "expires_in": granted.seconds,
                "scope": granted.scope,
            }),
        ),
        Err(GrantError::Client(cause)) => {
            tracing::warn!(%cause, "a client assertion was refused");
            refusal(StatusCode::UNAUTHORIZED, "invalid_client", "the client assertion is not accepted")
        }
        Err(error @ (GrantError::Scope(_) | GrantError::NoScope)) => {
            refusal(StatusCode::BAD_REQUEST, "invalid_scope", &error.to_string())
        }
        Err(GrantError::Store(error)) => Problem::from(error).into_response(),
    }
}

/// Reads the form; each parameter once.
fn read(body: &[u8]) -> Result<TokenRequest, (&'static str, &'static str)> {
    let invalid = |text| ("invalid_request", text);
    if body.len() > LARGEST {
        return Err(invalid("the form is larger than 16 KiB"));
    }
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_bytes(body).map_err(|_| invalid("the form cannot be read"))?;
    let one = |name: &str| {
        let mut found = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone());
        match (found.next(), found.next()) {
            (value, None) => Ok(value),
            _ => Err(invalid("a parameter is given twice")),
        }
    };
    if one("grant_type")?.as_deref() != Some("client_credentials") {
        return Err(("unsupported_grant_type", "grant_type must be client_credentials"));
    }
    if one("client_assertion_type")?.as_deref() != Some(ASSERTION_TYPE) {
        return Err(invalid("client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
    }
    let assertion = one("client_assertion")?.ok_or_else(|| invalid("client_assertion is missing"))?;
    let scope = one("scope")?.ok_or_else(|| invalid("scope is missing"))?;
    Ok(TokenRequest { assertion, scope })
}

fn refusal(status: StatusCode, error: &str, text: &str) -> Response {
    answer(status, &json!({"error": error, "error_description": text}))
}

/// RFC 6749 section 5: never kept by anything in between.
fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
