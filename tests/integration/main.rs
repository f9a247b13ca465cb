//! The integration stories: one binary, one module per story.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod cohort;
mod cohort_peers;
mod harmonise;
mod store_contract;
