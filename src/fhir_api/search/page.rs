//! Links to further pages. A link holds the whole search and where the page before ended, sealed with a key of the node: what
//! was searched for and what was found last may name a patient, and addresses end up in logs. Any replica opens it, also
//! after a restart; nothing is kept for it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::exchange::identity::Identity;
use crate::fhir::search::Mark;

/// Parameter of a further page.
pub(in crate::fhir_api) const PARAMETER: &str = "_page";
/// What the key is for, and the form of what is sealed.
const PURPOSE: &str = "watari search page 1";
const NONCE: usize = 12;
/// Longest token that is opened.
const LONGEST: usize = 64 * 1024;

/// Where a search has come to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Resource type searched.
    pub(super) kind: String,
    /// Type and id of a compartment.
    pub(super) within: Option<(String, String)>,
    /// The query.
    pub(super) pairs: Vec<(String, String)>,
    /// Code maps shown before.
    pub(super) passed: usize,
    /// Where the page before ended.
    pub(super) mark: Option<Mark>,
}

/// Seals and opens links.
pub(super) struct Key(Option<LessSafeKey>);

impl Key {
    /// The key of a node.
    pub(super) fn of(identity: &Identity) -> Self {
        Self(UnboundKey::new(&AES_256_GCM, &identity.derived_key(PURPOSE)).ok().map(LessSafeKey::new))
    }

    /// A link to a place, below the base of the API.
    pub(super) fn link(&self, path: &str, place: &Place) -> String {
        format!("{path}?{PARAMETER}={}", self.seal(place).unwrap_or_default())
    }

    fn seal(&self, place: &Place) -> Option<String> {
        let nonce: [u8; NONCE] = rand::random();
        let mut sealed = serde_json::to_vec(place).ok()?;
        let key = self.0.as_ref()?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(PURPOSE), &mut sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// The place of a token that this key has sealed.
    pub(super) fn open(&self, token: &str) -> Option<Place> {
        let mut bytes = URL_SAFE_NO_PAD.decode(Some(token).filter(|token| token.len() <= LONGEST)?).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.0.as_ref()?.open_in_place(nonce, Aad::from(PURPOSE), sealed).ok()?;
        serde_json::from_slice(plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::search::SortValue;

    fn key(byte: u8) -> Key {
        Key(UnboundKey::new(&AES_256_GCM, &[byte; 32]).ok().map(LessSafeKey::new))
    }

    #[test]
    fn a_link_tells_nothing_and_is_opened_by_its_own_key_alone() {
        let place = Place {
            kind: "Patient".to_owned(),
            pairs: vec![("family".to_owned(), "Yamada".to_owned())],
            mark: Some(Mark { values: vec![Some(SortValue::Text("yamada".to_owned())), None], position: 7 }),
            ..Place::default()
        };
        let token = key(1).seal(&place).unwrap();
        assert!(!token.contains("amada"));
        assert_eq!(key(1).open(&token), Some(place.clone()));
        assert_eq!(key(2).open(&token), None);
        let mut altered = token.clone().into_bytes();
        altered[20] ^= 1;
        assert_eq!(key(1).open(&String::from_utf8(altered).unwrap()), None);
        assert_eq!(key(1).open(""), None);
        assert_ne!(key(1).seal(&place), Some(token), "no two links are the same");
    }
}
