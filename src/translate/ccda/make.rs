//! Elements → resources: rows are applied, what is in an element is made on its own or becomes a part of it.

use crate::fhir::tree::{Map, Text, Value, json};
use roxmltree::Node;

use super::finish;
use super::query::Hit;
use super::rows::{ElementRow, StatementRow};
use super::types::{self, Kind};
use super::work::{Work, section_of};
use crate::fhir::systems;
use crate::translate::rows::path::{Path, Slots};

const FILLED: &str = "the element holds one value, and an earlier part filled it";
const NEGATED: &str = "it is negated, and FHIR has no place for that; the narrative says it";

/// Elements of the clinical statement (CDA R2, 4.3.6).
const STATEMENTS: [&str; 9] = [
    "act",
    "observation",
    "organizer",
    "procedure",
    "encounter",
    "substanceAdministration",
    "supply",
    "observationMedia",
    "regionOfInterest",
];

/// Makes what an entry says, with everything in it that is a statement of its own; gives the addresses.
pub(crate) fn visit<'a>(work: &mut Work<'a>, node: Node<'a, 'a>, found: &mut Vec<String>) {
    if !STATEMENTS.contains(&node.tag_name().name()) || work.claimed.contains(&node.id()) {
        return;
    }
    let rules = work.rules;
    if let Some(at) = rules.ccda.fitting(node, section_of(node))
        && let Some(made) = make(work, node, at)
    {
        let url = work.made[made].full_url.clone();
        if !found.contains(&url) {
            found.push(url);
        }
    }
    for around in node.children().filter(|child| matches!(child.tag_name().name(), "entryRelationship" | "component")) {
        for inner in around.children().filter(Node::is_element) {
            visit(work, inner, found);
        }
    }
}

/// Makes the resource of an element by a row; gives its number.
pub(crate) fn make<'a>(work: &mut Work<'a>, node: Node<'a, 'a>, at: usize) -> Option<usize> {
    if let Some(known) = work.by_place.get(&(node.id(), at)) {
        return *known;
    }
    work.by_place.insert((node.id(), at), None);
    let row = work.rules.ccda.statements.get(at)?;
    if !row.when.iter().all(|condition| condition.holds(node)) {
        return None;
    }
    if is_negated(node) && !row.negation {
        work.negated += 1;
        work.ledger.rest_raw(node, NEGATED);
        return None;
    }
    book_negation(work, node);
    let Some(kind) = &row.resource_type else {
        part(work, node, row, "");
        return None;
    };
    let before = work.mark;
    let mut body = Map::new();
    body.insert("resourceType", json!(kind));
    body.extend(part(work, node, row, kind));
    let made = finish::keep(work, node, row, kind, body);
    work.mark = before;
    let made = made?;
    work.by_place.insert((node.id(), at), Some(made));
    for name in &row.also {
        if let Some(other) = work.rules.ccda.named(name) {
            make(work, node, other);
        }
    }
    Some(made)
}

fn is_negated(node: Node<'_, '_>) -> bool {
    node.attribute("negationInd") == Some("true")
}

fn book_negation<'a>(work: &mut Work<'a>, node: Node<'a, 'a>) {
    if node.attribute("negationInd").is_some() {
        let before = work.mark;
        work.mark = work.ledger.target("(steers: whether it is so)");
        work.attribute(node, "negationInd");
        work.mark = before;
    }
}

/// Applies the rows of a statement to an element: what they make is a resource, or a part of one.
fn part<'a>(work: &mut Work<'a>, node: Node<'a, 'a>, row: &'a StatementRow, prefix: &str) -> Map {
    let mut body = row.fixed.clone();
    let mut slots = Slots::new();
    for element in &row.rows {
        apply(work, node, element, prefix, &mut body, &mut slots);
    }
    for default in &row.default {
        let absent = !is_filled(&default.path, &body, &Slots::new());
        if absent && default.when.iter().all(|condition| condition.holds(node)) {
            default.path.place(&mut body, default.value.clone(), None, &mut Slots::new());
        }
    }
    body
}

/// Applies one row.
fn apply<'a>(
    work: &mut Work<'a>,
    node: Node<'a, 'a>,
    row: &'a ElementRow,
    prefix: &str,
    body: &mut Map,
    slots: &mut Slots,
) {
    if !row.when.iter().all(|condition| condition.holds(node)) {
        return;
    }
    let hits = row.from.select(node);
    if hits.is_empty() && !row.absent {
        return;
    }
    let target = match row.kind {
        Kind::Steer => format!("(steers: {})", row.reason.as_deref().unwrap_or("the translation")),
        _ if prefix.is_empty() => row.path.plain(),
        _ => format!("{prefix}.{}", row.path.plain()),
    };
    let before = work.mark;
    work.mark = work.ledger.target(&target);
    if hits.is_empty() {
        absent(work, node, row, body);
    }
    let is_value = !matches!(row.kind, Kind::Reference | Kind::Element | Kind::Steer | Kind::Skip);
    for hit in hits {
        claim(work, node, hit.node, is_value);
        let negated = hit.node != node && is_negated(hit.node);
        if row.kind == Kind::Element && negated && !named(work, row).is_some_and(|statement| statement.negation) {
            work.negated += 1;
            work.ledger.rest_raw(hit.node, NEGATED);
            continue;
        }
        take(work, row, &hit, &target, body, slots);
    }
    work.mark = before;
}

