//! Each way to damage a backup, and at which level it is found.

use autodump_core::ErrorClass;
use autodump_core::testing::MemoryStore;
use autodump_core::verification::Level;
use autodump_dump::codec::{Decoder, Encoder, algorithm_of};

use super::{Backup, at, shop, tried, verify};

type Damage = fn(&mut Backup);

/// Each way, the level at which it is found, and what is said then.
const DAMAGES: &[(&str, Level, Damage, &str)] = &[
    (
        "a flipped byte of data",
        Level::Checksum,
        |backup| {
            let mut content = backup.content("app.orders");
            let middle = content.len() / 2;
            content[middle] ^= 1;
            backup.put("app.orders", content);
        },
        "has SHA-256",
    ),
    (
        "a flipped byte of the table of contents",
        Level::Checksum,
        |backup| {
            let mut content = backup.content("toc.dat");
            content[300] ^= 0x80;
            backup.put("toc.dat", content);
        },
        "has SHA-256",
    ),
    (
        "a missing object",
        Level::Checksum,
        |backup| backup.store.remove(&at(&backup.key("app.customer"))),
        "is not there",
    ),
    (
        "a truncated object",
        Level::Checksum,
        |backup| {
            let mut content = backup.content("app.orders");
            content.truncate(content.len() - 1000);
            backup.put("app.orders", content);
        },
        "bytes, not",
    ),
    (
        "an object that is too long",
        Level::Checksum,
        |backup| {
            let content = [backup.content("app.customer"), vec![b'x'; 9]].concat();
            backup.put("app.customer", content);
        },
        "has more than",
    ),
    (
        "a CRC that is another",
        Level::Checksum,
        |backup| "AAECAwQFBgc=".clone_into(&mut backup.object("toc.dat").crc64nvme),
        "has CRC64-NVME",
    ),
    (
        "a dropped last segment",
        Level::Archive,
        |backup| {
            let last = backup.object("app.orders").segments.pop().unwrap();
            let mut content = backup.content("app.orders");
            content.truncate(content.len() - usize::try_from(last).unwrap());
            backup.replace("app.orders", content);
        },
        "the end marker is missing",
    ),
    (
        "a row lost",
        Level::Archive,
        |backup| {
            let rows = decompressed(&backup.content("app.customer"));
            let end = rows.iter().position(|byte| *byte == b'\n').unwrap();
            backup.object("app.customer").segments = Vec::new();
            backup.replace("app.customer", compressed(&rows[end + 1..]));
        },
        "the data of table app.customer have 299 rows, not 300",
    ),
    (
        "a row changed",
        Level::Archive,
        |backup| {
            let mut rows = decompressed(&backup.content("app.customer"));
            rows[2] ^= 1;
            backup.object("app.customer").segments = Vec::new();
            backup.replace("app.customer", compressed(&rows));
        },
        "the data of table app.customer have 300 rows with the hash",
    ),
    (
        "a hash that is another",
        Level::Archive,
        |backup| backup.manifest.tables[0].hash = "0".repeat(32),
        "not 00000000000000000000000000000000",
    ),
    (
        "segments that are cut elsewhere",
        Level::Archive,
        |backup| {
            let segments = &mut backup.object("app.orders").segments;
            segments[0] -= 1;
            segments[1] += 1;
        },
        "gzip data are damaged",
    ),
    (
        "segments that are not the object",
        Level::Archive,
        |backup| backup.object("app.orders").segments[0] -= 1,
        "the segments of s3://",
    ),
    (
        "a table that the manifest does not know",
        Level::Archive,
        |backup| backup.manifest.tables.retain(|table| table.name != "customer"),
        "the manifest does not know how many rows table app.customer has",
    ),
    (
        "a data file that the manifest does not know",
        Level::Archive,
        |backup| backup.manifest.objects.retain(|object| !object.key.contains("app.customer")),
        "for TABLE DATA app.customer, and the manifest does not",
    ),
    (
        "a large object that the manifest does not know",
        Level::Archive,
        |backup| backup.manifest.objects.retain(|object| !object.key.contains("blob_4711")),
        "names blob_4711.dat, which the manifest does not",
    ),
    (
        "a table of contents that is none",
        Level::Archive,
        |backup| backup.replace("toc.dat", b"none".to_vec()),
        "toc.dat is",
    ),
    (
        "a view that is not there",
        Level::Restore,
        |backup| backup.replace_text("CREATE VIEW app.rich AS", "CREATE VIEW app.poor AS"),
        "view app.rich is not there after a restore",
    ),
    (
        "a table that is not there",
        Level::Restore,
        |backup| backup.replace_text("CREATE TABLE app.hollow (", "CREATE TABLE app.hallow ("),
        "table app.hollow is not there after a restore",
    ),
    (
        "a table that is not there, with rows",
        Level::Restore,
        |backup| backup.replace_text("CREATE TABLE app.nothing (", "CREATE TABLE app.anybody ("),
        "it cannot be restored: ",
    ),
    (
        "rows that become others",
        Level::Restore,
        |backup| backup.replace_text("total numeric(12,2)", "total numeric(12,1)"),
        "table app.orders has 60000 rows with the hash",
    ),
];

