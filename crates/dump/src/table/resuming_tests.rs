//! Ranges that are read, and fail, and are read on: the table is in the data objects once.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use autodump_core::ports::ObjectLocation;
use autodump_core::table::plan::Scan;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use autodump_core::{ErrorClass, Result};

use super::checkpoint::Checkpoint;
use super::fake::FakeTable;
use super::journal::decode;
use super::so_far::so_far;
use super::summary::summarise;
use super::trial::{BUCKET, DIRECTORY, Yielding, assert_whole, read, scan};

/// What an attempt meets, and how much it may read again afterwards.
async fn assert_resumes(trouble: impl Fn(u32) -> (FakeTable, Vec<Fault>), calls: &[Call]) -> u32 {
    let scan = scan(5, 2);
    for n in 1.. {
        let ((mut table, faults), memory) = (trouble(n), MemoryStore::default());
        let store = FaultyStore::new(memory.clone(), faults);
        let first = read(&table, &store, &scan).await;
        let reached = calls.iter().any(|call| store.count(*call) >= n);
        if !reached && table.fails.is_none_or(|call| table.calls() < call) {
            first.unwrap();
            assert_whole(&table, &memory, &scan).await;
            return n;
        }
        table.fails = None;
        if let Err(error) = first {
            let text = error.to_string();
            assert!(text.contains("fault injected") || text.contains("fails"), "{text}");
            read(&table, &memory, &scan).await.unwrap();
        }
        assert_whole(&table, &memory, &scan).await;
        assert!(table.in_vain() <= 1, "{n}: {} pages in vain", table.in_vain());
    }
    unreachable!("numbers do not end")
}

#[tokio::test]
async fn it_goes_on_after_any_page_that_fails() {
    let faulty = |n| (FakeTable { fails: Some(n), ..FakeTable::new(150) }, Vec::new());
    assert!(assert_resumes(faulty, &[]).await > 15);
}

#[tokio::test]
async fn it_goes_on_after_any_put_that_fails_whether_it_took_effect_or_not() {
    for takes_effect in [false, true] {
        let fault = |n| Fault { takes_effect, ..Fault::nth(Call::Put, n) };
        let faulty = |n| (FakeTable::new(150), vec![fault(n)]);
        assert!(assert_resumes(faulty, &[Call::Put]).await > 15);
    }
}

#[tokio::test]
async fn it_goes_on_after_any_list_or_get_that_fails() {
    let scan = scan(5, 1);
    for call in [Call::List, Call::Get] {
        for n in 1.. {
            let mut table = FakeTable { fails: Some(14), ..FakeTable::new(150) };
            let memory = MemoryStore::default();
            read(&table, &memory, &scan).await.unwrap_err();
            table.fails = None;
            let store = FaultyStore::new(memory.clone(), vec![Fault::nth(call, n)]);
            let second = read(&table, &store, &scan).await;
            if store.count(call) < n {
                second.unwrap();
                assert!(n > 1, "{call:?} was never called");
                break;
            }
            assert!(second.unwrap_err().what().contains("fault injected"));
            read(&table, &memory, &scan).await.unwrap();
            assert_whole(&table, &memory, &scan).await;
            assert!(table.in_vain() <= 1);
        }
    }
}

/// The future is polled that often, and then dropped.
async fn dropped_after<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn it_goes_on_wherever_it_was_killed() {
    let scan = scan(4, 1);
    for polls in 1..120 {
        let (table, memory) = (FakeTable::new(60), MemoryStore::default());
        let store = Yielding::new(&memory);
        dropped_after(polls, read(&table, &store, &scan)).await;
        read(&table, &store, &scan).await.unwrap();
        assert_whole(&table, &memory, &scan).await;
        assert!(table.in_vain() <= 1, "killed after {polls}: {}", table.in_vain());
    }
}

#[tokio::test]
async fn however_often_it_is_killed_each_costs_a_page_of_a_segment_at_most() {
    let scan = scan(3, 1);
    for polls in [2, 5, 8] {
        let (table, memory) = (FakeTable::new(100), MemoryStore::default());
        let store = Yielding::new(&memory);
        let mut kills = 0;
        while dropped_after(polls + kills / 5, read(&table, &store, &scan)).await.is_none() {
            kills += 1;
            assert!(table.in_vain() <= kills);
            assert!(kills < 1000, "it never comes to an end");
        }
        assert!(kills > 0, "it was never killed");
        assert_whole(&table, &memory, &scan).await;
    }
}

#[tokio::test]
async fn of_two_attempts_at_once_one_goes_on() {
    for (segments, at_once, late) in [(1, 1, 0), (5, 3, 0), (5, 3, 20), (9, 2, 60)] {
        let (table, memory) = (FakeTable::new(200), MemoryStore::default());
        let scan = Scan { at_once, ..scan(segments, 1) };
        let store = Yielding::new(&memory);
        let second = async {
            for _ in 0..late {
                tokio::task::yield_now().await;
            }
            read(&table, &store, &scan).await
        };
        let outcomes = tokio::join!(read(&table, &store, &scan), second);
        let (lost, won): (Vec<_>, Vec<_>) =
            [outcomes.0, outcomes.1].into_iter().partition(Result::is_err);
        assert!(!won.is_empty(), "both ended: {lost:?}");
        for error in lost.into_iter().filter_map(Result::err) {
            assert_eq!(error.class(), ErrorClass::Interrupted, "{error}");
            assert!(error.what().contains("journal-"), "{error}");
        }
        assert_whole(&table, &memory, &scan).await;
    }
}

