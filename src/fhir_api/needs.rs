//! What a request would do to which types: its interaction, the types its chains and includes lead through, the entries of
//! a bundle. Where a type cannot be told from the request, every type is needed.

use axum::http::Method;
use base64::Engine as _;
use serde_json::Value;

use super::export;
use crate::access::scope::Act;
use crate::fhir::{bundle, structure};
use crate::records::parameters;

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
        // Whose it is decides there, and its beginning has asked for all that it holds.
        ["_export", ..] => return Vec::new(),
        [_, "$export"] | [_, _, "$export"] => each(Act::Search, named_types(pairs)),
        // That the patient is there is told whatever types are asked for.
        [kind, id, "$everything"] => {
            let mut needs = each(Act::Search, named_types(pairs));
            needs.push(Need { narrow: Narrow::Instance((*id).to_owned()), ..need(Act::Read, Some(kind)) });
            needs
        }
        // Value sets name code systems, and are expanded by those of the record.
        ["ValueSet", "$expand"] | ["ValueSet", _, "$expand"] => {
            vec![need(Act::Read, Some("ValueSet")), need(Act::Read, Some("CodeSystem"))]
        }
        [kind, "$validate" | "$lookup" | "$translate"] | [kind, _, "$validate" | "$translate"] => {
            vec![need(Act::Read, Some(kind))]
        }
        [kind, id] if !id.starts_with(['$', '_']) => vec![of_instance(method, kind, id)],
        // A version of before need not meet what the resource meets today.
        [kind, _, "_history"] | [kind, _, "_history", _] if is_read => vec![need(Act::Read, Some(kind))],
        [_, _, kind, "_search"] if method == Method::POST => vec![search(kind)],
        [_, _, "*"] => vec![need(Act::Search, None)],
        [_, _, kind] if is_read && !kind.starts_with(['$', '_']) => vec![search(kind)],
        _ => vec![need(Act::Read, None), need(Act::Search, None)],
    };
    if matches!(segments.last(), Some(&("$everything" | "$export"))) {
        let searched = needs.clone().into_iter().filter(|one| one.act == Act::Search);
        needs.extend(searched.map(|one| Need { act: Act::Read, ..one }));
    }
    if segments.last() == Some(&"$export") {
        let filters = pairs.iter().filter(|(name, _)| name == "_typeFilter");
        let filters = export::filters_in(filters.map(|(_, value)| value.as_str())).unwrap_or_default();
        needs.extend(filters.iter().flat_map(|(kind, query)| condition(Some(kind), query)));
    }
    let searched = searched_type(&segments);
    needs.extend(pairs.iter().flat_map(|(name, value)| of_parameter(searched, name, value)));
    needs
}

/// The type that the search parameters of a path are of.
fn searched_type<'a>(segments: &[&'a str]) -> Option<&'a str> {
    match segments {
        [kind] | [kind, "_search"] | [_, _, kind] | [_, _, kind, "_search"] => Some(*kind),
        _ => None,
    }
    .filter(|kind| structure::is_type(kind))
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
fn of_parameter(searched: Option<&str>, name: &str, value: &str) -> Vec<Need> {
    let base = name.split(':').next().unwrap_or_default();
    let shown = |kinds: Vec<Option<&str>>| {
        kinds.into_iter().flat_map(|kind| [need(Act::Read, kind), need(Act::Search, kind)]).collect()
    };
    match base {
        "_include" => match value.split(':').collect::<Vec<_>>().as_slice() {
            [_, _, target] => shown(vec![Some(target)]),
            [source, name] => shown(targets(Some(source), name)),
            _ => shown(vec![None]),
        },
        "_revinclude" => match value.split(':').collect::<Vec<_>>().as_slice() {
            [source, _, ..] if *source != "*" => shown(vec![Some(source)]),
            _ => shown(vec![None]),
        },
        // Of a link to a further page the search is within: whoever can open it asks for that.
        "_filter" | "_query" | "_list" | "_contained" | "_page" => vec![need(Act::Search, None)],
        _ => {
            let mut needs = Vec::new();
            of_chain(searched, name, &mut needs, LONGEST_CHAIN);
            needs
        }
    }
}

