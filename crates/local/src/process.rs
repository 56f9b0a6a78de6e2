//! Child processes that never outlive the local cloud.

use std::collections::BTreeSet;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, kill_process, kill_process_group};
use tokio::process::{Child, Command};

/// A signal that a running job can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Asks the process to stop, as Batch does first.
    Term,
    /// Ends the process at once, as Batch does after 30 seconds.
    Kill,
    /// Halts the process until `Continue`.
    Stop,
    /// Lets a halted process go on.
    Continue,
}

impl Signal {
    fn number(self) -> rustix::process::Signal {
        match self {
            Self::Term => rustix::process::Signal::TERM,
            Self::Kill => rustix::process::Signal::KILL,
            Self::Stop => rustix::process::Signal::STOP,
            Self::Continue => rustix::process::Signal::CONT,
        }
    }
}

/// Sends a signal to one process. A process that is gone is no error.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = pid_of(pid) {
        let _ = kill_process(pid, signal.number());
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn kill_group(pid: u32) {
    if let Some(pid) = pid_of(pid) {
        let _ = kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

/// Every process that the local cloud has started and that still runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes {
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    ids: BTreeSet<u32>,
    closed: bool,
}

impl Processes {
    /// Starts a program as the leader of a process group of its own.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Owned> {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        command.process_group(0).kill_on_drop(true);
        // Held over the start, so that no process slips past `kill_all`.
        let mut running = self.lock();
        ensure!(!running.closed, "cannot start {program}: the local cloud has stopped");
        let child = spawn_patiently(command).with_context(|| format!("cannot start {program}"))?;
        let pid = child.id().context("the process has no id")?;
        running.ids.insert(pid);
        drop(running);
        Ok(Owned { child, pid, processes: self.clone() })
    }

    /// Kills every process that still runs, with all its children; no other can be started then.
    pub(crate) fn kill_all(&self) {
        let mut running = self.lock();
        running.closed = true;
        for pid in std::mem::take(&mut running.ids) {
            kill_group(pid);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program that was just written cannot start while another thread's new process still holds it
/// open for writing; that passes within milliseconds.
fn spawn_patiently(command: &mut Command) -> std::io::Result<Child> {
    for _ in 0..50 {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            done => return done,
        }
    }
    command.spawn()
}

/// A child process; dropping it kills it and all that it started.
#[derive(Debug)]
pub(crate) struct Owned {
    child: Child,
    pid: u32,
    processes: Processes,
}

impl Owned {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the end, then kills what the process left behind, as the end of a container does.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().await?;
        if self.processes.lock().ids.remove(&self.pid) {
            kill_group(self.pid);
        }
        Ok(status)
    }

    /// Whether the process still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.processes.lock().ids.remove(&self.pid) {
            kill_group(self.pid);
        }
    }
}
