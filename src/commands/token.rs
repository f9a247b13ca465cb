//! `watari token`: a bearer token for scripts and local systems.

use std::process::ExitCode;

use jiff::SignedDuration;
use serde_json::json;

use super::{Context, Failure, Outcome};
use crate::access::{Role, token};
use crate::node::Purpose;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the token may do: system, clinician, researcher, it.
    #[arg(long)]
    role: String,
    /// Good for this many seconds.
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(i64).range(1..))]
    ttl: i64,
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let role = Role::parse(&args.role)
        .ok_or_else(|| Failure::usage(format!("{:?} is no role: system, clinician, researcher, it", args.role)))?;
    // The example keys are accepted here: making a token gives nobody outside a way in.
    let (_, parts) = context.parts(Purpose::Demo)?;
    let made = token::create(&parts.here.store, parts.here.clock.as_ref(), role, SignedDuration::from_secs(args.ttl))?;
    context.print(&json!({"token": made, "role": role.as_str(), "ttl": args.ttl}), &made);
    Ok(ExitCode::SUCCESS)
}
