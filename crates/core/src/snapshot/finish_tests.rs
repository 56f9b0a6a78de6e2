use serde_json::Value;

use super::*;
use crate::ports::ObjectLocation;
use crate::snapshot::ports::{Database, Stage};
use crate::snapshot::world::{BUCKET, KEY, World, golden};
use crate::testing::snapshots::{ExportedTable, RdsCall};
use crate::testing::{Call, Fault, FaultyStore};

fn orders() -> ExportedTable {
    ExportedTable::whole("shop.public.orders", &[3, 2])
}

async fn manifest(world: &World, run: &Run) -> SnapshotManifest {
    stored::read_version(&world.store, BUCKET, &run.manifest_key(), VERSION).await.unwrap()
}

fn at(directory: &str, name: &str) -> ObjectLocation {
    ObjectLocation { bucket: BUCKET.to_owned(), key: format!("{directory}{name}") }
}

#[tokio::test]
async fn the_manifest_says_what_was_exported_and_what_was_not() {
    let (world, run) = (World::new(), World::new().run(1));
    let mut warned = ExportedTable::whole("shop.public.users", &[0]);
    warned.entry["warningMessage"] = "The column a b was left out".into();
    let skipped = ExportedTable::skipped("shop.public.a/b", "The name has a slash");
    let task = world.exported(&run, &[orders(), skipped, warned]).await;
    world.rds.end(&task, Stage::Complete, None, Some("1 table was skipped"));
    let finished = world.snapshots().finish(&run, "0.1.0").await.unwrap();
    let expected = Finished {
        manifest: format!("s3://{BUCKET}/{}manifest.json", run.directory()),
        skipped: 1,
        warnings: [
            "RDS left out shop.public.a/b: The name has a slash",
            "1 table was skipped",
            "shop.public.users: The column a b was left out",
        ]
        .map(str::to_owned)
        .to_vec(),
    };
    assert_eq!(finished, expected);
    let manifest = manifest(&world, &run).await;
    let prefix = format!("{}export/{task}/", run.directory());
    let data = Data { bucket: BUCKET.to_owned(), prefix, objects: 5, bytes: 50 };
    assert_eq!(manifest.data, data);
    let tables: Vec<_> = manifest
        .tables
        .iter()
        .map(|one| (one.name.as_str(), one.directory.as_str(), one.objects, one.bytes))
        .collect();
    assert_eq!(
        tables,
        [
            ("shop.public.orders", "shop/public.orders/", 5, 50),
            ("shop.public.users", "shop/public.users/", 0, 0)
        ]
    );
    assert_eq!(manifest.skipped[0].status, "SKIPPED");
    let export = ExportFacts { task, only: Vec::new(), kms_key: KEY.to_owned() };
    assert_eq!(manifest.export, export);
    assert_eq!(
        (manifest.snapshot.size_gib, manifest.snapshot.engine.as_str()),
        (Some(20), "postgres")
    );
    assert_eq!(manifest.started_at, World::now());
}

#[tokio::test]
async fn the_answer_is_the_contract() {
    let (world, run) = (World::new(), World::new().run(1));
    world.exported(&run, &[orders()]).await;
    let finished = serde_json::to_value(world.snapshots().finish(&run, "0.1.0").await.unwrap());
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let answer = &golden()["finish"]["answers"][0];
    assert_eq!(keys(&finished.unwrap()), keys(answer));
    assert!(answer["warnings"][0].as_str().unwrap().starts_with("RDS left out "));
}

#[tokio::test]
async fn the_manifest_is_written_once_and_last() {
    let (world, run) = (World::new(), World::new().run(1));
    world.exported(&run, &[orders()]).await;
    // The answer of the first put is lost.
    let lost = Fault { takes_effect: true, ..Fault::nth(Call::Put, 1) };
    let store = FaultyStore::new(world.store.clone(), vec![lost]);
    let error = world.with(&store).finish(&run, "0.1.0").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Destination);
    let written = manifest(&world, &run).await;
    // Whatever becomes of snapshot and export.
    world.rds.lose(&written.snapshot.arn[written.snapshot.arn.rfind(':').unwrap() + 1..]);
    world.rds.end(&written.export.task, Stage::Failed, None, None);
    world.snapshots().finish(&run, "9.9.9").await.unwrap();
    assert_eq!(manifest(&world, &run).await, written);
}

