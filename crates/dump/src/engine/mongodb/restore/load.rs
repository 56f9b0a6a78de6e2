//! Documents into collections, over several connections.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use autodump_core::ports::{Content, DatabaseAccess};
use autodump_core::{Error, ErrorClass, Result};
use futures_util::stream::{FuturesUnordered, StreamExt};
use mongodb::error::Error as DriverError;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::JoinSet;

use super::batch::Batch;
use super::pieces::Piece;
use super::trouble::{explained, taken};
use super::unpack::{Input, Order, Seen, Unpacker, start};
use crate::engine::mongodb::connection::{Connection, Gate, command};
use crate::engine::mongodb::inventory::documents;
use crate::engine::mongodb::stored::within;
use crate::engine::mongodb::trouble::is_passing;
use crate::restore::{Event, SharedReader, Watcher};
use crate::uploader::broke_down;

/// How often a batch is inserted before its failure counts.
const ATTEMPTS: u32 = 4;
/// The pause before a batch is inserted again; longer each time.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the documents of a collection of the archive go.
#[derive(Debug, Clone)]
pub(super) struct Goal {
    /// Its name in the database, without it.
    pub(super) name: String,
    /// The order of documents is kept.
    pub(super) is_ordered: bool,
    /// Nothing was in it before.
    pub(super) was_empty: bool,
}

/// What all connections share.
pub(super) struct Loader<R, A> {
    pub(super) reader: R,
    pub(super) gate: Gate<A>,
    pub(super) database: String,
    pub(super) watcher: Arc<dyn Watcher>,
    /// By the numbers of collections in the prelude.
    pub(super) goals: BTreeMap<usize, Goal>,
    /// How a piece is read, but for whether it is the first.
    pub(super) order: Order,
    pieces: Mutex<VecDeque<Piece>>,
    /// Batches of one piece that are inserted at once.
    at_once: usize,
    read: AtomicU64,
}

/// What of a [`Loader`] is given.
pub(super) struct Parts<R, A> {
    pub(super) reader: R,
    pub(super) gate: Gate<A>,
    pub(super) database: String,
    pub(super) watcher: Arc<dyn Watcher>,
    pub(super) goals: BTreeMap<usize, Goal>,
    pub(super) order: Order,
}

