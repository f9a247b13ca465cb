//! Speed of translation: bytes in, harmonised FHIR as JSON text and the loss report out, on one thread.
//!
//! `cargo bench --bench translate` measures our own fixtures, and where `WATARI_CONFORMANCE` names the folder of third-party
//! samples also those. `-- --memory 1000000` translates that many messages and prints the resident memory on the way.
//! `-- FILE…` measures other files. Beside every figure stands the physical limit on the same machine in the same round:
//! looking at every byte of the input for delimiters, and writing the very output from a finished value.
//!
//! What codes decide is remembered between messages, so no two messages in a row are the same: each of 1,024 is about another
//! patient, with other identifiers, orders, values and minutes (`varied`). The figure of one message again and again stands
//! beside it.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use watari::config::Country;
use watari::harmonise::{self, HarmoniseSetting};
use watari::translate::{Mappings, Setting, Translated, ccda, hl7v2};

#[path = "ccda_document/mod.rs"]
mod ccda_document;
#[path = "varied/mod.rs"]
mod varied;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measured rounds of every case; figures are their medians.
const ROUNDS: usize = 9;
/// Messages of a case, about as many patients.
const PATIENTS: usize = 1024;
/// CPU time of one round.
const ROUND_SECONDS: f64 = 0.25;

/// Third-party messages, below `WATARI_CONFORMANCE`.
const SAMPLES: [&str; 4] = [
    "pairs/data/ms-hl7v2/LAB-ORU-1.hl7",
    "pairs/data/ms-hl7v2/ADT-A01-01.hl7",
    "pairs/data/ms-hl7v2/LRI_2.0-NG_CBC_Typ_Message.hl7",
    "pairs/data/jp-jahis/prescription-example-02.hl7",
];

struct Case {
    name: String,
    setting: Setting,
    bytes: Vec<u8>,
    /// The same about other patients.
    varied: Vec<Vec<u8>>,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench").peekable();
    let memory = arguments.next_if(|argument| argument == "--memory").and_then(|_| arguments.next()?.parse().ok());
    let files: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    let mappings = Mappings::builtin().expect("built-in rows");
    let is_usual = files.is_empty();
    let paths = if is_usual { usual() } else { files };
    let mut cases: Vec<Case> = paths.iter().map(|path| case(path)).collect();
    if is_usual && memory.is_none() {
        cases.push(document());
    }
    match memory {
        Some(count) => hold_memory(&mappings, &cases, count),
        None => cases.iter().for_each(|case| measure(&mappings, case)),
    }
}

/// Our own messages, and the third-party ones that are there.
fn usual() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/translate");
    let ours = ["hl7v2/oru-r01-powers/input.hl7", "hl7v2/adt-a01-quebec/input.hl7"].iter().map(|name| own.join(name));
    let root = std::env::var_os("WATARI_CONFORMANCE").map(PathBuf::from);
    let theirs = root.iter().flat_map(|root| SAMPLES.iter().map(move |name| root.join(name)));
    ours.chain(theirs).filter(|path| path.is_file()).collect()
}

fn case(path: &Path) -> Case {
    let bytes = std::fs::read(path).expect("a readable file");
    let is_japanese = path.to_string_lossy().contains("jahis") || path.to_string_lossy().contains("ssmix2");
    let country = if is_japanese { Country::Jp } else { Country::Ca };
    let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let varied = (0..PATIENTS as u64).map(|number| varied::varied(&bytes, number)).collect();
    Case { name, setting: Setting::anonymous(country), bytes, varied }
}

/// A C-CDA document of a megabyte.
fn document() -> Case {
    let bytes = ccda_document::document(1_000_000).into_bytes();
    let varied = vec![bytes.clone()];
    Case { name: "C-CDA of 1 MB".to_owned(), setting: Setting::anonymous(Country::Ca), bytes, varied }
}

/// What is measured: the whole way of a message but for the store. Gives the JSON text and the losses as text.
fn translate(mappings: &Mappings, case: &Case, bytes: &[u8]) -> Translated {
    let catalog = harmonise::builtin().expect("built-in tables");
    let setting = HarmoniseSetting { country: case.setting.country, namespace: case.setting.namespace.clone() };
    let translate = if bytes.starts_with(b"<") { ccda::translate } else { hl7v2::translate };
    let mut translated = translate(mappings, &case.setting, bytes).expect("a message we translate");
    let warnings = harmonise::harmonise_feed(catalog, &setting, &mut translated.bundle);
    translated.warnings.extend(warnings);
    translated
}

