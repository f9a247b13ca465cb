//! `watari codes`: which codes and units of the record no table knows, most frequent first, and the code maps as FHIR
//! ConceptMaps.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Context, Failure, Outcome};
use crate::harmonise::{Catalog, HarmoniseSetting, Unmapped, harmonise_resource};
use crate::node::{Parts, Purpose};
use crate::records::find;
use crate::store::StoreError;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the codes and units of the record that no table maps, most frequent first.
    Unmapped {
        /// Show at most so many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Write the code maps, the program's and the hospital's, as FHIR ConceptMaps: a Bundle, or a file each.
    Export {
        /// Folder for one file each, instead of a Bundle on stdout.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

pub(super) fn run(context: &Context, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Unmapped { limit } => unmapped(context, *limit),
        Verb::Export { out } => export(context, out.as_ref()),
    }
}

fn unmapped(context: &Context, limit: usize) -> Outcome {
    let (_, parts) = context.parts(Purpose::Demo)?;
    let mut ranked = count(&parts)?.ranked();
    ranked.truncate(limit);
    let lines: Vec<String> =
        ranked.iter().map(|one| format!("{:>8}  {:<16} {}", one.count, one.element, one.what)).collect();
    let text = if lines.is_empty() { "Every code and unit is mapped.".to_owned() } else { lines.join("\n") };
    context.print(&json!({"unmapped": ranked}), &text);
    Ok(ExitCode::SUCCESS)
}

/// Harmonises the record anew, patient by patient, and keeps only what was not known.
fn count(parts: &Parts) -> Result<Unmapped, StoreError> {
    let setting = HarmoniseSetting::from(parts.here.config.as_ref());
    let patients = parts.here.store.view(find::all_patients)?;
    let mut unmapped = Unmapped::default();
    for patient in patients {
        let resources = parts.here.store.view(|view| view.compartment(&patient))?;
        for stored in resources {
            let Ok(mut resource) = serde_json::from_str(&stored.json) else { continue };
            unmapped.add(&harmonise_resource(parts.intake.catalog, &setting, &mut resource));
        }
    }
    Ok(unmapped)
}

fn export(context: &Context, out: Option<&PathBuf>) -> Outcome {
    let catalog = Catalog::with_folders(&context.config()?.intake.code_maps)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let maps = catalog.concept_maps();
    let Some(folder) = out else {
        let entries: Vec<_> = maps.iter().map(|map| json!({"resource": map})).collect();
        println!("{:#}", json!({"resourceType": "Bundle", "type": "collection", "entry": entries}));
        return Ok(ExitCode::SUCCESS);
    };
    let failed = |path: &PathBuf, cause: std::io::Error| Failure::failed(format!("{}: {cause}", path.display()));
    std::fs::create_dir_all(folder).map_err(|cause| failed(folder, cause))?;
    let mut names = Vec::new();
    for (number, map) in maps.iter().enumerate() {
        let id = map["id"].as_str().filter(|id| crate::fhir::is_valid_id(id));
        let name = id.map_or_else(|| format!("map-{}", number + 1), str::to_owned);
        let path = folder.join(format!("ConceptMap-{name}.json"));
        std::fs::write(&path, format!("{map:#}\n")).map_err(|cause| failed(&path, cause))?;
        names.push(path.display().to_string());
    }
    context.print(&json!({"written": names}), &names.join("\n"));
    Ok(ExitCode::SUCCESS)
}
