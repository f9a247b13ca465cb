//! `POST /fhir`: a batch, each entry by itself (<https://hl7.org/fhir/R4/http.html#batch>), or a transaction, all entries or
//! none (<https://hl7.org/fhir/R4/http.html#transaction>). What an entry reads is answered by the interaction itself.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, Request, Response as HttpResponse, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::headers::{Return, preferred};
use super::write::{Sent, commit};
use super::{Api, json_body, value_response};
use crate::access::Staff;
use crate::access::permit::{Permission, check};
use crate::fault::Kind;
use crate::fhir::{self, bundle as bundles, outcome, structure};
use crate::records::accept::{Done, EntryOutcome, MAX_ENTRIES};
use crate::server::body::WholeBody;
use crate::server::problem::{FHIR_JSON, Problem};
use crate::web::bearer::Bearer;
use crate::web::trail;

/// All answers to one bundle together.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// What bundles work with: the API, and the interactions that answer entries.
#[derive(Clone)]
pub(super) struct Bundles {
    pub(super) api: Api,
    pub(super) interactions: Router,
}

impl axum::extract::FromRef<Bundles> for crate::exchange::Institution {
    fn from_ref(bundles: &Bundles) -> Self {
        bundles.api.here.clone()
    }
}

/// `POST /fhir`
pub(super) async fn bundle(
    Bearer(staff): Bearer,
    State(bundles): State<Bundles>,
    headers: HeaderMap,
    WholeBody(body, _held): WholeBody,
) -> Result<Response, Problem> {
    // Whoever may neither read nor write is not told what is wrong with the body.
    check(&staff, Permission::ReadRecord).or_else(|_| check(&staff, Permission::WriteRecord))?;
    let body = json_body(&headers, body).await?;
    if fhir::resource_type(&body) != Some("Bundle") {
        return Err(Problem::new(Kind::Malformed, "the body is not a Bundle").at("resourceType"));
    }
    match body.get("type").and_then(Value::as_str) {
        Some("batch") => batch(&bundles, &headers, body).await,
        Some("transaction") => transaction(&bundles, &staff, &headers, body).await,
        _ => Err(Problem::new(Kind::Malformed, "Bundle.type must be transaction or batch").at("Bundle.type")),
    }
}

async fn batch(bundles: &Bundles, headers: &HeaderMap, body: Value) -> Result<Response, Problem> {
    let count = bundles::entries(&body).count();
    if count > MAX_ENTRIES {
        return Err(Problem::new(Kind::Malformed, format!("a batch may have at most {MAX_ENTRIES} entries")));
    }
    let (mut entries, mut room) = (Vec::with_capacity(count), LARGEST_ANSWER);
    for entry in bundles::entries(&body) {
        let answered = answer(bundles, headers, entry, &mut room).await;
        entries.push(answered.unwrap_or_else(refused));
    }
    Ok(value_response(StatusCode::OK, &bundles::of("batch-response", entries)))
}

/// The entry of a refusal.
fn refused(problem: Problem) -> Value {
    let status = crate::server::problem::status(problem.kind());
    let code = crate::server::problem::issue_type(problem.kind());
    json!({"response": {"status": spelled(status), "outcome": outcome::error(code, problem.diagnostics(), None)}})
}

async fn transaction(bundles: &Bundles, staff: &Staff, headers: &HeaderMap, body: Value) -> Result<Response, Problem> {
    let is_read = |entry: &Value| matches!(entry["request"]["method"].as_str(), Some("GET" | "HEAD"));
    let (mut reads, mut writes) = (Vec::new(), false);
    for (position, entry) in bundles::entries(&body).enumerate() {
        if is_read(entry) {
            reads.push((position, entry.clone()));
        } else {
            writes = true;
        }
    }
    let mut entries: Vec<Value> = vec![Value::Null; bundles::entries(&body).count()];
    if writes || reads.is_empty() {
        check(staff, Permission::WriteRecord)?;
        can_be_read(bundles, &body, &reads).await?;
        let outcomes = commit(&bundles.api, staff, body, Sent::Transaction).await?;
        let preference = preferred(headers).unwrap_or(Return::Minimal);
        let written: Vec<Value> = written(bundles, outcomes, preference).await?;
        for (place, entry) in entries.iter_mut().zip(written) {
            *place = entry;
        }
    }
    let mut room = LARGEST_ANSWER;
    for (position, entry) in reads {
        let answered = answer(bundles, headers, &entry, &mut room).await.unwrap_or_else(refused);
        if let Some(place) = entries.get_mut(position) {
            *place = answered;
        }
    }
    Ok(value_response(StatusCode::OK, &bundles::of("transaction-response", entries)))
}

