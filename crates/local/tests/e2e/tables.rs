//! Tables that are backed up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use autodump_local::api::Api;
use autodump_local::{Fault, FaultRule};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::backups::Backup;
use crate::table_items::{
    FOREIGN_ROLE, assert_same, call, item, items, long_item, make, of_lines, plain, write,
};
use crate::table_restores::definition;
use crate::world::{Case, FAR, SCHEDULE, Target, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_tagged_table_becomes_a_backup_that_dynamodb_imports),
    case!(a_table_is_read_by_several_jobs),
    case!(an_export_of_a_table_becomes_a_backup),
    case!(a_table_of_another_account_is_backed_up),
    case!(throttling_of_a_table_is_waited_out),
    case!(empty_tables_and_large_items_are_backed_up),
    case!(a_table_may_grow_while_it_is_read),
    case!(two_runs_of_one_table_do_not_meet),
];

impl World {
    /// The items of the one backup of a table, from its data objects alone.
    pub(crate) async fn backed_up(&self, backup: &Backup) -> Result<BTreeMap<String, Value>> {
        let mut all = BTreeMap::new();
        for object in backup.manifest["objects"].as_array().context("no objects")? {
            let key = object["key"].as_str().context("no key")?;
            let bytes = self.api().get_object(self.bucket()?, key).await?;
            ensure!(object["bytes"] == bytes.len(), "{object}");
            let before = all.len();
            let text = String::from_utf8(zstd::decode_all(&bytes[..])?)?;
            of_lines(&text, &mut all)?;
            ensure!(object["items"] == all.len() - before, "{object}");
        }
        ensure!(backup.manifest["items"] == all.len(), "{}", backup.manifest["items"]);
        Ok(all)
    }

    /// Tells EventBridge that a tag of a table changed.
    fn tag_event(&self, table: &Target) {
        self.cloud.publish(&json!({
            "source": "aws.tag",
            "detail-type": "Tag Change on Resource",
            "resources": [table.arn],
            "detail": {
                "changed-tag-keys": [SCHEDULE],
                "service": "dynamodb",
                "resource-type": "table",
            },
        }));
    }

    /// Restores a backup with nothing but its own files and `ImportTable`, under another name.
    async fn imported(&self, api: &Api, backup: &Backup, name: &str) -> Result<()> {
        let directory = backup.key.trim_end_matches("manifest.json");
        let key = format!("{directory}import-table.json");
        let mut input: Value =
            serde_json::from_slice(&self.api().get_object(self.bucket()?, &key).await?)?;
        input["TableCreationParameters"]["TableName"] = json!(name);
        let begun = call(api, "ImportTable", &input).await?;
        let arn = begun["ImportTableDescription"]["ImportArn"].clone();
        loop {
            let now = call(api, "DescribeImport", &json!({"ImportArn": arn})).await?;
            match now["ImportTableDescription"]["ImportStatus"].as_str() {
                Some("IN_PROGRESS") => sleep(Duration::from_millis(200)).await,
                Some("COMPLETED") => return Ok(()),
                _ => anyhow::bail!("{now}"),
            }
        }
    }
}

