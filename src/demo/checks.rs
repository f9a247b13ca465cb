//! What the demo found to be so.

use serde::Serialize;

use super::report::NodeReport;

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What should be so.
    pub name: String,
    /// Whether it is.
    pub ok: bool,
    /// What was found instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Checks(Vec<Check>);

impl Checks {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Notes whether `name` is so.
    pub(super) fn expect(&mut self, name: &str, ok: bool, found: impl FnOnce() -> String) -> bool {
        self.0.push(Check { name: name.to_owned(), ok, found: (!ok).then(found) });
        ok
    }

    /// Every message is either translated or quarantined.
    pub(super) fn counts_add_up(&mut self, nodes: &[NodeReport]) {
        for node in nodes {
            let counts = node.messages;
            self.expect(
                &format!("{}: received = translated + quarantined", node.id),
                counts.received == counts.translated + counts.quarantined && counts.received > 0,
                || format!("{counts:?}"),
            );
        }
    }

    pub(super) fn all_passed(&self) -> bool {
        self.0.iter().all(|check| check.ok)
    }

    pub(super) fn into_list(self) -> Vec<Check> {
        self.0
    }
}
