//! Databases of RDS that are backed up by snapshots.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use autodump_core::snapshot::arn::DatabaseArn;
use autodump_local::api::Execution;
use autodump_local::rds::{Cell, ExportView, Script, SnapshotView, Table};
use autodump_local::{Fault, FaultRule};
use chrono::{Duration as Span, Utc};
use serde_json::{Value, json};

use crate::backups::Backup;
use crate::world::{Case, FAR, LIMIT, SCHEDULE, Target, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_tagged_instance_becomes_a_backup_by_snapshot),
    case!(two_runs_of_one_instance_do_not_meet),
    case!(the_newest_automated_snapshot_is_exported),
    case!(a_cluster_is_backed_up_in_part),
    case!(what_rds_leaves_out_is_told),
    case!(throttling_of_rds_is_waited_out),
];

/// How a run by snapshot ends.
pub(crate) const DONE: &str = "Backup complete";

/// A database of RDS.
pub(crate) struct Database {
    pub(crate) target: Target,
    pub(crate) arn: DatabaseArn,
}

impl Database {
    fn new(text: &str) -> Result<Self> {
        let arn = text.parse().map_err(|error| anyhow::anyhow!("{text} {error}"))?;
        Ok(Self { target: Target::of(text), arn })
    }

    pub(crate) fn snapshots(&self, world: &World) -> Vec<SnapshotView> {
        world.cloud.rds().snapshots(&self.arn)
    }

    pub(crate) fn exports(&self, world: &World) -> Vec<ExportView> {
        world.cloud.rds().exports(&self.arn)
    }

    /// Changes how things go with it.
    pub(crate) fn change(&self, world: &World, change: impl FnOnce(&mut Script)) {
        world.cloud.rds().change(&self.arn.name, change);
    }
}

/// All that a target needs, and these.
pub(crate) fn with_schedule<'a>(tags: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[(SCHEDULE, FAR)], tags].concat()
}

impl World {
    /// An instance with a schedule and these tags.
    pub(crate) async fn instance(&self, name: &str, tags: &[(&str, &str)]) -> Result<Database> {
        self.api().create_instance(name, &with_schedule(tags)).await?;
        Database::new(&format!("arn:aws:rds:us-east-1:123456789012:db:{name}"))
    }

    /// The same of the stack's source, which is another account in another region.
    pub(crate) async fn far_instance(&self, name: &str) -> Result<Database> {
        self.foreign().await?.create_instance(name, &with_schedule(&[])).await?;
        Database::new(&format!("arn:aws:rds:eu-west-1:222233334444:db:{name}"))
    }

    /// Runs a backup now, which is to end well.
    pub(crate) async fn backed_up_by_snapshot(&self, database: &Database) -> Result<Execution> {
        let run = self.run_now(&database.target).await?;
        self.succeeds_in(&run, DONE).await
    }

