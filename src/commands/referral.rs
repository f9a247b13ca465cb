//! `watari referral`: look at referrals without a browser, and take out the evidence of one. Acting on referrals is done on
//! the pages in this release.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, Failure, Outcome, told};
use crate::exchange::evidence::Evidence;
use crate::node::{Parts, Purpose};
use crate::store::StoreError;
use crate::store::referrals::Referral;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Referrals received and sent, last updated first.
    List,
    /// One referral with its timeline.
    Show {
        /// Referral id.
        id: String,
    },
    /// The timeline alone.
    Timeline {
        /// Referral id.
        id: String,
    },
    /// Bytes, signature, receipt and keys of the referral's first message, for `watari audit verify-evidence`.
    Evidence {
        /// Referral id.
        id: String,
    },
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// Most referrals listed of each role.
const LISTED: usize = 1000;

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    if let Verb::Other(words) = &args.verb {
        let verb = words.first().map_or("", String::as_str);
        return Err(Failure::usage(format!("`watari referral {verb}` is not built in this release; use the pages")));
    }
    let (_, parts) = context.parts(Purpose::Demo)?;
    let store = &parts.here.store;
    match &args.verb {
        Verb::List => {
            let all = store.view(|view| {
                let mut all = view.referrals("received", LISTED)?;
                all.extend(view.referrals("sent", LISTED)?);
                Ok::<_, StoreError>(all)
            })?;
            let lines: Vec<String> = all.iter().map(line).collect();
            context.print(&Value::Array(all.iter().map(shown).collect()), &lines.join("\n"));
        }
        Verb::Show { id } => {
            let referral = find(&parts, id)?;
            let mut value = shown(&referral);
            let (events, lines) = timeline(&parts, id)?;
            value["timeline"] = events;
            context.print(&value, &format!("{}\n{lines}", line(&referral)));
        }
        Verb::Timeline { id } => {
            find(&parts, id)?;
            let (events, lines) = timeline(&parts, id)?;
            context.print(&events, &lines);
        }
        Verb::Evidence { id } => println!("{}", evidence(&parts, &find(&parts, id)?)?),
        Verb::Other(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn find(parts: &Parts, id: &str) -> Result<Referral, Failure> {
    let found = parts.here.store.view(|view| view.referral(id))?;
    let found = found.ok_or_else(|| Failure::failed(format!("there is no referral {id} here")))?;
    told(parts, &format!("referral/{id}"))?;
    Ok(found)
}

/// Without the patient's name: a terminal scrolls back and is logged.
fn shown(referral: &Referral) -> Value {
    json!({
        "id": referral.id,
        "role": referral.role,
        "peer": referral.peer,
        "status": referral.status,
        "business_status": referral.business_status,
        "service": referral.service,
        "priority": referral.priority,
        "message_id": referral.message_id,
        "created_at": referral.created_at,
        "updated_at": referral.updated_at,
    })
}

fn line(referral: &Referral) -> String {
    format!(
        "{}  {:8}  {}  {}  {}  {}",
        referral.id, referral.role, referral.peer, referral.status, referral.service, referral.updated_at
    )
}

fn timeline(parts: &Parts, id: &str) -> Result<(Value, String), Failure> {
    let events = parts.here.store.view(|view| view.referral_events(id))?;
    let values = events.iter().map(|event| {
        json!({"event": event.event, "institution": event.institution, "from": event.from, "to": event.to,
               "message_id": event.message_id, "at": event.at})
    });
    let lines =
        events.iter().map(|event| format!("  {}  {:10} {:16} {}", event.at, event.institution, event.event, event.to));
    Ok((values.collect(), lines.collect::<Vec<_>>().join("\n")))
}

fn evidence(parts: &Parts, referral: &Referral) -> Result<String, Failure> {
    let found = if referral.role == "sent" {
        Evidence::of_sent(&parts.here, &referral.message_id)?
    } else {
        Evidence::of_received(&parts.here, &referral.peer, &referral.message_id)?
    };
    let evidence =
        found.ok_or_else(|| Failure::failed("there is no receipt yet, so there is no evidence to take out"))?;
    serde_json::to_string_pretty(&evidence).map_err(|error| Failure::failed(error.to_string()))
}
