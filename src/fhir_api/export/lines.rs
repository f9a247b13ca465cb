//! The files of an export: newline-delimited JSON, sent piece by piece as the client takes it, compressed if it takes that.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use serde_json::json;
use tokio::task::JoinHandle;

use super::super::Api;
use super::seen;
use crate::exports::{GZIP_HEAD, gzip_length, gzip_tail, unpacked};
use crate::fault::Kind;
use crate::server::problem::Problem;
use crate::store::audit::AuditEntry;
use crate::store::exports::{ExportFile, ExportStatus, PieceSize};
use crate::store::{Change, Changes, Handle, StoreError};
use crate::web::bearer::Bearer;

/// `GET /fhir/_export/{id}/{type}.ndjson`
pub(super) async fn file(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let export = seen(&api, &staff, &id).await?;
    let missing = || Problem::new(Kind::NotFound, "the export has no such file");
    let wanted = name.strip_suffix(".ndjson").filter(|file| !file.starts_with('*')).ok_or_else(missing)?;
    if export.status != ExportStatus::Done {
        return Err(missing());
    }
    let files = api.here.store.read(move |view| view.export_files(&id)).await?;
    let file = files.into_iter().find(|file| file.file == wanted).ok_or_else(missing)?;
    let resources: u64 = file.pieces.iter().map(|piece| piece.resources).sum();
    let entry = AuditEntry {
        at: api.here.now(),
        actor: staff.user.clone(),
        action: "export.file".to_owned(),
        target: format!("{}/{name}", export.id),
        detail: json!({"resources": resources}).to_string(),
    };
    api.here.store.write(Changes::new().with(Change::Audit(entry))).await?;
    let is_gzip = takes_gzip(&headers);
    let mut response = Response::new(Body::new(Lines::of(api.here.store.clone(), export.id, file, is_gzip)));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+ndjson"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_gzip {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// Whether `Accept-Encoding` names gzip (RFC 9110 12.5.3); `*` does not count: who does not name it may not know it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
        is_gzip && weight > 0.0
    })
}

type Unread = Box<dyn std::error::Error + Send + Sync>;

/// A file on its way. One piece is in memory.
struct Lines {
    store: Handle,
    export: String,
    file: String,
    is_gzip: bool,
    pieces: VecDeque<PieceSize>,
    head: Option<Bytes>,
    tail: Option<Bytes>,
    under_way: Option<JoinHandle<Result<Bytes, StoreError>>>,
    /// Bytes that are still to come.
    left: u64,
}

impl Lines {
    fn of(store: Handle, export: String, file: ExportFile, is_gzip: bool) -> Self {
        let plain: u64 = file.pieces.iter().map(|piece| piece.length).sum();
        Self {
            store,
            export,
            file: file.file,
            is_gzip,
            head: is_gzip.then(|| Bytes::from_static(&GZIP_HEAD)),
            tail: is_gzip.then(|| Bytes::from(gzip_tail(&file.pieces))),
            left: if is_gzip { gzip_length(&file.pieces) } else { plain },
            pieces: file.pieces.into(),
            under_way: None,
        }
    }

    /// Reads a piece on a thread that may wait.
    fn read(&self, piece: PieceSize) -> JoinHandle<Result<Bytes, StoreError>> {
        let (store, export, file, is_gzip) = (self.store.clone(), self.export.clone(), self.file.clone(), self.is_gzip);
        tokio::task::spawn_blocking(move || {
            let gone = || StoreError::Database("the export was taken away while a file of it was sent".to_owned());
            let bytes = store.view(|view| view.export_piece(&export, &file, piece.number))?.ok_or_else(gone)?;
            if is_gzip {
                return Ok(Bytes::from(bytes));
            }
            let damaged = || StoreError::Database("a piece of an export is damaged".to_owned());
            unpacked(&bytes, &piece).map(Bytes::from).ok_or_else(damaged)
        })
    }
}

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = Unread;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unread>>> {
        let bytes = if let Some(head) = self.head.take() {
            head
        } else {
            if self.under_way.is_none()
                && let Some(piece) = self.pieces.pop_front()
            {
                self.under_way = Some(self.read(piece));
            }
            match &mut self.under_way {
                Some(reading) => {
                    let read = ready!(Pin::new(reading).poll(context));
                    self.under_way = None;
                    match read {
                        Ok(Ok(bytes)) => bytes,
                        // The connection ends: what was sent is not taken for the whole.
                        Ok(Err(error)) => {
                            tracing::warn!(%error, "a file of an export was broken off");
                            return Poll::Ready(Some(Err(error.into())));
                        }
                        Err(error) => return Poll::Ready(Some(Err(error.into()))),
                    }
                }
                None => match self.tail.take() {
                    Some(tail) => tail,
                    None => return Poll::Ready(None),
                },
            }
        };
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_who_names_it() {
        for (accept, expected) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_str(accept).unwrap());
            assert_eq!(takes_gzip(&headers), expected, "{accept}");
        }
    }
}
