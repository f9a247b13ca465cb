//! `watari outbox`: what waits for partners and local systems, and what is held after a restore.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, Failure, Outcome};
use crate::clock::{Clock as _, SystemClock, instant};
use crate::node;
use crate::store::audit::AuditEntry;
use crate::store::{Change, Changes, Handle, StoreError};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Messages that are held, and those that wait.
    List,
    /// Hold all that waits: before the start of a node whose database was put back by other means than `watari restore`.
    Hold,
    /// Let held messages go. A partner that has one already answers with the receipt it gave before, and does nothing twice.
    Release {
        /// Message ids from `list`.
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// All of them.
        #[arg(long)]
        all: bool,
    },
}

/// One message that is held or waits.
struct Waiting {
    id: String,
    status: &'static str,
    /// `partner` or `local`.
    way: &'static str,
    to: String,
    created_at: String,
}

/// Messages listed of each status.
const LISTED: usize = 100_000;

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let config = context.config()?;
    let store = node::open_store(&config.store)?;
    match &args.verb {
        Verb::List => {
            let mut all = waiting(&store, "held")?;
            all.extend(waiting(&store, "queued")?);
            let lines: Vec<String> = all
                .iter()
                .map(|one| format!("{}  {:<6}  {:<7}  {}  {}", one.id, one.status, one.way, one.to, one.created_at))
                .collect();
            context.print(&Value::Array(all.iter().map(shown).collect()), &lines.join("\n"));
        }
        Verb::Hold => {
            let count = waiting(&store, "queued")?.len();
            let entry = audited("outbox.hold", "", &json!({"messages": count}));
            store.commit(Changes::new().with(Change::HoldWaiting).with(entry))?;
            context.print(&json!({"held": count}), &format!("{count} messages are held."));
        }
        Verb::Release { ids, all } => {
            let held = waiting(&store, "held")?;
            if let Some(other) = ids.iter().find(|id| !held.iter().any(|one| one.id == **id)) {
                return Err(Failure::failed(format!("no message {other:?} is held; nothing was changed")));
            }
            let chosen: Vec<_> = held.iter().filter(|one| *all || ids.contains(&one.id)).collect();
            let at = instant(SystemClock.now());
            for one in &chosen {
                store.commit(Changes::new().with(release(one, &at)).with(audited(
                    "outbox.release",
                    &one.id,
                    &json!({}),
                )))?;
            }
            let count = chosen.len();
            context.print(&json!({"released": count}), &format!("{count} messages go out now, in their order."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn release(one: &Waiting, at: &str) -> Change {
    let (id, at) = (one.id.clone(), at.to_owned());
    match one.way {
        "partner" => Change::Release { message_id: id, at },
        _ => Change::ReleaseFiling { id, at },
    }
}

fn audited(action: &str, target: &str, detail: &Value) -> Change {
    Change::Audit(AuditEntry {
        at: instant(SystemClock.now()),
        actor: "system".to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
        detail: detail.to_string(),
    })
}

/// Of one status, for partners and for local systems, oldest first.
fn waiting(store: &Handle, status: &'static str) -> Result<Vec<Waiting>, StoreError> {
    store.view(|view| {
        let mut found = Vec::new();
        for one in view.deliveries(status, LISTED)? {
            let (id, to, created_at) = (one.message_id, one.peer, one.created_at);
            found.push(Waiting { id, status, way: "partner", to, created_at });
        }
        for one in view.filings(status, LISTED)? {
            let (id, to, created_at) = (one.id, one.destination, one.created_at);
            found.push(Waiting { id, status, way: "local", to, created_at });
        }
        Ok(found)
    })
}

fn shown(one: &Waiting) -> Value {
    json!({"id": one.id, "status": one.status, "way": one.way, "to": one.to, "created_at": one.created_at})
}
