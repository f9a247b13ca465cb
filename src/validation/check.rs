//! The walk over a resource with the rules of its profiles.

use std::cell::Cell;

use serde_json::Value;

use super::rules::{Child, Profile, Rules, TypeRule};
use super::{Asked, Issue, Library, Severity, bindings, constraints, extensions, slices, values};
use crate::fhir::path::Element;
use crate::fhir::structure::{Kind, same};

/// Issues told of one resource.
const MOST_ISSUES: usize = 64;
/// Profiles that one validation goes into, within each other.
const DEEPEST: usize = 12;
/// Elements that one validation looks at, each as often as rules say something of it.
const MOST_STEPS: usize = 4_000_000;

/// An element of a resource.
pub(super) type Node<'a> = Element<'a, Value>;

/// See [`super::validate`].
pub(super) fn validate(library: &Library, resource: &Value, profiles: &[&str], asked: Asked<'_>) -> Vec<Issue> {
    let steps = Cell::new(MOST_STEPS);
    let element = Element::resource(resource);
    let name = element.kind.map_or("", Kind::name);
    let mut check = Check {
        library,
        resource,
        root: resource,
        bundle: (name == "Bundle").then_some(resource),
        asked,
        issues: Vec::new(),
        depth: 0,
        steps: &steps,
    };
    let place = Place { up: None, name, index: None };
    check.resource(element, profiles, &place);
    if steps.get() == 0 {
        check.issues.truncate(MOST_ISSUES - 1);
        check.tell(Severity::Error, "too-costly", &place, "is too large for its profiles to be checked");
    }
    check.issues
}

/// A check, and what it found.
pub(super) struct Check<'c> {
    pub(super) library: &'c Library,
    /// `%resource`
    pub(super) resource: &'c Value,
    /// `%rootResource`
    pub(super) root: &'c Value,
    /// The bundle that references lead into.
    pub(super) bundle: Option<&'c Value>,
    pub(super) asked: Asked<'c>,
    issues: Vec<Issue>,
    depth: usize,
    steps: &'c Cell<usize>,
}

/// Where an element stands.
pub(super) struct Place<'p> {
    up: Option<&'p Place<'p>>,
    pub(super) name: &'p str,
    index: Option<usize>,
}

impl<'p> Place<'p> {
    /// An element within this one.
    pub(super) fn of<'q>(&'q self, name: &'q str, index: Option<usize>) -> Place<'q>
    where
        'p: 'q,
    {
        Place { up: Some(self), name, index }
    }

    /// As FHIRPath.
    fn path(&self) -> String {
        let mut path = self.up.map_or_else(String::new, Place::path);
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(self.name);
        if let Some(index) = self.index {
            path.push_str(&format!("[{index}]"));
        }
        path
    }
}

impl<'c> Check<'c> {
    /// Notes an issue, as far as there is room, once.
    pub(super) fn tell(&mut self, severity: Severity, code: &'static str, place: &Place<'_>, text: impl Into<String>) {
        if self.issues.len() >= MOST_ISSUES || (severity == Severity::Warning && !self.asked.warnings) {
            return;
        }
        let issue = Issue { severity, code, place: place.path(), text: text.into() };
        if !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }

    fn error(&mut self, code: &'static str, place: &Place<'_>, text: impl Into<String>) {
        self.tell(Severity::Error, code, place, text);
    }

    /// A resource: by the profiles that are asked for, those it declares, those its type must meet, and its parts.
    fn resource(&mut self, element: Node<'c>, profiles: &[&str], place: &Place<'_>) {
        let Some(node) = element.value else { return };
        let kind = element.kind.map_or("", Kind::name);
        let declared = node.get("meta").and_then(|meta| meta.get("profile")).and_then(Value::as_array);
        let declared = declared.into_iter().flatten().filter_map(Value::as_str);
        let required = self.library.required.get(kind).map(String::as_str);
        let mut done: Vec<&str> = Vec::new();
        for url in profiles.iter().copied().chain(declared).chain(required) {
            if done.contains(&url) {
                continue;
            }
            done.push(url);
            match self.library.profile(url) {
                Some(profile) => self.profile(profile, element, place),
                None => {
                    // An address that a stranger wrote is not repeated.
                    let is_ours = profiles.contains(&url);
                    let severity = if is_ours { Severity::Error } else { Severity::Warning };
                    let text = "is of a profile that no loaded package defines, and was not held to it";
                    self.tell(severity, "not-found", &place.of("meta.profile", None), text);
                }
            }
        }
        if self.library.has_extensions() {
            extensions::each(self, element, place);
        }
        self.parts(node, place);
    }

