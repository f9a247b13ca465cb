//! The audit trail.

use watari::store::Changes;
use watari::store::audit::{chain_hash, chain_start};

use super::{audit, for_each_store};

#[test]
fn the_audit_chain_covers_every_entry_and_its_place() {
    for_each_store(|_, folder, open| {
        let store = open(folder);
        for action in ["a", "b", "c"] {
            store.commit(Changes::new().with(audit(action))).unwrap();
        }
        let entries = store.view(|view| view.audit_entries("", 1, 10)).unwrap();
        assert_eq!(entries.len(), 3);
        let mut before = chain_start("");
        for chained in &entries {
            assert_eq!(chained.hash, chain_hash(&before, chained.position, &chained.entry));
            before.clone_from(&chained.hash);
        }
    });
}
