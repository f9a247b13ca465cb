//! The integration stories: one binary, one module per story.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod referral_package;
mod store_contract;