fn decompressed(content: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(algorithm_of("x.dat.gz")).unwrap();
    let mut all = Vec::new();
    let mut take = |bytes: &[u8]| {
        all.extend_from_slice(bytes);
        Ok(())
    };
    decoder.write(content, &mut take).unwrap();
    all
}

fn compressed(content: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new("gzip:1".parse().unwrap()).unwrap();
    let mut all = Vec::new();
    encoder.write(content, &mut all);
    encoder.end_frame(&mut all);
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_damage_is_found_at_the_level_that_promises_it() {
    let Some(server) = shop() else { return };
    let good = Backup::of(&server).await;
    for (name, found_at, damage, says) in DAMAGES {
        let mut backup = good.copy();
        damage(&mut backup);
        for level in [Level::Checksum, Level::Archive, Level::Restore] {
            if level == Level::Restore && *found_at != Level::Restore {
                continue;
            }
            let done = verify(&backup, level, None).await;
            assert_eq!(done.passed, level < *found_at, "{name} at {level}: {:?}", done.problems);
            assert_eq!(done.passed, done.problems.is_empty());
            let said = done.problems.iter().any(|problem| problem.contains(says));
            assert_eq!(said, !done.passed, "{name} at {level}: {:?}", done.problems);
        }
    }
}

/// All problems are named, not only the first.
#[tokio::test]
async fn several_damages_are_all_said() {
    let Some(server) = shop() else { return };
    let mut backup = Backup::of(&server).await;
    for (_, _, damage, _) in [&DAMAGES[0], &DAMAGES[2], &DAMAGES[9]] {
        damage(&mut backup);
    }
    let done = verify(&backup, Level::Restore, None).await;
    for says in [DAMAGES[0].3, DAMAGES[2].3] {
        assert!(done.problems.iter().any(|p| p.contains(says)), "{:?}", done.problems);
    }
    assert!(!done.passed && done.problems.len() >= 3 && done.restored_into.is_none());
}

/// A manifest that cannot be understood is found by its place, and is a result.
#[tokio::test]
async fn a_damaged_manifest_is_a_result() {
    let store = MemoryStore::default();
    let location = at("run/manifest.json");
    let golden = include_str!("../../../../contract/manifest.json");
    let renumbered = golden.replacen("\"version\": 1", "\"version\": 2", 1);
    assert_ne!(renumbered, golden);
    for (manifest, passed_or_error) in [
        ("{\"version\": 1".to_owned(), Some("is no JSON")),
        ("{\"version\": 1}".to_owned(), Some("is not understood")),
        ("[]".to_owned(), Some("has no version")),
        (golden.replace("/toc.dat", "/tic.dat"), Some("names no toc.dat")),
        (renumbered, None),
    ] {
        store.put(&location, manifest.clone());
        for level in [Level::None, Level::Restore] {
            let done = tried(&store, location.clone(), level, None).await;
            match passed_or_error {
                Some(says) => {
                    let done = done.unwrap();
                    assert!(!done.passed && done.level == level && done.problems.len() == 1);
                    assert!(done.problems[0].contains(says), "{:?}", done.problems);
                    assert_eq!(done.manifest, "s3://backups/run/manifest.json");
                }
                None => assert_eq!(done.unwrap_err().class(), ErrorClass::Verification),
            }
        }
    }
}
