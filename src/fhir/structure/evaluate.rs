//! Invariants, said of a value: FHIRPath's three-valued logic over a JSON tree, one item at a time.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::HashSet;

use super::dates::Moment;
use super::node::{Members, Node, View, same};
use super::rule::{Expression, Function, Operator, Rule};
use super::table::table;

/// How deep `descendants()` goes.
const DEEPEST: usize = 64;

/// Items that one invariant looks at. Those that compare lists with lists could go on for hours over a hostile resource; an
/// honest one has not even so many parts.
const MOST_STEPS: usize = 4_000_000;

/// What comparing an item of one list with one of another costs of them.
const COMPARISON: usize = 16;

/// What an invariant says of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It holds, or cannot be decided.
    Holds,
    /// It does not hold.
    Broken,
    /// To decide it would take too long.
    TooCostly,
}

/// What an invariant says of `value`, which stands in `resource`.
pub(super) fn judge<N: Node>(rule: &Rule, value: &N, resource: &N) -> Verdict {
    let scope = Scope { resource, steps: Cell::new(MOST_STEPS) };
    match scope.truth(&rule.holds, Item::Node(value)) {
        _ if scope.steps.get() == 0 => Verdict::TooCostly,
        Some(false) => Verdict::Broken,
        _ => Verdict::Holds,
    }
}

/// One item of a collection.
enum Item<'a, N> {
    Node(&'a N),
    Text(&'a str),
    Number(&'a str),
    Truth(bool),
    Count(usize),
}

impl<N> Clone for Item<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N> Copy for Item<'_, N> {}

/// Takes an item and says whether more are wanted.
type Taker<'t, 'a, N> = &'t mut dyn FnMut(Item<'a, N>) -> bool;

struct Scope<'a, N> {
    resource: &'a N,
    /// Steps that are left.
    steps: Cell<usize>,
}

impl<'a, N: Node> Scope<'a, N> {
    fn spend(&self, steps: usize) {
        self.steps.set(self.steps.get().saturating_sub(steps));
    }

    /// Gives the items of an expression to `take` until it wants no more; false if it did not.
    fn visit(&self, expression: &'a Expression, focus: Item<'a, N>, take: Taker<'_, 'a, N>) -> bool {
        let take: Taker<'_, 'a, N> = &mut |item| {
            self.spend(1);
            self.steps.get() > 0 && take(item)
        };
        match expression {
            Expression::This => take(focus),
            Expression::Resource => take(Item::Node(self.resource)),
            Expression::Text(text) => take(Item::Text(text)),
            Expression::Number(number) => take(Item::Number(number)),
            Expression::Truth(truth) => take(Item::Truth(*truth)),
            Expression::Member { of, name, is_choice } => {
                self.visit(of, focus, &mut |item| members(item, name, *is_choice, take))
            }
            Expression::Call { on, function, argument } => self.call(*function, on, argument.as_deref(), focus, take),
            Expression::Operation { operator: Operator::Union, left, right } => {
                self.visit(left, focus, take) && self.visit(right, focus, take)
            }
            Expression::Operation { operator: Operator::Plus, left, right } => {
                let (left, right) = (self.count(left, focus), self.count(right, focus));
                take(Item::Count(left.saturating_add(right)))
            }
            Expression::Operation { .. } => self.truth(expression, focus).is_none_or(|truth| take(Item::Truth(truth))),
        }
    }