/// Refuses a transaction that reads by id what neither is there nor is written by it: it is all or nothing.
async fn can_be_read(bundles: &Bundles, body: &Value, reads: &[(usize, Value)]) -> Result<(), Problem> {
    let url = |entry: &Value| entry.pointer("/request/url").and_then(Value::as_str).unwrap_or("").to_owned();
    let written: Vec<String> =
        bundles::entries(body).filter(|entry| entry["request"]["method"] == "PUT").map(url).collect();
    for (position, entry) in reads {
        let url = url(entry);
        let Some((kind, id)) = url.split_once('/').map(|(kind, id)| (kind.to_owned(), id.to_owned())) else { continue };
        if !structure::is_type(&kind) || !fhir::is_valid_id(&id) || written.contains(&url) {
            continue;
        }
        let is_map = kind == super::code_maps::CONCEPT_MAP && bundles.api.maps.read(&id).is_some();
        if !is_map && bundles.api.here.store.read(move |view| view.resource(&kind, &id)).await?.is_none() {
            return Err(Problem::new(Kind::NotFound, format!("entry {position}: {url} is not in the record")));
        }
    }
    Ok(())
}

/// What became of the entries that write, as the client prefers to be told.
async fn written(bundles: &Bundles, outcomes: Vec<EntryOutcome>, preference: Return) -> Result<Vec<Value>, Problem> {
    if preference != Return::Representation {
        return Ok(outcomes.iter().map(|outcome| response_entry(outcome, preference)).collect());
    }
    let read = bundles.api.here.store.read(move |view| {
        let mut entries = Vec::with_capacity(outcomes.len());
        for outcome in &outcomes {
            let mut entry = response_entry(outcome, preference);
            if matches!(outcome.done, Done::Created | Done::Updated | Done::Unchanged | Done::Older)
                && let Some(stored) = view.resource_version(&outcome.kind, &outcome.id, outcome.version)?
                && let Ok(resource) = serde_json::from_str::<Value>(&stored.json)
            {
                entry["resource"] = resource;
            }
            entries.push(entry);
        }
        Ok::<_, crate::store::StoreError>(entries)
    });
    Ok(read.await?)
}

fn response_entry(outcome: &EntryOutcome, preference: Return) -> Value {
    let status = match outcome.done {
        Done::Created => StatusCode::CREATED,
        Done::Deleted | Done::Absent => StatusCode::NO_CONTENT,
        Done::Updated | Done::Unchanged | Done::Older | Done::Read => StatusCode::OK,
    };
    let mut response = json!({"status": spelled(status)});
    if outcome.version > 0 {
        response["etag"] = json!(format!("W/\"{}\"", outcome.version));
        if status != StatusCode::NO_CONTENT {
            response["location"] = json!(format!("{}/{}/_history/{}", outcome.kind, outcome.id, outcome.version));
        }
    }
    if preference == Return::Outcome {
        response["outcome"] = outcome::information("done");
    }
    json!({"response": response})
}

/// Has one entry answered by its interaction, as if it had come by itself.
async fn answer(bundles: &Bundles, headers: &HeaderMap, entry: &Value, room: &mut usize) -> Result<Value, Problem> {
    let request = request(headers, entry)?;
    let answered = match bundles.interactions.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (parts, body) = answered.into_parts();
    let bytes = to_bytes(body, *room).await.map_err(|_| {
        Problem::new(Kind::TooLarge, "the answers to this bundle are too large together; send its entries in parts")
    })?;
    *room = room.saturating_sub(bytes.len());
    Ok(answer_entry(&HttpResponse::from_parts(parts, ()), &bytes))
}

fn answer_entry(response: &HttpResponse<()>, body: &[u8]) -> Value {
    let text = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    let mut told = json!({"status": spelled(response.status())});
    if let Some(location) = text(header::LOCATION) {
        told["location"] = json!(location.trim_start_matches("/fhir/"));
    }
    if let Some(tag) = text(header::ETAG) {
        told["etag"] = json!(tag);
    }
    let resource = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
    if let Some(updated) = resource.as_ref().and_then(|resource| resource.pointer("/meta/lastUpdated")) {
        told["lastModified"] = updated.clone();
    }
    match resource {
        Some(resource) if response.status().is_success() => json!({"resource": resource, "response": told}),
        Some(outcome) => {
            told["outcome"] = outcome;
            json!({"response": told})
        }
        None => json!({"response": told}),
    }
}

