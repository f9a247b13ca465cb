//! The integration stories: one binary, one module per story.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod cohort;
mod cohort_peers;
mod command_line;
mod command_line_doctor;
mod command_line_import;
mod command_line_peer;
mod configuration;
mod demo;
mod exchange_messages;
mod exchange_pairing;
mod exchange_schemas;
mod exchange_strangers;
mod exchange_tls;
mod fhir_api;
mod harmonise;
mod map;
mod mllp;
mod process;
mod process_killed;
mod process_serve;
mod referral_package;
mod referral_pair;
mod referral_refused;
mod referral_story;
mod referral_update;
mod store_contract;
mod two_nodes;