#[tokio::test]
async fn a_table_that_is_not_whole_makes_no_backup() {
    for (name, listed) in [
        ("shop/public.orders/1/_SUCCESS", true),
        ("shop/public.orders/2/_SUCCESS", true),
        ("shop/public.orders/1/part-00000-5f1b6f5e-0c5e-4a52-9c3b-0d6c1f1f6a51.gz.parquet", false),
    ] {
        let (world, run) = (World::new(), World::new().run(1));
        let task = world.exported(&run, &[orders()]).await;
        let directory = format!("{}export/{task}/", run.directory());
        world.store.remove(&at(&directory, name));
        let finished = world.snapshots().finish(&run, "0.1.0").await;
        if listed {
            let error = finished.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Verification);
            assert!(error.what().contains("_SUCCESS is missing: shop.public.orders"), "{error}");
            assert!(!world.store.keys().contains(&run.manifest_key()));
        } else {
            // RDS gives no list of data objects: what is not there is not missed.
            finished.unwrap();
        }
    }
    let (world, run) = (World::new(), World::new().run(1));
    let nowhere = ExportedTable { directory: String::new(), batches: Vec::new(), ..orders() };
    world.exported(&run, &[nowhere]).await;
    let error = world.snapshots().finish(&run, "0.1.0").await.unwrap_err();
    assert!(error.what().contains("1 tables"), "{error}");
}

#[tokio::test]
async fn data_that_no_list_names_is_a_warning() {
    let (world, run) = (World::new(), World::new().run(1));
    let task = world.exported(&run, &[orders()]).await;
    let directory = format!("{}export/{task}/", run.directory());
    world.store.put(&at(&directory, "shop/public.ghosts/1/part-0.gz.parquet"), "x");
    let finished = world.snapshots().finish(&run, "0.1.0").await.unwrap();
    assert_eq!(finished.warnings.len(), 1);
    assert!(finished.warnings[0].starts_with("shop/public.ghosts/ has data"), "{finished:?}");
}

#[tokio::test]
async fn an_export_that_has_not_ended_makes_no_backup() {
    let (world, run) = (World::new(), World::new().run(1));
    world.made(&run).await;
    world.snapshots().export(&run).await.unwrap();
    let error = world.snapshots().finish(&run, "0.1.0").await.unwrap_err();
    assert!(error.what().contains("has not ended"), "{error}");
    let task = world.rds.exports()[0].name.clone();
    world.rds.end(&task, Stage::Failed, Some("no disk"), None);
    let error = world.snapshots().finish(&run, "0.1.0").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Engine);
    world.rds.fail(RdsCall::ExportTask, 1, ErrorClass::Source);
    assert!(world.snapshots().finish(&run, "0.1.0").await.unwrap_err().class().is_retried());
    assert_eq!(world.store.keys(), [run.plan_key()]);
}

#[tokio::test]
async fn an_automated_snapshot_may_be_gone_by_then() {
    use crate::snapshot::ports::Maker;
    use crate::snapshot::world::automated;
    let (world, run) = (World::new(), World::new().run(1));
    world.rds.add_snapshot(&world.target, Maker::Automated, "rds:orders-1", &[]);
    world.plan(&run, &automated()).await.unwrap();
    world.exported(&run, &[orders()]).await;
    world.rds.lose("rds:orders-1");
    world.snapshots().finish(&run, "0.1.0").await.unwrap();
    let manifest = manifest(&world, &run).await;
    assert_eq!(manifest.snapshot.arn, world.target.snapshot("rds:orders-1"));
    assert_eq!((manifest.snapshot.size_gib, manifest.started_at), (None, World::now()));
}

/// A listing of several pages, and more warnings than the state machine is told.
#[tokio::test]
async fn many_objects_and_many_warnings_are_summed_up() {
    let (world, run) = (World::new(), World::new().run(1));
    let mut tables = vec![ExportedTable::whole("shop.public.orders", &[1200, 1300])];
    let left_out = |number| ExportedTable::skipped(&format!("shop.public.t{number}"), "No.");
    tables.extend((0..30).map(left_out));
    world.exported(&run, &tables).await;
    let store = FaultyStore::new(world.store.clone(), Vec::new());
    let finished = world.with(&store).finish(&run, "0.1.0").await.unwrap();
    assert_eq!(finished.warnings.len(), TOLD + 1);
    assert_eq!(finished.warnings[TOLD], "and 10 more, which are in the manifest");
    assert!(store.count(Call::List) > 3);
    let manifest = manifest(&world, &run).await;
    assert_eq!((manifest.data.objects, manifest.data.bytes), (2500, 25_000));
    assert_eq!((manifest.skipped.len(), manifest.tables.len()), (30, 1));
}

