//! `watari cohort`: check and run cohort questions.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Context, Failure, Outcome, runtime};
use crate::access::{Role, Staff};
use crate::cohort::answer::CohortPolicy;
use crate::cohort::{self, question};
use crate::node::Purpose;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// The node handles invented people only; accepts the published example keys.
    #[arg(long, global = true)]
    demo: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Say whether a question can be asked, and its id.
    Check {
        /// The question (schemas/cohort-question.schema.json).
        file: PathBuf,
    },
    /// Ask the own node and every paired one.
    Run {
        /// The question.
        file: PathBuf,
    },
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Check { file } => {
            let checked = question::check(&read(file)?)?;
            let sha256 = checked.sha256();
            context
                .print(&json!({"question_sha256": sha256}), &format!("The question can be asked. Its id is {sha256}."));
        }
        Verb::Run { file } => {
            let bytes = read(file)?;
            let purpose = if args.demo { Purpose::Demo } else { Purpose::Care };
            let (config, parts) = context.parts(purpose)?;
            let staff = Staff { user: "user:command-line".to_owned(), role: Role::Researcher };
            let policy = CohortPolicy::of(&config.cohort, &config.access);
            let within = Duration::from_secs(config.exchange.attempt_seconds);
            let sha256 = runtime()?.block_on(cohort::ask(&parts.here, &staff, &bytes, &policy, within))?;
            let result: Value = parts.here.store.view(|view| cohort::result_json(view, &sha256))?;
            let text = serde_json::to_string_pretty(&result).unwrap_or_default();
            context.print(&result, &text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &PathBuf) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}
