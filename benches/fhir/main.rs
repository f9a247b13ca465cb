//! A node as a FHIR server, over HTTPS on loopback: what its users wait for.
//!
//!     cargo build --release && cargo bench --bench fhir -- WORK… [--bundles FOLDER] [--copies N] [--clients C] [--requests N] [--data DIR] [--url URL --token T]
//!
//! Works, done in the order given on one node: `import` (transaction bundles of a folder, `.json` or `.json.bz2`, those that
//! begin with `0-` first, the others N times under new ids), `pairs` (a Patient and an Observation in a transaction), `read`
//! (Patients by id), `constant` (as many requests for an answer that needs no store: what the transport allows), `search`
//! (Observation by patient and code), `export` (all of the record as files, made and fetched). The node is started from target/release/watari and stopped at the end; with `--url`
//! another server is driven in its place. Printed: rate, latency, CPU of the node and of this driver, which runs on the same
//! cores, and what the node holds in memory.

mod bundles;
mod export;
mod load;
mod node;

use std::path::PathBuf;

use load::{Load, Request};
use node::Node;

/// What was asked for.
struct Options {
    works: Vec<String>,
    bundles: PathBuf,
    copies: usize,
    clients: usize,
    requests: usize,
    data: Option<PathBuf>,
    url: Option<String>,
    token: Option<String>,
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = options()?;
    let node = match &options.url {
        Some(url) => Node::elsewhere(url, options.token.as_deref()),
        None => Node::start(options.data.as_deref())?,
    };
    let load = Load::new(&node)?;
    for work in &options.works {
        match work.as_str() {
            "import" => import(&load, &options).await?,
            "pairs" => pairs(&load, &options).await?,
            "read" => read(&load, &options).await?,
            "constant" => constant(&load, &options).await?,
            "search" => search(&load, &options).await?,
            "export" => export::export(&node).await?,
            other => return Err(format!("{other} is none of import, pairs, read, constant, search, export").into()),
        }
    }
    Ok(())
}

/// Bundles as they are sent by a hospital's loader: a few at a time, each whole.
async fn import(load: &Load<'_>, options: &Options) -> Result<(), Failure> {
    let (first, others) = bundles::of(&options.bundles)?;
    for bundle in &first {
        load.run("import: what the others refer to", 1, vec![Request::post("", bundle.text.clone(), bundle.resources)])
            .await?;
    }
    for copy in 0..options.copies {
        let requests = others.iter().map(|bundle| Request::post("", bundle.renamed(copy), bundle.resources)).collect();
        load.run(&format!("import {}", copy + 1), options.clients.min(4), requests).await?;
    }
    Ok(())
}

async fn pairs(load: &Load<'_>, options: &Options) -> Result<(), Failure> {
    let requests = (0..options.requests).map(|number| Request::post("", bundles::pair(number), 2)).collect();
    load.run("pairs", options.clients, requests).await
}

async fn read(load: &Load<'_>, options: &Options) -> Result<(), Failure> {
    let ids = load.ids("Patient?_count=200").await?;
    if ids.is_empty() {
        return Err("no Patient is there to be read; import first".into());
    }
    let requests = (0..options.requests)
        .filter_map(|number| ids.get(number % ids.len()))
        .map(|id| Request::get(&format!("Patient/{id}")));
    load.run("read", options.clients.min(16), requests.collect()).await
}

/// The limit of `read`: the same connections and server, nothing to find.
async fn constant(load: &Load<'_>, options: &Options) -> Result<(), Failure> {
    let requests = (0..options.requests).map(|_| Request::get("../health"));
    load.run("constant", options.clients.min(16), requests.collect()).await
}

async fn search(load: &Load<'_>, options: &Options) -> Result<(), Failure> {
    let ids = load.ids("Patient?_count=200").await?;
    let codes = ["8302-2", "29463-7", "85354-9", "2339-0", "718-7", "4548-4", "72166-2"];
    let requests = (0..options.requests).filter_map(|number| {
        let (id, code) = (ids.get(number % ids.len().max(1))?, codes.get(number % codes.len())?);
        Some(Request::get(&format!("Observation?patient={id}&code=http://loinc.org%7C{code}")))
    });
    load.run("search", options.clients.min(4), requests.collect()).await
}

fn options() -> Result<Options, Failure> {
    let mut options = Options {
        works: Vec::new(),
        bundles: PathBuf::from("tests/fixtures"),
        copies: 1,
        clients: 64,
        requests: 20_000,
        data: None,
        url: None,
        token: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--bundles" => options.bundles = value()?.into(),
            "--copies" => options.copies = value()?.parse()?,
            "--clients" => options.clients = value()?.parse()?,
            "--requests" => options.requests = value()?.parse()?,
            "--data" => options.data = Some(value()?.into()),
            "--url" => options.url = Some(value()?),
            "--token" => options.token = Some(value()?),
            // Cargo's own.
            "--bench" => {}
            _ => options.works.push(argument),
        }
    }
    Ok(options)
}
