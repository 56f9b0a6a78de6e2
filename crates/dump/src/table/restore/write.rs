//! One worker: gathers items into batches, and writes each until the table has taken all of it. So
//! are keys deleted.

use std::sync::Arc;
use std::time::Duration;

use autodump_core::table::ports::{Answer, TableWriter};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep, timeout};

use super::fit::{Fit, Misfit};
use super::item::Item;
use super::pace::{Pace, pause};
use super::state::State;
use super::watch::{Event, Watcher};

/// `BatchWriteItem` takes no more items.
pub(super) const MOST_ITEMS: usize = 25;
/// And no more bytes than 16 MB, of which something is left for what is around the items.
const MOST_BYTES: usize = 15_900_000;
/// A batch that is not full is written when no item came for so long.
const IDLE: Duration = Duration::from_millis(50);

/// An item that waits.
pub(super) struct Waiting {
    pub(super) item: Item,
    /// The object that it is in.
    pub(super) from: Arc<str>,
    /// What it may use.
    pub(super) _memory: OwnedSemaphorePermit,
}

/// What all workers share.
pub(super) struct Shared<W> {
    pub(super) writer: Arc<W>,
    pub(super) pace: Pace,
    pub(super) state: Arc<State>,
    pub(super) watcher: Arc<dyn Watcher>,
    /// What the table's indexes take.
    pub(super) fit: Fit,
    /// Until when a refusal may be that of a table whose tags are not seen yet, where it was made
    /// just now.
    pub(super) settled: Option<Instant>,
}

/// Writes what comes, until nothing comes any more.
pub(super) async fn run<W: TableWriter>(
    shared: &Shared<W>,
    mut items: Receiver<Waiting>,
) -> Result<()> {
    let mut batch = Batch::default();
    loop {
        let next = if batch.items.is_empty() {
            Ok(items.recv().await)
        } else {
            timeout(IDLE, items.recv()).await
        };
        match next {
            Ok(Some(waiting)) => {
                if !batch.has_room(&waiting.item) {
                    write(shared, &mut batch).await?;
                }
                batch.push(waiting);
                if batch.items.len() == MOST_ITEMS {
                    write(shared, &mut batch).await?;
                }
            }
            Ok(None) => return write(shared, &mut batch).await,
            Err(_) => write(shared, &mut batch).await?,
        }
    }
}

#[derive(Default)]
struct Batch {
    items: Vec<Waiting>,
    bytes: usize,
}

impl Batch {
    /// Whether an item fits. A key that the batch has already does not: DynamoDB would refuse
    /// all of it. The later item goes into a later batch, and wins.
    fn has_room(&self, item: &Item) -> bool {
        let fits = self.items.is_empty() || self.bytes + item.text.len() <= MOST_BYTES;
        fits && self.items.iter().all(|other| other.item.key != item.key)
    }

    fn push(&mut self, waiting: Waiting) {
        self.bytes += waiting.item.text.len();
        self.items.push(waiting);
    }
}

/// Writes the batch, and leaves it empty.
async fn write<W: TableWriter>(shared: &Shared<W>, batch: &mut Batch) -> Result<()> {
    let texts = batch.items.iter().map(|waiting| waiting.item.text.clone()).collect();
    if let Err(error) = send(shared, Verb::Put, texts, Item::units).await {
        // Some item is not what the table takes.
        let is_unfit = error.class() == ErrorClass::Configuration;
        return Err(if is_unfit { told_apart(shared, batch, error).await } else { error });
    }
    *batch = Batch::default();
    Ok(())
}

/// The error about a batch, with the object of the item that it is about: that which does not fit
/// an index, or else that which the table does not take alone.
async fn told_apart<W: TableWriter>(shared: &Shared<W>, batch: &Batch, error: Error) -> Error {
    for Waiting { item, from, .. } in &batch.items {
        if let Some(Misfit { index, why }) = shared.fit.misfit(&item.text) {
            let what = format!("an item of {from} does not fit the table: {why}");
            let hint = format!(
                "Make the table without the index {index}, restore into it (--into-existing), and \
                 add the index then: it leaves out such items"
            );
            return Error::new(ErrorClass::Configuration, what, hint).caused_by(error);
        }
    }
    for Waiting { item, from, .. } in &batch.items {
        if let Err(alone) = send(shared, Verb::Put, vec![item.text.clone()], Item::units).await {
            let what = format!("an item of {from} was not written: {}", alone.what());
            return Error::new(alone.class(), what, alone.hint().to_owned()).caused_by(alone);
        }
    }
    error
}

