//! What a request would do to which types: its interaction, the types its chains and includes lead through, the entries of
//! a bundle. Where a type cannot be told from the request, every type is needed.

use axum::http::Method;
use serde_json::Value;

use crate::access::scope::Act;
use crate::fhir::bundle;

/// One thing a request does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    /// What.
    pub(super) act: Act,
    /// To resources of this type; `None`: of every type.
    pub(super) kind: Option<String>,
    /// How a narrowed scope may serve it.
    pub(super) narrow: Narrow,
}

/// How a narrowed scope may serve a need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Narrow {
    /// Not at all.
    No,
    /// By further parameters of the search.
    Search,
    /// If a narrowed search finds this id.
    Instance(String),
}

/// Query or form parameters, decoded.
pub(super) type Pairs = [(String, String)];

fn need(act: Act, kind: Option<&str>) -> Need {
    Need { act, kind: kind.map(str::to_owned), narrow: Narrow::No }
}

/// Needs of a request but for its body. `path` starts after `/fhir`.
pub(super) fn of(method: &Method, path: &str, pairs: &Pairs) -> Vec<Need> {
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let is_read = method == Method::GET || method == Method::HEAD;
    let mut needs = match segments.as_slice() {
        // A bundle tells by its entries; nothing more than having come in is needed.
        [] if method == Method::POST => return Vec::new(),
        [] | ["_search"] | ["$export"] => each(Act::Search, named_types(pairs)),
        [kind] if !kind.starts_with(['$', '_']) => of_type(method, kind),
        [kind, "_search"] if method == Method::POST => vec![search(kind)],
        [kind, "_history"] if is_read => vec![need(Act::Search, Some(kind))],
        [_, "$export"] | [_, _, "$export" | "$everything"] => each(Act::Search, named_types(pairs)),
        [kind, "$validate" | "$expand" | "$lookup" | "$translate" | "$validate-code"]
        | [kind, _, "$validate" | "$expand" | "$lookup" | "$translate"] => vec![need(Act::Read, Some(kind))],
        [kind, id] if !id.starts_with(['$', '_']) => vec![of_instance(method, kind, id)],
        [kind, id, "_history"] | [kind, id, "_history", _] if is_read => vec![of_instance(method, kind, id)],
        [_, _, "*"] => vec![need(Act::Search, None)],
        [_, _, kind] if is_read && !kind.starts_with(['$', '_']) => vec![search(kind)],
        _ => vec![need(Act::Read, None), need(Act::Search, None)],
    };
    if segments.last().is_some_and(|last| last.starts_with("$e") && *last != "$expand") {
        needs.extend(needs.clone().into_iter().map(|one| Need { act: Act::Read, ..one }));
    }
    needs.extend(pairs.iter().flat_map(|(name, value)| of_parameter(name, value)));
    needs
}

fn search(kind: &str) -> Need {
    Need { narrow: Narrow::Search, ..need(Act::Search, Some(kind)) }
}

fn of_type(method: &Method, kind: &str) -> Vec<Need> {
    let conditional = |act| vec![need(act, Some(kind)), need(Act::Search, Some(kind))];
    match *method {
        Method::GET | Method::HEAD => vec![search(kind)],
        Method::POST => vec![need(Act::Create, Some(kind))],
        Method::PUT | Method::PATCH => conditional(Act::Update),
        Method::DELETE => conditional(Act::Delete),
        _ => vec![need(Act::Read, None)],
    }
}

fn of_instance(method: &Method, kind: &str, id: &str) -> Need {
    let act = match *method {
        Method::PUT | Method::PATCH => Act::Update,
        Method::DELETE => Act::Delete,
        _ => return Need { narrow: Narrow::Instance(id.to_owned()), ..need(Act::Read, Some(kind)) },
    };
    need(act, Some(kind))
}

/// Types of `_type`; none: every type.
fn named_types(pairs: &Pairs) -> Vec<&str> {
    let values = pairs.iter().filter(|(name, _)| name == "_type").flat_map(|(_, value)| value.split(','));
    values.map(str::trim).filter(|kind| !kind.is_empty()).collect()
}

