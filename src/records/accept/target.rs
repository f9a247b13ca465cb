//! Which resource an entry is about, and what it does with it.

use std::collections::HashSet;

use serde_json::Value;

use super::{AcceptError, NewIds, Origin};
use crate::fhir::search::Total;
use crate::fhir::{self, structure};
use crate::ids;
use crate::records::{condition, find};
use crate::store::records::StoredResource;
use crate::store::{StoreError, View};

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Writes its resource.
    Write,
    /// Deletes.
    Delete,
    /// Reads; others answer it.
    Read,
}

/// The resource an entry is about.
pub(super) struct Target {
    pub(super) kind: String,
    /// Empty, if a condition of a DELETE found nothing.
    pub(super) id: String,
    pub(super) act: Act,
    pub(super) existing: Option<StoredResource>,
    /// The version that was its deletion, if it was here before.
    pub(super) deleted: Option<u64>,
    /// The condition `ifNoneExist` found it: leave it as it is.
    pub(super) leave: bool,
    /// The entry makes it only where it is missing.
    pub(super) mentioned: bool,
    /// Identifier of a condition that found nothing, and must still find nothing at commit.
    pub(super) absent: Option<(String, String)>,
}

impl Target {
    /// A resource of the record that is written again.
    pub(super) fn of_stored(stored: StoredResource) -> Self {
        Self::new(stored.kind.clone(), stored.id.clone(), Act::Write, Last::Current(stored))
    }

    fn new(kind: String, id: String, act: Act, last: Last) -> Self {
        let (existing, deleted) = match last {
            Last::Current(stored) => (Some(stored), None),
            Last::Deleted(version) => (None, Some(version)),
            Last::None => (None, None),
        };
        Self { kind, id, act, existing, deleted, leave: false, mentioned: false, absent: None }
    }

    pub(super) fn address(&self) -> (String, String) {
        (self.kind.clone(), self.id.clone())
    }
}

/// What the record has under an id.
enum Last {
    Current(StoredResource),
    Deleted(u64),
    None,
}

fn last(view: &dyn View, kind: &str, id: &str) -> Result<Last, StoreError> {
    Ok(match view.last_version(kind, id)? {
        Some(version) if version.is_deletion() => Last::Deleted(version.version),
        Some(current) => Last::Current(current),
        None => Last::None,
    })
}

/// The target of each entry, in their order. What the bundle deletes is no longer found by its conditions.
pub(super) fn resolve_all(view: &dyn View, entries: &[&Value], origin: &Origin) -> Result<Vec<Target>, AcceptError> {
    let mut targets: Vec<Option<Target>> = Vec::with_capacity(entries.len());
    let mut deleted = HashSet::new();
    for (entry, content) in entries.iter().enumerate() {
        let request = Request::read(entry, content)?;
        let target = (request.method == "DELETE").then(|| deletion(view, &request, origin)).transpose()?;
        deleted.extend(target.as_ref().map(Target::address));
        targets.push(target);
    }
    for (entry, content) in entries.iter().enumerate() {
        if targets.get(entry).is_some_and(Option::is_some) {
            continue;
        }
        let request = Request::read(entry, content)?;
        let target = resolve(view, &request, origin, &deleted)?;
        if let Some(place) = targets.get_mut(entry) {
            *place = Some(target);
        }
    }
    let targets: Vec<Target> = targets.into_iter().flatten().collect();
    no_resource_twice(&targets)?;
    Ok(targets)
}

/// The request of an entry.
struct Request<'a> {
    entry: usize,
    content: &'a Value,
    method: &'a str,
    url: &'a str,
}

impl<'a> Request<'a> {
    fn read(entry: usize, content: &'a Value) -> Result<Self, AcceptError> {
        let text = |name: &str| content["request"].get(name).and_then(Value::as_str);
        match (text("method"), text("url")) {
            (Some(method), Some(url)) => Ok(Self { entry, content, method, url }),
            _ => Err(AcceptError::Malformed(format!("entry {entry} has no request with method and url"))),
        }
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.content["request"].get(name).and_then(Value::as_str)
    }

    fn malformed(&self, what: impl std::fmt::Display) -> AcceptError {
        AcceptError::Malformed(format!("entry {}: {what}", self.entry))
    }

    /// Type and id of the URL `Type/id`.
    fn address(&self) -> Option<(&'a str, &'a str)> {
        let (kind, id) = self.url.split_once('/')?;
        (structure::is_type(kind) && fhir::is_valid_id(id)).then_some((kind, id))
    }

