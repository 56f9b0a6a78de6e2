//! A PostgreSQL server of our own, to restore into: on loopback, with a password, in a
//! directory that goes with it.

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use autodump_core::options::DumpOptions;
use autodump_core::secret::{Authentication, EngineName, Hidden, SecretValue, SslMode};
use autodump_core::{Error, ErrorClass, Result};
use rustix::process::{
    DumpableBehavior, Pid, Signal, dumpable_behavior, kill_process, set_dumpable_behavior,
};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::programs::{Programs, User, random};
use super::{UNVERIFIED, unverified};
use crate::output::interrupted;
use crate::stop::StopFlag;

/// How long the server may take to be made, and to start.
const START: Duration = Duration::from_mins(2);
/// How long it may take to end.
const END: Duration = Duration::from_secs(8);
/// How many ports are tried.
const PORTS: u32 = 5;
const READY: &str = "database system is ready to accept connections";
/// Lines of the server's log that are kept for an error.
const LINES: usize = 6;
/// It holds nothing that is not in the backup: speed counts, and a crash ends it anyway.
const SETTINGS: [&str; 15] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "max_connections=200",
    "max_locks_per_transaction=256",
    "logging_collector=off",
    "log_min_messages=log",
    "log_checkpoints=off",
    "lc_messages=C",
    // In files: a container's /dev/shm has 64 MiB.
    "dynamic_shared_memory_type=mmap",
];

/// A server that runs. [`Server::stop`] ends it and removes its directory. So does dropping
/// it, which blocks until that is done. When this process is killed, the server ends, too; its
/// directory stays.
#[derive(Debug)]
pub(super) struct Server {
    child: Option<Child>,
    user: Option<User>,
    password: String,
    port: u16,
    directory: TempDir,
}

impl Server {
    /// Makes a cluster within `scratch` and starts its server; returns when it takes
    /// connections. From now on no process of the same user can look into this one.
    pub(super) async fn start(
        programs: &Programs,
        scratch: &Path,
        mut stop: StopFlag,
    ) -> Result<Self> {
        hide_ourselves()?;
        let user = User::unprivileged()?;
        let directory = tempfile::Builder::new()
            .prefix("autodump-verify-")
            .tempdir_in(scratch)
            .map_err(|error| unusable(scratch, &error))?;
        let password = random(16)?;
        let mut server = Self { child: None, user, password, port: 0, directory };
        server.make(programs, &mut stop).await?;
        let mut attempts = 1..;
        loop {
            let Err(error) = server.launch(programs, &mut stop).await else { return Ok(server) };
            server.end().await;
            let again = error.what().contains("could not bind");
            if !again || attempts.next().is_none_or(|attempt| attempt >= PORTS) {
                return Err(error);
            }
        }
    }

    /// How its superuser connects.
    pub(super) fn secret(&self) -> SecretValue {
        SecretValue {
            engine: EngineName::Postgres,
            host: "127.0.0.1".to_owned(),
            port: self.port,
            database: "postgres".to_owned(),
            username: "postgres".to_owned(),
            authentication: Authentication::Password,
            password: Hidden::from(self.password.clone()),
            bucket: None,
            sslmode: SslMode::Disable,
            sslrootcert: None,
            mongodb: None,
            options: DumpOptions::default(),
        }
    }

    /// Makes a directory that the server may write to, for a tablespace.
    pub(super) fn make_directory(&self, name: &str) -> Result<std::path::PathBuf> {
        let path = self.directory.path().join(name);
        std::fs::create_dir(&path)
            .and_then(|()| self.give_away(&path))
            .map_err(|error| unusable(&path, &error))?;
        Ok(path)
    }

