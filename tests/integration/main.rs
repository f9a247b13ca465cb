//! The integration stories: one binary, one module per story.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod access_doors;
mod amendments;
mod audit;
mod cohort;
mod cohort_peers;
mod configuration;
mod exchange_messages;
mod exchange_pairing;
mod exchange_schemas;
mod exchange_strangers;
mod exchange_tls;
mod harmonise;
mod map;
mod page_desk;
mod page_words;
mod pages_cohorts;
mod pages_frame;
mod pages_messages;
mod pages_referrals;
mod records_accept;
mod referral_door;
mod referral_package;
mod referral_pair;
mod referral_refused;
mod referral_store;
mod referral_story;
mod referral_update;
mod store_contract;
mod translate;
mod translate_conformance;
mod translate_properties;
mod two_nodes;
