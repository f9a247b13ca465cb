//! The walk over a resource: each object against its type.

use super::bundle;
use super::contained;
use super::evaluate::{self, Verdict};
use super::node::{Members, Node, View};
use super::table::{Content, Element, Key, Table, Type, table};
use super::{Entries, Issue, MOST_ISSUES, StructureError};

/// How deep elements may stand in each other. Every level of a resource is one of the stack.
const DEEPEST: usize = 64;
/// An unknown name longer than this, or with other characters than FHIR's, is not repeated.
const LONGEST_NAME: usize = 64;

/// Checks a resource; `entries` are those of the transaction it stands in.
pub(super) fn check<N: Node>(resource: &N, entries: Option<&Entries<'_>>) -> Result<(), StructureError> {
    let mut walk = Walk { table: table(), issues: Vec::new() };
    let name = resource.member("resourceType").and_then(Node::text).unwrap_or("");
    let name = if super::is_type(name) { name } else { "" };
    let place = Place { up: None, name, index: None, depth: 0 };
    walk.resource(resource, &place, &Within { resource, root: resource, contained: None, entries, is_closed: false });
    if walk.issues.is_empty() { Ok(()) } else { Err(StructureError { issues: walk.issues }) }
}

/// A walk, and what it found.
pub(super) struct Walk {
    pub(super) table: &'static Table,
    issues: Vec<Issue>,
}

/// Where an element stands.
pub(super) struct Place<'p> {
    up: Option<&'p Place<'p>>,
    name: &'p str,
    index: Option<usize>,
    depth: usize,
}

impl<'p> Place<'p> {
    /// An element within this one.
    pub(super) fn of<'q>(&'q self, name: &'q str, index: Option<usize>) -> Place<'q>
    where
        'p: 'q,
    {
        Place { up: Some(self), name, index, depth: self.depth + 1 }
    }

    /// As FHIRPath.
    fn path(&self) -> String {
        let mut path = self.up.map_or_else(String::new, Place::path);
        if !path.is_empty() && !self.name.is_empty() {
            path.push('.');
        }
        path.push_str(self.name);
        if let Some(index) = self.index {
            path.push_str(&format!("[{index}]"));
        }
        path
    }
}

/// What the elements of a resource are seen against.
#[derive(Clone, Copy)]
pub(super) struct Within<'w, N> {
    /// The resource they are of.
    pub(super) resource: &'w N,
    /// The resource that contains it, or itself.
    pub(super) root: &'w N,
    /// Types of what that contains by their ids.
    pub(super) contained: Option<&'w Entries<'w>>,
    /// Types of the bundle's entries by their `fullUrl`.
    pub(super) entries: Option<&'w Entries<'w>>,
    /// `urn:` references lead into the bundle, or nowhere.
    pub(super) is_closed: bool,
}

impl Walk {
    /// Notes what is wrong, as far as there is room.
    pub(super) fn tell(&mut self, place: &Place<'_>, code: &'static str, text: impl Into<String>) {
        if !self.is_full() {
            self.issues.push(Issue { place: place.path(), code, text: text.into() });
        }
    }

    fn is_full(&self) -> bool {
        self.issues.len() >= MOST_ISSUES
    }

    /// A resource: the one that is checked, an entry's, or a contained one.
    pub(super) fn resource<N: Node>(&mut self, node: &N, place: &Place<'_>, within: &Within<'_, N>) {
        let kind = node.member("resourceType").and_then(Node::text);
        let Some(kind) = kind.and_then(|name| self.table.named(name)).filter(|kind| kind.is_resource) else {
            let text = "must name a resource type of FHIR R4";
            return self.tell(&place.of("resourceType", None), "structure", text);
        };
        if kind.name == "Bundle" {
            let entries = bundle::entries(node);
            let within = Within { entries: Some(&entries), is_closed: true, ..*within };
            bundle::check(self, node, place);
            self.object(kind, node, place, &within);
        } else if std::ptr::eq(within.root, within.resource) {
            let contained = contained::types(node);
            self.object(kind, node, place, &Within { contained: contained.as_ref(), ..*within });
            contained::check(self, node, place);
        } else {
            self.object(kind, node, place, within);
        }
    }

