//! The functions of collections, and the way to all others: <http://hl7.org/fhirpath/N1/#functions>.

use std::cmp::Ordering;

use super::evaluate::{Frame, Given, Items, Scope, one, truth};
use super::expression::{Expression, Function};
use super::item::{Element, Item};
use super::{PathError, boundary, convert, equal, evaluation, numbers, resolve, texts, types};
use crate::fhir::structure::{self, Kind, Node};

/// Calls a function on a collection.
pub(super) fn call<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    function: Function,
    of: Items<'a, N>,
    arguments: &'a [Expression],
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    scope.spend(1)?;
    let argument = arguments.first();
    match function {
        Function::Empty => Ok(told(of.is_empty())),
        Function::Exists => exists(scope, &of, argument, frame),
        Function::All => all(scope, &of, argument, frame),
        Function::AllTrue => each_truth(&of, |truths| truths.iter().all(|truth| *truth)),
        Function::AnyTrue => each_truth(&of, |truths| truths.contains(&true)),
        Function::AllFalse => each_truth(&of, |truths| truths.iter().all(|truth| !*truth)),
        Function::AnyFalse => each_truth(&of, |truths| truths.contains(&false)),
        Function::Not => Ok(truth(&of)?.map(|truth| Item::Truth(!truth)).into_iter().collect()),
        Function::Count => Ok(vec![Item::Whole(i64::try_from(of.len()).unwrap_or(i64::MAX))]),
        Function::Distinct => distinct(scope, of),
        Function::IsDistinct => {
            let count = of.len();
            Ok(told(distinct(scope, of)?.len() == count))
        }
        Function::Where => filter(scope, of, argument, frame),
        Function::Select => select(scope, &of, argument, frame),
        Function::Repeat => repeat(scope, of, argument, frame),
        Function::Sort => sort(scope, of, arguments, frame),
        Function::Aggregate => aggregate(scope, &of, arguments, frame),
        Function::Iif => iif(scope, of, arguments, frame),
        Function::Trace => Ok(of),
        Function::Single => Ok(one(of)?.into_iter().collect()),
        Function::First => Ok(of.into_iter().take(1).collect()),
        Function::Last => Ok(of.into_iter().next_back().into_iter().collect()),
        Function::Tail => Ok(of.into_iter().skip(1).collect()),
        Function::Skip | Function::Take => {
            let count = argument.map_or(Ok(None), |count| scope.whole(count, frame))?;
            let count = count.map_or(0, |count| usize::try_from(count).unwrap_or(0));
            let of = of.into_iter();
            Ok(if function == Function::Skip { of.skip(count).collect() } else { of.take(count).collect() })
        }
        Function::Children => children(scope, &of),
        Function::Descendants => descendants(scope, &of),
        Function::Intersect
        | Function::Exclude
        | Function::Union
        | Function::Combine
        | Function::SubsetOf
        | Function::SupersetOf => {
            // What stands in the argument is not said of an item of the collection.
            let other = argument.map_or(Ok(Vec::new()), |other| scope.items(other, frame))?;
            sets(scope, function, of, other)
        }
        Function::Now => Ok(vec![Item::Moment(scope.now()?)]),
        Function::Today => Ok(vec![Item::Moment(scope.now()?.day())]),
        Function::TimeOfDay => Ok(vec![Item::Moment(scope.now()?.time())]),
        Function::Extension => extension(scope, &of, argument, frame),
        Function::HasValue => Ok(told(matches!(of.as_slice(), [one] if !matches!(one.plain(), Item::Element(_))))),
        Function::GetValue => {
            Ok(one(of)?.map(|one| one.plain()).filter(|one| !matches!(one, Item::Element(_))).into_iter().collect())
        }
        Function::Resolve => Ok(of
            .iter()
            .filter_map(|item| match item {
                Item::Element(element) => resolve::resolve(scope.environment, element).map(Item::Element),
                _ => None,
            })
            .collect()),
        Function::Join => {
            let separator = argument.map_or(Ok(None), |separator| scope.text(separator, frame))?;
            texts::join(&of, separator.as_deref().unwrap_or(""))
        }
        _ => of_one(scope, function, of, arguments, frame),
    }
}

