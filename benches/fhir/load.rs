//! Requests sent by several clients, each of which waits for its answer, and what that took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::node::{Node, used};

/// One request.
pub struct Request {
    path: String,
    body: Option<String>,
    /// Resources that it reads or writes.
    resources: usize,
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self { path: path.to_owned(), body: None, resources: 1 }
    }

    pub fn post(path: &str, body: String, resources: usize) -> Self {
        Self { path: path.to_owned(), body: Some(body), resources }
    }
}

/// The clients of a node.
pub struct Load<'a> {
    node: &'a Node,
    client: reqwest::Client,
}

impl<'a> Load<'a> {
    pub fn new(node: &'a Node) -> Result<Self, reqwest::Error> {
        // The node's certificate is its own.
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).http1_only().build()?;
        Ok(Self { node, client })
    }

    /// The ids a search finds.
    pub async fn ids(&self, query: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let (_, body) = send(&self.client, &self.node.base, self.node.token.as_deref(), &Request::get(query)).await?;
        let bundle: serde_json::Value = serde_json::from_slice(&body)?;
        let entries = bundle.get("entry").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
        Ok(entries.iter().filter_map(|entry| entry.pointer("/resource/id")?.as_str().map(str::to_owned)).collect())
    }

    /// Sends all requests by `clients` at once and prints what it took. The first that is refused ends it.
    pub async fn run(
        &self,
        name: &str,
        clients: usize,
        requests: Vec<Request>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
        let (node_before, own_before, began) = (self.node.used().0, used("self").0, Instant::now());
        let workers: Vec<_> = (0..clients.max(1))
            .map(|_| {
                let (client, base, token) = (self.client.clone(), self.node.base.clone(), self.node.token.clone());
                let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
                tokio::spawn(async move {
                    let mut took = Vec::new();
                    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let began = Instant::now();
                        let (status, body) =
                            send(&client, &base, token.as_deref(), request).await.map_err(|e| e.to_string())?;
                        if !status.is_success() {
                            let body = String::from_utf8_lossy(&body);
                            return Err(format!("{status}: {}", body.chars().take(400).collect::<String>()));
                        }
                        took.push(began.elapsed());
                    }
                    Ok::<_, String>(took)
                })
            })
            .collect();
        let mut took = Vec::new();
        for worker in workers {
            took.extend(worker.await??);
        }
        let seconds = began.elapsed().as_secs_f64();
        let resources: usize = requests.iter().map(|request| request.resources).sum();
        let (node_cpu, resident, most) = self.node.used();
        println!(
            "{name}: {:.0} requests/s, {:.0} resources/s, p50 {:.2} ms, p99 {:.2} ms; CPU a resource: node {:.3} ms, driver {:.3} ms; node {resident} MiB, at most {most}",
            requests.len() as f64 / seconds,
            resources as f64 / seconds,
            at(&mut took, 0.50).as_secs_f64() * 1000.0,
            at(&mut took, 0.99).as_secs_f64() * 1000.0,
            (node_cpu - node_before) * 1000.0 / resources as f64,
            (used("self").0 - own_before) * 1000.0 / resources as f64,
        );
        Ok(())
    }
}

async fn send(
    client: &reqwest::Client,
    base: &str,
    token: Option<&str>,
    request: &Request,
) -> Result<(reqwest::StatusCode, bytes::Bytes), reqwest::Error> {
    let url = if request.path.is_empty() { base.to_owned() } else { format!("{base}/{}", request.path) };
    let mut builder = match &request.body {
        Some(body) => client.post(url).header("content-type", "application/fhir+json").body(body.clone()),
        None => client.get(url),
    };
    if let Some(token) = token {
        builder = builder.bearer_auth(token);
    }
    let answer = builder.send().await?;
    let status = answer.status();
    Ok((status, answer.bytes().await?))
}

/// The duration below which this share lies.
fn at(took: &mut [Duration], share: f64) -> Duration {
    took.sort_unstable();
    took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
}
