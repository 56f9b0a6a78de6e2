//! A private PostgreSQL server: loopback only, not as root, gone when dropped.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The superuser's password.
pub(crate) const PASSWORD: &str = r#" sp ace's "q" $HOME * % \ : ü "#;

pub(crate) struct Server {
    directory: TempDir,
    bin: PathBuf,
    /// Its own client programs, or those of the nearest newer version.
    clients: PathBuf,
    pub(crate) port: u16,
    /// Whether it takes TLS.
    pub(crate) tls: bool,
    process: Child,
}

/// A server, or `None` (said loudly) where none is installed.
pub(crate) fn start() -> Option<Server> {
    let Some(bin) = packaged().pop() else {
        eprintln!("SKIPPED: no PostgreSQL server in /usr/lib/postgresql/*/bin");
        return None;
    };
    Some(start_in(&bin))
}

/// The directories of all PostgreSQL programs there are: those of packages, and [`others`].
pub(crate) fn installed() -> Vec<PathBuf> {
    packaged().into_iter().chain(others()).collect()
}

/// The directories in `AUTODUMP_TEST_POSTGRES`, separated by colons;
/// `scripts/lib/postgres-versions` makes them.
pub(crate) fn others() -> Vec<PathBuf> {
    let given = std::env::var_os("AUTODUMP_TEST_POSTGRES").unwrap_or_default();
    let given: Vec<_> =
        std::env::split_paths(&given).filter(|bin| !bin.as_os_str().is_empty()).collect();
    if given.is_empty() {
        eprintln!("SKIPPED: no other versions of PostgreSQL in AUTODUMP_TEST_POSTGRES");
    }
    given
}

/// Whether there are client programs for backups, too.
pub(crate) fn has_clients(bin: &Path) -> bool {
    bin.join("pg_dump").exists() && bin.join("pg_restore").exists()
}

