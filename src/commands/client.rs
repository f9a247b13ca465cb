//! `watari client`: systems that come in by SMART Backend Services. Works beside a running node, on the same database.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, Failure, Outcome};
use crate::access::client::{self, Keys, Registration};
use crate::node::Purpose;
use crate::store::access::Client;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Register a client, or replace one: its tokens end.
    Add {
        /// Its `client_id`: lower-case letters, digits, hyphens.
        name: String,
        /// File with its public keys, a JSON Web Key Set.
        #[arg(long, value_name = "FILE", required_unless_present = "jwks_url", conflicts_with = "jwks_url")]
        jwks: Option<PathBuf>,
        /// Where its public keys are to be had (https), instead of a file.
        #[arg(long, value_name = "URL")]
        jwks_url: Option<String>,
        /// What it may ask for, such as "system/Observation.rs system/Patient.r".
        #[arg(long)]
        scope: String,
        /// Security labels that it is cleared for, such as "R PSY"; "*" for all. Without: for none.
        #[arg(long, value_name = "LABELS", default_value = "")]
        clearance: String,
        /// What it uses the record for (v3-PurposeOfUse, such as TREAT or HRESCH): what patients consent to, or refuse.
        #[arg(long)]
        purpose: Option<String>,
        /// What a Consent calls it, such as Organization/lab; may be given more than once.
        #[arg(long, value_name = "REFERENCE")]
        actor: Vec<String>,
    },
    /// List registered clients.
    List,
    /// Remove a client; its tokens end.
    Remove {
        /// Its `client_id`.
        name: String,
    },
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    // The example keys are accepted here: registering gives nobody a way in without a key of their own.
    let (_, parts) = context.parts(Purpose::Demo)?;
    let (store, clock) = (&parts.here.store, parts.here.clock.as_ref());
    match &args.verb {
        Verb::Add { name, jwks, jwks_url, scope, clearance, purpose, actor } => {
            let keys = match (jwks, jwks_url) {
                (_, Some(url)) => Keys::At(url.clone()),
                (Some(file), None) => Keys::Set(
                    std::fs::read_to_string(file)
                        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?,
                ),
                (None, None) => return Err(Failure::usage("name its keys: --jwks FILE or --jwks-url URL")),
            };
            let wanted = Registration {
                id: name.clone(),
                scope: scope.clone(),
                keys,
                clearance: clearance.split_whitespace().map(str::to_owned).collect(),
                purpose: purpose.clone(),
                actors: actor.clone(),
            };
            let made = client::register(store, clock, &wanted)?;
            context.print(&shown(&made), &format!("{name} is registered for {}", made.scope));
        }
        Verb::List => {
            let clients = store.view(|view| view.clients())?;
            if context.json {
                println!("{}", Value::Array(clients.iter().map(shown).collect()));
            } else if clients.is_empty() {
                println!("No client is registered. `watari client add` registers one.");
            } else {
                for one in &clients {
                    let clearance = one.clearance.as_deref().map(|labels| format!("  cleared for {labels}"));
                    let purpose = one.purpose.as_deref().map(|purpose| format!("  for {purpose}"));
                    let more = clearance.unwrap_or_default() + &purpose.unwrap_or_default();
                    println!("{}  {}{more}  since {}", one.id, one.scope, one.registered_at);
                }
            }
        }
        Verb::Remove { name } => {
            let known = name.clone();
            if store.view(|view| view.client(&known))?.is_none() {
                return Err(Failure::failed(format!("{name} is not registered")));
            }
            client::remove(store, clock, name)?;
            context.print(&json!({"id": name}), &format!("{name} is removed; its tokens have ended."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(client: &Client) -> Value {
    json!({
        "id": client.id,
        "scope": client.scope,
        "jwks_url": client.keys_url,
        "clearance": client.clearance,
        "purpose": client.purpose,
        "actors": client.actors,
        "registered_at": client.registered_at,
    })
}