/// Steps of a chain that are followed; a longer one needs every type.
const LONGEST_CHAIN: usize = 8;

/// Types that a name leads through from a type (none: not known), step by step as `records::query` reads it.
fn of_chain(from: Option<&str>, name: &str, needs: &mut Vec<Need>, steps: usize) {
    if steps == 0 {
        needs.push(need(Act::Search, None));
    } else if let Some(rest) = name.strip_prefix("_has:") {
        let mut parts = rest.splitn(3, ':');
        let source = parts.next();
        needs.push(need(Act::Search, source));
        if let Some(what) = parts.nth(1) {
            of_chain(source, what, needs, steps - 1);
        }
    } else if let Some((link, rest)) = name.split_once('.') {
        let reached = match link.split_once(':') {
            Some((_, kind)) => vec![Some(kind)],
            None => targets(from, link).into_iter().filter(|kind| kind.is_none_or(|kind| has(kind, rest))).collect(),
        };
        // A link that leads nowhere is refused by the search itself.
        let reached = if reached.is_empty() { vec![None] } else { reached };
        for kind in reached {
            needs.push(need(Act::Search, kind));
            of_chain(kind, rest, needs, steps - 1);
        }
    }
}

/// Types that a reference parameter may lead to; `None` among them: every type.
fn targets(kind: Option<&str>, name: &str) -> Vec<Option<&'static str>> {
    let Some(parameter) = kind.and_then(|kind| parameters::find(kind, name)) else { return vec![None] };
    match parameter.places.first().and_then(|place| place.leads_to) {
        Some(target) => vec![Some(target)],
        None if parameter.targets.is_empty() => vec![None],
        None => parameter.targets.iter().copied().map(Some).collect(),
    }
}

/// Whether a chain may go on from a type by `rest`.
fn has(kind: &str, rest: &str) -> bool {
    rest.starts_with("_has:")
        || rest.split(['.', ':']).next().is_some_and(|name| parameters::find(kind, name).is_some())
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
        let Ok(mut pairs) = serde_urlencoded::from_str::<Vec<(String, String)>>(query) else {
            needs.extend(everything());
            continue;
        };
        let resource = entry.get("resource");
        let is_operation = is_operation(path);
        if is_operation && let Some(resource) = resource {
            pairs.extend(asked_of(resource));
        }
        if path.trim_matches('/').is_empty() {
            needs.extend(everything());
        }
        let found = of(&method, path, &pairs);
        // A narrowed scope serves requests that come one by one.
        needs.extend(found.into_iter().map(|one| Need { narrow: Narrow::No, ..one }));
        let is_patch = method == Method::PATCH;
        // Of a patch the Binary is the form only; Parameters ask an operation.
        let kind = resource.and_then(crate::fhir::resource_type).filter(|_| !is_operation && !is_patch);
        if let Some(kind) = kind {
            let act = if method == Method::POST { Act::Create } else { Act::Update };
            needs.push(need(act, Some(kind)));
        }
        if let Some(query) = text("/request/ifNoneExist") {
            needs.extend(condition(kind.or(Some(path)), query));
        }
        match resource {
            Some(binary) if is_patch => needs.extend(of_binary(kind_of(path), binary)),
            Some(resource) => needs.extend(of_resource(resource)),
            None => {}
        }
    }
    needs
}

/// Reading and searching every type.
fn everything() -> [Need; 2] {
    [need(Act::Read, None), need(Act::Search, None)]
}

/// Whether a path is that of an operation.
pub(super) fn is_operation(path: &str) -> bool {
    path.split('/').rfind(|part| !part.is_empty()).is_some_and(|last| last.starts_with('$'))
}

