use std::time::Duration;

use autodump_core::ErrorClass;
use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn a_task_that_breaks_down_is_no_end_of_the_data() {
    let broken = |_: Sender<Come>| async { panic!("a fault that this test injects") };
    match Batches::of(broken).next().await {
        Err(Interruption::Here(error)) => assert_eq!(error.class(), ErrorClass::Internal),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_end_is_an_end_and_an_error_comes_before_it() {
    let mut ended = Batches::of(|_| async { Ok(()) });
    assert!(ended.next().await.unwrap().is_none());
    assert!(ended.next().await.unwrap().is_none());
    let lost = || DriverError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    let mut lost = Batches::of(move |_| async move { Err(lost().into()) });
    assert!(matches!(lost.next().await, Err(Interruption::Server(_))));
}

#[tokio::test]
async fn there_is_memory_for_each_reader_and_not_for_more_than_eight_long_replies() {
    for (jobs, replies) in [(1, 2), (2, 3), (7, 8), (8, 8), (64, 8), (u16::MAX, 8)] {
        let memory = Memory::new(jobs);
        let mut taken = Vec::new();
        for _ in 0..replies {
            taken.push(memory.reserve().await.unwrap());
        }
        let one_more = timeout(Duration::from_millis(20), memory.reserve()).await;
        assert!(one_more.is_err(), "{jobs}");
        taken.pop();
        drop(memory.reserve().await.unwrap());
    }
}

#[tokio::test]
async fn a_batch_has_the_memory_of_its_length_until_it_is_dropped() {
    let memory = Memory::new(1);
    let all = memory.0.available_permits();
    let held = only(memory.reserve().await.unwrap(), 1000);
    assert_eq!(memory.0.available_permits(), all - 1000);
    // A reply that is longer than the longest keeps all that it got.
    let long = only(memory.reserve().await.unwrap(), LONGEST + 1);
    assert_eq!(memory.0.available_permits(), all - 1000 - LONGEST);
    drop((held, long));
    assert_eq!(memory.0.available_permits(), all);
}