    /// Whether `ifMatch` and `ifNoneMatch` hold of what is there.
    fn expects(&self, target: Target) -> Result<Target, AcceptError> {
        let present = target.existing.as_ref().map(|stored| stored.version);
        let matches = |tags: &str| tags.split(',').any(|tag| tag.trim() == "*" || version_of(tag) == present);
        let holds = self.text("ifMatch").is_none_or(|tags| present.is_some() && matches(tags))
            && self.text("ifNoneMatch").is_none_or(|tags| present.is_none() || !matches(tags));
        if holds {
            return Ok(target);
        }
        Err(AcceptError::Stale { entry: self.entry, target: format!("{}/{}", target.kind, target.id) })
    }
}

/// The version that an entity tag (`W/"3"`) names; none, if it names none.
fn version_of(tag: &str) -> Option<u64> {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag).parse().ok()
}

fn deletion(view: &dyn View, request: &Request<'_>, origin: &Origin) -> Result<Target, AcceptError> {
    if let Some((kind, query)) = request.url.split_once('?') {
        let found = met(view, request.entry, kind, query, origin)?.one(request.entry, kind)?;
        let (id, last) = match found {
            Some(existing) => (existing.id.clone(), Last::Current(existing)),
            None => (String::new(), Last::None),
        };
        return request.expects(Target::new(kind.to_owned(), id, Act::Delete, last));
    }
    let (kind, id) = request
        .address()
        .ok_or_else(|| request.malformed("request.url of a DELETE must be Type/id or Type?condition"))?;
    request.expects(Target::new(kind.to_owned(), id.to_owned(), Act::Delete, last(view, kind, id)?))
}

fn resolve(
    view: &dyn View,
    request: &Request<'_>,
    origin: &Origin,
    deleted: &HashSet<(String, String)>,
) -> Result<Target, AcceptError> {
    let kind = fhir::resource_type(&request.content["resource"]).unwrap_or("").to_owned();
    match (request.method, request.url.split_once('?')) {
        ("GET" | "HEAD", _) => Ok(Target::new(String::new(), String::new(), Act::Read, Last::None)),
        ("PUT", Some((of, query))) => {
            if of != kind {
                return Err(request.malformed(format_args!("request.url is not of {kind}")));
            }
            let met = met(view, request.entry, &kind, query, origin)?.but(&kind, deleted);
            request.expects(conditional(view, request, origin, kind, met, false)?)
        }
        ("PUT", None) => request.expects(by_id(view, request, origin, kind)?),
        ("POST", _) => match request.text("ifNoneExist") {
            Some(query) => {
                let met = met(view, request.entry, &kind, query, origin)?.but(&kind, deleted);
                conditional(view, request, origin, kind, met, true)
            }
            None => {
                let id = created_id(request.content, origin);
                let last = last(view, &kind, &id)?;
                let mut target = Target::new(kind, id, Act::Write, last);
                // An id derived from the source is there already: this very thing was created before.
                target.leave = target.existing.is_some();
                Ok(target)
            }
        },
        (method, _) => Err(AcceptError::Method { entry: request.entry, method: method.to_owned() }),
    }
}

fn by_id(view: &dyn View, request: &Request<'_>, origin: &Origin, kind: String) -> Result<Target, AcceptError> {
    let id = request
        .address()
        .filter(|(of, _)| *of == kind)
        .map(|(_, id)| id.to_owned())
        .ok_or_else(|| request.malformed(format_args!("request.url must be {kind}/id or {kind}?identifier=…")))?;
    if origin.is_direct() && fhir::id(&request.content["resource"]).is_some_and(|own| own != id) {
        return Err(AcceptError::OtherId { entry: request.entry, id });
    }
    let last = last(view, &kind, &id)?;
    let target = Target::new(kind, id, Act::Write, last);
    if target.existing.is_none() && origin.no_create_on_update {
        let target = format!("{}/{}", target.kind, target.id);
        return Err(AcceptError::NoSuch { entry: request.entry, target });
    }
    Ok(target)
}

