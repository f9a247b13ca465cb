//! Integration stories: one binary, one module per story.
#![allow(clippy::unwrap_used, clippy::panic)] // A test ends by panicking.

mod harmonise;
