//! What nodes say to each other: one file per peer message, with its path, who may call it, Request and Response.
//! Sender and receiver compile against the same file. No behaviour.
//!
//! Every path starts with `/peer/v1`; a change that an older node would misread gets a new version beside it. Unknown
//! members are refused.

pub mod cohort_question;
pub mod directory;
pub mod pairing;
pub mod submit_message;

/// Everything between nodes lies below this path.
pub const BASE: &str = "/peer/v1";
