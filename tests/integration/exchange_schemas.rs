//! The schemas of the peer messages under `schemas/` say what the code says. To write them anew:
//! `UPDATE_FIXTURES=1 cargo test --test integration exchange_schemas`.

use std::path::Path;

use schemars::{JsonSchema, schema_for};
use watari::wire;

fn check<T: JsonSchema>(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/peer").join(format!("{name}.schema.json"));
    let mut expected = serde_json::to_string_pretty(&schema_for!(T)).unwrap();
    expected.push('\n');
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{} differs from the code", path.display());
}

#[test]
fn the_files_agree_with_the_code() {
    check::<wire::pairing::Request>("pairing-request");
    check::<wire::pairing::Response>("pairing-response");
    check::<wire::directory::Request>("directory-request");
    check::<wire::directory::Response>("directory-response");
    check::<wire::submit_message::Response>("submit-message-response");
}
