//! `watari demo`: two nodes on this machine, Toronto and Tokyo, with databases, keys and doors of their own, and the
//! story of one case, played through the public doors (MLLP sockets, folders, HTTPS) with invented people. Every step
//! is checked by what can be seen from outside.

mod checks;
mod cohort_act;
mod intake_act;
mod mllp_sender;
mod person;
mod population;
mod referral_act;
mod report;
mod samples;
mod security_act;
mod site;
mod tale;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use report::Report;

use checks::Checks;
use site::Site;
use tale::Tale;

/// How often it is tried again to remove the folder, and how long after.
const TRIES: usize = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// What the demo is asked to do.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Folder for the two nodes; absent: a temporary one, removed at the end.
    pub data: Option<PathBuf>,
    /// Further HL7 v2 files for Toronto.
    pub toronto_hl7v2: Option<PathBuf>,
    /// Further CSV files for Toronto, each by the mapping that its columns fit.
    pub toronto_csv: Option<PathBuf>,
    /// A further SS-MIX2 storage for Tokyo.
    pub tokyo_ssmix2: Option<PathBuf>,
    /// Further FHIR files, taken in by both nodes.
    pub fhir: Option<PathBuf>,
    /// Tell the story on standard output.
    pub tell: bool,
}

/// The demo cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A node does not start.
    #[error(transparent)]
    Node(#[from] crate::node::NodeError),
    /// A folder cannot be written.
    #[error("{path}: {cause}")]
    Folder {
        /// Which.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// A step of the story did not come to its end; the checks tell more.
    #[error("{0}")]
    Story(String),
    /// A folder given cannot be taken in.
    #[error(transparent)]
    Intake(#[from] crate::intake::IntakeError),
    /// The store of a node.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl crate::fault::Classified for DemoError {
    fn kind(&self) -> crate::fault::Kind {
        match self {
            Self::Story(_) => crate::fault::Kind::Internal,
            _ => crate::fault::Kind::Configuration,
        }
    }
}

/// The two nodes after the story, still open for looking around.
pub struct Demo {
    /// What happened, and whether every check passed.
    pub report: Report,
    toronto: Site,
    tokyo: Site,
    folder: Folder,
}

/// Plays the story and leaves the nodes open.
pub async fn play(options: &Options) -> Result<Demo, DemoError> {
    let started = Instant::now();
    let folder = Folder::open(options.data.as_ref())?;
    let mut tale = Tale::new(options.tell);
    let mut checks = Checks::new();
    let toronto = Site::open(&folder.path, site::TORONTO).await?;
    let tokyo = Site::open(&folder.path, site::TOKYO).await?;
    tale.opening(&toronto, &tokyo);

    let taken = intake_act::play(options, &folder.path, &toronto, &tokyo, &mut tale, &mut checks).await?;
    referral_act::pair(&toronto, &tokyo, &mut tale, &mut checks).await?;
    let referral = referral_act::play(&toronto, &tokyo, &mut tale, &mut checks).await?;
    let cohort = cohort_act::play(&toronto, &tokyo, &mut tale, &mut checks).await?;
    security_act::play(&toronto, &tokyo, &mut tale, &mut checks).await?;

    let nodes = vec![report::node(&toronto, taken.toronto_skipped)?, report::node(&tokyo, taken.tokyo_skipped)?];
    checks.counts_add_up(&nodes);
    let report = Report {
        ok: checks.all_passed(),
        nodes,
        referral,
        cohort,
        checks: checks.into_list(),
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    tale.closing(&report, &toronto, &tokyo);
    Ok(Demo { report, toronto, tokyo, folder })
}

impl Demo {
    /// Closes both nodes and removes what was temporary.
    pub async fn close(self) {
        self.toronto.close().await;
        self.tokyo.close().await;
        drop(self.folder);
    }
}

/// Where the two nodes live.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn open(given: Option<&PathBuf>) -> Result<Self, DemoError> {
        let (path, temporary) = match given {
            Some(path) => (path.clone(), false),
            None => (std::env::temp_dir().join(format!("watari-demo-{}", crate::ids::fresh())), true),
        };
        std::fs::create_dir_all(&path)
            .map_err(|cause| DemoError::Folder { path: path.display().to_string(), cause })?;
        for node in [site::TORONTO.id, site::TOKYO.id] {
            if path.join(node).exists() {
                return Err(DemoError::Story(format!(
                    "{} holds an earlier demo; remove it or give another folder with --data",
                    path.join(node).display()
                )));
            }
        }
        Ok(Self { path, temporary })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = remove(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the demo's folder was not removed");
        }
    }
}

/// Removes a folder. Where the story was broken off, a node that is being closed may still write into it: tried again.
fn remove(path: &Path) -> std::io::Result<()> {
    for _ in 0..TRIES {
        if std::fs::remove_dir_all(path).is_ok() {
            return Ok(());
        }
        std::thread::sleep(BETWEEN_TRIES);
    }
    std::fs::remove_dir_all(path)
}
