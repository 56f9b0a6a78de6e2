//! What a table has and the backup has not is deleted, when all items of the backup are there.

use std::sync::Arc;

use autodump_core::table::ports::{Answer, PageRequest, TableReader, TableWriter};
use autodump_core::{Error, ErrorClass, Result};
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::item::{Item, Reader};
use super::known::{Known, MOST};
use super::pace::{PATIENCE, pause};
use super::write::{self, Doomed, MOST_ITEMS, Shared};
use super::{load, wrong};
use crate::table::page::Page;

/// The most segments: of each a page of up to 1 MiB is in memory.
const SEGMENTS: u16 = 64;

/// Refuses to mirror a backup of so many items onto this table, which has some.
pub(super) fn check(table: &str, items: u64) -> Result<()> {
    if items == 0 {
        return Err(wrong(
            format!("the backup is empty: to mirror it would delete everything in {table}"),
            "Use another backup. If the table is to be empty, delete it, and restore without \
             mirroring",
        ));
    }
    if items > MOST {
        return Err(wrong(
            format!(
                "the backup has {items} items, and no more than {MOST} can be mirrored onto a \
                 table that has some: their keys are kept in memory"
            ),
            "Restore into a table of another name, or without mirroring: then what is not in the \
             backup stays",
        ));
    }
    Ok(())
}

/// Reads a table, and deletes what is not known.
pub(super) struct Mirror<T, W> {
    pub(super) scanner: Arc<T>,
    pub(super) shared: Arc<Shared<W>>,
    pub(super) items: Reader,
    pub(super) known: Known,
}

impl<T, W> Mirror<T, W>
where
    T: TableReader + 'static,
    W: TableWriter + 'static,
{
    /// Reads the whole table, in as many segments as there are workers. The first error ends all
    /// of them; a delete that has been sent may still happen.
    pub(super) async fn run(self, workers: u16) -> Result<()> {
        let (mirror, segments) = (Arc::new(self), workers.min(SEGMENTS));
        let mut tasks = JoinSet::new();
        for segment in 0..segments {
            let mirror = Arc::clone(&mirror);
            tasks.spawn(async move {
                mirror.segment(segment.into(), segments.into()).await.map_err(Some)
            });
        }
        load::joined(&mut tasks).await
    }

    async fn segment(&self, segment: u32, total_segments: u32) -> Result<()> {
        let mut request =
            PageRequest { segment, total_segments, from: None, consistent: true, limit: None };
        loop {
            let body = self.page(&request).await?;
            let (others, next) = self.others(&body)?;
            drop(body);
            for batch in others.chunks(MOST_ITEMS) {
                write::delete(&self.shared, batch).await?;
            }
            if next.is_none() {
                return Ok(());
            }
            request.from = next;
        }
    }

    /// A page, however often the table throttles it, or does not answer.
    async fn page(&self, request: &PageRequest) -> Result<Bytes> {
        let (begun, mut attempt) = (Instant::now(), 0);
        loop {
            let trouble = match self.scanner.page(request).await {
                Ok(Answer::Done(body)) => return Ok(body),
                Ok(Answer::Throttled) => None,
                Err(error) if self.shared.passes(&error) => Some(error),
                Err(error) => return Err(error),
            };
            self.shared.throttled();
            let idle = begun.elapsed();
            if idle >= PATIENCE {
                let minutes = idle.as_secs() / 60;
                let error = Error::new(
                    ErrorClass::Destination,
                    format!("the table has not let a page be read for {minutes} minutes"),
                    "Give it more read capacity, or raise its limit on demand, and look for \
                     others who read",
                );
                return Err(write::with_trouble(error, trouble));
            }
            attempt += 1;
            sleep(pause(attempt)).await;
        }
    }

    /// The page's items that are not in the backup, and where the next page begins.
    fn others(&self, body: &Bytes) -> Result<(Vec<Doomed>, Option<String>)> {
        let page = Page::of(body)?;
        let mut others = Vec::new();
        for text in page.texts() {
            let key = self.items.key(text).map_err(|why| {
                Error::new(
                    ErrorClass::Internal,
                    format!("an item of the table {why}"),
                    "Report this: it is a fault of AutoDump, or of the service that was asked",
                )
            })?;
            if !self.known.has(&key.form) {
                others.push((key.text, Item::units_of(text.len())));
            }
        }
        Ok((others, page.next().map(str::to_owned)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_that_cannot_be_mirrored_is_refused() {
        for (items, says) in
            [(0, "would delete everything in orders"), (MOST + 1, "no more than 100000000")]
        {
            let error = check("orders", items).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.what().contains(says), "{error}");
        }
        assert!(check("orders", 1).is_ok() && check("orders", MOST).is_ok());
    }
}
