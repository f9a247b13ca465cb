//! `watari translate`: files to FHIR without a node. Bundles on stdout or in a folder, refusals on stderr.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::config::Country;
use crate::intake::ranking;
use crate::translate::csv::CsvMapping;
use crate::translate::losses::Fate;
use crate::translate::{Mappings, Refused, Setting, Translated, ccda, csv, hl7v2, ssmix2};

/// A file larger than this is refused.
pub(super) const MAX_FILE: u64 = 256 * 1024 * 1024;

/// Translates files to FHIR R4 transaction bundles.
#[derive(Debug, Args)]
pub struct TranslateArgs {
    /// What the files are.
    #[arg(long, value_enum)]
    pub from: Format,
    /// Whose rules: rows, zone, undeclared bytes. Default: jp for ssmix2, else ca.
    #[arg(long, value_enum)]
    pub country: Option<CountryArg>,
    /// CSV: the mapping file. Others: a file or a folder of mapping rows.
    #[arg(long)]
    pub mapping: Option<PathBuf>,
    /// Writes the loss reports there, a JSON line for each source field.
    #[arg(long)]
    pub losses: Option<PathBuf>,
    /// Writes what became of each field over all files there, the fields that are lost most often first (JSON).
    #[arg(long)]
    pub losses_total: Option<PathBuf>,
    /// Writes each bundle into this folder instead of stdout.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Files and folders.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
}

/// Source formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// HL7 v2 messages (*.hl7).
    Hl7v2,
    /// An SS-MIX2 standardised storage.
    Ssmix2,
    /// Tables (*.csv).
    Csv,
    /// C-CDA documents (*.xml).
    Ccda,
}

/// Countries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CountryArg {
    /// Canada.
    Ca,
    /// Japan.
    Jp,
}

/// Runs the verb. 0: all translated; 2: wrong usage or mapping; 3: some input refused; 1: something could not be written.
pub fn run(args: &TranslateArgs) -> ExitCode {
    match translate(args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(3),
        Err(Stop::Usage(message)) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
        Err(Stop::Io(path, cause)) => {
            eprintln!("{}: {cause}", path.display());
            ExitCode::from(1)
        }
    }
}

enum Stop {
    Usage(String),
    Io(PathBuf, std::io::Error),
}

/// An input file and its name below the folder it was found in.
struct Input {
    path: PathBuf,
    below: PathBuf,
}

/// Translates all; gives the number of refusals.
fn translate(args: &TranslateArgs) -> Result<usize, Stop> {
    let country = match args.country {
        Some(CountryArg::Ca) => Country::Ca,
        Some(CountryArg::Jp) => Country::Jp,
        None if args.from == Format::Ssmix2 => Country::Jp,
        None => Country::Ca,
    };
    let setting = Setting::anonymous(country);
    let (mappings, table) = load_mappings(args)?;
    let mut output = Output::new(args)?;
    for input in inputs(args)? {
        let bytes = read(&input.path)?;
        match (args.from, &table) {
            (Format::Csv, Some(table)) => {
                for row in csv::translate(table, &setting, &bytes) {
                    output.take(&input, usize::try_from(row.line).ok(), row.result)?;
                }
            }
            (Format::Ssmix2, _) => {
                let result = ssmix2::parse_path(&input.path.to_string_lossy())
                    .and_then(|path| ssmix2::translate(&mappings, &setting, &path, &bytes));
                output.take(&input, None, result)?;
            }
            (Format::Ccda, _) => output.take(&input, None, ccda::translate(&mappings, &setting, &bytes))?,
            _ => {
                let messages = hl7v2::split_batch(&bytes);
                if messages.is_empty() {
                    output.take(&input, None, hl7v2::translate(&mappings, &setting, &bytes))?;
                }
                let single = messages.len() == 1;
                for (number, message) in messages.into_iter().enumerate() {
                    let line = (!single).then_some(number + 1);
                    output.take(&input, line, hl7v2::translate(&mappings, &setting, message))?;
                }
            }
        }
    }
    output.finish()
}

fn load_mappings(args: &TranslateArgs) -> Result<(Mappings, Option<CsvMapping>), Stop> {
    let usage = |error: crate::translate::MappingError| Stop::Usage(error.to_string());
    if args.from == Format::Csv {
        let Some(path) = &args.mapping else {
            return Err(Stop::Usage("--from csv needs --mapping FILE; config/mappings/csv holds examples".to_owned()));
        };
        let text =
            std::fs::read_to_string(path).map_err(|cause| Stop::Usage(format!("{}: {cause}", path.display())))?;
        let table = CsvMapping::load(&text, &path.display().to_string()).map_err(usage)?;
        return Ok((Mappings::builtin().map_err(usage)?, Some(table)));
    }
    let folders: Vec<PathBuf> = args.mapping.iter().cloned().collect();
    Ok((Mappings::with_folders(&folders).map_err(usage)?, None))
}