#[tokio::test]
async fn what_was_committed_is_known_while_a_range_is_read() {
    let (mut table, store) =
        (FakeTable { fails: Some(17), ..FakeTable::new(200) }, MemoryStore::default());
    let scan = Scan { object_bytes: 4000, ..scan(5, 1) };
    let now = async || so_far(&store, BUCKET, DIRECTORY, &scan, 0).await.unwrap();
    assert_eq!(now().await, Checkpoint::beginning(&scan, 0));
    read(&table, &store, &scan).await.unwrap_err();
    let then = now().await;
    let pages: u64 = then.segments.iter().map(|segment| segment.pages).sum();
    let items: u64 = then.segments.iter().map(|segment| segment.items).sum();
    assert!(pages > 5 && items > 50 && !then.complete, "{then:?}");
    let journal = store.keys().iter().filter(|key| key.contains("journal-")).count();
    assert_eq!(then.journal, journal as u64);
    let mut committed = 0;
    for key in store.keys().iter().filter(|key| key.contains("journal-")) {
        let location = ObjectLocation { bucket: BUCKET.to_owned(), key: key.clone() };
        let content = store.object(BUCKET, key).unwrap().content;
        let (head, _) = decode(&location, &content).unwrap();
        committed += head.entries.iter().map(|entry| entry.items).sum::<u64>();
    }
    assert_eq!(items, committed);
    table.fails = None;
    read(&table, &store, &scan).await.unwrap();
    assert!(now().await.complete);
    assert_eq!(
        now().await.segments,
        summarise(&store, BUCKET, DIRECTORY, &scan).await.unwrap().segments
    );
}

/// A put whose answer was lost, and which the adapter tried again, finds its own object.
#[tokio::test]
async fn an_object_of_its_own_is_no_other_attempt() {
    let (table, memory, scan) = (FakeTable::new(100), MemoryStore::default(), scan(3, 1));
    let store = Yielding { twice: true, ..Yielding::new(&memory) };
    read(&table, &store, &scan).await.unwrap();
    assert_whole(&table, &memory, &scan).await;
}

#[tokio::test]
async fn a_damaged_state_is_found() {
    let scan = scan(3, 1);
    let (mut table, store) =
        (FakeTable { fails: Some(12), ..FakeTable::new(200) }, MemoryStore::default());
    let scan = Scan { object_bytes: 1 << 30, ..scan };
    read(&table, &store, &scan).await.unwrap_err();
    table.fails = None;
    let journal: Vec<_> = store.keys().into_iter().filter(|k| k.contains("journal-")).collect();
    assert!(journal.len() > 2);
    let at = |key: &str| ObjectLocation { bucket: BUCKET.to_owned(), key: key.to_owned() };
    let good = store.object(BUCKET, &journal[1]).unwrap().content;
    store.remove(&at(&journal[1]));
    let error = read(&table, &store, &scan).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
    assert!(error.what().contains(&format!("{} is damaged: it is missing", journal[1])), "{error}");
    let mut bad = good.to_vec();
    *bad.last_mut().unwrap() ^= 1;
    store.put(&at(&journal[1]), bad);
    let error = read(&table, &store, &scan).await.unwrap_err();
    assert!(error.what().contains(&journal[1]), "{error}");
    // A page of a segment that is finished already.
    let first = store.object(BUCKET, &journal[0]).unwrap().content;
    store.put(&at(&journal[1]), good);
    read(&table, &store, &scan).await.unwrap();
    assert_whole(&table, &store, &scan).await;
    let last = store.keys().into_iter().rfind(|key| key.contains("journal-")).unwrap();
    let checkpoint = store.keys().into_iter().rfind(|key| key.contains("checkpoint-")).unwrap();
    store.remove(&at(&checkpoint));
    let number: u64 = last.rsplit_once('-').unwrap().1.parse().unwrap();
    let further = last.replace(&format!("{number:010}"), &format!("{:010}", number + 1));
    store.put(&at(&further), first);
    let error = read(&table, &store, &scan).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
    assert!(error.what().contains(&further), "{error}");
}

#[tokio::test]
async fn a_checkpoint_that_is_another_is_not_taken() {
    let (mut table, store, scan) =
        (FakeTable { fails: Some(14), ..FakeTable::new(200) }, MemoryStore::default(), scan(3, 1));
    read(&table, &store, &scan).await.unwrap_err();
    table.fails = None;
    let key = store.keys().into_iter().find(|key| key.contains("checkpoint-")).unwrap();
    let other = Checkpoint::beginning(&Scan { segments: 4, ..scan.clone() }, 0);
    let other = serde_json::to_vec(&other).unwrap();
    for bad in [other, b"{}".to_vec(), b"".to_vec(), b"{\"version\":2}".to_vec()] {
        for key in store.keys().iter().filter(|key| key.contains("checkpoint-")) {
            let at = ObjectLocation { bucket: BUCKET.to_owned(), key: key.clone() };
            store.put(&at, bad.clone());
        }
        let error = read(&table, &store, &scan).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Verification);
        assert!(error.what().contains("checkpoint-"), "{error}");
    }
    assert!(key.contains("state/00000/"));
}