    /// Resources within a resource, by the profiles that they declare.
    fn parts(&mut self, node: &'c Value, place: &Place<'_>) {
        if self.depth >= DEEPEST {
            return;
        }
        let items = |name: &str| node.get(name).and_then(Value::as_array).into_iter().flatten();
        for (at, one) in items("contained").enumerate() {
            let (resource, root) = (one, self.root);
            self.within(resource, root, |check| {
                check.resource(Element::resource(one), &[], &place.of("contained", Some(at)))
            });
        }
        if place.name == "Bundle" || node.get("resourceType").and_then(Value::as_str) == Some("Bundle") {
            for (at, entry) in items("entry").enumerate() {
                let Some(one) = entry.get("resource") else { continue };
                let entry = place.of("entry", Some(at));
                self.within(one, one, |check| check.resource(Element::resource(one), &[], &entry.of("resource", None)));
            }
        }
    }

    /// Looks at another resource than before.
    fn within(&mut self, resource: &'c Value, root: &'c Value, look: impl FnOnce(&mut Self)) {
        let before = (self.resource, self.root);
        (self.resource, self.root) = (resource, root);
        self.depth += 1;
        look(self);
        self.depth -= 1;
        (self.resource, self.root) = before;
    }

    /// A resource or a value by one profile.
    pub(super) fn profile(&mut self, profile: &'c Profile, element: Node<'c>, place: &Place<'_>) {
        if self.depth >= DEEPEST {
            return self.tell(Severity::Warning, "too-costly", place, "is of profiles nested too deep to be checked");
        }
        if element.kind.is_some_and(|kind| !kind.is_a(&profile.kind)) {
            let text = format!("must be a {} to be of profile {}", profile.kind, profile.url);
            return self.error("structure", place, text);
        }
        self.depth += 1;
        if let Some(base) = profile.base.as_deref().and_then(|base| self.library.profile(base)) {
            self.profile(base, element, place);
        }
        let inner = element.value.filter(|_| element.kind.is_some_and(Kind::is_resource));
        match inner {
            // An entry of a bundle, or a contained resource, is looked at by itself.
            Some(node) if !std::ptr::eq(node, self.resource) => {
                self.within(node, node, |check| check.rules(&profile.root, element, place));
            }
            _ => self.rules(&profile.root, element, place),
        }
        self.depth -= 1;
    }

    /// Whether an element is of a profile; issues of it are not told.
    pub(super) fn is_of(&self, profile: &'c Profile, element: Node<'c>) -> bool {
        let mut trial = Check {
            library: self.library,
            resource: self.resource,
            root: self.root,
            bundle: self.bundle,
            asked: Asked { warnings: false, ..self.asked },
            issues: Vec::new(),
            depth: self.depth + 1,
            steps: self.steps,
        };
        if trial.depth > DEEPEST {
            return true;
        }
        let place = Place { up: None, name: "", index: None };
        trial.profile(profile, element, &place);
        trial.issues.is_empty()
    }

    /// Counts a step; false where none are left.
    fn may_go_on(&self) -> bool {
        let left = self.steps.get();
        self.steps.set(left.saturating_sub(1));
        left > 0 && self.issues.len() < MOST_ISSUES
    }

    /// An element by rules.
    pub(super) fn rules(&mut self, rules: &'c Rules, element: Node<'c>, place: &Place<'_>) {
        if !self.may_go_on() {
            return;
        }
        if let Some(value) = element.value {
            self.value(rules, value, place);
        }
        self.types(rules, element, place);
        if let Some(set) = &rules.binding {
            bindings::check(self, set, element, place);
        }
        for constraint in &rules.constraints {
            constraints::check(self, constraint, element, place);
        }
        for child in &rules.children {
            self.child(child, element, place);
        }
    }

    /// Fixed values, patterns and limits.
    fn value(&mut self, rules: &Rules, value: &Value, place: &Place<'_>) {
        if rules.fixed.as_ref().is_some_and(|fixed| !same(value, fixed)) {
            self.error("value", place, format!("must be the fixed value {}", shown(rules.fixed.as_ref())));
        }
        if rules.pattern.as_ref().is_some_and(|pattern| !values::has_pattern(value, pattern)) {
            self.error("value", place, format!("must have what the profile says: {}", shown(rules.pattern.as_ref())));
        }
        if rules.longest.is_some_and(|longest| value.as_str().is_some_and(|text| text.chars().count() > longest)) {
            let longest = rules.longest.unwrap_or(0);
            self.error("too-long", place, format!("must be no longer than {longest} characters"));
        }
        let order = |limit: &Option<Value>| limit.as_ref().and_then(|limit| values::order(value, limit));
        if order(&rules.least_value).is_some_and(std::cmp::Ordering::is_lt) {
            self.error("value", place, format!("must be at least {}", shown(rules.least_value.as_ref())));
        }
        if order(&rules.most_value).is_some_and(std::cmp::Ordering::is_gt) {
            self.error("value", place, format!("must be at most {}", shown(rules.most_value.as_ref())));
        }
    }

