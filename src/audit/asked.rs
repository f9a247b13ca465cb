//! What a request is, by its method and address: the act that its row in the trail tells of, and what it is about. One table
//! for all addresses of the inside door; a test holds it to `/openapi.json`.

use crate::fhir::{self, structure};

/// Longest name of a parameter, and of all together, that a row tells.
const LONGEST_NAME: usize = 64;
const LONGEST_NAMES: usize = 256;

/// What the requests to an address are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Shows nothing of anybody and takes nothing: no row.
    Open,
    /// An interaction of the FHIR API, by its code (<https://hl7.org/fhir/R4/valueset-restful-interaction.html>), or an operation
    /// with its `$`.
    Rest(&'static str),
    /// A page for people, looked at.
    Page,
    /// A form of a page.
    Form,
    /// A sign-in or its end, or a token that was asked for.
    SignIn(&'static str),
}

impl Act {
    /// As a row says it; empty without one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "",
            Self::Rest(code) | Self::SignIn(code) => code,
            Self::Page => "page",
            Self::Form => "form",
        }
    }
}

use Act::{Form, Open, Page, Rest, SignIn};

/// Methods, address and act. `{type}` stands for a resource type, other names in braces for one part of a path, a last `*` for any
/// number of them; of several rows the first counts.
pub const TABLE: &[(&str, &str, Act)] = &[
    ("GET", "/fhir/metadata", Open),
    ("GET", "/fhir/.well-known/smart-configuration", Open),
    ("GET", "/fhir/_history", Rest("history-system")),
    ("GET POST", "/fhir/$export", Rest("$export")),
    ("GET POST", "/fhir/Patient/$export", Rest("$export")),
    ("GET POST", "/fhir/Group/{id}/$export", Rest("$export")),
    ("GET DELETE", "/fhir/_export/{id}", Rest("$export")),
    ("GET", "/fhir/_export/{id}/{file}", Rest("$export")),
    ("POST", "/fhir", Rest("transaction")),
    ("POST", "/fhir/", Rest("transaction")),
    ("GET POST", "/fhir/Patient/{id}/$everything", Rest("$everything")),
    ("GET POST", "/fhir/Patient/{id}/$summary", Rest("$summary")),
    ("GET POST", "/fhir/Composition/{id}/$document", Rest("$document")),
    ("GET POST", "/fhir/ConceptMap/$translate", Rest("$translate")),
    ("GET POST", "/fhir/ConceptMap/{id}/$translate", Rest("$translate")),
    ("GET POST", "/fhir/ValueSet/$expand", Rest("$expand")),
    ("GET POST", "/fhir/ValueSet/{id}/$expand", Rest("$expand")),
    ("GET POST", "/fhir/CodeSystem/$lookup", Rest("$lookup")),
    ("POST", "/fhir/{type}/$validate", Rest("$validate")),
    ("POST", "/fhir/{type}/{id}/$validate", Rest("$validate")),
    ("GET", "/fhir/{type}/_history", Rest("history-type")),
    ("GET", "/fhir/{type}/{id}/_history", Rest("history-instance")),
    ("GET", "/fhir/{type}/{id}/_history/{version}", Rest("vread")),
    ("POST", "/fhir/{type}/_search", Rest("search-type")),
    ("GET", "/fhir/{type}", Rest("search-type")),
    ("POST", "/fhir/{type}", Rest("create")),
    ("PUT", "/fhir/{type}", Rest("update")),
    ("PATCH", "/fhir/{type}", Rest("patch")),
    ("DELETE", "/fhir/{type}", Rest("delete")),
    ("GET", "/fhir/{type}/{id}", Rest("read")),
    ("PUT", "/fhir/{type}/{id}", Rest("update")),
    ("PATCH", "/fhir/{type}/{id}", Rest("patch")),
    ("DELETE", "/fhir/{type}/{id}", Rest("delete")),
    ("GET", "/fhir/{type}/{id}/{within}", Rest("search-type")),
    ("POST", "/fhir/{type}/{id}/{within}/_search", Rest("search-type")),
    ("GET", "/", Page),
    ("GET", "/messages", Page),
    ("GET", "/messages/fields", Page),
    ("GET", "/messages/{id}", Page),
    ("POST", "/messages/{id}/reveal", Form),
    ("GET", "/referrals", Page),
    ("GET", "/referrals/new", Page),
    ("POST", "/referrals/new", Form),
    ("GET", "/referrals/{id}", Page),
    ("POST", "/referrals/{id}/{act}", Form),
    ("GET", "/cohorts", Page),
    ("POST", "/cohorts", Form),
    ("GET", "/cohorts/{sha256}", Page),
    ("GET", "/sign-in/{secret}", Page),
    ("POST", "/sign-in/{secret}", SignIn("sign-in")),
    ("POST", "/sign-out", SignIn("sign-out")),
    ("POST", "/oauth/token", SignIn("token")),
    ("GET", "/.well-known/smart-configuration", Open),
    ("GET", "/assets/*", Open),
    ("GET", "/health", Open),
    ("GET", "/ready", Open),
    ("GET", "/metrics", Open),
    ("GET", "/openapi.json", Open),
];

/// A request, read for its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its act, see [`crate::store::requests::RequestRow::act`]; empty: it gets no row.
    pub act: &'static str,
    /// Whether it is an interaction of the FHIR API.
    pub is_rest: bool,
    /// What it is about. What cannot be an id is not repeated: a row holds no words.
    pub target: String,
}