/// The files to read. From folders: `*.hl7`, `*.csv`, or every file of a storage; others are named on stderr.
fn inputs(args: &TranslateArgs) -> Result<Vec<Input>, Stop> {
    let mut inputs = Vec::new();
    for path in &args.paths {
        if !path.exists() {
            return Err(Stop::Usage(format!("{}: there is no such file or folder", path.display())));
        }
        if path.is_dir() {
            let mut files = Vec::new();
            walk(path, &mut files)?;
            files.sort();
            for file in files {
                if is_wanted(args.from, &file) {
                    let below = file.strip_prefix(path).unwrap_or(&file).to_path_buf();
                    inputs.push(Input { path: file, below });
                } else {
                    eprintln!("{}", json!({"skipped": file.display().to_string()}));
                }
            }
        } else {
            let below = path.file_name().map_or_else(|| path.clone(), PathBuf::from);
            inputs.push(Input { path: path.clone(), below });
        }
    }
    Ok(inputs)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Stop> {
    let io = |cause| Stop::Io(folder.to_path_buf(), cause);
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let kind = entry.file_type().map_err(io)?;
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn is_wanted(format: Format, file: &Path) -> bool {
    let extension = |wanted: &str| file.extension().is_some_and(|found| found.eq_ignore_ascii_case(wanted));
    match format {
        Format::Hl7v2 => extension("hl7"),
        Format::Csv => extension("csv"),
        Format::Ccda => extension("xml"),
        Format::Ssmix2 => true,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Stop> {
    let io = |cause| Stop::Io(path.to_path_buf(), cause);
    if std::fs::metadata(path).map_err(io)?.len() > MAX_FILE {
        return Err(Stop::Usage(format!("{} is larger than {MAX_FILE} bytes; split it", path.display())));
    }
    std::fs::read(path).map_err(io)
}

/// Where results go.
struct Output<'a> {
    args: &'a TranslateArgs,
    losses: Option<(PathBuf, std::io::BufWriter<std::fs::File>)>,
    totals: BTreeMap<Fate, u64>,
    refused: usize,
}

impl<'a> Output<'a> {
    fn new(args: &'a TranslateArgs) -> Result<Self, Stop> {
        let losses = match &args.losses {
            Some(path) => {
                let file = std::fs::File::create(path).map_err(|cause| Stop::Io(path.clone(), cause))?;
                Some((path.clone(), std::io::BufWriter::new(file)))
            }
            None => None,
        };
        Ok(Self { args, losses, totals: BTreeMap::new(), refused: 0 })
    }

    fn take(&mut self, input: &Input, line: Option<usize>, result: Result<Translated, Refused>) -> Result<(), Stop> {
        let name = input.path.display().to_string();
        match result {
            Ok(translated) => {
                if self.args.losses_total.is_some() {
                    for (fate, seen) in translated.losses.by_field() {
                        *self.totals.entry(fate).or_default() += seen;
                    }
                }
                if let Some((path, file)) = &mut self.losses {
                    let lines = translated.losses.ndjson(&label(&name, line));
                    file.write_all(lines.as_bytes()).map_err(|cause| Stop::Io(path.clone(), cause))?;
                }
                self.write_bundle(input, line, &translated.bundle.to_json_text())
            }
            Err(refused) => {
                self.refused += 1;
                let mut report = json!({"input": name});
                if let Some(line) = line {
                    report["line"] = json!(line);
                }
                report["kind"] = json!(refused.kind);
                report["code"] = json!(refused.code);
                if let Some(place) = refused.place {
                    report["place"] = json!(place);
                }
                report["reason"] = json!(refused.reason);
                eprintln!("{report}");
                Ok(())
            }
        }
    }

    fn write_bundle(&self, input: &Input, line: Option<usize>, bundle: &str) -> Result<(), Stop> {
        let Some(folder) = &self.args.out else {
            let mut stdout = std::io::stdout().lock();
            return writeln!(stdout, "{bundle}").map_err(|cause| Stop::Io(PathBuf::from("stdout"), cause));
        };
        let mut name = input.below.as_os_str().to_owned();
        if let Some(line) = line {
            name.push(format!(".{line}"));
        }
        name.push(".json");
        let path = folder.join(name);
        let io = |cause| Stop::Io(path.clone(), cause);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(io)?;
        }
        std::fs::write(&path, bundle).map_err(io)
    }

    fn finish(self) -> Result<usize, Stop> {
        if let Some((path, mut file)) = self.losses {
            file.flush().map_err(|cause| Stop::Io(path, cause))?;
        }
        if let Some(path) = &self.args.losses_total {
            let ranked = json!(ranking::rank(&ranking::of_fates(&self.totals)));
            std::fs::write(path, format!("{ranked:#}\n")).map_err(|cause| Stop::Io(path.clone(), cause))?;
        }
        Ok(self.refused)
    }
}

fn label(name: &str, line: Option<usize>) -> String {
    line.map_or_else(|| name.to_owned(), |line| format!("{name}:{line}"))
}