/// Functions of one item.
fn of_one<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    function: Function,
    of: Items<'a, N>,
    arguments: &'a [Expression],
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let argument = arguments.first();
    match function {
        Function::Abs
        | Function::Ceiling
        | Function::Exp
        | Function::Floor
        | Function::Ln
        | Function::Log
        | Function::Power
        | Function::Round
        | Function::Sqrt
        | Function::Truncate => {
            let Some(item) = one(of)? else { return Ok(Vec::new()) };
            let given = argument.map_or(Ok(None), |argument| scope.single(argument, frame))?;
            if argument.is_some() && given.is_none() {
                return Ok(Vec::new());
            }
            Ok(numbers::function(function, &item, given.as_ref())?.into_iter().collect())
        }
        Function::LowBoundary | Function::HighBoundary => {
            let Some(item) = one(of)? else { return Ok(Vec::new()) };
            let digits = argument.map_or(Ok(None), |digits| scope.whole(digits, frame))?;
            Ok(boundary::boundary(&item, digits, function == Function::HighBoundary).into_iter().collect())
        }
        Function::Precision => {
            Ok(one(of)?.and_then(|item| boundary::precision(&item)).map(Item::Whole).into_iter().collect())
        }
        Function::Comparable => {
            let other = argument.map_or(Ok(None), |other| scope.single(other, frame))?;
            let (Some(one), Some(other)) = (one(of)?, other) else { return Ok(Vec::new()) };
            let (Some(one), Some(other)) = (one.quantity(), other.quantity()) else { return Ok(told(false)) };
            Ok(told(one.is_comparable(&other)))
        }
        Function::Type => Ok(of.iter().map(types::type_of).collect()),
        Function::MemberOf => member_of(scope, of, argument, frame),
        Function::ConformsTo => conforms_to(scope, of, argument, frame),
        Function::HtmlChecks => {
            let is_right =
                of.iter().all(|item| item.text().is_some_and(|text| structure::check_narrative(&text).is_ok()));
            Ok(told(is_right))
        }
        Function::ToBoolean
        | Function::ToDate
        | Function::ToDateTime
        | Function::ToDecimal
        | Function::ToInteger
        | Function::ToQuantity
        | Function::ToString
        | Function::ToTime => {
            let unit = argument.map_or(Ok(None), |unit| scope.text(unit, frame))?;
            let Some(item) = one(of)? else { return Ok(Vec::new()) };
            Ok(convert::convert(function, &item, unit.as_deref()).into_iter().collect())
        }
        Function::ConvertsToBoolean
        | Function::ConvertsToDate
        | Function::ConvertsToDateTime
        | Function::ConvertsToDecimal
        | Function::ConvertsToInteger
        | Function::ConvertsToQuantity
        | Function::ConvertsToString
        | Function::ConvertsToTime => {
            let unit = argument.map_or(Ok(None), |unit| scope.text(unit, frame))?;
            let Some(item) = one(of)? else { return Ok(Vec::new()) };
            Ok(told(convert::convert(function, &item, unit.as_deref()).is_some()))
        }
        _ => texts::function(scope, function, of, arguments, frame),
    }
}

fn told<'a, N: Node>(truth: bool) -> Items<'a, N> {
    vec![Item::Truth(truth)]
}

/// Says an expression of each item, until one says stop.
fn each<'a, N: Node>(
    of: &[Item<'a, N>],
    frame: &Frame<'_, 'a, N>,
    mut say: impl FnMut(usize, &Frame<'_, 'a, N>) -> Result<bool, PathError>,
) -> Result<(), PathError> {
    for (index, item) in of.iter().enumerate() {
        if !say(index, &Frame { this: std::slice::from_ref(item), index, total: frame.total })? {
            break;
        }
    }
    Ok(())
}

fn exists<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    of: &[Item<'a, N>],
    condition: Option<&'a Expression>,
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let Some(condition) = condition else { return Ok(told(!of.is_empty())) };
    let mut found = false;
    each(of, frame, |_, frame| {
        found = scope.condition(condition, frame)? == Some(true);
        Ok(!found)
    })?;
    Ok(told(found))
}

fn all<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    of: &[Item<'a, N>],
    condition: Option<&'a Expression>,
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let Some(condition) = condition else { return Ok(told(true)) };
    let mut holds = true;
    each(of, frame, |_, frame| {
        holds = scope.condition(condition, frame)? == Some(true);
        Ok(holds)
    })?;
    Ok(told(holds))
}

fn each_truth<'a, N: Node>(of: &[Item<'a, N>], ask: impl FnOnce(&[bool]) -> bool) -> Given<'a, N> {
    let truths: Option<Vec<bool>> = of.iter().map(Item::truth).collect();
    truths.map(|truths| told(ask(&truths))).ok_or_else(|| evaluation("truth values are wanted"))
}

