//! What every [`ObjectReader`] promises, as functions that panic when it does not hold.
//!
//! They read what they first put into the store by its own uploads, under keys of their own.

#![allow(clippy::missing_panics_doc, reason = "panicking is how these tell")]

use std::ops::Range;

use bytes::Bytes;

use super::contract::{at, pattern, publish};
use crate::error::{Error, ErrorClass, Result};
use crate::ports::{Content, ObjectLocation, ObjectReader, ObjectStore};

/// Longer than one piece of any store.
const LENGTH: usize = 3 * 1024 * 1024 + 17;

/// Runs the whole contract.
pub async fn all<S: ObjectStore + ObjectReader>(store: &S, bucket: &str) {
    gives_all_and_ranges(store, bucket).await;
    gives_an_empty_object(store, bucket).await;
    refuses_what_is_not_there(store, bucket).await;
    lists_by_prefix_in_order(store, bucket).await;
    lists_what_comes_after_a_key(store, bucket).await;
}

/// Reads to the end.
pub async fn read<R: ObjectReader>(
    reader: &R,
    location: &ObjectLocation,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>> {
    let mut content = reader.get(location, range).await?;
    let mut all = Vec::new();
    while let Some(bytes) = content.next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

/// All bytes, or those asked for, whatever the borders.
pub async fn gives_all_and_ranges<S: ObjectStore + ObjectReader>(store: &S, bucket: &str) {
    let location = at(bucket, "read/whole");
    let body = pattern(LENGTH, 21);
    publish(store, &location, &body).await;
    let get = async |range: Option<Range<usize>>| {
        let range = range.map(|range| range.start as u64..range.end as u64);
        let got = read(store, &location, range.clone()).await;
        got.unwrap_or_else(|error| panic!("{range:?} was not given: {error}"))
    };
    assert!(get(None).await == body, "the bytes read are not those that were sent");
    for range in [0..1, 0..LENGTH, 7..LENGTH - 7, LENGTH - 1..LENGTH, 1_000_000..2_000_000, 5..5] {
        assert!(get(Some(range.clone())).await == body[range.clone()], "{range:?} is another");
    }
}

/// An object without content has an end, and no bytes.
pub async fn gives_an_empty_object<S: ObjectStore + ObjectReader>(store: &S, bucket: &str) {
    let location = at(bucket, "read/empty");
    publish(store, &location, &Bytes::new()).await;
    let got = read(store, &location, None).await;
    assert_eq!(got.unwrap_or_else(|error| panic!("no empty object: {error}")), b"");
}

/// Missing objects, and ranges beyond the end, are errors of class verification that name
/// the object.
pub async fn refuses_what_is_not_there<S: ObjectStore + ObjectReader>(store: &S, bucket: &str) {
    let short = at(bucket, "read/short");
    publish(store, &short, &pattern(100, 22)).await;
    let missing = at(bucket, "read/missing");
    for (location, range) in [
        (&missing, None),
        (&missing, Some(0..10)),
        (&short, Some(0..101)),
        (&short, Some(99..200)),
        (&short, Some(100..101)),
        (&short, Some(1000..2000)),
    ] {
        let refusal = store.get(location, range.clone()).await.err();
        let class = refusal.as_ref().map(Error::class);
        assert_eq!(class, Some(ErrorClass::Verification), "{location:?} {range:?}: {refusal:?}");
        let what = refusal.map(|error| error.what().to_owned()).unwrap_or_default();
        assert!(what.contains(&location.key), "{what}");
    }
}

/// Everything under a prefix, and nothing else, by ascending key.
pub async fn lists_by_prefix_in_order<S: ObjectStore + ObjectReader>(store: &S, bucket: &str) {
    for (index, name) in ["b", "a/2", "a/10", "a-z", "ab"].into_iter().enumerate() {
        publish(store, &at(bucket, &format!("list/{name}")), &pattern(index + 1, 23)).await;
    }
    let list = async |prefix: &str| {
        let listed = store.list(bucket, &at(bucket, prefix).key).await;
        let listed = listed.unwrap_or_else(|error| panic!("no list: {error}"));
        let name = |key: &str| key.rsplit_once("/list/").map(|(_, name)| name.to_owned());
        listed.iter().map(|found| (name(&found.key), found.bytes)).collect::<Vec<_>>()
    };
    let expected = |names: &[(&str, u64)]| {
        names.iter().map(|(name, bytes)| (Some((*name).to_owned()), *bytes)).collect::<Vec<_>>()
    };
    let all = [("a-z", 4), ("a/10", 3), ("a/2", 2), ("ab", 5), ("b", 1)];
    assert_eq!(list("list/").await, expected(&all));
    assert_eq!(list("list/a").await, expected(&all[..4]));
    assert_eq!(list("list/a/").await, expected(&all[1..3]));
    assert_eq!(list("list/c").await, expected(&[]));
}

/// A page begins after the key that is named, be it there or not, and keeps to its prefix.
pub async fn lists_what_comes_after_a_key<S: ObjectStore + ObjectReader>(store: &S, bucket: &str) {
    for (index, name) in ["a/1", "a/3", "a/5", "b/1"].into_iter().enumerate() {
        publish(store, &at(bucket, &format!("after/{name}")), &pattern(index + 1, 25)).await;
    }
    let page = async |prefix: &str, after: &str| {
        let (prefix, after) = (at(bucket, prefix).key, at(bucket, after).key);
        let page = store.page(bucket, &prefix, Some(&after)).await;
        let page = page.unwrap_or_else(|error| panic!("no page: {error}"));
        let name = |key: &str| key.rsplit_once("/after/").map(|(_, name)| name.to_owned());
        assert_eq!(page.next, None, "there is no other page");
        page.objects.iter().filter_map(|found| name(&found.key)).collect::<Vec<_>>()
    };
    assert_eq!(page("after/a/", "after/a/1").await, ["a/3", "a/5"]);
    assert_eq!(page("after/a/", "after/a/2").await, ["a/3", "a/5"]);
    assert_eq!(page("after/a/", "after/a/5").await, Vec::<String>::new());
    assert_eq!(page("after/a/", "after/").await, ["a/1", "a/3", "a/5"]);
    assert_eq!(page("after/", "after/a/4").await, ["a/5", "b/1"]);
    assert_eq!(page("after/a/", "after/b/0").await, Vec::<String>::new());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Call, Cut, Fault, FaultyStore, MemoryStore};

    #[tokio::test]
    async fn the_memory_store_keeps_the_contract() {
        all(&MemoryStore::default(), "bucket").await;
    }

    #[tokio::test]
    async fn a_faulty_store_without_faults_keeps_it_too() {
        all(&FaultyStore::new(MemoryStore::default(), Vec::new()), "bucket").await;
    }

    #[tokio::test]
    async fn reading_fails_when_told_to() {
        let memory = MemoryStore::default();
        let location = at("bucket", "faulty");
        let body = pattern(LENGTH, 24);
        memory.put(&location, body.clone());
        let cut = Cut { nth_get: 3, after: 1_000_001, class: ErrorClass::Destination };
        let faults = vec![Fault::nth(Call::Get, 2), Fault::nth(Call::List, 1)];
        let store = FaultyStore::new(memory.clone(), faults).with_cuts(vec![cut]);
        assert!(read(&store, &location, None).await.unwrap() == body);
        assert!(store.get(&location, None).await.is_err());
        let mut content = store.get(&location, None).await.unwrap();
        let mut seen = 0;
        let error = loop {
            match content.next().await {
                Ok(bytes) => seen += bytes.expect("the content has no end").len(),
                Err(error) => break error,
            }
        };
        assert_eq!((seen, error.class()), (1_000_001, ErrorClass::Destination));
        assert!(store.list("bucket", "").await.is_err());
        assert_eq!(store.list("bucket", "").await.unwrap().len(), 1);
        assert_eq!((store.count(Call::Get), store.count(Call::List)), (3, 2));
        memory.remove(&location);
        assert!(read(&store, &location, None).await.is_err());
    }
}