/// The target of a conditional create (`leave` what is found) or update.
fn conditional(
    view: &dyn View,
    request: &Request<'_>,
    origin: &Origin,
    kind: String,
    met: Met,
    leave: bool,
) -> Result<Target, AcceptError> {
    let absent = met.identifier.clone();
    let chosen = fhir::id(&request.content["resource"]).filter(|_| origin.is_direct() && !leave);
    if let Some(existing) = met.one(request.entry, &kind)? {
        if chosen.is_some_and(|id| id != existing.id) {
            return Err(AcceptError::OtherId { entry: request.entry, id: existing.id });
        }
        let mut target = Target::new(kind, existing.id.clone(), Act::Write, Last::Current(existing));
        (target.leave, target.mentioned) = (leave, leave);
        return Ok(target);
    }
    let id = match chosen.filter(|id| fhir::is_valid_id(id)) {
        Some(id) => id.to_owned(),
        None => created_id(request.content, origin),
    };
    // Something with this very id may be there under another identifier; then it is that one that is updated.
    let last = last(view, &kind, &id)?;
    let mut target = Target::new(kind, id, Act::Write, last);
    let refuse = |target: &Target| format!("{}/{}", target.kind, target.id);
    if chosen.is_some() && target.existing.is_some() {
        return Err(AcceptError::Taken { entry: request.entry, target: refuse(&target) });
    }
    if chosen.is_some() && origin.no_create_on_update {
        return Err(AcceptError::NoSuch { entry: request.entry, target: refuse(&target) });
    }
    target.mentioned = leave;
    target.leave = leave && target.existing.is_some();
    target.absent = absent;
    Ok(target)
}

fn created_id(content: &Value, origin: &Origin) -> String {
    let full_url = content.get("fullUrl").and_then(Value::as_str);
    match (&origin.new_ids, full_url) {
        (NewIds::OfFullUrl, Some(url)) => {
            url.strip_prefix("urn:uuid:").filter(|id| fhir::is_valid_id(id)).map_or_else(ids::fresh, str::to_owned)
        }
        (NewIds::DerivedFrom(text), Some(url)) => ids::derived(&[text, url]),
        _ => ids::fresh(),
    }
}

/// What meets a condition: at most two of it.
pub(super) struct Met {
    found: Vec<StoredResource>,
    /// The one identifier that the condition is.
    identifier: Option<(String, String)>,
}

impl Met {
    /// Without what the bundle deletes; then nothing can be expected to be absent before it.
    fn but(mut self, kind: &str, deleted: &HashSet<(String, String)>) -> Self {
        let before = self.found.len();
        self.found.retain(|one| !deleted.contains(&(kind.to_owned(), one.id.clone())));
        if self.found.len() < before {
            self.identifier = None;
        }
        self
    }

    pub(super) fn one(mut self, entry: usize, kind: &str) -> Result<Option<StoredResource>, AcceptError> {
        if self.found.len() > 1 {
            return Err(AcceptError::Ambiguous { entry, kind: kind.to_owned() });
        }
        Ok(self.found.pop())
    }

    /// How many: 0, 1, or 2 for several; and the id of the first.
    pub(super) fn counted(&self) -> (usize, Option<&str>) {
        (self.found.len(), self.found.first().map(|one| one.id.as_str()))
    }
}

/// What meets a condition now.
pub(super) fn met(view: &dyn View, entry: usize, kind: &str, query: &str, origin: &Origin) -> Result<Met, AcceptError> {
    if !structure::is_type(kind) {
        return Err(AcceptError::Malformed(format!("entry {entry}: {kind:?} is not a resource type of FHIR R4")));
    }
    if let Some((system, value)) = condition::identifier(query) {
        let found = view.by_identifier(kind, &system, &value)?;
        return Ok(Met { found, identifier: Some((system, value)) });
    }
    let Some(read) = origin.read_condition else {
        let cause = "a condition must be one identifier=system|value";
        return Err(AcceptError::Malformed(format!("entry {entry}: {cause}")));
    };
    let mut search = read(kind, query).map_err(|(kind, cause)| AcceptError::Condition { entry, kind, cause })?;
    if search.criteria.is_empty() {
        return Err(AcceptError::Malformed(format!("entry {entry}: a condition without criteria meets everything")));
    }
    (search.count, search.total) = (2, Total::None);
    Ok(Met { found: find::search(view, &search).map_err(StoreError::from)?.resources, identifier: None })
}

fn no_resource_twice(targets: &[Target]) -> Result<(), AcceptError> {
    let (mut seen, mut conditions) = (HashSet::new(), HashSet::new());
    for (entry, target) in targets.iter().enumerate().filter(|(_, target)| !target.id.is_empty()) {
        let condition_again = target.absent.as_ref().is_some_and(|absent| !conditions.insert((&target.kind, absent)));
        if condition_again || !seen.insert((&target.kind, &target.id)) {
            return Err(AcceptError::Twice { entry, target: format!("{}/{}", target.kind, target.id) });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_names_a_version() {
        for (tag, version) in [
            ("W/\"3\"", Some(3)),
            ("\"3\"", Some(3)),
            (" W/\"12\" ", Some(12)),
            ("3", Some(3)),
            ("W/\"x\"", None),
            ("", None),
        ] {
            assert_eq!(version_of(tag), version, "{tag}");
        }
    }
}
