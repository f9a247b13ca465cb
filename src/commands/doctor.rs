//! `watari doctor`: what stands in the way of a healthy node, and what to do about it.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::{Context, Outcome};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::exchange::identity::{self, Identity};
use crate::harmonise;
use crate::keeping::schedule;
use crate::node;
use crate::translate::Mappings;

/// A certificate that ends within this many days is a warning.
const EXPIRY_WARNING_DAYS: i64 = 30;
/// The clock of a machine that was set after this project began is later than this (seconds since 1970: 2026-01-01).
const EARLIEST_PLAUSIBLE_SECOND: i64 = 1_767_225_600;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// One finding.
struct Finding {
    name: &'static str,
    state: State,
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Warning,
    Bad,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad => "error",
        }
    }
}

pub(super) fn run(context: &Context, _args: &Args) -> Outcome {
    let findings = match context.config() {
        Ok(config) => examine(&config),
        Err(error) => vec![Finding { name: "configuration", state: State::Bad, detail: error.to_string() }],
    };
    let any_bad = findings.iter().any(|finding| finding.state == State::Bad);
    if context.json {
        let list: Vec<_> = findings
            .iter()
            .map(|finding| json!({"check": finding.name, "state": finding.state.as_str(), "detail": finding.detail}))
            .collect();
        println!("{}", json!({"ok": !any_bad, "checks": list}));
    } else {
        for finding in &findings {
            println!("{:8} {:14} {}", finding.state.as_str(), finding.name, finding.detail);
        }
    }
    Ok(if any_bad { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![good("configuration", format!("institution {}", config.institution.id))];
    findings.extend(certificates(config));
    findings.push(clock());
    findings.extend(ports(config));
    findings.push(disk(&config.store.data));
    findings.push(database(config));
    findings.push(backups(config));
    findings.extend(outbox(config));
    findings.push(mappings(config));
    findings
}

fn good(name: &'static str, detail: String) -> Finding {
    Finding { name, state: State::Good, detail }
}

fn bad(name: &'static str, detail: String) -> Finding {
    Finding { name, state: State::Bad, detail }
}

fn certificates(config: &Config) -> Vec<Finding> {
    let folder = config.store.keys();
    let mut findings = Vec::new();
    match Identity::load(&folder) {
        Err(error) => findings.push(bad("certificate", format!("{error}; run `watari init`"))),
        Ok(identity) => {
            let days = identity.not_after().duration_since(SystemClock.now()).as_secs() / 86_400;
            let detail = format!("ends in {days} days; fingerprint {}", identity.certificate_sha256());
            let state = if identity.check_dates(SystemClock.now()).is_err() {
                State::Bad
            } else if days < EXPIRY_WARNING_DAYS {
                State::Warning
            } else {
                State::Good
            };
            findings.push(Finding { name: "certificate", state, detail });
            if identity::is_example(&identity) {
                let detail = "these are the published example keys; only `watari serve --demo` takes them".to_owned();
                findings.push(Finding { name: "keys", state: State::Warning, detail });
            }
        }
    }
    for file in identity::open_to_others(&folder) {
        let detail = format!("{} can be read by others; chmod 600 it", file.display());
        findings.push(Finding { name: "keys", state: State::Warning, detail });
    }
    findings
}

fn clock() -> Finding {
    let now = SystemClock.now();
    if now.as_second() < EARLIEST_PLAUSIBLE_SECOND {
        return bad(
            "clock",
            format!("{now} cannot be right; set the clock (NTP): partners refuse tokens from another time"),
        );
    }
    good("clock", format!("{now}; compare it with a watch"))
}

fn ports(config: &Config) -> Vec<Finding> {
    let mut found = vec![port("port inside", &config.inside.listen), port("port outside", &config.outside.listen)];
    found.extend(config.mllp.doors().iter().map(|door| port("port mllp", &door.listen)));
    found
}

/// A port is good if it can be taken now; in use is a warning, since it may be this very node.
fn port(name: &'static str, address: &str) -> Finding {
    match std::net::TcpListener::bind(address) {
        Ok(_) => good(name, format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding {
            name,
            state: State::Warning,
            detail: format!("{address} is in use; by this node, if it is running"),
        },
        Err(error) => bad(name, format!("{address}: {error}")),
    }
}

/// Whether the data folder takes a file of some megabytes, which is what a full or read-only disk does not.
fn disk(data: &Path) -> Finding {
    let probe = data.join(".doctor");
    let written = std::fs::create_dir_all(data)
        .and_then(|()| std::fs::write(&probe, vec![0u8; 4 << 20]))
        .and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => good("disk", format!("{} takes data", data.display())),
        Err(error) => bad("disk", format!("{}: {error}", data.display())),
    }
}

fn database(config: &Config) -> Finding {
    let path = config.store.database();
    if config.store.postgres.is_none() && !path.exists() {
        return bad("database", format!("{} does not exist; run `watari init`", path.display()));
    }
    let health = node::open_store(&config.store).and_then(|store| store.health());
    match health {
        Ok(health) => good("database", format!("schema {}, {} KiB", health.schema_version, health.bytes / 1024)),
        Err(error) => bad("database", error.to_string()),
    }
}

/// Two turns without one are one too many.
fn backups(config: &Config) -> Finding {
    let warning = |detail: String| Finding { name: "backup", state: State::Warning, detail };
    if config.store.postgres.is_some() {
        return good("backup", "PostgreSQL's own tools make them (docs/KEEPING.md)".to_owned());
    }
    let Some(folder) = &config.backup.folder else {
        return warning("none are made; say where in [backup] folder".to_owned());
    };
    let there = match schedule::list(folder, &config.institution.id) {
        Ok(there) => there,
        Err(error) => return bad("backup", error.to_string()),
    };
    let Some((at, path)) = there.last() else {
        return warning(format!("none in {} yet", folder.display()));
    };
    let hours = SystemClock.now().duration_since(*at).as_hours();
    let detail = format!("the last of {} is {hours} hours old: {}", there.len(), path.display());
    let late = config.backup.every_hours.max(1).saturating_mul(2);
    if u64::try_from(hours).is_ok_and(|hours| hours > late) { warning(detail) } else { good("backup", detail) }
}

/// What was held after a restore is forgotten easily.
fn outbox(config: &Config) -> Option<Finding> {
    if config.store.postgres.is_none() && !config.store.database().exists() {
        return None;
    }
    let held = node::open_store(&config.store).and_then(|store| {
        store.view(|view| Ok(view.deliveries("held", usize::MAX)?.len() + view.filings("held", usize::MAX)?.len()))
    });
    match held {
        // The database's own finding tells why.
        Ok(0) | Err(_) => None,
        Ok(held) => Some(Finding {
            name: "outbox",
            state: State::Warning,
            detail: format!("{held} messages are held since a restore: `watari outbox list`, then `release`"),
        }),
    }
}

fn mappings(config: &Config) -> Finding {
    let compiled = Mappings::with_folders(&config.intake.mappings).map_err(|error| error.to_string());
    let tables = harmonise::builtin().map_err(|error| error.to_string());
    match compiled.and(tables) {
        Ok(_) => good("mappings", "rows, units and codes compile".to_owned()),
        Err(error) => bad("mappings", error),
    }
}