/// Reads a request. HEAD is GET; an address that is in no row is told as `other`, without its words.
pub fn read(method: &str, path: &str) -> Asked {
    let method = if method == "HEAD" { "GET" } else { method };
    let row =
        TABLE.iter().find(|(methods, pattern, _)| methods.split(' ').any(|one| one == method) && is_of(pattern, path));
    match row {
        Some((_, _, act)) => {
            let target = if *act == Open { String::new() } else { target(path) };
            Asked { act: act.as_str(), is_rest: matches!(act, Rest(_)), target }
        }
        None => Asked { act: "other", is_rest: path.starts_with("/fhir"), target: String::new() },
    }
}

fn is_of(pattern: &str, path: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some("*"), Some(_)) => return true,
            (Some("{type}"), Some(part)) if structure::is_type(part) => {}
            (Some("{type}"), Some(_)) => return false,
            (Some(pattern), Some(part)) if pattern.starts_with('{') && !part.is_empty() => {}
            (Some(pattern), Some(part)) if pattern == part => {}
            _ => return false,
        }
    }
}

/// `Type`, `Type/id`, `Type/id/_history/1`, `Type/id/Type`; `referral/id`, `message/id`, `cohort/id`.
fn target(path: &str) -> String {
    let mut parts = path.split('/').skip(1).filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or("");
    let named =
        |name: &str, id: Option<&str>| match id.filter(|id| fhir::is_valid_id(id) && *id != "new" && *id != "fields") {
            Some(id) => format!("{name}/{id}"),
            None => name.to_owned(),
        };
    match first {
        "fhir" if path.starts_with("/fhir/_export/") => named("export", parts.nth(1)),
        "fhir" => {
            let kept = parts.take_while(|part| {
                !part.starts_with('$') && *part != "_search" && (*part == "_history" || fhir::is_valid_id(part))
            });
            let kept: Vec<&str> = kept.collect();
            let kept = kept.strip_suffix(&["_history"]).unwrap_or(&kept);
            kept.join("/")
        }
        "referrals" => named("referral", parts.next()),
        "messages" => named("message", parts.next()),
        "cohorts" => named("cohort", parts.next()),
        // Never what stands behind it.
        "sign-in" => "sign-in".to_owned(),
        _ => String::new(),
    }
}

/// Names of the parameters of a query or a form, each once, with commas between; never a value.
pub fn parameters(query: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut length = 0;
    for pair in query.split('&') {
        let name = pair.split('=').next().unwrap_or("");
        let is_name = !name.is_empty()
            && name.len() <= LONGEST_NAME
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
        if is_name && !names.contains(&name) && length + name.len() < LONGEST_NAMES {
            length += name.len() + 1;
            names.push(name);
        }
    }
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(method: &str, path: &str) -> (&'static str, String) {
        let asked = read(method, path);
        (asked.act, asked.target)
    }

    #[test]
    fn requests_are_told_by_act_and_target() {
        for (method, path, act, target) in [
            ("GET", "/fhir/Patient/1", "read", "Patient/1"),
            ("HEAD", "/fhir/Patient/1", "read", "Patient/1"),
            ("GET", "/fhir/Patient/1/_history/2", "vread", "Patient/1/_history/2"),
            ("GET", "/fhir/Patient/1/_history", "history-instance", "Patient/1"),
            ("GET", "/fhir/Patient", "search-type", "Patient"),
            ("POST", "/fhir/Patient/_search", "search-type", "Patient"),
            ("GET", "/fhir/Patient/1/Observation", "search-type", "Patient/1/Observation"),
            ("POST", "/fhir/Patient/1/Observation/_search", "search-type", "Patient/1/Observation"),
            ("GET", "/fhir/Patient/1/$everything", "$everything", "Patient/1"),
            ("POST", "/fhir/Patient/$validate", "$validate", "Patient"),
            ("POST", "/fhir", "transaction", ""),
            ("GET", "/fhir/_history", "history-system", ""),
            ("DELETE", "/fhir/Patient/1", "delete", "Patient/1"),
            ("GET", "/fhir/Group/1/$export", "$export", "Group/1"),
            ("GET", "/fhir/_export/e-1/Patient.ndjson", "$export", "export/e-1"),
            ("GET", "/referrals/r-1", "page", "referral/r-1"),
            ("GET", "/referrals/new", "page", "referral"),
            ("POST", "/referrals/r-1/accept", "form", "referral/r-1"),
            ("POST", "/messages/m1/reveal", "form", "message/m1"),
            ("POST", "/sign-in/very-secret", "sign-in", "sign-in"),
            ("GET", "/sign-in/very-secret", "page", "sign-in"),
            ("GET", "/assets/watari.css", "", ""),
            ("GET", "/fhir/metadata", "", ""),
            ("GET", "/Yamada/Taro", "other", ""),
            ("GET", "/fhir/Yamada", "other", ""),
            ("GET", "/fhir/Patient/Yamada%20Taro", "read", "Patient"),
            ("TRACE", "/fhir/Patient/1", "other", ""),
        ] {
            assert_eq!(told(method, path), (act, target.to_owned()), "{method} {path}");
        }
    }

    #[test]
    fn of_parameters_the_names_alone_are_told() {
        assert_eq!(parameters("name=Yamada&birthdate=1970&name:exact=x&name=z"), "name,birthdate,name:exact");
        assert_eq!(parameters("Yamada+Taro=1&%E5%B1%B1=2&=3&a"), "a");
        assert!(parameters(&(0..1000).map(|n| format!("p{n}=1&")).collect::<String>()).len() <= LONGEST_NAMES);
    }
}