/// A server of the programs in `bin`, with TLS where it was built with it.
pub(crate) fn start_in(bin: impl AsRef<Path>) -> Server {
    let bin = bin.as_ref();
    let directory = tempfile::Builder::new().prefix("autodump-pg-").tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(directory.path().join("password"), PASSWORD).unwrap();
    make_certificate(&data);
    give_away(directory.path());
    let password = format!("--pwfile={}", directory.path().join("password").display());
    let done = unprivileged(&bin.join("initdb"))
        .args(["--username=postgres", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8"])
        .args(["--locale=C.UTF-8", &password, "--pgdata"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(done.status.success(), "initdb: {}", String::from_utf8_lossy(&done.stderr));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = || {
        let mut program = unprivileged(&bin.join("postgres"));
        program.env("LD_LIBRARY_PATH", bin.join("../lib")).arg("-D").arg(&data);
        program
    };
    let tls = program().args(["-c", "ssl=on", "-C", "ssl"]).output().unwrap().status.success();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let mut command = program();
    command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]).args([
        "-c",
        "fsync=off",
        "-c",
        &format!("port={port}"),
    ]);
    if tls {
        command
            .args(["-c", "ssl=on", "-c", &format!("ssl_cert_file={}", file("data.crt"))])
            .args(["-c", &format!("ssl_key_file={}", file("data.key"))]);
    }
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (bin, clients) = (bin.to_owned(), clients_for(bin));
    let server = Server { directory, bin, clients, port, tls, process };
    let start = Instant::now();
    while !server.psql("postgres", "select 1").status.success() {
        assert!(start.elapsed() < Duration::from_secs(30), "the server does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

impl Server {
    /// Where its client programs are.
    pub(crate) fn clients(&self) -> &Path {
        &self.clients
    }

    /// Where its data are, and other things of its own may be.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its major version.
    pub(crate) fn major(&self) -> u32 {
        major(&self.bin.join("postgres"))
    }

    /// A client that runs SQL as superuser.
    pub(crate) fn query(&self, database: &str, sql: &str) -> Command {
        let mut client = self.client("psql");
        client.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);
        client
    }

    /// Runs SQL as superuser.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> Output {
        self.query(database, sql).output().unwrap()
    }

    /// Runs SQL that has to succeed, and returns what it prints.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let done = self.psql(database, sql);
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// One of its client programs, connected as superuser.
    pub(crate) fn client(&self, program: &str) -> Command {
        self.client_of(&self.clients, program)
    }

    /// A client program of another directory, connected as superuser.
    pub(crate) fn client_of(&self, directory: &Path, program: &str) -> Command {
        let mut command = Command::new(directory.join(program));
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
            .env("PGPASSWORD", PASSWORD);
        command
    }

    /// Runs SQL in a session that stays open until the result is dropped.
    pub(crate) fn hold(&self, database: &str, sql: &str) -> Held {
        let mut client = self
            .client("psql")
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = client.stdin.take().unwrap();
        writeln!(input, "{sql};\n\\echo held").unwrap();
        let mut line = String::new();
        BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n", "{sql}");
        Held { client, input: Some(input) }
    }

    /// The certificate it shows: self-signed, for `localhost`.
    pub(crate) fn certificate(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("data.crt")).unwrap()
    }

    /// Another authority's certificate.
    pub(crate) fn other_certificate(&self) -> String {
        let done = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other"])
            .args(["-keyout", "/dev/null"])
            .output()
            .unwrap();
        let certificate = String::from_utf8(done.stdout).unwrap();
        assert!(certificate.contains("BEGIN CERTIFICATE") && certificate != self.certificate());
        certificate
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        let done = unprivileged(&self.bin.join("pg_ctl"))
            .args(["stop", "-m", "immediate", "-w", "-D"])
            .arg(self.directory.path().join("data"))
            .output();
        drop(done);
        let _ = self.process.wait();
    }
}

/// An open session.
pub(crate) struct Held {
    client: Child,
    input: Option<ChildStdin>,
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.client.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The major version that a program tells.
pub(crate) fn major(program: &Path) -> u32 {
    let done = Command::new(program).arg("--version").output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let number = text.split(") ").nth(1).unwrap();
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

fn clients_for(bin: &Path) -> PathBuf {
    if bin.join("pg_dump").exists() {
        return bin.to_owned();
    }
    let own = major(&bin.join("postgres"));
    let others = installed().into_iter().filter(|bin| bin.join("pg_dump").exists());
    others
        .filter(|bin| major(&bin.join("pg_dump")) >= own)
        .min_by_key(|bin| major(&bin.join("pg_dump")))
        .unwrap()
}

/// The directories of packaged servers, the newest last.
fn packaged() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut found: Vec<_> = entries.filter_map(|e| Some((version(&e.path())?, e.path()))).collect();
    found.sort();
    let bins = found.into_iter().map(|(_, path)| path.join("bin"));
    bins.filter(|bin| bin.join("initdb").is_file()).collect()
}

/// PostgreSQL refuses to run as root, so it runs as the user that its package made.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// Makes it the server's user's.
pub(crate) fn give_away(directory: &Path) {
    if is_root() {
        run(Command::new("chown").args(["-R", "postgres:"]).arg(directory));
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn make_certificate(data: &Path) {
    let directory = data.parent().unwrap();
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .arg("-keyout")
        .arg(directory.join("data.key"))
        .arg("-out")
        .arg(directory.join("data.crt")));
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Server {
    /// A replica of this server that follows it, with these settings.
    pub(crate) fn replica(&self, settings: &[&str]) -> Server {
        let directory = tempfile::Builder::new().prefix("autodump-pg-").tempdir().unwrap();
        let data = directory.path().join("data");
        let done = self
            .client("pg_basebackup")
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--pgdata"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        give_away(directory.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = unprivileged(&self.bin.join("postgres"));
        command
            .env("LD_LIBRARY_PATH", self.bin.join("../lib"))
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-c", "fsync=off", "-c", &format!("port={port}")]);
        for setting in settings {
            command.args(["-c", setting]);
        }
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (bin, clients) = (self.bin.clone(), self.clients.clone());
        let replica = Server { directory, bin, clients, port, tls: false, process };
        let start = Instant::now();
        while !replica.psql("postgres", "select 1").status.success() {
            assert!(start.elapsed() < Duration::from_secs(30), "the replica does not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
        replica
    }

    /// Waits until the replica has all that was written here.
    pub(crate) fn caught_up(&self, replica: &Server) {
        let here = self.sql("postgres", "SELECT pg_current_wal_lsn()");
        let there = format!("SELECT pg_last_wal_replay_lsn() >= '{}'", here.trim());
        let start = Instant::now();
        while replica.sql("postgres", &there) != "t\n" {
            assert!(start.elapsed() < Duration::from_secs(30), "the replica does not follow");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
