//! Tables that are restored, by the state machine and by the command line.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use autodump_local::api::Api;
use autodump_local::{Fault, FaultRule};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::backups::Backup;
use crate::table_items::{assert_same, call, item, items, make, plain, write};
use crate::world::{Case, FAR, SCHEDULE, Target, World, case};

pub(crate) const CASES: &[Case] = &[
    case!(a_table_is_restored_in_another_account_and_region),
    case!(a_table_that_has_items_is_refused_unless_it_is_asked_for),
    case!(a_table_of_production_is_replicated),
    case!(the_command_line_restores_a_table_that_throttles),
];

impl World {
    /// The program `autodump` with these arguments, against the local cloud.
    pub(crate) async fn autodump(&self, arguments: &[&str]) -> Result<Output> {
        static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
        let program = BUILT.get_or_try_init(|| async { built() }).await?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("AWS_ENDPOINT_URL", self.cloud.endpoint())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local");
        Ok(tokio::task::spawn_blocking(move || command.output()).await??)
    }

    /// Restores a backup by the command line.
    pub(crate) async fn restored(&self, backup: &Backup, arguments: &[&str]) -> Result<()> {
        let url = backup.url(self)?;
        let done = self.autodump(&[&["restore", &url], arguments].concat()).await?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    async fn backup_of(&self, table: &Target) -> Result<Backup> {
        let run = self.run_now(table).await?;
        self.succeeds_in(&run, "Backup complete").await?;
        self.one_backup(table).await
    }
}

/// The program as it is in this checkout.
fn built() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = Command::new(cargo)
        .args(["build", "--quiet", "--package", "autodump-cli", "--message-format=json"])
        .output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let messages = String::from_utf8(done.stdout)?;
    let program = messages.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    program.context("cargo built no program")
}

