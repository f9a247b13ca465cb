//! `watari client`: systems that come in by SMART Backend Services. Works beside a running node, on the same database.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, Failure, Outcome};
use crate::access::client;
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
        #[arg(long, value_name = "FILE")]
        jwks: PathBuf,
        /// What it may ask for, such as "system/Observation.rs system/Patient.r".
        #[arg(long)]
        scope: String,
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
        Verb::Add { name, jwks, scope } => {
            if jwks.to_string_lossy().starts_with("https:") {
                let told = "keys by address are not taken by this release; save the key set in a file";
                return Err(Failure::usage(told));
            }
            let keys = std::fs::read_to_string(jwks)
                .map_err(|error| Failure::usage(format!("{}: {error}", jwks.display())))?;
            let made = client::register(store, clock, name, scope, &keys)?;
            context.print(&shown(&made), &format!("{name} is registered for {}", made.scope));
        }
        Verb::List => {
            let clients = store.view(|view| view.clients())?;
            if context.json {
                println!("{}", Value::Array(clients.iter().map(shown).collect()));
            } else if clients.is_empty() {
                println!("No client is registered. `watari client add` registers one.");
            } else {
                clients.iter().for_each(|one| println!("{}  {}  since {}", one.id, one.scope, one.registered_at));
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
    json!({"id": client.id, "scope": client.scope, "registered_at": client.registered_at})
}