    /// Waits until a condition on the database holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn() -> bool) -> Result<()> {
        let begun = Instant::now();
        while !holds() {
            ensure!(begun.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// What a state put out each time it was left.
    async fn outputs_of(&self, run: &Execution, state: &str) -> Result<Vec<Value>> {
        let history = self.api().execution_history(&run.arn).await?;
        let left = history.iter().filter(|event| event.kind.ends_with("StateExited"));
        let left = left.filter(|event| event.state.as_deref() == Some(state));
        left.map(|event| {
            let output = event.event["stateExitedEventDetails"]["output"].as_str();
            Ok(serde_json::from_str(output.context("no output")?)?)
        })
        .collect()
    }
}

/// A table with so many rows.
fn table(name: &str, rows: usize) -> Table {
    let schema = "message m { required int64 id; optional binary name (STRING); }";
    let row = |n: i64| {
        let name = if n % 5 == 0 { Cell::Null } else { Cell::text(&format!("name of {n}")) };
        vec![Cell::Int(n), name]
    };
    Table::generated(name, schema, rows, row)
}

/// The manifest says of the data what is in the bucket, and of the rest what RDS says.
async fn assert_true(world: &World, database: &Database, backup: &Backup) -> Result<()> {
    let (manifest, bucket) = (&backup.manifest, world.bucket()?);
    let prefix = manifest["data"]["prefix"].as_str().context("no prefix")?;
    let all = world.api().list_objects(bucket, prefix).await?;
    let parts: Vec<_> = all.iter().filter(|object| object.key.ends_with(".parquet")).collect();
    let bytes: u64 = parts.iter().map(|object| object.bytes).sum();
    ensure!(manifest["data"]["objects"] == parts.len(), "{}", manifest["data"]);
    ensure!(manifest["data"]["bytes"] == bytes && bytes > 0, "{}", manifest["data"]);
    for table in manifest["tables"].as_array().context("no tables")? {
        let directory = format!("{prefix}{}", table["directory"].as_str().unwrap_or_default());
        let of_it = parts.iter().filter(|object| object.key.starts_with(&directory));
        ensure!(table["objects"] == of_it.count(), "{table}");
    }
    let exports = database.exports(world);
    let export = exports.iter().find(|export| manifest["export"]["task"] == export.name);
    let export = export.context("the manifest names an export that is not there")?;
    ensure!(manifest["snapshot"]["arn"] == export.source_arn, "{}", manifest["snapshot"]);
    ensure!(manifest["export"]["kmsKey"] == export.key, "{}", manifest["export"]);
    ensure!(export.bucket == bucket && prefix == format!("{}/{}/", export.prefix, export.name));
    ensure!(prefix.starts_with(&database.target.directory()), "{prefix}");
    ensure!(manifest["consistency"] == "snapshot" && manifest["format"] == "parquet");
    Ok(())
}

/// All steps were taken, and the progress of the export was seen.
async fn assert_stepped(world: &World, run: &Execution) -> Result<()> {
    let mut states = world.api().states_entered(&run.arn).await?;
    states.dedup();
    let steps = [
        "Plan the snapshot",
        "Make the snapshot",
        "Look at the snapshot",
        "Start the export",
        "Look at the export of the snapshot",
        "Write the manifest",
        "Prune the snapshots",
    ];
    let mut rest = states.iter();
    ensure!(steps.iter().all(|step| rest.any(|state| state == step)), "{states:?}");
    let looks = world.outputs_of(run, "Look at the export of the snapshot").await?;
    let progress: Vec<_> =
        looks.iter().filter_map(|look| look["export"]["progress"].as_u64()).collect();
    ensure!(progress.is_sorted() && progress.last() == Some(&100), "{progress:?}");
    ensure!(progress.iter().any(|percent| (1..100).contains(percent)), "{progress:?}");
    Ok(())
}

/// The whole way: the tag's event, the scanner, the plan, snapshot, export, manifest; twice.
async fn a_tagged_instance_becomes_a_backup_by_snapshot(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    world.api().create_instance("e2e-rds", &[("team", "shop")]).await?;
    let database = Database::new("arn:aws:rds:us-east-1:123456789012:db:e2e-rds")?;
    let tables = vec![
        table("shop.public.orders", 1000).in_batches(&[2, 1]),
        table("shop.public.empty", 0).in_batches(&[0]),
    ];
    let (making, exporting) = (Duration::from_secs(2), Duration::from_secs(4));
    let script = Script { making, exporting, tables, ..Script::default() };
    world.cloud.rds().script("e2e-rds", script);
    world.api().tag_database(&database.target.arn, &[(SCHEDULE, FAR)]).await?;
    world.wait_for_executions(&database.target, 1).await?;
    let run = world.backed_up_by_snapshot(&database).await?;
    assert_stepped(&world, &run).await?;
    let backup = world.one_backup(&database.target).await?;
    assert_true(&world, &database, &backup).await?;
    let tables = &backup.manifest["tables"];
    ensure!(tables[0]["name"] == "shop.public.orders" && tables[0]["objects"] == 3, "{tables}");
    ensure!(tables[1]["name"] == "shop.public.empty" && tables[1]["objects"] == 0, "{tables}");
    ensure!(backup.manifest["warnings"] == json!([]) && backup.manifest["skipped"] == json!([]));
    let [snapshot] = &database.snapshots(&world)[..] else { bail!("not one snapshot") };
    ensure!(snapshot.name.starts_with("autodump-e2e-rds-"), "{}", snapshot.name);
    let for_whom = snapshot.tags.get("autodump:made-for");
    ensure!(for_whom == Some(&database.target.arn), "{:?}", snapshot.tags);
    let directory = backup.key.trim_end_matches("manifest.json");
    ensure!(snapshot.tags.get("autodump:made-in").is_some_and(|known| known == directory));
    // The second run of a day is another one.
    world.backed_up_by_snapshot(&database).await?;
    let backups = world.backups(&database.target).await?;
    ensure!(backups.len() == 2 && database.snapshots(&world).len() == 2, "{backups:?}");
    for backup in &backups {
        assert_true(&world, &database, backup).await?;
    }
    world.next_run_waits(&database.target).await
}

/// RDS makes one snapshot of an instance at a time.
async fn two_runs_of_one_instance_do_not_meet(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let database = world.instance("e2e-rds-twice", &[]).await?;
    database.change(&world, |script| script.making = Duration::from_secs(2));
    let now = Utc::now();
    let first = world.start_at(&database.target, now).await?;
    let second = world.start_at(&database.target, now - Span::seconds(1)).await?;
    for run in [&first, &second] {
        world.succeeds_in(run, DONE).await?;
    }
    let backups = world.backups(&database.target).await?;
    ensure!(backups.len() == 2, "{} backups", backups.len());
    for backup in &backups {
        assert_true(&world, &database, backup).await?;
    }
    let exported: Vec<_> =
        database.exports(&world).into_iter().map(|export| export.source_arn).collect();
    ensure!(exported.len() == 2 && exported[0] != exported[1], "{exported:?}");
    Ok(())
}

async fn the_newest_automated_snapshot_is_exported(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let tags = [("autodump:snapshot", "automated")];
    let database = world.instance("e2e-rds-automated", &tags).await?;
    let run = world.run_now(&database.target).await?;
    let words = ["no automated snapshot", "Turn on its automated backups"];
    world.fails_in(&run, "Failed: snapshot (configuration)", &words).await?;
    let now = Utc::now();
    let rds = world.cloud.rds();
    let newest = rds.add_automated(&database.arn, now - Span::hours(3))?;
    rds.add_automated(&database.arn, now - Span::hours(27))?;
    let run = world.backed_up_by_snapshot(&database).await?;
    let states = world.api().states_entered(&run.arn).await?;
    ensure!(!states.iter().any(|state| state == "Make the snapshot"), "{states:?}");
    let backup = world.one_backup(&database.target).await?;
    assert_true(&world, &database, &backup).await?;
    let snapshot = &backup.manifest["snapshot"];
    ensure!(snapshot["arn"] == newest && snapshot["origin"] == "automated", "{snapshot}");
    let snapshots = database.snapshots(&world);
    ensure!(snapshots.len() == 2 && snapshots.iter().all(|one| one.automated), "{snapshots:?}");
    Ok(())
}

async fn a_cluster_is_backed_up_in_part(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let name = "e2e-rds-cluster";
    let tags = [("autodump:export-only", "shop.public.orders crm")];
    world.api().create_cluster(name, &with_schedule(&tags)).await?;
    let database = Database::new(&format!("arn:aws:rds:us-east-1:123456789012:cluster:{name}"))?;
    let tables = ["shop.public.orders", "shop.public.other", "crm.public.people"]
        .map(|name| table(name, 50));
    database.change(&world, |script| script.tables = tables.to_vec());
    world.backed_up_by_snapshot(&database).await?;
    let backup = world.one_backup(&database.target).await?;
    assert_true(&world, &database, &backup).await?;
    let tables = backup.manifest["tables"].as_array().context("no tables")?;
    let names: Vec<_> = tables.iter().filter_map(|table| table["name"].as_str()).collect();
    ensure!(names == ["shop.public.orders", "crm.public.people"], "{names:?}");
    ensure!(backup.manifest["snapshot"]["engine"] == "aurora-postgresql");
    ensure!(backup.manifest["export"]["only"] == json!(["shop.public.orders", "crm"]));
    let arn = backup.manifest["snapshot"]["arn"].as_str().unwrap_or_default();
    ensure!(arn.contains(":cluster-snapshot:autodump-e2e-rds-cluster-"), "{arn}");
    Ok(())
}

async fn what_rds_leaves_out_is_told(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let database = world.instance("e2e-rds-warns", &[]).await?;
    database.change(&world, |script| {
        script.warning = Some("Some tables were skipped".to_owned());
        script.tables = vec![
            table("shop.public.orders", 10).with_warning("A column was shortened"),
            Table::skipped("shop.public.a/b", "The name has a slash"),
            // An empty default database: nobody has to be told.
            Table::skipped("postgres", "No tables were found"),
        ];
    });
    let run = world.run_now(&database.target).await?;
    let run = world.succeeds_in(&run, "Backup complete, with warnings").await?;
    let told = &run.output["backup"]["warnings"];
    let expected = [
        "RDS left out shop.public.a/b: The name has a slash",
        "Some tables were skipped",
        "shop.public.orders: A column was shortened",
    ];
    ensure!(*told == json!(expected), "{}", run.output);
    let backup = world.one_backup(&database.target).await?;
    assert_true(&world, &database, &backup).await?;
    let skipped = &backup.manifest["skipped"];
    ensure!(skipped[1]["name"] == "postgres", "{skipped}");
    ensure!(
        skipped[0]["name"] == "shop.public.a/b" && skipped[0]["status"] == "SKIPPED",
        "{skipped}"
    );
    ensure!(backup.manifest["warnings"] == json!(["Some tables were skipped"]));
    ensure!(backup.manifest["tables"].as_array().map(Vec::len) == Some(1));
    Ok(())
}

/// What a run asks once is throttled at first, and all else each third time. The SDK waits some ten
/// seconds after each.
async fn throttling_of_rds_is_waited_out(world: Arc<World>) -> Result<()> {
    let _shared = world.rds.read().await;
    let name = "e2e-rds-throttled";
    let database = world.instance(name, &[("autodump:keep-snapshots", "1")]).await?;
    world.backed_up_by_snapshot(&database).await?;
    let faults = world.cloud.faults();
    let throttle = |operation| FaultRule::always(operation, name, Fault::SlowDown);
    let once = ["CreateDBSnapshot", "DeleteDBSnapshot", "StartExportTask"];
    let often = ["DescribeDBInstances", "DescribeDBSnapshots", "DescribeExportTasks"];
    let rules = once.map(|operation| throttle(operation).times(1)).into_iter();
    let rules = rules.chain(often.map(|operation| throttle(operation).each(3)));
    let rules: Vec<_> = rules.map(|rule| faults.add(rule)).collect();
    world.backed_up_by_snapshot(&database).await?;
    for rule in rules {
        faults.remove(rule);
    }
    let seen = faults.seen(name);
    for operation in once.into_iter().chain(often) {
        let throttled = seen.iter().any(|seen| seen.operation == operation && seen.faulted);
        ensure!(throttled, "{operation} was never throttled");
    }
    let snapshots = database.snapshots(&world);
    ensure!(snapshots.len() == 1, "{snapshots:?}");
    for backup in world.backups(&database.target).await? {
        assert_true(&world, &database, &backup).await?;
    }
    Ok(())
}
