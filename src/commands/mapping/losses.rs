//! `watari mapping losses`: what became of each source field over all messages of the store.

use std::process::ExitCode;

use serde_json::json;

use super::{Context, Outcome};
use crate::commands::Failure;
use crate::intake::ranking::{self, RankedField};
use crate::node::Purpose;
use crate::store::losses::LossFilter;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only of this feed: mllp, hl7v2, ssmix2, csv.
    #[arg(long)]
    feed: Option<String>,
    /// Only of this sort of message, e.g. `ADT^A08`.
    #[arg(long)]
    kind: Option<String>,
    /// Only of messages that came in on this day or later, e.g. 2026-11-01 (UTC).
    #[arg(long)]
    since: Option<jiff::civil::Date>,
    /// At most this many fields.
    #[arg(long, default_value_t = 40)]
    top: usize,
    /// Also fields of which nothing was lost.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let (_, parts) = context.parts(Purpose::Demo)?;
    let filter = LossFilter {
        channel: args.feed.clone(),
        kind: args.kind.clone(),
        since: args.since.map(|day| day.to_string()),
    };
    let totals = parts.here.store.view(|view| view.loss_totals(&filter)).map_err(Failure::from)?;
    let mut ranked = ranking::rank(&totals);
    if !args.all {
        ranked.retain(|field| field.kept_raw + field.dropped > 0);
    }
    ranked.truncate(args.top);
    context.print(&json!(ranked), &table(&ranked));
    Ok(ExitCode::SUCCESS)
}

/// A line for each field, and its reasons below.
fn table(ranked: &[RankedField]) -> String {
    let mut lines = vec![format!("{:<28} {:>9} {:>9} {:>9} {:>9}", "field", "seen", "mapped", "raw", "dropped")];
    for RankedField { field, seen, mapped, kept_raw, dropped, reasons } in ranked {
        lines.push(format!("{field:<28} {seen:>9} {mapped:>9} {kept_raw:>9} {dropped:>9}"));
        lines.extend(reasons.iter().map(|reason| format!("    {}: {}", reason.seen, reason.reason)));
    }
    lines.join("\n")
}
