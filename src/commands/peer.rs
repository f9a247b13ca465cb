//! `watari peer`: pairing with partner institutions. Works beside a running node, on the same database.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, Failure, Outcome, runtime};
use crate::config::Config;
use crate::exchange::pairing;
use crate::node::{Parts, Purpose};
use crate::store::peers::Peer;

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
    /// Open an invitation and print the code to give to the partner.
    Invite {
        /// The invitation ends after, seconds.
        #[arg(long, default_value_t = 600)]
        ttl: u64,
    },
    /// Pair with the institution whose code this is; its node must be running.
    Join {
        /// The code.
        code: String,
    },
    /// List paired institutions.
    List,
    /// Show one.
    Show {
        /// Institution id.
        id: String,
    },
    /// Refuse an institution from now on; its open connections are closed.
    Revoke {
        /// Institution id.
        id: String,
    },
    /// Not built in this release.
    Test { id: String },
    /// Not built in this release.
    Rotate,
    /// Not built in this release.
    Remove { id: String },
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let purpose = if args.demo { Purpose::Demo } else { Purpose::Care };
    let (config, parts) = context.parts(purpose)?;
    match &args.verb {
        Verb::Invite { ttl } => {
            let code = pairing::invite(&parts.here, &outside_url(&config)?, *ttl)?;
            let text = format!(
                "Give this code to the partner's administrator, over a channel you trust. It is good once, for {ttl} seconds:\n\n{code}\n"
            );
            context.print(&json!({"code": code, "ttl": ttl}), &text);
        }
        Verb::Join { code } => {
            let joined = runtime()?.block_on(pairing::join(&parts.here, code, &outside_url(&config)?))?;
            context.print(&shown(&joined), &format!("Paired with {}.\n{}", joined.id, line(&joined)));
        }
        Verb::List => list(context, &parts)?,
        Verb::Show { id } => {
            let name = id.clone();
            let peer = parts.here.store.view(|view| view.peer(&name))?;
            let peer = peer.ok_or_else(|| Failure::failed(format!("{id} is not paired")))?;
            context.print(&shown(&peer), &line(&peer));
        }
        Verb::Revoke { id } => {
            let peer = pairing::revoke(&parts.here, id, "user:command-line")?;
            context.print(&shown(&peer), &format!("{id} is revoked: nothing goes to it and nothing is taken from it."));
        }
        Verb::Test { .. } | Verb::Rotate | Verb::Remove { .. } => {
            return Err(Failure::usage("this part of `watari peer` is not built in this release"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(context: &Context, parts: &Parts) -> Result<(), Failure> {
    let peers = parts.here.store.view(|view| view.peers())?;
    if context.json {
        println!("{}", Value::Array(peers.iter().map(shown).collect()));
    } else if peers.is_empty() {
        println!("No institution is paired. `watari peer invite` makes a code for a partner.");
    } else {
        peers.iter().for_each(|peer| println!("{}", line(peer)));
    }
    Ok(())
}

fn shown(peer: &Peer) -> Value {
    json!({
        "id": peer.id,
        "names": serde_json::from_str::<Value>(&peer.names).unwrap_or_default(),
        "country": peer.country,
        "url": peer.url,
        "status": peer.status,
        "fingerprint": peer.certificate_sha256,
        "paired_at": peer.paired_at,
    })
}

fn line(peer: &Peer) -> String {
    format!("{}  {}  {}  {}  {}", peer.id, peer.country, peer.status, peer.url, peer.certificate_sha256)
}

/// The address partners reach this node at. A free port chosen at start cannot be known here.
fn outside_url(config: &Config) -> Result<String, Failure> {
    if let Some(url) = &config.outside.public_url {
        return Ok(url.clone());
    }
    if config.outside.listen.ends_with(":0") {
        return Err(Failure::usage("outside.listen has no fixed port; set it, or outside.public_url, before pairing"));
    }
    Ok(format!("https://{}", config.outside.listen))
}
