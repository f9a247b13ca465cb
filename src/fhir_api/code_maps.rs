//! The code maps that harmonising goes by, as ConceptMap resources: those of the program and a hospital's own
//! (`[intake] code_maps`). They are read and searched like resources and not written: a map is changed by its file, and
//! holds from the next start. ConceptMaps of the record stand behind them and are records only.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::fault::Kind;
use crate::fhir::search::{Match, Search};
use crate::fhir::{self, bundle};
use crate::harmonise::Catalog;
use crate::ids;
use crate::server::problem::Problem;

/// The resource type of code maps.
pub(super) const CONCEPT_MAP: &str = "ConceptMap";

/// The tables of a node, and its code maps as they are served, made when they are first asked for.
#[derive(Clone)]
pub(super) struct CodeMaps {
    /// What harmonising goes by.
    pub(super) catalog: &'static Catalog,
    served: Arc<OnceLock<Vec<Value>>>,
}

impl CodeMaps {
    /// Of these tables.
    pub(super) fn of(catalog: &'static Catalog) -> Self {
        Self { catalog, served: Arc::default() }
    }

    /// A map by its id.
    pub(super) fn read(&self, id: &str) -> Option<&Value> {
        self.every().iter().find(|map| fhir::id(map) == Some(id))
    }

    /// The maps that a search of ConceptMaps finds, of which only ids are a criterion here.
    pub(super) fn search(&self, search: &Search) -> Vec<&Value> {
        let is_asked_for = |map: &&Value| {
            search.criteria.iter().all(|criterion| {
                let is_met = |one: &Match| matches!(one, Match::Id(id) if fhir::id(map) == Some(id.as_str()));
                !criterion.is_not && criterion.any.iter().any(is_met)
            })
        };
        self.every().iter().filter(is_asked_for).collect()
    }

    /// Refuses a transaction that writes one of the maps.
    pub(super) fn unwritten(&self, transaction: &Value) -> Result<(), Problem> {
        let urls = bundle::entries(transaction).filter_map(|entry| entry.pointer("/request/url")?.as_str());
        for id in urls.filter_map(|url| url.strip_prefix("ConceptMap/")) {
            if self.read(id).is_some() {
                return Err(read_only(id));
            }
        }
        Ok(())
    }

    /// All maps.
    pub(super) fn every(&self) -> &[Value] {
        self.served.get_or_init(|| named(self.catalog.concept_maps()))
    }
}

/// Why a code map is not written.
pub(super) fn read_only(id: &str) -> Problem {
    Problem::new(
        Kind::NotAllowed,
        format!(
            "ConceptMap/{id} is a code map that this node goes by and is read only here; a hospital's own maps are files in \
             the folders of [intake] code_maps"
        ),
    )
}

/// The maps with an id each: a hospital's file may have none, or one that another map has.
fn named(mut maps: Vec<Value>) -> Vec<Value> {
    let mut taken = HashSet::new();
    for map in &mut maps {
        let own = fhir::id(map).filter(|id| fhir::is_valid_id(id) && !taken.contains(*id)).map(str::to_owned);
        let id = own.unwrap_or_else(|| {
            let id = ids::derived(&[CONCEPT_MAP, &map.to_string()]);
            map["id"] = json!(id);
            id
        });
        taken.insert(id);
    }
    maps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_map_has_an_id_of_its_own() {
        let map = |id: Option<&str>, name: &str| match id {
            Some(id) => json!({"resourceType": "ConceptMap", "id": id, "name": name}),
            None => json!({"resourceType": "ConceptMap", "name": name}),
        };
        let given = vec![map(Some("a"), "1"), map(Some("a"), "2"), map(None, "3"), map(Some("no id/"), "4")];
        let named = named(given.clone());
        assert_eq!(named[0], given[0]);
        let ids: HashSet<&str> = named.iter().filter_map(fhir::id).collect();
        assert_eq!(ids.len(), 4);
        assert!(ids.iter().all(|id| fhir::is_valid_id(id)));
        assert_eq!(super::named(given), named);
    }
}
