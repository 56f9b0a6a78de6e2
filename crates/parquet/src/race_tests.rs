//! Conversions of one table that meet, and stops in between.

use std::future::pending;
use std::ops::Range;
use std::sync::Mutex;

use autodump_core::ports::{Completion, ListedPage, ObjectStore, PartReceipt, Put, Upload};
use autodump_core::testing::memory::MemoryUpload;
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};
use bytes::Bytes;
use serde_json::json;

use super::fault_tests::{impatient, key};
use super::tests::{DIRECTORY, at, destination, left, run, simple, store, table};
use super::*;

const PROOF: &str = "csv/run-1/shop/public.orders.manifest.json";
const CSV: &str = "csv/run-1/shop/public.orders.csv";

/// What is published next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Data,
    Manifest,
}

/// Done to the store just before; `false` where everything stands still from then on.
type Meanwhile = Arc<dyn Fn(Next) -> bool + Send + Sync>;

/// A store in which others do something while a result is published.
#[derive(Clone)]
struct Raced {
    memory: MemoryStore,
    meanwhile: Meanwhile,
}

impl ObjectStore for Raced {
    type Upload = RacedUpload;

    async fn create(&self, location: &ObjectLocation, content_type: &str) -> Result<RacedUpload> {
        let inner = self.memory.create(location, content_type).await?;
        Ok(RacedUpload { inner, meanwhile: Arc::clone(&self.meanwhile) })
    }
}

struct RacedUpload {
    inner: MemoryUpload,
    meanwhile: Meanwhile,
}

impl Upload for RacedUpload {
    async fn put_part(&self, number: u32, body: Bytes, crc64nvme: u64) -> Result<PartReceipt> {
        self.inner.put_part(number, body, crc64nvme).await
    }

    async fn complete(&self, completion: Completion) -> Result<()> {
        let next = if completion.only_if_absent { Next::Manifest } else { Next::Data };
        if !(self.meanwhile)(next) {
            pending::<()>().await;
        }
        self.inner.complete(completion).await
    }

    async fn abort(&self) -> Result<()> {
        self.inner.abort().await
    }
}

impl ObjectReader for Raced {
    type Content = <MemoryStore as ObjectReader>::Content;

    async fn get(
        &self,
        location: &ObjectLocation,
        range: Option<Range<u64>>,
    ) -> Result<Self::Content> {
        self.memory.get(location, range).await
    }

    async fn page(&self, bucket: &str, prefix: &str, after: Option<&str>) -> Result<ListedPage> {
        self.memory.page(bucket, prefix, after).await
    }
}

impl ObjectWriter for Raced {
    async fn put(&self, location: &ObjectLocation, content_type: &str, body: Bytes) -> Result<Put> {
        ObjectWriter::put(&self.memory, location, content_type, body).await
    }

    async fn remove(&self, bucket: &str, keys: &[String]) -> Result<()> {
        ObjectWriter::remove(&self.memory, bucket, keys).await
    }
}

fn out(key: &str) -> ObjectLocation {
    ObjectLocation { bucket: "out".to_owned(), key: key.to_owned() }
}