fn measure(mappings: &Mappings, case: &Case) {
    let sample = translate(mappings, case, &case.bytes);
    let text = sample.bundle.to_json_text();
    let resources = text.matches("\"resourceType\"").count() - 1;
    println!(
        "{}: {} bytes in, {} bytes of JSON out, {resources} resources, losses {} mapped {} raw {} dropped",
        case.name,
        case.bytes.len(),
        text.len(),
        sample.losses.totals.mapped,
        sample.losses.totals.kept_raw,
        sample.losses.totals.dropped,
    );
    let whole = |bytes: &[u8]| drop(black_box(translate(mappings, case, bytes).bundle.to_json_text()));
    let mut patients = case.varied.iter().cycle();
    let mut ours = || patients.next().into_iter().for_each(|bytes| whole(bytes));
    let mut same = || whole(&case.bytes);
    let mut scan = || {
        black_box(scanned(&case.bytes));
    };
    let mut write = || drop(black_box(sample.bundle.to_json_text()));
    let mut copy = || drop(black_box(copied(&text)));
    let rounds = [count(&mut ours), count(&mut scan), count(&mut write), count(&mut copy), count(&mut same)];
    let mut figures: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        figures[0].push(per_second(rounds[0], &mut ours));
        figures[1].push(per_second(rounds[1], &mut scan));
        figures[2].push(per_second(rounds[2], &mut write));
        figures[3].push(per_second(rounds[3], &mut copy));
        figures[4].push(per_second(rounds[4], &mut same));
    }
    let [ours, scan, write, copy, same] = figures.map(spread);
    let limit = |write: f64| 1.0 / (1.0 / scan.0 + 1.0 / write);
    println!("  translate, harmonise, write   {:>9.0} messages per CPU-second ({:.0}-{:.0})", ours.0, ours.1, ours.2);
    println!("  the same message every time   {:>9.0} ({:.0}-{:.0})", same.0, same.1, same.2);
    println!("  scan                          {:>9.0} ({:.0}-{:.0})", scan.0, scan.1, scan.2);
    println!("  write from a finished value   {:>9.0} ({:.0}-{:.0})", write.0, write.1, write.2);
    println!("  write from a finished text    {:>9.0} ({:.0}-{:.0})", copy.0, copy.1, copy.2);
    println!(
        "  ratio to scan and write       {:>9.3} from a value, {:.3} from a text",
        ours.0 / limit(write.0),
        ours.0 / limit(copy.0)
    );
}

/// Every delimiter of the input.
fn scanned(bytes: &[u8]) -> usize {
    memchr::memchr3_iter(b'|', b'^', b'\r', bytes).count() + memchr::memchr2_iter(b'~', b'&', bytes).count()
}

/// The output once more, looking at every byte for what JSON escapes.
fn copied(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for at in memchr::memchr2_iter(b'"', b'\\', text.as_bytes()) {
        out.push_str(&text[from..at]);
        from = at;
    }
    out.push_str(&text[from..]);
    out
}

/// How many runs fill a round.
fn count(run: &mut dyn FnMut()) -> usize {
    let mut runs = 1;
    loop {
        let seconds = cpu_seconds(runs, run);
        if seconds > ROUND_SECONDS / 4.0 {
            return (runs as f64 * ROUND_SECONDS / seconds) as usize + 1;
        }
        runs *= 4;
    }
}

fn per_second(runs: usize, run: &mut dyn FnMut()) -> f64 {
    runs as f64 / cpu_seconds(runs, run)
}

/// CPU seconds of this thread, so that other work on the machine does not count; wall time where the system does not tell.
fn cpu_seconds(runs: usize, run: &mut dyn FnMut()) -> f64 {
    let on_cpu = || std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse::<u64>().ok();
    let (before, start) = (on_cpu(), Instant::now());
    for _ in 0..runs {
        run();
    }
    let wall = start.elapsed().as_secs_f64();
    match (before, on_cpu()) {
        (Some(before), Some(after)) if after > before => (after - before) as f64 / 1e9,
        _ => wall,
    }
}

/// Median, least and most.
fn spread(mut figures: Vec<f64>) -> (f64, f64, f64) {
    figures.sort_by(f64::total_cmp);
    (figures[figures.len() / 2], figures[0], figures[figures.len() - 1])
}

/// Translates `count` messages and prints the resident memory at the start, on the way and at the end.
fn hold_memory(mappings: &Mappings, cases: &[Case], count: usize) {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("").to_owned();
        line.split_whitespace().nth(1).map_or("?".to_owned(), |kib| format!("{kib} KiB"))
    };
    for done in 0..=count {
        if done == count / 100 || done * 2 == count || done == count {
            println!("resident after {done} messages: {}", resident());
        }
        if let Some(case) = cases.get(done % cases.len()) {
            let bytes = &case.varied[done % case.varied.len()];
            drop(black_box(translate(mappings, case, bytes).bundle.to_json_text()));
        }
    }
}
