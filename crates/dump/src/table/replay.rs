//! What earlier attempts left behind: the last checkpoint, and the journal after it.

use std::collections::BTreeMap;

use autodump_core::Result;
use autodump_core::pages::Pages;
use autodump_core::ports::ObjectReader;
use autodump_core::table::layout;
use autodump_core::table::plan::Scan;

use super::checkpoint::Checkpoint;
use super::cut::Log;
use super::place::{Place, damaged};

/// What there is of a range.
#[derive(Debug)]
pub(super) struct Found {
    /// The number of the last checkpoint.
    pub(super) checkpoint: Option<u64>,
    /// That checkpoint, or the beginning.
    pub(super) state: Checkpoint,
    /// The bytes of each journal object that it does not cover, by number.
    pub(super) journal: BTreeMap<u64, u64>,
}

/// Looks for what there is of a range. However long its journal is, no more of it is listed than
/// what the last checkpoint does not cover.
pub(super) async fn find<R: ObjectReader>(
    reader: &R,
    place: &Place,
    scan: &Scan,
    range: u32,
) -> Result<Found> {
    let checkpoint = newest(reader, place, range).await?;
    let state = last(reader, place, scan, range, checkpoint).await?;
    let journal = journal_from(reader, place, range, state.journal).await?;
    Ok(Found { checkpoint, state, journal })
}

/// The number of the last checkpoint of a range. Their names sort by it.
pub(super) async fn newest<R: ObjectReader>(
    reader: &R,
    place: &Place,
    range: u32,
) -> Result<Option<u64>> {
    let prefix = place.at(&format!("{}checkpoint-", layout::range(range))).key;
    let mut pages = Pages::of(reader, &place.bucket, &prefix);
    let mut newest = None;
    while let Some(page) = pages.next().await? {
        let numbers = page.iter().filter_map(|listed| {
            listed.key.strip_prefix(&prefix)?.strip_suffix(".json")?.parse().ok()
        });
        newest = newest.max(numbers.max());
    }
    Ok(newest)
}

/// The bytes of each object of a range's journal from number `first` on.
pub(super) async fn journal_from<R: ObjectReader>(
    reader: &R,
    place: &Place,
    range: u32,
    first: u64,
) -> Result<BTreeMap<u64, u64>> {
    let prefix = place.at(&format!("{}journal-", layout::range(range))).key;
    let mut pages = Pages::of(reader, &place.bucket, &prefix);
    if let Some(covered) = first.checked_sub(1) {
        pages = pages.after(place.at(&layout::journal(range, covered)).key);
    }
    let mut journal = BTreeMap::new();
    while let Some(page) = pages.next().await? {
        journal.extend(page.iter().filter_map(|listed| {
            let number = listed.key.strip_prefix(&prefix)?.parse().ok()?;
            Some((number, listed.bytes))
        }));
    }
    Ok(journal)
}

/// The checkpoint of this number, or the beginning.
pub(super) async fn last<R: ObjectReader>(
    reader: &R,
    place: &Place,
    scan: &Scan,
    range: u32,
    checkpoint: Option<u64>,
) -> Result<Checkpoint> {
    let Some(number) = checkpoint else { return Ok(Checkpoint::beginning(scan, range)) };
    let location = place.at(&layout::checkpoint(range, number));
    Checkpoint::read(reader, &location, scan, range).await
}

/// The log after the last checkpoint, and how long the journal is. An object of the journal that
/// is missing is an error of class [`ErrorClass::Verification`].
///
/// [`ErrorClass::Verification`]: autodump_core::ErrorClass::Verification
pub(super) async fn last_checkpoint<R: ObjectReader>(
    reader: &R,
    place: &Place,
    scan: &Scan,
    range: u32,
) -> Result<(Log, u64)> {
    let Found { checkpoint, state, journal } = find(reader, place, scan, range).await?;
    let next = checkpoint.map_or(0, |number| number + 1);
    let end = journal.keys().next_back().map_or(0, |last| last + 1).max(state.journal);
    if let Some(missing) = (state.journal..end).find(|number| !journal.contains_key(number)) {
        let location = place.at(&layout::journal(range, missing));
        return Err(damaged(&location, "it is missing, and later ones are there"));
    }
    Ok((Log::after(state, next, scan), end))
}
