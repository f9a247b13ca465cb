//! `watari mapping check`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Context, Outcome};
use crate::translate::check::{self, Finding, Severity};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files and folders of rows, or CSV mapping files. Default: what `[intake] mappings` of the configuration names, or
    /// else the rows in the binary.
    paths: Vec<PathBuf>,
    /// Doubts count as errors.
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let paths = if args.paths.is_empty() { context.config()?.intake.mappings } else { args.paths.clone() };
    let findings = check::check(&paths)?;
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let lines: Vec<String> = findings.iter().map(line).collect();
    let summary = format!("{errors} errors, {warnings} warnings");
    let text = lines.into_iter().chain([summary]).collect::<Vec<_>>().join("\n");
    context.print(&json!({"errors": errors, "warnings": warnings, "findings": findings}), &text);
    let failed = errors > 0 || (args.strict && warnings > 0);
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// As compilers write it, so that editors find the place.
fn line(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    format!("{}:{}: {severity}: {}", finding.file, finding.line, finding.message)
}
