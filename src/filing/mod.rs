//! What arrives from partners is filed into the institution's own systems: HL7 v2 over MLLP, files in a folder, or SS-MIX2
//! extended storage.
//!
//! [`news`] turns an arrival into messages, frozen in the commit that accepts it; [`worker`] brings them there, in order for
//! each destination, again and again under the same control id until the local system has said that it has them.

pub mod news;
pub mod worker;

mod folder;
mod mllp;
mod plain;
mod ssmix2;

pub use news::{Arrival, changes};

use crate::config::FilingConfig;
use crate::fault::{Classified, Kind};
use crate::translate::hl7v2::Charset;

/// A destination that cannot be served as it is configured.
#[derive(Debug, thiserror::Error)]
#[error(
    "filing.destination {name:?}: charset {charset:?} is not known; use a name of table 0211 such as ~ISO IR87, 8859/1"
)]
pub struct UnknownCharset {
    /// Which destination.
    pub name: String,
    /// As configured.
    pub charset: String,
}

impl Classified for UnknownCharset {
    fn kind(&self) -> Kind {
        Kind::Configuration
    }
}

/// Refuses destinations whose character set nobody can write.
pub fn check(config: &FilingConfig) -> Result<(), UnknownCharset> {
    let unknown =
        config.destinations.iter().find(|one| Charset::from_name(one.charset.trim_start_matches('~')).is_none());
    match unknown {
        Some(one) => Err(UnknownCharset { name: one.name.clone(), charset: one.charset.clone() }),
        None => Ok(()),
    }
}