fn each(act: Act, kinds: Vec<&str>) -> Vec<Need> {
    if kinds.is_empty() {
        return vec![need(act, None)];
    }
    kinds.into_iter().map(|kind| need(act, Some(kind))).collect()
}

/// What a search parameter leads through: `_has:Type:reference:parameter`, `subject:Patient.name`,
/// `_include=Source:parameter:Target`, `_revinclude=Source:parameter`.
fn of_parameter(name: &str, value: &str) -> Vec<Need> {
    let base = name.split(':').next().unwrap_or_default();
    match base {
        "_has" => {
            let parts: Vec<&str> = name.split(':').collect();
            let types = parts.iter().zip(parts.iter().skip(1)).filter(|(before, _)| **before == "_has");
            let mut needs: Vec<Need> = types.map(|(_, kind)| need(Act::Search, Some(kind))).collect();
            // What follows the last parameter may be a chain of its own.
            needs.extend(parts.last().filter(|last| last.contains('.')).map(|_| need(Act::Search, None)));
            needs
        }
        "_include" => match value.split(':').collect::<Vec<_>>().as_slice() {
            [_, _, target] => vec![need(Act::Read, Some(target)), need(Act::Search, Some(target))],
            _ => vec![need(Act::Read, None), need(Act::Search, None)],
        },
        "_revinclude" => match value.split(':').collect::<Vec<_>>().as_slice() {
            [source, _, ..] if *source != "*" => vec![need(Act::Read, Some(source)), need(Act::Search, Some(source))],
            _ => vec![need(Act::Read, None), need(Act::Search, None)],
        },
        "_filter" | "_query" | "_list" | "_contained" => vec![need(Act::Search, None)],
        _ => {
            let links = name.split('.').collect::<Vec<_>>();
            let chained = links.iter().take(links.len().saturating_sub(1));
            chained.map(|link| need(Act::Search, link.split_once(':').map(|(_, kind)| kind))).collect()
        }
    }
}

/// Needs of a bundle's entries, conditional references included.
pub(super) fn of_bundle(bundle: &Value) -> Vec<Need> {
    let mut needs = Vec::new();
    for entry in bundle::entries(bundle) {
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
        let url = text("/request/url").unwrap_or_default();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let method = text("/request/method").unwrap_or_default().to_ascii_uppercase();
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::OPTIONS);
        // An entry that cannot be read needs everything: the interaction itself says what is wrong with it.
        let Ok(pairs) = serde_urlencoded::from_str::<Vec<(String, String)>>(query) else {
            needs.push(need(Act::Read, None));
            continue;
        };
        if path.trim_matches('/').is_empty() {
            needs.extend([need(Act::Read, None), need(Act::Search, None)]);
        }
        let found = of(&method, path, &pairs);
        // A narrowed scope serves requests that come one by one.
        needs.extend(found.into_iter().map(|one| Need { narrow: Narrow::No, ..one }));
        let kind = entry.get("resource").and_then(crate::fhir::resource_type);
        if let Some(kind) = kind {
            let act = if method == Method::POST { Act::Create } else { Act::Update };
            needs.push(need(act, Some(kind)));
        }
        if text("/request/ifNoneExist").is_some() {
            needs.push(need(Act::Search, kind.or(Some(path))));
        }
        needs.extend(entry.get("resource").map(of_resource).unwrap_or_default());
    }
    needs
}

/// What the condition of a conditional create needs.
pub(super) fn condition(path: &str) -> Need {
    need(Act::Search, path.split('/').find(|part| !part.is_empty()))
}

/// What a resource needs by itself: its conditional references tell whether something exists.
pub(super) fn of_resource(resource: &Value) -> Vec<Need> {
    let mut needs = Vec::new();
    conditional_references(resource, &mut needs);
    needs
}

