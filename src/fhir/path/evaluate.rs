//! Evaluates an expression: collections in, collections out.

use std::borrow::Cow;
use std::cell::Cell;

use super::equal::{equal, equivalent, order};
use super::expression::{Expression, Function, Operator};
use super::functions;
use super::item::{Element, Item};
use super::moment::{Moment, MomentKind};
use super::{Environment, MOST_STEPS, PathError, evaluation, numbers, types};
use crate::fhir::structure::{Kind, Node};
use crate::fhir::systems;

/// A collection.
pub(super) type Items<'a, N> = Vec<Item<'a, N>>;
/// What an expression gives.
pub(super) type Given<'a, N> = Result<Items<'a, N>, PathError>;

/// What an expression gives of an item.
pub(super) fn evaluate<'a, N: Node>(
    expression: &'a Expression,
    environment: &Environment<'a, N>,
    focus: Item<'a, N>,
) -> Given<'a, N> {
    let scope = Scope { environment, context: focus.clone(), steps: Cell::new(MOST_STEPS) };
    let focus = [focus];
    scope.items(expression, &Frame { this: &focus, index: 0, total: &[] })
}

/// A collection as a truth value.
pub(super) fn truth<N: Node>(items: &[Item<'_, N>]) -> Result<Option<bool>, PathError> {
    match items {
        [] => Ok(None),
        [one] => Ok(Some(one.truth().unwrap_or(true))),
        _ => Err(evaluation("several items stand where one truth value is wanted")),
    }
}

/// One evaluation.
pub(super) struct Scope<'e, 'a, N: Node> {
    pub(super) environment: &'e Environment<'a, N>,
    context: Item<'a, N>,
    steps: Cell<usize>,
}

/// What is being looked at.
#[derive(Clone, Copy)]
pub(super) struct Frame<'f, 'a, N: Node> {
    /// `$this`
    pub(super) this: &'f [Item<'a, N>],
    /// `$index`
    pub(super) index: usize,
    /// `$total`
    pub(super) total: &'f [Item<'a, N>],
}

