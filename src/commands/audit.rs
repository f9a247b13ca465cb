//! `watari audit`: whether the trail holds, and whether a file of evidence proves what it says.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, Failure, Outcome};
use crate::audit::{self, Verified};
use crate::exchange::evidence;
use crate::node::Purpose;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Walk the hash chains of both audit trails, of acts and of requests.
    Verify,
    /// Check a file of evidence offline, with the keys in it.
    VerifyEvidence {
        /// The file (`watari referral evidence ID` writes one).
        file: PathBuf,
    },
    /// Not built in this release.
    Patient { id: String },
}

/// That a chain holds, in words.
fn holds(verified: &Verified) -> String {
    let Verified { trail, chain, entries, head } = verified;
    let replica = if chain.is_empty() { String::new() } else { format!(" of replica {chain}") };
    format!("The audit trail of {trail}{replica} holds: {entries} entries, head {head}")
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Verify => {
            let (_, parts) = context.parts(Purpose::Demo)?;
            let chains = parts.here.store.view(|view| audit::verify(view))?;
            let lines: Vec<String> = chains.iter().map(holds).collect();
            let told: Vec<Value> = chains
                .iter()
                .map(|one| json!({"trail": one.trail.as_str(), "replica": one.chain, "entries": one.entries, "head": one.head}))
                .collect();
            context.print(&json!({"ok": true, "chains": told}), &lines.join("\n"));
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
        Verb::Patient { .. } => return Err(Failure::usage("`watari audit patient` is not built in this release")),
    }
    Ok(ExitCode::SUCCESS)
}
