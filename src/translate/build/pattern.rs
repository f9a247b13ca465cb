//! A resource as far as the codes of its segments decide it: the elements that are the same whenever these codes come, and
//! the steps that still have to be gone for the others (`build::recurring` remembers it).
//!
//! The first time a resource is made row by row, and a [`Lesson`] notes what each row did. Elements that any row has filled
//! which has to be read each time are made anew each time: by reading those rows, and by putting there what the other rows
//! put, in the order of the rows. All other elements are shared. Where a reading gives something else than it gave in the
//! lesson (a time that is none, a number that is a text), the pattern does not fit, and the resource is made row by row.

use super::apply::{self, Site};
use super::content::{self, Content, Source};
use super::context::{Context, Work};
use super::ledger::{Leaf, NOWHERE, Noted, Target};
use super::piece::Piece;
use crate::fhir::tree::{Map, Text, Value};
use crate::translate::Cleared;
use crate::translate::datatypes::Placed;
use crate::translate::rows::file::{DefaultRow, ResourceRow, Row};
use crate::translate::rows::outline::Decided;
use crate::translate::rows::path::Slots;

/// What recurs of a resource.
#[derive(Debug, Default)]
pub(crate) struct Pattern {
    /// The elements in their order; those that the steps make are `null`, or what is always there.
    body: Map,
    steps: Vec<Step>,
    /// What the rows that are not read any more have booked.
    booked: Vec<Booked>,
    cleared: Vec<Cleared>,
    weak: Vec<String>,
}

/// Something to do for the elements that are made anew.
#[derive(Debug)]
enum Step {
    /// A row has to be read, and gave so many values, for these paths.
    Read { source: usize, row: usize, paths: Vec<Option<&'static str>> },
    /// A row puts what it always does, if its element is as empty as it was.
    Put { source: usize, row: usize, is_filled: bool, placed: Vec<Placed> },
    /// The resource row's default is needed, or is not.
    Default { at: Given, is_needed: bool },
}

/// An `always` or `default` of a resource row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given {
    Always(usize),
    Default(usize),
}

#[derive(Debug)]
struct Booked {
    source: usize,
    row: usize,
    noted: Noted,
}

/// What a resource is made of: the row, and the segments with their rows.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub work: &'a Work<'a>,
    pub row: &'a ResourceRow,
    pub number: usize,
    pub group: usize,
    pub segment: Option<usize>,
    pub sources: &'a [Source<'a>],
}

impl<'a> Subject<'a> {
    pub(super) fn given(&self, at: Given) -> Option<&'a DefaultRow> {
        match at {
            Given::Always(at) => self.row.always.get(at),
            Given::Default(at) => self.row.default.get(at),
        }
    }

    fn row_of(&self, source: usize, row: usize) -> Option<(Site<'a>, &'a Row)> {
        let source = self.sources.get(source)?;
        let site = Site { work: self.work, number: self.number, group: self.group, segment: source.segment };
        Some((site, source.rules.rows.get(row)?))
    }
}

/// All that decides a resource but for the rows that have to be read each time; `None` if nothing of it is remembered.
pub(super) fn key(subject: &Subject<'_>) -> Option<Vec<u8>> {
    let Subject { work, row, number, group, segment, sources } = *subject;
    let manner = work.manner.filter(|_| work.order.trace.is_none())?;
    let written = work.order.message.written.as_ref()?;
    let mut key = Vec::with_capacity(256);
    key.push(manner);
    key.extend_from_slice(row.name.as_bytes());
    key.push(0);
    let target = Target { resource: number, path: Text::default() };
    let context = Context::new(work, group, segment, &target);
    let whens = row.always.iter().chain(&row.default).map(|given| &given.when);
    for when in whens.chain(row.clear.iter().map(|clear| &clear.when)).filter(|when| !when.is_empty()) {
        key.push(u8::from(when.iter().all(|condition| context.holds(condition))));
    }
    for source in sources {
        let fields = &work.order.message.segments[source.segment];
        let context = Context::new(work, group, Some(source.segment), &target);
        key.extend_from_slice(&u16::try_from(source.from).ok()?.to_be_bytes());
        let mut last = 0;
        for (at, outline) in source.rules.outlines.iter().enumerate() {
            let repetitions = fields.field(usize::from(outline.field));
            if repetitions.is_empty() {
                continue;
            }
            if outline.field != last {
                last = outline.field;
                key.extend_from_slice(&outline.field.to_be_bytes());
                if outline.decided == Decided::Code {
                    let text = written.field(source.segment, usize::from(outline.field));
                    key.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
                    key.extend_from_slice(text.as_bytes());
                } else {
                    let piece = |repetition| Piece::repetition(repetition, &work.ledger, Leaf::default(), &NOWHERE);
                    key.extend(repetitions.iter().map(|repetition| 1 + u8::from(piece(repetition).is_empty())));
                    key.push(3 + u8::from(content::is_null(repetitions)));
                }
            }
            if outline.conditional {
                let when = &source.rules.rows.get(at)?.when;
                key.push(5 + u8::from(when.iter().all(|condition| context.holds(condition))));
            }
        }
        key.extend_from_slice(&[0, 0]);
    }
    Some(key)
}

