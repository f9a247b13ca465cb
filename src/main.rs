//! The `watari` command: parse arguments, run one command.

use std::process::ExitCode;

/// Records are made of many small parts; docs/PERFORMANCE.md has what this allocator saves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    watari::commands::run(std::env::args_os())
}
