//! Criteria in the numbers of the store, and whether a resource meets them.

use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::Value;

use super::{FindError, meets, positions};
use crate::fhir::search::{Criterion, DateRange, Match, NumberRange, Unit};
use crate::harmonise::{fold, search_keys, ucum};
use crate::records::index;
use crate::store::View;
use crate::store::keys::Key;
use crate::store::records::Entry;

/// A criterion: one of its values must be met, or none.
pub(super) struct Wanted<'a> {
    pub(super) any: Vec<One<'a>>,
    pub(super) is_not: bool,
}

/// A value in numbers. What has no number is in no resource and is left out.
pub(super) enum One<'a> {
    /// Sorted positions.
    Among(Vec<i64>),
    Updated(DateRange),
    Present {
        path: i64,
        of: Option<i64>,
    },
    Token {
        path: i64,
        system: Option<i64>,
        code: &'a str,
    },
    TokenStart {
        path: i64,
        start: &'a str,
    },
    Text {
        path: i64,
        start: &'a str,
    },
    TextPart {
        path: i64,
        part: &'a str,
    },
    TextExact {
        path: i64,
        text: &'a str,
        folded: &'a str,
    },
    /// Refers to one of these, sorted.
    References {
        path: i64,
        targets: Vec<i64>,
    },
    Date {
        path: i64,
        range: DateRange,
    },
    Quantity {
        path: i64,
        range: NumberRange,
        unit: &'a Unit,
        factors: RefCell<HashMap<i64, Option<f64>>>,
    },
    /// Only the resource itself can tell.
    Shown {
        path: &'a str,
        start: &'a str,
    },
}

/// What an entry tells of a criterion.
pub(super) enum Verdict {
    Met,
    NotMet,
    /// Only the text of the resource can tell.
    ByText,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(view: &dyn View, kind: &str, criterion: &'a Criterion) -> Result<Self, FindError> {
        let mut any = Vec::with_capacity(criterion.any.len());
        for one in &criterion.any {
            any.extend(One::of(view, kind, one)?);
        }
        Ok(Self { any, is_not: criterion.is_not })
    }

    pub(super) fn verdict(&self, view: &dyn View, entry: &Entry<'_>) -> Result<Verdict, FindError> {
        let mut by_text = false;
        for one in &self.any {
            match one {
                One::Shown { .. } => by_text = true,
                one if one.is_met(view, entry)? => {
                    return Ok(if self.is_not { Verdict::NotMet } else { Verdict::Met });
                }
                _ => {}
            }
        }
        Ok(match (by_text, self.is_not) {
            (true, _) => Verdict::ByText,
            (false, true) => Verdict::Met,
            (false, false) => Verdict::NotMet,
        })
    }

    pub(super) fn is_met_by_text(&self, resource: &Value) -> bool {
        let is_shown = self.any.iter().any(|one| match one {
            One::Shown { path, start } => index::shown(resource, path).iter().any(|text| {
                fold(text).starts_with(start) || search_keys(text).iter().any(|key| key.starts_with(start))
            }),
            _ => false,
        });
        is_shown != self.is_not
    }
}

impl<'a> One<'a> {
    fn of(view: &dyn View, kind: &str, wanted: &'a Match) -> Result<Option<Self>, FindError> {
        let number = |path: &str| view.word(&format!("{kind}?{path}"));
        Ok(match wanted {
            Match::Id(id) => view.position(kind, id)?.map(|position| Self::Among(vec![position])),
            Match::Updated(range) => Some(Self::Updated(*range)),
            Match::Present { path, of } => match (number(path)?, of) {
                (Some(path), None) => Some(Self::Present { path, of: None }),
                (Some(path), Some(of)) => view.word(of)?.map(|of| Self::Present { path, of: Some(of) }),
                (None, _) => None,
            },
            Match::Token { path, system, code } => match (number(path)?, system) {
                (Some(path), None) => Some(Self::Token { path, system: None, code }),
                (Some(path), Some(system)) => {
                    view.word(system)?.map(|system| Self::Token { path, system: Some(system), code })
                }
                (None, _) => None,
            },
            Match::TokenStart { path, start } => number(path)?.map(|path| Self::TokenStart { path, start }),
            Match::Shown { path, start } => Some(Self::Shown { path, start }),
            Match::Text { path, start } => number(path)?.map(|path| Self::Text { path, start }),
            Match::TextPart { path, part } => number(path)?.map(|path| Self::TextPart { path, part }),
            Match::TextExact { path, text, folded } => number(path)?.map(|path| Self::TextExact { path, text, folded }),
            Match::Reference { path, target } => {
                let (kind, id) = crate::store::records::split_target(target);
                let ends = number(path)?.zip(view.position(kind, id)?);
                ends.map(|(path, target)| Self::References { path, targets: vec![target] })
            }
            Match::Chain { path, kind, meets } => match number(path)? {
                Some(path) => {
                    let targets = positions(view, kind, std::slice::from_ref(&**meets))?;
                    Some(Self::References { path, targets })
                }
                None => None,
            },
            Match::Has { kind, paths, meets } => Some(Self::Among(referred_to(view, kind, paths, meets)?)),
            Match::Date { path, range } => number(path)?.map(|path| Self::Date { path, range: *range }),
            Match::Quantity { path, range, unit } => {
                number(path)?.map(|path| Self::Quantity { path, range: *range, unit, factors: RefCell::default() })
            }
        })
    }

