//! Slicing: which values of an element are which (<https://hl7.org/fhir/R4/profiling.html#slicing>).

use serde_json::Value;

use super::check::{Check, Node, Place};
use super::rules::{By, Child, Discriminator, Others, Rules, Slice, Slicing, Step, TypeRule};
use super::values;
use super::{Severity, bindings};
use crate::fhir::path::Element;
use crate::fhir::structure::{Kind, same};

/// The elements of a name, also where a profile names one type of several (`valueQuantity`).
pub(super) fn named<'c>(parent: Node<'c>, name: &str) -> Vec<Node<'c>> {
    let mut found = Vec::new();
    let one_type = parent.kind.and_then(|kind| kind.child(name)).filter(|child| child.choice.is_some());
    match one_type.and_then(|child| Some((child.choice?, child.kind))) {
        Some((stem, kind)) => {
            parent.each_named(stem, &mut |element| found.extend((element.kind == Some(kind)).then_some(element)));
        }
        None => parent.each_named(name, &mut |element| found.push(element)),
    }
    found
}

/// Holds the values of an element to its slices.
pub(super) fn check<'c>(check: &mut Check<'c>, child: &'c Child, found: &[Node<'c>], is_list: bool, place: &Place<'_>) {
    let slicing = slicing_of(child);
    let mut counts = vec![0_usize; child.slices.len()];
    let (mut is_all_told, mut last, mut is_other_seen) = (true, 0_usize, false);
    for (at, element) in found.iter().enumerate() {
        let place = place.of(&child.name, is_list.then_some(at));
        let mut own = None;
        let mut is_told = true;
        for (number, slice) in child.slices.iter().enumerate() {
            match is_in(check, &slicing, slice, *element) {
                Some(true) => {
                    own = Some(number);
                    break;
                }
                Some(false) => {}
                None => is_told = false,
            }
        }
        match own.and_then(|number| Some((number, child.slices.get(number)?))) {
            Some((number, slice)) => {
                if let Some(count) = counts.get_mut(number) {
                    *count += 1;
                }
                if slicing.is_ordered && number < last {
                    check.tell(
                        Severity::Error,
                        "structure",
                        &place,
                        format!("stands too late for slice {}: slices are in order", slice.name),
                    );
                }
                if is_other_seen && slicing.others == Others::AtEnd {
                    check.tell(
                        Severity::Error,
                        "structure",
                        &place,
                        format!("of slice {} must stand before what is in none", slice.name),
                    );
                }
                last = last.max(number);
                check.rules(&slice.rules, *element, &place);
            }
            None if !is_told => is_all_told = false,
            None => {
                is_other_seen = true;
                if slicing.others == Others::Nowhere {
                    check.tell(
                        Severity::Error,
                        "structure",
                        &place,
                        "is in no slice of the profile, and there must be no others",
                    );
                }
            }
        }
    }
    if !is_all_told {
        let text = "cannot be told apart as the profile wants, and was not counted";
        return check.tell(Severity::Warning, "incomplete", &place.of(&child.name, None), text);
    }
    for (slice, count) in child.slices.iter().zip(counts) {
        check.count(&slice.rules, count, &place.of(&child.name, None), Some(&slice.name));
    }
}

/// How values are told apart; by the address of extensions and the type of a choice where nothing is said.
fn slicing_of(child: &Child) -> Slicing {
    if let Some(slicing) = child.slicing.as_ref().filter(|slicing| !slicing.discriminators.is_empty()) {
        return slicing.clone();
    }
    let said = child.slicing.as_ref();
    let discriminator = if matches!(child.name.as_str(), "extension" | "modifierExtension") {
        Discriminator { by: By::Value, steps: vec![Step::Member("url".to_owned())] }
    } else {
        Discriminator { by: By::Type, steps: Vec::new() }
    };
    Slicing {
        discriminators: vec![discriminator],
        others: said.map_or(Others::Anywhere, |said| said.others),
        is_ordered: said.is_some_and(|said| said.is_ordered),
    }
}

/// Whether an element is in a slice; `None` where that cannot be told.
fn is_in<'c>(check: &Check<'c>, slicing: &Slicing, slice: &'c Slice, element: Node<'c>) -> Option<bool> {
    let mut is_in = Some(true);
    for discriminator in &slicing.discriminators {
        match meets(check, discriminator, slice, element) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => is_in = None,
        }
    }
    is_in
}

