//! `watari serve` as a child process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use watari::clock::{Clock, SystemClock};
use watari::exchange::tls;

use super::{Done, Site, command};

/// A start or a stop that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node that is ready. Killed when dropped.
pub struct RunningNode {
    child: Child,
    /// The start line.
    pub line: Value,
    /// A client that trusts this node's certificate and nothing else.
    pub client: reqwest::Client,
}

/// The children's standard error, read so that the pipe never fills.
fn watch(child: &mut Child) -> mpsc::Receiver<String> {
    let mut stream = child.stderr.take().unwrap();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        let _ = send.send(text);
    });
    receive
}

impl RunningNode {
    /// Starts `watari serve` for a site, reads its start line and waits for `/ready`.
    pub async fn start(site: &Site, arguments: &[&str]) -> Self {
        let configuration = site.configuration();
        let mut child = command()
            .args(["--json", "--config", configuration.to_str().unwrap(), "serve"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = watch(&mut child);
        let line = first_line(&mut child);
        let Some(line) = line.and_then(|line| serde_json::from_str(&line).ok()) else {
            let _ = child.kill();
            panic!("no start line: {}", errors.recv_timeout(PATIENCE).unwrap_or_default());
        };
        let identity = site.identity();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let trust = tls::client(&identity, clock, identity.certificate_sha256()).unwrap();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(trust)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .unwrap();
        let node = Self { child, line, client };
        node.become_ready().await;
        node
    }

    async fn become_ready(&self) {
        let started = Instant::now();
        loop {
            match self.client.get(self.inside("/ready")).send().await {
                Ok(response) if response.status() == 200 => return,
                other => assert!(started.elapsed() < PATIENCE, "never ready: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// An address of the inside door.
    pub fn inside(&self, path: &str) -> String {
        format!("{}{path}", self.line["inside"].as_str().unwrap())
    }

    pub fn mllp(&self) -> SocketAddr {
        self.line["mllp"].as_str().unwrap().parse().unwrap()
    }

    /// The address of a further HL7 v2 door.
    pub fn feed(&self, name: &str) -> SocketAddr {
        self.line["feeds"][name].as_str().unwrap().parse().unwrap()
    }

    /// Memory in use, KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// `kill -9`: nothing is finished, nothing is flushed.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert!(!status.success(), "it had ended by itself: {status}");
    }

    /// SIGTERM; gives how it ended and how long that took.
    pub fn terminate(mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        (ended(&mut self.child), started.elapsed())
    }

    /// Of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit code, once it has ended.
    pub fn code(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().and_then(|status| status.code())
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a `serve` that is expected to end by itself.
pub fn serve_to_the_end(site: &Site, arguments: &[&str]) -> Done {
    let configuration = site.configuration();
    let mut child = command()
        .args(["--json", "--config", configuration.to_str().unwrap(), "serve"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = watch(&mut child);
    let code = ended(&mut child).code().unwrap_or(-1);
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    Done { code, stdout, stderr: errors.recv_timeout(PATIENCE).unwrap() }
}

fn ended(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the node does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn first_line(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take().unwrap();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut line = String::new();
        let _ = reader.read_line(&mut line);
        let _ = send.send(line);
        // Kept open: a node that prints more must not die of a closed pipe.
        let _ = reader.read_to_string(&mut String::new());
    });
    receive.recv_timeout(PATIENCE).ok().filter(|line| !line.is_empty())
}
