//! The write path alone: what one message adds to the record is committed N times through the store's public interface.
//!
//!     cargo bench --bench store -- FILE.hl7 [--messages N] [--threads T] [--rounds R] [--whole] [--folder DIR]
//!
//! Every copy of the message has its own numbers (control id, patient, visit, order), so that each writes new resources.
//! Translation and acceptance are done before the clock starts; `--whole` leaves them in. Printed by round: messages and
//! resources a second, CPU milliseconds a message of the whole process and of the writer thread, what the database grew by, and what was written to
//! the log and the file. CPU is what can be compared on a machine that does other work too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use watari::clock::{Clock as _, SystemClock, instant};
use watari::config::Country;
use watari::harmonise::{self, Catalog, HarmoniseSetting};
use watari::ids;
use watari::records::accept::{NewIds, Origin, accept};
use watari::store::messages::{MessageRecord, MessageStatus};
use watari::store::sqlite::SqliteStore;
use watari::store::{Change, Changes, Handle, losses::LossKey};
use watari::translate::{Mappings, Setting, hl7v2};

/// Fields that get a number of their own, by segment.
const NUMBERED: [(&str, &[usize]); 5] =
    [("MSH", &[10]), ("PID", &[3, 18]), ("ORC", &[2, 3]), ("OBR", &[2, 3]), ("PV1", &[19])];

struct Options {
    file: PathBuf,
    messages: usize,
    threads: usize,
    rounds: usize,
    whole: bool,
    folder: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    let template = String::from_utf8_lossy(&std::fs::read(&options.file)?).replace("\r\n", "\r").replace('\n', "\r");
    let template = template.trim_start_matches('\u{feff}').trim().to_owned();
    let scratch = tempfile::tempdir()?;
    let folder = options.folder.clone().unwrap_or_else(|| scratch.path().to_path_buf());
    let database = folder.join("bench.db");
    let bench = Arc::new(Bench {
        store: Handle::new(Arc::new(SqliteStore::open(&database)?)),
        mappings: Mappings::builtin()?,
        catalog: harmonise::builtin()?,
        setting: setting(),
        template,
    });
    for round in 0..options.rounds {
        let first = round * options.messages;
        let prepared: Vec<Changes> = match options.whole {
            true => Vec::new(),
            false => (first..first + options.messages).map(|number| bench.changes(number)).collect(),
        };
        let resources = prepared.first().map_or(0, resources);
        let (cpu, writer, before, wrote) = (process_cpu(), writer_cpu(), size(&database), written());
        let began = Instant::now();
        bench.run(prepared, first, &options);
        let took = began.elapsed().as_secs_f64();
        let each = options.messages as f64;
        println!(
            "round {}: {:.0} messages/s, {:.0} resources/s; CPU a message {:.3} ms, of the writer {:.3} ms; \
             {:.1} kB of database and {:.0} kB written a message",
            round + 1,
            each / took,
            each * resources as f64 / took,
            (process_cpu() - cpu) * 1000.0 / each,
            (writer_cpu() - writer) * 1000.0 / each,
            (size(&database) as f64 - before as f64) / 1000.0 / each,
            (written() - wrote) as f64 / 1000.0 / each,
        );
    }
    Ok(())
}

struct Bench {
    store: Handle,
    mappings: Mappings,
    catalog: &'static Catalog,
    setting: Setting,
    template: String,
}