fn meets<'c>(check: &Check<'c>, discriminator: &Discriminator, slice: &'c Slice, element: Node<'c>) -> Option<bool> {
    let found = targets(check, element, &discriminator.steps);
    let wanted = wanted(check, &slice.rules, &discriminator.steps);
    match discriminator.by {
        By::Value => match wanted {
            Wanted::Value(fixed, is_whole) => Some(
                found
                    .iter()
                    .filter_map(|one| one.value)
                    .any(|value| if is_whole { same(value, fixed) } else { values::has_pattern(value, fixed) }),
            ),
            Wanted::Url(url) => Some(found.iter().any(|one| one.value.and_then(Value::as_str) == Some(url))),
            Wanted::Rules(rules) => match &rules.binding {
                Some(set) => {
                    let told: Vec<Option<bool>> =
                        found.iter().map(|one| bindings::is_in(check.library, set, *one)).collect();
                    if told.contains(&Some(true)) {
                        Some(true)
                    } else if told.contains(&None) {
                        None
                    } else {
                        Some(false)
                    }
                }
                None if rules.least.is_some_and(|least| least > 0) => Some(!found.is_empty()),
                None if rules.most == Some(0) => Some(found.is_empty()),
                None => None,
            },
            Wanted::Nothing => None,
        },
        By::Exists => match wanted {
            Wanted::Rules(rules) if rules.most == Some(0) => Some(found.is_empty()),
            Wanted::Rules(rules) if rules.least.is_some_and(|least| least > 0) => Some(!found.is_empty()),
            _ => None,
        },
        By::Type | By::Profile => {
            let Wanted::Rules(rules) = wanted else { return None };
            let is_reference = discriminator.steps.contains(&Step::Resolve);
            if found.is_empty() && is_reference {
                // What a reference leads to may not be here; its text tells the type.
                let kind = target_kind(check, element)?;
                return if is_wanted_kind(check, rules, kind, true) {
                    None.or_else(|| only_type(check, rules))
                } else {
                    Some(false)
                };
            }
            let by_profile = discriminator.by == By::Profile;
            Some(found.iter().any(|one| is_wanted(check, rules, *one, is_reference, by_profile)))
        }
    }
}

/// A reference leads to the right type, and nothing more is wanted of what it leads to than that.
fn only_type(check: &Check<'_>, rules: &Rules) -> Option<bool> {
    let mut targets = rules.types.iter().flat_map(|rule| &rule.targets);
    targets.all(|target| check.library.profile(target).is_none()).then_some(true)
}

fn is_wanted_kind(check: &Check<'_>, rules: &Rules, kind: Kind, is_reference: bool) -> bool {
    let of = |url: &str| match check.library.profile(url) {
        Some(profile) => kind.is_a(&profile.kind),
        None => Kind::named(url.rsplit('/').next().unwrap_or("")).is_none_or(|wanted| kind.is_a(wanted.name())),
    };
    if is_reference {
        return rules.types.iter().flat_map(|rule| &rule.targets).any(|target| of(target));
    }
    rules.types.iter().any(|rule| kind.is_a(&rule.code))
}

fn is_wanted<'c>(check: &Check<'c>, rules: &'c Rules, element: Node<'c>, is_reference: bool, by_profile: bool) -> bool {
    let Some(kind) = element.kind else { return false };
    if !by_profile {
        return is_wanted_kind(check, rules, kind, is_reference);
    }
    let profiles = |rule: &'c TypeRule| if is_reference { &rule.targets } else { &rule.profiles };
    let mut urls = rules.types.iter().flat_map(profiles).peekable();
    if urls.peek().is_none() {
        return is_wanted_kind(check, rules, kind, is_reference);
    }
    urls.any(|url| match check.library.profile(url) {
        Some(profile) => kind.is_a(&profile.kind) && check.is_of(profile, element),
        None => Kind::named(url.rsplit('/').next().unwrap_or("")).is_some_and(|wanted| kind.is_a(wanted.name())),
    })
}

