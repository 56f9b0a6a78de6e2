//! How a collection is going to be read: by which ranges, or why by one cursor.

use autodump_core::{Error, ErrorClass, Result};
use bson::RawDocumentBuf;
use futures_util::StreamExt as _;

use super::archive::Namespace;
use super::connection::{Connection, command};
use super::inventory::{Found, documents};
use super::order::Sorting;
use super::ranges::{Id, Range, Split, split};
use super::raw::{Elements, Malformed, Writer};
use super::trouble::is_refusal;

/// Bytes of a range, without compression: about what a piece has, compressed.
const RANGE: u64 = 16 << 20;
/// The most ranges of a collection.
const MOST: u64 = 2000;
/// How many values of a sample there are for each range, so that ranges are about equal.
const SAMPLED: u64 = 8;
/// A sample may have this part of the documents. MongoDB sorts all of them where it is asked for
/// a twentieth or more.
const SAMPLE_PART: u64 = 25;

/// Ranges for each reader where nobody knows how large a collection is.
const UNSIZED: u64 = 4;

/// How a collection is read.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// By one cursor. Why that is, where it is large enough to be cut.
    Whole(Option<String>),
    /// By several ranges.
    Ranges(Vec<Range>),
}

impl Plan {
    /// In which order the documents are asked for. `routed`: by way of a router, to shards.
    pub(super) fn sorting(&self, found: &Found, routed: bool) -> Sorting {
        match self {
            _ if found.whole.is_some() => Sorting::Own,
            _ if routed => Sorting::Merged,
            Self::Whole(_) => Sorting::Mixed,
            Self::Ranges(_) => Sorting::Uniform,
        }
    }
}

/// Plans how so many readers read a collection.
pub(super) async fn plan(connection: &Connection, found: &Found, jobs: u16) -> Result<Plan> {
    let parts = match found.size {
        Some(size) => (size.bytes / RANGE).min(MOST),
        None => u64::from(jobs.max(1)) * UNSIZED,
    };
    if parts < 2 {
        return Ok(Plan::Whole(None));
    }
    if let Some(why) = found.whole {
        return Ok(Plan::Whole(Some(why.to_owned())));
    }
    let of = Asked { connection, namespace: found.definition.stored() };
    let (Some(smallest), Some(largest)) = (of.outermost(1).await?, of.outermost(-1).await?) else {
        return Ok(Plan::Whole(None));
    };
    let most = found.size.map_or(u64::MAX, |size| size.documents / SAMPLE_PART);
    let size = (parts * SAMPLED).min(most);
    let Some(sample) = of.sample(i32::try_from(size).unwrap_or(0)).await? else {
        return Ok(Plan::Whole(Some("the server gives no sample of it".to_owned())));
    };
    let parts = usize::try_from(parts).unwrap_or(usize::MAX);
    Ok(match split(&smallest, &largest, &sample, parts) {
        Split::Whole(why) => Plan::Whole(Some(why.to_owned())),
        Split::Ranges(ranges) if ranges.len() < 2 => Plan::Whole(None),
        Split::Ranges(ranges) => Plan::Ranges(ranges),
    })
}

/// A collection whose values of `_id` are asked for.
struct Asked<'a> {
    connection: &'a Connection,
    namespace: Namespace,
}

impl Asked<'_> {
    /// The first `_id` in this direction.
    async fn outermost(&self, direction: i32) -> Result<Option<Id>> {
        let command = command(|writer| {
            writer
                .text("find", &self.namespace.collection)
                .document("sort", |sort| sort.int32("_id", direction))
                .document("projection", |projection| projection.int32("_id", 1))
                .int32("limit", 1)
                .truth("singleBatch", true)
        })?;
        match self.ids(command).await? {
            Ok(ids) => Ok(ids.into_iter().next()),
            Err(error) => Err(error),
        }
    }

    /// Some values, in the server's order; `None` where it knows no such question.
    async fn sample(&self, size: i32) -> Result<Option<Vec<Id>>> {
        if size == 0 {
            return Ok(Some(Vec::new()));
        }
        let stages = [
            stage(|stage| stage.document("$sample", |sample| sample.int32("size", size))),
            stage(|stage| stage.document("$project", |project| project.int32("_id", 1))),
            stage(|stage| stage.document("$sort", |sort| sort.int32("_id", 1))),
        ];
        let command = command(|writer| {
            writer
                .text("aggregate", &self.namespace.collection)
                .array("pipeline", stages.iter().map(Vec::as_slice))
                .document("cursor", |cursor| cursor.int32("batchSize", size))
        })?;
        match self.ids(command).await? {
            Ok(ids) => Ok(Some(ids)),
            Err(error) if error.class() == ErrorClass::Engine => {
                tracing::info!(collection = %self.namespace, what = error.what(), "no sample; it is read whole");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The `_id` of what a command gives. The inner error is the server's refusal.
    async fn ids(&self, command: RawDocumentBuf) -> Result<Result<Vec<Id>>> {
        let doing = format!("the values of _id in {} cannot be asked", self.namespace);
        let cursor = self.connection.cursor(&self.namespace.database, command, None).await;
        let mut cursor = match cursor {
            Ok(cursor) => cursor,
            Err(error) if is_refusal(&error) => {
                return Ok(Err(self.connection.explain(&error, &doing)));
            }
            Err(error) => return Err(self.connection.explain(&error, &doing)),
        };
        let failed = |error| self.connection.explain(&error, &doing);
        let mut ids = Vec::new();
        while let Some(batch) = cursor.next().await {
            let batch = batch.map_err(failed)?;
            for document in documents(&batch).map_err(failed)? {
                let id = document.and_then(id_of).map_err(|error| self.malformed(error))?;
                ids.extend(id);
            }
        }
        Ok(Ok(ids))
    }

    fn malformed(&self, error: Malformed) -> Error {
        Error::new(
            ErrorClass::Engine,
            format!("a document of {} is malformed: {error}", self.namespace),
            "Look at the server's log; let it check and repair the collection (validate)",
        )
    }
}

fn stage(write: impl FnOnce(Writer<'_>) -> Writer<'_>) -> Vec<u8> {
    let mut stage = Vec::new();
    write(Writer::new(&mut stage)).end();
    stage
}

/// The `_id` of a document.
fn id_of(document: &[u8]) -> Result<Option<Id>, Malformed> {
    for field in Elements::of(document)? {
        let field = field?;
        if field.name == "_id" {
            return Ok(Some(Id::of(&field)));
        }
    }
    Ok(None)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
