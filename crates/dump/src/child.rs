//! A child process whose output counts only when it exits with 0.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use autodump_core::{Error, ErrorClass, Result};
use bytes::BufMut;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How much of what a child wrote to its standard error is kept, in bytes: its end,
const TAIL: usize = 8 * 1024;
/// and its beginning, since a statement that is shown in full may be longer than that.
const HEAD: usize = 4 * 1024;
/// The most of one line that an error shows, in characters.
const LINE: usize = 500;
/// The variables of our own environment that a child gets to see.
const INHERITED: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "LANG"];
/// A larger pipe means fewer wake-ups. Best effort: the kernel may allow less.
const PIPE: usize = 1024 * 1024;
/// How long standard error may stay open after the child has gone.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Command {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    files: Vec<Arc<OwnedFd>>,
    discreet: bool,
}

impl Command {
    /// A program by its full path. It gets none of our environment but the path of
    /// libraries and programs and the language.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            files: Vec::new(),
            discreet: false,
        }
    }

    /// What it writes to its standard error is not logged: it is expected to complain, or what it
    /// complains of may be secret.
    #[must_use]
    pub fn discreet(mut self) -> Self {
        self.discreet = true;
        self
    }

    /// Adds arguments. Everybody on the machine can read them: no secrets.
    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, more: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(more.into_iter().map(Into::into));
        self
    }

    /// Adds a variable. Whoever is the same user can read it: no secrets.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Keeps an inheritable file open until the child has been started.
    #[must_use]
    pub fn file(mut self, file: Arc<OwnedFd>) -> Self {
        self.files.push(file);
        self
    }

    /// The program's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.program.file_name().and_then(|name| name.to_str()).unwrap_or("child")
    }

    /// Starts it. It is killed when the result is dropped.
    pub fn start(&self) -> Result<Running> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| cannot_start(&self.program, error))?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(cannot_start(&self.program, io::Error::other("it has no output")));
        };
        if let Err(error) = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE) {
            tracing::debug!(what = %error, "the pipe keeps its size");
        }
        let tail = Arc::new(Mutex::new(Words::default()));
        let name = self.name().to_owned();
        let loud = (!self.discreet).then(|| name.clone());
        let listener = tokio::spawn(listen(loud, stderr, Arc::clone(&tail)));
        Ok(Running { name, child, stdout, tail, listener: Some(listener), exit: None })
    }

    /// Runs it to its end and returns what it wrote, if that is at most `limit` bytes and
    /// came within `time`.
    pub async fn output(&self, limit: usize, time: Duration) -> Result<(Vec<u8>, Exit)> {
        let mut running = self.start()?;
        let mut output = Vec::new();
        let work = async {
            while running.read(&mut output, 4096).await.map_err(cannot_read)? > 0 {
                if output.len() > limit {
                    return Err(cannot_read(io::Error::other("it says too much")));
                }
            }
            running.exit().await.map_err(cannot_read)
        };
        match timeout(time, work).await {
            Ok(exit) => Ok((output, exit?)),
            Err(_) => Err(Error::new(
                ErrorClass::Source,
                format!("{} gave no answer within {} s", self.name(), time.as_secs()),
                "Check that the database answers, and the network between",
            )),
        }
    }
}

fn cannot_start(program: &Path, error: io::Error) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("{} cannot be started: {error}", program.display()),
        "Check the image: the program has to be there, executable and for this processor",
    )
    .caused_by(error)
}

fn cannot_read(error: io::Error) -> Error {
    let what = format!("the output of a child process cannot be read: {error}");
    Error::new(ErrorClass::Internal, what, "Start the run again, and report this if it repeats")
        .caused_by(error)
}

/// How a child ended.
#[derive(Debug, Clone)]
pub struct Exit {
    /// The program's name.
    pub program: String,
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// The end of what it wrote to its standard error.
    pub stderr: String,
}