fn filter<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    of: Items<'a, N>,
    condition: Option<&'a Expression>,
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let Some(condition) = condition else { return Ok(of) };
    let mut kept = Vec::new();
    each(&of, frame, |_, frame| {
        if scope.condition(condition, frame)? == Some(true) {
            kept.extend(frame.this.iter().cloned());
        }
        Ok(true)
    })?;
    Ok(kept)
}

fn select<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    of: &[Item<'a, N>],
    what: Option<&'a Expression>,
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let Some(what) = what else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    each(of, frame, |_, frame| {
        found.extend(scope.items(what, frame)?);
        Ok(true)
    })?;
    Ok(found)
}

/// What an expression gives of the items, and of what it gave, until nothing new comes.
fn repeat<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    of: Items<'a, N>,
    what: Option<&'a Expression>,
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let (mut found, mut next): (Items<'a, N>, Items<'a, N>) = (Vec::new(), of);
    while !next.is_empty() {
        let mut new = Vec::new();
        for item in select(scope, &next, what, frame)? {
            // An element is the same as another only where it stands in the same place: those need no comparing.
            let is_known = match &item {
                Item::Element(_) => is_found(scope, &found, &item)? || is_found(scope, &new, &item)?,
                _ => scope.has(&found, &item)? || scope.has(&new, &item)?,
            };
            if !is_known {
                new.push(item);
            }
        }
        found.extend(new.iter().cloned());
        next = new;
    }
    Ok(found)
}

/// Whether an element is among the items, by its place.
fn is_found<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    items: &[Item<'a, N>],
    item: &Item<'a, N>,
) -> Result<bool, PathError> {
    scope.spend(items.len() / 16)?;
    let Item::Element(Element { value: Some(node), .. }) = item else { return Ok(false) };
    let is_it = |other: &Item<'a, N>| matches!(other, Item::Element(Element { value: Some(other), .. }) if std::ptr::eq(*other, *node));
    Ok(items.iter().any(is_it))
}

fn sort<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    of: Items<'a, N>,
    keys: &'a [Expression],
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let mut keyed = Vec::with_capacity(of.len());
    for (index, item) in of.into_iter().enumerate() {
        let frame = Frame { this: std::slice::from_ref(&item), index, total: frame.total };
        let mut own = Vec::with_capacity(keys.len());
        for key in keys {
            // A sign before a key turns its order around, also of texts.
            let (key, is_down) = match key {
                Expression::Negative(key) => (&**key, true),
                key => (key, false),
            };
            own.push((scope.single(key, &frame)?, is_down));
        }
        if keys.is_empty() {
            own.push((Some(item.clone()), false));
        }
        keyed.push((own, item));
    }
    scope.spend(keyed.len().saturating_mul(8))?;
    keyed.sort_by(|(one, _), (other, _)| {
        one.iter().zip(other).fold(Ordering::Equal, |order, ((one, is_down), (other, _))| {
            order.then_with(|| {
                let order = match (one, other) {
                    (Some(one), Some(other)) => equal::order(one, other).ok().flatten().unwrap_or(Ordering::Equal),
                    (one, other) => one.is_some().cmp(&other.is_some()),
                };
                if *is_down { order.reverse() } else { order }
            })
        })
    });
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

fn aggregate<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    of: &[Item<'a, N>],
    arguments: &'a [Expression],
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let Some(what) = arguments.first() else { return Ok(Vec::new()) };
    let mut total = arguments.get(1).map_or(Ok(Vec::new()), |start| scope.items(start, frame))?;
    for (index, item) in of.iter().enumerate() {
        total = scope.items(what, &Frame { this: std::slice::from_ref(item), index, total: &total })?;
    }
    Ok(total)
}

fn iif<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    of: Items<'a, N>,
    arguments: &'a [Expression],
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let item = one(of)?;
    let frame = Frame { this: item.as_slice(), ..*frame };
    let Some(condition) = arguments.first() else { return Ok(Vec::new()) };
    let is_so = match scope.single(condition, &frame)? {
        None => false,
        Some(item) => item.truth().ok_or_else(|| evaluation("a truth value is wanted"))?,
    };
    arguments.get(if is_so { 1 } else { 2 }).map_or(Ok(Vec::new()), |chosen| scope.items(chosen, &frame))
}

fn distinct<'a, N: Node>(scope: &Scope<'_, 'a, N>, of: Items<'a, N>) -> Given<'a, N> {
    union(scope, of, Vec::new())
}

