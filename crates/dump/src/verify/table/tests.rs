use std::future::{pending, ready};
use std::sync::Mutex;

use autodump_core::compression::Algorithm;
use autodump_core::testing::{Call, Cut, Fault, FaultyStore, MemoryStore};
use serde_json::{Value, json};

use super::made::{BUCKET, ITEMS, Made, RUN, at, definition, line, put_manifest, store_of};
use super::*;

fn verify<R: SharedReader>(reader: R, level: Level) -> Verify<R> {
    let now = || "2026-11-22T09:00:00Z".parse().unwrap();
    Verify { reader, manifest: at("manifest.json"), level, jobs: 2, now }
}

async fn verified(store: &MemoryStore, level: Level) -> Verification {
    let verification = run(&verify(store.clone(), level), pending()).await.unwrap();
    assert_eq!(verification.passed, verification.problems.is_empty());
    verification
}

async fn verified_at(made: &Made, level: Level) -> Verification {
    verified(&store_of(made), level).await
}

/// Damages a backup by `change`, and asserts that it is found at `lowest`, and not before.
async fn assert_found(
    made: &Made,
    lowest: Level,
    says: &str,
    change: impl Fn(&MemoryStore, &mut Value),
) {
    let store = MemoryStore::default();
    let mut manifest = made.put(&store);
    change(&store, &mut manifest);
    put_manifest(&store, &manifest);
    for level in [Level::Checksum, Level::Archive] {
        let verification = verified(&store, level).await;
        let problems = verification.problems.join("\n");
        assert_eq!(verification.passed, level < lowest, "{says}: {level}: {problems}");
        assert!(level < lowest || problems.contains(says), "{says}: {level}: {problems}");
    }
}

/// Puts an object of these lines in the place of one, and describes it in the manifest.
fn replace(
    made: &Made,
    store: &MemoryStore,
    manifest: &mut Value,
    number: usize,
    lines: &[String],
) {
    let (name, content) = (made.name(number), made.encoded(lines));
    let items = usize::try_from(manifest["objects"][number]["items"].as_u64().unwrap()).unwrap();
    manifest["objects"][number] = made.described(&name, &content, items);
    store.put(&at(&name), content);
}

#[tokio::test]
async fn good_backups_are_found_good_however_they_are_compressed() {
    let algorithms = [Algorithm::None, Algorithm::Gzip, Algorithm::Zstd];
    for made in algorithms.map(Made::new).into_iter().chain([Made::export()]) {
        let seen = verified_at(&made, Level::Checksum).await;
        assert!(seen.passed, "{seen:?}");
        assert_eq!((seen.seen.objects, seen.seen.tables, seen.seen.rows), (3, 0, 0));
        let bytes: usize = made.objects.iter().map(|lines| made.encoded(lines).len()).sum();
        assert_eq!(seen.seen.bytes, bytes as u64);
        let seen = verified_at(&made, Level::Archive).await;
        assert!(seen.passed && seen.unchecked.is_empty(), "{seen:?}");
        assert_eq!((seen.seen.objects, seen.seen.tables, seen.seen.rows), (3, 1, ITEMS));
        assert_eq!(seen.manifest, uri(&at("manifest.json")));
        let seen = verified_at(&made, Level::None).await;
        assert_eq!((seen.passed, seen.seen.objects), (true, 0));
    }
}

#[tokio::test]
async fn an_empty_table_is_a_good_backup() {
    for objects in [Vec::new(), vec![Vec::new()]] {
        let seen =
            verified_at(&Made { objects, ..Made::new(Algorithm::Zstd) }, Level::Archive).await;
        assert!(seen.passed, "{seen:?}");
        assert_eq!((seen.seen.tables, seen.seen.rows), (1, 0));
    }
}

