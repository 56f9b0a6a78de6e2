//! A private `PostgreSQL` with `DocumentDB`: on a Unix socket of its own, not as root, gone when dropped.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// How long a server may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The server's process and its data.
pub(crate) struct Postgres {
    directory: TempDir,
    end: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Postgres {
    /// Makes a server from what `scripts/lib/documentdb` unpacked into `root`, and waits until it answers.
    pub(crate) fn start(root: &Path) -> Result<Self> {
        let programs = root.join("usr/lib/postgresql/18/bin");
        let directory = tempfile::Builder::new().prefix("autodump-documentdb-").tempdir()?;
        give_away(directory.path())?;
        let data = directory.path().join("data");
        let done = unprivileged(&programs.join("initdb"))
            .args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8"])
            .args(["--locale=C", "-L"])
            .arg(root.join("usr/share/postgresql/18"))
            .arg("--pgdata")
            .arg(&data)
            .output()
            .context("cannot start initdb")?;
        ensure!(done.status.success(), "initdb: {}", String::from_utf8_lossy(&done.stderr));
        std::fs::write(data.join("postgresql.conf"), settings(directory.path()))?;
        // Not for setpriv itself, which is the system's and has its libraries there.
        let mut command = unprivileged(Path::new("/usr/bin/env"));
        command.arg(format!("LD_LIBRARY_PATH={}", libraries(root)));
        command.arg(programs.join("postgres")).arg("-D").arg(&data);
        let log = std::fs::File::create(directory.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut server = Self { directory, end: Some(keep(command)?) };
        server.wait()?;
        Ok(server)
    }

    /// The directory with its socket.
    pub(crate) fn socket(&self) -> &Path {
        self.directory.path()
    }

    /// Ends it as a crash would. A second call does nothing.
    pub(crate) fn kill(&mut self) {
        if let Some((end, thread)) = self.end.take() {
            drop(end);
            let _ = thread.join();
        }
    }

    fn wait(&mut self) -> Result<()> {
        let start = Instant::now();
        let socket = self.directory.path().join(".s.PGSQL.5432");
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            let gone = self.end.as_ref().is_none_or(|(_, thread)| thread.is_finished());
            if gone || start.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.directory.path().join("log"));
                bail!("DocumentDB does not come up: {}", log.unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs it in a thread that lives as long as it: the kernel ends the process with the thread that started it.
fn keep(mut command: Command) -> Result<(Sender<()>, JoinHandle<()>)> {
    let (end, ended) = mpsc::channel();
    let (started, start) = mpsc::channel();
    let thread = std::thread::spawn(move || match command.spawn() {
        Err(error) => drop(started.send(Err(error))),
        Ok(mut child) => {
            let _ = started.send(Ok(()));
            while ended.recv_timeout(Duration::from_millis(100))
                == Err(mpsc::RecvTimeoutError::Timeout)
            {
                if matches!(child.try_wait(), Ok(Some(_))) {
                    return;
                }
            }
            stop(&mut child);
        }
    });
    start.recv().context("the thread is gone")?.context("cannot start DocumentDB")?;
    Ok((end, thread))
}

/// `SIGQUIT` is an immediate shutdown: the server's children end with it.
fn stop(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
    }
    let _ = child.wait();
}

fn settings(socket: &Path) -> String {
    format!(
        "shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'\n\
         cron.database_name = 'postgres'\n\
         listen_addresses = ''\n\
         unix_socket_directories = '{}'\n\
         max_connections = 200\n\
         fsync = off\n\
         documentdb.localhost_connection_string = 'host={}'\n\
         documentdb.useFileBasedPersistedCursors = on\n",
        socket.display(),
        socket.display()
    )
}

/// What its extensions are linked with.
fn libraries(root: &Path) -> String {
    let below = |path: &str| root.join(path).display().to_string();
    [
        below("usr/lib/postgresql/18/lib"),
        below("usr/lib/x86_64-linux-gnu"),
        below("usr/lib/x86_64-linux-gnu/blas"),
        below("usr/lib/x86_64-linux-gnu/lapack"),
    ]
    .join(":")
}

/// A program that ends with the thread that starts it, and runs as `nobody` where we are root.
pub(crate) fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.arg("--pdeathsig=QUIT").arg("--").arg(program).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// Makes a directory that of the user that [`unprivileged`] programs run as.
fn give_away(directory: &Path) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(directory, Some(65534), Some(65534))?;
    }
    Ok(())
}