/// The elements at the end of a discriminator's path.
fn targets<'c>(check: &Check<'c>, element: Node<'c>, steps: &[Step]) -> Vec<Node<'c>> {
    let mut found = vec![element];
    for step in steps {
        let mut next = Vec::new();
        for one in found {
            match step {
                Step::Member(name) => next.extend(named(one, name)),
                Step::Extension(url) => next.extend(
                    named(one, "extension")
                        .into_iter()
                        .filter(|extension| extension.value.and_then(|value| value.get("url")?.as_str()) == Some(url)),
                ),
                Step::Resolve => next.extend(resolve(check, one)),
                Step::OfType(name) => next.extend(one.kind.is_some_and(|kind| kind.is_a(name)).then_some(one)),
            }
        }
        found = next;
    }
    found
}

fn resolve<'c>(check: &Check<'c>, element: Node<'c>) -> Option<Node<'c>> {
    let value = element.value?;
    let address = value.as_str().or_else(|| value.get("reference")?.as_str())?;
    crate::fhir::path::find(check.root, check.bundle, address).map(Element::resource)
}

/// The type that a reference leads to, as far as the resource or its text tell.
pub(super) fn target_kind(check: &Check<'_>, element: Node<'_>) -> Option<Kind> {
    let value = element.value?;
    let address = value.get("reference").and_then(Value::as_str);
    if let Some(address) = address {
        if let Some(found) = crate::fhir::path::find(check.root, check.bundle, address) {
            return Element::resource(found).kind;
        }
        let current = address.split_once("/_history/").map_or(address, |(current, _)| current);
        let name = current.rsplit('/').nth(1).or_else(|| current.split_once('?').map(|(name, _)| name));
        if let Some(kind) = name.and_then(Kind::named).filter(|kind| kind.is_resource()) {
            return Some(kind);
        }
    }
    value.get("type").and_then(Value::as_str).and_then(Kind::named).filter(|kind| kind.is_resource())
}

/// What a slice says at the end of a discriminator's path.
enum Wanted<'c> {
    /// A value, whole or as a pattern.
    Value(&'c Value, bool),
    /// The address of an extension.
    Url(&'c str),
    Rules(&'c Rules),
    Nothing,
}

fn wanted<'c>(check: &Check<'c>, rules: &'c Rules, steps: &[Step]) -> Wanted<'c> {
    let mut at = rules;
    let mut rest = steps;
    loop {
        let names: Option<Vec<&str>> =
            rest.iter().map(|step| if let Step::Member(name) = step { Some(name.as_str()) } else { None }).collect();
        if let Some(names) = names {
            let fixed = at.fixed.as_ref().map(|value| (value, true));
            for (value, is_whole) in fixed.into_iter().chain(at.pattern.as_ref().map(|value| (value, false))) {
                if let Some(value) = values::within(value, &names) {
                    return Wanted::Value(value, is_whole);
                }
            }
        }
        let Some((step, after)) = rest.split_first() else { return Wanted::Rules(at) };
        let profile = || {
            let mut urls = at.types.iter().flat_map(|rule| &rule.profiles);
            urls.find_map(|url| check.library.profile(url))
        };
        match step {
            Step::Member(name) => match at.child(name) {
                Some(child) => at = &child.rules,
                None if name == "url" && after.is_empty() => {
                    // An extension's definition says its address.
                    return match at.types.iter().flat_map(|rule| &rule.profiles).next() {
                        Some(url) => Wanted::Url(url),
                        None => Wanted::Nothing,
                    };
                }
                None => match profile().and_then(|profile| profile.root.child(name)) {
                    Some(child) => at = &child.rules,
                    None => return Wanted::Nothing,
                },
            },
            Step::Extension(url) => {
                let is_it = |slice: &&'c Slice| {
                    slice.rules.types.iter().any(|rule| rule.profiles.contains(url))
                        || slice
                            .rules
                            .child("url")
                            .is_some_and(|child| child.rules.fixed.as_ref().and_then(Value::as_str) == Some(url))
                };
                match at.child("extension").and_then(|child| child.slices.iter().find(is_it)) {
                    Some(slice) => at = &slice.rules,
                    None => return Wanted::Nothing,
                }
            }
            Step::Resolve | Step::OfType(_) => {}
        }
        rest = after;
    }
}
