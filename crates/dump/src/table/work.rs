//! Segments read side by side, committed together, and put as data objects meanwhile.

use std::collections::VecDeque;

use autodump_core::compression::Algorithm;
use autodump_core::ports::{ObjectLocation, ObjectReader, ObjectWriter, Put};
use autodump_core::table::layout;
use autodump_core::table::plan::Scan;
use autodump_core::table::ports::{Answer, PageRequest, TableReader};
use autodump_core::{Error, ErrorClass, Result};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{sleep, timeout};

use super::checkpoint::Checkpoint;
use super::cut::{Cut, Log};
use super::frame::Framer;
use super::journal::{self, Frame};
use super::pace::{Pace, SILENCE, silent};
use super::place::{Place, read};

/// How many bytes of frames a journal object has at most, unless one page has more.
const BATCH: usize = 8 << 20;

/// What all of a range's work shares.
pub(super) struct Shared<'a, T, S> {
    pub(super) table: &'a T,
    pub(super) store: &'a S,
    pub(super) place: Place,
    pub(super) scan: &'a Scan,
    pub(super) range: u32,
    pub(super) algorithm: Algorithm,
    /// Names this attempt in the journal.
    pub(super) writer: String,
    pub(super) pace: Pace,
    pub(super) framer: Framer,
}

impl<T: TableReader, S: ObjectReader + ObjectWriter> Shared<'_, T, S> {
    /// Puts a data object and its checkpoint, and gives the checkpoint.
    pub(super) async fn put(&self, cut: Cut) -> Result<Checkpoint> {
        cut.put(self.store, &self.place, self.scan, self.algorithm).await
    }

    /// The next page of a segment, however often the table throttles it.
    async fn page(&self, segment: u32, from: Option<String>) -> Result<Frame> {
        let mut request = PageRequest {
            segment,
            total_segments: self.scan.segments,
            from,
            consistent: self.scan.consistent,
            limit: None,
        };
        let mut tries = 0;
        loop {
            let turn = self.pace.turn().await;
            request.limit = turn.limit;
            let answer = timeout(SILENCE, self.table.page(&request)).await;
            match answer.map_err(|_| silent("not even that it was throttled"))?? {
                Answer::Done(body) => {
                    let frame = self.framer.frame(segment, body).await?;
                    self.pace.answered(&turn, frame.entry.units, frame.entry.items);
                    return Ok(frame);
                }
                Answer::Throttled => sleep(self.pace.throttled(&turn, tries)?).await,
            }
            tries += 1;
        }
    }

    /// Puts the journal object `number`, and gives its frames back.
    async fn commit(&self, number: u64, frames: Vec<Frame>) -> Result<Vec<Frame>> {
        let location = self.location(number);
        let body = journal::encode(&self.writer, &frames)?;
        let put = self.store.put(&location, "application/octet-stream", body.clone()).await?;
        // The very same bytes, with this attempt's name in them, are its own: the answer to its
        // first put was lost.
        if put == Put::AlreadyThere && read(self.store, &location).await? != body {
            return Err(another_attempt(&location));
        }
        Ok(frames)
    }

    fn location(&self, number: u64) -> ObjectLocation {
        self.place.at(&layout::journal(self.range, number))
    }
}

/// The work that is being done on a range.
pub(super) struct Work<'a, T, S> {
    shared: &'a Shared<'a, T, S>,
    log: Log,
    /// Segments that can be read further.
    idle: VecDeque<u32>,
    /// How many segments are being read, or wait for a commit, or are in one.
    active: usize,
    reading: FuturesUnordered<BoxFuture<'a, Result<Frame>>>,
    /// Pages that wait for the next commit.
    waiting: VecDeque<Frame>,
    committing: Option<BoxFuture<'a, Result<Vec<Frame>>>>,
    putting: Option<BoxFuture<'a, Result<Checkpoint>>>,
}

impl<'a, T: TableReader, S: ObjectReader + ObjectWriter> Work<'a, T, S> {
    pub(super) fn new(shared: &'a Shared<'a, T, S>, log: Log) -> Self {
        let idle = log.state.segments.iter().filter(|segment| !segment.done);
        Self {
            shared,
            idle: idle.map(|segment| segment.segment).collect(),
            log,
            active: 0,
            reading: FuturesUnordered::new(),
            waiting: VecDeque::new(),
            committing: None,
            putting: None,
        }
    }

    /// Where it has got to.
    pub(super) fn into_log(self) -> Log {
        self.log
    }

    /// Reads until all segments are finished and committed. Dropping it loses what is not
    /// committed, and nothing else.
    pub(super) async fn drive(&mut self) -> Result<()> {
        loop {
            self.put();
            self.commit();
            self.read();
            if self.active == 0 && self.putting.is_none() {
                return Ok(());
            }
            tokio::select! {
                done = outcome(&mut self.putting), if self.putting.is_some() => {
                    let state = done?;
                    self.log.state.complete = state.complete;
                    self.log.state.objects = state.objects;
                }
                done = outcome(&mut self.committing), if self.committing.is_some() => {
                    self.committed(&done?)?;
                }
                Some(page) = self.reading.next() => self.waiting.push_back(page?),
            }
        }
    }

    /// Begins to put a data object when one is full and none is on its way.
    fn put(&mut self) {
        if self.putting.is_none() && self.log.is_full() {
            let (shared, cut) = (self.shared, self.log.cut());
            self.putting = Some(Box::pin(shared.put(cut)));
        }
    }

    /// Begins to commit what waits, unless there is no room for it in the data object.
    fn commit(&mut self) {
        if self.committing.is_some() || self.waiting.is_empty() || self.log.is_full() {
            return;
        }
        let (mut bytes, mut batch) = (0, Vec::new());
        while let Some(frame) = self.waiting.pop_front() {
            bytes += frame.bytes.len();
            if bytes > BATCH && !batch.is_empty() {
                self.waiting.push_front(frame);
                break;
            }
            batch.push(frame);
        }
        let (shared, number) = (self.shared, self.log.state.journal);
        self.committing = Some(Box::pin(shared.commit(number, batch)));
    }

    /// Begins to read as many segments as may be read at once.
    fn read(&mut self) {
        let at_once = usize::try_from(self.shared.scan.at_once).unwrap_or(usize::MAX);
        while self.active < at_once {
            let Some(number) = self.idle.pop_front() else { return };
            let from = self.log.state.segment(number).and_then(|segment| segment.next.clone());
            let shared = self.shared;
            self.reading.push(Box::pin(shared.page(number, from)));
            self.active += 1;
        }
    }

    /// Takes note of a journal object that is there; its segments go on before others begin.
    fn committed(&mut self, frames: &[Frame]) -> Result<()> {
        let location = self.shared.location(self.log.state.journal);
        self.log.append(frames, &location)?;
        self.active -= frames.len();
        for Frame { entry, .. } in frames.iter().filter(|frame| frame.entry.next.is_some()) {
            self.idle.push_front(entry.segment);
        }
        Ok(())
    }
}

/// Waits for what is on its way, and makes room for the next.
async fn outcome<T>(work: &mut Option<BoxFuture<'_, T>>) -> T {
    let Some(future) = work else { return std::future::pending().await };
    let done = future.await;
    *work = None;
    done
}

fn another_attempt(location: &ObjectLocation) -> Error {
    Error::new(
        ErrorClass::Interrupted,
        format!(
            "another attempt reads the same range of the table: s3://{}/{} is from it",
            location.bucket, location.key
        ),
        "Nothing is lost: only one of them goes on, and each attempt begins where the journal is",
    )
}