#[tokio::test]
async fn damaged_objects_are_found_by_their_sums() {
    for made in [Made::new(Algorithm::None), Made::new(Algorithm::Zstd), Made::export()] {
        let name = at(&made.name(1));
        let sum = if made.is_export() { "has MD5" } else { "has SHA-256" };
        let content =
            |store: &MemoryStore| store.object(BUCKET, &name.key).unwrap().content.to_vec();
        assert_found(&made, Level::Checksum, sum, |store, _| {
            let mut content = content(store);
            let middle = content.len() / 2;
            content[middle] ^= 1;
            store.put(&name, content);
        })
        .await;
        assert_found(&made, Level::Checksum, " bytes, not ", |store, _| {
            let mut content = content(store);
            content.pop();
            store.put(&name, content);
        })
        .await;
        assert_found(&made, Level::Checksum, "has more than", |store, _| {
            let mut content = content(store);
            content.push(b'\n');
            store.put(&name, content);
        })
        .await;
        assert_found(&made, Level::Checksum, "is not there", |store, _| {
            store.remove(&name);
        })
        .await;
    }
    let made = Made::new(Algorithm::Zstd);
    let other = |_: &MemoryStore, manifest: &mut Value| {
        manifest["objects"][0]["crc64nvme"] = json!("AAAAAAAAAAA=");
    };
    assert_found(&made, Level::Checksum, "has CRC64-NVME", other).await;
}

