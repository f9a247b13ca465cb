//! `watari filing`: what goes into the institution's own systems, and what was given up.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, Failure, Outcome};
use crate::node::Purpose;
use crate::store::filings::Filing;
use crate::store::{Change, Changes, StoreError};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Messages for local systems: those given up, those that wait, and those filed.
    List {
        /// Only these: queued, filed or dead.
        #[arg(long, value_parser = ["queued", "filed", "dead"], value_name = "STATUS")]
        status: Option<String>,
    },
    /// Have a message that was given up tried again, with the same bytes and control id.
    Retry {
        /// Id of the message, from `list`.
        id: String,
    },
}

/// Most messages listed of each status.
const LISTED: usize = 1000;

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let (_, parts) = context.parts(Purpose::Demo)?;
    let store = &parts.here.store;
    match &args.verb {
        Verb::List { status } => {
            let wanted: Vec<&str> = status.as_deref().map_or(vec!["dead", "queued", "filed"], |one| vec![one]);
            let all = store.view(|view| {
                let mut all = Vec::new();
                for status in wanted {
                    all.extend(view.filings(status, LISTED)?);
                }
                Ok::<_, StoreError>(all)
            })?;
            let lines: Vec<String> = all.iter().map(line).collect();
            context.print(&Value::Array(all.iter().map(shown).collect()), &lines.join("\n"));
        }
        Verb::Retry { id } => {
            let found = store.view(|view| view.filing(id))?;
            let found: Filing = found.ok_or_else(|| Failure::failed(format!("there is no message {id:?}")))?;
            if found.status != "dead" {
                return Err(Failure::failed(format!("message {id} is {}, not given up", found.status)));
            }
            let error = format!("tried again by hand; before: {}", found.last_error.as_deref().unwrap_or("-"));
            let retry = Change::RetryFiling { id: id.clone(), at: parts.here.now(), error };
            store.commit(Changes::new().with(retry))?;
            context.print(&json!({"id": id, "status": "queued"}), &format!("{id} will be tried again."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(filing: &Filing) -> String {
    let told = filing.answer.as_deref().or(filing.last_error.as_deref()).unwrap_or("");
    format!(
        "{}  {:<6}  {:<8}  {}  {}  attempts {}  {told}",
        filing.id, filing.status, filing.kind, filing.destination, filing.created_at, filing.attempts
    )
}

fn shown(filing: &Filing) -> Value {
    json!({
        "id": filing.id, "status": filing.status, "kind": filing.kind, "destination": filing.destination,
        "referral": filing.referral, "control_id": filing.control_id, "created_at": filing.created_at,
        "next_attempt_at": filing.next_attempt_at, "attempts": filing.attempts, "last_error": filing.last_error,
        "answer": filing.answer, "filed_at": filing.filed_at,
    })
}
