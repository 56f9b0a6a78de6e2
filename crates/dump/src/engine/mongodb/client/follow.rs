//! The output of `mongodump`, read, compared and uploaded as it comes.

use std::sync::Arc;

use autodump_core::compression::Compression;
use autodump_core::ports::ObjectLocation;
use autodump_core::{Error, ErrorClass, Result};

use super::super::archive::{Damage, Namespace, Scanner};
use super::recut::{Recut, Scope};
use crate::assembly::{Assembly, Hand, Pieces, Staged};
use crate::child::{Command, Exit, Running};
use crate::filling::Filling;
use crate::open_uploads::SharedStore;
use crate::output::{GRACE, interrupted, unreadable};
use crate::rows::RowDigest;
use crate::stop::StopFlag;
use crate::uploader::{Sending, Uploader};

/// How much is read at once.
const READ: usize = 256 << 10;

/// What `mongodump` has dumped.
#[derive(Debug)]
pub(super) struct Dumped<U> {
    /// The archive.
    pub(super) objects: Vec<Staged<U>>,
    /// Its collections, in their order, and what their documents are together.
    pub(super) collections: Vec<(Namespace, RowDigest)>,
}

/// Where the archive goes, and of what it is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) location: ObjectLocation,
    pub(super) compression: Compression,
    pub(super) scope: Scope,
}

/// Runs `command`, and uploads the archive that it writes. It counts only when the command has
/// exited with 0 and the archive is whole. `explain` says what it means that the command ended
/// otherwise. After an error the command does not run any more.
pub(super) async fn follow<S: SharedStore>(
    uploader: &Arc<Uploader<S>>,
    command: &Command,
    place: Place,
    explain: impl Fn(&Exit) -> Error + Send + Sync,
    mut stop: StopFlag,
) -> Result<Dumped<S::Upload>> {
    let mut way = Way::new(uploader, &place)?;
    way.assembly.begin().await?;
    let mut child = command.start()?;
    let outcome = tokio::select! {
        biased;
        () = stop.raised() => Err(interrupted("before the dump was complete; nothing was kept")),
        outcome = way.read(&mut child, place.scope, &explain) => outcome,
    };
    match outcome {
        Ok(collections) => Ok(Dumped { objects: way.assembly.staged().await?, collections }),
        Err(error) => {
            child.stop(GRACE).await;
            way.sending.cut_off().await;
            Err(error)
        }
    }
}

/// The way into the archive's object.
struct Way<S: SharedStore> {
    uploader: Arc<Uploader<S>>,
    assembly: Arc<Assembly<S>>,
    hand: Hand<S>,
    filling: Filling<S>,
    sending: Sending,
}

impl<S: SharedStore> Way<S> {
    fn new(uploader: &Arc<Uploader<S>>, place: &Place) -> Result<Self> {
        let largest = u64::from(uploader.limits().memory) / 2;
        let location = place.location.clone();
        let assembly = Assembly::new(uploader, location, 0, largest, Pieces::Whole);
        let assembly = Arc::new(assembly);
        let usual = assembly.next_size();
        Ok(Self {
            uploader: Arc::clone(uploader),
            hand: Hand::new(Arc::clone(&assembly)),
            filling: Filling::new(uploader, place.compression, largest, usual)?,
            assembly,
            sending: Sending::default(),
        })
    }

    async fn read(
        &mut self,
        child: &mut Running,
        scope: Scope,
        explain: &(impl Fn(&Exit) -> Error + Sync),
    ) -> Result<Vec<(Namespace, RowDigest)>> {
        let mut scanner = Scanner::new(Recut::new(scope));
        let (mut chunk, mut damage) = (Vec::with_capacity(READ), None);
        while damage.is_none() {
            chunk.clear();
            let read = self.sending.during(child.read(&mut chunk, READ)).await?;
            let read = read.map_err(unreadable)?;
            if read == 0 {
                break;
            }
            self.uploader.progress().add_read(read as u64);
            damage = scanner.write(&chunk).err();
            self.relieve(scanner.visitor()).await?;
        }
        if let Some(damage) = damage {
            return Err(damaged(&damage));
        }
        let exit = self.sending.during(child.exit()).await?.map_err(unreadable)?;
        if !exit.status.success() {
            return Err(explain(&exit));
        }
        check_open(scanner.most_open(), scanner.prelude().concurrent)?;
        let mut recut = scanner.finish().map_err(|damage| damaged(&damage))?;
        self.relieve(&mut recut).await?;
        self.send().await?;
        self.assembly.finish(&[], &mut self.sending).await?;
        self.sending.finish().await?;
        Ok(recut.finish())
    }

    /// Compresses what is ready, and sends a piece if there is enough for one.
    async fn relieve(&mut self, recut: &mut Recut) -> Result<()> {
        let ready = recut.ready() as u64;
        if self.filling.len() as u64 + ready > self.filling.capacity() {
            self.send().await?;
        }
        if ready > 0 {
            self.filling.reserve(ready, &mut self.sending).await?;
            recut.take(|bytes| self.filling.write(bytes));
        }
        if self.filling.len() as u64 >= self.assembly.next_size() {
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<()> {
        self.filling.end_frame();
        match self.filling.take(self.assembly.next_size()) {
            Some(piece) => self.hand.append(piece, true, &mut self.sending).await,
            None => Ok(()),
        }
    }
}

/// More collections that are begun and not ended than the archive says would make
/// `mongorestore` wait for ever.
fn check_open(open: usize, concurrent: i32) -> Result<()> {
    if i64::try_from(open).is_ok_and(|open| open <= i64::from(concurrent).max(1)) {
        return Ok(());
    }
    Err(wrong(format!(
        "mongodump has begun {open} collections at once, and told of {concurrent}: mongorestore \
         could not restore them"
    )))
}

fn damaged(damage: &Damage) -> Error {
    let what = format!("what mongodump wrote cannot be read again: {damage}");
    wrong(what)
}

fn wrong(what: String) -> Error {
    let hint = "Start the run again, with another version of mongodump if this repeats";
    Error::new(ErrorClass::Engine, what, hint)
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
