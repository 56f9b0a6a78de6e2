//! How far a range is, for whoever wants to know while it is read.

use autodump_core::Result;
use autodump_core::ports::{ObjectLocation, ObjectReader};
use autodump_core::table::layout;
use autodump_core::table::plan::Scan;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::checkpoint::Checkpoint;
use super::journal::{Head, read_head};
use super::place::Place;
use super::replay::{find, journal_from};

/// How many heads are read at once.
const AT_ONCE: usize = 16;

/// A range, looked at again and again. Each look asks for what is new since the last one, and for
/// nothing else.
#[derive(Debug)]
pub struct Follower<'a, R> {
    reader: &'a R,
    place: Place,
    scan: &'a Scan,
    range: u32,
    state: Option<Checkpoint>,
}

impl<'a, R: ObjectReader> Follower<'a, R> {
    /// Of a range of the run in this directory. Nothing is looked at yet.
    pub fn new(reader: &'a R, bucket: &str, directory: &str, scan: &'a Scan, range: u32) -> Self {
        let place = Place { bucket: bucket.to_owned(), directory: directory.to_owned() };
        Self { reader, place, scan, range, state: None }
    }

    /// What was committed: the last checkpoint of the first look, and what the journal holds beyond
    /// it, of which only the heads are read. A range that was not begun is one of which nothing was
    /// read. What was seen before an error is not looked at again.
    pub async fn look(&mut self) -> Result<&Checkpoint> {
        let Self { reader, place, scan, range, state } = self;
        let (reader, range) = (*reader, *range);
        let (state, journal) = match state {
            None => {
                let found = find(reader, place, scan, range).await?;
                (state.insert(found.state), found.journal)
            }
            Some(state) => {
                let journal = journal_from(reader, place, range, state.journal).await?;
                (state, journal)
            }
        };
        // A hole is there once the journal is being removed, after the end of the backup.
        let beyond: Vec<_> = (state.journal..)
            .zip(journal)
            .take_while(|(next, (number, _))| next == number)
            .collect();
        let heads = beyond.into_iter().map(|(number, (_, bytes))| {
            head(reader, place.at(&layout::journal(range, number)), bytes)
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
}

/// What was committed of a range, by one look.
pub async fn so_far<R: ObjectReader>(
    reader: &R,
    bucket: &str,
    directory: &str,
    scan: &Scan,
    range: u32,
) -> Result<Checkpoint> {
    Follower::new(reader, bucket, directory, scan, range).look().await.cloned()
}

async fn head<R: ObjectReader>(
    reader: &R,
    location: ObjectLocation,
    bytes: u64,
) -> Result<(ObjectLocation, Head)> {
    let head = read_head(reader, &location, bytes).await?;
    Ok((location, head))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use autodump_core::testing::{Call, FaultyStore, MemoryStore};

    use super::super::fake::FakeTable;
    use super::super::range::run;
    use super::super::trial::{BUCKET, DIRECTORY, job, scan};
    use super::*;

    fn items(seen: &Checkpoint) -> u64 {
        seen.segments.iter().map(|segment| segment.items).sum()
    }

    #[tokio::test]
    async fn a_look_asks_for_what_is_new_alone() {
        let (memory, scan) = (MemoryStore::default(), scan(4, 1));
        let store = FaultyStore::new(memory.clone(), Vec::new());
        let calls = || (store.count(Call::List), store.count(Call::Get));
        let mut follower = Follower::new(&store, BUCKET, DIRECTORY, &scan, 0);
        assert_eq!(items(follower.look().await.unwrap()), 0);
        let table = FakeTable { fails: Some(25), ..FakeTable::new(400) };
        run(&table, &memory, &job(&scan, 0), pending()).await.unwrap_err();
        let half = items(follower.look().await.unwrap());
        assert!(half > 0 && half < 400, "{half}");
        assert_eq!(half, items(&so_far(&memory, BUCKET, DIRECTORY, &scan, 0).await.unwrap()));
        let (lists, gets) = calls();
        assert_eq!(items(follower.look().await.unwrap()), half);
        assert_eq!(calls(), (lists + 1, gets), "nothing is new");
        run(&FakeTable::new(400), &memory, &job(&scan, 0), pending()).await.unwrap();
        assert_eq!(items(follower.look().await.unwrap()), 400);
        let journal = memory.keys().iter().filter(|key| key.contains("/journal-")).count();
        assert_eq!(calls().1 as usize, journal, "each head is read once, and no checkpoint");
        // As when the journal is removed after the end.
        for key in memory.keys().into_iter().filter(|key| key.contains("/journal-")) {
            memory.remove(&ObjectLocation { bucket: BUCKET.to_owned(), key });
        }
        assert_eq!(items(follower.look().await.unwrap()), 400);
    }

    #[tokio::test]
    async fn a_hole_ends_what_is_known() {
        let (memory, scan) = (MemoryStore::default(), scan(4, 1));
        let mut follower = Follower::new(&memory, BUCKET, DIRECTORY, &scan, 0);
        follower.look().await.unwrap();
        run(&FakeTable::new(400), &memory, &job(&scan, 0), pending()).await.unwrap();
        let place = Place { bucket: BUCKET.to_owned(), directory: DIRECTORY.to_owned() };
        memory.remove(&place.at(&layout::journal(0, 2)));
        let seen = follower.look().await.unwrap();
        assert_eq!(seen.journal, 2);
        assert!(items(seen) > 0 && items(seen) < 400, "{}", items(seen));
    }

    #[tokio::test]
    async fn what_a_checkpoint_covers_is_not_listed() {
        let (memory, scan) = (MemoryStore::default(), scan(4, 1));
        let place = Place { bucket: BUCKET.to_owned(), directory: DIRECTORY.to_owned() };
        for number in 0..2500 {
            memory.put(&place.at(&layout::journal(0, number)), "covered");
        }
        for (number, journal) in [(9, 1000), (10, 2500)] {
            let checkpoint = Checkpoint { journal, ..Checkpoint::beginning(&scan, 0) };
            let bytes = checkpoint.encode().unwrap();
            memory.put(&place.at(&layout::checkpoint(0, number)), bytes);
        }
        let store = FaultyStore::new(memory, Vec::new());
        let seen = so_far(&store, BUCKET, DIRECTORY, &scan, 0).await.unwrap();
        assert_eq!((seen.journal, store.count(Call::List), store.count(Call::Get)), (2500, 2, 1));
    }
}