    fn call(
        &self,
        function: Function,
        on: &'a Expression,
        argument: Option<&'a Expression>,
        focus: Item<'a, N>,
        take: Taker<'_, 'a, N>,
    ) -> bool {
        match (function, argument) {
            (Function::Where, Some(condition)) => {
                self.visit(on, focus, &mut |item| self.truth(condition, item) != Some(true) || take(item))
            }
            (Function::Select, Some(what)) => self.visit(on, focus, &mut |item| self.visit(what, item, take)),
            (Function::Combine, Some(other)) => self.visit(on, focus, take) && self.visit(other, focus, take),
            (Function::Intersect, Some(other)) => self.visit(on, focus, &mut |item| {
                let is_common = !self.visit(other, focus, &mut |found| {
                    self.spend(COMPARISON);
                    equal(item, found) != Some(true)
                });
                !is_common || take(item)
            }),
            (Function::First, _) => {
                let mut goes_on = true;
                self.visit(on, focus, &mut |item| {
                    goes_on = take(item);
                    false
                });
                goes_on
            }
            (Function::Descendants, _) => self.visit(on, focus, &mut |item| descendants(item, DEEPEST, take)),
            (Function::Count, _) => take(Item::Count(self.count(on, focus))),
            _ => self.call_truth(function, on, argument, focus).is_none_or(|truth| take(Item::Truth(truth))),
        }
    }

    /// An expression as true, false or undecided.
    fn truth(&self, expression: &'a Expression, focus: Item<'a, N>) -> Option<bool> {
        match expression {
            Expression::Operation { operator, left, right } => self.operate(*operator, left, right, focus),
            Expression::Call { on, function, argument } if gives_truth(*function) => {
                self.call_truth(*function, on, argument.as_deref(), focus)
            }
            _ => match self.single(expression, focus)? {
                Item::Truth(truth) => Some(truth),
                Item::Node(node) => match node.view() {
                    View::Truth(truth) => Some(truth),
                    _ => Some(true),
                },
                _ => Some(true),
            },
        }
    }

    fn call_truth(
        &self,
        function: Function,
        on: &'a Expression,
        argument: Option<&'a Expression>,
        focus: Item<'a, N>,
    ) -> Option<bool> {
        let exists = |this: &Self| !this.visit(on, focus, &mut |_| false);
        match (function, argument) {
            (Function::Exists, None) => Some(exists(self)),
            (Function::Exists, Some(condition)) => {
                Some(!self.visit(on, focus, &mut |item| self.truth(condition, item) != Some(true)))
            }
            (Function::Empty, _) => Some(!exists(self)),
            (Function::Not, _) => self.truth(on, focus).map(|truth| !truth),
            (Function::HasValue, _) => Some(matches!(self.single(on, focus), Some(item) if has_value(item))),
            (Function::All, Some(condition)) => {
                Some(self.visit(on, focus, &mut |item| self.truth(condition, item) == Some(true)))
            }
            (Function::AllFalse, _) => Some(self.visit(on, focus, &mut |item| !matches!(item, Item::Truth(true)))),
            (Function::IsDistinct, _) => {
                let mut seen = HashSet::new();
                Some(self.visit(on, focus, &mut |item| text(item).is_none_or(|text| seen.insert(text))))
            }
            (Function::Is, Some(Expression::Member { name, .. })) => {
                let Item::Node(node) = self.single(on, focus)? else { return None };
                Some(node.member("resourceType").and_then(Node::text) == Some(*name))
            }
            (Function::StartsWith, Some(Expression::Text(start))) => {
                Some(text(self.single(on, focus)?)?.starts_with(*start))
            }
            (Function::Contains, Some(Expression::Text(part))) => Some(text(self.single(on, focus)?)?.contains(*part)),
            _ => None,
        }
    }

    fn operate(
        &self,
        operator: Operator,
        left: &'a Expression,
        right: &'a Expression,
        focus: Item<'a, N>,
    ) -> Option<bool> {
        let compared = |this: &Self| this.compare(left, right, focus);
        match operator {
            Operator::And => match self.truth(left, focus) {
                Some(false) => Some(false),
                one => and(one, self.truth(right, focus)),
            },
            Operator::Or => match self.truth(left, focus) {
                Some(true) => Some(true),
                one => or(one, self.truth(right, focus)),
            },
            Operator::Xor => Some(self.truth(left, focus)? != self.truth(right, focus)?),
            Operator::Implies => match self.truth(left, focus) {
                Some(false) => Some(true),
                one => or(one.map(|truth| !truth), self.truth(right, focus)),
            },
            Operator::In => {
                let item = self.single(left, focus)?;
                Some(!self.visit(right, focus, &mut |found| equal(item, found) != Some(true)))
            }
            Operator::Equal => self.equal(left, right, focus),
            Operator::Unequal => self.equal(left, right, focus).map(|truth| !truth),
            Operator::Less => compared(self).map(Ordering::is_lt),
            Operator::LessOrEqual => compared(self).map(Ordering::is_le),
            Operator::Greater => compared(self).map(Ordering::is_gt),
            Operator::GreaterOrEqual => compared(self).map(Ordering::is_ge),
            Operator::Union | Operator::Plus => None,
        }
    }

