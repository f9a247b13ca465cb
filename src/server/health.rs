//! `/health` (the process lives) and `/ready` (it can do its work: the store reads and writes).

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::exchange::Institution;
use crate::server::problem::Problem;
use crate::store::StoreError;

/// `GET /health`
pub async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// `GET /ready`
pub async fn ready(State(here): State<Institution>) -> Result<Json<Value>, Problem> {
    let store = here.store.clone();
    let health = tokio::task::spawn_blocking(move || store.health()).await.unwrap_or(Err(StoreError::Closed))?;
    Ok(Json(json!({"status": "ready", "institution": here.config.id, "schema_version": health.schema_version})))
}