/// What a row points at belongs to this statement: it is none of its own. Where only its value is taken, its code and
/// status say which part of the statement it is.
fn claim<'a>(work: &mut Work<'a>, base: Node<'a, 'a>, hit: Node<'a, 'a>, is_value: bool) {
    let is_within = hit.range().start >= base.range().start && hit.range().end <= base.range().end;
    for around in hit.ancestors().take_while(|around| is_within && *around != base) {
        if !STATEMENTS.contains(&around.tag_name().name()) || !work.claimed.insert(around.id()) || !is_value {
            continue;
        }
        let mark = work.ledger.target("(steers: which part of the statement it is)");
        for name in ["code", "statusCode"] {
            if let Some(part) = types::child(around, name).filter(|part| *part != hit) {
                work.ledger.rest(part, mark);
            }
        }
    }
}

fn take<'a>(work: &mut Work<'a>, row: &'a ElementRow, hit: &Hit<'a>, target: &str, body: &mut Map, slots: &mut Slots) {
    let placed = match row.kind {
        Kind::Steer => return book_whole(work, hit),
        Kind::Skip => return work.dropped(hit, row.reason.as_deref().unwrap_or("left out on purpose")),
        Kind::Fixed => {
            book_whole(work, hit);
            types::convert(work, row, hit)
        }
        Kind::Reference => reference(work, row, hit).map(types::Placed::from),
        Kind::Element => {
            book_negation(work, hit.node);
            let inner = named(work, row).map(|statement| part(work, hit.node, statement, target));
            // Without a path, the rows speak of this very resource.
            if row.path.is_empty() {
                for (element, value) in inner.unwrap_or_default() {
                    body.entry(element).or_insert(value);
                }
                return;
            }
            inner.filter(|inner| !inner.is_empty()).map(|inner| types::Placed::from(Value::Object(inner)))
        }
        _ if !row.path.grows() && is_filled(&row.path, body, slots) => {
            work.ledger.rest_dropped(hit.node, hit.attribute.as_ref(), FILLED);
            return;
        }
        _ => types::convert(work, row, hit),
    };
    let Some(placed) = placed else { return };
    let path = if placed.suffix.is_empty() { None } else { Some(row.path.suffixed(placed.suffix)) };
    let path = path.as_ref().unwrap_or(&row.path);
    if !path.grows() && is_filled(&row.path, body, slots) {
        return;
    }
    path.place(body, placed.value, row.with.as_ref(), slots);
}

fn named<'a>(work: &Work<'a>, row: &ElementRow) -> Option<&'a StatementRow> {
    let rules = work.rules;
    row.to.as_ref().and_then(|name| rules.ccda.named(name)).and_then(|at| rules.ccda.statements.get(at))
}

fn book_whole<'a>(work: &mut Work<'a>, hit: &Hit<'a>) {
    match &hit.attribute {
        Some(attribute) => work.book(hit.node, attribute),
        None => work.ledger.all(hit.node, work.mark),
    }
}

/// A reference to the resource that the element becomes.
fn reference<'a>(work: &mut Work<'a>, row: &'a ElementRow, hit: &Hit<'a>) -> Option<Value> {
    let rules = work.rules;
    let at = match &row.to {
        Some(name) => rules.ccda.named(name),
        None => rules.ccda.fitting(hit.node, section_of(hit.node)),
    }?;
    let made = make(work, hit.node, at).or_else(|| {
        let kind = rules.ccda.statements.get(at)?.resource_type.as_ref()?;
        let known = finish::known_party(work, kind, hit.node)?;
        for id in types::children(hit.node, "id") {
            work.ledger.rest(id, work.mark);
        }
        Some(known)
    })?;
    Some(json!({"reference": &work.made[made].full_url}))
}

/// Elements of which a resource has one of several: `onsetDateTime` or `onsetAge`.
const CHOICES: [&str; 6] = ["value", "effective", "onset", "performed", "occurrence", "abatement"];

/// Whether an element, or any other of the same choice, is there.
fn is_filled(path: &Path, body: &Map, slots: &Slots) -> bool {
    if path.is_filled(body, slots) {
        return true;
    }
    let Some(name) = path.choice() else { return false };
    let chosen = |key: &str, choice: &str| {
        key.strip_prefix(choice).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let choice = CHOICES.into_iter().find(|choice| name == *choice || chosen(name, choice));
    choice.is_some_and(|choice| body.keys().any(|key| chosen(key, choice)))
}

/// A null flavour as a data-absent-reason, where the row asks for it.
fn absent<'a>(work: &mut Work<'a>, node: Node<'a, 'a>, row: &'a ElementRow, body: &mut Map) {
    let Some(missing) = row.from.nulls(node) else { return };
    if is_filled(&row.path, body, &Slots::new()) {
        return;
    }
    let flavour = work.attribute(missing, "nullFlavor").unwrap_or("");
    let reason = work.rules.table("ccda-null-flavors").and_then(|table| table.codes.get(flavour));
    let code = reason.map_or("unknown", Text::as_str);
    let extension = json!({"extension": [{"url": systems::DATA_ABSENT_REASON, "valueCode": code}]});
    row.path.place(body, extension, None, &mut Slots::new());
}

/// The author of a section, if it names one.
pub(crate) fn reference_to<'a>(work: &mut Work<'a>, author: Option<Node<'a, 'a>>) -> Option<Value> {
    let at = work.rules.ccda.named("practitioner")?;
    let before = work.mark;
    let made = make(work, author?, at);
    work.mark = before;
    Some(json!({"reference": &work.made[made?].full_url}))
}

/// A part that stands in no resource of the rows' own: what the row of a name makes of an element.
pub(crate) fn loose_part<'a>(work: &mut Work<'a>, node: Node<'a, 'a>, name: &str) -> Map {
    let rules = work.rules;
    let row = rules.ccda.named(name).and_then(|at| rules.ccda.statements.get(at));
    row.map(|row| part(work, node, row, "Provenance")).unwrap_or_default()
}
