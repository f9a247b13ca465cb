//! What the segments of a message make of one resource: by the pattern of one like it, or row by row.

use std::sync::Arc;

use super::apply::{self, Site, apply};
use super::context::{Context, Work};
use super::ledger::{NULL, Target};
use super::pattern::{self, Given, Lesson, Subject};
use super::recurring::Known;
use crate::fhir::tree::{Map, Text, Value, json};
use crate::translate::Cleared;
use crate::translate::datatypes::Kind;
use crate::translate::hl7v2::few::Few;
use crate::translate::hl7v2::message::Repetition;
use crate::translate::rows::file::{DefaultRow, ResourceRow, Row};
use crate::translate::rows::outline::SegmentRules;
use crate::translate::rows::path::Slots;
use crate::translate::trace::{self, By, Maker};

/// What the segments make of a resource.
#[derive(Default)]
pub(crate) struct Content {
    pub body: Map,
    /// Elements that the source deletes.
    pub cleared: Vec<Cleared>,
    /// Elements that hold a default which replaces nothing.
    pub weak: Vec<String>,
}

/// A segment that a resource is filled from.
pub(super) struct Source<'a> {
    /// Which `from` of the resource row named it.
    pub from: usize,
    pub segment: usize,
    pub rules: &'a SegmentRules,
}

/// The elements of a resource.
pub(super) fn content(
    work: &Work<'_>,
    row: &ResourceRow,
    number: usize,
    group: usize,
    segment: Option<usize>,
) -> Content {
    let sources = sources_of(work, row, group, segment);
    let subject = Subject { work, row, number, group, segment, sources: &sources };
    let Some(key) = pattern::key(&subject) else { return by_rows(&subject, None) };
    let recurring = &work.order.rules.recurring;
    match recurring.look_up(&key) {
        Known::Pattern(pattern) => pattern.content(&subject).unwrap_or_else(|| by_rows(&subject, None)),
        Known::Met => {
            let mut lesson = Lesson::default();
            let content = by_rows(&subject, Some(&mut lesson));
            recurring.remember(&key, Arc::new(lesson.pattern(row, &content)));
            content
        }
        Known::New => by_rows(&subject, None),
    }
}

/// Applies the rows of all segments, then what holds always and what holds otherwise.
fn by_rows(subject: &Subject<'_>, mut lesson: Option<&mut Lesson>) -> Content {
    let Subject { work, row, number, group, segment, sources } = *subject;
    let mut content = Content::default();
    let Content { body, cleared, weak } = &mut content;
    body.insert("resourceType", json!(&row.resource_type));
    let trace = work.order.trace;
    let fixed = || Maker::of(By::Fixed, row.origin);
    trace::step(trace, number, body, fixed, |body| body.extend(row.fixed.clone()));
    let target = Target { resource: number, path: Text::copied(&row.resource_type) };
    let context = Context::new(work, group, segment, &target);
    let give = |given: &DefaultRow, at: Given, body: &mut Map, lesson: &mut Option<&mut Lesson>| {
        let maker = || Maker::of(By::Default, given.origin);
        let is_needed = trace::step(trace, number, body, maker, |body| fill(&context, given, body));
        if let Some(lesson) = lesson {
            lesson.given(at, given, is_needed);
        }
        is_needed
    };
    for (at, always) in row.always.iter().enumerate() {
        give(always, Given::Always(at), body, &mut lesson);
    }
    for clear in row.clear.iter().filter(|clear| clear.when.iter().all(|condition| context.holds(condition))) {
        cleared.push(Cleared { element: clear.element.clone(), usage: None });
    }
    for (of, source) in sources.iter().enumerate() {
        let mut slots = Slots::new();
        let site = Site { work, number, group, segment: source.segment };
        let fields = &work.order.message.segments[source.segment];
        for (at, field) in source.rules.rows.iter().enumerate() {
            let repetitions = fields.field(usize::from(field.field));
            if repetitions.is_empty() {
                continue;
            }
            if is_deleted(field, repetitions) {
                cleared.push(deleted(field));
            }
            match &mut lesson {
                None => {
                    trace::step(trace, number, body, || site.maker(field), |body| apply(&site, field, body, &mut slots))
                }
                Some(lesson) => {
                    let is_filled = field.path.is_filled(body, &slots);
                    work.ledger.listen();
                    let placed = apply::read(&site, field, body, &slots);
                    let decided = source.rules.outlines[at].decided;
                    lesson.row((of, at), field, decided, is_filled, &placed, work.ledger.heard());
                    placed.into_iter().for_each(|placed| apply::put(field, placed, body, &mut slots));
                }
            }
        }
    }
    for (at, default) in row.default.iter().enumerate() {
        if give(default, Given::Default(at), body, &mut lesson) && default.weak {
            weak.push(default.path.first().to_owned());
        }
    }
    content
}

