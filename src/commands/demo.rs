//! `watari demo`: two nodes on this machine, and the whole story.

use std::path::PathBuf;
use std::process::ExitCode;

use super::serve::{LAST_WAIT, stop_signal};
use super::{Context, Failure, Outcome, runtime};
use crate::demo::{self, Options};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Stop after the story instead of staying open for looking around.
    #[arg(long)]
    exit: bool,
    /// Folder for the two nodes [default: a temporary one, removed at the end].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Take in these HL7 v2 files at Toronto too (*.hl7).
    #[arg(long, value_name = "DIR")]
    toronto_hl7v2: Option<PathBuf>,
    /// Take in these CSV files at Toronto too (*.csv, with the columns of config/mappings/csv).
    #[arg(long, value_name = "DIR")]
    toronto_csv: Option<PathBuf>,
    /// Take in this SS-MIX2 storage at Tokyo too.
    #[arg(long, value_name = "DIR")]
    tokyo_ssmix2: Option<PathBuf>,
    /// Take in these FHIR files at both nodes too (*.json, *.ndjson).
    #[arg(long, value_name = "DIR")]
    fhir: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let stays = !args.exit;
    let options = Options {
        data: args.data,
        toronto_hl7v2: args.toronto_hl7v2,
        toronto_csv: args.toronto_csv,
        tokyo_ssmix2: args.tokyo_ssmix2,
        fhir: args.fhir,
        tell: !context.json,
    };
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let demo = tokio::select! {
            // First, so that the signal is heard before there is a folder to be removed.
            biased;
            heard = stop_signal() => return Err(stopped(heard)),
            demo = demo::play(&options) => demo?,
        };
        if context.json {
            let text = serde_json::to_string(&demo.report).map_err(|error| Failure::failed(error.to_string()))?;
            println!("{text}");
        }
        let ok = demo.report.ok;
        if stays {
            if !context.json {
                println!("\nBoth nodes stay open. Stop with Ctrl-C.");
            }
            stop_signal().await.map_err(|error| stopped(Err(error)))?;
        }
        demo.close().await;
        Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
    });
    runtime.shutdown_timeout(LAST_WAIT);
    outcome
}

/// The story came to no end.
fn stopped(heard: std::io::Result<()>) -> Failure {
    match heard {
        Ok(()) => Failure::failed("the demo was stopped"),
        Err(error) => Failure::failed(format!("signals cannot be heard: {error}")),
    }
}
