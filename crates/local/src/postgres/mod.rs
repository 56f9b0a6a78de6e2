//! A private PostgreSQL for tests and the demo: on loopback, with passwords, with TLS on request,
//! never as root.

pub mod fixtures;
mod installed;
mod tls;
mod user;

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;

use crate::moto::free_port;
pub use installed::installed;
use user::User;

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Connections are cut, data is written.
    Fast,
    /// As after a loss of power, but all processes of the server are gone when this returns.
    Immediate,
    /// The main process is killed at once; the others notice by themselves.
    Kill,
}

/// How a server is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory with `initdb` and `postgres`; when absent, that of the newest version that is
    /// installed with its clients.
    pub bin: Option<PathBuf>,
    /// The directory with the clients to use, `psql` before all; the server's own when absent, or
    /// when it has none, those of the nearest newer version.
    pub clients: Option<PathBuf>,
    /// More settings of the server, as `work_mem=1MB`.
    pub settings: Vec<String>,
    /// The password of the user `postgres`.
    pub password: String,
    /// Whether the server takes TLS, with a certificate for `localhost` of an authority of its own.
    pub tls: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bin: None,
            clients: None,
            settings: Vec::new(),
            password: "local".to_owned(),
            tls: false,
        }
    }
}

/// A server. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct Postgres {
    directory: TempDir,
    bin: PathBuf,
    clients: PathBuf,
    settings: Vec<String>,
    password: String,
    port: u16,
    tls: bool,
    user: Option<User>,
    server: Option<Child>,
}

impl Postgres {
    /// Makes a cluster and starts its server; returns when it takes connections. Blocks for about
    /// two seconds.
    pub fn start(options: &Options) -> Result<Self> {
        let (bin, clients) = programs(options)?;
        let user = user::to_run_as()?;
        let directory = tempfile::Builder::new().prefix("autodump-pg-").tempdir()?;
        let port = free_port()?;
        let mut postgres = Self {
            directory,
            bin,
            clients,
            settings: options.settings.clone(),
            password: options.password.clone(),
            port,
            tls: options.tls,
            user,
            server: None,
        };
        postgres.own(postgres.directory.path())?;
        postgres.initialise()?;
        postgres.restart()?;
        Ok(postgres)
    }

    /// The port on loopback; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory with this server's programs; it may have no clients.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The directory with the clients that [`Postgres::client`] starts.
    #[must_use]
    pub fn clients(&self) -> &Path {
        &self.clients
    }

    /// The server's major version, read from `postgres --version`.
    pub fn major(&self) -> Result<u32> {
        installed::version(&self.bin.join("postgres")).map(|(major, _)| major)
    }

    /// The superuser's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The certificate of the authority that a client must trust; none without TLS.
    #[must_use]
    pub fn ca_bundle(&self) -> Option<PathBuf> {
        self.tls.then(|| self.directory.path().join("ca.pem"))
    }

    /// Runs SQL as `postgres`, all statements in one connection; returns the rows, unaligned and
    /// without heads.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        self.psql(database, ["--tuples-only", "--no-align", "--command", statements])
    }

    /// Makes an empty database in the server's default locale, its name as it stands.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let name = name.replace('"', "\"\"");
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE template0")).map(drop)
    }

    /// Runs `psql` as `postgres` with these arguments; returns what it printed.
    pub fn psql(
        &self,
        database: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<String> {
        let mut command = self.client("psql");
        command
            .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", database])
            .args(arguments);
        let output = command.output().context("cannot run psql")?;
        if !output.status.success() {
            bail!("psql in {database} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// A client program that finds this server and its superuser.
    #[must_use]
    pub fn client(&self, program: &str) -> Command {
        self.client_of(&self.clients, program)
    }

    /// The same with the programs of another directory, maybe of another version.
    #[must_use]
    pub fn client_of(&self, clients: &Path, program: &str) -> Command {
        let mut command = Command::new(clients.join(program));
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "10");
        command
    }

    /// Ends the server; `restart` brings it back with its data. Does nothing when it does not run.
    pub fn stop(&mut self, ending: Ending) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        let signal = match ending {
            Ending::Fast => rustix::process::Signal::INT,
            Ending::Immediate => rustix::process::Signal::QUIT,
            Ending::Kill => rustix::process::Signal::KILL,
        };
        if let Some(pid) = i32::try_from(server.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
        let begun = Instant::now();
        while server.try_wait()?.is_none() {
            if begun.elapsed() > STOP_LIMIT {
                server.kill()?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Starts the server again on the same port and data; returns when it takes connections.
    pub fn restart(&mut self) -> Result<()> {
        self.stop(Ending::Fast)?;
        let begun = Instant::now();
        loop {
            let mut server = self.launch()?;
            while server.try_wait()?.is_none() {
                if self.sql("postgres", "SELECT 1").is_ok() {
                    self.server = Some(server);
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(30));
            }
            // After a kill, processes of the old server may hold its memory for a moment.
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            if begun.elapsed() > START_LIMIT || log.contains("not supported by this build") {
                bail!("PostgreSQL does not start: {log}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn launch(&self) -> Result<Child> {
        let log = std::fs::File::options().create(true).append(true).open(self.log())?;
        let mut command = self.as_user("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .arg("-k")
            .arg(self.directory.path());
        for setting in [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
        ] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        if self.tls {
            command.args(["-c", "ssl=on"]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        command.spawn().context("cannot start postgres")
    }

    fn initialise(&self) -> Result<()> {
        let password = self.directory.path().join("password");
        std::fs::write(&password, &self.password)?;
        self.own(&password)?;
        let mut command = self.as_user("initdb");
        command.arg("-D").arg(self.data()).arg("--pwfile").arg(&password).args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        let output = command.output().context("cannot run initdb")?;
        if !output.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        if self.tls {
            for file in tls::write(self.directory.path(), &self.data())? {
                self.own(&file)?;
            }
        }
        Ok(())
    }

    fn as_user(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(self.directory.path()).env("LC_ALL", "C.UTF-8");
        // Extensions as postgres_fdw would load the system's libpq, which may be older.
        let libraries = self.bin.join("../lib");
        if libraries.join("libpq.so.5").exists() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    fn own(&self, path: &Path) -> Result<()> {
        if let Some(user) = self.user {
            std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))?;
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("server.log")
    }
}

/// The directories with the server and with the clients to use.
fn programs(options: &Options) -> Result<(PathBuf, PathBuf)> {
    let has_clients = |bin: &PathBuf| bin.join("psql").exists();
    let bin = match &options.bin {
        Some(bin) => bin.clone(),
        None => installed().into_iter().find(has_clients).ok_or_else(|| {
            anyhow!("no PostgreSQL server in /usr/lib/postgresql/*/bin: apt-get install postgresql")
        })?,
    };
    let clients = match &options.clients {
        Some(clients) => clients.clone(),
        None if has_clients(&bin) => bin.clone(),
        None => {
            let server = installed::version(&bin.join("postgres"))?;
            let newer = |other: &PathBuf| {
                installed::version(&other.join("psql")).is_ok_and(|client| client >= server)
            };
            // The newest comes first.
            installed().into_iter().rfind(newer).ok_or_else(|| {
                anyhow!("{} has no psql, and no newer one is installed", bin.display())
            })?
        }
    };
    Ok((bin, clients))
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the data goes with the directory.
        let _ = self.stop(Ending::Immediate);
    }
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
