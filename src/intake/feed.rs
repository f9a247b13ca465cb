//! A feed: a folder or file of one kind, taken in whole, or only what is new or changed since the last time.

use std::path::{Path, PathBuf};

use super::ledger::Ledger;
use super::{Intake, IntakeError, Summary, Tell, Told, ccda, csv, fhir, folder, hl7v2, ssmix2};
use crate::translate::csv::CsvMapping;

/// What a feed holds.
#[derive(Debug, Clone)]
pub enum Feed {
    /// HL7 v2 files.
    Hl7v2,
    /// An SS-MIX2 storage, standardised or extended.
    Ssmix2,
    /// Tables, by this mapping.
    Csv(Box<CsvMapping>),
    /// FHIR files.
    Fhir,
    /// C-CDA documents.
    Ccda,
}

impl Feed {
    /// The channel its messages come by.
    pub fn channel(&self) -> &'static str {
        match self {
            Self::Hl7v2 => "hl7v2",
            Self::Ssmix2 => "ssmix2",
            Self::Csv(_) => "csv",
            Self::Fhir => "fhir",
            Self::Ccda => "ccda",
        }
    }

    /// Whether a file of this name below a folder is one of the feed's. A file named by itself always is.
    fn holds(&self, name: &str) -> bool {
        let ends = |endings: &[&str]| {
            let name = name.to_ascii_lowercase();
            endings.iter().any(|ending| name.ends_with(ending))
        };
        match self {
            Self::Hl7v2 => ends(&[".hl7"]),
            Self::Ssmix2 => ssmix2::is_storage_file(name),
            Self::Csv(_) => ends(&[".csv", ".tsv", ".txt"]),
            Self::Fhir => ends(&[".json", ".ndjson"]),
            Self::Ccda => ends(&[".xml"]),
        }
    }

    /// What tells which of two files comes first: SS-MIX2 files carry the time they were written.
    fn order<'a>(&self, name: &'a str) -> &'a str {
        if matches!(self, Self::Ssmix2) { ssmix2::written_at(name) } else { "" }
    }

    /// Takes in one file. `only_new`: what was taken in before from this source is passed over, message by message.
    fn take(
        &self,
        intake: &Intake,
        path: &Path,
        name: &str,
        only_new: bool,
        tell: &mut Tell<'_>,
    ) -> Result<Summary, IntakeError> {
        match self {
            Self::Hl7v2 => hl7v2::import_file(intake, path, name, only_new, tell),
            Self::Csv(mapping) => csv::import_file(intake, path, name, mapping, only_new, tell),
            Self::Fhir => fhir::import_file(intake, path, name, only_new, tell),
            Self::Ccda => ccda::import_file(intake, path, name, only_new),
            Self::Ssmix2 => {
                let mut summary = Summary::default();
                if let Some(raw) = super::read_file(intake, "ssmix2", name, path, &mut summary)? {
                    summary.add(&ssmix2::take(intake, name, &raw)?);
                }
                Ok(summary)
            }
        }
    }
}

/// Takes in every file of the feed at `root`, and tells of what it passes over.
pub fn import(intake: &Intake, feed: &Feed, root: &Path, tell: &mut Tell<'_>) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    for piece in folder::pieces(root)? {
        let found = found(intake, feed, root, &piece, &mut summary, tell)?;
        for (name, path) in found {
            summary.add(&feed.take(intake, &path, &name, false, tell)?);
            tell(Told::Done(&name));
        }
    }
    Ok(summary)
}

/// Takes in what is new or changed at `root` since it was last taken in. It may be stopped at any time and taken up again.
pub fn import_new(intake: &Intake, feed: &Feed, root: &Path, tell: &mut Tell<'_>) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    let mut ledger = Ledger::new(intake, feed.channel(), root.display().to_string());
    for piece in folder::pieces(root)? {
        for (name, path) in found(intake, feed, root, &piece, &mut summary, tell)? {
            summary.add(&take_new(intake, feed, &mut ledger, &name, &path, tell)?);
            tell(Told::Done(&name));
        }
        ledger.write()?;
    }
    Ok(summary)
}