/// A table with all that it can have on the local cloud.
fn whole(name: &str) -> Value {
    let mut create = plain(name);
    let state = json!({"AttributeName": "state", "AttributeType": "S"});
    create["AttributeDefinitions"].as_array_mut().expect("a list").push(state);
    create["BillingMode"] = json!("PROVISIONED");
    create["ProvisionedThroughput"] = json!({"ReadCapacityUnits": 4000, "WriteCapacityUnits": 900});
    create["GlobalSecondaryIndexes"] = json!([{
        "IndexName": "by-state",
        "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["text"]},
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
    }]);
    create["LocalSecondaryIndexes"] = json!([{
        "IndexName": "states",
        "KeySchema": [
            {"AttributeName": "id", "KeyType": "HASH"},
            {"AttributeName": "state", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }]);
    create["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"});
    create["TableClass"] = json!("STANDARD_INFREQUENT_ACCESS");
    create["DeletionProtectionEnabled"] = json!(true);
    create
}

/// What has to be the same of two tables.
pub(crate) async fn definition(api: &Api, name: &str) -> Result<Value> {
    let asked = json!({"TableName": name});
    let mut table = call(api, "DescribeTable", &asked).await?["Table"].take();
    let ttl = call(api, "DescribeTimeToLive", &asked).await?["TimeToLiveDescription"].take();
    let recovery = call(api, "DescribeContinuousBackups", &asked).await?;
    let arn = table["TableArn"].take();
    let tags = call(api, "ListTagsOfResource", &json!({"ResourceArn": arn})).await?["Tags"].take();
    let mut tags: Vec<_> =
        tags.as_array().context("no tags")?.iter().map(Value::to_string).collect();
    tags.retain(|tag| !tag.contains("autodump:restore-target"));
    tags.sort();
    for list in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        for index in table[list].as_array_mut().into_iter().flatten() {
            let index = index.as_object_mut().context("no index")?;
            index.retain(|name, _| {
                ["IndexName", "KeySchema", "Projection"].contains(&name.as_str())
            });
        }
    }
    let mut attributes: Vec<_> = table["AttributeDefinitions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(Value::to_string)
        .collect();
    attributes.sort();
    let units = |name: &str| table["ProvisionedThroughput"][name].clone();
    Ok(json!({
        "attributes": attributes, "keys": table["KeySchema"], "stream": table["StreamSpecification"],
        "global": table["GlobalSecondaryIndexes"], "local": table["LocalSecondaryIndexes"],
        "class": table["TableClassSummary"]["TableClass"], "protected": table["DeletionProtectionEnabled"],
        "units": [units("ReadCapacityUnits"), units("WriteCapacityUnits")], "ttl": ttl, "tags": tags,
        "recovery": recovery["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
    }))
}

async fn a_table_is_restored_in_another_account_and_region(world: Arc<World>) -> Result<()> {
    let (api, foreign) = (world.api(), world.foreign().await?);
    let tags = [(SCHEDULE, FAR), ("autodump:method", "scan"), ("team", "shop")];
    let table = make(api, &whole("e2e-restorable"), &tags).await?;
    let named = |field: &str, value: Value| json!({"TableName": "e2e-restorable", field: value});
    let ttl = json!({"Enabled": true, "AttributeName": "expires"});
    call(api, "UpdateTimeToLive", &named("TimeToLiveSpecification", ttl)).await?;
    let recovery = json!({"PointInTimeRecoveryEnabled": true});
    call(api, "UpdateContinuousBackups", &named("PointInTimeRecoverySpecification", recovery))
        .await?;
    write(api, "e2e-restorable", (0..5000).map(item)).await?;
    let backup = world.backup_of(&table).await?;
    let to = "arn:aws:dynamodb:eu-west-1:222233334444:table/e2e-restored";
    let input = json!({"manifest": backup.url(&world)?, "to": to, "options": {"workers": 7}});
    let machine = world.stack.restore_state_machine()?;
    let run = api.start_execution(machine, "e2e-table-restored", &input).await?;
    let run = api.describe_execution(&run).await?;
    world.succeeds_in(&run, "Restore complete").await?;
    let expected = items(api, "e2e-restorable").await?;
    assert_same(&expected, &items(&foreign, "e2e-restored").await?)?;
    let source = definition(api, "e2e-restorable").await?;
    let restored = definition(&foreign, "e2e-restored").await?;
    ensure!(source == restored, "{source}\n{restored}");
    ensure!(
        source["protected"] == true && source["ttl"]["TimeToLiveStatus"] == "ENABLED",
        "{source}"
    );
    Ok(())
}

async fn a_table_that_has_items_is_refused_unless_it_is_asked_for(world: Arc<World>) -> Result<()> {
    let api = world.api();
    let table = world.table("e2e-source", &[(SCHEDULE, FAR)]).await?;
    write(api, "e2e-source", (0..300).map(item)).await?;
    let backup = world.backup_of(&table).await?;
    make(api, &plain("e2e-filled"), &[("autodump:restore-target", "yes")]).await?;
    write(api, "e2e-filled", (250..400).map(item)).await?;
    let before = items(api, "e2e-filled").await?;
    let machine = world.stack.restore_state_machine()?;
    let mut input = json!({"manifest": backup.url(&world)?, "to": "e2e-filled"});
    let run = api.start_execution(machine, "e2e-table-refused", &input).await?;
    let run = api.describe_execution(&run).await?;
    world.fails_in(&run, "Failed: configuration", &["exit code 10"]).await?;
    ensure!(world.job_log(&run).contains("items"), "{}", world.job_log(&run));
    assert_same(&before, &items(api, "e2e-filled").await?)?;
    input["options"] = json!({"intoExisting": true});
    let run = api.start_execution(machine, "e2e-table-into", &input).await?;
    world.succeeds_in(&api.describe_execution(&run).await?, "Restore complete").await?;
    let mut expected = items(api, "e2e-source").await?;
    expected.extend(before);
    assert_same(&expected, &items(api, "e2e-filled").await?)
}

/// Two runs: the first makes the copy, the second deletes from it what is gone in production.
async fn a_table_of_production_is_replicated(world: Arc<World>) -> Result<()> {
    let (api, foreign) = (world.api(), world.foreign().await?);
    let tags = [(SCHEDULE, FAR), ("autodump:replicate", "yes"), ("team", "shop")];
    let table = make(&foreign, &plain("e2e-replicated"), &tags).await?;
    write(&foreign, "e2e-replicated", (0..1000).map(item)).await?;
    for step in 0..2 {
        let run = world.run_now(&table).await?;
        world.succeeds_in(&run, "Backup complete").await?;
        let states = api.states_entered(&run.arn).await?;
        ensure!(states.iter().any(|state| state == "Replicate the table"), "{states:?}");
        let expected = items(&foreign, "e2e-replicated").await?;
        ensure!(expected.len() == 1000 - step * 10, "{} items", expected.len());
        assert_same(&expected, &items(api, "e2e-replicated").await?)?;
        for number in 0..10 {
            let item = item(number);
            let key = json!({"id": item["id"], "n": item["n"]});
            let input = json!({"TableName": "e2e-replicated", "Key": key});
            call(&foreign, "DeleteItem", &input).await?;
        }
    }
    let copy = definition(api, "e2e-replicated").await?;
    ensure!(copy["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{copy}");
    Ok(())
}

/// Every third write is throttled, and of some only half is done.
async fn the_command_line_restores_a_table_that_throttles(world: Arc<World>) -> Result<()> {
    let table = world.table("e2e-cli", &[(SCHEDULE, FAR)]).await?;
    write(world.api(), "e2e-cli", (0..2000).map(item)).await?;
    let backup = world.backup_of(&table).await?;
    let faults = world.cloud.faults();
    let rules = [
        faults.add(FaultRule::always("BatchWriteItem", "e2e-cli-again", Fault::SlowDown).each(3)),
        faults.add(FaultRule::always("BatchWriteItem", "e2e-cli-again", Fault::HalfDone).each(5)),
    ];
    let url = backup.url(&world)?;
    let done = world.autodump(&["restore", &url, "--to", "e2e-cli-again"]).await?;
    for rule in rules {
        faults.remove(rule);
    }
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    ensure!(done.status.success() && said.contains("2000"), "{said}");
    let seen = faults.seen("e2e-cli-again");
    ensure!(seen.iter().filter(|seen| seen.faulted).count() > 20, "{} requests", seen.len());
    assert_same(&items(world.api(), "e2e-cli").await?, &items(world.api(), "e2e-cli-again").await?)
}
