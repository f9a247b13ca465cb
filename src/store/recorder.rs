//! The recorder of requests: a thread that writes the rows of all who wait at once, and answers each when they are kept.

use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::StoreError;
use super::requests::RequestRow;

/// Rows written at once at most.
const GROUP: usize = 512;

/// Who waits for a row.
type Waiting = oneshot::Sender<Result<(), StoreError>>;

/// The door to the recorder of a store; the thread begins with the first row.
pub(super) struct Recorder<K> {
    state: Mutex<State<K>>,
}

enum State<K> {
    Idle(Option<K>),
    Running(mpsc::Sender<(RequestRow, Waiting)>, JoinHandle<()>),
    Closed,
}

/// Keeps rows: when it returns, a killed process loses none of them.
pub(super) trait Keep: Send + 'static {
    /// All of them, or none.
    fn keep(&mut self, rows: &[RequestRow]) -> Result<(), StoreError>;
}

impl<K: Keep> Recorder<K> {
    /// A recorder that has `keeper` keep the rows.
    pub(super) fn new(keeper: K) -> Self {
        Self { state: Mutex::new(State::Idle(Some(keeper))) }
    }

    /// Has a row kept; `waiting` is told when it is.
    pub(super) fn note(&self, row: RequestRow, waiting: Waiting) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Idle(keeper) = &mut *state
            && let Some(keeper) = keeper.take()
        {
            let (door, inbox) = mpsc::channel();
            let thread =
                std::thread::Builder::new().name("store-requests".to_owned()).spawn(move || run(keeper, &inbox));
            *state = match thread {
                Ok(thread) => State::Running(door, thread),
                Err(_) => State::Closed,
            };
        }
        match &*state {
            State::Running(door, _) => {
                if let Err(mpsc::SendError((_, waiting))) = door.send((row, waiting)) {
                    let _ = waiting.send(Err(StoreError::Closed));
                }
            }
            _ => drop(waiting.send(Err(StoreError::Closed))),
        }
    }
}

impl<K> Drop for Recorder<K> {
    fn drop(&mut self) {
        let state = std::mem::replace(self.state.get_mut().unwrap_or_else(PoisonError::into_inner), State::Closed);
        if let State::Running(door, thread) = state {
            drop(door);
            let _ = thread.join();
        }
    }
}

fn run(mut keeper: impl Keep, inbox: &mpsc::Receiver<(RequestRow, Waiting)>) {
    while let Ok(first) = inbox.recv() {
        let (rows, waiting): (Vec<RequestRow>, Vec<Waiting>) =
            std::iter::once(first).chain(inbox.try_iter().take(GROUP - 1)).unzip();
        let kept = keeper.keep(&rows);
        for one in waiting {
            // Who has gone away has got no answer; the row tells of the attempt.
            let _ = one.send(kept.clone());
        }
    }
}