/// What a conversion of these files leaves: its CSV and its manifest.
async fn made(files: &[Vec<u8>]) -> [(&'static str, Bytes); 2] {
    let memory = store(files);
    run(&memory, &impatient()).await.unwrap();
    [CSV, PROOF].map(|key| (key, memory.object("out", key).unwrap().content))
}

/// Another conversion ends wholly when `next` of ours is about to be published.
fn raced(memory: &MemoryStore, next: Next, theirs: [(&'static str, Bytes); 2]) -> Raced {
    let once = Mutex::new(Some(theirs));
    let theirs = memory.clone();
    let meanwhile = move |now| {
        let due = (now == next).then(|| once.lock().unwrap().take()).flatten();
        due.into_iter().flatten().for_each(|(key, content)| theirs.put(&out(key), content));
        true
    };
    Raced { memory: memory.clone(), meanwhile: Arc::new(meanwhile) }
}

/// Rules by which ids are at most so large.
fn schema(maximum: u32) -> TableSchema {
    let id = json!({"type": "integer", "maximum": maximum});
    let schema = json!({"type": "object", "properties": {"id": id}});
    TableSchema::read(schema.to_string().as_bytes()).unwrap()
}

/// Whether the manifest, where there is one, is of the CSV beside it.
fn proven(memory: &MemoryStore) -> Option<u64> {
    let proof = memory.object("out", PROOF)?;
    let manifest: ResultManifest = serde_json::from_slice(&proof.content).unwrap();
    let csv = memory.object("out", CSV).unwrap();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&csv.content);
    assert_eq!(manifest.objects[0].sha256, hex::encode(digest), "data of others");
    Some(manifest.rows_out)
}

#[tokio::test]
async fn of_two_at_once_one_result_is_left_or_none() {
    let files = [simple(0, 5), simple(5, 9)];
    // The same two files, one of them, and the same with another byte in the result.
    let (same, fewer) = (made(&files).await, made(&files[..1]).await);
    let mut other = same.clone();
    other[0].1 = String::from_utf8(other[0].1.to_vec()).unwrap().replace('1', "7").into();
    let json = String::from_utf8(other[1].1.to_vec()).unwrap();
    let sha256 = |content: &Bytes| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(content));
    other[1].1 = json.replace(&sha256(&same[0].1), &sha256(&other[0].1)).into();
    for next in [Next::Data, Next::Manifest] {
        for (theirs, remains) in [(&same, Some(9)), (&fewer, None), (&other, None)] {
            let memory = store(&files);
            let whole = table(&memory).await;
            let raced = raced(&memory, next, theirs.clone());
            let to = destination();
            let outcome = convert(&raced, "in", &whole, &raced, &to, &impatient(), pending()).await;
            assert_eq!(left(&memory).1, [""; 0]);
            assert_eq!(proven(&memory), remains, "{next:?}");
            match outcome {
                Ok(Outcome::AlreadyThere(_)) => assert!(remains.is_some()),
                Ok(other) => panic!("ours was refused: {other:?}"),
                Err(error) => {
                    assert!(remains.is_none() && error.what().contains("already"), "{error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_comes_meanwhile_ends_it_without_a_result() {
    let memory = store(&[simple(0, 5)]);
    let earlier = table(&memory).await;
    run(&memory, &impatient()).await.unwrap();
    let known = proven(&memory);
    memory.put(&at(&key(2)), simple(5, 9));
    memory.put(&at(&format!("{DIRECTORY}2/_SUCCESS")), "");
    let options = Options { binary: crate::Binary::Base64, ..impatient() };
    let convert = |table: Table| {
        let (memory, options) = (memory.clone(), options.clone());
        async move { convert(&memory, "in", &table, &memory, &destination(), &options, pending()).await }
    };
    let outcome = convert(earlier).await;
    let Ok(Outcome::Growing(why)) = outcome else { panic!("{outcome:?}") };
    let uri = format!("s3://in/{DIRECTORY}");
    let file = key(2);
    assert_eq!(why, format!("{uri} is still growing: s3://in/{file} has come"));
    // What was there still is.
    assert_eq!((proven(&memory), left(&memory).1), (known, Vec::new()));
    // Neither a mark nor a hidden file is one of the table.
    memory.put(&at(&format!("{DIRECTORY}3/_SUCCESS")), "");
    memory.put(&at(&format!("{DIRECTORY}1/_hidden.parquet")), "");
    let outcome = convert(table(&memory).await).await;
    assert!(matches!(outcome, Ok(Outcome::Converted(_))), "{outcome:?}");
    assert_eq!(proven(&memory), Some(9));
}

#[tokio::test]
async fn a_stop_between_data_and_manifest_is_mended_by_the_next() {
    let files = [simple(0, 5), simple(5, 9)];
    for theirs in [None, Some(made(&files).await)] {
        let memory = store(&files);
        let mut earlier = table(&memory).await;
        earlier.files.truncate(1);
        memory.remove(&at(&key(2)));
        let (later, at_proof) = (memory.clone(), Arc::new(tokio::sync::Notify::new()));
        let reached = Arc::clone(&at_proof);
        let second = files[1].clone();
        let meanwhile = move |next| {
            if next == Next::Manifest {
                reached.notify_one();
                return false;
            }
            later.put(&at(&key(2)), second.clone());
            let theirs = theirs.iter().flatten();
            theirs.for_each(|(key, content)| later.put(&out(key), content.clone()));
            true
        };
        let raced = Raced { memory: memory.clone(), meanwhile: Arc::new(meanwhile) };
        let (to, options) = (destination(), impatient());
        // Killed: nothing of it runs any more.
        tokio::select! {
            _ = convert(&raced, "in", &earlier, &raced, &to, &options, pending()) => panic!(),
            () = at_proof.notified() => {}
        }
        assert_eq!(memory.object("out", CSV).unwrap().content, made(&files[..1]).await[0].1);
        let outcome = run(&memory, &options).await;
        assert!(matches!(outcome, Ok(Outcome::Converted(_))), "{outcome:?}");
        assert_eq!(proven(&memory), Some(9));
    }
}

#[tokio::test]
async fn a_stop_by_hand_between_data_and_manifest_leaves_no_manifest_of_others() {
    let files = [simple(0, 5), simple(5, 9)];
    let theirs = made(&files[..1]).await;
    let memory = store(&files);
    let at_proof = Arc::new(tokio::sync::Notify::new());
    let (reached, later) = (Arc::clone(&at_proof), memory.clone());
    let meanwhile = move |next| {
        if next == Next::Manifest {
            later.put(&out(theirs[1].0), theirs[1].1.clone());
            reached.notify_one();
        }
        next == Next::Data
    };
    let raced = Raced { memory: memory.clone(), meanwhile: Arc::new(meanwhile) };
    let whole = table(&memory).await;
    let stop = at_proof.notified();
    let outcome = convert(&raced, "in", &whole, &raced, &destination(), &impatient(), stop).await;
    assert_eq!(outcome.unwrap_err().class(), ErrorClass::Interrupted);
    assert_eq!((proven(&memory), left(&memory).1), (None, Vec::new()));
}

#[tokio::test]
async fn a_manifest_that_cannot_be_looked_at_is_removed_or_told() {
    let files = [simple(0, 5), simple(5, 9)];
    let fewer = made(&files[..1]).await;
    for removable in [true, false] {
        let memory = store(&files);
        let whole = table(&memory).await;
        let looks = Fault { times: 9, ..Fault::nth(Call::List, 4) };
        let removes = Fault { times: u32::from(!removable), ..Fault::nth(Call::Remove, 1) };
        let raced = raced(&memory, Next::Data, fewer.clone());
        let faulty = FaultyStore::new(raced, vec![looks, removes]);
        let to = destination();
        let outcome = convert(&faulty, "in", &whole, &faulty, &to, &impatient(), pending()).await;
        let error = outcome.unwrap_err();
        let told = error.what().contains("may name other data than lie beside it");
        assert_eq!(told, !removable, "{error}");
        assert_eq!(memory.object("out", PROOF).is_some(), !removable);
    }
}

#[tokio::test]
async fn a_late_event_of_fewer_files_does_nothing() {
    let memory = store(&[simple(0, 5), simple(5, 9)]);
    let mut earlier = table(&memory).await;
    run(&memory, &impatient()).await.unwrap();
    earlier.files.truncate(1);
    let outcome =
        convert(&memory, "in", &earlier, &memory, &destination(), &impatient(), pending()).await;
    let Ok(Outcome::AlreadyThere(manifest)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(manifest.rows_out, 9);
}

#[tokio::test]
async fn what_is_made_in_another_way_is_made_anew() {
    let memory = store(&[simple(0, 5)]);
    let header = crate::csv::Format { header: false, ..crate::csv::Format::default() };
    let ways = [
        impatient(),
        Options { compression: "gzip".parse().unwrap(), ..impatient() },
        Options { format: header, ..impatient() },
        Options { binary: crate::Binary::Base64, ..impatient() },
        Options { on_bad: OnBad::Reject, ..impatient() },
        Options { schema: Some(schema(9)), ..impatient() },
        Options { schema: Some(schema(8)), ..impatient() },
    ];
    for options in ways {
        let outcome = run(&memory, &options).await;
        assert!(matches!(outcome, Ok(Outcome::Converted(_))), "{options:?}: {outcome:?}");
        let again = run(&memory, &options).await;
        assert!(matches!(again, Ok(Outcome::AlreadyThere(_))), "{options:?}: {again:?}");
    }
    // A result of more files than are listed is not made smaller.
    let memory = store(&[simple(0, 5), simple(5, 9)]);
    run(&memory, &impatient()).await.unwrap();
    memory.remove(&at(&key(2)));
    let options = Options { on_bad: OnBad::Reject, ..impatient() };
    let error = run(&memory, &options).await.unwrap_err();
    assert!(error.what().contains("is the result of other files: 2 of"), "{error}");
    assert_eq!(proven(&memory), Some(9));
}

#[tokio::test]
async fn a_result_that_was_damaged_is_made_anew() {
    let options = Options { schema: Some(schema(2)), on_bad: OnBad::Reject, ..impatient() };
    let memory = store(&[simple(0, 5)]);
    run(&memory, &options).await.unwrap();
    let rejects = CSV.replace(".csv", ".rejects.csv");
    for key in [CSV, &rejects] {
        for gone in [true, false] {
            let whole = memory.object("out", key).unwrap().content;
            if gone {
                memory.remove(&out(key));
            } else {
                memory.put(&out(key), whole.slice(1..));
            }
            let outcome = run(&memory, &options).await;
            assert!(matches!(outcome, Ok(Outcome::Converted(_))), "{outcome:?}");
            assert_eq!(memory.object("out", key).unwrap().content, whole);
        }
    }
}
