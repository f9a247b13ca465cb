//! A PostgreSQL server for the tests of one run, and a database for each test. The server ends with the process of the
//! tests, however that ends: a shell waits for the end of its standard input, which is ours.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use watari::config::PostgresConfig;

use super::process::free_port;

/// Starts the server in `$1` (made, and removed at the end) on port `$2` with the programs in `$3`; as root, which
/// PostgreSQL refuses, under the name of `postgres`. Says `ready` and waits for the end of its standard input.
const SERVE: &str = r#"
set -e
dir=$1 port=$2 bin=$3
rm -rf "$dir"; mkdir -m 755 "$dir"; mkdir -m 700 "$dir/data"
as=
if [ "$(id -u)" = 0 ]; then
    chown -R postgres "$dir"
    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
cd "$dir"
$as "$bin/initdb" -D "$dir/data" --no-sync -U watari --auth=trust -E UTF8 --locale=C </dev/null >"$dir/log" 2>&1 ||
    { cat "$dir/log" >&2; exit 1; }
$as "$bin/postgres" -D "$dir/data" -k "$dir" -h 127.0.0.1 -p "$port" -c fsync=off -c max_connections=400 \
    -c shared_buffers=64MB -c log_min_messages=fatal </dev/null >>"$dir/log" 2>&1 &
server=$!
echo started
cat >/dev/null
kill -INT $server 2>/dev/null || true
wait $server 2>/dev/null || true
cd /; rm -rf "$dir"
"#;

/// A running server.
pub struct Server {
    port: u16,
    shell: Child,
}

/// Whether PostgreSQL is installed. Where `WATARI_POSTGRES=required` says so (`tests/run`), it must be.
pub fn is_there() -> bool {
    let there = programs().is_some();
    let required = std::env::var("WATARI_POSTGRES").is_ok_and(|value| value == "required");
    assert!(there || !required, "PostgreSQL is missing: install the server (Debian: `apt-get install postgresql`)");
    if !there {
        eprintln!("skipped on PostgreSQL, which is not installed");
    }
    there
}

/// Settings for the database of a folder, made when first asked for.
pub fn settings(folder: &Path) -> PostgresConfig {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start).settings(folder)
}

/// The folder of `initdb` and `postgres`.
fn programs() -> Option<PathBuf> {
    let in_path = std::env::var_os("PATH");
    let in_path = in_path.iter().flat_map(std::env::split_paths).collect::<Vec<_>>();
    let packaged = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let packaged = packaged.map(|version| version.path().join("bin"));
    in_path.into_iter().chain(packaged).find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
}

impl Server {
    /// Starts one; it answers when this returns.
    pub fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("watari-pg-{}-{number}", std::process::id()));
        let port = free_port();
        let mut shell = Command::new("sh")
            .args(["-c", SERVE, "postgres-for-tests"])
            .arg(&folder)
            .arg(port.to_string())
            .arg(programs().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 7];
        shell.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        let server = Self { port, shell };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        for _ in 0..200 {
            if self.try_execute("postgres", "SELECT 1").is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL did not start");
    }

    /// Settings for the database of a folder, made when first asked for.
    pub fn settings(&self, folder: &Path) -> PostgresConfig {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let file = folder.join("postgres-database");
        let name = std::fs::read_to_string(&file).unwrap_or_else(|_| {
            let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            self.try_execute("postgres", &format!("CREATE DATABASE {name}")).unwrap();
            std::fs::write(&file, &name).unwrap();
            name
        });
        let url = format!("postgresql://watari@127.0.0.1:{}/{name}", self.port);
        PostgresConfig { url, readers: 4, ..PostgresConfig::default() }
    }

    /// Runs statements in a database, as whoever looks at it from outside.
    pub fn try_execute(&self, database: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
        execute(&format!("postgresql://watari@127.0.0.1:{}/{database}", self.port), sql)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Runs statements at `url`.
pub fn execute(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    // A thread of its own: the caller may drive a runtime.
    let work = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, protocol) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
            let protocol = tokio::spawn(protocol);
            let done = client.batch_execute(&sql).await;
            drop(client);
            let _ = protocol.await;
            done
        })
    });
    work.join().unwrap()
}
