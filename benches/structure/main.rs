//! How many megabytes of FHIR JSON a second the structure check reads, beside what parsing the same text takes:
//! `cargo bench --bench structure [-- FILE…]`; without files our own fixtures. Medians of eleven rounds.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;
use watari::fhir::structure;

const ROUNDS: usize = 11;
/// Bytes that one round goes over at least.
const ROUND: usize = 64 * 1024 * 1024;

fn main() {
    let mut files: Vec<PathBuf> =
        std::env::args().skip(1).filter(|one| !one.starts_with("--")).map(PathBuf::from).collect();
    if files.is_empty() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/structure");
        files = std::fs::read_dir(folder).unwrap().map(|case| case.unwrap().path().join("good.json")).collect();
    }
    let start = Instant::now();
    black_box(structure::types());
    println!("table read in {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    let values: Vec<Value> =
        files.iter().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()).collect();
    let texts: Vec<String> = values.iter().map(Value::to_string).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    println!("{} files, {bytes} bytes without white space", files.len());
    measure("parse", bytes, || {
        texts.iter().for_each(|text| drop(black_box(serde_json::from_str::<Value>(text))));
    });
    measure("check", bytes, || {
        values.iter().for_each(|value| drop(black_box(structure::check(value))));
    });
}

fn measure(what: &str, bytes: usize, work: impl Fn()) {
    let times = ROUND.div_ceil(bytes.max(1));
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..times).for_each(|_| work());
            (bytes * times) as f64 / 1e6 / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let (least, median, most) = (rates[0], rates[ROUNDS / 2], rates[ROUNDS - 1]);
    println!("{what}: median {median:.0} MB/s ({least:.0}-{most:.0})");
}
