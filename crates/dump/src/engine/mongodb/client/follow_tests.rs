use std::collections::HashSet;
use std::time::Duration;

use autodump_core::ports::{ObjectStore, Upload as _};
use autodump_core::testing::{Call, Fault, FaultyStore, MemoryStore};

use super::*;
use crate::codec::Decoder;
use crate::progress::Progress;
use crate::uploader::Limits;

const GOLDEN: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/engine/mongodb/archive/mongodump.archive");

/// A shell script, `$1` of which is an archive of mongodump.
fn script(text: &str) -> Command {
    Command::new("/bin/sh").arguments(["-c", text, "sh", GOLDEN]).discreet()
}

fn place(compression: &str) -> Place {
    let key = "shop.archive".to_owned();
    Place {
        location: ObjectLocation { bucket: "b".to_owned(), key },
        compression: compression.parse().unwrap(),
        scope: Scope::All,
    }
}

fn explain(exit: &Exit) -> Error {
    Error::new(ErrorClass::Source, exit.to_string(), "None")
}

fn uploader<S: SharedStore>(store: S) -> Arc<Uploader<S>> {
    Uploader::new(store, Limits::default(), Arc::new(Progress::default()))
}

async fn run(text: &str, place: Place) -> Result<Dumped<<MemoryStore as ObjectStore>::Upload>> {
    let (_raise, flag) = StopFlag::new();
    follow(&uploader(MemoryStore::default()), &script(text), place, explain, flag).await
}

#[tokio::test]
async fn an_archive_comes_through_with_what_its_documents_are() {
    for compression in ["none", "gzip:1"] {
        let (store, place) = (MemoryStore::default(), place(compression));
        let (_raise, flag) = StopFlag::new();
        let algorithm = place.compression.algorithm();
        let command = script("cat $1");
        let dumped =
            follow(&uploader(store.clone()), &command, place, explain, flag).await.unwrap();
        let staged = &dumped.objects[0];
        staged.upload.complete(staged.completion.clone()).await.unwrap();
        let content = store.object("b", "shop.archive").unwrap().content;
        assert_eq!(staged.segments, [content.len() as u64]);
        let mut scanner = Scanner::new(Recut::new(Scope::All));
        let mut decoder = Decoder::new(algorithm).unwrap();
        let mut take = |bytes: &[u8]| scanner.write(bytes).map_err(|damage| damaged(&damage));
        decoder.write(&content, &mut take).unwrap();
        decoder.finish().unwrap();
        assert_eq!(scanner.finish().unwrap().finish(), dumped.collections);
        let known: Vec<_> = dumped
            .collections
            .iter()
            .map(|(name, digest)| (name.collection.as_str(), digest.rows))
            .collect();
        assert_eq!(known, [("empty", 0), ("a", 2), ("b c/ü", 1), ("v", 0)]);
    }
}

/// Whatever it wrote before: its exit code counts, and then the archive's structure.
#[tokio::test]
async fn what_is_not_whole_does_not_count() {
    for (text, class, says) in [
        ("cat $1; exit 1", ErrorClass::Source, "exit code 1"),
        ("head -c 900 $1; kill -9 $$", ErrorClass::Source, "signal 9"),
        ("head -c 900 $1", ErrorClass::Engine, "cut off"),
        ("exit 0", ErrorClass::Engine, "cut off"),
        ("cat $1; printf x", ErrorClass::Engine, "cut off"),
        ("printf nonsense; sleep 60", ErrorClass::Engine, "none of mongodump's"),
        ("sed 's/_id/_ix/g' $1", ErrorClass::Engine, "checksum"),
    ] {
        let started = std::time::Instant::now();
        let error = run(text, place("gzip:1")).await.unwrap_err();
        assert_eq!(error.class(), class, "{text}: {error}");
        assert!(error.what().contains(says), "{text}: {error}");
        assert!(started.elapsed() < Duration::from_secs(20), "{text}");
    }
}

#[tokio::test]
async fn a_stop_ends_the_child() {
    let directory = tempfile::tempdir().unwrap();
    let ended = directory.path().join("ended");
    let text = format!(
        "trap 'touch {}; exit 0' TERM; head -c 900 $1; while :; do sleep 0.05; done",
        ended.display()
    );
    let (raise, flag) = StopFlag::new();
    let uploader = uploader(MemoryStore::default());
    let command = script(&text);
    let raised = async {
        while uploader.progress().read() < 900 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        raise.send_replace(true);
    };
    let work = follow(&uploader, &command, place("none"), explain, flag);
    let (outcome, ()) = tokio::join!(work, raised);
    assert_eq!(outcome.unwrap_err().class(), ErrorClass::Interrupted);
    assert!(ended.exists());
}

#[tokio::test]
async fn a_store_that_fails_ends_it() {
    for call in [Call::Create, Call::PutPart] {
        let store = FaultyStore::new(MemoryStore::default(), vec![Fault::nth(call, 1)]);
        let (_raise, flag) = StopFlag::new();
        let command = script("cat $1; sleep 0.2");
        let outcome = follow(&uploader(store), &command, place("none"), explain, flag).await;
        assert!(outcome.is_err(), "{call:?}");
    }
}

#[tokio::test]
async fn what_was_not_chosen_is_not_in_it() {
    let scope = Scope::Chosen(HashSet::from(["a".to_owned(), "v".to_owned()]));
    let dumped = run("cat $1", Place { scope, ..place("none") }).await.unwrap();
    let names: Vec<_> =
        dumped.collections.iter().map(|(name, _)| name.collection.as_str()).collect();
    assert_eq!(names, ["a", "v"]);
}

#[test]
fn more_that_are_open_than_it_says_are_refused() {
    for (open, concurrent, good) in [(1, 0, true), (4, 4, true), (5, 4, false), (2, -1, false)] {
        assert_eq!(check_open(open, concurrent).is_ok(), good, "{open} of {concurrent}");
    }
}
