//! A node: builds every part in order, runs them, and stops them in reverse. Nothing else names concrete parts.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::access::endpoints::SmartState;
use crate::clock::{Clock, SystemClock};
use crate::cohort::answer::CohortPolicy;
use crate::config::{Config, MllpFeedConfig, StoreConfig};
use crate::exchange::endpoints::OutsideUrl;
use crate::exchange::identity::{self, Identity};
use crate::exchange::transport::Https;
use crate::exchange::{Institution, checkpoint, deliver};
use crate::exports;
use crate::fault::{Classified, Kind};
use crate::filing;
use crate::harmonise;
use crate::intake::{Intake, mllp};
use crate::keeping;
use crate::records::reindex;
use crate::referral::delivered::Delivered;
use crate::routes;
use crate::server::{listen, outside};
use crate::store::postgres::PostgresStore;
use crate::store::sealing::MasterSource;
use crate::store::sqlite::SqliteStore;
use crate::store::{Handle, StoreError, care};
use crate::translate::{Mappings, Setting};
use crate::validation::{Library, PackageError, package};
use crate::web::PageState;

/// Whether the node handles invented people only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Real patients: example keys are refused, peers' cohort questions are not answered in this release.
    Care,
    /// The demonstration.
    Demo,
}

/// The parts of a node that need no listener; the command line works with these beside a running node.
#[derive(Clone)]
pub struct Parts {
    /// Who we are, with store, keys and clock.
    pub here: Institution,
    /// The way in of records.
    pub intake: Intake,
}

/// A running node.
pub struct Node {
    /// Its parts.
    pub parts: Parts,
    /// Where its doors are.
    pub doors: Doors,
    /// Pokes the delivery worker.
    pub wake: Arc<Notify>,
    shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
    names: HashMap<tokio::task::Id, &'static str>,
}

