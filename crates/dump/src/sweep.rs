//! Removes what is no longer needed, however much it is.

use autodump_core::Result;
use autodump_core::pages::Pages;
use autodump_core::ports::{ObjectReader, ObjectWriter};

/// Removes the objects whose keys begin with `prefix` and are `meant`, and gives how many these
/// were. Each page of the listing is removed before the next one is asked for: the memory does not
/// grow with what is there, and after an error the rest is less.
pub(crate) async fn sweep<S: ObjectReader + ObjectWriter>(
    store: &S,
    bucket: &str,
    prefix: &str,
    meant: impl Fn(&str) -> bool + Send + Sync,
) -> Result<u64> {
    let mut pages = Pages::of(store, bucket, prefix);
    let mut removed = 0;
    while let Some(page) = pages.next().await? {
        let keys: Vec<_> =
            page.into_iter().map(|listed| listed.key).filter(|key| meant(key)).collect();
        if !keys.is_empty() {
            store.remove(bucket, &keys).await?;
            removed += keys.len() as u64;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use autodump_core::ports::ObjectLocation;
    use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};

    use super::*;

    fn store() -> MemoryStore {
        let store = MemoryStore::default();
        let names = (0..2500).map(|number| format!("run/journal-{number:04}"));
        for key in names.chain(["run/plan".to_owned(), "running/journal-0".to_owned()]) {
            store.put(&ObjectLocation { bucket: "b".to_owned(), key }, "x");
        }
        store
    }

    #[tokio::test]
    async fn all_that_is_meant_goes_and_nothing_else() {
        let store = store();
        let counted = FaultyStore::new(store.clone(), Vec::new());
        let journal = |key: &str| key.contains("/journal-");
        assert_eq!(sweep(&counted, "b", "run/", journal).await.unwrap(), 2500);
        assert_eq!(store.keys(), ["run/plan", "running/journal-0"]);
        assert_eq!((counted.count(Call::List), counted.count(Call::Remove)), (3, 3));
        assert_eq!(sweep(&counted, "b", "run/", |_| false).await.unwrap(), 0);
        assert_eq!(counted.count(Call::Remove), 3, "nothing is asked to go");
    }

    #[tokio::test]
    async fn a_page_goes_before_the_next_one_is_asked_for() {
        for (fault, left) in [(Call::List, 1500), (Call::Remove, 1500)] {
            let store = store();
            let faulty = FaultyStore::new(store.clone(), vec![Fault::nth(fault, 2)]);
            sweep(&faulty, "b", "run/", |_| true).await.unwrap_err();
            assert_eq!(store.keys().len(), left + 2, "{fault:?}");
            assert_eq!(sweep(&faulty, "b", "run/", |_| true).await.unwrap(), left as u64 + 1);
            assert_eq!(store.keys(), ["running/journal-0"]);
        }
    }
}
