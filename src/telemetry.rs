//! The log: one line per event on standard error, as text for people or JSON for machines. Ids yes; names, birth dates,
//! tokens and message bodies never.

use tracing_subscriber::EnvFilter;

/// Starts the log. `WATARI_LOG` sets the level (`info`, `watari=debug`, …) and `WATARI_LOG_FORMAT=json` the form.
/// `quiet` raises the default level to warnings, for commands whose output people read.
pub fn start(quiet: bool) {
    let default = if quiet { "error" } else { "info" };
    let filter = EnvFilter::try_from_env("WATARI_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = if std::env::var("WATARI_LOG_FORMAT").is_ok_and(|form| form == "json") {
        log.json().try_init()
    } else {
        log.try_init()
    };
    // A second start in one process (two nodes in a test) keeps the first log.
    let _ = started;
}