    fn is_met(&self, view: &dyn View, entry: &Entry<'_>) -> Result<bool, FindError> {
        let mut keys = entry.keys;
        Ok(match self {
            Self::Among(positions) => positions.binary_search(&entry.position).is_ok(),
            Self::Updated(range) => meets::date(range, entry.updated, entry.updated + 1),
            Self::Present { path: p, of } => keys.any(|key| match (key, of) {
                (Key::Reference { path, kind, .. }, Some(of)) => path == *p && kind == *of,
                (Key::Token { path, system, .. }, Some(of)) => path == *p && system == *of,
                (key, _) => key.path() == *p,
            }),
            Self::Token { path: p, system: s, code: c } => keys.any(|key| {
                matches!(key, Key::Token { path, system, code }
                    if path == *p && s.is_none_or(|s| s == system) && (c.is_empty() || *c == code))
            }),
            Self::TokenStart { path: p, start } => {
                keys.any(|key| matches!(key, Key::Token { path, code, .. } if path == *p && code.starts_with(start)))
            }
            Self::Text { path: p, start } => {
                keys.any(|key| matches!(key, Key::Text { path, value } if path == *p && value.starts_with(start)))
            }
            Self::TextPart { path: p, part } => {
                keys.any(|key| matches!(key, Key::Text { path, value } if path == *p && value.contains(part)))
            }
            Self::TextExact { path: p, text, .. } => {
                keys.any(|key| matches!(key, Key::Exact { path, value } if path == *p && value == *text))
            }
            Self::References { path: p, targets } => keys.any(|key| {
                matches!(key, Key::Reference { path, target, .. } if path == *p && targets.binary_search(&target).is_ok())
            }),
            Self::Date { path: p, range } => keys
                .any(|key| matches!(key, Key::Date { path, from, to } if path == *p && meets::date(range, from, to))),
            Self::Quantity { path: p, range, unit, factors } => {
                for key in keys {
                    let Key::Quantity { path, unit: of, low, high } = key else { continue };
                    if path == *p
                        && let Some(factor) = factor(view, unit, of, factors)?
                        && meets::number(range, low * factor, high * factor)
                    {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Shown { .. } => false,
        })
    }
}

/// What the values of a unit are multiplied with to be in the unit asked for; none if they cannot be compared.
fn factor(
    view: &dyn View,
    asked: &Unit,
    unit: i64,
    known: &RefCell<HashMap<i64, Option<f64>>>,
) -> Result<Option<f64>, FindError> {
    if *asked == Unit::Any {
        return Ok(Some(1.0));
    }
    if let Some(factor) = known.borrow().get(&unit) {
        return Ok(*factor);
    }
    let written = view.text_of(unit)?.unwrap_or_default();
    let is = |same: bool| same.then_some(1.0);
    let factor = match asked {
        Unit::Any => Some(1.0),
        Unit::Ucum(code) if written == *code => Some(1.0),
        Unit::Ucum(code) => ucum::factor(&written, code).map(|factor| factor.to_f64()),
        Unit::Of { system, code } => is(written.split_once('|') == Some((system, code))),
        Unit::Written(text) => is(written == *text || written.rsplit_once('|').is_some_and(|(_, code)| code == text)),
    };
    known.borrow_mut().insert(unit, factor);
    Ok(factor)
}

/// Positions of what the resources of a type that meet a criterion refer to, ascending.
fn referred_to(view: &dyn View, kind: &str, paths: &[String], meets: &Criterion) -> Result<Vec<i64>, FindError> {
    let mut numbers = Vec::with_capacity(paths.len());
    for path in paths {
        numbers.extend(view.word(&format!("{kind}?{path}"))?);
    }
    let met = positions(view, kind, std::slice::from_ref(meets))?;
    let mut targets = Vec::new();
    view.entries(&met, &mut |entry| {
        targets.extend(entry.keys.filter_map(|key| match key {
            Key::Reference { path, target, .. } if numbers.contains(&path) => Some(target),
            _ => None,
        }));
        true
    })?;
    targets.sort_unstable();
    targets.dedup();
    Ok(targets)
}
