//! The server that is driven: a node of our own, started here and stopped with this value, or any other.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A FHIR server.
pub struct Node {
    pub base: String,
    pub token: Option<String>,
    child: Option<Child>,
    /// Removed with this value.
    _scratch: Option<tempfile::TempDir>,
}

impl Node {
    /// A server that somebody else started.
    pub fn elsewhere(base: &str, token: Option<&str>) -> Self {
        Self { base: base.to_owned(), token: token.map(str::to_owned), child: None, _scratch: None }
    }

    /// A node of our own, in `data` or a folder that is removed afterwards.
    pub fn start(data: Option<&Path>) -> Result<Self, Box<dyn std::error::Error>> {
        let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/watari");
        let scratch = data.is_none().then(tempfile::tempdir).transpose()?;
        let folder = match (data, &scratch) {
            (Some(data), _) => data.to_path_buf(),
            (None, Some(scratch)) => scratch.path().join("node"),
            (None, None) => PathBuf::from("."),
        };
        let settings = folder.join("watari.toml");
        if !settings.exists() {
            let made =
                Command::new(&binary).args(["init", "--institution", "Bench", "--data"]).arg(&folder).output()?;
            if !made.status.success() {
                return Err(String::from_utf8_lossy(&made.stderr).into());
            }
            let free = |line: &str| {
                if line.starts_with("listen = ") { "listen = \"127.0.0.1:0\"".to_owned() } else { line.to_owned() }
            };
            let text = std::fs::read_to_string(&settings)?.lines().map(free).collect::<Vec<_>>().join("\n");
            std::fs::write(&settings, text + "\n")?;
        }
        let mut child = Command::new(&binary)
            .args(["serve", "--json", "--config"])
            .arg(&settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let started: serde_json::Value = serde_json::from_str(&line)?;
        let inside = started.get("inside").and_then(serde_json::Value::as_str).ok_or("the node says no address")?;
        let token = Command::new(&binary).args(["token", "--role", "system", "--config"]).arg(&settings).output()?;
        Ok(Self {
            base: format!("{inside}/fhir"),
            token: Some(String::from_utf8(token.stdout)?.trim().to_owned()),
            child: Some(child),
            _scratch: scratch,
        })
    }

    /// CPU seconds of the node, and MiB it holds now and held at most (Linux; 0 elsewhere, and for a server elsewhere).
    pub fn used(&self) -> (f64, u64, u64) {
        self.child.as_ref().map_or((0.0, 0, 0), |child| used(&child.id().to_string()))
    }
}

/// CPU seconds and resident MiB, now and at most, of a process (Linux; 0 elsewhere). A tick is 10 ms.
pub fn used(process: &str) -> (f64, u64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mebibytes = |name: &str| {
        let size = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0 kB");
        size.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
    };
    ((ticks(11) + ticks(12)) / 100.0, mebibytes("VmRSS:"), mebibytes("VmHWM:"))
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
