//! One worker: gathers items into batches, and writes each until the table has taken all of it.

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
use tokio::time::{sleep, timeout};

use super::item::Item;
use super::pace::{Pace, pause};
use super::state::State;
use super::watch::{Event, Watcher};

/// `BatchWriteItem` takes no more items.
const MOST_ITEMS: usize = 25;
/// And no more bytes than 16 MB, of which something is left for what is around the items.
const MOST_BYTES: usize = 15_900_000;
/// A batch that is not full is written when no item came for so long.
const IDLE: Duration = Duration::from_millis(50);

/// An item that waits, and the memory that it may use.
pub(super) type Waiting = (Item, OwnedSemaphorePermit);

/// What all workers share.
pub(super) struct Shared<W> {
    pub(super) writer: Arc<W>,
    pub(super) pace: Pace,
    pub(super) state: Arc<State>,
    pub(super) watcher: Arc<dyn Watcher>,
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
                if !batch.has_room(&waiting.0) {
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
        fits && self.items.iter().all(|(other, _)| other.key != item.key)
    }

    fn push(&mut self, waiting: Waiting) {
        self.bytes += waiting.0.text.len();
        self.items.push(waiting);
    }
}

/// Writes the batch, and leaves it empty.
async fn write<W: TableWriter>(shared: &Shared<W>, batch: &mut Batch) -> Result<()> {
    let Shared { writer, pace, state, watcher } = shared;
    let mut left: Vec<_> = batch.items.iter().map(|(item, _)| item.text.clone()).collect();
    let mut attempt = 0;
    while !left.is_empty() {
        let units = left.iter().map(Item::units).sum();
        pace.ready(units).await;
        let (rest, used) = match writer.write(&left).await? {
            Answer::Throttled => (left.clone(), None),
            Answer::Done(body) => answered(&body, left.len())?,
        };
        let written = (left.len() - rest.len()) as u64;
        let thought = units - rest.iter().map(Item::units).sum::<f64>();
        pace.used(thought, used.unwrap_or(thought));
        if written > 0 {
            state.add_items(written);
            watcher.note(&Event::Written(written));
            pace.progressed();
            attempt = 0;
        }
        left = rest;
        if !left.is_empty() {
            state.throttled.fetch_add(1, Ordering::Relaxed);
            watcher.note(&Event::Throttled);
            pace.throttled();
            pace.check()?;
            attempt += 1;
            sleep(pause(attempt)).await;
        }
    }
    *batch = Batch::default();
    Ok(())
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
    #[serde(borrow)]
    put_request: Put<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put<'a> {
    #[serde(borrow)]
    item: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Consumed {
    #[serde(default)]
    capacity_units: f64,
}

/// What was not written of `sent` items, and the units that were used, where the answer says so.
fn answered(body: &Bytes, sent: usize) -> Result<(Vec<Bytes>, Option<f64>)> {
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
    let item = |request: Request<'_>| body.slice_ref(request.put_request.item.get().as_bytes());
    let left: Vec<_> = requests.map(item).collect();
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
        let (left, used) = answered(&body, 2).unwrap();
        assert_eq!(left, [r#"{"id": {"N":"1.0"}}"#]);
        assert!((used.unwrap() - 2.5).abs() < f64::EPSILON);
        let (left, used) = answered(&Bytes::from_static(b"{\"UnprocessedItems\":{}}"), 2).unwrap();
        assert_eq!((left.len(), used), (0, None));
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
            let error = answered(&Bytes::from(body.clone()), 1).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Internal, "{body}");
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
    }
}
