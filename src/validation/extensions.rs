//! Extensions whose definition is loaded are held to it, wherever they stand:
//! <https://hl7.org/fhir/R4/defining-extensions.html>.

use serde_json::Value;

use super::check::{Check, Node, Place};
use super::rules::{Context, Profile};
use super::{Library, Severity};
use crate::fhir::path::Element;
use crate::fhir::structure::Kind;

/// How deep elements are looked through.
const DEEPEST: usize = 64;

impl Library {
    /// Whether any extension is defined.
    pub(super) fn has_extensions(&self) -> bool {
        self.profiles.values().any(|profile| profile.kind == "Extension")
    }
}

/// Each extension within a resource.
pub(super) fn each<'c>(check: &mut Check<'c>, resource: Node<'c>, place: &Place<'_>) {
    let path = resource.kind.map_or("", Kind::name);
    walk(check, resource, path, place, DEEPEST);
}

/// `path` is what definitions call the element: `Patient.contact.name`.
fn walk<'c>(check: &mut Check<'c>, element: Node<'c>, path: &str, place: &Place<'_>, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let Some(kind) = element.kind else { return };
    for name in ["extension", "modifierExtension"] {
        for (at, extension) in super::slices::named(element, name).into_iter().enumerate() {
            one(check, extension, kind, path, element, &place.of(name, Some(at)));
        }
    }
    let Some(members) = element.value.and_then(Value::as_object) else { return };
    for (name, _) in members {
        let own = name.strip_prefix('_').unwrap_or(name);
        // What stands in a resource is looked at with that.
        let Some(child) = kind.child(own).filter(|child| !child.kind.is_resource()) else { continue };
        if matches!(own, "extension" | "modifierExtension") || (name.starts_with('_') && members.contains_key(own)) {
            continue;
        }
        // Values of primitives have nothing within, unless something stands beside them.
        if child.kind.is_primitive() && !members.keys().any(|beside| beside.strip_prefix('_') == Some(own)) {
            continue;
        }
        let called = child.choice.map_or(own, |stem| stem);
        let path = format!("{path}.{called}{}", if child.choice.is_some() { "[x]" } else { "" });
        for (at, inner) in super::slices::named(element, own).into_iter().enumerate() {
            walk(check, inner, &path, &place.of(called, child.is_list.then_some(at)), depth);
        }
    }
}

fn one<'c>(check: &mut Check<'c>, extension: Node<'c>, kind: Kind, path: &str, within: Node<'c>, place: &Place<'_>) {
    let Some(url) = extension.value.and_then(|value| value.get("url")?.as_str()) else { return };
    let Some(profile) = check.library.profile(url).filter(|profile| profile.kind == "Extension") else { return };
    if !may_stand(profile, kind, path, within) {
        check.tell(
            Severity::Error,
            "extension",
            place,
            format!("must not stand here by its definition {}", profile.url),
        );
    }
    check.profile(profile, extension, place);
}

fn may_stand(profile: &Profile, kind: Kind, path: &str, within: Element<'_, Value>) -> bool {
    profile.contexts.is_empty()
        || profile.contexts.iter().any(|context| match context {
            Context::Other => true,
            Context::Extension(url) => {
                let own = within.value.and_then(|value| value.get("url")?.as_str());
                own.is_some_and(|own| url == own || url.strip_prefix(own).is_some_and(|rest| rest.starts_with(['#', ':'])))
            }
            Context::Element(element) => {
                let element = element.trim_end_matches("[x]");
                element == path.trim_end_matches("[x]")
                    || kind.is_a(element)
                    || element.contains(['(', '#', ':'])
                    // The path from a data type: `HumanName.given`.
                    || element.split_once('.').is_some_and(|(_, rest)| {
                        !crate::fhir::structure::is_type(element.split('.').next().unwrap_or("")) && path.ends_with(&format!(".{rest}"))
                    })
            }
        })
}
