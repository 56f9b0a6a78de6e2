//! What `pg_dump` writes into a directory, uploaded file by file as each is finished.
//!
//! Its directory format cannot be streamed: it is several files, and the table of contents
//! comes last. So it writes into a scratch directory, from which a file is removed as soon as
//! the store has it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodump_core::ports::ObjectLocation;
use autodump_core::{Error, ErrorClass, Result};
use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchMask};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::assembly::Staged;
use crate::child::{Command, Exit, Running};
use crate::open_uploads::SharedStore;
use crate::output::{GRACE, interrupted, unreadable};
use crate::stop::StopFlag;
use crate::transfer::{Source, transfer};
use crate::uploader::{Uploader, broke_down};

/// The table of contents.
pub(crate) const TOC: &str = "toc.dat";
const WHEN: &str = "before the dump was complete; nothing was kept";
/// Files that are uploaded at once.
const TOGETHER: usize = 8;

/// A directory for `pg_dump` to write to. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Spool {
    directory: TempDir,
}

/// What `pg_dump` has written.
#[derive(Debug)]
pub(super) struct Spooled<U> {
    /// The content of `toc.dat`, which is not uploaded.
    pub(super) toc: Vec<u8>,
    /// All other files.
    pub(super) objects: Vec<Staged<U>>,
}

impl Spool {
    /// A new directory in `scratch`.
    pub(super) fn new(scratch: &Path) -> Result<Self> {
        let directory =
            tempfile::Builder::new().prefix("autodump-").tempdir_in(scratch).map_err(|error| {
                Error::new(
                    ErrorClass::Internal,
                    format!("no directory can be made in {}: {error}", scratch.display()),
                    "Give the dumper a directory to write to, and name it in AUTODUMP_SCRATCH",
                )
                .caused_by(error)
            })?;
        Ok(Self { directory })
    }

    /// Where `pg_dump` has to write.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs `command` to its end and uploads what it writes. `explain` says what it means that
    /// it does not exit with 0.
    pub(super) async fn run<S: SharedStore, E: From<Error>>(
        &self,
        command: &Command,
        uploader: &Arc<Uploader<S>>,
        place: impl Fn(&str) -> ObjectLocation,
        explain: impl Fn(&Exit) -> E,
        mut stop: StopFlag,
    ) -> Result<Spooled<S::Upload>, E> {
        let mut watch = Watch::new(self.path()).map_err(|error| unusable(self.path(), error))?;
        let mut files = Files {
            directory: self.path().to_owned(),
            seen: BTreeSet::new(),
            waiting: Vec::new(),
            tasks: JoinSet::new(),
            staged: Vec::new(),
        };
        let mut child = command.start()?;
        let outcome = tokio::select! {
            biased;
            () = stop.raised() => Err(interrupted(WHEN).into()),
            outcome = files.follow(&mut child, &mut watch, uploader, &place, &explain) => outcome,
        };
        if let Err(error) = outcome {
            child.stop(GRACE).await;
            files.tasks.shutdown().await;
            return Err(error);
        }
        let toc = self.path().join(TOC);
        let toc = std::fs::read(&toc).map_err(|error| unusable(&toc, error))?;
        Ok(Spooled { toc, objects: files.staged })
    }
}

/// The files of a spool and how far they are.
struct Files<U> {
    directory: PathBuf,
    seen: BTreeSet<String>,
    waiting: Vec<String>,
    tasks: JoinSet<Result<Vec<Staged<U>>>>,
    staged: Vec<Staged<U>>,
}

impl<U: Send + Sync + 'static> Files<U> {
    async fn follow<S: SharedStore<Upload = U>, E: From<Error>>(
        &mut self,
        child: &mut Running,
        watch: &mut Watch,
        uploader: &Arc<Uploader<S>>,
        place: &impl Fn(&str) -> ObjectLocation,
        explain: &impl Fn(&Exit) -> E,
    ) -> Result<(), E> {
        let mut running = true;
        while running || !self.waiting.is_empty() || !self.tasks.is_empty() {
            self.start_uploads(uploader, place);
            tokio::select! {
                Some(done) = self.tasks.join_next() => {
                    self.staged.extend(done.map_err(broke_down)??);
                }
                finished = watch.next(), if running => {
                    self.add(finished.map_err(|error| unusable(&self.directory, error))?);
                }
                exit = child.exit(), if running => {
                    let exit = exit.map_err(unreadable)?;
                    if !exit.status.success() {
                        return Err(explain(&exit));
                    }
                    running = false;
                    // What the watch did not tell any more.
                    self.look().map_err(|error| unusable(&self.directory, error))?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String) {
        if name != TOC && self.seen.insert(name.clone()) {
            self.waiting.push(name);
        }
    }

    fn look(&mut self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let name = name.to_str().ok_or_else(|| io::Error::other("a name is not UTF-8"))?;
            self.add(name.to_owned());
        }
        Ok(())
    }

    fn start_uploads<S: SharedStore<Upload = U>>(
        &mut self,
        uploader: &Arc<Uploader<S>>,
        place: &impl Fn(&str) -> ObjectLocation,
    ) {
        while self.tasks.len() < TOGETHER {
            let Some(name) = self.waiting.pop() else { return };
            let (uploader, location) = (Arc::clone(uploader), place(&name));
            self.tasks.spawn(upload(self.directory.join(name), uploader, location));
        }
    }
}

/// Uploads a finished file and removes it.
async fn upload<S: SharedStore>(
    path: PathBuf,
    uploader: Arc<Uploader<S>>,
    location: ObjectLocation,
) -> Result<Vec<Staged<S::Upload>>> {
    let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = opened.map_err(|error| unusable(&path, error))?;
    let mut file = Finished { path: &path, file };
    let staged = transfer(&uploader, location, length, &mut file).await?;
    std::fs::remove_file(&path).map_err(|error| unusable(&path, error))?;
    Ok(staged)
}

/// A file that nobody writes to any more. It was written a moment ago, so it is read without
/// waiting for a disk.
struct Finished<'a> {
    path: &'a Path,
    file: File,
}

impl Source for Finished<'_> {
    async fn read(&mut self, buffer: &mut Vec<u8>, limit: usize) -> Result<usize> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let read = (&mut self.file).take(limit).read_to_end(buffer);
        read.map_err(|error| unusable(self.path, error))
    }
}

/// Tells which files of a directory were closed after they had been written.
struct Watch(EventStream<[u8; 4096]>);

impl Watch {
    fn new(directory: &Path) -> io::Result<Self> {
        let events = Inotify::init()?;
        events.watches().add(directory, WatchMask::CLOSE_WRITE)?;
        Ok(Self(events.into_event_stream([0; 4096])?))
    }

    /// The name of a file that was finished; waits for it. Dropping the future loses nothing.
    async fn next(&mut self) -> io::Result<String> {
        loop {
            let event = self.0.next().await;
            let event = event.ok_or_else(|| io::Error::other("the watch has ended"))??;
            // Without a name the kernel lost events; all files are looked at in the end.
            if let Some(name) = event.name.and_then(|name| name.to_str().map(str::to_owned)) {
                return Ok(name);
            }
        }
    }
}

fn unusable(path: &Path, error: io::Error) -> Error {
    Error::new(
        ErrorClass::Internal,
        format!("{} in the scratch directory cannot be used: {error}", path.display()),
        "See that the scratch directory can be written and has room",
    )
    .caused_by(error)
}
