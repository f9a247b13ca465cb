//! Bytes of strangers: whatever arrives as token, signature, certificate, invitation or evidence, it is refused and
//! nothing falls over.

use std::sync::OnceLock;

use bytes::Bytes;
use proptest::prelude::*;
use watari::clock::TestClock;
use watari::config::{ExchangeConfig, InstitutionConfig};
use watari::exchange::certificate::CertificateFacts;
use watari::exchange::envelope::{self, RequestParts};
use watari::exchange::identity::Identity;
use watari::exchange::jws::PublicKey;
use watari::exchange::tls::TlsPeer;
use watari::exchange::{Institution, evidence, jws, token};
use watari::store::peers::Peer;
use watari::store::{Change, Changes, Handle, sqlite::SqliteStore};
use watari::wire::submit_message::{CONTENT_TYPE, PATH};

use crate::two_nodes::noon;

/// A node that is paired with a caller, and one right request of that caller; no sockets.
struct Stage {
    here: Institution,
    tls: TlsPeer,
    token: String,
    signature: String,
    _folder: tempfile::TempDir,
}

const BODY: &[u8] = b"{}";

fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let institution = |id: &str| {
            let identity = Identity::create(&folder.path().join(id), id, &[], noon()).unwrap();
            let database = folder.path().join(id).join("watari.db");
            Institution {
                profiles: std::sync::Arc::default(),
                config: InstitutionConfig { id: id.to_owned(), ..InstitutionConfig::default() }.into(),
                exchange: ExchangeConfig::default().into(),
                filing: std::sync::Arc::default(),
                identity: identity.into(),
                store: Handle::new(std::sync::Arc::new(SqliteStore::open(&database).unwrap())),
                clock: std::sync::Arc::new(TestClock::new(noon())),
                catalog: watari::harmonise::builtin().unwrap(),
            }
        };
        let (here, caller) = (institution("tokyo"), institution("toronto"));
        let as_peer = |of: &Institution| Peer {
            id: of.config.id.clone(),
            names: "{}".to_owned(),
            country: "ca".to_owned(),
            url: "https://127.0.0.1:1".to_owned(),
            certificate_sha256: of.identity.certificate_sha256().to_owned(),
            signing_key: of.identity.public_key().json(),
            status: "active".to_owned(),
            paired_at: here.now(),
            services: "[]".to_owned(),
        };
        here.store.commit(Changes::new().with(Change::PutPeer(as_peer(&caller)))).unwrap();
        let to = as_peer(&here);
        let message = envelope::seal(&caller, &to, PATH, CONTENT_TYPE, "TREAT", "m-1", BODY.to_vec()).unwrap();
        let token = token::issue(&caller, &to, PATH, "TREAT", &message.body_sha256).unwrap();
        let tls = TlsPeer::from_certificate(caller.identity.certificate()).unwrap();
        Stage { here, tls, token, signature: message.signature, _folder: folder }
    })
}

fn opens(token: &str, signature: &str, path: &str, content_type: &str, body: &[u8]) -> bool {
    let stage = stage();
    let authorization = format!("Bearer {token}");
    let parts = RequestParts {
        path,
        content_type: Some(content_type),
        authorization: Some(&authorization),
        signature: Some(signature),
    };
    envelope::open(&stage.here, &stage.tls, parts, Bytes::copy_from_slice(body)).is_ok()
}

/// `text` with one bit of one byte turned, if that still is text.
fn turned(text: &str, position: prop::sample::Index, bit: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let at = position.index(bytes.len());
    bytes[at] ^= 1 << bit;
    String::from_utf8(bytes).ok()
}

#[test]
fn the_right_request_opens() {
    let stage = stage();
    assert!(opens(&stage.token, &stage.signature, PATH, CONTENT_TYPE, BODY));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn one_turned_bit_anywhere_closes_it(position: prop::sample::Index, bit in 0u8..7, which in 0u8..5) {
        let stage = stage();
        let (mut token, mut signature) = (stage.token.clone(), stage.signature.clone());
        let (mut path, mut content_type, mut body) = (PATH.to_owned(), CONTENT_TYPE.to_owned(), BODY.to_vec());
        let part = match which {
            0 => &mut token,
            1 => &mut signature,
            2 => &mut path,
            3 => &mut content_type,
            _ => {
                let at = position.index(body.len());
                body[at] ^= 1 << bit;
                prop_assert!(!opens(&token, &signature, &path, &content_type, &body));
                return Ok(());
            }
        };
        let Some(changed) = turned(part, position, bit) else { return Ok(()) };
        *part = changed;
        prop_assert!(!opens(&token, &signature, &path, &content_type, &body));
    }

    #[test]
    fn noise_opens_nothing(token in ".{0,200}", signature in ".{0,200}", body: Vec<u8>) {
        let stage = stage();
        prop_assert!(!opens(&token, &stage.signature, PATH, CONTENT_TYPE, BODY));
        prop_assert!(!opens(&stage.token, &signature, PATH, CONTENT_TYPE, BODY));
        prop_assert_eq!(opens(&stage.token, &stage.signature, PATH, CONTENT_TYPE, &body), body == BODY);
    }

    #[test]
    fn noise_in_the_shape_of_a_token_verifies_nothing(
        header in "[A-Za-z0-9_-]{0,80}",
        claims in "[A-Za-z0-9_-]{0,80}",
        signature in "[A-Za-z0-9_-]{0,90}",
    ) {
        let key = stage().here.identity.public_key();
        let token = format!("{header}.{claims}.{signature}");
        prop_assert!(jws::verify::<serde_json::Value>(key, token::TYPE, &token).is_err());
    }

    #[test]
    fn noise_is_no_certificate_key_or_evidence(bytes: Vec<u8>, text in ".{0,200}") {
        prop_assert!(CertificateFacts::read(&bytes).is_err());
        prop_assert!(PublicKey::parse(&text).is_err());
        prop_assert!(evidence::verify(&bytes).is_err());
    }

    #[test]
    fn a_damaged_certificate_is_another_certificate(position: prop::sample::Index, bit in 0u8..8) {
        let mut der = stage().here.identity.certificate().to_vec();
        let right = CertificateFacts::read(&der).unwrap();
        let at = position.index(der.len());
        der[at] ^= 1 << bit;
        prop_assert!(CertificateFacts::read(&der).map_or(true, |facts| facts.sha256 != right.sha256));
    }
}
