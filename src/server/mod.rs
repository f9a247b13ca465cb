//! Serving: how failures become answers.

pub mod problem;
