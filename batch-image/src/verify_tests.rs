use autodump_core::testing::MemoryStore;
use serde_json::Value;

use super::*;
use crate::environment::Variables;

const TABLE: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/orders";
const ARN: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/app-AbCdEf";

fn environment() -> Environment {
    environment_of(ARN)
}

fn environment_of(arn: &str) -> Environment {
    Environment::read(&Variables(&|name| {
        let value = match name {
            "AUTODUMP_BUCKETS" => "first second",
            "AUTODUMP_RESOURCE_ARN" => arn,
            "AUTODUMP_START" => "2026-11-22T08:00:00Z",
            "AUTODUMP_EXECUTION_ARN" => "arn:this",
            "AUTODUMP_VERIFY" => "checksum",
            _ => return None,
        };
        Some(value.to_owned())
    }))
    .unwrap()
}

fn put(store: &MemoryStore, bucket: &str, key: &str, execution: &str) {
    let golden = include_str!("../../contract/manifest.json");
    let mut manifest: Value = serde_json::from_str(golden).unwrap();
    manifest["executionArn"] = execution.into();
    let location = ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() };
    store.put(&location, manifest.to_string());
}

#[tokio::test]
async fn the_manifests_of_an_execution_are_found_in_all_buckets() {
    let store = MemoryStore::default();
    let environment = environment();
    let run = |attempt: &str| layout::run_directory("postgres", ARN, environment.start, attempt);
    let error = find(&store, &environment).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
    assert!(error.what().contains("in first, second"), "{error}");

    let later = environment.start + chrono::Duration::hours(1);
    for (bucket, key, execution) in [
        ("first", format!("{}manifest.json", run("1")), "arn:this"),
        ("first", format!("{}app/manifest.json", run("1")), "arn:this"),
        ("first", format!("{}manifest.json", run("2")), "arn:other"),
        ("second", format!("{}manifest.json", run("3")), "arn:this"),
        ("third", format!("{}manifest.json", run("4")), "arn:this"),
        (
            "first",
            format!("{}manifest.json", layout::run_directory("postgres", ARN, later, "1")),
            "arn:this",
        ),
    ] {
        put(&store, bucket, &key, execution);
    }
    let found = find(&store, &environment).await.unwrap();
    let found: Vec<_> = found.iter().map(|at| (at.bucket.as_str(), at.key.clone())).collect();
    let expected =
        [("first", "1"), ("second", "3")].map(|(b, n)| (b, format!("{}manifest.json", run(n))));
    assert_eq!(found, expected);

    // One of several databases is damaged: the others being well does not hide it.
    let broken = break_manifest(&store, "second", &format!("{}manifest.json", run("5")));
    let found = find(&store, &environment).await.unwrap();
    assert!(found.len() == 3 && found.contains(&broken), "{found:?}");
}

#[tokio::test]
async fn backups_of_every_engine_are_found() {
    let (store, environment) = (MemoryStore::default(), environment());
    let mut expected = Vec::new();
    for engine in EngineName::ALL {
        let run = layout::run_directory(engine.as_str(), ARN, environment.start, "1");
        let key = format!("{run}manifest.json");
        put(&store, "first", &key, "arn:this");
        expected.push(ObjectLocation { bucket: "first".to_owned(), key });
    }
    let run = layout::run_directory("unknown", ARN, environment.start, "1");
    put(&store, "first", &format!("{run}manifest.json"), "arn:this");
    assert_eq!(find(&store, &environment).await.unwrap(), expected);
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_counts() {
    let store = MemoryStore::default();
    let environment = environment();
    let run = |attempt: &str| layout::run_directory("postgres", ARN, environment.start, attempt);
    put(&store, "first", &format!("{}manifest.json", run("1")), "arn:other");
    let broken = break_manifest(&store, "second", &format!("{}manifest.json", run("2")));
    assert_eq!(find(&store, &environment).await.unwrap(), [broken]);
}

#[tokio::test]
async fn the_one_manifest_of_a_table_is_found() {
    let (store, environment) = (MemoryStore::default(), environment_of(TABLE));
    let error = find(&store, &environment).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Verification);
    let directory = |start, execution| planner::directory(TABLE, start, execution);
    let here = directory(environment.start, "arn:this");
    let golden = include_str!("../../contract/table-manifest.json");
    let mut manifest: Value = serde_json::from_str(golden).unwrap();
    manifest["executionArn"] = "arn:this".into();
    let later = environment.start + chrono::Duration::hours(1);
    for directory in [
        here.clone(),
        format!("{here}data/"),
        directory(environment.start, "arn:other"),
        directory(later, "arn:this"),
    ] {
        let key = format!("{directory}manifest.json");
        let location = ObjectLocation { bucket: "first".to_owned(), key };
        store.put(&location, manifest.to_string());
    }
    let key = format!("{here}manifest.json");
    let expected = [ObjectLocation { bucket: "first".to_owned(), key: key.clone() }];
    assert_eq!(find(&store, &environment).await.unwrap(), expected);
    assert_eq!(break_manifest(&store, "first", &key), expected[0]);
    assert_eq!(find(&store, &environment).await.unwrap(), expected);
}

/// Puts a manifest there that is cut off.
fn break_manifest(store: &MemoryStore, bucket: &str, key: &str) -> ObjectLocation {
    let location = ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() };
    store.put(&location, "{");
    location
}

#[test]
fn a_backup_that_is_wrong_is_worse_than_one_that_could_not_be_read() {
    let mut outcome = Outcome::default();
    outcome.note(Ok(()), "");
    let error = |class| Err(Error::new(class, "what", "hint"));
    outcome.note(error(ErrorClass::Source), "");
    outcome.note(error(ErrorClass::Engine), "");
    outcome.failed.push("s3://b/k".to_owned());
    let Outcome { failed, error } = outcome;
    let both = Outcome { failed, error: None }.result().unwrap_err();
    assert_eq!(both.class(), ErrorClass::Verification);
    let one = Outcome { failed: Vec::new(), error }.result().unwrap_err();
    assert_eq!(one.class(), ErrorClass::Source);
    assert!(Outcome::default().result().is_ok());
}