impl fmt::Display for Exit {
    /// `pg_dump ended with exit code 1: …`, with the last lines it wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::os::unix::process::ExitStatusExt;
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => write!(f, "{} ended with exit code {code}", self.program)?,
            (None, Some(signal)) => write!(f, "{} was killed by signal {signal}", self.program)?,
            (None, None) => write!(f, "{} ended with {}", self.program, self.status)?,
        }
        let mut lines: Vec<_> =
            self.stderr.lines().rev().filter(|line| !line.trim().is_empty()).take(6).collect();
        lines.reverse();
        if lines.is_empty() {
            return f.write_str(" and wrote no error");
        }
        let cut = |line: &&str| match line.char_indices().nth(LINE) {
            Some((end, _)) => format!("{} …", &line[..end]),
            None => (*line).to_owned(),
        };
        let lines: Vec<_> = lines.iter().map(cut).collect();
        write!(f, ": {}", lines.join(" / "))
    }
}

/// A child at work.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    stdout: ChildStdout,
    tail: Arc<Mutex<Words>>,
    listener: Option<JoinHandle<()>>,
    exit: Option<Exit>,
}

impl Running {
    /// Appends up to `limit` bytes of its standard output to `buffer`; 0 when it has closed
    /// it, which says nothing about success. Dropping the future loses nothing.
    pub async fn read(&mut self, buffer: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
        buffer.reserve(limit);
        self.stdout.read_buf(&mut buffer.limit(limit)).await
    }

    /// Waits for its end. May be asked again. Dropping the future loses nothing.
    pub async fn exit(&mut self) -> io::Result<Exit> {
        if let Some(exit) = &self.exit {
            return Ok(exit.clone());
        }
        let status = self.child.wait().await?;
        if let Some(listener) = &mut self.listener {
            // A grandchild could hold the pipe; its words are not worth waiting for.
            let _ = timeout(LAST_WORDS, listener).await;
            self.listener = None;
        }
        let stderr = self.tail.lock().unwrap_or_else(PoisonError::into_inner).text();
        let exit = Exit { program: self.name.clone(), status, stderr };
        self.exit = Some(exit.clone());
        Ok(exit)
    }

    /// Ends it: SIGTERM, so that a client can tell its server, and after `grace` SIGKILL.
    pub async fn stop(&mut self, grace: Duration) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { return };
        let asked = kill_process(pid, Signal::TERM);
        if asked.is_err() || timeout(grace, self.child.wait()).await.is_err() {
            tracing::warn!(program = self.name, "it did not stop when asked; killing it");
            if let Err(error) = self.child.kill().await {
                tracing::warn!(program = self.name, what = %error, "it could not be killed");
            }
        }
    }
}

/// Beginning and end of a text of unknown length.
#[derive(Debug, Default)]
struct Words {
    first: Vec<u8>,
    last: VecDeque<u8>,
    has_gap: bool,
}

impl Words {
    fn push(&mut self, bytes: &[u8]) {
        let room = HEAD - self.first.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.first.extend(first);
        self.last.extend(rest);
        let excess = self.last.len().saturating_sub(TAIL);
        self.has_gap |= excess > 0;
        self.last.drain(..excess);
    }

    fn text(&self) -> String {
        let (a, b) = self.last.as_slices();
        let gap: &[u8] = if self.has_gap { b"\n\xe2\x80\xa6\n" } else { b"" };
        String::from_utf8_lossy(&[&self.first, gap, a, b].concat()).trim_end().to_owned()
    }
}

/// Logs what a child writes to its standard error, line by line with its name if there is one,
/// and keeps the end of it.
async fn listen(name: Option<String>, stderr: ChildStderr, tail: Arc<Mutex<Words>>) {
    let mut stderr = BufReader::new(stderr);
    let mut chunk = [0; 2048];
    let mut line = Vec::new();
    while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
        tail.lock().unwrap_or_else(PoisonError::into_inner).push(&chunk[..length]);
        for &byte in &chunk[..length] {
            if byte == b'\n' || line.len() == TAIL {
                log_line(name.as_deref(), &line);
                line.clear();
            }
            if byte != b'\n' {
                line.push(byte);
            }
        }
    }
    log_line(name.as_deref(), &line);
}

fn log_line(program: Option<&str>, line: &[u8]) {
    if let (Some(program), false) = (program, line.is_empty()) {
        tracing::warn!(program, line = %String::from_utf8_lossy(line), "stderr");
    }
}

#[cfg(test)]
#[path = "child_tests.rs"]
mod tests;