impl Pattern {
    /// The resource by its pattern; `None` if it does not fit.
    pub(super) fn content(&self, subject: &Subject<'_>) -> Option<Content> {
        let counts = subject.work.counts();
        let made = self.made(subject);
        if made.is_none() {
            subject.work.set_counts(counts);
        }
        made
    }

    fn made(&self, subject: &Subject<'_>) -> Option<Content> {
        let mut body = self.body.clone();
        let mut slots = Slots::new();
        let mut at_work = None;
        for step in &self.steps {
            if let Step::Read { source, .. } | Step::Put { source, .. } = step
                && at_work != Some(*source)
            {
                at_work = Some(*source);
                slots.clear();
            }
            self.go(step, subject, &mut body, &mut slots)?;
        }
        if body.values().any(Value::is_null) {
            return None;
        }
        for Booked { source, row, noted } in &self.booked {
            let (site, row) = subject.row_of(*source, *row)?;
            let target = Target { resource: subject.number, path: row.account.clone() };
            subject.work.ledger.book(site.segment, noted, &target);
        }
        Some(Content { body, cleared: self.cleared.clone(), weak: self.weak.clone() })
    }

    /// Goes one step; `None` where it leads elsewhere than it did.
    fn go(&self, step: &Step, subject: &Subject<'_>, body: &mut Map, slots: &mut Slots) -> Option<()> {
        match step {
            Step::Read { source, row, paths } => {
                let (site, row) = subject.row_of(*source, *row)?;
                let placed = apply::read(&site, row, body, slots);
                if !placed.iter().map(|placed| placed.path).eq(paths.iter().copied()) {
                    return None;
                }
                placed.into_iter().for_each(|placed| apply::put(row, placed, body, slots));
            }
            Step::Put { source, row, is_filled, placed } => {
                let (_, row) = subject.row_of(*source, *row)?;
                if row.path.is_filled(body, slots) != *is_filled {
                    return None;
                }
                placed.iter().cloned().for_each(|placed| apply::put(row, placed, body, slots));
            }
            Step::Default { at, is_needed } => {
                let given = subject.given(*at)?;
                let target = Target { resource: subject.number, path: Text::default() };
                let context = Context::new(subject.work, subject.group, subject.segment, &target);
                if content::fill(&context, given, body) != *is_needed {
                    return None;
                }
            }
        }
        Some(())
    }
}

/// What was done to make a resource.
#[derive(Default)]
pub(super) struct Lesson {
    done: Vec<Done>,
}

struct Done {
    step: Step,
    /// The elements it has to do with.
    elements: Vec<Text>,
    booked: Vec<Noted>,
}

impl Lesson {
    /// A row was applied.
    pub(super) fn row(
        &mut self,
        (source, row): (usize, usize),
        of: &Row,
        decided: Decided,
        is_filled: bool,
        placed: &[Placed],
        booked: Vec<Noted>,
    ) {
        let elements = placed.iter().filter_map(|placed| placed.path).map(|path| {
            let first = path.split(['.', '[']).next().unwrap_or(path);
            Text::constant(first)
        });
        let elements = elements.chain([Text::copied(of.path.first())]).collect();
        let step = match decided {
            Decided::Reading => Step::Read { source, row, paths: placed.iter().map(|placed| placed.path).collect() },
            _ => {
                let frozen = |placed: &Placed| Placed { path: placed.path, value: placed.value.frozen() };
                Step::Put { source, row, is_filled, placed: placed.iter().map(frozen).collect() }
            }
        };
        let booked = if decided == Decided::Reading { Vec::new() } else { booked };
        self.done.push(Done { step, elements, booked });
    }

    /// A default of the resource row was looked at.
    pub(super) fn given(&mut self, at: Given, row: &DefaultRow, is_needed: bool) {
        let elements = [Some(&row.path), row.with.as_ref()].into_iter().flatten();
        let elements = elements.map(|path| Text::copied(path.first())).collect();
        self.done.push(Done { step: Step::Default { at, is_needed }, elements, booked: Vec::new() });
    }