#[tokio::test]
async fn an_automated_snapshot_that_is_old_is_a_warning() {
    use crate::snapshot::ports::Maker;
    use crate::snapshot::world::automated;
    for (days, warnings) in [(1, 0), (2, 1)] {
        let (world, run) = (World::new(), World::new().run(1));
        world.after(-days);
        world.rds.add_snapshot(&world.target, Maker::Automated, "rds:orders-1", &[]);
        world.plan(&run, &automated()).await.unwrap();
        world.exported(&run, &[orders()]).await;
        let finished = world.snapshots().finish(&run, "0.1.0").await.unwrap();
        assert_eq!(finished.warnings.len(), warnings, "{finished:?}");
        assert!(finished.warnings.iter().all(|one| one.contains("RDS made none since")));
    }
}

/// Every export of PostgreSQL would end with a warning else, and nobody would read another one.
#[tokio::test]
async fn an_empty_default_database_is_in_the_manifest_and_not_told() {
    let (world, run) = (World::new(), World::new().run(1));
    let skipped = ["postgres", "shop.public.t"].map(|name| ExportedTable::skipped(name, "No."));
    world.exported(&run, &skipped).await;
    let finished = world.snapshots().finish(&run, "0.1.0").await.unwrap();
    assert_eq!(finished.warnings, ["RDS left out shop.public.t: No."]);
    assert_eq!(finished.skipped, 1);
    let names: Vec<_> = manifest(&world, &run).await.skipped.into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["postgres", "shop.public.t"]);
}

#[tokio::test]
async fn a_table_without_data_may_have_no_directory() {
    let (world, run) = (World::new(), World::new().run(1));
    let mut empty = ExportedTable { directory: String::new(), batches: Vec::new(), ..orders() };
    empty.entry["sizeGB"] = 0.0.into();
    world.exported(&run, &[empty]).await;
    let finished = world.snapshots().finish(&run, "0.1.0").await.unwrap();
    assert!(finished.warnings[0].contains("wrote no directory"), "{finished:?}");
    assert_eq!(manifest(&world, &run).await.tables[0].objects, 0);
}

#[tokio::test]
async fn the_commands_restore_either_form() {
    for (arn, says) in [
        (
            "arn:aws:rds:eu-central-1:111122223333:db:orders",
            "aws rds restore-db-instance-from-db-snapshot --region eu-central-1 \
             --db-instance-identifier orders-restored --db-snapshot-identifier autodump-orders-",
        ),
        (
            "arn:aws:rds:eu-central-1:111122223333:cluster:orders",
            "aws rds restore-db-cluster-from-snapshot --region eu-central-1 \
             --db-cluster-identifier orders-restored --engine aurora-postgresql \
             --snapshot-identifier arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:auto",
        ),
    ] {
        let world = World::of(arn);
        let run = world.run(1);
        world.finished(&run).await;
        let restore = manifest(&world, &run).await.restore;
        assert!(restore[0].starts_with("aws s3 sync s3://backups/rds/orders-"), "{restore:?}");
        assert!(restore[1].starts_with(says), "{restore:?}");
        // A cluster has no instance to begin with.
        let makes = restore.get(2).is_some_and(|last| last.contains("create-db-instance"));
        assert_eq!(makes, arn.contains(":cluster:"), "{restore:?}");
    }
    let world = World::of("arn:aws:rds:eu-central-1:111122223333:cluster:orders");
    let multi = Database {
        status: "available".to_owned(),
        engine: "postgres".to_owned(),
        engine_version: "15.4".to_owned(),
        cluster: None,
    };
    world.rds.put(&world.target, multi);
    world.finished(&world.run(1)).await;
    let restore = manifest(&world, &world.run(1)).await.restore;
    assert_eq!(restore.len(), 2);
    assert!(restore[1].ends_with("--db-cluster-instance-class CLASS"), "{restore:?}");
}