impl<'a, N: Node> Scope<'_, 'a, N> {
    /// Counts steps; an error where none are left.
    pub(super) fn spend(&self, steps: usize) -> Result<(), PathError> {
        match self.steps.get().checked_sub(steps) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => Err(PathError::TooCostly),
        }
    }

    /// What an expression gives.
    pub(super) fn items(&self, expression: &'a Expression, frame: &Frame<'_, 'a, N>) -> Given<'a, N> {
        self.spend(1)?;
        Ok(match expression {
            Expression::Nothing => Vec::new(),
            Expression::Truth(truth) => vec![Item::Truth(*truth)],
            Expression::Whole(number) => vec![Item::Whole(*number)],
            Expression::Decimal(number) => vec![Item::Decimal(*number)],
            Expression::Text(text) => vec![Item::Text(Cow::Borrowed(text))],
            Expression::Moment(moment) => vec![Item::Moment(*moment)],
            Expression::Quantity(quantity) => vec![Item::Quantity(quantity.clone())],
            Expression::Variable(name) => self.variable(name)?,
            Expression::This => frame.this.to_vec(),
            Expression::Index => vec![Item::Whole(i64::try_from(frame.index).unwrap_or(i64::MAX))],
            Expression::Total => frame.total.to_vec(),
            Expression::Member { of, name } => match of {
                Some(of) => self.members(&self.items(of, frame)?, name)?,
                None => self.first_member(frame, name)?,
            },
            Expression::Call { of, function, arguments } => match of {
                Some(of) => functions::call(self, *function, self.items(of, frame)?, arguments, frame)?,
                None => functions::call(self, *function, frame.this.to_vec(), arguments, frame)?,
            },
            Expression::Typed { of, test, named } => {
                let of = match of {
                    Some(of) => self.items(of, frame)?,
                    None => frame.this.to_vec(),
                };
                types::test(*test, named, of)?
            }
            Expression::At { of, index } => {
                let items = self.items(of, frame)?;
                let index = self.whole(index, frame)?;
                let at = index.and_then(|index| usize::try_from(index).ok());
                at.and_then(|at| items.into_iter().nth(at)).into_iter().collect()
            }
            Expression::Negative(of) => numbers::negative(&self.items(of, frame)?)?,
            Expression::Positive(of) => {
                let items = self.items(of, frame)?;
                if items.iter().any(|item| item.decimal().is_none() && item.quantity().is_none()) {
                    return Err(evaluation("a sign stands before what is no number"));
                }
                items
            }
            Expression::Binary { operator, left, right } => self.binary(*operator, left, right, frame)?,
        })
    }

    fn variable(&self, name: &str) -> Given<'a, N> {
        let text = |text: &'static str| Ok(vec![Item::Text(Cow::Borrowed(text))]);
        match name {
            "resource" => Ok(vec![Item::Element(Element::resource(self.environment.resource))]),
            "rootResource" => Ok(vec![Item::Element(Element::resource(self.environment.root))]),
            "context" => Ok(vec![self.context.clone()]),
            "ucum" => text(systems::UCUM),
            "sct" => text(systems::SNOMED),
            "loinc" => text(systems::LOINC),
            _ => {
                let address = if let Some(set) = name.strip_prefix("vs-") {
                    format!("http://hl7.org/fhir/ValueSet/{set}")
                } else if let Some(extension) = name.strip_prefix("ext-") {
                    format!("http://hl7.org/fhir/StructureDefinition/{extension}")
                } else {
                    return Err(evaluation("a variable that is not known"));
                };
                Ok(vec![Item::Text(Cow::Owned(address))])
            }
        }
    }

    /// A name with nothing before it: the type of what is looked at, or a member of it.
    fn first_member(&self, frame: &Frame<'_, 'a, N>, name: &str) -> Given<'a, N> {
        if name.starts_with(|c: char| c.is_ascii_uppercase()) {
            let is_it =
                |item: &Item<'a, N>| matches!(item, Item::Element(Element { kind: Some(kind), .. }) if kind.is_a(name));
            if frame.this.iter().any(is_it) {
                return Ok(frame.this.iter().filter(|item| is_it(item)).cloned().collect());
            }
            if self.environment.is_strict && Kind::named(name).is_some() {
                return Err(evaluation("the resource is of another type"));
            }
        }
        self.members(frame.this, name)
    }

    fn members(&self, of: &[Item<'a, N>], name: &str) -> Given<'a, N> {
        let mut found = Vec::new();
        for item in of {
            match item {
                Item::Element(element) => {
                    if self.environment.is_strict && !element.may_have(name) {
                        return Err(evaluation("an element that its type does not have"));
                    }
                    element.each_named(name, &mut |element| found.push(Item::Element(element)));
                }
                Item::Type(namespace, type_name) => match name {
                    "namespace" => found.push(Item::Text(Cow::Borrowed(namespace))),
                    "name" => found.push(Item::Text(type_name.clone())),
                    _ => {}
                },
                Item::Quantity(quantity) => match name {
                    "value" => found.push(Item::Decimal(quantity.value)),
                    "unit" | "code" => found.push(Item::Text(quantity.unit.clone())),
                    _ => {}
                },
                _ => {}
            }
        }
        self.spend(found.len())?;
        Ok(found)
    }

    /// An argument as one item.
    pub(super) fn single(
        &self,
        expression: &'a Expression,
        frame: &Frame<'_, 'a, N>,
    ) -> Result<Option<Item<'a, N>>, PathError> {
        one(self.items(expression, frame)?)
    }

    /// An argument as one whole number.
    pub(super) fn whole(&self, expression: &'a Expression, frame: &Frame<'_, 'a, N>) -> Result<Option<i64>, PathError> {
        match self.single(expression, frame)?.map(|item| item.plain()) {
            None => Ok(None),
            Some(Item::Whole(number)) => Ok(Some(number)),
            Some(_) => Err(evaluation("a whole number is wanted")),
        }
    }

    /// An argument as one text.
    pub(super) fn text(
        &self,
        expression: &'a Expression,
        frame: &Frame<'_, 'a, N>,
    ) -> Result<Option<Cow<'a, str>>, PathError> {
        match self.single(expression, frame)? {
            None => Ok(None),
            Some(item) => item.text().map(Some).ok_or_else(|| evaluation("a text is wanted")),
        }
    }

    /// A condition, of one item.
    pub(super) fn condition(
        &self,
        expression: &'a Expression,
        frame: &Frame<'_, 'a, N>,
    ) -> Result<Option<bool>, PathError> {
        match expression {
            Expression::Binary { operator, left, right } => {
                if let Some(told) = self.logic(*operator, left, right, frame)? {
                    return Ok(told);
                }
            }
            // What is asked most, without a collection.
            Expression::Call { of: Some(of), function: Function::Exists, arguments } if arguments.is_empty() => {
                return Ok(Some(!self.items(of, frame)?.is_empty()));
            }
            _ => {}
        }
        truth(&self.items(expression, frame)?)
    }

    /// `and`, `or`, `xor`, `implies`: the right side is looked at where the left does not tell. `None` for other operators.
    fn logic(
        &self,
        operator: Operator,
        left: &'a Expression,
        right: &'a Expression,
        frame: &Frame<'_, 'a, N>,
    ) -> Result<Option<Option<bool>>, PathError> {
        if !matches!(operator, Operator::And | Operator::Or | Operator::Xor | Operator::Implies) {
            return Ok(None);
        }
        self.spend(1)?;
        let one = self.condition(left, frame)?;
        let other = || self.condition(right, frame);
        Ok(Some(match (operator, one) {
            (Operator::And, Some(false)) => Some(false),
            (Operator::And, Some(true)) => other()?,
            (Operator::And, None) => other()?.filter(|other| !other),
            (Operator::Or, Some(true)) => Some(true),
            (Operator::Or, Some(false)) => other()?,
            (Operator::Or | Operator::Implies, None) => other()?.filter(|other| *other),
            (Operator::Implies, Some(false)) => Some(true),
            (Operator::Implies, Some(true)) => other()?,
            (_, one) => match (one, other()?) {
                (Some(one), Some(other)) => Some(one != other),
                _ => None,
            },
        }))
    }

    fn binary(
        &self,
        operator: Operator,
        left: &'a Expression,
        right: &'a Expression,
        frame: &Frame<'_, 'a, N>,
    ) -> Given<'a, N> {
        if let Some(told) = self.logic(operator, left, right, frame)? {
            return Ok(told.map(Item::Truth).into_iter().collect());
        }
        let (left, right) = (self.items(left, frame)?, self.items(right, frame)?);
        let told = match operator {
            Operator::Union => return functions::union(self, left, right),
            Operator::Equal => self.are_equal(&left, &right)?,
            Operator::Unequal => self.are_equal(&left, &right)?.map(|is_it| !is_it),
            Operator::Equivalent => Some(self.are_equivalent(&left, &right)?),
            Operator::Inequivalent => Some(!self.are_equivalent(&left, &right)?),
            Operator::In => self.is_in(left, &right)?,
            Operator::Contains => self.is_in(right, &left)?,
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                let (Some(left), Some(right)) = (one(left)?, one(right)?) else { return Ok(Vec::new()) };
                order(&left, &right)?.map(|order| match operator {
                    Operator::Less => order.is_lt(),
                    Operator::LessOrEqual => order.is_le(),
                    Operator::Greater => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
            Operator::Joined => {
                let text = |items| match one(items)? {
                    None => Ok(Cow::Borrowed("")),
                    Some(item) => item.text().ok_or_else(|| evaluation("a text is wanted on both sides of &")),
                };
                let joined: Cow<'a, str> = Cow::Owned(format!("{}{}", text(left)?, text(right)?));
                self.spend(joined.len() / 100)?;
                return Ok(vec![Item::Text(joined)]);
            }
            _ => {
                let (Some(left), Some(right)) = (one(left)?, one(right)?) else { return Ok(Vec::new()) };
                let result = numbers::arithmetic(operator, &left, &right)?;
                if let Some(Item::Text(text)) = &result {
                    self.spend(text.len() / 100)?;
                }
                return Ok(result.into_iter().collect());
            }
        };
        Ok(told.map(Item::Truth).into_iter().collect())
    }

    fn are_equal(&self, left: &[Item<'a, N>], right: &[Item<'a, N>]) -> Result<Option<bool>, PathError> {
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        self.spend(left.len().min(right.len()))?;
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        let mut all = Some(true);
        for (one, other) in left.iter().zip(right) {
            match equal(one, other) {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => all = None,
            }
        }
        Ok(all)
    }

    fn are_equivalent(&self, left: &[Item<'a, N>], right: &[Item<'a, N>]) -> Result<bool, PathError> {
        if left.len() != right.len() {
            return Ok(false);
        }
        let mut rest: Vec<&Item<'a, N>> = right.iter().collect();
        for one in left {
            self.spend(rest.len())?;
            let Some(at) = rest.iter().position(|other| equivalent(one, other)) else { return Ok(false) };
            rest.swap_remove(at);
        }
        Ok(true)
    }

    fn is_in(&self, item: Items<'a, N>, items: &[Item<'a, N>]) -> Result<Option<bool>, PathError> {
        match one(item)? {
            None => Ok(None),
            Some(item) => self.has(items, &item).map(Some),
        }
    }

    /// Whether a collection has an item.
    pub(super) fn has(&self, items: &[Item<'a, N>], item: &Item<'a, N>) -> Result<bool, PathError> {
        self.spend(items.len())?;
        Ok(items.iter().any(|other| equal(item, other) == Some(true)))
    }

    /// Now, as far as an expression may know.
    pub(super) fn now(&self) -> Result<Moment, PathError> {
        Moment::read(MomentKind::DateTime, self.environment.now).ok_or_else(|| evaluation("the time is not known here"))
    }
}

/// The only item, or none; several are an error.
pub(super) fn one<'a, N: Node>(items: Items<'a, N>) -> Result<Option<Item<'a, N>>, PathError> {
    if items.len() > 1 {
        return Err(evaluation("several items stand where one is wanted"));
    }
    Ok(items.into_iter().next())
}
