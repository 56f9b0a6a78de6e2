//! A private PostgreSQL server: loopback only, not as root, gone when dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The superuser's password.
pub(crate) const PASSWORD: &str = r#" sp ace's "q" $HOME * % \ : ü "#;

pub(crate) struct Server {
    directory: TempDir,
    bin: PathBuf,
    pub(crate) port: u16,
    process: Child,
}

/// A server, or `None` (said loudly) where none is installed.
pub(crate) fn start() -> Option<Server> {
    let Some(bin) = newest() else {
        eprintln!("SKIPPED: no PostgreSQL server in /usr/lib/postgresql/*/bin");
        return None;
    };
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
    let process = unprivileged(&bin.join("postgres"))
        .arg("-D")
        .arg(&data)
        .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
        .args(["-c", "fsync=off", "-c", &format!("port={port}"), "-c", "ssl=on"])
        .args(["-c", &format!("ssl_cert_file={}", directory.path().join("data.crt").display())])
        .args(["-c", &format!("ssl_key_file={}", directory.path().join("data.key").display())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { directory, bin, port, process };
    let start = Instant::now();
    while !server.psql("postgres", "select 1").status.success() {
        assert!(start.elapsed() < Duration::from_secs(30), "the server does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(server)
}

impl Server {
    /// Runs SQL as superuser.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> Output {
        self.client("psql")
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql])
            .output()
            .unwrap()
    }

    /// Runs SQL that has to succeed, and returns what it prints.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let done = self.psql(database, sql);
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// One of its client programs, connected as superuser.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
            .env("PGPASSWORD", PASSWORD);
        command
    }

    /// The certificate it shows: self-signed, for `localhost`.
    pub(crate) fn certificate(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("data.crt")).unwrap()
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

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn newest() -> Option<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut found: Vec<_> = entries.filter_map(|e| Some((version(&e.path())?, e.path()))).collect();
    found.sort();
    let bin = found.pop()?.1.join("bin");
    bin.join("initdb").is_file().then_some(bin)
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

fn give_away(directory: &Path) {
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