    /// An object of a type.
    fn object<N: Node>(&mut self, kind: &'static Type, node: &N, place: &Place<'_>, within: &Within<'_, N>) {
        let Some(members) = node.members() else {
            return self.tell(place, "structure", "must be a JSON object");
        };
        if place.depth > DEEPEST {
            return self.tell(place, "structure", format!("is nested deeper than {DEEPEST} elements"));
        }
        if !kind.is_resource && (members.count() == 0 || (members.count() == 1 && members.find("id").is_some())) {
            return self.tell(place, "invariant", "is empty; leave the element out (ele-1)");
        }
        let mut seen = 0_u128;
        for (name, value) in members.each() {
            if self.is_full() {
                return;
            }
            let (own, is_beside) = match name.strip_prefix('_') {
                Some(own) => (own, true),
                None => (name, false),
            };
            let known = kind.key(own).and_then(|key| Some((key, kind.element(key)?)));
            match known {
                Some((key, element)) if !is_beside || may_be_extended(kind, key) => {
                    let bit = 1_u128 << key.element;
                    if element.is_choice && seen & bit != 0 {
                        self.one_type_only::<N>(kind, key, element, members, place);
                    }
                    seen |= bit;
                    if is_beside {
                        self.beside(key, element, value, members, place, within);
                    } else {
                        self.element(key, element, value, members, place, within);
                    }
                }
                _ if name == "resourceType" && kind.is_resource => {}
                _ => self.unknown(kind, name, place),
            }
        }
        if kind.required & !seen != 0 {
            self.missing(kind, seen, place);
        }
        if kind.name == "Extension" {
            self.extension(kind, seen, place);
        }
        for rule in &kind.rules {
            match evaluate::judge(rule, node, within.resource) {
                Verdict::Holds => {}
                Verdict::Broken => self.tell(place, "invariant", format!("breaks {}: {}", rule.key, rule.text)),
                Verdict::TooCostly => {
                    self.tell(place, "too-costly", format!("is too large for {} to be checked", rule.key))
                }
            }
        }
    }

    fn unknown(&mut self, kind: &Type, name: &str, place: &Place<'_>) {
        let is_plain =
            name.len() <= LONGEST_NAME && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_plain && !name.is_empty() {
            self.tell(&place.of(name, None), "structure", format!("is not an element of {} in FHIR R4", kind.name));
        } else {
            self.tell(place, "structure", format!("has a member that is not an element of {} in FHIR R4", kind.name));
        }
    }

    fn missing(&mut self, kind: &Type, seen: u128, place: &Place<'_>) {
        for (at, element) in kind.elements.iter().enumerate() {
            if element.is_required && seen & (1 << at) == 0 {
                let name = element.name.trim_end_matches("[x]");
                let text = if element.is_list { "is required: at least one" } else { "is required" };
                self.tell(&place.of(name, None), "required", text);
            }
        }
    }

    /// A second name of an element of several types was met; its first with the other half of the same name is none.
    fn one_type_only<N: Node>(
        &mut self,
        kind: &Type,
        key: &Key,
        element: Element,
        members: &N::Members,
        place: &Place<'_>,
    ) {
        let is_other = |name: &str| {
            kind.key(name.trim_start_matches('_')).is_some_and(|one| one.element == key.element && one.name != key.name)
        };
        if members.each().any(|(name, _)| is_other(name)) {
            let name = element.name.trim_end_matches("[x]");
            self.tell(&place.of(name, None), "structure", "has more than one type; give it once");
        }
    }

    /// ext-1: a value, or extensions.
    fn extension(&mut self, kind: &Type, seen: u128, place: &Place<'_>) {
        let has = |name| kind.key(name).is_some_and(|key| seen & (1 << key.element) != 0);
        if has("extension") == has("valueString") {
            self.tell(place, "invariant", "must have either a value or extensions (ext-1)");
        }
    }