#[tokio::test]
async fn a_manifest_that_contradicts_itself_is_found() {
    let made = Made::new(Algorithm::Zstd);
    let no_sums = |_: &MemoryStore, manifest: &mut Value| {
        let object = manifest["objects"][0].as_object_mut().unwrap();
        object.remove("sha256");
        object.remove("crc64nvme");
    };
    assert_found(&made, Level::Checksum, "has no checksum of s3://", no_sums).await;
    assert_found(&made, Level::Checksum, "objects have 39 items, not 40", |_, manifest| {
        manifest["objects"][2]["items"] = json!(9);
    })
    .await;
    assert_found(&made, Level::Checksum, "has 41 rows", |_, manifest| {
        manifest["tables"][0]["rows"] = json!(41);
    })
    .await;
    assert_found(&made, Level::Checksum, "00000-000000.json.zst twice", |_, manifest| {
        manifest["objects"][1] = manifest["objects"][0].clone();
    })
    .await;
    assert_found(&made, Level::Archive, "compression \"bz2\" is no compression", |_, manifest| {
        manifest["method"]["compression"] = json!("bz2");
    })
    .await;
    // The wrong one of those that are known.
    assert_found(&made, Level::Archive, "cannot be read to its end", |_, manifest| {
        manifest["method"]["compression"] = json!("gzip:1");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_count_is_found_by_counting() {
    for (items, says) in [(9, "has 10 items, not 9"), (11, "has 10 items, not 11")] {
        assert_found(&Made::new(Algorithm::Gzip), Level::Archive, says, |_, manifest| {
            manifest["objects"][2]["items"] = json!(items);
            manifest["items"] = json!(30 + items);
            manifest["tables"][0]["rows"] = json!(30 + items);
        })
        .await;
    }
}

#[tokio::test]
async fn lines_that_are_no_items_of_the_table_are_found_without_their_values() {
    let made = Made::new(Algorithm::Zstd);
    for (line, says) in [
        (
            r#"{"Item":{"customer":{"N":"1"},"placed":{"N":"1"}}}"#,
            "key attribute customer of type S",
        ),
        (r#"{"Item":{"customer":{"S":"geheim"}}}"#, "no key attribute placed of type N"),
        (r#"{"Keys":{"customer":{"S":"geheim"}}}"#, "is no item in DynamoDB's JSON"),
        (r#"{"Item":{"customer":{"S":"geheim"#, "is no item in DynamoDB's JSON"),
        ("geheim", "is no item in DynamoDB's JSON"),
    ] {
        assert_found(&made, Level::Archive, says, |store, manifest| {
            let mut lines = made.objects[1].clone();
            lines[3] = line.to_owned();
            lines[9] = line.to_owned();
            replace(&made, store, manifest, 1, &lines);
        })
        .await;
        let mut wrong = Made::new(Algorithm::Zstd);
        wrong.objects[1][3] = line.to_owned();
        wrong.objects[1][9] = line.to_owned();
        let problems = verified_at(&wrong, Level::Archive).await.problems;
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(problem.contains("has a line 4 that") && !problem.contains("geheim"), "{problem}");
        assert!(problem.ends_with(", and 1 lines more are no items"), "{problem}");
    }
}

#[tokio::test]
async fn a_key_that_is_there_twice_is_found() {
    let mut made = Made::new(Algorithm::Gzip);
    made.objects[2][0] = line(1);
    made.objects[2][1] = line(2);
    let seen = verified_at(&made, Level::Archive).await;
    let (one, other) = (uri(&at(&made.name(0))), uri(&at(&made.name(2))));
    assert_eq!(seen.problems, [format!("{other} has 2 items with keys that {one} has too")]);
    assert!(verified_at(&made, Level::Checksum).await.passed);

    let mut made = Made::new(Algorithm::None);
    made.objects[1][5] = line(16).replace("c 2", r"\u0063 2");
    let problems = verified_at(&made, Level::Archive).await.problems;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].ends_with("has 1 items with keys that it has before"), "{problems:?}");
}

#[tokio::test]
async fn where_there_are_more_keys_than_memory_the_result_says_so() {
    let (made, store) = (Made::new(Algorithm::Zstd), MemoryStore::default());
    let mut manifest = made.put(&store);
    manifest["objects"][0]["items"] = json!(keys::MOST * 3);
    put_manifest(&store, &manifest);
    let seen = verified(&store, Level::Archive).await;
    let [unchecked] = &seen.unchecked[..] else { panic!("{seen:?}") };
    assert!(unchecked.contains("for one in 4 keys: there is memory for 4194304"), "{unchecked}");
    assert!(verified(&store, Level::Checksum).await.unchecked.is_empty());
}

#[tokio::test]
async fn a_definition_that_is_missing_or_another_s_is_found() {
    let made = Made::new(Algorithm::Zstd);
    let put = |store: &MemoryStore, change: &dyn Fn(&mut Value)| {
        let mut definition = definition();
        change(&mut definition);
        store.put(&at("table.json"), definition.to_string());
    };
    assert_found(&made, Level::Checksum, "table.json is not there", |store, _| {
        store.remove(&at("table.json"));
    })
    .await;
    assert_found(&made, Level::Checksum, "is not understood", |store, _| {
        store.put(&at("table.json"), "{\"version\":1");
    })
    .await;
    assert_found(&made, Level::Checksum, "has no key that is understood", |store, _| {
        put(store, &|definition| definition["create"]["KeySchema"] = json!([]));
    })
    .await;
    assert_found(&made, Level::Checksum, "it is of arn:aws:dynamodb:x, not of", |store, _| {
        put(store, &|definition| definition["tableArn"] = json!("arn:aws:dynamodb:x"));
    })
    .await;
    let store = MemoryStore::default();
    put_manifest(&store, &made.put(&store));
    store.remove(&at("table.json"));
    let seen = verified(&store, Level::Archive).await;
    assert_eq!((seen.seen.objects, seen.unchecked.len()), (3, 1), "{seen:?}");
    assert!(seen.unchecked[0].contains("were not looked at"), "{seen:?}");
}

#[tokio::test]
async fn a_backup_that_was_copied_elsewhere_is_found_there() {
    for made in [Made::new(Algorithm::Zstd), Made::export()] {
        let (store, copy) = (MemoryStore::default(), MemoryStore::default());
        put_manifest(&store, &made.put(&store));
        for key in store.keys() {
            let name = key.strip_prefix(RUN).unwrap();
            let to = ObjectLocation { bucket: "other".to_owned(), key: format!("copies/{name}") };
            copy.put(&to, store.object(BUCKET, &key).unwrap().content);
        }
        let manifest =
            ObjectLocation { bucket: "other".to_owned(), key: "copies/manifest.json".to_owned() };
        let verify = Verify { manifest, ..verify(copy, Level::Archive) };
        let seen = run(&verify, pending()).await.unwrap();
        assert!(seen.passed, "{seen:?}");
    }
}

#[tokio::test]
async fn what_lies_with_the_data_is_said_and_is_no_damage() {
    let (made, store) = (Made::new(Algorithm::Zstd), MemoryStore::default());
    put_manifest(&store, &made.put(&store));
    store.put(&at("data/x"), "");
    store.put(&at("data/y"), "");
    let seen = verified(&store, Level::Checksum).await;
    assert!(seen.passed, "{seen:?}");
    let says = format!("s3://{BUCKET}/{RUN}data/x and 1 objects more: not in the manifest");
    assert!(seen.unchecked[0].starts_with(&says), "{seen:?}");
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_a_problem_and_one_that_is_not_there_an_error() {
    let store = MemoryStore::default();
    let missing = run(&verify(store.clone(), Level::Archive), pending()).await.unwrap_err();
    assert_eq!(missing.class(), ErrorClass::Verification);
    store.put(&at("manifest.json"), "{\"version\":1");
    let seen = verified(&store, Level::Checksum).await;
    assert!(seen.problems[0].contains("is no JSON"), "{seen:?}");
    store.put(&at("manifest.json"), "{\"version\":2}");
    let newer = run(&verify(store.clone(), Level::Checksum), pending()).await.unwrap_err();
    assert!(newer.what().contains("has version 2"), "{newer}");
    store.put(&at("manifest.json"), include_str!("../../../../../contract/manifest.json"));
    let database = run(&verify(store, Level::Checksum), pending()).await.unwrap_err();
    assert_eq!(database.class(), ErrorClass::Configuration);
    assert!(database.what().contains("of engine \"postgres\""), "{database}");
}

#[tokio::test]
async fn what_cannot_be_found_out_is_an_error() {
    let (made, store) = (Made::new(Algorithm::Zstd), MemoryStore::default());
    put_manifest(&store, &made.put(&store));
    // The manifest, the definition, and then objects.
    for nth in 1..=5 {
        let store = FaultyStore::new(store.clone(), vec![Fault::nth(Call::Get, nth)]);
        let error = run(&verify(store, Level::Archive), pending()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Destination, "{nth}: {error}");
        let cut = Cut { nth_get: nth, after: 10, class: ErrorClass::Credentials };
        let cut = FaultyStore::new(store_of(&made), vec![]).with_cuts(vec![cut]);
        let error = run(&verify(cut, Level::Archive), pending()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Credentials, "{nth}: {error}");
    }
    // That nobody may list is no reason.
    let listing = FaultyStore::new(store.clone(), vec![Fault::nth(Call::List, 1)]);
    assert!(run(&verify(listing, Level::Archive), pending()).await.unwrap().passed);
    let stopped = run(&verify(store.clone(), Level::Archive), ready(())).await.unwrap_err();
    assert_eq!(stopped.class(), ErrorClass::Interrupted);
    let restore = run(&verify(store, Level::Restore), pending()).await.unwrap_err();
    assert_eq!(restore.class(), ErrorClass::Configuration);
    assert!(restore.hint().contains("up to the level archive"), "{restore}");
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Watcher for Heard {
    fn note(&self, event: &Event) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

#[tokio::test]
async fn whoever_watches_hears_how_far_it_is() {
    let heard = Arc::new(Heard::default());
    let store = store_of(&Made::new(Algorithm::None));
    let verify = verify(store, Level::Checksum);
    let seen = run_watched(&verify, heard.clone(), pending()).await.unwrap();
    let heard = heard.0.lock().unwrap();
    let bytes = seen.seen.bytes;
    assert_eq!(heard[0], format!("Planned {{ objects: 3, bytes: {bytes} }}"));
    assert_eq!(heard[1], "Phase(Objects)");
    assert!(heard[2..].iter().all(|event| event.starts_with("Read(")), "{heard:?}");
}
