//! `watari mapping`: check rows, explain what made an element or where a field goes, and total what is lost.

mod check;
mod explain;
mod losses;

use super::{Context, Outcome};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Tell all that is wrong or doubtful in files of rows, with file and line. Exit code 1 if something is wrong.
    Check(check::Args),
    /// Tell which source field, row and file made an element, or where a field goes.
    Explain(explain::Args),
    /// Tell what became of each source field over all messages, what is lost most often first.
    Losses(losses::Args),
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Check(args) => check::run(context, args),
        Verb::Explain(args) => explain::run(context, args),
        Verb::Losses(args) => losses::run(context, args),
    }
}