    /// The only item; `None` where there are none or several.
    fn single(&self, expression: &'a Expression, focus: Item<'a, N>) -> Option<Item<'a, N>> {
        let (mut only, mut count) = (None, 0_usize);
        self.visit(expression, focus, &mut |item| {
            only = Some(item);
            count += 1;
            count < 2
        });
        only.filter(|_| count == 1)
    }

    fn count(&self, expression: &'a Expression, focus: Item<'a, N>) -> usize {
        if let Expression::Call { function: Function::Count, .. }
        | Expression::Operation { operator: Operator::Plus, .. } = expression
            && let Some(Item::Count(count)) = self.single(expression, focus)
        {
            return count;
        }
        let mut count = 0;
        self.visit(expression, focus, &mut |_| {
            count += 1;
            true
        });
        count
    }

    fn equal(&self, left: &'a Expression, right: &'a Expression, focus: Item<'a, N>) -> Option<bool> {
        // Truths are compared as such: `start.exists() = end.exists()`.
        if is_truth(left) || is_truth(right) {
            return Some(self.truth(left, focus)? == self.truth(right, focus)?);
        }
        equal(self.single(left, focus)?, self.single(right, focus)?)
    }

    fn compare(&self, left: &'a Expression, right: &'a Expression, focus: Item<'a, N>) -> Option<Ordering> {
        compare(self.single(left, focus)?, self.single(right, focus)?)
    }
}

fn and(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    if one == Some(false) || other == Some(false) { Some(false) } else { Some(one? && other?) }
}

fn or(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    if one == Some(true) || other == Some(true) { Some(true) } else { Some(one? || other?) }
}

fn gives_truth(function: Function) -> bool {
    !matches!(
        function,
        Function::Where
            | Function::Select
            | Function::Combine
            | Function::Intersect
            | Function::First
            | Function::Descendants
            | Function::Count
    )
}

fn is_truth(expression: &Expression) -> bool {
    match expression {
        Expression::Truth(_) => true,
        Expression::Call { function, .. } => gives_truth(*function),
        Expression::Operation { operator, .. } => !matches!(operator, Operator::Union | Operator::Plus),
        _ => false,
    }
}

/// The members of a name; for an element of several types those of each of its names. What has extensions but no value is
/// an item, too.
fn members<'a, N: Node>(item: Item<'a, N>, name: &str, is_choice: bool, take: Taker<'_, 'a, N>) -> bool {
    let Item::Node(node) = item else { return true };
    let Some(members) = node.members() else { return true };
    if let Some(found) = members.find(name) {
        return each(found, take);
    }
    members.each().all(|(own, found)| match own.strip_prefix('_') {
        Some(own) if is_named(own, name, is_choice) && members.find(own).is_none() => each(found, take),
        None if is_choice && is_named(own, name, true) => each(found, take),
        _ => true,
    })
}

/// Whether a name is that of an element: `valueQuantity` is that of `value`.
fn is_named(own: &str, name: &str, is_choice: bool) -> bool {
    let Some(rest) = own.strip_prefix(name) else { return false };
    if rest.is_empty() || !is_choice {
        return rest.is_empty();
    }
    let mut letters = rest.chars();
    let first = letters.next();
    first.is_some_and(|first| first.is_ascii_uppercase())
        && (table().named(rest).is_some_and(|found| !found.is_resource)
            // `dateTime` as `valueDateTime`: the name of a primitive begins with a small letter.
            || PRIMITIVES.iter().any(|primitive| primitive.eq_ignore_ascii_case(rest)))
}

