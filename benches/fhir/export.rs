//! All of the record as files: how long they take to be made, and to be fetched.

use std::time::{Duration, Instant};

use crate::node::{Node, used};

type Failure = Box<dyn std::error::Error>;

/// Exports everything and fetches it, compressed; prints what both took.
pub async fn export(node: &Node) -> Result<(), Failure> {
    // The node's certificate is its own.
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).http1_only().build()?;
    let get = |url: &str| {
        let request = client.get(url).header("prefer", "respond-async");
        match &node.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    };
    let (before, began) = (node.used().0, Instant::now());
    let begun = get(&format!("{}/$export", node.base)).send().await?.error_for_status()?;
    let place = begun.headers().get("content-location").ok_or("no Content-Location")?.to_str()?.to_owned();
    let manifest: serde_json::Value = loop {
        let answer = get(&place).send().await?.error_for_status()?;
        if answer.status() == reqwest::StatusCode::OK {
            break serde_json::from_slice(&answer.bytes().await?)?;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let (seconds, (cpu, now, most)) = (began.elapsed().as_secs_f64(), node.used());
    let files = manifest.get("output").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
    let resources: u64 = files.iter().filter_map(|file| file.get("count")?.as_u64()).sum();
    println!(
        "export: {resources} resources in {seconds:.2} s, {:.0} resources/s; CPU {:.2} s; node {now} MiB, at most {most} MiB",
        resources as f64 / seconds,
        cpu - before
    );
    let (before, own, began, mut bytes) = (node.used().0, used("self").0, Instant::now(), 0);
    for url in files.iter().filter_map(|file| file.get("url")?.as_str()) {
        let mut answer = get(url).header("accept-encoding", "gzip").send().await?.error_for_status()?;
        while let Some(part) = answer.chunk().await? {
            bytes += part.len();
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "its files: {} MiB compressed in {seconds:.2} s, {:.0} resources/s; CPU: node {:.2} s, driver {:.2} s; node {} MiB",
        bytes >> 20,
        resources as f64 / seconds,
        node.used().0 - before,
        used("self").0 - own,
        node.used().1
    );
    Ok(())
}