/// Both collections, each item once.
pub(super) fn union<'a, N: Node>(scope: &Scope<'_, 'a, N>, left: Items<'a, N>, right: Items<'a, N>) -> Given<'a, N> {
    let mut found: Items<'a, N> = Vec::with_capacity(left.len() + right.len());
    for item in left.into_iter().chain(right) {
        if !scope.has(&found, &item)? {
            found.push(item);
        }
    }
    Ok(found)
}

fn sets<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    function: Function,
    of: Items<'a, N>,
    other: Items<'a, N>,
) -> Given<'a, N> {
    let are_in = |items: &[Item<'a, N>], others: &[Item<'a, N>]| {
        for item in items {
            if !scope.has(others, item)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    match function {
        Function::Union => union(scope, of, other),
        Function::Combine => Ok(of.into_iter().chain(other).collect()),
        Function::SubsetOf => are_in(&of, &other).map(told),
        Function::SupersetOf => are_in(&other, &of).map(told),
        _ => {
            let wants = function == Function::Intersect;
            let mut kept = Vec::new();
            for item in of {
                if scope.has(&other, &item)? == wants {
                    kept.push(item);
                }
            }
            if wants { distinct(scope, kept) } else { Ok(kept) }
        }
    }
}

fn children<'a, N: Node>(scope: &Scope<'_, 'a, N>, of: &[Item<'a, N>]) -> Given<'a, N> {
    let mut found = Vec::new();
    for item in of {
        if let Item::Element(element) = item {
            element.each_child(&mut |child| found.push(Item::Element(child)));
        }
    }
    scope.spend(found.len())?;
    Ok(found)
}

fn descendants<'a, N: Node>(scope: &Scope<'_, 'a, N>, of: &[Item<'a, N>]) -> Given<'a, N> {
    let mut found = children(scope, of)?;
    let mut done = 0;
    while let Some(next) = found.get(done..).filter(|next| !next.is_empty()) {
        let more = children(scope, next)?;
        done = found.len();
        found.extend(more);
    }
    Ok(found)
}

fn extension<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    of: &[Item<'a, N>],
    url: Option<&'a Expression>,
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let Some(url) = url.map_or(Ok(None), |url| scope.text(url, frame))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for item in of {
        if let Item::Element(element) = item {
            element.each_named("extension", &mut |extension| {
                let own = extension.value.and_then(|node| node.member("url")?.text());
                if own == Some(&*url) {
                    found.push(Item::Element(extension));
                }
            });
        }
    }
    scope.spend(found.len())?;
    Ok(found)
}

fn member_of<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    of: Items<'a, N>,
    value_set: Option<&'a Expression>,
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let Some(value_set) = value_set.map_or(Ok(None), |set| scope.text(set, frame))? else { return Ok(Vec::new()) };
    let Some(item) = one(of)? else { return Ok(Vec::new()) };
    let text = item.text();
    let codings: Vec<(Option<&str>, &str)> = match (&item, &text) {
        (_, Some(code)) => vec![(None, code)],
        (Item::Element(Element { value: Some(node), .. }), None) => {
            let coding = |node: &'a N| {
                let code = node.member("code").and_then(Node::text)?;
                Some((node.member("system").and_then(Node::text), code))
            };
            match node.member("coding").and_then(Node::items) {
                Some(codings) => codings.iter().filter_map(coding).collect(),
                None => coding(node).into_iter().collect(),
            }
        }
        _ => Vec::new(),
    };
    let is_member = scope.environment.surroundings.member_of(&value_set, &codings);
    Ok(is_member.map(Item::Truth).into_iter().collect())
}

fn conforms_to<'a, N: Node>(
    scope: &Scope<'_, 'a, N>,
    of: Items<'a, N>,
    profile: Option<&'a Expression>,
    frame: &Frame<'_, 'a, N>,
) -> Given<'a, N> {
    let Some(profile) = profile.map_or(Ok(None), |profile| scope.text(profile, frame))? else { return Ok(Vec::new()) };
    let Some(Item::Element(element)) = one(of)? else { return Ok(Vec::new()) };
    let of_r4 = profile.strip_prefix("http://hl7.org/fhir/StructureDefinition/").and_then(Kind::named);
    let conforms = match scope.environment.surroundings.conforms_to(&element, &profile) {
        None => of_r4.map(|wanted| element.kind.is_some_and(|kind| kind.is_a(wanted.name()))),
        known => known,
    };
    let conforms = conforms.ok_or_else(|| evaluation("a profile that is not known"))?;
    Ok(told(conforms))
}