/// What an operation is asked with in its body, as far as it may name types.
pub(super) fn asked_of(body: &Value) -> Vec<(String, String)> {
    let asked = super::operations::of_resource(body.clone()).unwrap_or_default();
    asked.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}

/// What a condition of a type needs, of a create or of a reference.
pub(super) fn condition(kind: Option<&str>, query: &str) -> Vec<Need> {
    let mut needs = vec![need(Act::Search, kind)];
    match serde_urlencoded::from_str::<Vec<(String, String)>>(query) {
        Ok(pairs) => needs.extend(pairs.iter().flat_map(|(name, value)| of_parameter(kind, name, value))),
        Err(_) => needs.extend(everything()),
    }
    needs
}

/// What a JSON Patch needs. Any text of it may become a reference; what it copies or moves within a resource, too.
pub(super) fn of_patch(kind: Option<&str>, patch: &Value) -> Vec<Need> {
    let mut needs = Vec::new();
    texts(patch, &mut |text| {
        if let Some((kind, query)) = text.split_once('?').filter(|(kind, _)| structure::is_type(kind)) {
            needs.extend(condition(Some(kind), query));
        }
    });
    let has = |ops: &[&str]| {
        let mut steps = patch.as_array().into_iter().flatten();
        steps.any(|one| one["op"].as_str().is_some_and(|op| ops.contains(&op)))
    };
    if has(&["copy", "move"]) {
        needs.extend(everything());
    }
    // A test that fails or holds tells what stands there.
    if has(&["test"]) {
        needs.push(need(Act::Read, kind));
    }
    needs
}

/// The type in a path.
pub(super) fn kind_of(path: &str) -> Option<&str> {
    path.split('/').find(|part| !part.is_empty())
}

fn of_binary(kind: Option<&str>, binary: &Value) -> Vec<Need> {
    let data = binary.get("data").and_then(Value::as_str).unwrap_or_default();
    let data: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let patch = base64::engine::general_purpose::STANDARD.decode(data).ok();
    // What is no patch is refused by the interaction.
    patch
        .and_then(|patch| crate::fhir::json::parse(&patch).ok())
        .map(|patch| of_patch(kind, &patch))
        .unwrap_or_default()
}