    /// What recurs of what was made.
    pub(super) fn pattern(self, row: &ResourceRow, content: &Content) -> Pattern {
        let anew = self.made_anew();
        let mut pattern =
            Pattern { cleared: content.cleared.clone(), weak: content.weak.clone(), ..Pattern::default() };
        for (name, value) in &content.body {
            let value = match anew.contains(name) {
                true => row.fixed.get(name).map_or(Value::Null, Value::frozen),
                false => value.frozen(),
            };
            pattern.body.push(name.frozen(), value);
        }
        for Done { step, elements, booked } in self.done {
            if let Step::Read { source, row, .. } | Step::Put { source, row, .. } = step {
                pattern.booked.extend(booked.into_iter().map(|noted| Booked { source, row, noted }));
            }
            if elements.iter().any(|element| anew.contains(element)) {
                pattern.steps.push(step);
            }
        }
        pattern
    }

    /// The elements that are made anew each time: those of rows that are read, and those that depend on them.
    fn made_anew(&self) -> Vec<Text> {
        let mut anew: Vec<Text> = Vec::new();
        loop {
            let known = anew.len();
            for Done { step, elements, .. } in &self.done {
                let is_read = matches!(step, Step::Read { .. });
                if is_read || elements.iter().any(|element| anew.contains(element)) {
                    for element in elements {
                        if !anew.contains(element) {
                            anew.push(element.clone());
                        }
                    }
                }
            }
            if anew.len() == known {
                return anew;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Country;
    use crate::translate::{Mappings, Setting, hl7v2};

    const HEAD: &str =
        "MSH|^~\\&|LAB|HOSP|||202601150830||ORU^R01|1|P|2.5\rPID|1||77^^^HOSP^MR||NOVAK^EVA||19800101|F\r";

    /// The whole of a translation as text.
    fn told(mappings: &Mappings, message: &str) -> String {
        match hl7v2::translate(mappings, &Setting::anonymous(Country::Ca), message.as_bytes()) {
            Ok(told) => format!("{} {:?} {:?} {:?}", told.bundle, told.losses, told.warnings, told.amendments),
            Err(refused) => format!("{refused:?}"),
        }
    }

    #[test]
    fn what_is_remembered_changes_nothing() {
        let order = "OBR|1|4^A|5^B|718-7^Hemoglobin^LN|||202601150800|||^COLLECT^JOHN||||||9^DOE^JO|||||||||F\r";
        let result = |code: &str, kind: &str, value: &str, unit: &str, flag: &str, time: &str| {
            format!("{HEAD}{order}OBX|1|{kind}|{code}||{value}|{unit}|13-17|{flag}|||F|||{time}\r")
        };
        let hemoglobin = "718-7^Hemoglobin^LN";
        let messages = [
            result(hemoglobin, "NM", "14.10", "g/dL", "N", "202601150810"),
            result(hemoglobin, "NM", "9.9", "g/dL", "N", "20260116081500-0500"),
            // Numbers that are texts, bounds, times that are none, explicit nulls: the pattern does not fit.
            result(hemoglobin, "NM", "hemolysed", "g/dL", "N", "202601150810"),
            result(hemoglobin, "NM", "<5", "g/dL", "N", "202601150810"),
            result(hemoglobin, "NM", "9.9", "g/dL", "N", "20261350"),
            result(hemoglobin, "NM", "9.9", "g/dL", "\"\"", "\"\""),
            result(hemoglobin, "NM", "", "g/dL", "N", "202601150810"),
            result(hemoglobin, "NM", "14.10~15", "g/dL", "N", "202601150810"),
            // Other codes, and the same letters parted elsewhere.
            result("718-7^Hemoglobin&LN", "NM", "14.10", "g/dL", "N", "202601150810"),
            result("1^a\\T\\b^L", "CE", "1^A\\S\\B", "", "H~A", ""),
            result(hemoglobin, "ST", "14.10", "g/dL", "N", "202601150810"),
            result(hemoglobin, "NM", "14.10", "g/dL", "N", "202601150810").replace("^~\\&", "^~\\$"),
            result(hemoglobin, "NM", "14.10", "g/dL", "N", "202601150810").replace("|F\rOBR", "|X\rOBR"),
            result(hemoglobin, "NM", "14.10", "g/dL", "N", "202601150810").replace("9^DOE^JO", "^DOE^JO"),
        ];
        let mappings = Mappings::builtin().unwrap();
        for _ in 0..3 {
            for message in &messages {
                // A copy of the rows remembers nothing.
                assert_eq!(told(&mappings, message), told(&mappings.clone(), message), "{message}");
            }
        }
        let count = mappings.rules(Country::Ca).recurring.count();
        assert!(count > messages.len(), "{count}");
    }
}
