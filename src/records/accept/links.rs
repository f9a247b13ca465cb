//! References between the entries of a bundle, and conditional references, become references to resources of the record
//! (<https://hl7.org/fhir/R4/http.html#trules>).

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{AcceptError, Origin, target};
use crate::fhir::{self, bundle, reference, structure};
use crate::store::View;

/// What the references of a bundle lead to.
pub(super) struct Links<'a> {
    pub(super) view: &'a dyn View,
    pub(super) origin: &'a Origin,
    /// `Type/id` by `fullUrl`; a patient whose record has ended is the one in which it goes on.
    pub(super) addresses: HashMap<String, String>,
    /// The same, each by itself.
    pub(super) own: HashMap<String, String>,
    /// What conditional references were found to lead to.
    pub(super) found: HashMap<String, String>,
}

impl Links<'_> {
    /// Rewrites the references of a resource; those of a patient (`is_patient`) lead to each patient itself.
    pub(super) fn relink(&mut self, resource: &mut Value, is_patient: bool) -> Result<(), AcceptError> {
        let mut failed = None;
        // A bundle that is kept as a whole has entries of its own, and its references lead to them.
        let mut inner = HashSet::new();
        let is_bundle = fhir::resource_type(resource) == Some("Bundle");
        if is_bundle {
            inner.extend(
                bundle::entries(resource).filter_map(|entry| entry.get("fullUrl")?.as_str()).map(str::to_owned),
            );
        }
        reference::rewrite(resource, &mut |target| {
            if inner.contains(target) || failed.is_some() {
                return None;
            }
            let addresses = if is_patient { &self.own } else { &self.addresses };
            if let Some(found) = addresses.get(target) {
                return Some(found.clone());
            }
            if target.starts_with("urn:uuid:") {
                failed = Some(AcceptError::Dangling(target.to_owned()));
                return None;
            }
            if is_bundle {
                return None;
            }
            match self.conditional(target) {
                Ok(found) => found,
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        });
        failed.map_or(Ok(()), Err)
    }

    /// Where `Type?condition` leads; none, if the reference is not conditional.
    fn conditional(&mut self, text: &str) -> Result<Option<String>, AcceptError> {
        let Some((kind, query)) = text.split_once('?').filter(|(kind, _)| structure::is_type(kind)) else {
            return Ok(None);
        };
        if let Some(known) = self.found.get(text) {
            return Ok(Some(known.clone()));
        }
        let met = target::met(self.view, 0, kind, query, self.origin).map_err(|error| match error {
            // The place of the reference is not known here; of the entry there is nothing to tell.
            AcceptError::Malformed(_) => AcceptError::Malformed(format!(
                "a conditional reference to a {kind} must be {kind}? and search criteria"
            )),
            AcceptError::Condition { cause, .. } => {
                AcceptError::Malformed(format!("a conditional reference to a {kind} cannot be read: {cause}"))
            }
            other => other,
        })?;
        match met.counted() {
            (1, Some(id)) => {
                let address = format!("{kind}/{id}");
                self.found.insert(text.to_owned(), address.clone());
                Ok(Some(address))
            }
            (0, _) => Err(AcceptError::Undecided { kind: kind.to_owned(), found: "none" }),
            _ => Err(AcceptError::Undecided { kind: kind.to_owned(), found: "several" }),
        }
    }
}
