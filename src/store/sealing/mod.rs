//! Encryption at rest, whichever database is behind: received bytes, bodies of the outbox and inbox, packages and reply
//! documents are sealed with AES-256-GCM under a data key; data keys stand in the database wrapped by a master key that does
//! not. What is found by search (the record's JSON and its index, names on a referral) is not sealed: docs/KEEPING.md.
//!
//! A sealed value is one byte of format, a nonce of 96 random bits, the ciphertext and the tag. The number of its data key
//! stands in a column beside it; 0 says that the value is plain, from before there were keys, and is let through only while
//! the database is still being sealed. What is sealed is bound to its place: put elsewhere it does not open.

mod data_key;
mod master;
mod ring;
mod stream;

pub use data_key::{DataKey, Place};
pub use master::{MASTER_KEY, MasterKey, MasterSource};
pub use ring::Ring;
pub use stream::{OpeningReader, SealingWriter, StreamKey};

use crate::fault::{Classified, Kind};

/// The column beside a value that is not sealed.
pub const PLAIN: u32 = 0;
/// Bytes by which a sealed value is longer than the plain one: format, nonce, tag.
pub const OVERHEAD: u32 = 1 + 12 + 16;
/// Values sealed under one data key; then the next key is made. With random nonces NIST SP 800-38D (8.3) allows 2^32.
pub const VALUES_PER_KEY: u64 = 1 << 31;

/// Something cannot be sealed or opened. Tells of keys and places, never of contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no key, or it cannot be read.
    #[error("the master key cannot be had: {0}")]
    NoMaster(String),
    /// The key is not the one the database was sealed with.
    #[error(
        "the master key (id {found}) is not the one the database was sealed with (id {expected}); nothing was written. \
         Put the right key where [store] master_key_file or master_key_command says, or restore a backup with its keys"
    )]
    WrongMaster {
        /// Id of the key at hand.
        found: String,
        /// Id of the key that wrapped the data keys.
        expected: String,
    },
    /// The data key is not in the database.
    #[error("data key {0} is not in the database")]
    NoDataKey(u32),
    /// Changed on the disk, or moved there from another place.
    #[error("a sealed value of {0} does not open: it was changed or moved")]
    Changed(&'static str),
    /// This store keeps its values plain.
    #[error("this store seals nothing yet")]
    NotHere,
    /// Random numbers or the cipher failed.
    #[error("the cipher failed")]
    Cipher,
}

impl Classified for SealError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoMaster(_) | Self::WrongMaster { .. } => Kind::Configuration,
            Self::NotHere => Kind::NotSupported,
            Self::NoDataKey(_) | Self::Changed(_) | Self::Cipher => Kind::Unavailable,
        }
    }
}
