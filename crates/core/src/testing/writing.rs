//! What every [`ObjectWriter`] promises, as functions that panic when it does not hold.
//!
//! They read back what they wrote, under keys of their own.

#![allow(clippy::missing_panics_doc, reason = "panicking is how these tell")]

use bytes::Bytes;
use futures_util::future::join_all;

use super::contract::{at, pattern};
use super::reading::read;
use crate::ports::{ObjectLocation, ObjectReader, ObjectWriter, Put};

const CONTENT_TYPE: &str = "application/octet-stream";

/// More keys than one request to S3 may name.
const MANY: usize = 1001;

/// Runs the whole contract.
pub async fn all<S: ObjectWriter + ObjectReader>(store: &S, bucket: &str) {
    puts_what_is_not_there(store, bucket).await;
    keeps_what_is_there(store, bucket).await;
    lets_one_of_several_win(store, bucket).await;
    removes_what_is_named_and_nothing_else(store, bucket).await;
    removes_many(store, bucket).await;
    puts_again_what_was_removed(store, bucket).await;
}

async fn put<W: ObjectWriter>(store: &W, location: &ObjectLocation, body: &Bytes) -> Put {
    let put = store.put(location, CONTENT_TYPE, body.clone()).await;
    put.unwrap_or_else(|error| panic!("{location:?} was not put: {error}"))
}

async fn remove<W: ObjectWriter>(store: &W, bucket: &str, keys: &[String]) {
    let removed = store.remove(bucket, keys).await;
    removed.unwrap_or_else(|error| panic!("{} keys were not removed: {error}", keys.len()));
}

async fn content<R: ObjectReader>(store: &R, location: &ObjectLocation) -> Vec<u8> {
    let got = read(store, location, None).await;
    got.unwrap_or_else(|error| panic!("{location:?} was not given: {error}"))
}

async fn names<R: ObjectReader>(store: &R, bucket: &str, prefix: &str) -> Vec<String> {
    let listed = store.list(bucket, &at(bucket, prefix).key).await;
    let listed = listed.unwrap_or_else(|error| panic!("no list: {error}"));
    let name = |key: &str| key.rsplit_once('/').map_or(key, |(_, name)| name).to_owned();
    listed.iter().map(|found| name(&found.key)).collect()
}

/// What was put is there, whatever its length.
pub async fn puts_what_is_not_there<S: ObjectWriter + ObjectReader>(store: &S, bucket: &str) {
    for length in [0, 1, 70_001, 9 * 1024 * 1024 + 3] {
        let (location, body) = (at(bucket, &format!("put/{length}")), pattern(length, 31));
        assert_eq!(put(store, &location, &body).await, Put::Written, "{length} bytes");
        assert!(content(store, &location).await == body, "{length} bytes are others");
    }
}

/// An object that is there is as it was, even if it is empty or the very same.
pub async fn keeps_what_is_there<S: ObjectWriter + ObjectReader>(store: &S, bucket: &str) {
    for (name, first) in [("some", pattern(100, 32)), ("empty", Bytes::new())] {
        let location = at(bucket, &format!("keep/{name}"));
        assert_eq!(put(store, &location, &first).await, Put::Written);
        for second in [pattern(200, 33), first.clone()] {
            assert_eq!(put(store, &location, &second).await, Put::AlreadyThere, "{name}");
            assert!(content(store, &location).await == first, "{name} was replaced");
        }
    }
}

/// Of several that put at once, one is told that it has written, and its bytes are there.
pub async fn lets_one_of_several_win<S: ObjectWriter + ObjectReader>(store: &S, bucket: &str) {
    for round in 0..5 {
        let location = at(bucket, &format!("race/{round}"));
        let bodies: Vec<_> = (40..48).map(|seed| pattern(1000, seed)).collect();
        let puts = join_all(bodies.iter().map(|body| put(store, &location, body))).await;
        let won: Vec<_> = (0..).zip(&puts).filter(|(_, put)| **put == Put::Written).collect();
        assert_eq!(won.len(), 1, "{} of {} have written", won.len(), puts.len());
        let (winner, _): (usize, _) = won[0];
        assert!(content(store, &location).await == bodies[winner], "another's bytes are there");
    }
}