/// The addresses a node listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doors {
    /// People and local systems.
    pub inside: SocketAddr,
    /// Paired institutions.
    pub outside: SocketAddr,
    /// HL7 v2, if open.
    pub mllp: Option<SocketAddr>,
    /// Further doors for HL7 v2, by name.
    pub feeds: Vec<(String, SocketAddr)>,
    /// What partners are told.
    pub outside_url: String,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A door cannot be opened.
    #[error("cannot listen on {address} ({door}): {cause}; another program may hold the port")]
    Listen {
        /// Which door.
        door: &'static str,
        /// Its configured address.
        address: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The example keys are known to everybody.
    #[error(
        "the keys in {0} are the published examples of certs-example/; anybody can use them. \
         Run `watari init` to make keys of your own"
    )]
    ExampleKeys(String),
    /// The keys belong to another institution.
    #[error("the keys in {folder} were made for institution {found:?}, the configuration says {configured:?}")]
    OtherInstitution {
        /// The keys folder.
        folder: String,
        /// In the certificate.
        found: String,
        /// In the configuration.
        configured: String,
    },
    /// Keys missing or unreadable.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    /// A door cannot be opened with the keys.
    #[error(transparent)]
    Tls(#[from] crate::exchange::tls::TlsError),
    /// A door for HL7 v2 cannot be opened as configured.
    #[error(transparent)]
    Mllp(#[from] mllp::DoorError),
    /// A local system cannot be served as configured.
    #[error(transparent)]
    Filing(#[from] filing::UnknownCharset),
    /// Nobody can be cleared, or asked for consent, as configured.
    #[error(transparent)]
    Access(#[from] crate::access::limits::UnknownSetting),
    /// Mapping rows do not compile.
    #[error(transparent)]
    Mappings(#[from] crate::translate::MappingError),
    /// Unit and code tables do not compile.
    #[error(transparent)]
    Catalog(#[from] &'static crate::terminology::TableError),
    /// A package does not open, or a profile that is required is in none.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for NodeError {
    fn kind(&self) -> Kind {
        Kind::Configuration
    }
}

impl Parts {
    /// Opens keys, store and tables of a configured node.
    pub fn open(config: &Config, purpose: Purpose) -> Result<Self, NodeError> {
        filing::check(&config.filing)?;
        crate::access::limits::check(&config.access)?;
        let identity = load_identity(config, purpose)?;
        let store = open_store(&config.store)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let intake = Intake {
            store: store.clone(),
            clock: Arc::clone(&clock),
            mappings: Arc::new(Mappings::with_folders(&config.intake.mappings)?),
            catalog: harmonise::Catalog::with_folders(&config.intake.code_maps)?,
            setting: Arc::new(Setting::from(&config.institution)),
        };
        let here = Institution {
            config: Arc::new(config.institution.clone()),
            exchange: Arc::new(config.exchange.clone()),
            filing: Arc::new(config.filing.clone()),
            identity: Arc::new(identity),
            profiles: Arc::new(profiles(config)?),
            store,
            clock,
            catalog: intake.catalog,
        };
        reindex::bring_up_to_date(&here.store, &here.meaning())?;
        Ok(Self { here, intake })
    }
}

/// The profiles of the packages that were added.
fn profiles(config: &Config) -> Result<Library, NodeError> {
    let (library, packages) = package::load(&config.store.data, &config.validation.require)?;
    for one in packages {
        let (name, version) = (&one.name, &one.version);
        tracing::info!(%name, %version, profiles = one.profiles, missing = ?one.missing, "a package of profiles is loaded");
    }
    Ok(library)
}

/// The store that is configured: the shared one if it is named, else the SQLite file.
pub fn open_store(config: &StoreConfig) -> Result<Handle, StoreError> {
    Ok(match &config.postgres {
        Some(settings) => Handle::new(Arc::new(PostgresStore::open(settings)?)),
        None => Handle::new(Arc::new(SqliteStore::open_with(&config.database(), MasterSource::of(config))?)),
    })
}

fn load_identity(config: &Config, purpose: Purpose) -> Result<Identity, NodeError> {
    let folder = config.store.keys();
    let identity = Identity::load(&folder)?;
    let shown = || folder.display().to_string();
    if purpose == Purpose::Care && identity::is_example(&identity) {
        return Err(NodeError::ExampleKeys(shown()));
    }
    if identity.institution() != config.institution.id {
        return Err(NodeError::OtherInstitution {
            folder: shown(),
            found: identity.institution().to_owned(),
            configured: config.institution.id.clone(),
        });
    }
    Ok(identity)
}

impl Node {
    /// Opens every part and starts serving. When it returns, the doors are open.
    pub async fn start(config: &Config, purpose: Purpose) -> Result<Self, NodeError> {
        let parts = Parts::open(config, purpose)?;
        let store = parts.here.store.clone();
        if store.is_doubtful() {
            let checked = tokio::task::spawn_blocking(move || store.check()).await;
            checked.unwrap_or(Err(crate::store::StoreError::Closed))?;
        } else {
            tokio::spawn(care::check(store));
        }
        let inside = bind("inside", &config.inside.listen).await?;
        let outside = bind("outside", &config.outside.listen).await?;
        let mut feeds = Vec::new();
        for feed in config.mllp.doors() {
            let listener = bind("mllp", &feed.listen).await?;
            feeds.push((feed, listener));
        }
        let doors = doors(config, &inside, &outside, &feeds)?;
        let (shutdown, stop) = watch::channel(false);
        let mut node = Self {
            parts,
            doors,
            wake: Arc::new(Notify::new()),
            shutdown,
            tasks: JoinSet::new(),
            names: HashMap::new(),
        };
        let wake = Arc::clone(&node.wake);
        node.parts.here.store.on_work(move || wake.notify_one());
        node.serve_inside(inside, config, &stop)?;
        node.serve_outside(outside, config, purpose, &stop)?;
        for (feed, listener) in feeds {
            let Parts { here, intake } = &node.parts;
            let door = mllp::Door::open(listener, &feed, &config.mllp, intake, &here.identity)?;
            node.run("an HL7 v2 door", mllp::serve(door, stop.clone()));
        }
        let filing = filing::worker::run(node.parts.here.clone(), stop.clone());
        node.run("the filing into local systems", filing);
        let exports = exports::worker::run(
            node.parts.here.clone(),
            config.access.clone(),
            config.fhir.export_hours,
            stop.clone(),
        );
        node.run("the exports", exports);
        let store = node.parts.here.store.clone();
        node.run("the disk of the database", care::watch_disk(store.clone(), stop.clone()));
        node.run("the care of the store", care::run(store.clone(), stop.clone()));
        let clock = Arc::clone(&node.parts.here.clock);
        let backups = keeping::schedule::run(Arc::new(config.clone()), store, clock, stop.clone());
        node.run("the making of backups", backups);
        let signing = checkpoint::run(node.parts.here.clone(), stop.clone());
        node.run("the signing of the audit trails", signing);
        node.deliver(stop);
        Ok(node)
    }

    fn serve_inside(
        &mut self,
        listener: TcpListener,
        config: &Config,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), NodeError> {
        let here = &self.parts.here;
        let pages = PageState::new(here.clone(), Arc::clone(&self.wake), config);
        let listens = || format!("https://{}", self.doors.inside);
        let base = config.inside.public_url.clone().unwrap_or_else(listens).into();
        let smart = SmartState::new(here.clone(), base, config.access.clone());
        let app = routes::inside(pages, config.fhir.clone(), smart);
        let work = listen::serve_inside(listener, &here.identity, config.inside.clone(), app, stop.clone())?;
        self.run("the inside door", work);
        Ok(())
    }

    fn serve_outside(
        &mut self,
        listener: TcpListener,
        config: &Config,
        purpose: Purpose,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), NodeError> {
        let here = self.parts.here.clone();
        let policy =
            CohortPolicy { answer_peers: purpose == Purpose::Demo, ..CohortPolicy::of(&config.cohort, &config.access) };
        let app = routes::outside(here.clone(), OutsideUrl(self.doors.outside_url.clone()), policy);
        let work = outside::serve_outside(listener, here, config.outside.clone(), app, stop.clone())?;
        self.run("the outside door", work);
        Ok(())
    }

    fn deliver(&mut self, stop: watch::Receiver<bool>) {
        let work = deliver::run(
            self.parts.here.clone(),
            Arc::new(Https::new()),
            Arc::new(Delivered),
            Arc::clone(&self.wake),
            stop,
        );
        self.run("the delivery of messages", work);
    }

    fn run(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(work).id();
        self.names.insert(id, name);
    }

    /// Returns when a part of the node ends though nobody stopped it, with its name. A node without one of its parts
    /// looks open and is not.
    pub async fn part_ended(&mut self) -> &'static str {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return "every part of the node",
        };
        self.names.get(&id).copied().unwrap_or("a part of the node")
    }

    /// Closes the doors, finishes what is under way, and stops.
    pub async fn stop(mut self) {
        let _ = self.shutdown.send(true);
        self.wake.notify_waiters();
        while self.tasks.join_next().await.is_some() {}
        let here = self.parts.here;
        let signed = tokio::task::spawn_blocking(move || checkpoint::write(&here, &mut HashMap::new())).await;
        if let Ok(Err(error)) = signed {
            tracing::warn!(%error, "the audit trails could not be signed at the end");
        }
    }
}

async fn bind(door: &'static str, address: &str) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|cause| NodeError::Listen { door, address: address.to_owned(), cause })
}

fn doors(
    config: &Config,
    inside: &TcpListener,
    outside: &TcpListener,
    feeds: &[(MllpFeedConfig, TcpListener)],
) -> Result<Doors, NodeError> {
    let address = |door: &'static str, listener: &TcpListener| {
        listener.local_addr().map_err(|cause| NodeError::Listen { door, address: String::new(), cause })
    };
    let outside_address = address("outside", outside)?;
    let feeds: Result<Vec<_>, NodeError> =
        feeds.iter().map(|(feed, listener)| Ok((feed.name.clone(), address("mllp", listener)?))).collect();
    let feeds = feeds?;
    Ok(Doors {
        inside: address("inside", inside)?,
        outside: outside_address,
        mllp: config.mllp.listen.as_ref().and_then(|_| feeds.first().map(|(_, address)| *address)),
        feeds: feeds.into_iter().skip(usize::from(config.mllp.listen.is_some())).collect(),
        outside_url: config.outside.public_url.clone().unwrap_or_else(|| format!("https://{outside_address}")),
    })
}

/// Whether a data folder holds a node already.
pub fn is_initialised(data: &Path) -> bool {
    data.join("keys").join("tls.pem").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_by_itself_is_told_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.store.data = folder.path().to_owned();
        for listen in [&mut config.inside.listen, &mut config.outside.listen] {
            "127.0.0.1:0".clone_into(listen);
        }
        config.mllp.listen = None;
        Identity::create(&config.store.keys(), &config.institution.id, &[], SystemClock.now()).unwrap();
        let mut node = Node::start(&config, Purpose::Care).await.unwrap();
        let unharmed = tokio::time::timeout(std::time::Duration::from_millis(50), node.part_ended()).await;
        assert!(unharmed.is_err(), "{unharmed:?}");
        node.run("the broken part", async { panic!("as a defect would") });
        assert_eq!(node.part_ended().await, "the broken part");
        node.stop().await;
    }
}
