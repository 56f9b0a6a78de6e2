//! A `DynamoDB` table that is backed up by its tag, and restored under another name.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use chrono::Local;
use serde_json::{Value, json};

use super::{a_few_seconds_ahead, follow, head, line};
use crate::{LocalCloud, Stack};

const TABLE: &str = "demo-carts";
const RESTORED: &str = "demo-carts-restored";
const ITEMS: usize = 1000;

/// From the tag to the restored table. An error unless it has the same items.
pub(super) async fn run(cloud: &LocalCloud, stack: &Stack) -> Result<()> {
    head(&format!("A DynamoDB table {TABLE}, tagged"));
    let arn = make(cloud).await?;
    let source = items(cloud, TABLE).await?;
    line(&format!("{} items; such as {}", source.len(), source.values().next().context("none")?));
    // What DynamoDB tells EventBridge when a tag changes; the emulator does not.
    cloud.publish(&json!({
        "source": "aws.tag", "detail-type": "Tag Change on Resource", "resources": [arn],
        "detail": {
            "changed-tag-keys": ["autodump:start-schedule"],
            "service": "dynamodb", "resource-type": "table",
        },
    }));

    head("The execution");
    let execution = follow::first(cloud, stack, &arn).await?;
    follow::to_its_end(cloud, &execution).await?;

    head("What lies in the bucket");
    let manifest = manifest(cloud, stack).await?;

    head("The restore");
    let input = json!({"manifest": manifest, "to": RESTORED});
    line(&format!("input {input}"));
    let machine = stack.restore_state_machine()?;
    let begun = cloud.api().start_execution(machine, "demo-restore-table", &input).await?;
    follow::to_its_end(cloud, &cloud.api().describe_execution(&begun).await?).await?;
    let restored = items(cloud, RESTORED).await?;
    ensure!(source == restored, "{RESTORED} has other items than {TABLE}");
    line(&format!("{} items, all equal", restored.len()));
    Ok(())
}

async fn call(cloud: &LocalCloud, operation: &str, input: &Value) -> Result<Value> {
    cloud.api().call(&format!("DynamoDB_20120810.{operation}"), input).await
}

/// Makes the table with its items; its ARN.
async fn make(cloud: &LocalCloud) -> Result<String> {
    let tags = [
        ("autodump:start-schedule", a_few_seconds_ahead(Local::now())),
        ("autodump:verify", "archive".to_owned()),
    ];
    let made = json!({
        "TableName": TABLE,
        "AttributeDefinitions": [{"AttributeName": "customer", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "customer", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "Tags": tags.each_ref().map(|(key, value)| json!({"Key": key, "Value": value})),
    });
    let made = call(cloud, "CreateTable", &made).await?;
    for (tag, value) in &tags {
        line(&format!("{tag} = {value}"));
    }
    let puts: Vec<_> =
        (0..ITEMS).map(|number| json!({"PutRequest": {"Item": item(number)}})).collect();
    for batch in puts.chunks(25) {
        call(cloud, "BatchWriteItem", &json!({"RequestItems": {TABLE: batch}})).await?;
    }
    let arn = &made["TableDescription"]["TableArn"];
    Ok(arn.as_str().context("a table without an ARN")?.to_owned())
}

fn item(number: usize) -> Value {
    json!({
        "customer": {"S": format!("customer {number} ü漢")},
        "total": {"N": format!("{number}.1234567890123456789012345678")},
        "paid": {"BOOL": number.is_multiple_of(2)},
        "lines": {"L": [{"M": {"sku": {"S": "A-1"}, "count": {"N": "2"}}}, {"NULL": true}]},
        "picture": {"B": "AAEC/f7/"},
        "tags": {"SS": ["new"]},
    })
}

/// All items by their keys.
async fn items(cloud: &LocalCloud, table: &str) -> Result<BTreeMap<String, Value>> {
    let (mut all, mut input) = (BTreeMap::new(), json!({"TableName": table}));
    loop {
        let mut page = call(cloud, "Scan", &input).await?;
        for item in page["Items"].as_array_mut().context("no items")? {
            all.insert(item["customer"]["S"].to_string(), item.take());
        }
        match page["LastEvaluatedKey"].take() {
            Value::Null => return Ok(all),
            key => input["ExclusiveStartKey"] = key,
        }
    }
}

/// Shows the table's backup; the URL of its manifest.
async fn manifest(cloud: &LocalCloud, stack: &Stack) -> Result<String> {
    let bucket = stack.bucket()?;
    let objects = cloud.api().list_objects(bucket, "dynamodb/").await?;
    for object in &objects {
        line(&format!("{:>12} bytes  {}", object.bytes, object.key));
    }
    let manifest = objects.iter().find(|object| object.key.ends_with("/manifest.json"));
    let manifest = manifest.context("there is no manifest.json")?;
    Ok(format!("s3://{bucket}/{}", manifest.key))
}