/// An item to be deleted: the text of its key, and what that takes in write units.
pub(super) type Doomed = (Bytes, f64);

/// Deletes the items, at most [`MOST_ITEMS`].
pub(super) async fn delete<W: TableWriter>(shared: &Shared<W>, batch: &[Doomed]) -> Result<()> {
    let keys: Vec<_> = batch.iter().map(|(key, _)| key.clone()).collect();
    // Of a key that is left nobody says how large its item is.
    let count = f64::from(u32::try_from(keys.len().max(1)).unwrap_or(u32::MAX));
    let each = batch.iter().map(|(_, units)| units).sum::<f64>() / count;
    send(shared, Verb::Delete, keys, |_| each).await
}

/// What is done with each entry of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Put,
    Delete,
}

/// Sends all, until the table has taken it; `cost` says how many write units one takes.
async fn send<W: TableWriter>(
    shared: &Shared<W>,
    verb: Verb,
    mut left: Vec<Bytes>,
    cost: impl Fn(&Bytes) -> f64,
) -> Result<()> {
    let Shared { writer, pace, .. } = shared;
    let (mut attempt, mut is_first) = (0, true);
    while !left.is_empty() {
        let units = left.iter().map(&cost).sum();
        pace.ready(units).await;
        if std::mem::take(&mut is_first) {
            // It may be long since something was sent, and that was not the table's fault.
            pace.progressed();
        }
        let answer = match verb {
            Verb::Put => writer.write(&left).await,
            Verb::Delete => writer.delete(&left).await,
        };
        // What was sent may be sent again: it does the same.
        let (answer, trouble) = match answer {
            Err(error) if shared.passes(&error) => (Answer::Throttled, Some(error)),
            answer => (answer?, None),
        };
        let (rest, used) = match answer {
            Answer::Throttled => (left.clone(), None),
            Answer::Done(body) => answered(&body, verb, left.len())?,
        };
        let taken = (left.len() - rest.len()) as u64;
        let thought = units - rest.iter().map(&cost).sum::<f64>();
        pace.used(thought, used.unwrap_or(thought));
        if taken > 0 {
            shared.taken(verb, taken);
            pace.progressed();
            attempt = 0;
        }
        left = rest;
        if !left.is_empty() {
            shared.throttled();
            pace.throttled();
            pace.check().map_err(|error| with_trouble(error, trouble))?;
            attempt += 1;
            sleep(pause(attempt)).await;
        }
    }
    Ok(())
}

/// The error about a table that has done nothing for too long, with what was the matter.
pub(super) fn with_trouble(error: Error, trouble: Option<Error>) -> Error {
    let Some(trouble) = trouble else { return error };
    let what = format!("{}: {}", error.what(), trouble.what());
    Error::new(trouble.class(), what, trouble.hint().to_owned()).caused_by(trouble)
}

impl<W> Shared<W> {
    /// Whether an error may pass by itself: it is tried again as long as throttling is.
    pub(super) fn passes(&self, error: &Error) -> bool {
        match error.class() {
            ErrorClass::Source => true,
            ErrorClass::Credentials => self.settled.is_some_and(|settled| Instant::now() < settled),
            _ => false,
        }
    }

    /// The table could not answer, or not take all.
    pub(super) fn throttled(&self) {
        self.state.throttled.fetch_add(1, Ordering::Relaxed);
        self.watcher.note(&Event::Throttled);
    }

