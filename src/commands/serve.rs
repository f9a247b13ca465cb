//! `watari serve`: runs the node until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::{Context, Failure, Outcome, runtime};
use crate::config::{Config, FolderKind};
use crate::intake::feed::Feed;
use crate::intake::watch::Pace;
use crate::intake::{self, Told};
use crate::node::{Doors, Node, Parts, Purpose};
use crate::translate::csv::CsvMapping;

/// How long work that cannot be interrupted may still take after the doors are closed.
pub(super) const LAST_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Check the configuration, keys, database and mappings, and exit.
    #[arg(long)]
    check: bool,
    /// This node handles invented people only: the published example keys are accepted, and cohort questions of
    /// paired nodes are answered with the thin protection of this release. Never with real patients.
    #[arg(long)]
    demo: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let purpose = if args.demo { Purpose::Demo } else { Purpose::Care };
    let config = context.config()?;
    if args.check {
        Parts::open(&config, purpose)?;
        context.print(&json!({"ok": true}), "The configuration, keys, database and mappings are good.");
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = runtime()?;
    let outcome = runtime.block_on(serve(context, &config, purpose));
    // What is still read of a folder is taken in at the next start: each record is a commit of its own.
    runtime.shutdown_timeout(LAST_WAIT);
    outcome
}

async fn serve(context: &Context, config: &Config, purpose: Purpose) -> Outcome {
    let mut node = Node::start(config, purpose).await?;
    tracing::info!(
        institution = %config.institution.id,
        version = env!("CARGO_PKG_VERSION"),
        data = %config.store.data.display(),
        "the node is open"
    );
    context.print(&addresses(&node.doors), &greeting(config, &node.doors));
    let stop = Arc::new(AtomicBool::new(false));
    tokio::task::spawn_blocking(take_in(config.clone(), node.parts.clone(), Arc::clone(&stop)));
    let outcome = tokio::select! {
        heard = stop_signal() => match heard {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(Failure::failed(format!("signals cannot be heard: {error}"))),
        },
        part = node.part_ended() => {
            tracing::error!(part, "a part of the node ended by itself");
            Err(Failure::failed(format!("{part} ended by itself; the node is closed")))
        }
    };
    tracing::info!("the node is closing");
    stop.store(true, Ordering::Relaxed);
    node.stop().await;
    outcome
}

fn addresses(doors: &Doors) -> serde_json::Value {
    let mut value = json!({
        "inside": format!("https://{}", doors.inside),
        "outside": doors.outside_url,
    });
    if let Some(mllp) = doors.mllp {
        value["mllp"] = json!(mllp.to_string());
    }
    for (name, address) in &doors.feeds {
        value["feeds"][name] = json!(address.to_string());
    }
    value
}

fn greeting(config: &Config, doors: &Doors) -> String {
    let feeds = doors.feeds.iter().map(|(name, address)| format!("mllp://{address} ({name})"));
    let all: Vec<String> = doors.mllp.map(|address| format!("mllp://{address}")).into_iter().chain(feeds).collect();
    let mllp = if all.is_empty() { "closed".to_owned() } else { all.join("  ") };
    format!(
        "{name} is open.\n  inside   https://{inside}   people and local systems\n  outside  {outside}   paired institutions\n  \
         HL7 v2   {mllp}\nStop with Ctrl-C.",
        name = config.institution.name.en,
        inside = doors.inside,
        outside = doors.outside_url,
    )
}

/// Takes in the configured folders and files that are not known yet, one after the other, then watches those that say so,
/// each on a thread of its own, until `stop`.
fn take_in(config: Config, parts: Parts, stop: Arc<AtomicBool>) -> impl FnOnce() + Send {
    move || {
        let mut watched = Vec::new();
        for (feed, path, watch) in feeds(&config) {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if watch {
                watched.push((feed, path));
            } else {
                tell(&path.display().to_string(), intake::feed::import_new(&parts.intake, &feed, &path, &mut warn));
            }
        }
        let pace = Pace {
            settle: Duration::from_secs(config.intake.settle_seconds.max(1)),
            rescan: Duration::from_secs(config.intake.rescan_seconds.max(1)),
        };
        std::thread::scope(|threads| {
            for (feed, path) in &watched {
                let (parts, stop) = (&parts, &stop);
                threads.spawn(move || {
                    let taken = intake::watch::watch(&parts.intake, feed, path, pace, stop, &mut warn);
                    tell(&path.display().to_string(), taken);
                });
            }
        });
    }
}

/// The configured feeds, with their paths and whether they are watched.
fn feeds(config: &Config) -> Vec<(Feed, PathBuf, bool)> {
    let mut feeds = Vec::new();
    for storage in &config.intake.ssmix2 {
        feeds.push((Feed::Ssmix2, storage.path.clone(), storage.watch));
    }
    for folder in &config.intake.folder {
        let feed = match folder.from {
            FolderKind::Hl7v2 => Feed::Hl7v2,
            FolderKind::Fhir => Feed::Fhir,
            FolderKind::Ccda => Feed::Ccda,
        };
        feeds.push((feed, folder.path.clone(), folder.watch));
    }
    for table in &config.intake.csv {
        let mapping = std::fs::read_to_string(&table.mapping).map_err(|cause| cause.to_string()).and_then(|text| {
            CsvMapping::load(&text, &table.mapping.display().to_string()).map_err(|error| error.to_string())
        });
        match mapping {
            Ok(mapping) => feeds.push((Feed::Csv(Box::new(mapping)), table.path.clone(), table.watch)),
            Err(error) => tracing::error!(mapping = %table.mapping.display(), %error, "a mapping does not compile"),
        }
    }
    feeds
}

/// Only what a person should know goes to the log: file names may hold patient numbers.
fn warn(told: Told<'_>) {
    if let Told::Warning { text, .. } = told {
        tracing::warn!(warning = text, "a file of a feed");
    }
}

fn tell(name: &str, taken: Result<intake::Summary, intake::IntakeError>) {
    match taken {
        Ok(summary) => tracing::info!(
            feed = name,
            received = summary.received,
            translated = summary.translated,
            quarantined = summary.quarantined,
            unchanged = summary.unchanged,
            "a feed was taken in"
        ),
        Err(error) => tracing::error!(feed = name, %error, "a feed cannot be taken in"),
    }
}

/// Returns at Ctrl-C or, where there is one, SIGTERM.
pub(super) async fn stop_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
