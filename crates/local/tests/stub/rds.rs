//! RDS through the front door.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use autodump_core::snapshot::arn::DatabaseArn;
use autodump_local::api::Api;
use autodump_local::rds::{Cell, Script, Table};
use autodump_local::{ANY, Fault, FaultRule};
use serde_json::json;

use crate::events::told_of;
use crate::{Toy, Trials, until};

const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn add(trials: &mut Trials) {
    trials.add("boto3 makes snapshots and exports, and is refused as by RDS", boto3);
    trials.add("an export writes tables and tells of them", writes);
    trials.add("a sixth export is refused until one is cancelled", limits);
    trials.add("an export fails with its cause, and a snapshot may fail", failures);
    trials.add("requests of RDS fail as their rules say", faults);
    trials.add("tags of databases reach the rules and are listed", tags);
}

fn arn(region: &str, kind: &str, name: &str) -> Result<DatabaseArn> {
    let text = format!("arn:aws:rds:{region}:123456789012:{kind}:{name}");
    text.parse().map_err(|error| anyhow::anyhow!("{text} {error}"))
}

/// The error of a call that has to fail.
async fn refused(api: &Api, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
    let answer = api.rds(action, parameters).await;
    Ok(answer.err().with_context(|| format!("{action} was not refused"))?.to_string())
}

async fn make_key(api: &Api) -> Result<String> {
    let made = api.call("TrentService.CreateKey", &json!({})).await?;
    Ok(made["KeyMetadata"]["Arn"].as_str().context("no key")?.to_owned())
}

/// A snapshot of a new instance that is there.
async fn snapshot(toy: &Toy, api: &Api, of: &DatabaseArn) -> Result<String> {
    api.create_instance(&of.name, &[]).await?;
    let name = format!("{}-1", of.name);
    let asked = [("DBInstanceIdentifier", of.name.as_str()), ("DBSnapshotIdentifier", &name)];
    api.rds("CreateDBSnapshot", &asked).await?;
    let there = || toy.cloud.rds().snapshots(of).iter().any(|one| one.status == "available");
    until("the snapshot", LIMIT, there).await?;
    Ok(of.snapshot(&name))
}

async fn export(api: &Api, task: &str, source: &str, key: &str) -> Result<String> {
    let account = source.split(':').nth(4).unwrap_or_default();
    let role = format!("arn:aws:iam::{account}:role/toy");
    let asked = [
        ("ExportTaskIdentifier", task),
        ("SourceArn", source),
        ("S3BucketName", "toy-backups"),
        ("S3Prefix", "toy/export"),
        ("IamRoleArn", &role),
        ("KmsKeyId", key),
    ];
    api.rds("StartExportTask", &asked).await
}

async fn boto3(toy: Arc<Toy>) -> Result<()> {
    let row = |n| vec![Cell::Int(n), Cell::Null];
    let schema = "message m { required int32 id; optional binary name (STRING); }";
    let table = Table::generated("shop.public.orders", schema, 10, row).in_batches(&[2, 1]);
    for name in ["stub-boto3", "stub-boto3-cluster"] {
        let tables = vec![table.clone(), Table::skipped("shop.public.odd", "The name is odd")];
        let warning = Some("A table was skipped".to_owned());
        toy.cloud
            .rds()
            .script(name, Script { tables, warning, resting: LIMIT, ..Script::default() });
    }
    toy.boto3("databases.py").await
}

async fn writes(toy: Arc<Toy>) -> Result<()> {
    let (api, rds) = (toy.cloud.api(), toy.cloud.rds());
    let of = arn("us-east-1", "db", "stub-writes")?;
    let source = snapshot(&toy, api, &of).await?;
    let slow = Duration::from_secs(1);
    rds.change(&of.name, |script| script.exporting = slow);
    export(api, "stub-writes", &source, &make_key(api).await?).await?;
    let percent = || rds.exports(&of)[0].percent;
    until("some progress", LIMIT, || (1..100).contains(&percent())).await?;
    until("the end", LIMIT, || percent() == 100).await?;
    let root = "toy/export/stub-writes/";
    let objects = api.list_objects("toy-backups", root).await?;
    let names: Vec<_> = objects.iter().map(|object| object.key.replacen(root, "", 1)).collect();
    let [info, lists, success, part] = &names[..] else { anyhow::bail!("{names:?}") };
    ensure!(info == "export_info_stub-writes.json", "{info}");
    ensure!(lists == "export_tables_info_stub-writes_from_1_to_1.json", "{lists}");
    ensure!(success == "shop/public.example/1/_SUCCESS", "{success}");
    ensure!(part.starts_with("shop/public.example/1/part-00000-"), "{part}");
    let content = api.get_object("toy-backups", &objects[3].key).await?;
    ensure!(content.starts_with(b"PAR1") && content.ends_with(b"PAR1"), "{part} is no Parquet");
    told_of(api, toy.stack.undo_state_machine()?, &objects[2].key).await?;
    Ok(())
}