    fn taken(&self, verb: Verb, count: u64) {
        match verb {
            Verb::Put => {
                self.state.add_items(count);
                self.watcher.note(&Event::Written(count));
            }
            Verb::Delete => {
                self.state.deleted.fetch_add(count, Ordering::Relaxed);
                self.watcher.note(&Event::Deleted(count));
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(borrow, default)]
    unprocessed_items: Option<BTreeMap<String, Vec<Request<'a>>>>,
    #[serde(default)]
    consumed_capacity: Option<Vec<Consumed>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    put_request: Option<Put<'a>>,
    #[serde(borrow, default)]
    delete_request: Option<Delete<'a>>,
}

impl<'a> Request<'a> {
    /// The text of what it puts or deletes; none where it does the other.
    fn text(self, verb: Verb) -> Option<&'a str> {
        let put = self.put_request.map(|put| put.item.get());
        let delete = self.delete_request.map(|delete| delete.key.get());
        match (verb, put, delete) {
            (Verb::Put, Some(text), None) | (Verb::Delete, None, Some(text)) => Some(text),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put<'a> {
    #[serde(borrow)]
    item: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete<'a> {
    #[serde(borrow)]
    key: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Consumed {
    #[serde(default)]
    capacity_units: f64,
}

/// What was not processed of `sent` entries, and the units that were used, where the answer says
/// so.
fn answered(body: &Bytes, verb: Verb, sent: usize) -> Result<(Vec<Bytes>, Option<f64>)> {
    let odd = |why: String| {
        Error::new(
            ErrorClass::Internal,
            format!("the answer to a write of {sent} items is not understood: {why}"),
            "Report this: it is a fault of AutoDump, or of the service that was asked",
        )
    };
    let read: Body<'_> = serde_json::from_slice(body)
        .map_err(|error| odd(format!("no answer in JSON (column {})", error.column())))?;
    let requests = read.unprocessed_items.into_iter().flatten().flat_map(|(_, all)| all);
    let text = |request: Request<'_>| {
        let text = request.text(verb).ok_or_else(|| odd("a request was not sent".to_owned()))?;
        Ok(body.slice_ref(text.as_bytes()))
    };
    let left: Vec<_> = requests.map(text).collect::<Result<_>>()?;
    if left.len() > sent {
        return Err(odd(format!("{} items were not processed", left.len())));
    }
    let used = read.consumed_capacity;
    Ok((left, used.map(|all| all.iter().map(|one| one.capacity_units).sum())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_processed_is_taken_as_it_is() {
        let body = Bytes::from_static(
            br#"{"UnprocessedItems":{"t":[{"PutRequest":{"Item":{"id": {"N":"1.0"}}}}]},
                "ConsumedCapacity":[{"TableName":"t","CapacityUnits":2.5}]}"#,
        );
        let (left, used) = answered(&body, Verb::Put, 2).unwrap();
        assert_eq!(left, [r#"{"id": {"N":"1.0"}}"#]);
        assert!((used.unwrap() - 2.5).abs() < f64::EPSILON);
        let (left, used) =
            answered(&Bytes::from_static(b"{\"UnprocessedItems\":{}}"), Verb::Put, 2).unwrap();
        assert_eq!((left.len(), used), (0, None));
        let body = br#"{"UnprocessedItems":{"t":[{"DeleteRequest":{"Key":{"id": {"N":"1"}}}}]}}"#;
        let (left, _) = answered(&Bytes::from_static(body), Verb::Delete, 2).unwrap();
        assert_eq!(left, [r#"{"id": {"N":"1"}}"#]);
    }

    #[test]
    fn an_answer_that_cannot_be_is_an_error_without_values() {
        let one = r#"{"PutRequest":{"Item":{"id":{"S":"geheim"}}}}"#;
        for body in [
            format!(r#"{{"UnprocessedItems":{{"t":[{one},{one}]}}}}"#),
            format!(r#"{{"UnprocessedItems":[{one}]}}"#),
            r#"{"UnprocessedItems":{"t":[{"DeleteRequest":{"Key":{}}}]}}"#.to_owned(),
            "<html>geheim".to_owned(),
        ] {
            let error = answered(&Bytes::from(body.clone()), Verb::Put, 1).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Internal, "{body}");
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
        let put = Bytes::from(format!(r#"{{"UnprocessedItems":{{"t":[{one}]}}}}"#));
        let error = answered(&put, Verb::Delete, 1).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Internal);
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}
