//! Between nodes: keys, peers, pairing, sealed messages, delivery with receipts. Carries bytes; does not know what a
//! referral is.
//!
//! A message goes out through [`envelope::seal`] and [`deliver`], comes in through [`envelope::open`] and
//! [`receive::accept_once`]; a question with an immediate answer goes through [`ask`].

pub mod ask;
pub mod certificate;
pub mod checkpoint;
pub mod deliver;
pub mod directory;
pub mod endpoints;
pub mod envelope;
pub mod evidence;
pub mod identity;
mod invitation;
pub mod jws;
pub mod key_sets;
pub mod pairing;
pub mod receipt;
pub mod receive;
mod refusals;
pub mod tls;
pub mod token;
pub mod transport;

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{ExchangeConfig, FilingConfig, InstitutionConfig};
use crate::harmonise::{Catalog, HarmoniseSetting, Meaning};
use crate::store::Handle;
use crate::validation::Library;

/// This institution: who it is, its keys, its store and its clock. What every act of the domain is given.
#[derive(Clone)]
pub struct Institution {
    /// `[institution]`.
    pub config: Arc<InstitutionConfig>,
    /// `[exchange]`.
    pub exchange: Arc<ExchangeConfig>,
    /// `[filing]`.
    pub filing: Arc<FilingConfig>,
    /// Its keys.
    pub identity: Arc<identity::Identity>,
    /// Its store.
    pub store: Handle,
    /// The profiles that resources are held to.
    pub profiles: Arc<Library>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The tables that its records are harmonised by, the hospital's own code maps included.
    pub catalog: &'static Catalog,
}

impl Institution {
    /// Now, as the store writes it.
    pub fn now(&self) -> String {
        crate::clock::instant(self.clock.now())
    }

    /// What its records mean beyond their own words.
    pub fn meaning(&self) -> Meaning {
        Meaning { catalog: self.catalog, setting: HarmoniseSetting::from(self.config.as_ref()) }
    }
}