/// In an account of its own: other exports would count.
async fn limits(toy: Arc<Toy>) -> Result<()> {
    let role = "arn:aws:iam::333344445555:role/stub";
    let api = toy.cloud.api().assume(role).await?.in_region("eu-north-1");
    let rds = toy.cloud.rds();
    let key = make_key(&api).await?;
    let mut sources = Vec::new();
    for number in 0..6 {
        let text = format!("arn:aws:rds:eu-north-1:333344445555:db:stub-limit-{number}");
        let of: DatabaseArn = text.parse().map_err(|error| anyhow::anyhow!("{text} {error}"))?;
        rds.change(&of.name, |script| script.held = true);
        sources.push((snapshot(&toy, &api, &of).await?, of));
    }
    for (number, (source, _)) in sources[..5].iter().enumerate() {
        export(&api, &format!("stub-limit-{number}"), source, &key).await?;
    }
    let (last, first) = (&sources[5], &sources[0]);
    let sixth = export(&api, "stub-limit-5", &last.0, &key).await;
    let sixth = sixth.err().context("six run")?.to_string();
    ensure!(sixth.contains("ExportTaskLimitExceeded"), "{sixth}");
    let task = [("ExportTaskIdentifier", "stub-limit-0")];
    let answer = api.rds("CancelExportTask", &task).await?;
    ensure!(answer.contains("<Status>CANCELING</Status>"), "{answer}");
    let again = refused(&api, "CancelExportTask", &task).await?;
    ensure!(again.contains("InvalidExportTaskStateFault"), "{again}");
    // It counts until it has ended.
    let cancelled = || rds.exports(&first.1)[0].status == "CANCELED";
    until("the cancelled export", LIMIT, cancelled).await?;
    export(&api, "stub-limit-5", &last.0, &key).await?;
    ensure!(rds.most_running() == 5, "{} at once", rds.most_running());
    let written = api.list_objects("toy-backups", "toy/export/stub-limit-0/").await?;
    ensure!(written.is_empty(), "{written:?}");
    for (_, of) in &sources {
        rds.change(&of.name, |script| script.held = false);
    }
    let over = || rds.exports(&last.1)[0].status == "COMPLETE";
    until("the sixth export", LIMIT, over).await
}

async fn failures(toy: Arc<Toy>) -> Result<()> {
    let (api, rds) = (toy.cloud.api(), toy.cloud.rds());
    let of = arn("us-east-1", "db", "stub-fails")?;
    let source = snapshot(&toy, api, &of).await?;
    rds.change(&of.name, |script| script.failure = Some("The role is wrong".to_owned()));
    export(api, "stub-fails", &source, &make_key(api).await?).await?;
    let failed = || rds.exports(&of)[0].status == "FAILED";
    until("the failure", LIMIT, failed).await?;
    let told = api.rds("DescribeExportTasks", &[("ExportTaskIdentifier", "stub-fails")]).await?;
    ensure!(told.contains("<FailureCause>The role is wrong</FailureCause>"), "{told}");
    ensure!(api.list_objects("toy-backups", "toy/export/stub-fails/").await?.is_empty());
    rds.change(&of.name, |script| script.making_fails = true);
    let asked = [("DBInstanceIdentifier", "stub-fails"), ("DBSnapshotIdentifier", "stub-fails-2")];
    api.rds("CreateDBSnapshot", &asked).await?;
    until("it", LIMIT, || rds.snapshots(&of)[1].status == "failed").await?;
    let unknown = export(api, "stub-fails-2", &source, "arn:aws:kms:us-east-1:123456789012:key/0");
    let unknown = unknown.await.err().context("no such key")?.to_string();
    ensure!(unknown.contains("KMSKeyNotAccessibleFault"), "{unknown}");
    Ok(())
}

