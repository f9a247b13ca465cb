//! The form of answers (<https://hl7.org/fhir/R4/http.html#mime-type>): JSON only, by `Accept` or `_format`, and laid out for
//! people by `_pretty`.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::fault::Kind;
use crate::server::problem::Problem;

/// Larger answers are not laid out.
const LAID_OUT: usize = 64 * 1024 * 1024;

/// Refuses what asks for another form, answers the rest, and lays the answer out if that is wished. `_format` and `_pretty` are
/// dealt with here and taken out of the query.
pub(super) async fn negotiate(mut request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or("").to_owned();
    let (formats, kept) = split(&query);
    let format = formats.iter().find(|(name, _)| name == "_format").map(|(_, value)| value.as_str());
    let is_acceptable = match format {
        Some(format) => is_json(format),
        None => accepts_json(request.headers()),
    };
    if !is_acceptable {
        let problem =
            Problem::new(Kind::NotAcceptable, "answers are application/fhir+json of FHIR 4.0, and nothing else");
        return problem.into_response();
    }
    if !formats.is_empty()
        && let Some(uri) = with_query(request.uri(), &kept)
    {
        *request.uri_mut() = uri;
    }
    let is_pretty = formats.iter().any(|(name, value)| name == "_pretty" && value == "true");
    let response = next.run(request).await;
    if is_pretty { laid_out(response).await } else { response }
}

/// The parameters of the form, decoded, and the rest of the query as it was.
fn split(query: &str) -> (Vec<(String, String)>, Vec<&str>) {
    let (mut formats, mut kept) = (Vec::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match serde_urlencoded::from_str::<Vec<(String, String)>>(pair) {
            Ok(pairs) if pairs.iter().any(|(name, _)| name == "_format" || name == "_pretty") => formats.extend(pairs),
            _ => kept.push(pair),
        }
    }
    (formats, kept)
}

fn with_query(uri: &Uri, kept: &[&str]) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    parts.path_and_query = Some(format!("{}{query}", uri.path()).parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// A value of `_format`; a plus that was not escaped arrives as a space.
fn is_json(format: &str) -> bool {
    let essence = format.split(';').next().unwrap_or("").trim().replace(' ', "+").to_ascii_lowercase();
    matches!(essence.as_str(), "json" | "application/json" | "application/fhir+json" | "text/json")
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .peekable();
    ranges.peek().is_none() || ranges.any(is_json_range)
}

/// Whether a media range takes FHIR JSON, or the forms that files and statuses of exports have.
fn is_json_range(range: &str) -> bool {
    let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let is_named = matches!(
        essence.as_str(),
        "*/*"
            | "application/*"
            | "application/json"
            | "application/fhir+json"
            | "application/json+fhir"
            | "application/fhir+ndjson"
            | "application/ndjson"
            | "application/x-ndjson"
            | "application/json-patch+json"
    );
    is_named
        && parts.all(|parameter| match parameter.split_once('=') {
            Some(("q", weight)) => weight.parse::<f32>().is_ok_and(|weight| weight > 0.0),
            Some(("fhirversion", version)) => matches!(version.trim_matches('"'), "4.0" | "4.0.1"),
            _ => true,
        })
}

async fn laid_out(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let is_json =
        parts.headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().ends_with(b"json; charset=utf-8"));
    if !is_json {
        return Response::from_parts(parts, body);
    }
    let Ok(bytes) = to_bytes(body, LAID_OUT).await else {
        return Problem::new(Kind::TooLarge, "the answer is too large to be laid out; ask without _pretty")
            .into_response();
    };
    let text = serde_json::from_slice::<Value>(&bytes).ok().map(|value| format!("{value:#}"));
    let body = text.map_or_else(|| Body::from(bytes), Body::from);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept"));
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_is_accepted() {
        let accepts = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(text).unwrap());
            accepts_json(&headers)
        };
        for text in [
            "",
            "*/*",
            "application/fhir+json",
            "application/json;q=0.5",
            "text/html, */*;q=0.1",
            "application/fhir+json; fhirVersion=4.0",
        ] {
            assert!(accepts(text), "{text}");
        }
        for text in [
            "application/pdf",
            "application/fhir+xml",
            "text/html",
            "application/fhir+json;q=0",
            "application/fhir+json;fhirVersion=3.0",
        ] {
            assert!(!accepts(text), "{text}");
        }
        assert!(accepts_json(&HeaderMap::new()));
    }

    #[test]
    fn the_form_is_taken_out_of_the_query() {
        let (formats, kept) = split("a=1&_format=application/fhir+json&b=%26&_pretty=true");
        assert_eq!(kept, ["a=1", "b=%26"]);
        assert!(is_json(&formats[0].1), "{}", formats[0].1);
        assert_eq!(with_query(&"/fhir/Patient?x".parse().unwrap(), &kept).unwrap(), "/fhir/Patient?a=1&b=%26");
        assert_eq!(with_query(&"/fhir/Patient?x".parse().unwrap(), &[]).unwrap(), "/fhir/Patient");
        assert!(!is_json("xml"));
    }
}