fn conditional_references(value: &Value, needs: &mut Vec<Need>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().and_then(|text| text.split_once('?')) {
                    Some((kind, _)) if name == "reference" => needs.push(need(Act::Search, Some(kind))),
                    _ => conditional_references(member, needs),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| conditional_references(item, needs)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Needs as `act type`, `*` for every type; `?` marks those that a narrowed scope may serve.
    fn told(needs: Vec<Need>) -> String {
        let one = |need: &Need| {
            let mark = if need.narrow == Narrow::No { "" } else { "?" };
            format!("{} {}{mark}", need.act.as_str(), need.kind.as_deref().unwrap_or("*"))
        };
        needs.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn request(method: &str, address: &str) -> String {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
        told(of(&Method::from_bytes(method.as_bytes()).unwrap(), path, &pairs))
    }

    #[test]
    fn every_interaction_needs_what_it_does() {
        let cases = [
            ("GET", "/Patient/1", "read Patient?"),
            ("GET", "/Patient/1/_history", "read Patient?"),
            ("GET", "/Patient/1/_history/2", "read Patient?"),
            ("GET", "/Patient?name=x", "search Patient?"),
            ("POST", "/Patient/_search", "search Patient?"),
            ("GET", "/Patient/_history", "search Patient"),
            ("GET", "/_history", "read *, search *"),
            ("GET", "/", "search *"),
            ("GET", "/?_type=Patient,Observation", "search Patient, search Observation"),
            ("POST", "/Patient", "create Patient"),
            ("PUT", "/Patient/1", "update Patient"),
            ("PATCH", "/Patient/1", "update Patient"),
            ("DELETE", "/Patient/1", "delete Patient"),
            ("PUT", "/Patient?identifier=1", "update Patient, search Patient"),
            ("DELETE", "/Patient?identifier=1", "delete Patient, search Patient"),
            ("GET", "/Patient/1/Observation", "search Observation?"),
            ("GET", "/Patient/1/*", "search *"),
            ("GET", "/Patient/1/$everything", "search *, read *"),
            ("GET", "/Patient/1/$everything?_type=Observation", "search Observation, read Observation"),
            ("GET", "/$export?_type=Patient", "search Patient, read Patient"),
            ("GET", "/Group/1/$export", "search *, read *"),
            ("GET", "/Patient/1/$summary", "read *, search *"),
            ("POST", "/Patient/$validate", "read Patient"),
            ("GET", "/$anything", "read *, search *"),
            ("GET", "/a/b/c/d/e", "read *, search *"),
        ];
        for (method, address, needs) in cases {
            assert_eq!(request(method, address), needs, "{method} {address}");
        }
    }

    #[test]
    fn chains_and_includes_need_the_types_they_lead_through() {
        let cases = [
            ("subject:Patient.name=x", "search Patient"),
            ("subject.name=x", "search *"),
            ("subject:Patient.organization:Organization.name=x", "search Patient, search Organization"),
            ("_has:Condition:patient:code=x", "search Condition"),
            ("_has:Condition:patient:_has:Provenance:target:agent=x", "search Condition, search Provenance"),
            ("_has:Condition:patient:encounter.status=x", "search Condition, search *"),
            ("_include=Observation:subject:Patient", "read Patient, search Patient"),
            ("_include:iterate=Observation:subject", "read *, search *"),
            ("_include=*", "read *, search *"),
            ("_revinclude=Provenance:target", "read Provenance, search Provenance"),
            ("_revinclude=*", "read *, search *"),
            ("_filter=x", "search *"),
            ("code=a.b", ""),
        ];
        for (query, needs) in cases {
            let separator = if needs.is_empty() { "" } else { ", " };
            assert_eq!(
                request("GET", &format!("/Observation?{query}")),
                format!("search Observation?{separator}{needs}")
            );
        }
    }

    #[test]
    fn entries_of_a_bundle_need_what_they_do() {
        let bundle = serde_json::json!({"entry": [
            {"request": {"method": "GET", "url": "Patient/1"}},
            {"request": {"method": "POST", "url": "Observation", "ifNoneExist": "identifier=1"},
                "resource": {"resourceType": "Observation", "subject": {"reference": "Patient?identifier=2"}}},
            {"request": {"method": "PUT", "url": "Condition/1"}, "resource": {"resourceType": "Patient"}},
            {"request": {"method": "DELETE", "url": "Condition/1"}},
        ]});
        assert_eq!(
            told(of_bundle(&bundle)),
            "read Patient, create Observation, create Observation, search Observation, search Patient, \
             update Condition, update Patient, delete Condition"
        );
    }
}