    /// Ends it and removes its directory.
    pub(super) async fn stop(mut self) {
        self.end().await;
        let path = self.directory.path().to_owned();
        if let Err(error) = std::fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), what = %error, "it could not be removed");
        }
    }

    async fn make(&self, programs: &Programs, stop: &mut StopFlag) -> Result<()> {
        let path = self.directory.path();
        let password = path.join("password");
        std::fs::write(&password, &self.password)
            .and_then(|()| self.give_away(&password))
            .and_then(|()| self.give_away(path))
            .map_err(|error| unusable(path, &error))?;
        let command = programs
            .command("initdb", self.user)
            .arguments(["--username=postgres", "--auth=scram-sha-256", "--no-sync"])
            .arguments(["--encoding=UTF8", "--locale=C.UTF-8"])
            .arguments([format!("--pwfile={}", password.display())])
            .arguments([format!("--pgdata={}", self.data())])
            .discreet();
        let mut running = command.start()?;
        let outcome = tokio::select! {
            biased;
            () = stop.raised() => Err(interrupted(UNVERIFIED)),
            outcome = timeout(START, async {
                let mut said = Vec::new();
                while running.read(&mut said, 4096).await? > 0 {
                    said.clear();
                }
                running.exit().await
            }) => match outcome {
                Ok(Ok(exit)) if exit.status.success() => return Ok(()),
                Ok(Ok(exit)) => Err(does_not_start(&exit.to_string())),
                Ok(Err(error)) => Err(does_not_start(&error.to_string())),
                Err(_) => Err(does_not_start("initdb takes too long")),
            },
        };
        running.stop(END).await;
        outcome
    }

    /// Starts the server on a port that was free a moment ago.
    async fn launch(&mut self, programs: &Programs, stop: &mut StopFlag) -> Result<()> {
        self.port = free_port().map_err(|error| does_not_start(&error.to_string()))?;
        let mut command = programs.server(self.user);
        command.args(["-D", &self.data(), "-c", &format!("port={}", self.port)]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // What is typed at a terminal is for us.
            .process_group(0);
        let mut child = command.spawn().map_err(|error| does_not_start(&error.to_string()))?;
        let log = child.stderr.take();
        self.child = Some(child);
        let (tell, ready) = oneshot::channel();
        tokio::spawn(listen(log, tell));
        tokio::select! {
            biased;
            () = stop.raised() => Err(interrupted(UNVERIFIED)),
            outcome = timeout(START, ready) => match outcome {
                Ok(Ok(Ok(()))) => Ok(()),
                Ok(Ok(Err(log))) => Err(does_not_start(&log)),
                Ok(Err(_)) => Err(does_not_start("its log cannot be read")),
                Err(_) => Err(does_not_start("it takes too long")),
            },
        }
    }

    async fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        quit(&child);
        if timeout(END, child.wait()).await.is_err() {
            tracing::warn!("the server did not end when asked; killing it");
            let _ = child.kill().await;
        }
    }

    fn give_away(&self, path: &Path) -> io::Result<()> {
        self.user.map_or(Ok(()), |user| user.own(path))
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        quit(&child);
        let begun = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < END {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.start_kill();
    }
}

/// What runs in the server may run as the user that we are: it must not read our environment and
/// memory, where credentials are. Processes that we start are not hidden, and get nothing of it.
fn hide_ourselves() -> Result<()> {
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .and_then(|()| dumpable_behavior())
        .map(|behavior| behavior == DumpableBehavior::NotDumpable);
    let why = match hidden {
        Ok(true) => return Ok(()),
        Ok(false) => "the kernel has not taken it".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Error::new(
        ErrorClass::Internal,
        format!("this process cannot be hidden from a server that runs as the same user: {why}"),
        "Run on Linux with prctl(PR_SET_DUMPABLE) allowed, or give a server to restore into",
    ))
}

/// Asks a server to end at once, with all its processes.
fn quit(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(Err(error)) = pid.map(|pid| kill_process(pid, Signal::QUIT)) {
        tracing::warn!(what = %error, "the server cannot be asked to end");
    }
}

/// Reads the server's log to its end. Tells when it is ready, or with which words it ended
/// before.
async fn listen(log: Option<ChildStderr>, tell: oneshot::Sender<Result<(), String>>) {
    let Some(log) = log else { return };
    let mut log = BufReader::new(log).split(b'\n');
    let mut tell = Some(tell);
    let mut last = VecDeque::new();
    while let Ok(Some(line)) = log.next_segment().await {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        tracing::debug!(line, "the server's log");
        if line.ends_with(READY)
            && let Some(tell) = tell.take()
        {
            let _ = tell.send(Ok(()));
        }
        if last.len() == LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    if let Some(tell) = tell {
        let lines: Vec<_> = last.into();
        let _ = tell.send(Err(lines.join(" / ")));
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn does_not_start(why: &str) -> Error {
    unverified(format!("a server to restore into does not start: {why}"))
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("{} cannot be used for a server: {error}", path.display()),
        "Give the verification a directory to write to, and name it in AUTODUMP_SCRATCH",
    )
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
