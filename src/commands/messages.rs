//! `watari messages`: what came in, what became of it, and what was lost on the way. The content itself is shown by the
//! pages only, where showing it is audited.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, Failure, Outcome, told};
use crate::node::Purpose;
use crate::store::messages::{MessageFilter, MessageRecord, MessageStatus};
use crate::translate::losses::LossReport;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// The messages that came in, newest first.
    List {
        /// Only those that are kept aside.
        #[arg(long)]
        quarantined: bool,
        /// Only of this door: mllp, hl7v2, ssmix2, csv, fhir.
        #[arg(long)]
        feed: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 50)]
        top: usize,
    },
    /// One message: what became of it and of each of its fields.
    Show {
        /// Its id, as `list` gives it.
        id: String,
        /// Every field, not only what is in no element.
        #[arg(long)]
        losses: bool,
    },
    /// Not built in this release: import the source again.
    Release { id: String },
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    match &args.verb {
        Verb::List { quarantined, feed, top } => {
            let status = quarantined.then_some(MessageStatus::Quarantined);
            let filter = MessageFilter { status, channel: feed.clone(), limit: *top, offset: 0 };
            let (_, parts) = context.parts(Purpose::Demo)?;
            let messages = parts.here.store.view(|view| view.messages(&filter)).map_err(Failure::from)?;
            let values: Vec<Value> = messages.iter().map(about).collect();
            let lines: Vec<String> = messages.iter().map(line).collect();
            context.print(&json!(values), &lines.join("\n"));
        }
        Verb::Show { id, losses } => {
            let (_, parts) = context.parts(Purpose::Demo)?;
            let message = parts.here.store.view(|view| view.message(id)).map_err(Failure::from)?;
            let message = message.ok_or_else(|| Failure::failed(format!("no message has the id {id}")))?;
            told(&parts, &format!("message/{id}"))?;
            let report: LossReport =
                message.losses.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let mut value = about(&message);
            value["losses"] = json!(report);
            let fields = if *losses { report.ndjson(&message.id) } else { report.readable() };
            context.print(&value, format!("{}\n{fields}", line(&message)).trim_end());
        }
        Verb::Release { .. } => {
            return Err(Failure::usage(
                "`watari messages release` is not built in this release; import the source again",
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn about(message: &MessageRecord) -> Value {
    let resources: Value = serde_json::from_str(&message.resources).unwrap_or_default();
    json!({
        "id": message.id,
        "received_at": message.received_at,
        "channel": message.channel,
        "kind": message.kind,
        "control_id": message.control_id,
        "sha256": message.sha256,
        "status": message.status.as_str(),
        "reason": message.reason,
        "resources": resources,
    })
}

fn line(message: &MessageRecord) -> String {
    let MessageRecord { id, received_at, channel, kind, .. } = message;
    let reason = message.reason.as_deref().map_or_else(String::new, |reason| format!("\n    {reason}"));
    format!("{id}  {received_at}  {channel:<7} {kind:<12} {}{reason}", message.status.as_str())
}
