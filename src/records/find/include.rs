//! What comes along with the matches of a page: `_include` and `_revinclude`.

use std::collections::BTreeSet;

use super::FindError;
use crate::fhir::search::Include;
use crate::store::View;
use crate::store::keys::Key;
use crate::store::records::{Posting, StoredResource};

/// Resources that come along with one page at most.
const MOST: usize = 5_000;
/// Rounds of `:iterate`.
const MOST_ROUNDS: usize = 10;

/// The resources that come along with those at `positions`; each once, none of the matches.
pub(super) fn included(
    view: &dyn View,
    includes: &[Include],
    positions: &[i64],
) -> Result<Vec<StoredResource>, FindError> {
    if includes.is_empty() {
        return Ok(Vec::new());
    }
    let mut steps = Vec::with_capacity(includes.len());
    for include in includes {
        steps.extend(Step::of(view, include)?);
    }
    let mut known: BTreeSet<i64> = positions.iter().copied().collect();
    let mut found = BTreeSet::new();
    let mut last: Vec<i64> = positions.to_vec();
    for round in 0..MOST_ROUNDS {
        let mut next = BTreeSet::new();
        for step in steps.iter().filter(|step| round == 0 || step.iterates) {
            step.follow(view, &last, &mut next)?;
        }
        last = next.into_iter().filter(|position| known.insert(*position)).collect();
        found.extend(last.iter().copied());
        if found.len() > MOST {
            return Err(FindError::TooCostly(format!(
                "more than {MOST} resources would come along; ask for smaller pages"
            )));
        }
        if last.is_empty() || !steps.iter().any(|step| step.iterates) {
            break;
        }
    }
    let found: Vec<i64> = found.into_iter().collect();
    Ok(view.resources_at(&found)?)
}

/// An include in the numbers of the store.
struct Step {
    is_reverse: bool,
    iterates: bool,
    /// Type of what refers.
    kind: i64,
    /// None: any.
    paths: Option<Vec<i64>>,
    target: Option<i64>,
}

impl Step {
    /// None if nothing of its type is held.
    fn of(view: &dyn View, include: &Include) -> Result<Option<Self>, FindError> {
        let Some(kind) = view.word(&include.kind)? else { return Ok(None) };
        let mut paths = Vec::with_capacity(include.paths.len());
        for path in &include.paths {
            paths.extend(view.word(&format!("{}?{path}", include.kind))?);
        }
        let target = match &include.target {
            Some(target) => match view.word(target)? {
                Some(target) => Some(target),
                None => return Ok(None),
            },
            None => None,
        };
        let paths = (!include.paths.is_empty()).then_some(paths);
        Ok(Some(Self { is_reverse: include.is_reverse, iterates: include.iterates, kind, paths, target }))
    }

    fn follow(&self, view: &dyn View, from: &[i64], found: &mut BTreeSet<i64>) -> Result<(), FindError> {
        if self.is_reverse { self.back(view, from, found) } else { self.forth(view, from, found) }
    }

    fn is_by(&self, path: i64) -> bool {
        self.paths.as_ref().is_none_or(|paths| paths.contains(&path))
    }

    /// What they refer to.
    fn forth(&self, view: &dyn View, from: &[i64], found: &mut BTreeSet<i64>) -> Result<(), FindError> {
        Ok(view.entries(from, &mut |entry| {
            if entry.kind == self.kind {
                found.extend(entry.keys.filter_map(|key| match key {
                    Key::Reference { path, kind, target }
                        if self.is_by(path) && self.target.is_none_or(|wanted| wanted == kind) =>
                    {
                        Some(target)
                    }
                    _ => None,
                }));
            }
            true
        })?)
    }

    /// What refers to them.
    fn back(&self, view: &dyn View, from: &[i64], found: &mut BTreeSet<i64>) -> Result<(), FindError> {
        let Some(paths) = &self.paths else { return Ok(()) };
        for target in from {
            for path in paths {
                let owners = view.owners(&Posting::Reference { path: *path, target: *target }, MOST)?;
                view.entries(&owners, &mut |mut entry| {
                    let refers =
                        |key| matches!(key, Key::Reference { path: p, target: t, .. } if p == *path && t == *target);
                    if entry.kind == self.kind && entry.keys.any(refers) {
                        found.insert(entry.position);
                    }
                    found.len() <= MOST
                })?;
            }
        }
        Ok(())
    }
}
