//! The integration stories: one binary, one module per story.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod store_contract;
