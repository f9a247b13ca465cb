//! `watari audit`: whether the trail holds, and whether a file of evidence proves what it says.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, Failure, Outcome, told};
use crate::audit::event::{Event, Sort};
use crate::audit::{self, Head, Verified, find};
use crate::clock::instant;
use crate::exchange::{checkpoint, evidence};
use crate::node::Purpose;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Walk the hash chains of both audit trails, of acts and of requests, and check all signed checkpoints.
    Verify {
        /// A head that was written down elsewhere: TRAIL:POSITION:HASH, or TRAIL:CHAIN:POSITION:HASH of a replica, with `acts` or
        /// `requests` for TRAIL. More than one may be given.
        #[arg(long, value_name = "HEAD")]
        head: Vec<String>,
    },
    /// Check a file of evidence offline, with the keys in it.
    VerifyEvidence {
        /// The file (`watari referral evidence ID` writes one).
        file: PathBuf,
    },
    /// Who saw a patient's data, what and when, and to whom they went.
    Patient {
        /// The patient's local id.
        id: String,
    },
}

fn moment(event: &Event) -> String {
    jiff::Timestamp::from_millisecond(event.at).map(instant).unwrap_or_default()
}

fn shown(event: &Event) -> Value {
    json!({
        "id": event.id,
        "at": moment(event),
        "who": event.actor,
        "role": event.role,
        "act": event.act,
        "target": event.target,
        "parameters": event.parameters,
        "status": event.outcome,
        "peer": event.peer,
        "request_id": event.request_id,
        "origin": event.origin,
    })
}

fn line(event: &Event) -> String {
    let who = if event.actor.is_empty() { "nobody known" } else { &event.actor };
    let role = if event.role.is_empty() { String::new() } else { format!(" ({})", event.role) };
    let way = match event.sort {
        Sort::Sent => format!("  to {}", event.peer),
        Sort::Received => format!("  from {}", event.peer),
        _ if !event.peer.is_empty() => format!("  for {}", event.peer),
        _ => String::new(),
    };
    let refused = if event.outcome >= 400 { format!("  refused ({})", event.outcome) } else { String::new() };
    format!("{}  {who}{role}  {}  {}{way}{refused}", moment(event), event.act, event.target)
}

/// That a chain holds, in words.
fn holds(verified: &Verified) -> String {
    let Verified { trail, chain, entries, head } = verified;
    let replica = if chain.is_empty() { String::new() } else { format!(" of replica {chain}") };
    format!("The audit trail of {trail}{replica} holds: {entries} entries, head {head}")
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Verify { head } => {
            let heads = head.iter().map(|text| {
                Head::parse(text).ok_or_else(|| {
                    Failure::usage(format!("{text:?} is not TRAIL:POSITION:HASH, as `audit verify` tells it"))
                })
            });
            let heads = heads.collect::<Result<Vec<_>, _>>()?;
            let (_, parts) = context.parts(Purpose::Demo)?;
            let here = &parts.here;
            let (chains, checkpoints) = here
                .store
                .view(|view| audit::verify_against(view, &|text| checkpoint::verified(here, view, text), &heads))?;
            let lines: Vec<String> = chains.iter().map(holds).collect();
            let told: Vec<Value> = chains
                .iter()
                .map(|one| json!({"trail": one.trail.as_str(), "replica": one.chain, "entries": one.entries, "head": one.head}))
                .collect();
            let text = format!("{}\nSigned checkpoints that hold: {checkpoints}", lines.join("\n"));
            context.print(&json!({"ok": true, "chains": told, "checkpoints": checkpoints}), &text);
        }
        Verb::VerifyEvidence { file } => {
            let bytes = std::fs::read(file).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
            let verified = evidence::verify(&bytes)?;
            let (message, receipt) = (&verified.message, &verified.receipt);
            let text = format!(
                "{} sent message {} to {} at {}; {} received these very bytes at {}.\nSHA-256 {}",
                message.sender,
                message.message_id,
                message.recipient,
                message.time,
                message.recipient,
                receipt.received_at,
                message.body_sha256
            );
            context.print(&json!({"ok": true, "message": message, "receipt": receipt}), &text);
        }
        Verb::Patient { id } => {
            let (_, parts) = context.parts(Purpose::Demo)?;
            told(&parts, &format!("Patient/{id}"))?;
            let events = parts.here.store.view(|view| find::of_patient(view, id))?;
            let lines: Vec<String> = events.iter().map(line).collect();
            context.print(&Value::Array(events.iter().map(shown).collect()), &lines.join("\n"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
