//! DynamoDB through the front door: other accounts and regions, and faults.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use autodump_local::api::Api;
use autodump_local::{Fault, FaultRule};
use serde_json::{Value, json};

use crate::{Toy, Trials};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("tables of other accounts and regions are others", accounts);
    trials.add("boto3 works with a role of another account", boto3);
    trials.add("requests on a table fail as its rules say", faults);
    trials.add("half of a batch is left when a rule says so", half);
}

async fn call(api: &Api, operation: &str, input: Value) -> Result<Value> {
    api.call(&format!("DynamoDB_20120810.{operation}"), &input).await
}

async fn make(api: &Api, table: &str) -> Result<()> {
    let input = json!({
        "TableName": table,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "Tags": [{"Key": "made-by", "Value": "stub"}],
    });
    call(api, "CreateTable", input).await.map(drop)
}

async fn write(api: &Api, table: &str, ids: &[&str]) -> Result<Value> {
    let puts: Vec<Value> =
        ids.iter().map(|id| json!({"PutRequest": {"Item": {"id": {"S": id}}}})).collect();
    call(api, "BatchWriteItem", json!({"RequestItems": {table: puts}})).await
}

async fn count(api: &Api, table: &str) -> Result<u64> {
    let page = call(api, "Scan", json!({"TableName": table})).await?;
    page["Count"].as_u64().context("no count")
}

async fn accounts(toy: Arc<Toy>) -> Result<()> {
    let here = toy.cloud.api();
    let role = "arn:aws:iam::222233334444:role/autodump-source";
    let there = here.assume(role).await?.in_region("eu-west-1");
    make(here, "stub-accounts").await?;
    make(&there, "stub-accounts").await?;
    write(&there, "stub-accounts", &["1", "2"]).await?;
    ensure!(count(here, "stub-accounts").await? == 0 && count(&there, "stub-accounts").await? == 2);
    let found = call(&there, "DescribeTable", json!({"TableName": "stub-accounts"})).await?;
    let arn = "arn:aws:dynamodb:eu-west-1:222233334444:table/stub-accounts";
    ensure!(found["Table"]["TableArn"] == arn, "{found}");
    let asked = json!({
        "ResourceTypeFilters": ["dynamodb:table"],
        "TagFilters": [{"Key": "made-by", "Values": ["stub"]}],
    });
    let tagged = there.call("ResourceGroupsTaggingAPI_20170126.GetResources", &asked).await?;
    let tables = tagged["ResourceTagMappingList"].as_array().context("no list")?;
    ensure!(tables.len() == 1 && tables[0]["ResourceARN"] == arn, "{tagged}");
    // A bucket is everybody's.
    let bucket = toy.stack.bucket()?;
    here.put_object(bucket, "accounts/x", "from here").await?;
    ensure!(there.get_object(bucket, "accounts/x").await? == "from here");
    Ok(())
}

async fn boto3(toy: Arc<Toy>) -> Result<()> {
    toy.boto3("accounts.py").await
}

async fn faults(toy: Arc<Toy>) -> Result<()> {
    let (api, faults, table) = (toy.cloud.api(), toy.cloud.faults(), "stub-faults");
    make(api, table).await?;
    let throttled = faults.add(FaultRule::always("Scan", table, Fault::SlowDown).each(3));
    for turn in 1..=7 {
        match count(api, table).await {
            Ok(0) => ensure!(turn % 3 != 0, "request {turn} did not fail"),
            Ok(other) => anyhow::bail!("{other} items"),
            Err(error) => {
                let said = error.to_string();
                ensure!(turn % 3 == 0, "request {turn}: {said}");
                ensure!(said.contains("400"), "{said}");
                ensure!(said.contains("ProvisionedThroughputExceededException"), "{said}");
            }
        }
    }
    faults.remove(throttled);
    let cut = faults.add(FaultRule::always("BatchWriteItem", table, Fault::LoseAnswer));
    ensure!(write(api, table, &["1"]).await.is_err(), "the answer came");
    faults.remove(cut);
    let cut = faults.add(FaultRule::always("BatchWriteItem", table, Fault::Cut));
    ensure!(write(api, table, &["2"]).await.is_err(), "the answer came");
    faults.remove(cut);
    ensure!(count(api, table).await? == 1, "what was lost was done, what was cut was not");
    ensure!(faults.count("Scan", table) == 8, "{:?}", faults.seen(table));
    Ok(())
}

async fn half(toy: Arc<Toy>) -> Result<()> {
    let (api, faults, table) = (toy.cloud.api(), toy.cloud.faults(), "stub-half");
    make(api, table).await?;
    let rule = faults.add(FaultRule::always("BatchWriteItem", table, Fault::HalfDone));
    for (ids, left) in [(&["1", "2", "3"][..], 2), (&["4"][..], 1)] {
        let answer = write(api, table, ids).await?;
        let rest = answer["UnprocessedItems"][table].as_array().context("none left")?;
        ensure!(rest.len() == left, "{answer}");
    }
    faults.remove(rule);
    ensure!(count(api, table).await? == 1);
    let answer = write(api, table, &["4"]).await?;
    ensure!(answer["UnprocessedItems"] == json!({}), "{answer}");
    Ok(())
}
