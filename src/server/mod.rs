//! Serving: the two HTTPS doors, the checks before a handler, and how failures become answers.

mod connections;
pub mod listen;
pub mod outside;
pub mod peer;
pub mod problem;
