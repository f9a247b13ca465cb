//! `watari db`: moves the node's database.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::{Context, Failure, Outcome};
use crate::audit;
use crate::clock::{Clock, SystemClock, instant};
use crate::config::PostgresConfig;
use crate::store::audit::AuditEntry;
use crate::store::postgres::{self, PostgresStore};
use crate::store::sealing::MasterSource;
use crate::store::{Change, Changes, Handle};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Carry this node from its SQLite file over into an empty PostgreSQL database. Stop the node first. The SQLite file
    /// stays as it is.
    MoveToPostgres {
        /// Where to, `postgresql://USER@HOST:PORT/DATABASE`; absent: `[store.postgres]` of the configuration, which also
        /// names the password file and the authority.
        #[arg(long, value_name = "URL")]
        to: Option<String>,
        /// What is sealed in the SQLite file may stand there plain, as `[store.postgres] unsealed` says.
        #[arg(long)]
        unsealed: bool,
    },
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let Verb::MoveToPostgres { to, unsealed } = &args.verb;
    let config = context.config()?;
    let mut settings: PostgresConfig = config.store.postgres.clone().unwrap_or_default();
    if let Some(url) = to {
        settings.url.clone_from(url);
    }
    settings.unsealed |= unsealed;
    if settings.url.is_empty() {
        return Err(Failure::usage(
            "where to? name the database with --to, or in [store.postgres] of the configuration",
        ));
    }
    let file = config.store.database();
    if !file.exists() {
        return Err(Failure::usage(format!("{} does not exist: there is nothing to move", file.display())));
    }
    let mut progress = |table: &str, rows: u64| {
        if !context.json && rows > 0 {
            println!("{rows:>10}  {table}");
        }
    };
    let carried = postgres::carry(&file, MasterSource::of(&config.store), &settings, &mut progress)?;
    let store = Handle::new(Arc::new(PostgresStore::open(&settings)?));
    let chains = store.view(|view| audit::verify(view))?;
    let rows: u64 = carried.tables.iter().map(|(_, rows)| rows).sum();
    let heads: Vec<_> = chains.iter().map(|chain| json!({"entries": chain.entries, "head": chain.head})).collect();
    let detail = json!({"rows": rows, "chains": heads});
    let entry = AuditEntry {
        at: instant(SystemClock.now()),
        actor: "system".to_owned(),
        action: "store.move-to-postgres".to_owned(),
        target: String::new(),
        detail: detail.to_string(),
    };
    store.commit(Changes::new().with(Change::Audit(entry)))?;
    let tables: serde_json::Map<_, _> =
        carried.tables.iter().map(|(table, rows)| (table.clone(), json!(rows))).collect();
    let text = format!(
        "{rows} rows carried over and compared; the audit trail holds. What was sealed stands there plain. Now say [store.postgres] in the configuration, and \
         keep {} as it is: nothing was changed in it.",
        file.display()
    );
    context.print(&json!({"ok": true, "rows": rows, "tables": tables, "search_rows": carried.search_rows}), &text);
    Ok(ExitCode::SUCCESS)
}
