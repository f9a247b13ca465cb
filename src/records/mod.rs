//! The record: how new resources become part of it, how they are found, and whose they are.

pub mod accept;
mod amend;
pub mod condition;
pub mod find;
pub mod index;
mod merge;
pub mod parameters;
pub mod query;
pub mod reindex;
mod retire;
mod units;