    /// The type of an element, what its type is profiled by, and where a reference leads.
    fn types(&mut self, rules: &'c Rules, element: Node<'c>, place: &Place<'_>) {
        let Some(kind) = element.kind.filter(|_| !rules.types.is_empty()) else { return };
        let is_of = |rule: &&TypeRule| kind.is_a(&rule.code) || rule.code.contains('/') || rule.code.is_empty();
        let mut own = rules.types.iter().filter(is_of).peekable();
        if own.peek().is_none() {
            let allowed: Vec<&str> = rules.types.iter().map(|rule| rule.code.as_str()).collect();
            return self.error("structure", place, format!("must be of type {}", allowed.join(" or ")));
        }
        let own: Vec<&TypeRule> = own.collect();
        let profiles: Vec<&'c str> =
            rules.types.iter().filter(is_of).flat_map(|rule| rule.profiles.iter().map(String::as_str)).collect();
        self.profiles(&profiles, element, place);
        if kind.name() == "Reference" {
            let targets: Vec<&str> = own.iter().flat_map(|rule| rule.targets.iter().map(String::as_str)).collect();
            self.target(&targets, element, place);
        }
    }

    /// A value whose type is profiled: one of the profiles must hold.
    fn profiles(&mut self, profiles: &[&'c str], element: Node<'c>, place: &Place<'_>) {
        let known: Vec<&'c Profile> = profiles.iter().filter_map(|url| self.library.profile(url)).collect();
        match known.as_slice() {
            [] => {}
            // Its own issues say more than that it is none of several.
            [one] if profiles.len() == 1 => self.profile(one, element, place),
            several if several.len() < profiles.len() => {}
            several => {
                if !several.iter().any(|one| self.is_of(one, element)) {
                    let names: Vec<&str> = several.iter().map(|one| one.url.as_str()).collect();
                    self.error("structure", place, format!("must be of profile {}", names.join(" or ")));
                }
            }
        }
    }

    /// The type of what a reference leads to.
    fn target(&mut self, targets: &[&str], element: Node<'c>, place: &Place<'_>) {
        let Some(kind) = slices::target_kind(self, element).filter(|_| !targets.is_empty()) else { return };
        let mut allowed = Vec::new();
        for target in targets {
            let own = match self.library.profile(target) {
                Some(profile) => profile.kind.as_str(),
                None => target.rsplit('/').next().unwrap_or(""),
            };
            // A profile that is not loaded may be of any type.
            if Kind::named(own).is_none() || kind.is_a(own) {
                return;
            }
            allowed.push(own);
        }
        allowed.dedup();
        let text = format!(
            "leads to {}, which the profile does not allow here; allowed are {}",
            kind.name(),
            allowed.join(", ")
        );
        self.error("value", &place.of("reference", None), text);
    }

    /// The values of an element within an element.
    fn child(&mut self, child: &'c Child, parent: Node<'c>, place: &Place<'_>) {
        let found = slices::named(parent, &child.name);
        self.count(&child.rules, found.len(), &place.of(&child.name, None), None);
        if found.is_empty() && child.slices.is_empty() {
            return;
        }
        let is_list = parent.kind.and_then(|kind| kind.child(&child.name)).is_some_and(|one| one.is_list);
        for (at, element) in found.iter().enumerate() {
            self.rules(&child.rules, *element, &place.of(&child.name, is_list.then_some(at)));
        }
        if !child.slices.is_empty() {
            slices::check(self, child, &found, is_list, place);
        }
    }

    /// How often an element, or a slice of it, is there.
    pub(super) fn count(&mut self, rules: &Rules, count: usize, place: &Place<'_>, slice: Option<&str>) {
        let of = slice.map_or_else(String::new, |slice| format!(" in slice {slice}"));
        if let Some(least) = rules.least.filter(|least| count < *least as usize) {
            let wanted = if least == 1 { "one".to_owned() } else { least.to_string() };
            self.error("required", place, format!("is required by the profile{of}: at least {wanted}"));
        }
        if let Some(most) = rules.most.filter(|most| count > *most as usize) {
            let wanted = if most == 0 { "none".to_owned() } else { format!("at most {most}") };
            self.error("structure", place, format!("is there too often for the profile{of}: {wanted}"));
        }
    }
}

/// What a profile says, as far as it is short.
fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(String::new, Value::to_string);
    if text.chars().count() > 160 { "of its definition".to_owned() } else { text }
}
