//! Resources that were written when search parameters read other elements are indexed anew, once, before the node serves.
//! It goes on where it was broken off; each step is a commit. What a resource means is found with what it says, as when it was written.

use serde_json::Value;

use super::{index, parameters};
use crate::harmonise::Meaning;
use crate::store::records::{IndexState, Reindexed};
use crate::store::{Change, Changes, CommitError, Handle, StoreError};

/// Resources of one step.
const STEP: usize = 1_000;

/// Brings the index up to the present edition of the search parameters. Blocks.
pub fn bring_up_to_date(store: &Handle, meaning: &Meaning) -> Result<(), StoreError> {
    let edition = parameters::edition();
    let mut state = store.view(|view| view.index_state())?;
    if state.edition == edition && state.reached == COMPLETE {
        return Ok(());
    }
    if state.edition != edition {
        state = IndexState { edition, reached: 0 };
    }
    let mut done = 0;
    loop {
        let behind = store.view(|view| view.resources_behind(state.reached, STEP))?;
        let Some((last, _)) = behind.last() else { break };
        state.reached = *last;
        done += behind.len();
        let resources = behind.iter().map(|(position, resource)| {
            let content: Value = serde_json::from_str(&resource.json).unwrap_or_default();
            Reindexed { position: *position, version: resource.version, index: index::rows(&meaning.beside(content)) }
        });
        write(store, resources.collect(), state)?;
        tracing::info!(resources = done, "resources are indexed anew for searching");
    }
    write(store, Vec::new(), IndexState { edition, reached: COMPLETE })
}

/// `reached` of an index that is complete.
const COMPLETE: i64 = i64::MAX;

fn write(store: &Handle, resources: Vec<Reindexed>, state: IndexState) -> Result<(), StoreError> {
    let changes = Changes::new().with(Change::IndexAnew { resources, state });
    store.commit(changes).map_err(|error| match error {
        CommitError::Store(error) => error,
        unexpected @ CommitError::Unexpected(_) => StoreError::Database(unexpected.to_string()),
    })
}
