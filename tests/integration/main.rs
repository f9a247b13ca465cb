//! Integration stories: one binary, one file per story.

mod translate;
mod translate_conformance;
mod translate_properties;
