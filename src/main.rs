//! The `watari` command: parse arguments, run one command.

use std::process::ExitCode;

fn main() -> ExitCode {
    watari::commands::run(std::env::args_os())
}
