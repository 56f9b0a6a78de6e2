//! What earlier attempts left behind: the last checkpoint, and the journal after it.

use std::collections::BTreeMap;

use autodump_core::Result;
use autodump_core::ports::{Listed, ObjectReader};
use autodump_core::table::layout;
use autodump_core::table::plan::Scan;

use super::checkpoint::Checkpoint;
use super::cut::Log;
use super::place::{Place, damaged};

/// Which objects a range has in its state.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The number of the last checkpoint.
    pub(super) checkpoint: Option<u64>,
    /// The bytes of each journal object, by number.
    pub(super) journal: BTreeMap<u64, u64>,
}

impl Found {
    /// Takes what belongs to the state of `range` out of a listing.
    pub(super) fn in_listing(listed: &[Listed], place: &Place, range: u32) -> Self {
        let mut found = Self::default();
        let state = place.at(&layout::range(range)).key;
        for object in listed {
            let Some(name) = object.key.strip_prefix(&state) else { continue };
            let number = |prefix: &str, suffix: &str| -> Option<u64> {
                name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok()
            };
            if let Some(number) = number("checkpoint-", ".json") {
                found.checkpoint = found.checkpoint.max(Some(number));
            } else if let Some(number) = number("journal-", "") {
                found.journal.insert(number, object.bytes);
            }
        }
        found
    }
}

/// Looks for what there is of a range.
pub(super) async fn find<R: ObjectReader>(reader: &R, place: &Place, range: u32) -> Result<Found> {
    let prefix = place.at(&layout::range(range)).key;
    let listed = reader.list(&place.bucket, &prefix).await?;
    Ok(Found::in_listing(&listed, place, range))
}

/// The last checkpoint that was found, or the beginning.
pub(super) async fn last<R: ObjectReader>(
    reader: &R,
    place: &Place,
    scan: &Scan,
    range: u32,
    found: &Found,
) -> Result<Checkpoint> {
    let Some(number) = found.checkpoint else { return Ok(Checkpoint::beginning(scan, range)) };
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
    let found = find(reader, place, range).await?;
    let state = last(reader, place, scan, range, &found).await?;
    let next = found.checkpoint.map_or(0, |number| number + 1);
    let end = found.journal.keys().next_back().map_or(0, |last| last + 1).max(state.journal);
    if let Some(missing) = (state.journal..end).find(|number| !found.journal.contains_key(number)) {
        let location = place.at(&layout::journal(range, missing));
        return Err(damaged(&location, "it is missing, and later ones are there"));
    }
    Ok((Log::after(state, next, scan), end))
}
