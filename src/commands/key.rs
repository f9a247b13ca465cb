//! `watari key`: the keys that what is kept is sealed under.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Context, Failure, Outcome};
use crate::config::Config;
use crate::node::{Parts, Purpose};
use crate::store::audit::AuditEntry;
use crate::store::sealing::{MasterKey, MasterSource};
use crate::store::{Change, Changes, CommitError};

/// Values sealed anew in one commit.
const STEP: usize = 32;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a new data key and seal everything anew under it, beside a running node. Can be interrupted: the node goes on.
    Rotate {
        /// Only make the key; the running node seals what there is.
        #[arg(long)]
        later: bool,
    },
    /// Put the data keys under a new master key, beside a running node.
    Rewrap {
        /// File of the new master key; made if it does not exist.
        #[arg(long, value_name = "FILE", conflicts_with = "to_command")]
        to_file: Option<PathBuf>,
        /// Command that prints the new master key, with its arguments.
        #[arg(long, value_name = "WORD", num_args = 1.., allow_hyphen_values = true)]
        to_command: Vec<String>,
    },
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let (config, parts) = context.parts(Purpose::Demo)?;
    match &args.verb {
        Verb::Rotate { later } => rotate(context, &parts, *later),
        Verb::Rewrap { to_file, to_command } => rewrap(context, &config, &parts, to_file.clone(), to_command),
    }
}

fn rotate(context: &Context, parts: &Parts, later: bool) -> Outcome {
    let number = parts.here.store.rotate_data_key()?;
    audit(parts, "key.rotate", &format!("data-key/{number}"), "")?;
    let mut values = 0;
    let mut done = later;
    while !done {
        let step = parts.here.store.reseal(STEP)?;
        values += step.values;
        done = step.done;
    }
    let text = match later {
        true => format!("Data key {number} is in use; the running node seals what there is under it."),
        false => {
            format!("Data key {number} is in use; {values} values are sealed anew under it, earlier keys are gone.")
        }
    };
    context.print(&json!({"data_key": number, "resealed": values, "done": !later}), &text);
    Ok(ExitCode::SUCCESS)
}

fn rewrap(
    context: &Context,
    config: &Config,
    parts: &Parts,
    to_file: Option<PathBuf>,
    to_command: &[String],
) -> Outcome {
    let present = MasterSource::of(&config.store);
    let new = match (to_file, to_command) {
        (Some(path), _) => {
            if !path.exists() {
                MasterKey::create(&path)?;
            }
            MasterSource::File { path, may_create: false }
        }
        (None, []) => return Err(Failure::usage("say where the new master key is: --to-file FILE or --to-command …")),
        (None, words) => MasterSource::Command(words.to_vec()),
    };
    let id = parts.here.store.rewrap_data_keys(&new)?;
    audit(parts, "key.rewrap", &format!("master-key/{id}"), "")?;
    let text = format!(
        "The data keys are wrapped under master key {id}. Now let {} lead to it: until then a node that starts anew is \
         refused. A running one works on. Keep the earlier key as long as backups from before need it.",
        match &present {
            MasterSource::File { path, .. } => format!("{} or [store] master_key_file", path.display()),
            MasterSource::Command(_) => "[store] master_key_command".to_owned(),
        }
    );
    context.print(&json!({"master_key": id}), &text);
    Ok(ExitCode::SUCCESS)
}

fn audit(parts: &Parts, action: &str, target: &str, detail: &str) -> Result<(), CommitError> {
    let entry = AuditEntry {
        at: crate::clock::instant(parts.here.clock.now()),
        actor: "system".to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
        detail: detail.to_owned(),
    };
    parts.here.store.commit(Changes::new().with(Change::Audit(entry)))
}
