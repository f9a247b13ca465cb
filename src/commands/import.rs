//! `watari import`: takes records into a node's store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::{Context, Failure, Outcome, SOME_REFUSED};
use crate::intake::{self, Intake, IntakeError, Summary, folder};
use crate::node::Purpose;
use crate::translate::csv::CsvMapping;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the input is.
    #[arg(value_parser = ["hl7v2", "ssmix2", "csv", "ccda", "fhir"])]
    from: String,
    /// Files or folders.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Mapping file of a CSV input.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Keep watching the folders (not built in this release).
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    if args.watch {
        return Err(Failure::usage(
            "--watch is not built in this release; run the import again, repeats change nothing",
        ));
    }
    let mapping = csv_mapping(args)?;
    let (_, parts) = context.parts(Purpose::Demo)?;
    let started = parts.here.clock.now();
    let mut summary = Summary::default();
    for path in &args.paths {
        summary.add(&take(&parts.intake, &args.from, path, mapping.as_ref())?);
    }
    let seconds = parts.here.clock.now().duration_since(started).as_secs_f64();
    let value = json!({
        "received": summary.received,
        "translated": summary.translated,
        "quarantined": summary.quarantined,
        "resources": summary.resources,
        "skipped": summary.skipped,
        "seconds": seconds,
    });
    let text = format!(
        "received {}, translated {}, quarantined {}; {} resources written in {seconds:.1} s",
        summary.received, summary.translated, summary.quarantined, summary.resources
    );
    context.print(&value, &text);
    Ok(if summary.quarantined > 0 { ExitCode::from(SOME_REFUSED) } else { ExitCode::SUCCESS })
}

fn csv_mapping(args: &Args) -> Result<Option<CsvMapping>, Failure> {
    if args.from != "csv" {
        return Ok(None);
    }
    let path = args
        .mapping
        .as_ref()
        .ok_or_else(|| Failure::usage("a CSV input needs --mapping FILE; config/mappings/csv has examples"))?;
    let text = std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(Some(CsvMapping::load(&text, &path.display().to_string())?))
}

fn take(intake: &Intake, from: &str, path: &Path, mapping: Option<&CsvMapping>) -> Result<Summary, IntakeError> {
    let mut skipped = |name: &str| eprintln!("skipped {name}");
    match (from, mapping) {
        ("hl7v2", _) => intake::hl7v2::import(intake, path, &mut skipped),
        ("ssmix2", _) => intake::ssmix2::import(intake, path, &mut skipped),
        ("ccda", _) => intake::ccda::import(intake, path, &mut skipped),
        ("fhir", _) => intake::fhir::import(intake, path, &mut skipped),
        (_, Some(mapping)) => {
            let mut summary = Summary::default();
            for file in folder::files(path)? {
                summary.add(&intake::csv::import(intake, &file, &folder::below(path, &file), mapping)?);
            }
            Ok(summary)
        }
        (_, None) => Ok(Summary::default()),
    }
}