    /// The values of an element.
    fn element<N: Node>(
        &mut self,
        key: &'static Key,
        element: Element,
        value: &N,
        members: &N::Members,
        place: &Place<'_>,
        within: &Within<'_, N>,
    ) {
        match value.view() {
            View::Items(_) if !element.is_list => {
                self.tell(&place.of(&key.name, None), "structure", "must not be an array; there is one at most");
            }
            View::Items([]) => {
                self.tell(&place.of(&key.name, None), "structure", "is an empty array; leave the element out")
            }
            View::Items(items) => {
                for (at, item) in items.iter().enumerate() {
                    if self.is_full() {
                        return;
                    }
                    let place = place.of(&key.name, Some(at));
                    if let View::Null = item.view() {
                        let beside =
                            beside_of::<N>(members, &key.name).and_then(Node::items).and_then(|items| items.get(at));
                        if !beside.is_some_and(|beside| matches!(beside.view(), View::Members(_))) {
                            self.tell(&place, "structure", "is null without an extension; leave the item out");
                        }
                    } else {
                        self.item(key, item, &place, within);
                    }
                }
            }
            _ if element.is_list => self.tell(&place.of(&key.name, None), "structure", "must be a JSON array"),
            View::Null => self.tell(&place.of(&key.name, None), "structure", "is null; leave the element out"),
            _ => self.item(key, value, &place.of(&key.name, None), within),
        }
    }

    /// One value of an element.
    fn item<N: Node>(&mut self, key: &'static Key, item: &N, place: &Place<'_>, within: &Within<'_, N>) {
        match key.content {
            Content::Primitive(primitive) => self.primitive(key, primitive, item, place),
            Content::Complex(kind) => {
                let Some(kind) = self.table.get(kind) else { return };
                if kind.is_resource {
                    let within = Within { resource: item, root: item, contained: None, ..*within };
                    return self.resource(item, place, &within);
                }
                self.object(kind, item, place, within);
                self.bound(key, kind, item, place);
                if kind.name == "Reference" {
                    self.reference(key, item, place, within);
                }
            }
            Content::Resource if item.members().is_none() => self.tell(place, "structure", "must be a JSON object"),
            Content::Resource if place.depth > DEEPEST => self.tell(place, "structure", "is nested too deep"),
            Content::Resource => {
                let (root, contained) =
                    if key.name == "contained" { (within.root, within.contained) } else { (item, None) };
                self.resource(item, place, &Within { resource: item, root, contained, ..*within });
            }
        }
    }

    /// `_name`: id and extensions of primitives.
    fn beside<N: Node>(
        &mut self,
        key: &'static Key,
        element: Element,
        value: &N,
        members: &N::Members,
        place: &Place<'_>,
        within: &Within<'_, N>,
    ) {
        let Some(kind) = self.table.get(self.table.element) else { return };
        let primary = members.find(&key.name);
        match value.view() {
            View::Items([]) if element.is_list => {
                self.tell(&place.of(&key.name, None), "structure", "has an empty array of extensions; leave it out");
            }
            View::Items(items) if element.is_list => {
                let values = primary.and_then(Node::items).unwrap_or(&[]);
                for (at, item) in items.iter().enumerate() {
                    let place = place.of(&key.name, Some(at));
                    let has_value = values.get(at).is_some_and(|value| !matches!(value.view(), View::Null));
                    match item.view() {
                        View::Null if has_value => {}
                        View::Null => self.tell(&place, "structure", "has neither value nor extension"),
                        _ => self.extended(kind, has_value, item, &place, within),
                    }
                }
            }
            View::Members(_) if !element.is_list => {
                self.extended(kind, primary.is_some(), value, &place.of(&key.name, None), within);
            }
            _ if element.is_list => {
                self.tell(
                    &place.of(&key.name, None),
                    "structure",
                    "must have its extensions in an array, one for each value",
                );
            }
            _ => self.tell(&place.of(&key.name, None), "structure", "must have its extensions in one object"),
        }
    }

    /// What stands beside a primitive.
    fn extended<N: Node>(
        &mut self,
        kind: &'static Type,
        has_value: bool,
        node: &N,
        place: &Place<'_>,
        within: &Within<'_, N>,
    ) {
        let Some(members) = node.members() else {
            return self.tell(place, "structure", "must have its extensions in an object");
        };
        if has_value && members.count() == 1 && members.find("id").is_some() {
            return;
        }
        self.object(kind, node, place, within);
    }
}

/// Whether `_name` may stand beside: ids and an extension's `url` are no elements but attributes.
fn may_be_extended(kind: &Type, key: &Key) -> bool {
    matches!(key.content, Content::Primitive(_)) && key.name != "id" && !(kind.name == "Extension" && key.name == "url")
}

fn beside_of<'a, N: Node + 'a>(members: &'a N::Members, name: &str) -> Option<&'a N> {
    members.each().find(|(own, _)| own.strip_prefix('_') == Some(name)).map(|(_, value)| value)
}
