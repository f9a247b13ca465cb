//! The audit: the trail of acts, appended by the store in the commit of the act it tells of (`store::audit`), and the trail of
//! requests, written before each answer (`store::requests`). Whether they still hold, and what they say.

pub mod asked;
pub mod event;
pub mod find;
pub mod shown;
mod verify;

pub use verify::{AuditError, CHECKPOINT, Head, Trail, Verified, verify, verify_against};