fn texts(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Object(members) => members.values().for_each(|member| texts(member, visit)),
        Value::Array(items) => items.iter().for_each(|item| texts(item, visit)),
        _ => {}
    }
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
                    Some((kind, query)) if name == "reference" && structure::is_type(kind) => {
                        needs.extend(condition(Some(kind), query));
                    }
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
            ("GET", "/Patient/1/_history", "read Patient"),
            ("GET", "/Patient/1/_history/2", "read Patient"),
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
            ("GET", "/Patient/1/$everything", "search *, read Patient?, read *"),
            ("GET", "/Patient/1/$everything?_type=Observation", "search Observation, read Patient?, read Observation"),
            ("POST", "/Patient/1/Observation/_search", "search Observation?"),
            ("GET", "/Composition/1/$document", "read *, search *"),
            ("GET", "/ValueSet/$expand?url=x", "read ValueSet, read CodeSystem"),
            ("POST", "/ValueSet/1/$expand", "read ValueSet, read CodeSystem"),
            ("GET", "/CodeSystem/$lookup?code=x", "read CodeSystem"),
            ("GET", "/ConceptMap/$translate", "read ConceptMap"),
            ("POST", "/ConceptMap/1/$translate", "read ConceptMap"),
            ("POST", "/Patient/1/$validate", "read Patient"),
            ("GET", "/$export?_type=Patient", "search Patient, read Patient"),
            ("GET", "/Group/1/$export", "search *, read *"),
            (
                "GET",
                "/Patient/$export?_type=Observation&_typeFilter=Observation%3Fsubject:Patient.name%3Dx",
                "search Observation, read Observation, search Observation, search Patient",
            ),
            ("GET", "/_export/1", ""),
            ("GET", "/_export/1/Patient.ndjson", ""),
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
            ("subject.name=x", "search Location, search Patient"),
            ("subject:Patient.organization:Organization.name=x", "search Patient, search Organization"),
            ("_has:Condition:patient:code=x", "search Condition"),
            ("_has:Condition:patient:_has:Provenance:target:agent=x", "search Condition, search Provenance"),
            ("_has:Condition:patient:encounter.status=x", "search Condition, search Encounter"),
            ("_has:Condition:patient:encounter.status:exact=x", "search Condition, search Encounter"),
            ("nothing.status=x", "search *"),
            ("subject.nothing=x", "search *"),
            ("_has:Condition:patient:encounter:Encounter.class=x", "search Condition, search Encounter"),
            ("subject:Patient._has:Condition:patient:code=x", "search Patient, search Condition"),
            ("_page=x", "search *"),
            ("_include=Observation:subject:Patient", "read Patient, search Patient"),
            ("_include=Observation:patient", "read Patient, search Patient"),
            ("_include:iterate=Condition:encounter", "read Encounter, search Encounter"),
            ("_include=Observation:*", "read *, search *"),
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

    #[test]
    fn what_asks_in_a_body_is_looked_at_as_the_interaction_reads_it() {
        use serde_json::json;
        let asked = |parameter: Value| asked_of(&json!({"resourceType": "Parameters", "parameter": [parameter]}));
        let one = |value: &str| vec![("_type".to_owned(), value.to_owned())];
        assert_eq!(asked(json!({"name": "_type", "valueCode": "Condition"})), one("Condition"));
        // The operation takes the first value, which names no type: every type is asked for.
        assert_eq!(asked(json!({"name": "_type", "valueBoolean": true, "valueCode": "Condition"})), []);
        let data = |patch: Value| base64::engine::general_purpose::STANDARD.encode(patch.to_string());
        let bundle = |entry: Value| told(of_bundle(&json!({"entry": [entry]})));
        let patch = json!([{"op": "replace", "path": "/subject/reference", "value": "Patient?family=x"}]);
        let copy = json!([{"op": "copy", "from": "/extension/0/valueString", "path": "/subject/reference"}]);
        let cases = [
            (
                json!({"request": {"method": "POST", "url": "Patient/1/$everything?_type=Condition"}, "resource":
                    {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueCode": "Observation"}]}}),
                "search Condition, search Observation, read Patient, read Condition, read Observation",
            ),
            (
                json!({"request": {"method": "PATCH", "url": "Condition/1"},
                    "resource": {"resourceType": "Binary", "data": data(patch)}}),
                "update Condition, search Patient",
            ),
            (
                json!({"request": {"method": "PATCH", "url": "Condition/1"},
                    "resource": {"resourceType": "Binary", "data": data(copy)}}),
                "update Condition, read *, search *",
            ),
            (
                json!({"request": {"method": "POST", "url": "Condition", "ifNoneExist": "subject:Patient.name=x"},
                    "resource": {"resourceType": "Condition"}}),
                "create Condition, create Condition, search Condition, search Patient",
            ),
            (
                json!({"request": {"method": "POST", "url": "Condition"}, "resource": {"resourceType": "Condition",
                    "subject": {"reference": "Patient?_has:Observation:patient:code=x"}}}),
                "create Condition, create Condition, search Patient, search Observation",
            ),
            (json!({"request": {"method": "GET", "url": "Condition?_page=x"}}), "search Condition, search *"),
            (
                json!({"request": {"method": "PATCH", "url": "Condition/1"},
                    "resource": {"resourceType": "Binary", "data": data(json!([{"op": "test", "path": "/id", "value": "x"}]))}}),
                "update Condition, read Condition",
            ),
        ];
        for (entry, needs) in cases {
            assert_eq!(bundle(entry.clone()), needs, "{entry}");
        }
    }
}
