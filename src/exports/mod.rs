//! Exports of the record as files (Bulk Data Access, <https://hl7.org/fhir/uv/bulkdata/export.html>): what is asked for, what
//! is chosen, how it becomes pieces of files, and who works at it.
//!
//! An export shows the record as it was when it was asked for ([`crate::store::exports`] says how). It is read in steps, each
//! of them a short reading and a commit of what came of it under a lease, so that it holds no snapshot for long, goes on
//! where it was broken off, by whichever replica, and takes as much memory for a million resources as for a thousand.

mod ask;
mod choose;
mod files;
mod make;
mod pack;
pub mod worker;

pub use ask::{Asked, ExportError, Filter, Level, start};
pub use files::{GZIP_HEAD, gzip_length, gzip_tail};
pub use pack::unpacked;

/// File of resources that were deleted.
pub const DELETED: &str = "deleted";
/// File of what is to be said about the export itself.
pub const OUTCOME: &str = "outcome";
