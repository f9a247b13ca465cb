//! `watari package`: the FHIR packages whose profiles a node holds resources to.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Context, Outcome};
use crate::validation::package::{self, Summary};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Add a package, or another version of one that is there. A running node takes it up when it is started anew.
    Add {
        /// The package, as its publisher gives it.
        #[arg(value_name = "FILE.tgz")]
        file: PathBuf,
    },
    /// List the packages.
    List,
    /// Remove a package.
    Remove {
        /// Its name, as `list` tells it.
        name: String,
    },
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let data = context.config()?.store.data;
    match &args.verb {
        Verb::Add { file } => {
            let added = package::add(&data, file)?;
            context.print(&json!({"added": added}), &told(&added));
        }
        Verb::List => {
            let all = package::list(&data)?;
            let lines: Vec<String> = all.iter().map(told).collect();
            let text = if lines.is_empty() { "No package was added.".to_owned() } else { lines.join("\n") };
            context.print(&json!({"packages": all}), &text);
        }
        Verb::Remove { name } => {
            package::remove(&data, name)?;
            context.print(&json!({"removed": name}), &format!("{name} is removed."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(summary: &Summary) -> String {
    let Summary { name, version, profiles, terminology, missing, remarks, .. } = summary;
    let mut text =
        format!("{name} {version}: {profiles} profiles and extensions, {terminology} value sets and code systems");
    if !missing.is_empty() {
        text.push_str(&format!("\n  needs, and does not find: {}", missing.join(", ")));
    }
    for remark in remarks {
        text.push_str(&format!("\n  not understood: {remark}"));
    }
    text
}
