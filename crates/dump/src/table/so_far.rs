//! How far a range is, for whoever wants to know while it is read.

use autodump_core::Result;
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::table::layout;
use autodump_core::table::plan::Scan;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::checkpoint::Checkpoint;
use super::journal::{Head, read_head};
use super::place::Place;
use super::replay::{find, last};

/// How many heads are read at once.
const AT_ONCE: usize = 16;

/// What was committed of a range: its last checkpoint, and what the journal holds beyond it, of
/// which only the heads are read. A range that was not begun is one of which nothing was read.
pub async fn so_far<R: ObjectReader>(
    reader: &R,
    bucket: &str,
    directory: &str,
    scan: &Scan,
    range: u32,
) -> Result<Checkpoint> {
    let place = Place { bucket: bucket.to_owned(), directory: directory.to_owned() };
    let found = find(reader, &place, range).await?;
    let mut state = last(reader, &place, scan, range, &found).await?;
    let beyond = found.journal.into_iter().filter(|(number, _)| *number >= state.journal);
    let beyond: Vec<_> = beyond.collect();
    let heads = beyond.into_iter().map(|(number, bytes)| {
        let location = place.at(&layout::journal(range, number));
        head(reader, location, bytes)
    });
    let mut heads = stream::iter(heads).buffered(AT_ONCE);
    while let Some((location, head)) = heads.try_next().await? {
        for entry in &head.entries {
            state.note(entry, &location)?;
        }
        state.journal += 1;
    }
    Ok(state)
}

async fn head<R: ObjectReader>(
    reader: &R,
    location: ObjectLocation,
    bytes: u64,
) -> Result<(ObjectLocation, Head)> {
    let head = read_head(reader, &location, bytes).await?;
    Ok((location, head))
}
