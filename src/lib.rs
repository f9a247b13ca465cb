//! Watari (渡り, "the crossing"): the gateway a hospital runs to exchange referrals and trial data with hospitals abroad.
//!
//! The modules below stand in reading order: a record comes in, a referral goes out, a trial asks, nodes talk, and what
//! everything stands on. `docs/ARCHITECTURE.md` tells who may know whom; `tests/integration/map.rs` keeps it true.

// the composition root
pub mod commands;
pub mod demo;
pub mod node;
pub mod routes;
// a record comes in
pub mod fhir_api;
pub mod harmonise;
pub mod intake;
pub mod records;
pub mod terminology;
pub mod translate;
pub mod validation;
// a referral goes out
pub mod documents;
pub mod filing;
pub mod referral;
// a trial asks
pub mod cohort;
// the record leaves as files
pub mod exports;
// between nodes
pub mod exchange;
pub mod wire;
// what guards every path
pub mod access;
pub mod audit;
// what is kept, and for how long
pub mod keeping;
// what everything stands on
pub mod clock;
pub mod config;
pub mod extracts;
pub mod fault;
pub mod fhir;
pub mod ids;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod web;
