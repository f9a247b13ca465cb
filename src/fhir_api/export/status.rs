//! How far an export is, what it came to, and its end before its time.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::Api;
use super::super::base::Base;
use super::super::headers::http_time;
use super::super::respond::value_response;
use super::{AGAIN, PLACE, seen};
use crate::exports::{Asked, DELETED, OUTCOME};
use crate::fault::Kind;
use crate::fhir::outcome;
use crate::server::problem::Problem;
use crate::store::audit::AuditEntry;
use crate::store::exports::{Export, ExportFile, ExportStatus};
use crate::store::{Change, Changes};
use crate::web::bearer::Bearer;

/// `GET /fhir/_export/{id}`
pub(super) async fn status(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    base: Base,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let export = seen(&api, &staff, &id).await?;
    match export.status {
        ExportStatus::Open | ExportStatus::Ended => Ok(under_way(&export)),
        ExportStatus::Failed => {
            let told = export.error.clone().unwrap_or_else(|| "the export could not be made".to_owned());
            Err(Problem::new(Kind::Unprocessable, told))
        }
        ExportStatus::Done => {
            let files = api.here.store.read(move |view| view.export_files(&id)).await?;
            Ok(complete(&base, &export, &files)?)
        }
    }
}

fn under_way(export: &Export) -> Response {
    let mut response = StatusCode::ACCEPTED.into_response();
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, AGAIN);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(progress) = HeaderValue::from_str(&format!("{} resources so far", export.resources)) {
        headers.insert("x-progress", progress);
    }
    response
}

/// The manifest, <https://hl7.org/fhir/uv/bulkdata/export.html#response---complete-status>.
fn complete(base: &Base, export: &Export, files: &[ExportFile]) -> Result<Response, Problem> {
    let asked = Asked::of(export)?;
    let file = |kind: &str, file: &ExportFile| {
        let count: u64 = file.pieces.iter().map(|piece| piece.resources).sum();
        let url = format!("{}/{PLACE}/{}/{}.ndjson", base.0, export.id, file.file);
        json!({"type": kind, "url": url, "count": count})
    };
    let (mut output, mut deleted, mut error): (Vec<Value>, Vec<Value>, Vec<Value>) = Default::default();
    for one in files.iter().filter(|file| !file.file.starts_with('*')) {
        match one.file.as_str() {
            DELETED => deleted.push(file("Bundle", one)),
            OUTCOME => error.push(file("OperationOutcome", one)),
            kind => output.push(file(kind, one)),
        }
    }
    let manifest = json!({
        "transactionTime": export.moment,
        "request": asked.request,
        "requiresAccessToken": true,
        "output": output,
        "deleted": deleted,
        "error": error,
    });
    let mut response = value_response(StatusCode::OK, &manifest);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(time) = http_time(&export.expires_at) {
        response.headers_mut().insert(header::EXPIRES, time);
    }
    Ok(response)
}

/// `DELETE /fhir/_export/{id}`: whether it is under way or done, nothing of it stays.
pub(super) async fn cancel(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let export = seen(&api, &staff, &id).await?;
    let entry = AuditEntry {
        at: api.here.now(),
        actor: staff.user.clone(),
        action: "export.cancel".to_owned(),
        target: export.id.clone(),
        detail: json!({"was": export.status.as_str()}).to_string(),
    };
    let end = Change::EndExport { id: export.id, status: ExportStatus::Ended, error: None, expires_at: None };
    api.here.store.write(Changes::new().with(end).with(Change::Audit(entry))).await?;
    Ok(value_response(StatusCode::ACCEPTED, &outcome::information("the export is ended; its files are taken away")))
}
