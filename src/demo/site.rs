//! One of the demo's two hospitals: its node, its staff's sign-in links, and a client that trusts its certificate.

use std::path::Path;

use super::DemoError;
use crate::access::{Role, session};
use crate::clock::Clock;
use crate::config::Config;
use crate::exchange::identity::Identity;
use crate::exchange::tls;
use crate::node::{Node, Purpose};

/// What makes a hospital of the demo: the same file that `watari serve` runs by hand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) id: &'static str,
    config: &'static str,
    clinician: &'static str,
    researcher: &'static str,
    engineer: &'static str,
}

/// Toronto.
pub(super) const TORONTO: Plan = Plan {
    id: "toronto",
    config: include_str!("../../config/toronto/watari.toml"),
    clinician: "dr-okafor",
    researcher: "dr-singh",
    engineer: "it-leblanc",
};

/// Tokyo.
pub(super) const TOKYO: Plan = Plan {
    id: "tokyo",
    config: include_str!("../../config/tokyo/watari.toml"),
    clinician: "dr-aikawa",
    researcher: "dr-mori",
    engineer: "it-sato",
};

/// An open hospital.
pub(super) struct Site {
    pub(super) config: Config,
    pub(super) node: Node,
    pub(super) plan: Plan,
    /// A client that trusts this node's certificate and nothing else.
    pub(super) client: reqwest::Client,
}

impl Site {
    /// Makes keys and database below `folder` and opens the node on free ports of loopback.
    pub(super) async fn open(folder: &Path, plan: Plan) -> Result<Self, DemoError> {
        let mut config = Config::parse(plan.config, plan.id).map_err(|error| DemoError::Story(error.to_string()))?;
        config.store.data = folder.join(plan.id);
        config.store.keys = None;
        "127.0.0.1:0".clone_into(&mut config.inside.listen);
        "127.0.0.1:0".clone_into(&mut config.outside.listen);
        config.mllp.listen = Some("127.0.0.1:0".to_owned());
        let now = crate::clock::SystemClock.now();
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        Identity::create(&config.store.keys(), plan.id, &hosts, now)
            .map_err(|error| DemoError::Story(error.to_string()))?;
        let node = Node::start(&config, Purpose::Demo).await?;
        let client = client(&node)?;
        Ok(Self { config, node, plan, client })
    }

    /// Address below the inside door.
    pub(super) fn inside(&self, path: &str) -> String {
        format!("https://{}{path}", self.node.doors.inside)
    }

    /// A fresh one-time link for the person of this role.
    pub(super) fn sign_in(&self, role: Role) -> Result<String, DemoError> {
        let user = match role {
            Role::Clinician => self.plan.clinician,
            Role::Researcher => self.plan.researcher,
            Role::It | Role::System => self.plan.engineer,
        };
        let here = &self.node.parts.here;
        let secret = session::create_link(&here.store, here.clock.as_ref(), user, role)
            .map_err(|error| DemoError::Story(error.to_string()))?;
        Ok(self.inside(&format!("/sign-in/{secret}")))
    }

    /// Closes the node.
    pub(super) async fn close(self) {
        drop(self.client);
        self.node.stop().await;
    }
}

fn client(node: &Node) -> Result<reqwest::Client, DemoError> {
    let here = &node.parts.here;
    let broken = |error: &dyn std::fmt::Display| DemoError::Story(format!("the demo's client: {error}"));
    let trust = tls::client(&here.identity, here.clock.clone(), here.identity.certificate_sha256())
        .map_err(|error| broken(&error))?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(trust)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(std::time::Duration::from_secs(30))
        .build()
        .map_err(|error| broken(&error))
}