impl Bench {
    /// Commits from several threads, each waiting for its own.
    fn run(self: &Arc<Self>, prepared: Vec<Changes>, first: usize, options: &Options) {
        let next = Arc::new(AtomicUsize::new(0));
        let prepared: Arc<Vec<std::sync::Mutex<Option<Changes>>>> =
            Arc::new(prepared.into_iter().map(|changes| std::sync::Mutex::new(Some(changes))).collect());
        let threads: Vec<_> = (0..options.threads)
            .map(|_| {
                let (this, next, prepared, messages) =
                    (Arc::clone(self), Arc::clone(&next), Arc::clone(&prepared), options.messages);
                std::thread::spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= messages {
                            return;
                        }
                        let changes = match prepared.get(number) {
                            Some(slot) => slot.lock().ok().and_then(|mut slot| slot.take()).unwrap_or_default(),
                            None => this.changes(first + number),
                        };
                        if let Err(error) = this.store.commit(changes) {
                            eprintln!("a commit failed: {error}");
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            let _ = thread.join();
        }
    }

    /// What the numbered copy of the message changes.
    fn changes(&self, number: usize) -> Changes {
        let raw = numbered(&self.template, number);
        let mut translated = match hl7v2::translate(&self.mappings, &self.setting, raw.as_bytes()) {
            Ok(translated) => translated,
            Err(refused) => fail(&refused.reason),
        };
        let setting = HarmoniseSetting { country: self.setting.country, namespace: self.setting.namespace.clone() };
        harmonise::harmonise_feed(self.catalog, &setting, &mut translated.bundle);
        let bundle = serde_json::Value::from(&translated.bundle);
        let now = instant(SystemClock.now());
        let id = ids::fresh();
        let origin = Origin {
            message_id: Some(id.clone()),
            event_time: translated.event_time.map(instant),
            new_ids: NewIds::OfFullUrl,
            amendments: translated.amendments.clone(),
            harmonised: true,
            ..Origin::default()
        };
        let accepted = match self.store.view(|view| accept(view, &now, &bundle, &origin)) {
            Ok(accepted) => accepted,
            Err(error) => fail(&error.to_string()),
        };
        let names: Vec<String> = accepted.entries.iter().map(|entry| format!("{}/{}", entry.kind, entry.id)).collect();
        let counts = translated.losses.by_field().into_iter().map(|(fate, seen)| {
            let key = LossKey {
                day: now.get(..10).unwrap_or(&now).to_owned(),
                channel: "mllp".to_owned(),
                kind: translated.kind.clone(),
                field: fate.field,
                outcome: fate.outcome.as_str().to_owned(),
                reason: fate.reason.unwrap_or_default(),
            };
            (key, seen)
        });
        let counts = Change::CountLosses(counts.collect());
        let message = MessageRecord {
            id,
            channel: "mllp".to_owned(),
            source: "BENCH".to_owned(),
            kind: translated.kind.clone(),
            control_id: translated.control_id.clone(),
            received_at: now,
            sha256: ids::sha256_hex(raw.as_bytes()),
            raw: raw.into_bytes(),
            status: MessageStatus::Translated,
            reason: None,
            losses: serde_json::to_string(&translated.losses).ok(),
            resources: serde_json::Value::from(names).to_string(),
            patient: accepted.patient.clone(),
        };
        let mut changes = Changes { expect: accepted.expect, changes: accepted.changes };
        changes.changes.push(counts);
        changes.changes.push(Change::RecordMessage(message));
        changes
    }
}

/// An institution in Canada, whose unnamed codes are its own.
fn setting() -> Setting {
    Setting {
        country: Country::Ca,
        zone: jiff::tz::TimeZone::UTC,
        namespace: "https://bench.example/fhir".to_owned(),
        institution: "bench".to_owned(),
        institution_code: None,
        province: None,
        charset_binds: false,
        charset_unnamed: None,
    }
}

fn options() -> Result<Options, Box<dyn std::error::Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/process/mllp/results.hl7");
    let mut options = Options { file, messages: 2000, threads: 8, rounds: 3, whole: false, folder: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--messages" => options.messages = value()?.parse()?,
            "--threads" => options.threads = value()?.parse()?,
            "--rounds" => options.rounds = value()?.parse()?,
            "--folder" => options.folder = Some(value()?.into()),
            "--whole" => options.whole = true,
            // Cargo's own.
            "--bench" => {}
            file => options.file = file.into(),
        }
    }
    Ok(options)
}

fn fail(reason: &str) -> ! {
    eprintln!("the message cannot be used: {reason}");
    std::process::exit(1)
}

fn numbered(template: &str, number: usize) -> String {
    let line = |line: &str| {
        let mut fields: Vec<String> = line.split('|').map(str::to_owned).collect();
        let shift = usize::from(fields.first().is_some_and(|name| name == "MSH"));
        let wanted = NUMBERED.iter().find(|(name, _)| fields.first().is_some_and(|field| field == name));
        for at in wanted.map_or(&[][..], |(_, at)| at) {
            if let Some(field) = fields.get_mut(at - shift).filter(|field| !field.is_empty()) {
                let (first, rest) = field.split_once('^').map_or((field.as_str(), None), |(a, b)| (a, Some(b)));
                *field = rest.map_or(format!("{first}-{number}"), |rest| format!("{first}-{number}^{rest}"));
            }
        }
        fields.join("|")
    };
    template.split('\r').map(line).collect::<Vec<_>>().join("\r")
}

fn resources(changes: &Changes) -> usize {
    changes.changes.iter().filter(|change| matches!(change, Change::PutResource(_))).count()
}

/// Bytes of the database and its log.
fn size(database: &Path) -> u64 {
    let bytes = |path: PathBuf| std::fs::metadata(path).map_or(0, |found| found.len());
    bytes(database.to_path_buf()) + bytes(database.with_extension("db-wal"))
}

/// Bytes given to the operating system to write (Linux; 0 elsewhere).
fn written() -> u64 {
    let counts = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let wrote = counts.lines().find_map(|line| line.strip_prefix("wchar: "));
    wrote.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// CPU seconds of the whole process, and of the store's writer (Linux; 0 elsewhere).
fn process_cpu() -> f64 {
    ticks("/proc/self/stat".as_ref())
}

fn writer_cpu() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let writers = tasks.filter(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "store-writer")
    });
    writers.map(|task| ticks(&task.path().join("stat"))).sum()
}

/// User and system time of a `stat` file, in ticks of 10 ms.
fn ticks(path: &Path) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}
