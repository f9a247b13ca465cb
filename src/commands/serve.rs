//! `watari serve`: runs the node until it is told to stop.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::{Context, Failure, Outcome, runtime};
use crate::config::Config;
use crate::intake;
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
    tokio::task::spawn_blocking(scan_folders(config.clone(), node.parts.clone()));
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

/// Takes in the configured folders and files that are not known yet.
fn scan_folders(config: Config, parts: Parts) -> impl FnOnce() + Send {
    move || {
        for folder in &config.intake.ssmix2 {
            let taken = intake::ssmix2::import_new(&parts.intake, &folder.path);
            tell(&folder.path.display().to_string(), taken);
        }
        for feed in &config.intake.csv {
            let name = intake::folder::below(&feed.path, &feed.path);
            let taken = std::fs::read_to_string(&feed.mapping)
                .map_err(|cause| cause.to_string())
                .and_then(|text| {
                    CsvMapping::load(&text, &feed.mapping.display().to_string()).map_err(|error| error.to_string())
                })
                .map(|mapping| intake::csv::import_new(&parts.intake, &feed.path, &name, &mapping));
            match taken {
                Ok(taken) => tell(&name, taken),
                Err(error) => tracing::error!(mapping = %feed.mapping.display(), %error, "a mapping does not compile"),
            }
        }
    }
}

fn tell(name: &str, taken: Result<intake::Summary, intake::IntakeError>) {
    match taken {
        Ok(summary) => tracing::info!(
            feed = name,
            received = summary.received,
            translated = summary.translated,
            quarantined = summary.quarantined,
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