impl<R: SharedReader, A: DatabaseAccess + 'static> Loader<R, A> {
    pub(super) fn new(parts: Parts<R, A>, pieces: Vec<Piece>, jobs: usize) -> Self {
        let Parts { reader, gate, database, watcher, goals, order } = parts;
        let at_once = jobs.div_ceil(pieces.len().clamp(1, jobs.max(1)));
        Self {
            reader,
            gate,
            database,
            watcher,
            goals,
            order,
            pieces: Mutex::new(pieces.into()),
            at_once,
            read: AtomicU64::default(),
        }
    }

    /// Loads everything, `jobs` pieces at once. Returns what was seen of each piece, in their
    /// order, and the bytes that came from the store. On an error, and when it is dropped, what is
    /// under way is given up.
    pub(super) async fn run(self: &Arc<Self>, jobs: usize) -> Result<(Vec<Seen>, u64)> {
        let mut tasks = JoinSet::new();
        let waiting = self.lock().len();
        for _ in 0..jobs.min(waiting) {
            tasks.spawn(Arc::clone(self).work());
        }
        let mut seen = Vec::new();
        while let Some(done) = tasks.join_next().await {
            seen.extend(done.map_err(broke_down)??);
        }
        seen.sort_by_key(|(number, _)| *number);
        let seen = seen.into_iter().map(|(_, seen)| seen).collect();
        Ok((seen, self.read.load(Ordering::Relaxed)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Piece>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(self: Arc<Self>) -> Result<Vec<(usize, Seen)>> {
        let mut all = Vec::new();
        loop {
            let Some(piece) = self.lock().pop_front() else { return Ok(all) };
            all.push((piece.number, self.load(&piece).await?));
        }
    }

    async fn load(&self, piece: &Piece) -> Result<Seen> {
        let order = Order { is_first: piece.number == 0, ..self.order.clone() };
        let Unpacker { input, output, seen } = start(order);
        // Whoever unpacks ends early where something is wrong, and says what.
        tokio::try_join!(self.feed(piece, input), self.drain(output))?;
        let seen = seen.await.map_err(broke_down)?;
        seen.map_err(|error| within(&error, &piece.shown()))
    }

    /// Moves bytes from the store to the thread that unpacks them.
    async fn feed(&self, piece: &Piece, input: Sender<Input>) -> Result<()> {
        for part in &piece.parts {
            let mut content = self.reader.get(&part.location, part.range.clone()).await?;
            while let Some(bytes) = content.next().await? {
                let length = bytes.len() as u64;
                self.read.fetch_add(length, Ordering::Relaxed);
                self.watcher.note(&Event::Read(length));
                if input.send(Input::Bytes(bytes)).await.is_err() {
                    return Ok(());
                }
            }
            let _ = input.send(Input::EndOfPart).await;
        }
        Ok(())
    }

    async fn drain(&self, mut output: Receiver<Batch>) -> Result<()> {
        let mut inserting = FuturesUnordered::new();
        while let Some(batch) = output.recv().await {
            inserting.push(self.insert(batch));
            while inserting.len() >= self.at_once
                && let Some(done) = inserting.next().await
            {
                done?;
            }
        }
        while let Some(done) = inserting.next().await {
            done?;
        }
        Ok(())
    }

    /// Inserts a batch, again where the connection was lost before the server answered, or the
    /// server went away: what it had taken by then is there already.
    async fn insert(&self, mut batch: Batch) -> Result<()> {
        let Some(goal) = self.goals.get(&batch.collection) else { return Ok(()) };
        let mut lost = None;
        for attempt in 1.. {
            let connection = self.gate.enter(lost.as_ref()).await?;
            match self.send(&connection, goal, &mut batch, attempt > 1).await {
                Ok(()) => break,
                Err(Trouble::Passing(_)) if attempt < ATTEMPTS && goal.was_empty => {}
                Err(Trouble::Passing(error) | Trouble::Lasting(error)) => return Err(error),
            }
            let collection = format!("{}.{}", self.database, goal.name);
            tracing::warn!(collection, "documents are inserted again over a new connection");
            tokio::time::sleep(PAUSE * attempt).await;
            lost = Some(connection);
        }
        Ok(())
    }

    /// Inserts what is left of a batch. Where it was sent before, what is there already counts.
    async fn send(
        &self,
        connection: &Connection,
        goal: &Goal,
        batch: &mut Batch,
        again: bool,
    ) -> Result<(), Trouble> {
        let name = format!("{}.{}", self.database, goal.name);
        let doing = format!("documents of {name} cannot be inserted");
        let failed = |error: DriverError| {
            let told = explained(connection, &error, &doing);
            if is_passing(&error) { Trouble::Passing(told) } else { Trouble::Lasting(told) }
        };
        if again && goal.is_ordered {
            let newest = self.newest(connection, goal).await?.map_err(failed)?;
            *batch = batch.behind(newest.map_or(0, |newest| batch.up_to(&newest)));
        }
        while batch.documents > 0 {
            let command = batch.insert(&goal.name, goal.is_ordered)?;
            let reply = connection.run(&self.database, command).await.map_err(failed)?;
            let again = again.then_some(goal.is_ordered);
            match judge(&reply, &name, batch.documents, again)? {
                Some(count) => *batch = batch.behind(count),
                None => break,
            }
        }
        Ok(())
    }

    /// The newest document of a collection that keeps the order in which they came.
    async fn newest(
        &self,
        connection: &Connection,
        goal: &Goal,
    ) -> Result<Result<Option<Vec<u8>>, DriverError>> {
        let command = command(|writer| {
            let writer = writer.text("find", &goal.name);
            let writer = writer.document("sort", |sort| sort.int32("$natural", -1));
            writer.int32("limit", 1).truth("singleBatch", true)
        })?;
        let newest = async {
            let mut cursor = connection.cursor(&self.database, command, None).await?;
            let Some(batch) = cursor.next().await else { return Ok(None) };
            let batch = batch?;
            let newest = documents(&batch)?.next().transpose().map_err(DriverError::custom)?;
            Ok(newest.map(<[u8]>::to_vec))
        };
        Ok(newest.await)
    }
}

/// Why a batch was not inserted.
#[derive(Debug)]
enum Trouble {
    /// It can be inserted again.
    Passing(Error),
    Lasting(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Lasting(error)
    }
}

/// Whether a server took all documents of a batch. Where it was sent before, `again` says whether in
/// order: all that are there already count, and in order the server goes no further than to the first
/// of them: then the number of those behind which it has to go on is returned.
fn judge(
    reply: &bson::Document,
    name: &str,
    documents: u64,
    again: Option<bool>,
) -> Result<Option<usize>, Trouble> {
    let (mut count, mut refusals) = taken(reply);
    if let Some(passing) = refusals.iter().find(|refusal| refusal.is_passing()) {
        return Err(Trouble::Passing(passing.error(name)));
    }
    if let Some(in_order) = again {
        let there = refusals.iter().find(|refusal| refusal.is_there_already());
        if in_order && let Some(index) = there.and_then(|there| there.index) {
            return Ok(Some(index + 1));
        }
        let before = refusals.len();
        refusals.retain(|refusal| !refusal.is_there_already());
        count += (before - refusals.len()) as u64;
    }
    if let Some(refusal) = refusals.first() {
        return Err(refusal.error(name).into());
    }
    if count == documents {
        return Ok(None);
    }
    let what =
        format!("{name}: the server took {count} of {documents} documents, and does not say why");
    Err(Error::new(ErrorClass::Engine, what, "See the server's log").into())
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn what_was_sent_before_may_be_there_already() {
        let message = "E11000 duplicate key error collection: a.b index: _id_ dup key: { _id: 1 }";
        let twice = doc! {
            "n": 1, "writeErrors": [{ "index": 1, "code": 11_000, "errmsg": message }],
        };
        assert_eq!(judge(&twice, "a.b", 2, Some(false)).unwrap(), None);
        let error = lasting(judge(&twice, "a.b", 2, None));
        assert!(error.what().starts_with("a.b: the server refuses documents: E11000"), "{error}");
        let error = lasting(judge(&doc! { "n": 1 }, "a.b", 2, Some(false)));
        assert!(error.what().contains("took 1 of 2"), "{error}");
        // In order the server tried nothing behind it.
        assert_eq!(judge(&twice, "a.b", 5, Some(true)).unwrap(), Some(2));
    }

    #[test]
    fn a_server_that_steps_down_is_as_a_lost_connection() {
        for code in [91, 189, 11_602, 10_107, 11_600, 13_435, 13_436] {
            let concern = doc! { "code": code, "errmsg": "stepped down" };
            let reply = doc! { "n": 2, "writeConcernError": concern };
            let Err(Trouble::Passing(error)) = judge(&reply, "a.b", 2, None) else {
                panic!("{code}")
            };
            assert_eq!(error.class(), ErrorClass::Source);
            assert!(error.what().contains("stepped down"), "{error}");
        }
        let reply = doc! { "n": 2, "writeConcernError": { "code": 64, "errmsg": "timed out" } };
        assert_eq!(lasting(judge(&reply, "a.b", 2, None)).class(), ErrorClass::Engine);
    }

    fn lasting(judged: Result<Option<usize>, Trouble>) -> Error {
        match judged {
            Err(Trouble::Lasting(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}
