//! `watari mapping explain`: of a file, what made each element; without a file, where the rows lead.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::{Context, Outcome};
use crate::commands::Failure;
use crate::commands::translate::{CountryArg, Format, MAX_FILE};
use crate::config::Country;
use crate::harmonise::{self, HarmoniseSetting};
use crate::translate::csv::{self, CsvMapping};
use crate::translate::explain::{self, Element, Way};
use crate::translate::trace::{By, Trace};
use crate::translate::{Mappings, Refused, Setting, Translated, hl7v2, ssmix2};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the file is. Then the first argument is a file, and its translation is explained.
    #[arg(long, value_enum)]
    from: Option<Format>,
    /// Whose rules. Default: jp for ssmix2, else ca.
    #[arg(long, value_enum)]
    country: Option<CountryArg>,
    /// CSV: the mapping file. Others: files or folders of rows. Default: what the configuration names.
    #[arg(long)]
    mapping: Vec<PathBuf>,
    /// Only the elements of this resource of the bundle, from 1.
    #[arg(long)]
    resource: Option<usize>,
    /// Of a file with several messages or rows, the one explained.
    #[arg(long, default_value_t = 1)]
    message: usize,
    /// [FILE] and then fields (`PID-5`, `ZAL`, `column mrn`) or elements (`Patient.name`, `Observation.valueQuantity`).
    #[arg(required = true)]
    what: Vec<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    let country = match (args.country, args.from) {
        (Some(CountryArg::Jp), _) | (None, Some(Format::Ssmix2)) => Country::Jp,
        _ => Country::Ca,
    };
    match args.from {
        Some(format) => of_file(context, args, format, country),
        None => of_rows(context, args, country),
    }
}

/// Folders and files of rows: given, else configured.
fn mappings(context: &Context, args: &Args) -> Result<Mappings, Failure> {
    let folders = if args.mapping.is_empty() { context.config()?.intake.mappings } else { args.mapping.clone() };
    Ok(Mappings::with_folders(&folders)?)
}

fn of_rows(context: &Context, args: &Args, country: Country) -> Outcome {
    let mappings = mappings(context, args)?;
    let mut found: Vec<Way> = Vec::new();
    for wanted in &args.what {
        let ways = explain::ways(&mappings, country, wanted);
        if ways.is_empty() {
            return Err(Failure::failed(format!("no row reads or writes {wanted}")));
        }
        found.extend(ways);
    }
    let lines: Vec<String> = found.iter().map(way_line).collect();
    context.print(&json!(found), &lines.join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn way_line(way: &Way) -> String {
    let source = way.source.as_deref().unwrap_or("-");
    let element = way.element.as_deref().unwrap_or("-");
    let notes = if way.notes.is_empty() { String::new() } else { format!(" ({})", way.notes.join("; ")) };
    format!("{source} -> {element}  {}{notes}\n    {}{}", way.how, way.place, instead(&way.instead_of))
}

fn instead(places: &[String]) -> String {
    if places.is_empty() { String::new() } else { format!(", instead of {}", places.join(", ")) }
}

fn of_file(context: &Context, args: &Args, format: Format, country: Country) -> Outcome {
    let Some((file, wanted)) = args.what.split_first() else {
        return Err(Failure::usage("name a file"));
    };
    let setting = Setting::anonymous(country);
    let bytes = read(Path::new(file))?;
    let (mappings, trace, translated) = match format {
        Format::Csv => {
            let Some(path) = args.mapping.first() else {
                return Err(Failure::usage("--from csv needs --mapping FILE"));
            };
            let text = String::from_utf8_lossy(&read(path)?).into_owned();
            let (table, trace) = CsvMapping::load(&text, &path.display().to_string())?.traced();
            let row = csv::translate(&table, &setting, &bytes).into_iter().nth(args.message.saturating_sub(1));
            (table.base().clone(), trace, row.map(|row| row.result))
        }
        Format::Ssmix2 => {
            let (mappings, trace) = explain::traced(mappings(context, args)?);
            let result =
                ssmix2::parse_path(file).and_then(|path| ssmix2::translate(&mappings, &setting, &path, &bytes));
            (mappings, trace, Some(result))
        }
        Format::Hl7v2 => {
            let (mappings, trace) = explain::traced(mappings(context, args)?);
            let message = hl7v2::split_batch(&bytes).into_iter().nth(args.message.saturating_sub(1));
            let result = message.map(|message| hl7v2::translate(&mappings, &setting, message));
            (mappings, trace, result)
        }
        _ => return Err(Failure::usage("only hl7v2, ssmix2 and csv are explained by rows")),
    };
    let Some(translated) = translated else {
        return Err(Failure::usage(format!("{file} has no message {}", args.message)));
    };
    let translated = translated.map_err(|refused: Refused| Failure::failed(refused.reason))?;
    let elements = elements(&mappings, country, &setting, &trace, &translated)?;
    let found: Vec<Element> = elements.into_iter().filter(|element| is_wanted(args, wanted, element)).collect();
    if found.is_empty() {
        return Err(Failure::failed("nothing of the translation is what you asked for"));
    }
    let lines: Vec<String> = found.iter().map(element_line).collect();
    context.print(&json!(found), &lines.join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn elements(
    mappings: &Mappings,
    country: Country,
    setting: &Setting,
    trace: &Trace,
    translated: &Translated,
) -> Result<Vec<Element>, Failure> {
    let mut harmonised = translated.bundle.clone();
    let beside = HarmoniseSetting { country, namespace: setting.namespace.clone() };
    let catalog = harmonise::builtin().map_err(|error| Failure::failed(error.to_string()))?;
    harmonise::harmonise_tree(catalog, &beside, &mut harmonised);
    Ok(explain::elements(mappings, country, trace, &translated.bundle, &harmonised))
}

/// Whether an element is the one asked for, or within it, or comes from the field asked for.
fn is_wanted(args: &Args, wanted: &[String], element: &Element) -> bool {
    let of_resource = args.resource.is_none_or(|number| number == element.resource);
    of_resource && (wanted.is_empty() || wanted.iter().any(|wanted| explain::concerns(element, wanted)))
}

fn element_line(element: &Element) -> String {
    let source = match (&element.source, element.occurrence) {
        (Some(source), Some(occurrence)) if occurrence > 1 => format!("{source} (#{occurrence})"),
        (Some(source), _) => source.clone(),
        (None, _) => match element.by {
            By::Fixed | By::Default => "what the resource row says".to_owned(),
            By::Link => "a link to another resource".to_owned(),
            By::Identity => "what identifies it".to_owned(),
            By::Meaning => "what several fields say together".to_owned(),
            By::Profile => "the profile it conforms to".to_owned(),
            By::Harmonising => "harmonising".to_owned(),
            By::Provenance => "where the message came from".to_owned(),
            By::Row | By::Code => "code".to_owned(),
        },
    };
    let place = format!("{}{}", element.place, instead(&element.instead_of));
    format!("{} {} <- {source}\n    {place}", element.resource, element.element)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
    if std::fs::metadata(path).map_err(wrong)?.len() > MAX_FILE {
        return Err(Failure::usage(format!("{} is larger than {MAX_FILE} bytes", path.display())));
    }
    std::fs::read(path).map_err(wrong)
}
