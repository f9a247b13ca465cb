//! A PostgreSQL server for the tests of one run, and a database for each test. The server ends with the process of the
//! tests, however that ends: a shell waits for the end of its standard input, which is ours.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use watari::config::PostgresConfig;

use super::process::free_port;

/// Starts the server in `$1` (made, and removed at the end) on port `$2` with the programs in `$3`; as root, which
/// PostgreSQL refuses, under the name of `postgres`. It then obeys the words on its standard input, each answered by a line,
/// until that ends. `$4` and `$5`, if given: certificate and key to serve TLS with.
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
tls=
if [ -n "$4" ]; then
    cp "$4" "$dir/data/tls.pem"; cp "$5" "$dir/data/tls.key"; chmod 600 "$dir/data/tls.key"
    [ -z "$as" ] || chown postgres "$dir/data/tls.pem" "$dir/data/tls.key"
    tls="-c ssl=on -c ssl_cert_file=tls.pem -c ssl_key_file=tls.key"
fi
start() {
    $as "$bin/postgres" -D "$dir/data" -k "$dir" -h 127.0.0.1 -p "$port" -c fsync=off -c max_connections=400 \
        -c shared_buffers=64MB -c log_min_messages=fatal $tls </dev/null >>"$dir/log" 2>&1 &
    server=$!
}
end() {
    kill -"$1" $server 2>/dev/null || true
    wait $server 2>/dev/null || true
}
start; echo started
while read -r word; do
    case $word in
        start) start ;;
        stop) end INT ;;
        crash) end QUIT ;;
    esac
    echo done
done
end INT
cd /; rm -rf "$dir"
"#;

/// A running server.
pub struct Server {
    port: u16,
    shell: Child,
    said: BufReader<ChildStdout>,
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
        Self::start_with(None)
    }

    /// Starts one that serves TLS with this certificate and key, PEM files.
    pub fn start_with(tls: Option<(&Path, &Path)>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("watari-pg-{}-{number}", std::process::id()));
        let port = free_port();
        let mut shell = Command::new("sh")
            .args(["-c", SERVE, "postgres-for-tests"])
            .arg(&folder)
            .arg(port.to_string())
            .arg(programs().unwrap())
            .args(tls.map_or(["".as_ref(), "".as_ref()], |(certificate, key)| [certificate, key]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(shell.stdout.take().unwrap());
        let mut server = Self { port, shell, said };
        server.hear();
        server.wait_until_ready();
        server
    }

    /// `stop` ends it, what is under way is broken off; `crash` ends it without its saying goodbye to the disk; `start`
    /// starts it again on the same data. Returns when that is done.
    pub fn tell(&mut self, word: &str) {
        writeln!(self.shell.stdin.as_mut().unwrap(), "{word}").unwrap();
        self.hear();
        if word == "start" {
            self.wait_until_ready();
        }
    }

    fn hear(&mut self) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
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
        PostgresConfig { url, readers: 4, unsealed: true, ..PostgresConfig::default() }
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
