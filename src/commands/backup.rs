//! `watari backup` and `watari restore`: copies of the node in one sealed file, their check, and their way back.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, Failure, Outcome};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::keeping::{Header, backup, restore, schedule, verify};
use crate::node;
use crate::store::sealing::{MasterKey, MasterSource};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write a backup into one sealed file, beside a running node.
    Create {
        /// The file, which must not exist, or a folder for a file with the time in its name.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Leave the node's own keys out: then a restored node needs them from elsewhere.
        #[arg(long)]
        without_keys: bool,
    },
    /// Open a backup and check all of it: database, audit trail, sealed values, signatures and receipts.
    Verify {
        /// The backup.
        file: PathBuf,
        /// File of the key that opens it [default: the node's master key].
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Make a second key that opens backups, to be kept apart from the node ([backup] recovery_key_file).
    RecoveryKey {
        /// The file, which must not exist.
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    /// The backup.
    file: PathBuf,
    /// The folder it is put into: new or empty.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// File of the key that opens it: the master key or the recovery key [default: the node's master key].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Create { to, without_keys } => create(context, to, *without_keys),
        Verb::Verify { file, key } => verify(context, file, key.as_deref()),
        Verb::RecoveryKey { file } => recovery_key(context, file),
    }
}

fn create(context: &Context, to: &Path, without_keys: bool) -> Outcome {
    let config = context.config()?;
    if config.store.postgres.is_none() && !config.store.database().exists() {
        let database = config.store.database();
        return Err(Failure::usage(format!("{} does not exist: there is nothing to back up", database.display())));
    }
    let store = node::open_store(&config.store)?;
    let now = SystemClock.now();
    let to = if to.is_dir() { to.join(schedule::file_name(&config, now)) } else { to.to_path_buf() };
    let with_keys = config.backup.keys && !without_keys;
    let made = backup::create(&config, &store, &SystemClock, &to, with_keys, &mut |_, _| true)?;
    let value = json!({"file": made.path, "bytes": made.bytes, "sha256": made.sha256, "backup": shown(&made.header)});
    let text = format!(
        "{}: {} KiB, SHA-256 {}\nIt opens with the key of id {}, {}. Keep that key apart from it.",
        made.path.display(),
        made.bytes / 1024,
        made.sha256,
        keys(&made.header),
        if with_keys { "and holds the node's own keys" } else { "and does not hold the node's own keys" },
    );
    context.print(&value, &text);
    Ok(ExitCode::SUCCESS)
}

fn verify(context: &Context, file: &Path, key: Option<&Path>) -> Outcome {
    let config = context.config()?;
    let verified = verify::verify(&config, file, &source(&config, key))?;
    let value = checked(&verified);
    let text = format!(
        "{} holds: made {} by release {}, schema {}; pages, indexes and audit trail are whole; {} sealed values open; \
         signature and receipt of {} received messages hold.\nSHA-256 {}",
        file.display(),
        verified.header.made_at,
        verified.header.release,
        verified.header.schema,
        verified.sealed,
        verified.received,
        verified.sha256
    );
    context.print(&value, &text);
    Ok(ExitCode::SUCCESS)
}

fn recovery_key(context: &Context, file: &Path) -> Outcome {
    if file.exists() {
        return Err(Failure::usage(format!("{} exists; nothing was changed", file.display())));
    }
    MasterKey::create(file)?;
    let key = MasterKey::load(&MasterSource::File { path: file.to_path_buf(), may_create: false }, false)?;
    let text = format!(
        "{} holds a new key of id {}. Name it in [backup] recovery_key_file, and keep a copy where the node is not: whoever \
         has it and a backup has everything.",
        file.display(),
        key.id()
    );
    context.print(&json!({"file": file, "key": key.id()}), &text);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run_restore(context: &Context, args: &RestoreArgs) -> Outcome {
    let config = context.config()?;
    let key = source(&config, args.key.as_deref());
    let restored = restore::restore(&config, &SystemClock, &args.file, &key, &args.to)?;
    let mut text = format!(
        "Restored into {}: the state of {}. The audit trail goes on with an entry that says so{}.",
        args.to.display(),
        restored.verified.header.made_at,
        if restored.is_signed { ", signed" } else { "; it is not signed: the node's keys are not at hand" },
    );
    if restored.held + restored.held_filings > 0 {
        text += &format!(
            "\n{} messages to partners and {} to local systems wait in it; they may have been sent since, so they are held. \
             `watari outbox list` shows them, `watari outbox release --all` lets them go.",
            restored.held, restored.held_filings
        );
    }
    if !restored.has_master_key {
        text += &format!("\nIt needs the master key of id {}.", restored.verified.header.master_key);
    }
    if !restored.has_keys {
        text += "\nIt needs the node's own keys (tls.pem, tls.key, signing.key): partners know it by these.";
    }
    text += "\nRead watari.toml in it, and let [store] data lead to the folder. What was revoked since the backup is not \
             revoked in it: look at `watari peer list`.";
    let mut value = checked(&restored.verified);
    value["folder"] = json!(args.to);
    value["held"] = json!({"deliveries": restored.held, "filings": restored.held_filings});
    value["signed"] = json!(restored.is_signed);
    value["master_key_is_there"] = json!(restored.has_master_key);
    value["keys_are_there"] = json!(restored.has_keys);
    context.print(&value, &text);
    Ok(ExitCode::SUCCESS)
}

/// The key that was named, else the node's master key, which is never made here.
fn source(config: &Config, key: Option<&Path>) -> MasterSource {
    match (key, MasterSource::of(&config.store)) {
        (Some(path), _) => MasterSource::File { path: path.to_path_buf(), may_create: false },
        (None, MasterSource::File { path, .. }) => MasterSource::File { path, may_create: false },
        (None, command) => command,
    }
}

fn keys(header: &Header) -> String {
    header.keys.keys().cloned().collect::<Vec<_>>().join(" or ")
}

fn checked(verified: &verify::Verified) -> Value {
    json!({
        "ok": true, "sha256": verified.sha256, "sealed_values": verified.sealed, "received_messages": verified.received,
        "backup": shown(&verified.header),
    })
}

/// The header without the wrapped keys.
fn shown(header: &Header) -> Value {
    json!({
        "id": header.id, "node": header.node, "release": header.release, "made_at": header.made_at, "schema": header.schema,
        "master_key": header.master_key, "chains": header.chains, "parts": header.parts,
        "opens_with": header.keys.keys().collect::<Vec<_>>(),
    })
}