fn spelled(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// The request that an entry stands for, with the credentials and the preference of the bundle.
fn request(outer: &HeaderMap, entry: &Value) -> Result<Request<Body>, Problem> {
    let malformed = |what: &str| Problem::new(Kind::Malformed, what);
    let text = |name: &str| entry["request"].get(name).and_then(Value::as_str);
    let method = match text("method") {
        Some("GET") => Method::GET,
        Some("HEAD") => Method::HEAD,
        Some("POST") => Method::POST,
        Some("PUT") => Method::PUT,
        Some("PATCH") => Method::PATCH,
        Some("DELETE") => Method::DELETE,
        _ => return Err(malformed("the entry has no request.method of GET, HEAD, POST, PUT, PATCH, DELETE")),
    };
    let url = text("url").ok_or_else(|| malformed("the entry has no request.url"))?;
    let (content_type, body) = content(&method, entry)?;
    let mut request = Request::builder().method(method).uri(format!(
        "{}{}",
        if url.starts_with('/') { "" } else { "/" },
        escaped(url, b"")
    ));
    for name in [header::AUTHORIZATION, header::HOST, HeaderName::from_static("prefer"), trail::REQUEST_ID] {
        if let Some(value) = outer.get(&name) {
            request = request.header(name, value);
        }
    }
    if !outer.contains_key("prefer") {
        request = request.header("prefer", "return=minimal");
    }
    for (name, header) in [
        ("ifMatch", header::IF_MATCH),
        ("ifNoneMatch", header::IF_NONE_MATCH),
        ("ifNoneExist", HeaderName::from_static("if-none-exist")),
    ] {
        if let Some(value) = text(name) {
            request = request.header(header, escaped(value, b" \""));
        }
    }
    if let Some(time) = text("ifModifiedSince").and_then(super::headers::http_time) {
        request = request.header(header::IF_MODIFIED_SINCE, time);
    }
    if !content_type.is_empty() {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    request.body(body).map_err(|_| malformed("request.url or a condition of the entry cannot be sent by HTTP"))
}

/// Media type and body of an entry. A Binary with a PATCH holds the patch itself.
fn content(method: &Method, entry: &Value) -> Result<(String, Body), Problem> {
    let Some(resource) = entry.get("resource") else { return Ok((String::new(), Body::empty())) };
    if method == Method::PATCH && fhir::resource_type(resource) == Some("Binary") {
        let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or("");
        let data: Vec<u8> = text("data").bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let patch = base64::engine::general_purpose::STANDARD
            .decode(data)
            .map_err(|_| Problem::new(Kind::Malformed, "the data of the entry's Binary are not base64"))?;
        return Ok((text("contentType").to_owned(), Body::from(patch)));
    }
    Ok((FHIR_JSON.to_owned(), Body::from(resource.to_string())))
}

/// A text of an entry as HTTP sends it: what may not stand there is escaped, what is escaped stays; `also` may stand there.
fn escaped(text: &str, also: &[u8]) -> String {
    let mut plain = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            _ if also.contains(&byte) => plain.push(char::from(byte)),
            b'!'..=b'~' if !b"\"<>\\^`{}#".contains(&byte) => plain.push(char::from(byte)),
            _ => plain.push_str(&format!("%{byte:02X}")),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_sent_as_it_is_meant() {
        let url = "Patient?name=山 田&identifier=urn:x|1%7C";
        assert_eq!(escaped(url, b""), "Patient?name=%E5%B1%B1%20%E7%94%B0&identifier=urn:x|1%7C");
        assert_eq!(escaped("W/\"1\", W/\"2\"", b" \""), "W/\"1\", W/\"2\"");
        assert!(format!("/{}", escaped("Patient?a=\"<>\\^`{}#", b"")).parse::<axum::http::Uri>().is_ok());
    }

    #[test]
    fn an_entry_becomes_the_request_it_stands_for() {
        let patch = base64::engine::general_purpose::STANDARD.encode("[]");
        let entry = json!({"resource": {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": patch},
            "request": {"method": "PATCH", "url": "Patient/1", "ifMatch": "W/\"2\""}});
        let mut outer = HeaderMap::new();
        outer.insert(header::AUTHORIZATION, header::HeaderValue::from_static("Bearer x"));
        let request = request(&outer, &entry).unwrap();
        assert_eq!((request.method(), request.uri().path()), (&Method::PATCH, "/Patient/1"));
        assert_eq!(request.headers()[header::IF_MATCH], "W/\"2\"");
        assert_eq!(request.headers()[header::CONTENT_TYPE], "application/json-patch+json");
        assert_eq!(request.headers()[header::AUTHORIZATION], "Bearer x");
        for wrong in
            [json!({}), json!({"request": {"method": "GET"}}), json!({"request": {"method": "TRACE", "url": "x"}})]
        {
            assert_eq!(super::request(&outer, &wrong).unwrap_err().kind(), Kind::Malformed, "{wrong}");
        }
    }
}
