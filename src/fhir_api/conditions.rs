//! Conditions of conditional requests are searches (<https://hl7.org/fhir/R4/http.html#ccreate>).

use crate::fault::Kind;
use crate::fhir::bundle;
use crate::fhir::search::Search;
use crate::records::condition;
use serde_json::Value;

/// Reads a condition; see [`crate::records::accept::ReadCondition`].
pub(super) fn read(kind: &str, query: &str) -> Result<Search, (Kind, String)> {
    let pairs = super::search::form_pairs(query).and_then(|pairs| super::search::parse(kind, &pairs));
    pairs.map_err(|problem| {
        // What no search serves is a mistake in a condition: nothing is written by it.
        let kind = if problem.kind() == Kind::NotSupported { Kind::Malformed } else { problem.kind() };
        (kind, problem.diagnostics().to_owned())
    })
}

/// Whether a bundle has a condition that no expectation of the store holds until the commit: anything but one identifier.
pub(super) fn are_loose(transaction: &Value) -> bool {
    bundle::entries(transaction).any(|entry| {
        let text = |name: &str| entry["request"].get(name).and_then(Value::as_str);
        let of_url = text("url").and_then(|url| url.split_once('?')).map(|(_, query)| query);
        let of_url = of_url.filter(|_| text("method") != Some("GET"));
        of_url.into_iter().chain(text("ifNoneExist")).any(|query| condition::identifier(query).is_none())
    })
}
