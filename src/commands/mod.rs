//! The command line: one file per verb. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 done, with some
//! input refused or quarantined.

mod audit;
mod backup;
mod client;
mod codes;
mod cohort;
mod db;
mod demo;
mod doctor;
mod filing;
mod import;
mod init;
mod key;
mod mapping;
mod messages;
mod outbox;
mod package;
mod peer;
mod referral;
mod serve;
mod token;
mod translate;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError};
use crate::fault::{Classified, Fault};
use crate::node::{NodeError, Parts, Purpose};
use crate::store::requests::RequestRow;
use crate::telemetry;

/// Exit code of a command that did its work but refused or quarantined some input.
const SOME_REFUSED: u8 = 3;
/// Exit code of wrong usage or configuration.
const USAGE: u8 = 2;

/// Verbs of the contract that later releases bring.
const NOT_BUILT: &[&str] = &["audit", "consent", "directory", "referral", "study", "user", "validate"];

/// Gateway that exchanges referrals and clinical-trial data between hospitals in different countries.
#[derive(Debug, Parser)]
#[command(name = "watari", version, about, max_term_width = 100)]
struct Cli {
    /// Configuration file [default: config/watari.toml if it exists, else built-in defaults].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document (or one per line where said) instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// Language of messages: en, fr, ja. The command line speaks English only in this release; the pages speak all three.
    #[arg(long, global = true, value_parser = ["en", "fr", "ja"], value_name = "LANG")]
    lang: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a commented configuration, keys, certificate and database for a new node.
    Init(init::Args),
    /// Run the node.
    Serve(serve::Args),
    /// Two nodes, Toronto and Tokyo, on this machine: tell and check the whole story with invented people.
    Demo(demo::Args),
    /// Translate records to FHIR without a node.
    Translate(translate::TranslateArgs),
    /// Check mapping rows, and explain what they make.
    Mapping(mapping::Args),
    /// What came in, what became of it, and what was lost on the way.
    Messages(messages::Args),
    /// Take records into a node's store.
    Import(import::Args),
    /// Pair with partner institutions.
    Peer(peer::Args),
    /// Look at referrals and take out their evidence.
    Referral(referral::Args),
    /// What goes into the institution's own systems, and what was given up.
    Filing(filing::Args),
    /// Check the audit trail, and evidence taken out of a node.
    Audit(audit::Args),
    /// See which codes no table maps, and take out the code maps.
    Codes(codes::Args),
    /// Register systems that come in by SMART Backend Services.
    Client(client::Args),
    /// Check and run cohort questions.
    Cohort(cohort::Args),
    /// The FHIR packages whose profiles resources are held to.
    Package(package::Args),
    /// Print a bearer token for scripts and local systems.
    Token(token::Args),
    /// Rotate the keys that what is kept is sealed under.
    Key(key::Args),
    /// Write and check backups of the node.
    Backup(backup::Args),
    /// Put a backup into a new folder.
    Restore(backup::RestoreArgs),
    /// What waits for partners and local systems, and what is held.
    Outbox(outbox::Args),
    /// Move the node's database.
    Db(db::Args),
    /// Check certificates, clock, ports, disk, database, mappings.
    Doctor(doctor::Args),
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// What every verb may use.
struct Context {
    config_file: Option<PathBuf>,
    json: bool,
}

/// A command did not do its work.
#[derive(Debug)]
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: USAGE }
    }

    fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }
}

impl<E: Classified> From<E> for Failure {
    fn from(error: E) -> Self {
        let code = if error.kind().fault() == Fault::Operator { USAGE } else { 1 };
        Self { message: error.to_string(), code }
    }
}

type Outcome = Result<ExitCode, Failure>;

/// Runs the command line and gives the exit code.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    if cli.lang.as_deref().is_some_and(|lang| lang != "en") {
        eprintln!("watari: the command line speaks English only in this release; the pages speak en, fr and ja");
    }
    let context = Context { config_file: cli.config, json: cli.json };
    telemetry::start(!matches!(cli.verb, Verb::Serve(_)));
    let outcome = match cli.verb {
        Verb::Init(args) => init::run(&context, &args),
        Verb::Serve(args) => serve::run(&context, &args),
        Verb::Demo(args) => demo::run(&context, args),
        Verb::Translate(args) => Ok(translate::run(&args)),
        Verb::Mapping(args) => mapping::run(&context, &args),
        Verb::Messages(args) => messages::run(&context, &args),
        Verb::Import(args) => import::run(&context, &args),
        Verb::Peer(args) => peer::run(&context, &args),
        Verb::Referral(args) => referral::run(&context, &args),
        Verb::Filing(args) => filing::run(&context, &args),
        Verb::Audit(args) => audit::run(&context, &args),
        Verb::Codes(args) => codes::run(&context, &args),
        Verb::Client(args) => client::run(&context, &args),
        Verb::Cohort(args) => cohort::run(&context, &args),
        Verb::Package(args) => package::run(&context, &args),
        Verb::Token(args) => token::run(&context, &args),
        Verb::Key(args) => key::run(&context, &args),
        Verb::Backup(args) => backup::run(&context, &args),
        Verb::Restore(args) => backup::run_restore(&context, &args),
        Verb::Outbox(args) => outbox::run(&context, &args),
        Verb::Db(args) => db::run(&context, &args),
        Verb::Doctor(args) => doctor::run(&context, &args),
        Verb::Other(words) => Err(other(&words)),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("watari: {}", failure.message);
        ExitCode::from(failure.code)
    })
}

fn other(words: &[OsString]) -> Failure {
    let verb = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    if NOT_BUILT.contains(&verb.as_str()) {
        return Failure::usage(format!("`watari {verb}` is not built in this release; CHANGELOG.md lists what is"));
    }
    Failure::usage(format!("there is no command {verb:?}; `watari --help` lists them"))
}

impl Context {
    /// The configuration: the given file, else `config/watari.toml`, else the defaults.
    fn config(&self) -> Result<Config, ConfigError> {
        let usual = PathBuf::from("config/watari.toml");
        match &self.config_file {
            Some(path) => Config::load(path),
            None if usual.exists() => Config::load(&usual),
            None => Ok(Config::default()),
        }
    }

    /// The parts of the configured node, for work beside a running one.
    fn parts(&self, purpose: Purpose) -> Result<(Config, Parts), Failure> {
        let config = self.config()?;
        let parts = Parts::open(&config, purpose).map_err(|error| match error {
            NodeError::Identity(error) => Failure::usage(format!(
                "there is no node here ({error}); run `watari init` first, or name its file with --config"
            )),
            other => Failure::from(other),
        })?;
        Ok((config, parts))
    }

    /// Prints `value` as JSON, or `text` for people.
    fn print(&self, value: &serde_json::Value, text: &str) {
        if self.json {
            println!("{value}");
        } else {
            println!("{text}");
        }
    }
}

/// Writes down that a command shows what is about a patient, before it does.
fn told(parts: &Parts, target: &str) -> Result<(), Failure> {
    let row = RequestRow {
        at: parts.here.clock.now().as_millisecond(),
        actor: format!("command:{}", std::env::var("USER").unwrap_or_default()),
        act: "command".to_owned(),
        target: target.to_owned(),
        outcome: 200,
        ..RequestRow::default()
    };
    Ok(parts.here.store.note_and_wait(row)?)
}

/// A runtime for commands that talk to the network.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime does not start: {error}")))
}