/// Applies the rows of all segments of these names to a resource that stands for the message.
pub(crate) fn fill_from(work: &Work<'_>, kind: &str, names: &[&str], body: &mut Map) {
    for (segment, content) in work.order.message.segments.iter().enumerate() {
        if names.contains(&content.name.as_str()) {
            let (site, mut slots) = (Site { work, number: 0, group: 0, segment }, Slots::new());
            for row in work.order.rules.rows(&content.name, kind) {
                apply(&site, row, body, &mut slots);
            }
        }
    }
}

/// Whether a field holds the explicit null and nothing else.
pub(super) fn is_null(repetitions: &[Repetition]) -> bool {
    let mut texts = repetitions.iter().flatten().flatten().map(|text| text.trim()).filter(|text| !text.is_empty());
    texts.next() == Some(NULL) && texts.all(|text| text == NULL)
}

/// Whether the source deletes the element of a row.
fn is_deleted(row: &Row, repetitions: &[Repetition]) -> bool {
    // An identifier is what the record is found by; a null beside it takes none of the others away.
    let is_element = !row.path.is_empty() && row.component.is_none() && row.path.first() != "identifier";
    is_element && is_null(repetitions)
}

fn deleted(row: &Row) -> Cleared {
    let usage = row.value.as_ref().filter(|_| row.kind == Kind::XTN).and_then(Value::as_str);
    Cleared { element: row.path.plain(), usage: usage.map(str::to_owned) }
}

/// The segments that a resource is filled from, with their rows, in the order of `from`.
fn sources_of<'a>(work: &'a Work<'_>, row: &ResourceRow, group: usize, segment: Option<usize>) -> Vec<Source<'a>> {
    let mut found = Vec::with_capacity(row.from.len());
    for (from, name) in row.from.iter().enumerate() {
        for segment in sources(work, name, group, segment) {
            let name = &work.order.message.segments[segment].name;
            if let Some(rules) = work.order.rules.of_segment(name, &row.resource_type) {
                found.push(Source { from, segment, rules });
            }
        }
    }
    found
}

/// Segments named by `from`: `OBX` of the group (or the one the resource is for), `^OBR` of the groups around it if it has
/// none of its own, `>OBX` of the groups within it, `*EVN` of the whole message.
fn sources(work: &Work<'_>, from: &str, group: usize, segment: Option<usize>) -> Few<usize> {
    if let Some(name) = from.strip_prefix('*') {
        let segments = work.order.message.segments.iter().enumerate();
        return segments.filter(|(_, segment)| segment.is(name)).map(|(index, _)| index).collect();
    }
    if let Some(name) = from.strip_prefix('^') {
        let has_own = work.own(group, name).next().is_some();
        return work.above(group, name).filter(|_| !has_own).into_iter().collect();
    }
    if let Some(name) = from.strip_prefix('>') {
        return work.below(group, name).into();
    }
    match segment.filter(|index| work.order.message.segments[*index].is(from)) {
        Some(index) => Few::one(index),
        // A site's own segment stands in no group of the standard's, and then speaks for all of them.
        None if from.starts_with('Z') && work.own(group, from).next().is_none() => work.own(0, from).collect(),
        None => work.own(group, from).collect(),
    }
}

/// Whether the default was needed.
pub(super) fn fill(context: &Context<'_>, default: &DefaultRow, body: &mut Map) -> bool {
    let slots = Slots::new();
    let absent = !default.path.is_filled(body, &slots);
    let wanted = default.with.as_ref().is_none_or(|path| path.is_filled(body, &slots));
    let needed = absent && wanted && default.when.iter().all(|condition| context.holds(condition));
    if needed {
        default.path.place(body, default.value.clone(), None, &mut Slots::new());
    }
    needed
}
