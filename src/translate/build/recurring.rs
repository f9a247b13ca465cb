//! What recurs from message to message: resources as far as their codes decide them, by the fields that decide. A feed sends
//! the same tests with the same units, flags and states all day.
//!
//! Remembered is only what was met twice. The memory holds two generations of [`MOST`] patterns: what is not met again while
//! a generation fills is forgotten, so strangers' messages cannot grow it. With and without it the translation is the same.

use std::sync::{Arc, RwLock};

use rustc_hash::{FxHashMap, FxHasher};
use std::hash::Hasher as _;

use super::pattern::Pattern;
use crate::translate::Setting;
use crate::translate::hl7v2::charset::Charset;
use crate::translate::hl7v2::message::{Delimiters, Message};

/// Patterns of one generation, of some kilobytes each.
const MOST: usize = 2048;
/// Longest key that is remembered.
const LONGEST: usize = 4096;
/// Places for keys that were met once.
const MET: usize = 8192;
/// Ways of writing that are told apart: settings, delimiters, character sets.
const MANNERS: usize = 16;

/// The memory of one set of rules. A copy of the rules begins with none.
#[derive(Debug, Default)]
pub(crate) struct Recurring(RwLock<Memory>);

#[derive(Debug, Default)]
struct Memory {
    manners: Vec<Manner>,
    young: FxHashMap<Box<[u8]>, Arc<Pattern>>,
    old: FxHashMap<Box<[u8]>, Arc<Pattern>>,
    /// Hashes of keys that were met once, each at its place.
    met: Vec<u64>,
}

/// What the meaning of a written field depends on beside the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Manner {
    setting: Setting,
    delimiters: Delimiters,
    charset: Charset,
}

/// What is known of a key.
pub(crate) enum Known {
    /// This came of it.
    Pattern(Arc<Pattern>),
    /// It was met before, and what comes of it should be remembered.
    Met,
    /// It is met for the first time.
    New,
}

impl Clone for Recurring {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Recurring {
    /// The number of the way a message is written; `None` if nothing of it is remembered.
    pub(crate) fn manner(&self, setting: &Setting, message: &Message) -> Option<u8> {
        let written = message.written.as_ref()?;
        let is_it = |manner: &Manner| {
            manner.delimiters == written.delimiters && manner.charset == written.charset && manner.setting == *setting
        };
        if let Some(at) = self.0.read().ok()?.manners.iter().position(is_it) {
            return u8::try_from(at).ok();
        }
        let mut memory = self.0.write().ok()?;
        if memory.manners.len() == MANNERS {
            return None;
        }
        let (delimiters, charset) = (written.delimiters, written.charset);
        memory.manners.push(Manner { setting: setting.clone(), delimiters, charset });
        u8::try_from(memory.manners.len() - 1).ok()
    }

    /// What is known of a key.
    pub(crate) fn look_up(&self, key: &[u8]) -> Known {
        if key.len() > LONGEST {
            return Known::New;
        }
        let Ok(memory) = self.0.read() else { return Known::New };
        if let Some(pattern) = memory.young.get(key) {
            return Known::Pattern(Arc::clone(pattern));
        }
        if let Some(pattern) = memory.old.get(key).cloned() {
            drop(memory);
            self.remember(key, Arc::clone(&pattern));
            return Known::Pattern(pattern);
        }
        let hash = hash(key);
        if memory.met.get(place(hash)) == Some(&hash) {
            return Known::Met;
        }
        drop(memory);
        if let Ok(mut memory) = self.0.write() {
            memory.met.resize(MET, 0);
            if let Some(met) = memory.met.get_mut(place(hash)) {
                *met = hash;
            }
        }
        Known::New
    }

    /// Remembers what came of a key.
    pub(crate) fn remember(&self, key: &[u8], pattern: Arc<Pattern>) {
        let Ok(mut memory) = self.0.write() else { return };
        if memory.young.len() >= MOST {
            memory.old = std::mem::take(&mut memory.young);
        }
        memory.young.insert(key.into(), pattern);
    }
}

#[cfg(test)]
impl Recurring {
    /// How many patterns are remembered.
    pub(crate) fn count(&self) -> usize {
        self.0.read().map_or(0, |memory| memory.young.len() + memory.old.len())
    }
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(key);
    hasher.finish()
}

fn place(hash: u64) -> usize {
    usize::try_from(hash % MET as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_twice_is_remembered_until_it_does_not_come_again() {
        let memory = Recurring::default();
        let key = |number: usize| number.to_be_bytes();
        let is_known = |number: usize| matches!(memory.look_up(&key(number)), Known::Pattern(_));
        assert!(matches!(memory.look_up(&key(1)), Known::New));
        assert!(matches!(memory.look_up(&key(1)), Known::Met));
        memory.remember(&key(1), Arc::new(Pattern::default()));
        assert!(is_known(1));
        for number in 2..2 + MOST {
            memory.remember(&key(number), Arc::new(Pattern::default()));
        }
        assert!(is_known(1), "of the generation before, and young again");
        for number in 0..2 * MOST + 2 {
            memory.remember(&key(MOST * 2 + number), Arc::new(Pattern::default()));
        }
        assert!(!is_known(1));
        assert!(matches!(memory.clone().look_up(&key(MOST * 3)), Known::New));
    }
}
