//! Request headers that steer an interaction: `Prefer`, the conditions on versions and times.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::fault::Kind;
use crate::server::problem::Problem;
use crate::store::records::StoredResource;

/// What the answer to a write holds (<https://hl7.org/fhir/R4/http.html#ops>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Return {
    /// The resource as it is now.
    Representation,
    /// Headers alone.
    Minimal,
    /// An OperationOutcome.
    Outcome,
}

/// What `Prefer: return=…` asks for, if it does.
pub(super) fn preferred(headers: &HeaderMap) -> Option<Return> {
    preferences(headers).find_map(|(name, value)| match (name.as_str(), value.as_str()) {
        ("return", "representation") => Some(Return::Representation),
        ("return", "minimal") => Some(Return::Minimal),
        ("return", "operationoutcome") => Some(Return::Outcome),
        _ => None,
    })
}

/// `Prefer: handling=lenient`; strict otherwise.
pub(super) fn is_lenient(headers: &HeaderMap) -> bool {
    preferences(headers).any(|(name, value)| name == "handling" && value == "lenient")
}

/// `Prefer: respond-async` (RFC 7240 4.1).
pub(super) fn is_asynchronous(headers: &HeaderMap) -> bool {
    preferences(headers).any(|(name, _)| name == "respond-async")
}

/// Names and values of `Prefer` (RFC 7240), in lower case.
fn preferences(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> {
    let texts = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split([',', ';'])).map(|one| {
        let (name, value) = one.split_once('=').unwrap_or((one, ""));
        (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_ascii_lowercase())
    })
}

/// A request of a bundle's entry with the conditions that the headers of a single one carry. A condition that cannot be read is
/// refused: passing it over would write what the client did not want.
pub(super) fn request(method: &str, url: &str, headers: &HeaderMap) -> Result<Value, Problem> {
    let mut request = json!({"method": method, "url": url});
    for (name, header) in [
        ("ifMatch", header::IF_MATCH),
        ("ifNoneMatch", header::IF_NONE_MATCH),
        ("ifNoneExist", HeaderName::from_static("if-none-exist")),
    ] {
        let mut values = headers.get_all(&header).iter();
        let (Some(value), more) = (values.next(), values.next()) else { continue };
        match std::str::from_utf8(value.as_bytes()) {
            Ok(text) if more.is_none() => request[name] = json!(text),
            _ => {
                let text = format!("{header} must come once, in UTF-8");
                return Err(Problem::new(Kind::Malformed, text));
            }
        }
    }
    Ok(request)
}

/// Whether the client has this version already: `If-None-Match` decides, and without it `If-Modified-Since`
/// (RFC 9110 13.2.2).
pub(super) fn is_known(headers: &HeaderMap, stored: &StoredResource) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(tags) = text(header::IF_NONE_MATCH) {
        let own = format!("\"{}\"", stored.version);
        return tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == own);
    }
    let since = text(header::IF_MODIFIED_SINCE).and_then(http_date);
    let updated = stored.last_updated.parse::<Timestamp>().ok();
    // The header counts in whole seconds.
    since.zip(updated).is_some_and(|(since, updated)| updated.as_second() <= since.as_second())
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

/// A time of the store as an HTTP date.
pub(super) fn http_time(at: &str) -> Option<HeaderValue> {
    let at: Timestamp = at.parse().ok()?;
    let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()?;
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn the_answer_is_what_is_preferred() {
        for (prefer, expected) in [
            ("return=minimal", Some(Return::Minimal)),
            ("handling=strict; return=representation", Some(Return::Representation)),
            ("handling=strict, return=\"OperationOutcome\"", Some(Return::Outcome)),
            ("return=everything", None),
            ("respond-async", None),
        ] {
            assert_eq!(preferred(&with(&[("prefer", prefer)])), expected, "{prefer}");
        }
    }

    #[test]
    fn a_condition_that_cannot_be_read_is_not_passed_over() {
        let mut headers = with(&[("if-match", "W/\"1\"")]);
        assert_eq!(request("PUT", "Patient/1", &headers).unwrap()["ifMatch"], "W/\"1\"");
        headers.append("if-match", HeaderValue::from_static("W/\"2\""));
        assert_eq!(request("PUT", "Patient/1", &headers).unwrap_err().kind(), Kind::Malformed);
        for (bytes, is_read) in [("family=山田".as_bytes(), true), (b"family=\xff".as_slice(), false)] {
            let mut headers = HeaderMap::new();
            headers.insert("if-none-exist", HeaderValue::from_bytes(bytes).unwrap());
            assert_eq!(request("POST", "Patient", &headers).is_ok(), is_read);
        }
    }

    #[test]
    fn a_known_version_is_told_by_its_tag_or_its_time() {
        let stored = StoredResource {
            kind: "Patient".to_owned(),
            id: "p".to_owned(),
            version: 3,
            last_updated: "2026-11-24T10:00:00.500Z".to_owned(),
            event_time: None,
            json: "{}".to_owned(),
        };
        let known = |pairs: &[(&'static str, &str)]| is_known(&with(pairs), &stored);
        assert!(known(&[("if-none-match", "W/\"3\"")]));
        assert!(known(&[("if-none-match", "W/\"1\", \"3\"")]));
        assert!(!known(&[("if-none-match", "W/\"2\"")]));
        assert!(known(&[("if-modified-since", "Tue, 24 Nov 2026 10:00:00 GMT")]));
        assert!(!known(&[("if-modified-since", "Tue, 24 Nov 2026 09:59:59 GMT")]));
        assert!(!known(&[("if-modified-since", "yesterday")]));
        let both = [("if-none-match", "W/\"2\""), ("if-modified-since", "Tue, 24 Nov 2026 10:00:00 GMT")];
        assert!(!known(&both), "the tag decides");
        assert!(!known(&[]));
        assert_eq!(http_time(&stored.last_updated).unwrap(), "Tue, 24 Nov 2026 10:00:00 GMT");
    }
}
