//! The style sheet, embedded. Nothing is fetched from elsewhere.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const STYLE: &str = include_str!("../../templates/assets/watari.css");

static DIGEST: LazyLock<String> = LazyLock::new(|| crate::ids::sha256_hex(STYLE.as_bytes())[..16].to_owned());

/// Address of the style sheet; it changes with the content, so that browsers may keep it.
pub fn style_address() -> String {
    format!("/assets/watari.css?v={}", *DIGEST)
}

/// `/assets/watari.css`.
pub fn routes() -> Router {
    Router::new().route("/assets/watari.css", get(style))
}

async fn style(headers: HeaderMap) -> Response {
    let tag = format!("\"{}\"", *DIGEST);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8".to_owned()),
        (header::CACHE_CONTROL, "public, max-age=86400".to_owned()),
        (header::ETAG, tag),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, STYLE).into_response()
}