const PRIMITIVES: [&str; 19] = [
    "base64Binary",
    "boolean",
    "canonical",
    "code",
    "date",
    "dateTime",
    "decimal",
    "id",
    "instant",
    "integer",
    "markdown",
    "oid",
    "positiveInt",
    "string",
    "time",
    "unsignedInt",
    "uri",
    "url",
    "uuid",
];

fn each<'a, N: Node>(found: &'a N, take: Taker<'_, 'a, N>) -> bool {
    match found.view() {
        View::Items(items) => items.iter().all(|item| take(Item::Node(item))),
        View::Null => true,
        _ => take(Item::Node(found)),
    }
}

fn descendants<'a, N: Node>(item: Item<'a, N>, depth: usize, take: Taker<'_, 'a, N>) -> bool {
    let Item::Node(node) = item else { return true };
    let (Some(members), Some(depth)) = (node.members(), depth.checked_sub(1)) else { return true };
    members.each().all(|(_, found)| each(found, &mut |child| take(child) && descendants(child, depth, take)))
}

fn text<'a, N: Node>(item: Item<'a, N>) -> Option<&'a str> {
    match item {
        Item::Text(text) => Some(text),
        Item::Node(node) => node.text(),
        _ => None,
    }
}

fn number<'a, N: Node>(item: Item<'a, N>) -> Option<&'a str> {
    match item {
        Item::Number(number) => Some(number),
        Item::Node(node) => match node.view() {
            View::Number(number) => Some(number),
            _ => None,
        },
        _ => None,
    }
}

fn has_value<N: Node>(item: Item<'_, N>) -> bool {
    match item {
        Item::Node(node) => matches!(node.view(), View::Text(_) | View::Number(_) | View::Truth(_)),
        _ => true,
    }
}

fn equal<N: Node>(one: Item<'_, N>, other: Item<'_, N>) -> Option<bool> {
    if let (Some(one), Some(other)) = (text(one), text(other)) {
        return Some(one == other);
    }
    if let (Item::Node(one), Item::Node(other)) = (one, other) {
        return Some(same(one, other));
    }
    if let (Some(one), Some(other)) = (truth(one), truth(other)) {
        return Some(one == other);
    }
    Some(compare(one, other)?.is_eq())
}

fn truth<N: Node>(item: Item<'_, N>) -> Option<bool> {
    match item {
        Item::Truth(truth) => Some(truth),
        Item::Node(node) => match node.view() {
            View::Truth(truth) => Some(truth),
            _ => None,
        },
        _ => None,
    }
}

/// Numbers, dates, and quantities of one unit.
fn compare<N: Node>(one: Item<'_, N>, other: Item<'_, N>) -> Option<Ordering> {
    match (one, other) {
        (Item::Count(one), Item::Count(other)) => return Some(one.cmp(&other)),
        (Item::Count(one), other) => {
            return usize::try_from(number(other)?.parse::<u32>().ok()?).ok().map(|n| one.cmp(&n));
        }
        (one, Item::Count(other)) => {
            return usize::try_from(number(one)?.parse::<u32>().ok()?).ok().map(|n| n.cmp(&other));
        }
        _ => {}
    }
    if let (Some(one), Some(other)) = (number(one), number(other)) {
        return compare_digits(one, other);
    }
    if let (Some(one), Some(other)) = (text(one), text(other)) {
        return Moment::read(one)?.compare(Moment::read(other)?);
    }
    let (Item::Node(one), Item::Node(other)) = (one, other) else { return None };
    let of_one_unit = ["system", "code", "unit"]
        .iter()
        .all(|name| one.member(name).and_then(Node::text) == other.member(name).and_then(Node::text));
    let (View::Number(one), View::Number(other)) = (one.member("value")?.view(), other.member("value")?.view()) else {
        return None;
    };
    if of_one_unit { compare_digits(one, other) } else { None }
}

/// Which number is less. Only the order is asked, of numbers that are stored by their digits.
fn compare_digits(one: &str, other: &str) -> Option<Ordering> {
    one.parse::<f64>().ok()?.partial_cmp(&other.parse().ok()?)
}
