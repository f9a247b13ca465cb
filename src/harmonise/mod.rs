//! Adds meaning beside the original, never replaces it: codes, units, names, dates.
pub mod names;
