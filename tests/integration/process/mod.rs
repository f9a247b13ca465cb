//! The real binary as a process, with real sockets, for stories that no library call can tell: starting, dying, being
//! killed, and coming back on the same data.

pub mod clinician;
pub mod local_system;
pub mod mllp;
pub mod proxy;
pub mod running;

use std::io::Write as _;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;
use watari::clock::{Clock, SystemClock};
use watari::config::{Config, Country, InstitutionConfig, LocalName, ServiceConfig, StoreConfig};
use watari::exchange::identity::Identity;
use watari::store::audit::AuditEntry;
use watari::store::messages::{MessageFilter, MessageRecord, MessageStatus};
use watari::store::requests::{self, RequestFilter, RequestRow};
use watari::store::{Handle, StoreError, View};

use running::RunningNode;

/// A hospital's folder: configuration, keys, database. Its node may be running or not.
pub struct Site {
    pub config: Config,
    pub folder: tempfile::TempDir,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// The one JSON document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, of a command that must have succeeded.
    pub fn good(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        self.json()
    }

    /// A command that must have ended with `code` and said `part` on standard error.
    pub fn refused(&self, code: i32, part: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(part), "{part:?} is not in {self:?}");
    }
}

/// Runs `watari` with these arguments and nothing on standard input.
pub fn watari<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Done {
    let output = command().args(arguments).output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watari"));
    command.stdin(Stdio::null()).env_remove("WATARI_LOG").env_remove("WATARI_LOG_FORMAT");
    command
}

/// A port below those that the system hands out by itself, so that no connection of another test takes it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 12_000 + u16::try_from(std::process::id() % 900).unwrap() * 20;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed) % 2000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Site {
    /// Toronto or another Canadian hospital.
    pub fn canada(id: &str) -> Self {
        Self::new(id, Country::Ca, "America/Toronto")
    }

    /// Tokyo or another Japanese hospital.
    pub fn japan(id: &str) -> Self {
        Self::new(id, Country::Jp, "Asia/Tokyo")
    }

    fn new(id: &str, country: Country, zone: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        Identity::create(&folder.path().join("keys"), id, &hosts, SystemClock.now()).unwrap();
        let mut config = Config {
            institution: InstitutionConfig {
                id: id.to_owned(),
                name: LocalName { en: format!("Hospital of {id}"), ..LocalName::default() },
                country,
                time_zone: zone.to_owned(),
                namespace: format!("https://{id}.example/fhir"),
                services: vec![ServiceConfig {
                    code: "regenerative-medicine".to_owned(),
                    name: LocalName { en: "Regenerative medicine".to_owned(), ..LocalName::default() },
                    languages: vec!["en".to_owned(), "ja".to_owned()],
                }],
                ..InstitutionConfig::default()
            },
            store: StoreConfig { data: PathBuf::from("."), ..StoreConfig::default() },
            ..Config::default()
        };
        // Nothing but the outside door must be found again after a restart.
        "127.0.0.1:0".clone_into(&mut config.inside.listen);
        config.outside.listen = format!("127.0.0.1:{}", free_port());
        config.mllp.listen = Some("127.0.0.1:0".to_owned());
        config.exchange.attempt_seconds = 2;
        config.exchange.first_retry_seconds = 1;
        config.exchange.longest_retry_seconds = 1;
        Self { config, folder }
    }

    /// Changes settings before the node is started.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the configuration as it is now and gives its path.
    pub fn configuration(&self) -> PathBuf {
        let path = self.path().join("watari.toml");
        std::fs::write(&path, toml::to_string(&self.config).unwrap()).unwrap();
        path
    }

    /// Runs a command of this hospital, `--json`.
    pub fn run(&self, arguments: &[&str]) -> Done {
        let configuration = self.configuration();
        let first = ["--json", "--config", configuration.to_str().unwrap()];
        watari(first.iter().chain(arguments))
    }

    /// Starts the node and waits until it is ready.
    pub async fn serve(&self) -> RunningNode {
        RunningNode::start(self, &[]).await
    }

    /// As [`Site::serve`], for invented people only.
    pub async fn serve_demo(&self) -> RunningNode {
        RunningNode::start(self, &["--demo"]).await
    }

    pub fn identity(&self) -> Identity {
        Identity::load(&self.path().join("keys")).unwrap()
    }

    /// The database, opened beside a running node or after it.
    pub fn store(&self) -> Handle {
        watari::node::open_store(&Config::load(&self.configuration()).unwrap().store).unwrap()
    }

    /// Reads the database.
    pub fn read<T>(&self, read: impl FnOnce(&dyn View) -> Result<T, StoreError>) -> T {
        self.store().view(read).unwrap()
    }

    /// The acts in the audit trail that are called `action`.
    pub fn audited(&self, action: &str) -> Vec<AuditEntry> {
        let chains = self.read(|view| view.audit_chains());
        let trail = chains.iter().flat_map(|chain| self.read(|view| view.audit_entries(chain, 1, 100_000)));
        trail.map(|chained| chained.entry).filter(|entry| entry.action == action).collect()
    }

    /// The rows of the trail of requests that are called `act`.
    pub fn requests(&self, act: &str) -> Vec<RequestRow> {
        let mut rows = Vec::new();
        self.read(|view| {
            requests::find(view, &RequestFilter::default(), &mut |one| {
                rows.insert(0, one.row);
                ControlFlow::Continue(())
            })
        });
        rows.retain(|row| row.act == act);
        rows
    }

    /// Received messages, newest first.
    pub fn messages(&self) -> Vec<MessageRecord> {
        self.read(|view| view.messages(&MessageFilter { limit: 10_000, ..MessageFilter::default() }))
    }

    /// The quarantined ones.
    pub fn quarantined(&self) -> Vec<MessageRecord> {
        self.messages().into_iter().filter(|message| message.status == MessageStatus::Quarantined).collect()
    }

    /// Number of resources of a type.
    pub fn count(&self, kind: &str) -> u64 {
        let counts = self.read(|view| view.resource_counts());
        counts.into_iter().find(|(found, _)| found == kind).map_or(0, |(_, count)| count)
    }

    /// Writes a file below the folder and gives its path.
    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(&path).unwrap().write_all(content).unwrap();
        path
    }
}

/// Pairs two running nodes by the command line, as README tells: one invites, the other joins.
pub fn pair(inviter: &Site, joiner: &Site) {
    let code = inviter.run(&["peer", "invite"]).good()["code"].as_str().unwrap().to_owned();
    let joined = joiner.run(&["peer", "join", &code]).good();
    assert_eq!(joined["id"], inviter.config.institution.id.as_str());
}

/// Waits until `found` gives something; fails with `what` after 90 seconds.
pub async fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = std::time::Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(started.elapsed().as_secs() < 90, "waited in vain: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