async fn faults(toy: Arc<Toy>) -> Result<()> {
    let (api, faults) = (toy.cloud.api(), toy.cloud.faults());
    api.create_instance("stub-faults", &[]).await?;
    let look = [("DBInstanceIdentifier", "stub-faults")];
    let rule = FaultRule::always(ANY, "stub-faults", Fault::SlowDown).each(3);
    let rule = faults.add(rule);
    for turn in 1..=6 {
        let answer = api.rds("DescribeDBInstances", &look).await;
        ensure!(answer.is_err() == (turn % 3 == 0), "request {turn}: {answer:?}");
        let said = answer.err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(turn % 3 > 0 || said.contains("<Code>Throttling</Code>"), "{said}");
    }
    faults.remove(rule);
    let make = [("DBInstanceIdentifier", "stub-faults"), ("DBSnapshotIdentifier", "stub-faults-1")];
    let rule = FaultRule::always("CreateDBSnapshot", "stub-faults", Fault::LoseAnswer);
    let rule = faults.add(rule);
    ensure!(api.rds("CreateDBSnapshot", &make).await.is_err(), "the answer came");
    faults.remove(rule);
    let again = refused(api, "CreateDBSnapshot", &make).await?;
    ensure!(again.contains("DBSnapshotAlreadyExists"), "{again}");
    ensure!(faults.count("CreateDBSnapshot", "stub-faults") == 2);
    Ok(())
}

async fn tags(toy: Arc<Toy>) -> Result<()> {
    let api = toy.cloud.api();
    let tag = [("autodump:size", "small")];
    api.create_instance("stub-tags", &tag).await?;
    api.create_cluster("stub-tags", &[("made-by", "stub")]).await?;
    let role = "arn:aws:iam::222233334444:role/autodump-source";
    let there = api.assume(role).await?.in_region("eu-west-1");
    there.create_instance("stub-tags", &tag).await?;
    let (instance, cluster) =
        (arn("us-east-1", "db", "stub-tags")?, arn("us-east-1", "cluster", "stub-tags")?);
    let log = || toy.cloud.function_log(&toy.function("Events").unwrap_or_default());
    let told = |arn: &DatabaseArn| {
        let arn = format!("\"{arn}\"");
        log().lines().filter(|line| line.contains("Tag Change") && line.contains(&arn)).count()
    };
    until("the event", LIMIT, || told(&instance) == 1).await?;
    api.tag_database(&cluster.to_string(), &tag).await?;
    until("the second event", LIMIT, || told(&cluster) == 1).await?;
    let cluster = cluster.to_string();
    let remove = [("ResourceName", cluster.as_str()), ("TagKeys.member.1", "made-by")];
    api.rds("RemoveTagsFromResource", &remove).await?;
    let left = api.rds("ListTagsForResource", &[("ResourceName", &cluster)]).await?;
    ensure!(left.contains("autodump:size") && !left.contains("made-by"), "{left}");
    ensure!(tagged(api, "autodump:size").await? == [instance.to_string(), cluster]);
    let far = ["arn:aws:rds:eu-west-1:222233334444:db:stub-tags"];
    ensure!(tagged(&there, "autodump:size").await? == far);
    ensure!(told(&instance) == 1, "the other account's instance is another one");
    Ok(())
}

/// The databases named stub-tags that have a tag.
async fn tagged(api: &Api, key: &str) -> Result<Vec<String>> {
    let asked = json!({
        "ResourceTypeFilters": ["dynamodb:table", "rds:db", "rds:cluster"],
        "TagFilters": [{"Key": key}],
    });
    let page = api.call("ResourceGroupsTaggingAPI_20170126.GetResources", &asked).await?;
    let list = page["ResourceTagMappingList"].as_array().context("no list")?;
    let found = list.iter().filter_map(|one| one["ResourceARN"].as_str());
    Ok(found.filter(|arn| arn.ends_with(":stub-tags")).map(str::to_owned).collect())
}