/// Keys are taken literally; those that are not there are no error.
pub async fn removes_what_is_named_and_nothing_else<S: ObjectWriter + ObjectReader>(
    store: &S,
    bucket: &str,
) {
    let all = ["a", "a b", "a&b<c>", "ab", "ä+%20"];
    for name in all {
        put(store, &at(bucket, &format!("remove/{name}")), &pattern(10, 34)).await;
    }
    let key = |name: &str| at(bucket, &format!("remove/{name}")).key;
    remove(store, bucket, &[]).await;
    assert_eq!(names(store, bucket, "remove/").await, all);
    remove(store, bucket, &[key("a"), key("missing"), key("a&b<c>")]).await;
    assert_eq!(names(store, bucket, "remove/").await, ["a b", "ab", "ä+%20"]);
    remove(store, bucket, &[key("a"), key("ä+%20"), key("a b"), key("ab")]).await;
    assert_eq!(names(store, bucket, "remove/").await, [""; 0]);
}

/// More keys than a request may name are removed all the same.
pub async fn removes_many<S: ObjectWriter + ObjectReader>(store: &S, bucket: &str) {
    let keys: Vec<_> = (0..MANY).map(|n| at(bucket, &format!("many/{n:04}")).key).collect();
    for name in ["0000", "0999", "1000", "1001"] {
        put(store, &at(bucket, &format!("many/{name}")), &pattern(10, 35)).await;
    }
    remove(store, bucket, &keys).await;
    assert_eq!(names(store, bucket, "many/").await, ["1001"]);
}

/// A key whose object was removed is free.
pub async fn puts_again_what_was_removed<S: ObjectWriter + ObjectReader>(store: &S, bucket: &str) {
    let location = at(bucket, "again");
    put(store, &location, &pattern(10, 36)).await;
    remove(store, bucket, std::slice::from_ref(&location.key)).await;
    let body = pattern(20, 37);
    assert_eq!(put(store, &location, &body).await, Put::Written);
    assert!(content(store, &location).await == body, "the bytes are others");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Call, Fault, FaultyStore, MemoryStore};

    #[tokio::test]
    async fn the_memory_store_keeps_the_contract() {
        all(&MemoryStore::default(), "bucket").await;
    }

    #[tokio::test]
    async fn a_faulty_store_without_faults_keeps_it_too() {
        all(&FaultyStore::new(MemoryStore::default(), Vec::new()), "bucket").await;
    }

    #[tokio::test]
    async fn the_memory_store_notes_what_it_is_told() {
        let (store, location) = (MemoryStore::default(), at("bucket", "noted"));
        put(&store, &location, &pattern(5, 38)).await;
        let object = store.object("bucket", &location.key).unwrap();
        assert_eq!((object.content_type.as_str(), object.length), (CONTENT_TYPE, 5));
    }

    #[tokio::test]
    async fn writing_fails_when_told_to() {
        let memory = MemoryStore::default();
        let lost = Fault { takes_effect: true, ..Fault::nth(Call::Put, 2) };
        let faults = vec![Fault::nth(Call::Put, 1), lost, Fault::nth(Call::Remove, 1)];
        let store = FaultyStore::new(memory.clone(), faults);
        let (location, body) = (at("bucket", "faulty"), pattern(10, 39));
        assert!(store.put(&location, CONTENT_TYPE, body.clone()).await.is_err());
        assert_eq!(memory.keys(), [""; 0]);
        assert!(store.put(&location, CONTENT_TYPE, body.clone()).await.is_err());
        assert_eq!(memory.keys(), std::slice::from_ref(&location.key));
        assert_eq!(put(&store, &location, &body).await, Put::AlreadyThere);
        assert!(store.remove("bucket", std::slice::from_ref(&location.key)).await.is_err());
        remove(&store, "bucket", std::slice::from_ref(&location.key)).await;
        assert_eq!(memory.keys(), [""; 0]);
        assert_eq!((store.count(Call::Put), store.count(Call::Remove)), (3, 2));
    }
}