/// Takes in one file unless it is as it was.
pub(super) fn take_new(
    intake: &Intake,
    feed: &Feed,
    ledger: &mut Ledger<'_>,
    name: &str,
    path: &Path,
    tell: &mut Tell<'_>,
) -> Result<Summary, IntakeError> {
    let mut summary = Summary::default();
    // Taken before the bytes are read: a file changed in between looks otherwise next time.
    let Some(fingerprint) = folder::fingerprint(path) else { return Ok(summary) };
    let last = ledger.last(name)?;
    if last.as_ref().is_some_and(|last| last.fingerprint == fingerprint) {
        summary.unchanged += 1;
        return Ok(summary);
    }
    if !matches!(feed, Feed::Ssmix2) {
        summary.add(&feed.take(intake, path, name, true, tell)?);
        ledger.note(name, fingerprint, None)?;
        return Ok(summary);
    }
    let Some(raw) = super::read_file(intake, "ssmix2", name, path, &mut summary)? else {
        // Told once; it is looked at again when it looks otherwise.
        ledger.note(name, fingerprint, None)?;
        return Ok(summary);
    };
    if ledger.holds(last.as_ref(), name, &raw)? {
        summary.unchanged += 1;
    } else {
        summary.add(&ssmix2::take(intake, name, &raw)?);
    }
    ledger.note(name, fingerprint, Some(&raw))?;
    Ok(summary)
}

/// The feed's files in one piece of it, in the order they are taken in. What cannot be looked into is quarantined by name.
fn found(
    intake: &Intake,
    feed: &Feed,
    root: &Path,
    piece: &Path,
    summary: &mut Summary,
    tell: &mut Tell<'_>,
) -> Result<Vec<(String, PathBuf)>, IntakeError> {
    let listing = match folder::list(piece) {
        Ok(listing) => listing,
        Err(IntakeError::Unreadable { cause, .. }) => {
            super::cannot_be_read(intake, feed.channel(), &folder::below(root, piece), &cause, summary)?;
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    for (path, cause) in listing.troubles {
        super::cannot_be_read(intake, feed.channel(), &folder::below(root, &path), &cause, summary)?;
    }
    let mut files = Vec::new();
    for path in listing.files {
        let name = folder::below(root, &path);
        if path == root || feed.holds(&name) {
            files.push((name, path));
        } else {
            summary.skipped += 1;
            tell(Told::Skipped(&name));
        }
    }
    files.sort_by(|(a, _), (b, _)| feed.order(a).cmp(feed.order(b)).then_with(|| a.cmp(b)));
    tell(Told::Found(files.len() as u64));
    Ok(files)
}

/// The feed's files at `root` that do not look as they did when they were last taken in.
pub(super) fn changed(feed: &Feed, ledger: &Ledger<'_>, root: &Path) -> Result<Vec<PathBuf>, IntakeError> {
    let mut changed = Vec::new();
    for path in folder::list(root)?.files {
        let name = folder::below(root, &path);
        if (path == root || feed.holds(&name))
            && ledger.last(&name)?.map(|last| last.fingerprint) != folder::fingerprint(&path)
        {
            changed.push(path);
        }
    }
    Ok(changed)
}

/// Puts paths in the order they are taken in.
pub(super) fn in_order(feed: &Feed, root: &Path, paths: &mut [PathBuf]) {
    paths.sort_by_key(|path| {
        let name = folder::below(root, path);
        (feed.order(&name).to_owned(), name)
    });
}

/// Whether a changed path is a file of the feed.
pub(super) fn concerns(feed: &Feed, root: &Path, path: &Path) -> bool {
    path == root || feed.holds(&folder::below(root, path))
}
