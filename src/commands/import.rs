//! `watari import`: takes records into a node's store.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Context, Failure, Outcome, SOME_REFUSED, runtime, serve};
use crate::intake::feed::Feed;
use crate::intake::watch::Pace;
use crate::intake::{self, Intake, Summary, Told};
use crate::node::Purpose;
use crate::translate::csv::CsvMapping;

/// What can be taken in.
const KINDS: [&str; 6] = ["hl7v2", "ssmix2", "csv", "sql", "ccda", "fhir"];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the input is: hl7v2, ssmix2, csv, sql, ccda, fhir. It may be given as the first word instead.
    #[arg(long, value_name = "KIND")]
    from: Option<String>,
    /// Files or folders.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Mapping file of a CSV input or an SQL extract.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Take in only what is new or changed since the last time.
    #[arg(long)]
    incremental: bool,
    /// Take in what is new, and go on with what is written there until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let (from, paths) = kind_and_paths(args)?;
    let feed = feed(args, &from)?;
    if args.watch && from == "sql" {
        return Err(Failure::usage("a database is not watched; run the import again with --incremental"));
    }
    if args.watch && paths.len() != 1 {
        return Err(Failure::usage("--watch takes one folder"));
    }
    let (config, parts) = context.parts(Purpose::Demo)?;
    let started = parts.here.clock.now();
    let progress = Progress::new(context.json);
    let mut tell = |told: Told<'_>| progress.tell(told);
    let mut summary = Summary::default();
    for path in &paths {
        summary.add(&if args.watch {
            let pace = Pace {
                settle: Duration::from_secs(config.intake.settle_seconds.max(1)),
                rescan: Duration::from_secs(config.intake.rescan_seconds.max(1)),
            };
            watch(&parts.intake, &feed, path, pace)?
        } else if let (Feed::Csv(mapping), "sql") = (&feed, from.as_str()) {
            let source =
                mapping.source().ok_or_else(|| Failure::usage("the mapping file has no [source] with a query"))?;
            intake::sql::import(&parts.intake, path, mapping, source, args.incremental)?
        } else if args.incremental {
            intake::feed::import_new(&parts.intake, &feed, path, &mut tell)?
        } else {
            intake::feed::import(&parts.intake, &feed, path, &mut tell)?
        });
    }
    progress.end();
    let seconds = parts.here.clock.now().duration_since(started).as_secs_f64();
    context.print(&as_json(&summary, seconds), &as_text(&summary, seconds));
    Ok(if summary.quarantined > 0 { ExitCode::from(SOME_REFUSED) } else { ExitCode::SUCCESS })
}

/// `--from KIND PATH…` or `KIND PATH…`.
fn kind_and_paths(args: &Args) -> Result<(String, Vec<PathBuf>), Failure> {
    let (kind, paths) = match &args.from {
        Some(kind) => (kind.clone(), args.paths.clone()),
        None => {
            let first = args.paths.first().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
            (first, args.paths.iter().skip(1).cloned().collect())
        }
    };
    if !KINDS.contains(&kind.as_str()) {
        return Err(Failure::usage(format!("there is no input {kind:?}; there are {}", KINDS.join(", "))));
    }
    if paths.is_empty() {
        return Err(Failure::usage(format!("name the files or folders to take in: watari import {kind} PATH")));
    }
    Ok((kind, paths))
}

fn feed(args: &Args, from: &str) -> Result<Feed, Failure> {
    Ok(match from {
        "hl7v2" => Feed::Hl7v2,
        "ssmix2" => Feed::Ssmix2,
        "fhir" => Feed::Fhir,
        "ccda" => Feed::Ccda,
        _ => {
            let path = args.mapping.as_ref().ok_or_else(|| {
                Failure::usage("a CSV input or an SQL extract needs --mapping FILE; config/mappings/csv has examples")
            })?;
            Feed::Csv(Box::new(mapping(path)?))
        }
    })
}

fn mapping(path: &Path) -> Result<CsvMapping, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(CsvMapping::load(&text, &path.display().to_string())?)
}

/// Watches until Ctrl-C or SIGTERM; what is under way is finished.
fn watch(intake: &Intake, feed: &Feed, path: &Path, pace: Pace) -> Result<Summary, Failure> {
    // Named now rather than by the first look at it: a folder that is not there is a slip of the hand.
    intake::folder::pieces(path)?;
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = runtime()?;
    let heard = Arc::clone(&stop);
    runtime.spawn(async move {
        let _ = serve::stop_signal().await;
        heard.store(true, Ordering::Relaxed);
    });
    eprintln!("watching {}; stop with Ctrl-C", path.display());
    let mut tell = |told: Told<'_>| {
        if let Told::Warning { source, text } = told {
            eprintln!("{source}: {text}");
        }
    };
    let summary = intake::watch::watch(intake, feed, path, pace, &stop, &mut tell)?;
    runtime.shutdown_background();
    Ok(summary)
}

fn as_json(summary: &Summary, seconds: f64) -> serde_json::Value {
    json!({
        "received": summary.received,
        "translated": summary.translated,
        "quarantined": summary.quarantined,
        "resources": summary.resources,
        "skipped": summary.skipped,
        "unchanged": summary.unchanged,
        "warnings": summary.warnings,
        "seconds": seconds,
    })
}

fn as_text(summary: &Summary, seconds: f64) -> String {
    let Summary { received, translated, quarantined, resources, skipped, unchanged, warnings } = summary;
    let mut text = format!(
        "received {received}, translated {translated}, quarantined {quarantined}; {resources} resources written in \
         {seconds:.1} s"
    );
    for (count, what) in [(unchanged, "unchanged"), (skipped, "skipped"), (warnings, "warnings")] {
        if *count > 0 {
            text.push_str(&format!("; {count} {what}"));
        }
    }
    if *quarantined > 0 {
        text.push_str("\nwhy some are quarantined is on the messages page");
    }
    text
}

/// A bar on a terminal; lines about what is passed over everywhere.
struct Progress(ProgressBar);

impl Progress {
    fn new(json: bool) -> Self {
        let bar = if !json && std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} files, {per_sec}, {eta} left");
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    fn tell(&self, told: Told<'_>) {
        match told {
            Told::Found(files) => self.0.inc_length(files),
            Told::Done(_) => self.0.inc(1),
            Told::Skipped(name) => self.0.suspend(|| eprintln!("skipped {name}")),
            Told::Warning { source, text } => self.0.suspend(|| eprintln!("{source}: {text}")),
        }
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
