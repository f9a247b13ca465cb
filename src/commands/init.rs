//! `watari init`: a commented configuration, keys, certificate and database for a new node.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::{Context, Failure, Outcome};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Country};
use crate::exchange::identity::Identity;
use crate::node;
use crate::store::sealing::{MASTER_KEY, MasterSource};
use crate::store::{Handle, sqlite::SqliteStore};

/// The commented configuration that a new node starts from.
const TEMPLATE: &str = include_str!("../../config/watari.example.toml");

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the institution, as people read it.
    #[arg(long, value_name = "NAME", default_value = "Unnamed institution")]
    institution: String,
    /// Short id known to partners [default: made from the name].
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Country whose rules the node follows.
    #[arg(long, value_parser = ["ca", "jp"], default_value = "ca")]
    country: String,
    /// Folder of configuration, keys and database.
    #[arg(long, value_name = "DIR", default_value = "var")]
    data: PathBuf,
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let id = args.id.clone().unwrap_or_else(|| id_from_name(&args.institution));
    if id.is_empty() {
        return Err(Failure::usage("no id can be made from this name; give one with --id (a-z, 0-9, hyphens)"));
    }
    let config_path = args.data.join("watari.toml");
    if config_path.exists() || node::is_initialised(&args.data) {
        return Err(Failure::usage(format!("{} already holds a node; nothing was changed", args.data.display())));
    }
    let country = if args.country == "jp" { Country::Jp } else { Country::Ca };
    let text = configuration(&id, &args.institution, country);
    let config = Config::parse(&text, "the new configuration")?;
    make_private(&args.data)?;
    let clock = SystemClock;
    let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let identity = Identity::create(&args.data.join("keys"), &config.institution.id, &hosts, clock.now())?;
    let database = args.data.join("watari.db");
    drop(Handle::new(Arc::new(SqliteStore::open_with(&database, MasterSource::beside(&database))?)));
    std::fs::write(&config_path, text)
        .map_err(|error| Failure::failed(format!("{}: {error}", config_path.display())))?;
    tell(context, args, &config_path, &identity);
    Ok(ExitCode::SUCCESS)
}

fn tell(context: &Context, args: &Args, config_path: &Path, identity: &Identity) {
    let value = json!({
        "institution": identity.institution(),
        "config": config_path,
        "keys": args.data.join("keys"),
        "master_key": args.data.join("keys").join(MASTER_KEY),
        "database": args.data.join("watari.db"),
        "fingerprint": identity.certificate_sha256(),
    });
    let text = format!(
        "Wrote {config}\n  keys         {keys}\n  master key   {master}\n  database     {database}\n  fingerprint  {fingerprint}\n\n\
         Copy the master key to a safe place apart from the backups: without it what was received cannot be read.\n\
         Next: read the configuration, then\n  watari serve  --config {config}\n  watari doctor --config {config}",
        config = config_path.display(),
        keys = args.data.join("keys").display(),
        master = args.data.join("keys").join(MASTER_KEY).display(),
        database = args.data.join("watari.db").display(),
        fingerprint = identity.certificate_sha256(),
    );
    context.print(&value, &text);
}

fn id_from_name(name: &str) -> String {
    let mut id = String::new();
    for letter in name.chars() {
        match letter.to_ascii_lowercase() {
            letter @ ('a'..='z' | '0'..='9') => id.push(letter),
            _ if !id.is_empty() && !id.ends_with('-') => id.push('-'),
            _ => {}
        }
    }
    id.truncate(40);
    id.trim_matches('-').to_owned()
}

/// The example configuration with this institution's answers filled in.
fn configuration(id: &str, name: &str, country: Country) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let zone = if country == Country::Jp { "Asia/Tokyo" } else { "America/Toronto" };
    let answers = [
        ("id", quoted(id)),
        ("name", format!("{{ en = {} }}", quoted(name))),
        ("country", quoted(country.as_str())),
        ("time_zone", quoted(zone)),
        ("namespace", quoted(&format!("https://{id}.invalid/fhir"))),
        ("data", quoted(".")),
    ];
    let lines = TEMPLATE.lines().map(|line| {
        let key = line.split('=').next().unwrap_or("").trim();
        match answers.iter().find(|(answer, _)| *answer == key) {
            Some((key, value)) => format!("{key} = {value}"),
            None => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[cfg(unix)]
fn make_private(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.exists() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Failure::failed(format!("{}: {error}", folder.display())))
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::failed(format!("{}: {error}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_quotes_stays_one_value() {
        let text = configuration("x", "St. \"Mary\" \\ Hôpital\nnext", Country::Ca);
        let config = Config::parse(&text, "test").unwrap();
        assert_eq!(config.institution.name.en, "St. \"Mary\" \\ Hôpital\nnext");
    }

    #[test]
    fn ids_are_made_from_latin_names() {
        assert_eq!(id_from_name("Toronto General – East"), "toronto-general-east");
        assert_eq!(id_from_name("東京病院"), "");
    }
}