/// The whole way: the tag's event, the scanner, the plan, the scan; and back by hand.
async fn a_tagged_table_becomes_a_backup_that_dynamodb_imports(world: Arc<World>) -> Result<()> {
    const ITEMS: u64 = 100_000;
    let mut create = plain("e2e-whole");
    let attributes = create["AttributeDefinitions"].as_array_mut().context("attributes")?;
    attributes.push(json!({"AttributeName": "state", "AttributeType": "S"}));
    create["GlobalSecondaryIndexes"] = json!([{
        "IndexName": "by-state",
        "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }]);
    let api = world.api();
    let table = make(api, &create, &[]).await?;
    let expires = json!({"TableName": "e2e-whole",
        "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "expires"}});
    call(api, "UpdateTimeToLive", &expires).await?;
    write(api, "e2e-whole", (0..ITEMS).map(item)).await?;
    let tags = json!({"ResourceArn": table.arn, "Tags": [
        {"Key": SCHEDULE, "Value": FAR}, {"Key": "team", "Value": "shop"}]});
    call(api, "TagResource", &tags).await?;
    world.tag_event(&table);
    world.wait_for_executions(&table, 1).await?;
    let run = world.run_now(&table).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    let states = api.states_entered(&run.arn).await?;
    ensure!(
        states
            == [
                "Wait until the start",
                "Check the tags",
                "Tags unchanged?",
                "Schedule the next run",
                "Could the tags be checked?",
                "Is it a table?",
                "Plan the backup",
                "How is the table read?",
                "Back up the table",
                "Verify this backup?",
                "Replicate the table?",
                "Next run scheduled?",
                "Backup complete",
            ],
        "{states:?}"
    );
    let backup = world.one_backup(&table).await?;
    ensure!(backup.manifest["items"] == ITEMS, "{}", backup.manifest["items"]);
    ensure!(backup.manifest["method"]["kind"] == "scan", "{}", backup.manifest["method"]);
    ensure!(backup.manifest["consistency"] == "eventual");
    let expected = items(api, "e2e-whole").await?;
    assert_same(&expected, &world.backed_up(&backup).await?)?;
    // Nothing of the state is left but what says how it went.
    let objects = world.objects(&table).await?;
    ensure!(!objects.iter().any(|object| object.key.contains("/journal-")), "{objects:?}");
    let directory = backup.key.trim_end_matches("manifest.json");
    let kept = api.get_object(world.bucket()?, &format!("{directory}table.json")).await?;
    let kept: Value = serde_json::from_slice(&kept)?;
    ensure!(kept["timeToLive"]["AttributeName"] == "expires", "{kept}");
    ensure!(kept["tags"].as_array().is_some_and(|tags| tags.len() == 2), "{kept}");
    it_comes_back_elsewhere(&world, &backup, &expected).await
}

/// In another account and region, with AWS's own means and with AutoDump.
async fn it_comes_back_elsewhere(
    world: &World,
    backup: &Backup,
    expected: &BTreeMap<String, Value>,
) -> Result<()> {
    let foreign = world.foreign().await?;
    world.imported(&foreign, backup, "e2e-whole-again").await?;
    assert_same(expected, &items(&foreign, "e2e-whole-again").await?)?;
    let made = call(&foreign, "DescribeTable", &json!({"TableName": "e2e-whole-again"})).await?;
    ensure!(made["Table"]["GlobalSecondaryIndexes"][0]["IndexName"] == "by-state", "{made}");
    let to = "arn:aws:dynamodb:eu-west-1:222233334444:table/e2e-whole-written";
    let far = ["--to", to, "--role-arn", FOREIGN_ROLE, "--method", "write"];
    world.restored(backup, &far).await?;
    assert_same(expected, &items(&foreign, "e2e-whole-written").await?)?;
    let restored = definition(&foreign, "e2e-whole-written").await?;
    ensure!(definition(world.api(), "e2e-whole").await? == restored, "{restored}");
    Ok(())
}

async fn a_table_is_read_by_several_jobs(world: Arc<World>) -> Result<()> {
    let tags = [(SCHEDULE, FAR), ("autodump:jobs", "3"), ("autodump:segments", "7")];
    let table = world.table("e2e-jobs", &tags).await?;
    write(world.api(), "e2e-jobs", (0..3000).map(item)).await?;
    let run = world.run_now(&table).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    let states = world.api().states_entered(&run.arn).await?;
    let read = states.iter().position(|state| state == "Read the table in parallel");
    let end = states.iter().position(|state| state == "Back up the table");
    ensure!(read.is_some() && read < end, "{states:?}");
    let backup = world.one_backup(&table).await?;
    let method = &backup.manifest["method"];
    ensure!(method["segments"] == 7 && method["jobs"] == 3, "{method}");
    assert_same(&items(world.api(), "e2e-jobs").await?, &world.backed_up(&backup).await?)
}

async fn an_export_of_a_table_becomes_a_backup(world: Arc<World>) -> Result<()> {
    let table = world.table("e2e-export", &[(SCHEDULE, FAR)]).await?;
    write(world.api(), "e2e-export", (0..2000).map(item)).await?;
    let recovery = json!({"TableName": "e2e-export",
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}});
    call(world.api(), "UpdateContinuousBackups", &recovery).await?;
    let expected = items(world.api(), "e2e-export").await?;
    let run = world.run_now(&table).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    let states = world.api().states_entered(&run.arn).await?;
    ensure!(states.iter().any(|state| state == "Look at the export"), "{states:?}");
    ensure!(world.cloud.faults().count("Scan", "\"e2e-export\",\"Segment\"") == 0);
    let backup = world.one_backup(&table).await?;
    ensure!(backup.manifest["consistency"] == "point-in-time", "{}", backup.manifest);
    ensure!(backup.manifest["items"] == 2000, "{}", backup.manifest["items"]);
    world.imported(world.api(), &backup, "e2e-export-again").await?;
    assert_same(&expected, &items(world.api(), "e2e-export-again").await?)?;
    let source = definition(world.api(), "e2e-export").await?;
    for method in ["import", "write"] {
        let name = format!("e2e-export-{method}");
        world.restored(&backup, &["--to", &name, "--method", method]).await?;
        assert_same(&expected, &items(world.api(), &name).await?)?;
        let restored = definition(world.api(), &name).await?;
        ensure!(source == restored, "by {method}: {source}\n{restored}");
    }
    Ok(())
}

async fn a_table_of_another_account_is_backed_up(world: Arc<World>) -> Result<()> {
    let foreign = world.foreign().await?;
    let tags = [(SCHEDULE, FAR), ("autodump:compression", "zstd:3")];
    let table = make(&foreign, &plain("e2e-foreign"), &tags).await?;
    ensure!(table.arn.contains(":eu-west-1:222233334444:"), "{}", table.arn);
    write(&foreign, "e2e-foreign", (0..500).map(item)).await?;
    // A table of the same name here is another one.
    let own = world.table("e2e-foreign", &[(SCHEDULE, FAR)]).await?;
    // The scan that comes every minute finds it.
    world.wait_for_executions(&table, 1).await?;
    let run = world.run_now(&table).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    let backup = world.one_backup(&table).await?;
    ensure!(backup.manifest["method"]["compression"] == "zstd:3");
    assert_same(&items(&foreign, "e2e-foreign").await?, &world.backed_up(&backup).await?)?;
    ensure!(world.backups(&own).await?.is_empty());
    Ok(())
}

async fn throttling_of_a_table_is_waited_out(world: Arc<World>) -> Result<()> {
    let tags = [(SCHEDULE, FAR), ("autodump:segments", "4")];
    let table = world.table("e2e-throttled", &tags).await?;
    write(world.api(), "e2e-throttled", (0..4000).map(long_item)).await?;
    let expected = items(world.api(), "e2e-throttled").await?;
    let rule = FaultRule::always("Scan", "\"e2e-throttled\",\"Segment\"", Fault::SlowDown).each(3);
    let id = world.cloud.faults().add(rule);
    let run = world.run_now(&table).await?;
    world.succeeds_in(&run, "Backup complete").await?;
    world.cloud.faults().remove(id);
    let seen = world.cloud.faults().seen("\"e2e-throttled\",\"Segment\"");
    ensure!(seen.iter().filter(|seen| seen.faulted).count() >= 3, "{} requests", seen.len());
    ensure!(world.jobs_of(&run)[0].attempts.len() == 1);
    assert_same(&expected, &world.backed_up(&world.one_backup(&table).await?).await?)
}

async fn empty_tables_and_large_items_are_backed_up(world: Arc<World>) -> Result<()> {
    let empty = world.table("e2e-empty", &[(SCHEDULE, FAR)]).await?;
    let large = world.table("e2e-large", &[(SCHEDULE, FAR)]).await?;
    // 400 KiB is the most: names and values, and the keys.
    let sized = |n: u64, bytes: usize| json!({"id": {"S": "large"}, "n": {"N": n.to_string()}, "x": {"S": "x".repeat(bytes)}});
    write(world.api(), "e2e-large", [sized(1, 400 * 1024 - 20), sized(2, 1)]).await?;
    let runs = [world.run_now(&empty).await?, world.run_now(&large).await?];
    for run in &runs {
        world.succeeds_in(run, "Backup complete").await?;
    }
    let backup = world.one_backup(&empty).await?;
    ensure!(backup.manifest["items"] == 0 && backup.manifest["objects"] == json!([]));
    let commands = backup.manifest["restore"].to_string();
    ensure!(commands.contains("aws dynamodb create-table"), "{commands}");
    world.restored(&backup, &["--to", "e2e-empty-again"]).await?;
    let made = definition(world.api(), "e2e-empty-again").await?;
    ensure!(made == definition(world.api(), "e2e-empty").await?, "{made}");
    let backup = world.one_backup(&large).await?;
    let expected = items(world.api(), "e2e-large").await?;
    assert_same(&expected, &world.backed_up(&backup).await?)?;
    world.restored(&backup, &["--to", "e2e-large-again"]).await?;
    assert_same(&expected, &items(world.api(), "e2e-large-again").await?)
}

async fn a_table_may_grow_while_it_is_read(world: Arc<World>) -> Result<()> {
    let table = world.table("e2e-grows", &[(SCHEDULE, FAR), ("autodump:segments", "2")]).await?;
    write(world.api(), "e2e-grows", (0..5000).map(item)).await?;
    let before = items(world.api(), "e2e-grows").await?;
    let pause = Fault::Delay(Duration::from_millis(300));
    let id =
        world.cloud.faults().add(FaultRule::always("Scan", "\"e2e-grows\",\"Segment\"", pause));
    let run = world.run_now(&table).await?;
    let mut next = 5000;
    while !world.api().describe_execution(&run.arn).await?.has_ended() {
        write(world.api(), "e2e-grows", (next..next + 50).map(item)).await?;
        next += 50;
        sleep(Duration::from_millis(20)).await;
    }
    world.cloud.faults().remove(id);
    world.succeeds_in(&run, "Backup complete").await?;
    let found = world.backed_up(&world.one_backup(&table).await?).await?;
    for (key, item) in &before {
        ensure!(found.get(key) == Some(item), "{key} was there from the beginning");
    }
    let after = items(world.api(), "e2e-grows").await?;
    ensure!(found.iter().all(|(key, item)| after.get(key) == Some(item)), "an item of nowhere");
    ensure!(next > 5050, "nothing was written meanwhile");
    Ok(())
}

async fn two_runs_of_one_table_do_not_meet(world: Arc<World>) -> Result<()> {
    let table = world.table("e2e-twice", &[(SCHEDULE, FAR)]).await?;
    write(world.api(), "e2e-twice", (0..3000).map(item)).await?;
    let now = chrono::Utc::now();
    let first = world.start_at(&table, now).await?;
    let second = world.start_at(&table, now - chrono::Duration::seconds(1)).await?;
    for run in [&first, &second] {
        world.succeeds_in(run, "Backup complete").await?;
    }
    let backups = world.backups(&table).await?;
    ensure!(backups.len() == 2, "{} backups", backups.len());
    let expected = items(world.api(), "e2e-twice").await?;
    for backup in &backups {
        assert_same(&expected, &world.backed_up(backup).await?)?;
    }
    Ok(())
}
