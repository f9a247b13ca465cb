//! What a running node does for its store in the background: values under earlier data keys, or plain from before there were
//! keys, are sealed anew in small commits.

use std::time::Duration;

use tokio::sync::watch;

use super::{Condition, Handle, Resealed, StoreError};

/// Values sealed anew in one commit: the writer waits a few milliseconds for it.
const STEP: usize = 32;
/// Between two commits, so that the writer has the database most of the time.
const BREATH: Duration = Duration::from_millis(10);
/// Between two looks whether a key was rotated.
const LOOK: Duration = Duration::from_secs(5);
/// After a failure.
const REST: Duration = Duration::from_secs(60);

/// Returns when the disk failed: a node that cannot believe its writes must end. A damaged database is read on, and not
/// written.
pub async fn watch_disk(store: Handle, mut stop: watch::Receiver<bool>) {
    let mut condition = store.condition();
    loop {
        if let Condition::Broken(error) = &*condition.borrow_and_update() {
            tracing::error!(%error, "nothing is written any more");
            if matches!(error, StoreError::Disk(_)) {
                return;
            }
        }
        let told = tokio::select! {
            _ = stop.changed() => return,
            told = condition.changed() => told,
        };
        if told.is_err() {
            let _ = stop.changed().await;
            return;
        }
    }
}

/// Checks a large store that was closed well, while the node works already.
pub async fn check(store: Handle) {
    match tokio::task::spawn_blocking(move || store.check()).await {
        Ok(Ok(())) => tracing::info!("the store is whole"),
        Ok(Err(error)) => tracing::error!(%error, "the store was checked"),
        Err(error) => tracing::error!(%error, "the check of the store did not end"),
    }
}

/// Runs until `stop`.
pub async fn run(store: Handle, mut stop: watch::Receiver<bool>) {
    let mut sealed = 0;
    loop {
        let pause = match step(&store).await {
            Ok(Resealed { done: true, .. }) => {
                if sealed > 0 {
                    tracing::info!(values = sealed, "what was sealed under an earlier key is sealed anew");
                }
                sealed = 0;
                LOOK
            }
            Ok(Resealed { values, .. }) => {
                sealed += values;
                BREATH
            }
            Err(error) => {
                tracing::warn!(%error, "sealing anew was interrupted; it goes on later");
                REST
            }
        };
        tokio::select! {
            _ = stop.changed() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn step(store: &Handle) -> Result<Resealed, StoreError> {
    let store = store.clone();
    tokio::task::spawn_blocking(move || store.reseal(STEP)).await.unwrap_or(Err(StoreError::Closed))
}
